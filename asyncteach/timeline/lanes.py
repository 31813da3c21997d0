"""Which lanes a timeline has: the loop's, each task's, and one for many tasks that are alike."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from asyncteach.arguments import check_number
from asyncteach.domains import THREADS
from asyncteach.formatting import clip
from asyncteach.intervals import union
from asyncteach.trace import RUNNING, STATES, Floats, Slices, TaskRecord, Trace, make_slices

TIMES = "\N{MULTIPLICATION SIGN}"

LOOPS = 8
# How many siblings are shown each, tried from the most to the fewest until all lanes fit.
_SIZES = (60, 30, 12, 6, 3, 1)
_FEW = 5
_NOTABLE = 3
_CHOSEN_LANES = 200


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane: the loop's (or yours), a task's, or that of many tasks that are alike."""

    name: str
    kind: str = "task"
    """`you`, `loop`, `task`, `thread` or `process`: of many, what each of them is."""
    depth: int = 0
    rows: Sequence[int] = ()
    """The rows that it shows; beyond the trace's own they are its loops, as they are numbered."""

    @property
    def folded(self) -> bool:
        """True if it stands for many."""
        return len(self.rows) > 1


@dataclass(frozen=True)
class View:
    """What is drawn of a trace: lanes, and the slices of each within an interval."""

    lanes: list[Lane]
    slices: Slices
    """Clipped to the interval. Their task is a row, or beyond the trace's rows a loop."""
    lane_of: NDArray[np.int32]
    """For each row its lane; -1: it isn't shown."""
    trace: Trace
    start: float
    end: float
    part: bool
    """True if the interval isn't the whole recording."""

    @property
    def tasks(self) -> int:
        """How many of the trace's rows have a lane."""
        return int((self.lane_of[: len(self.trace.rows)] >= 0).sum())

    @property
    def lane(self) -> NDArray[np.int32]:
        """The lane of each slice."""
        return self.lane_of[self.slices.task]

    def totals(self) -> Floats:
        """Return for each lane the sums of running, ready and waiting."""
        size = len(self.lanes) * len(STATES)
        where = self.lane * len(STATES) + self.slices.state
        sums = np.bincount(where, weights=self.slices.seconds(), minlength=size)
        return sums.astype(np.float64, copy=False).reshape(-1, len(STATES))


def has_jobs(trace: Trace) -> bool:
    """Return whether threads are jobs that tasks handed over; where all are threads none is."""
    return trace.domain is not THREADS


def name_of(row: TaskRecord) -> str:
    """Return what a person would call a task."""
    return row.label or row.name


def view_of(
    trace: Trace, start: float | None = None, end: float | None = None,
    tasks: Sequence[str] | None = None, *, most: int = 0,
) -> View:  # fmt: skip
    """Return what is drawn of a trace, or of a part of it, or of the tasks of some names.

    At most so many lanes are for tasks. What the longest blocks and the first failures belong to
    gets lanes of its own; of other siblings that are too many the first few do.

    >>> many = [TaskRecord(f"f{n}", "f", "f", 0) for n in range(99)]
    >>> rows = [TaskRecord("main", "main", "main"), *many]
    >>> view = view_of(Trace(rows, make_slices([], [], [], []), 1.0), most=20)
    >>> [len(lane.rows) for lane in view.lanes]
    [1, 1, 1, 1, 1, 1, 1, 94]
    """
    count = len(trace.rows)
    only = None if tasks is None else _find_rows(trace, tasks)
    most = most or max(trace.domain.lanes, min(_CHOSEN_LANES, len(only or ())))
    part = start is not None or end is not None
    low, high = _check_part(trace, start, end) if part else (0.0, trace.duration)
    if part:
        lively = np.unique(trace.slices.task[_inside(trace.slices, low, high)]).tolist()
        only = set(lively).intersection(range(count) if only is None else only)
    lanes = _arrange(trace, only, most)
    if not has_jobs(trace):
        lanes = [replace(lane, kind="task") for lane in lanes]
    lanes = _head_lanes(trace) + lanes
    lane_of = np.full(count + max(1, len(trace.loops)), -1, np.int32)
    for index, lane in enumerate(lanes):
        lane_of[np.asarray(lane.rows, dtype=np.int64)] = index
    slices = _join([trace.slices, busy_slices(trace)])
    seen = lane_of[slices.task] >= 0
    if part:
        seen &= _inside(slices, low, high)
    if not seen.all():
        slices = slices[seen]
    if part:
        ends = np.clip(slices.start, low, high), np.clip(slices.end, low, high)
        slices = Slices(slices.task, slices.state, *ends)
    return View(lanes, slices, lane_of, trace, low, high, part)


