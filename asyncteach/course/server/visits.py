"""Who has asked for what, and how many at once."""

from collections.abc import Callable
from typing import NamedTuple

MOST_VISITS = 100_000
"""Visits that are kept: those beyond are served and not logged."""


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


class VisitBook:
    """The visits of a server: written by its own thread, read by any."""

    def __init__(self) -> None:
        self.most_at_once = 0
        self._ended: list[Visit] = []
        self._open: set[OpenVisit] = set()

    def begin(self, visit: OpenVisit) -> None:
        """Count a visit in."""
        self._open.add(visit)
        if len(self._open) > self.most_at_once:
            # A client that gives up and asks again may be heard before its farewell.
            for one in [one for one in self._open if one.has_left()]:
                self.end(one, None, visit.start)
            self.most_at_once = max(self.most_at_once, len(self._open))

    def end(self, visit: OpenVisit, status: int | None, at: float) -> None:
        """Count it out and log it; what has been counted out before stays as it was."""
        if visit in self._open:
            self._open.discard(visit)
            if len(self._ended) < MOST_VISITS:
                self._ended.append(Visit(visit.path, status, visit.start, at))

    def end_all(self, at: float) -> None:
        """Count out whoever is still there: the server closes."""
        for one in list(self._open):
            self.end(one, None, at)

    def read(self) -> list[Visit]:
        """Return the visits that have ended, in the order in which they began."""
        return sorted(self._ended, key=lambda visit: visit.start)
