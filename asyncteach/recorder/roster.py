"""Which tasks and jobs a recording shows: a row each, in the order in which they appeared."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asyncteach.formatting import printable, tell_apart
from asyncteach.places import place_of
from asyncteach.recorder.entry import Entry
from asyncteach.recorder.scope import Session
from asyncteach.recorder.tap import Tap
from asyncteach.trace import TaskRecord

_AUTOMATIC = re.compile(r"Task-\d+")


def whole(seconds: float) -> float:
    """Return the seconds to the nanosecond: what is shown adds up."""
    return round(seconds * 1e9) / 1e9 if seconds == seconds else seconds


class Roster:
    """The rows of a recording, and the times that they are told in."""

    def __init__(self, session: Session) -> None:
        self.session = session
        is_over = session.closed or session.failed
        ended = session.ended if is_over else session.axis.now()
        self.start, self.duration = session.opened, whole(ended - session.opened)
        self._loops = {tap: index for index, tap in enumerate(session.taps)}
        entries = self._find()
        self.row_of = {entry: index for index, entry in enumerate(entries)}
        self.rows = [self._row(entry) for entry in entries]
        for row, name in zip(self.rows, _apart([row.name for row in self.rows]), strict=True):
            row.name = name
        for row, name in zip(self.rows, _apart([row.label for row in self.rows]), strict=True):
            row.label = name
        self.numbers: dict[Tap, NDArray[np.int32]] = {}
        """For each tap the rows of its tasks by number, -1 for those of others."""
        for tap in session.taps:
            self.numbers[tap] = np.full(len(tap.registry.entries) + 1, -1, np.int32)
        for entry, index in self.row_of.items():
            if entry.number >= 0:
                self.numbers[entry.tap][entry.number] = index
        self.spawned = np.array([row.spawned for row in self.rows] or [0.0])
        self.finished = np.array([row.finished for row in self.rows] or [0.0])

    def time(self, at: float) -> float:
        """Return when that was, in whole nanoseconds since the recording began."""
        return whole(at - self.start)

    def times(self, at: Any) -> Any:
        """Return the same for an array, within the recording."""
        result = at - self.start
        result *= 1e9
        np.rint(result, out=result)
        result /= 1e9
        if len(result) and (result.min() < 0.0 or result.max() > self.duration):
            np.clip(result, 0.0, self.duration, out=result)
        return result

    def rows_of(self, tap: Tap, numbers: Any) -> NDArray[np.int32]:
        """Return the rows of tasks that a tap knows by these numbers."""
        found: NDArray[np.int32] = self.numbers[tap][numbers]
        return found

    def _find(self) -> list[Entry]:
        session = self.session
        found: list[Entry | None] = []
        for tap, begin in session.taps.items():
            end = session.end_of(tap)
            early = [e for e in session.openers if e.tap is tap and e.number < begin.entries]
            found += [*early, *tap.registry.entries[begin.entries : end.entries]]
        entries = [e for e in found if e is not None and session.owns(e)]
        # How asyncio.run() tidies up is nobody's work.
        entries = [e for e in entries if not e.coroutine.startswith("BaseEventLoop.shutdown_")]
        return sorted([*entries, *session.jobs], key=lambda entry: entry.spawned)

    def _row(self, entry: Entry) -> TaskRecord:
        is_done = bool(entry.outcome) and self.time(entry.finished) <= self.duration
        was_there = entry in self.session.openers
        coroutine = printable(entry.coroutine)
        short = coroutine.rpartition("<locals>.")[2]
        name = printable(entry.name) or short
        label = entry.label or (short if _AUTOMATIC.fullmatch(name) and short else name)
        return TaskRecord(
            name,
            label,
            coroutine,
            None if was_there else self._parent(entry),
            max(0.0, self.time(entry.spawned)),
            self.time(entry.finished) if is_done else float("nan"),
            entry.outcome if is_done else "still running",
            entry.kind,
            self._loops.get(entry.tap, 0),
            None if entry.line is None else place_of(*entry.line),
            was_there,
        )

    def _parent(self, entry: Entry) -> int | None:
        parent = entry.parent
        if isinstance(parent, int):
            parent = entry.tap.registry.entries[parent]
        return None if parent is None else self.row_of.get(parent)


def _apart(names: list[str]) -> list[str]:
    return names if len(set(names)) == len(names) else tell_apart(names)
