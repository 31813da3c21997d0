"""The request log: which paths were asked for, and how many requests were open at once."""

import time
from collections.abc import Callable
from typing import NamedTuple


class Visit(NamedTuple):
    """One request: `start` and `end` in seconds since the server began.

    `status` is that of the answer, or None where there was none: the connection was dropped, or
    the client had gone before.
    """

    path: str
    status: int | None
    start: float
    end: float


class OpenVisit:
    """A request that has not ended yet."""

    def __init__(self, path: str, start: float, has_left: Callable[[], bool]) -> None:
        self.path = path
        self.start = start
        self.has_left = has_left


class RequestLog:
    """The requests of a server: written by its own thread, read by any."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.most_at_once = 0
        self.open: set[OpenVisit] = set()
        self._ended: list[Visit] = []
        self._clock, self._began = clock, clock()

    def begin(self, path: str, has_left: Callable[[], bool]) -> OpenVisit:
        """Add a request that has come in; `has_left()` tells if its client has gone."""
        visit = OpenVisit(path, self._clock() - self._began, has_left)
        self.open.add(visit)
        if len(self.open) > self.most_at_once:
            # A client that gives up and asks again may be heard before the end of its connection.
            for one in [one for one in self.open if one.has_left()]:
                self.end(one, None)
            self.most_at_once = max(self.most_at_once, len(self.open))
        return visit

    def end(self, visit: OpenVisit, status: int | None) -> None:
        """Log a request that has ended; one that has been logged stays as it was."""
        if visit in self.open:
            self.open.remove(visit)
            end = self._clock() - self._began
            self._ended.append(Visit(visit.path, status, visit.start, end))

    def visits(self) -> list[Visit]:
        """Return the requests that have ended, in the order in which they began."""
        return sorted(self._ended, key=lambda visit: visit.start)
