"""The steps of one loop's tasks, as they were stamped, and the slices that they make."""

import numpy as np
from numpy.typing import NDArray

from asyncteach.recorder.nested import split_nested
from asyncteach.recorder.reel import Reel
from asyncteach.recorder.roster import Roster
from asyncteach.recorder.tap import Tap
from asyncteach.trace import READY, RUNNING, STATES, WAITING, Floats, Slices

_RUNNING, _READY, _WAITING = (STATES.index(state) for state in (RUNNING, READY, WAITING))


class Steps:
    """Columns: whose step, since when it was ready, when it began and ended."""

    def __init__(self, tap: Tap, roster: Roster, begin: int, end: int) -> None:
        table = read(tap.steps, begin, end)
        limit = roster.start + roster.duration + 1e-9
        if len(table) and table[:, 2].max() > limit:
            table = table[table[:, 2] <= limit]
        for cut in tap.cuts:
            _mend(table, cut - begin)
        numbers = table[:, 0].astype(np.int32)
        eager = numbers < 0
        if eager.any():
            numbers[eager] = -1 - numbers[eager]
        row = roster.rows_of(tap, numbers)
        mine = row >= 0
        if not mine.all():
            table, row, eager = table[mine], row[mine], eager[mine]
        self.row: NDArray[np.int32] = row
        self.eager = eager
        """Whether it was made inside the step of the task's parent."""
        self.start: Floats = roster.times(table[:, 2])
        self.end: Floats = roster.times(table[:, 3])
        self.raw = table[:, 2].copy()
        """The start as it was stamped."""
        self.last = roster.spawned.copy()
        """By row: when the last step ended, or when the task was spawned."""
        is_first, self.before = self._look_back(roster)
        # A task is ready from the moment when it is spawned.
        self.ready: Floats = roster.times(table[:, 1])
        np.maximum(self.ready, self.before, out=self.ready)
        np.minimum(self.ready, self.start, out=self.ready)
        self.ready[is_first] = self.before[is_first]

    def _look_back(self, roster: Roster) -> tuple[NDArray[np.bool_], Floats]:
        """Return for each step if it is its task's first, and when the one before it ended."""
        order = _sort_by_row(self.row)
        row, end = self.row[order], self.end[order]
        first = np.ones(len(row), bool)
        first[1:] = row[1:] != row[:-1]
        before = np.empty(len(row))
        before[1:] = end[:-1]
        before[first] = roster.spawned[row[first]]
        is_first, result = np.empty(len(row), bool), np.empty(len(row))
        is_first[order], result[order] = first, before
        final = np.roll(first, -1)  # the last of each row comes before the first of the next
        self.last[row[final]] = end[final]
        np.minimum(result, self.start, out=result)
        return is_first, result

    def slices(self) -> list[Slices]:
        """Return what the steps show: running, and before it ready, and before that waiting."""
        running = Slices(self.row, _fill(len(self.row), _RUNNING), self.start, self.end)
        parts = [running]
        # What begins before all before it have ended is inside another step.
        if len(running) and (self.start[1:] < np.maximum.accumulate(self.end)[:-1]).any():
            parts = [*split_nested(running)]
        for state, start, end in (
            (_WAITING, self.before, self.ready),
            (_READY, self.ready, self.start),
        ):
            some = np.flatnonzero(end > start)
            fill = _fill(len(some), state)
            parts.append(Slices(self.row[some], fill, start[some], end[some]))
        return parts


def read(reel: Reel, begin: int, end: int) -> Floats:
    """Return rows of a reel as a table."""
    chunks = [np.frombuffer(chunk) for chunk in reel.chunks(begin)]
    table = np.concatenate(chunks) if chunks else np.empty(0)
    return table.reshape(-1, reel.columns)[: end - begin]


def _fill(count: int, state: int) -> NDArray[np.int8]:
    return np.full(count, state, np.int8)


def _sort_by_row(row: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the order by row that keeps the order of each row's steps, in linear time."""
    # NumPy sorts whole numbers of 16 bits by counting.
    order: NDArray[np.int64] = np.argsort((row & 0xFFFF).astype(np.uint16), kind="stable")
    if len(row) and row.max() > 0xFFFF:
        high = (row >> 16).astype(np.uint16)
        order = order[np.argsort(high[order], kind="stable")]
    return order


def _mend(table: Floats, cut: int) -> None:
    """Join a step that was written down in two parts: the first becomes a moment before it."""
    if not 0 <= cut < len(table) - 1:
        return
    later = np.flatnonzero(table[cut + 1 :, 0] == table[cut, 0])
    if len(later) and table[cut + 1 + later[0], 1] == table[cut, 3]:
        second = cut + 1 + later[0]
        table[second, 1:3] = table[cut, 1:3]
        table[cut, 3] = table[cut, 2]
