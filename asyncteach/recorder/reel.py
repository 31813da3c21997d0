"""Where stamps are kept: lists that are cheap to extend, moved to typed arrays now and then."""

import threading
from array import array
from collections.abc import Iterator


class Reel:
    """Rows of so many numbers, at most so many rows."""

    def __init__(self, columns: int, most: int = 0) -> None:
        self.columns = columns
        self.most = most
        self.dropped = 0
        self.fresh: list[float] = []
        self._chunks: list[array[float]] = []
        self._kept = 0
        self._lock = threading.Lock()

    def flush(self, *, at_least: int = 4096) -> None:
        """Move whole rows to an array; those beyond the most are only counted."""
        with self._lock:
            rows = len(self.fresh) // self.columns
            if rows < at_least:
                return
            room = min(rows, max(0, self.most - self._kept))
            if room:
                self._chunks.append(array("d", self.fresh[: room * self.columns]))
            # One statement, so that what the loop's thread adds meanwhile stays.
            del self.fresh[: rows * self.columns]
            self._kept += room
            self.dropped += rows - room

    def rows(self) -> int:
        """Return how many rows are kept, all of them in arrays now."""
        self.flush(at_least=1)
        return self._kept

    def chunks(self, start: int) -> "Iterator[array[float]]":
        """Give the arrays from that row on."""
        for chunk in self._chunks:
            rows = len(chunk) // self.columns
            if start < rows:
                yield chunk[start * self.columns :] if start > 0 else chunk
            start -= rows