def _find_rows(trace: Trace, names: Sequence[str]) -> set[int]:
    """Return the rows of those names, or of those labels: a task or job has both."""
    known: dict[str, list[int]] = {}
    for index, row in enumerate(trace.rows):
        known.setdefault(row.name, []).append(index)
    for index, row in enumerate(trace.rows):
        if row.label != row.name:
            known.setdefault(row.label, []).append(index)
    found: set[int] = set()
    for name in [names] if isinstance(names, str) else names:
        if name not in known:
            some = ", ".join(repr(clip(row.name, 40)) for row in trace.rows[:3]) or "no name at all"
            raise ValueError(
                f"No task is called {name!r}: tasks= takes names out of `recording.names`, which "
                f"begins with {some}."
            )
        found.update(known[name])
    return found


def _check_part(trace: Trace, start: float | None, end: float | None) -> tuple[float, float]:
    """Return from when to when to draw."""
    fix = "write it as in 0.5, counted from the recording's beginning"
    low = 0.0 if start is None else check_number(start, "start", unit=trace.unit, fix=fix)
    high = trace.duration if end is None else check_number(end, "end", unit=trace.unit, fix=fix)
    if low >= high and end is None:
        raise ValueError(
            f"start={low:g} lies behind the end of the recording, which took {high:.6g} "
            f"{trace.unit}: choose an earlier one."
        )
    if low >= high:
        raise ValueError(
            f"start={low:g} must come before end={high:g}: swap them, or leave one out to draw "
            "up to the recording's own edge."
        )
    return low, high


def _inside(slices: Slices, low: float, high: float) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (slices.end >= low) & (slices.start <= high)
    return inside


def _join(parts: Sequence[Slices]) -> Slices:
    """Return some slices after the other as one."""
    columns = ([part.task, part.state, part.start, part.end] for part in parts)
    return Slices(*[np.concatenate(column) for column in zip(*columns, strict=True)])


def _head_lanes(trace: Trace) -> list[Lane]:
    """Return the lane on top: yours, or one for each loop, the last for all that are too many."""
    count = len(trace.rows)
    if trace.head != "loop":
        return [Lane(trace.head, "you", 0, [count])] if trace.head else []
    if len(trace.loops) < 2:
        return [Lane("loop", "loop", 0, [count])]
    lanes = [Lane(name, "loop", 0, [count + n]) for n, name in enumerate(trace.loops[:LOOPS])]
    rest = range(count + LOOPS, count + len(trace.loops))
    return [*lanes, Lane(f"{len(rest):,} more loops", "loop", 0, rest)] if rest else lanes


def busy_slices(trace: Trace) -> Slices:
    """Return when you were busy, or each loop: its tasks ran, or it did not rest in select."""
    rows, found = trace.rows, []
    if not trace.head:
        return make_slices([], [], [], [])
    running = trace.slices.of(RUNNING)
    if trace.head != "loop":
        head = np.full(len(running), len(rows), np.int32)
        return Slices(head, running.state, running.start, running.end)
    loops = max(1, len(trace.loops))
    # -1: what runs in a thread or a process leaves the loop alone.
    home = np.array([row.loop if row.kind == "task" else -1 for row in rows] or [-1], np.int64)
    for loop in range(loops):
        mine = running[home[running.task] == loop] if loops > 1 or -1 in home else running
        start, end = mine.start, mine.end
        if loop < len(trace.idle) and len(trace.idle[loop][0]):
            began, ended = (np.sort(times) for times in trace.idle[loop])
            # Before its first sign of life and after its last a loop isn't busy, it isn't there.
            first = min(began[0], start.min(initial=began[0]))
            last = max(ended[-1], end.max(initial=ended[-1]))
            awake = np.append(first, ended), np.append(began, last)
            real = awake[1] > awake[0]
            start = np.concatenate([start, awake[0][real]])
            end = np.concatenate([end, awake[1][real]])
        start, end = union(start, end)
        task = np.full(len(start), len(rows) + loop, np.int32)
        found.append(Slices(task, np.zeros(len(start), np.int8), start, end))
    return _join(found)


