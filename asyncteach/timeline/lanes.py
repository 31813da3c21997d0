"""Which lanes a timeline has: the loop's, each task's, and one for many tasks that are alike."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from asyncteach.intervals import union
from asyncteach.subjects import STORY, THREADS
from asyncteach.trace import RUNNING, STATES, Floats, Slices, TaskRecord, Trace

TIMES = "\N{MULTIPLICATION SIGN}"

LOOPS = 8
# How many siblings are shown each, tried from the most to the fewest until all lanes fit.
_SIZES = (60, 30, 12, 6, 3, 1)
_FEW = 5
_NOTABLE = 3


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
        """Tell if it stands for many."""
        return len(self.rows) > 1


@dataclass(frozen=True)
class View:
    """What is to be drawn: lanes, and the slices of each within an interval."""

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
    tasks: int
    """How many of the trace's rows have a lane."""

    @property
    def story(self) -> bool:
        """True if times are minutes of the story."""
        return self.trace.subject is STORY

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
    """Tell if threads are jobs that tasks handed over; where all are threads they need no mark."""
    return trace.subject is not THREADS


def name_of(row: TaskRecord) -> str:
    """Return what a person would call a task."""
    return row.label or row.name


def lay_out(
    trace: Trace, *, most: int = 60, only: Collection[int] | None = None,
    interval: tuple[float, float] | None = None,
) -> View:  # fmt: skip
    """Find the lanes, at most so many for tasks, and the slices that are seen in them.

    `only` are the rows to show. What the longest blocks and the first failures belong to gets
    lanes of its own; of other siblings that are too many the first few do.

    >>> many = [TaskRecord(f"f{n}", "f", "f", 0) for n in range(99)]
    >>> rows = [TaskRecord("main", "main", "main"), *many]
    >>> from asyncteach.trace import make_slices
    >>> view = lay_out(Trace(rows, make_slices([], [], [], []), 1.0), most=20)
    >>> [len(lane.rows) for lane in view.lanes]
    [1, 1, 1, 1, 1, 1, 1, 94]
    """
    count = len(trace.rows)
    low, high = interval or (0.0, trace.duration)
    if interval:
        lively = np.unique(trace.slices.task[_inside(trace.slices, low, high)]).tolist()
        only = set(lively).intersection(range(count) if only is None else only)
    lanes = _arrange(trace, only, most)
    if not has_jobs(trace):
        lanes = [replace(lane, kind="task") for lane in lanes]
    lanes = _head_lanes(trace) + lanes
    size = count + max(1, len(trace.loops))
    lane_of = np.full(size, -1, np.int32)
    for index, lane in enumerate(lanes):
        lane_of[np.asarray(lane.rows, dtype=np.int64)] = index
    slices = join_slices([trace.slices, busy_slices(trace)])
    seen = lane_of[slices.task] >= 0
    if interval:
        seen &= _inside(slices, low, high)
    if not seen.all():
        slices = slices[seen]
    if interval:
        ends = np.clip(slices.start, low, high), np.clip(slices.end, low, high)
        slices = Slices(slices.task, slices.state, *ends)
    tasks = int((lane_of[:count] >= 0).sum())
    return View(lanes, slices, lane_of, trace, low, high, interval is not None, tasks)


def _inside(slices: Slices, low: float, high: float) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (slices.end >= low) & (slices.start <= high)
    return inside


def join_slices(parts: Sequence[Slices]) -> Slices:
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
    running = trace.slices.of(RUNNING)
    if trace.head != "loop":
        who = np.full(len(running) if trace.head else 0, len(rows), np.int32)
        return Slices(
            who, running.state[: len(who)], running.start[: len(who)], running.end[: len(who)]
        )
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
    return join_slices(found)


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
