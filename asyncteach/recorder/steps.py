"""The steps of one loop's tasks, as they were stamped, and the slices that they make."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asyncteach.recorder.task_table import StampBuffer
from asyncteach.trace import READY, RUNNING, STATES, WAITING, Floats, Slices, make_slices

_RUNNING, _READY, _WAITING = (STATES.index(state) for state in (RUNNING, READY, WAITING))

Part = tuple[int, int, float, float]
"""Task, state, start, end."""


class Steps:
    """Columns: whose step, since when it was ready, when it began and ended."""

    def __init__(self, patch: Any, records: Any, begin: int, end: int) -> None:
        table = read(patch.steps, begin, end)
        limit = records.start + records.duration + 1e-9
        if len(table) and table[:, 2].max() > limit:
            table = table[table[:, 2] <= limit]
        for cut in patch.cuts:
            _mend(table, cut - begin)
        numbers = table[:, 0].astype(np.int32)
        eager = numbers < 0
        if eager.any():
            numbers[eager] = -1 - numbers[eager]
        row = records.numbers[patch][numbers]
        mine = row >= 0
        if not mine.all():
            table, row, eager = table[mine], row[mine], eager[mine]
        self.row: NDArray[np.int32] = row
        self.eager = eager
        """Whether it was made inside the step of the task's parent."""
        self.start: Floats = records.times(table[:, 2])
        self.end: Floats = records.times(table[:, 3])
        self.raw = table[:, 2].copy()
        """The start as it was stamped."""
        self.last = records.spawned.copy()
        """By row: when the last step ended, or when the task was spawned."""
        is_first, self.before = self._look_back(records.spawned)
        # A task is ready from the moment when it is spawned.
        self.ready: Floats = records.times(table[:, 1])
        np.maximum(self.ready, self.before, out=self.ready)
        np.minimum(self.ready, self.start, out=self.ready)
        self.ready[is_first] = self.before[is_first]

    def _look_back(self, spawned: Floats) -> tuple[NDArray[np.bool_], Floats]:
        """Return for each step if it is its task's first, and when the one before it ended."""
        order = _sort_by_row(self.row)
        row, end = self.row[order], self.end[order]
        first = np.ones(len(row), bool)
        first[1:] = row[1:] != row[:-1]
        before = np.empty(len(row))
        before[1:] = end[:-1]
        before[first] = spawned[row[first]]
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


def read(buffer: StampBuffer, begin: int, end: int) -> Floats:
    """Return rows of a buffer as a table."""
    chunks = [np.frombuffer(chunk) for chunk in buffer.chunks(begin)]
    table = np.concatenate(chunks) if chunks else np.empty(0)
    return table.reshape(-1, buffer.columns)[: end - begin]


def make_parts(parts: Iterable[Part]) -> Slices:
    """Return slices of those parts that last, and of the moments in which something ran."""
    return _make([part for part in parts if part[3] > part[2] or part[1] == _RUNNING])


def _make(parts: list[Part]) -> Slices:
    return make_slices(*(zip(*parts, strict=True) if parts else ((), (), (), ())))


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


def split_nested(running: Slices) -> tuple[Slices, Slices, Slices]:
    """Split running slices so that none overlap: what runs inside interrupts what is around it.

    That is so with eager tasks, and where a loop runs inside itself. Returns those that take no
    time, the others, and the stretches in which an interrupted task was ready to go on.
    """
    moments = running[running.end <= running.start]  # they interrupt nothing
    running = running[running.end > running.start]
    # Of two that began and ended together the outer one was written down later.
    order = np.lexsort((-np.arange(len(running)), -running.end, running.start))
    rows = zip(
        running.task[order].tolist(),
        running.start[order].tolist(),
        running.end[order].tolist(),
        strict=True,
    )
    pieces: list[Part] = []
    gaps: list[Part] = []
    open_steps: list[list[float]] = []  # task, since when it runs, end

    def close_until(at: float) -> None:
        while open_steps and open_steps[-1][2] <= at:
            task, since, end = open_steps.pop()
            pieces.append((int(task), _RUNNING, since, max(since, end)))
            if open_steps:
                outer = open_steps[-1]
                gaps.append((int(outer[0]), _READY, outer[1], end))
                outer[1] = end

    for task, start, end in rows:
        close_until(start)
        if open_steps:
            outer = open_steps[-1]
            if start > outer[1]:
                pieces.append((int(outer[0]), _RUNNING, outer[1], start))
            outer[1] = start
            end = min(end, outer[2])
        open_steps.append([task, start, end])
    close_until(float("inf"))
    return moments, _make(pieces), make_parts(gaps)