def _arrange(trace: Trace, only: Collection[int] | None, most: int) -> list[Lane]:
    rows = trace.rows
    children = _children(rows, only)
    longest = sorted(trace.blocks, key=lambda block: block.start - block.end)[:_NOTABLE]
    notable = {block.task for block in longest}
    failed = (n for n, row in enumerate(rows) if row.outcome.startswith("raised"))
    notable.update(islice(failed, _NOTABLE))
    for size in (most, *(size for size in _SIZES if size < most)):
        lanes = list(islice(_unfold(rows, children, size, notable), most + 1))
        if len(lanes) <= most:
            return lanes
    lanes = list(_unfold(rows, children, 1, notable))
    rest = [row for lane in lanes[most - 1 :] for row in lane.rows]
    return [*lanes[: most - 1], Lane(f"{len(rest):,} more tasks", "task", 0, rest)]


def _children(
    rows: Sequence[TaskRecord], only: Collection[int] | None
) -> dict[int | None, list[int]]:
    """Return the rows under each row, or under the nearest one above it that is shown."""
    children: dict[int | None, list[int]] = {}
    shown = None if only is None else set(only)
    for index, row in enumerate(rows):
        if shown is None or index in shown:
            parent = row.parent
            while shown is not None and parent is not None and parent not in shown:
                parent = rows[parent].parent
            children.setdefault(parent, []).append(index)
    return children


def _unfold(
    rows: Sequence[TaskRecord], children: dict[int | None, list[int]], size: int,
    notable: Collection[int | None],
) -> Iterator[Lane]:  # fmt: skip
    """Give the lanes, parents before children, more than `size` siblings alike as one."""
    left = _siblings(rows, children.get(None, []), 0, size, notable)[::-1]
    while left:
        lane = left.pop()
        yield lane
        below = [child for row in lane.rows for child in children.get(row, ())]
        if below:
            # The children of many are many: they are told apart by what they do, not by whose
            # they are.
            limit = 1 if lane.folded else size
            left += _siblings(rows, below, lane.depth + 1, limit, notable)[::-1]


def _siblings(
    rows: Sequence[TaskRecord],
    members: list[int],
    depth: int,
    size: int,
    notable: Collection[int | None],
) -> list[Lane]:
    """Return the lanes of siblings, a fold where the first of those that it hides would be."""
    alike: dict[tuple[str, str], list[int]] = {}
    if len(members) > size:
        for index in members:
            row = rows[index]
            alike.setdefault((row.kind, row.coroutine or _stem(row.label)), []).append(index)
    folds: dict[int, Lane | None] = {}
    for (kind, name), group in alike.items():
        few = min(_FEW, size // 2) if len(group) > size else len(group)
        many = [index for index in group[few:] if index not in notable]
        if len(many) > 1:
            folds.update(dict.fromkeys(many))
            title = f"{name or 'tasks'} {TIMES} {len(many):,}"
            folds[many[0]] = Lane(title, kind, depth, many)
    lanes: list[Lane] = []
    for index in members:
        if index not in folds:
            lanes.append(Lane(name_of(rows[index]), rows[index].kind, depth, [index]))
        elif fold := folds[index]:
            lanes.append(fold)
    return lanes


def _stem(label: str) -> str:
    """Return what a numbered name begins with, as `fetch` of `fetch-12`."""
    return re.sub(r"[\s\-_#:.]*\(?\d+\)?$", "", label)
