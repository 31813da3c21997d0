"""Which lanes a timeline has: the loop's, each task's, and one for many tasks that are alike."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from asyncteach.arguments import check_number
from asyncteach.domains import THREADS
from asyncteach.formatting import clip, join_words
from asyncteach.intervals import union
from asyncteach.trace import RUNNING, STATES, Block, Floats, Slices, Trace, make_slices

TIMES = "\N{MULTIPLICATION SIGN}"

# How many siblings have a lane each: tried from the most to the fewest until all lanes fit.
_SIZES = (60, 30, 12, 6, 3, 1)
_FEW = 5
_NOTABLE = 3
_CHOSEN_LANES = 200


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane: the loop's (or yours), a task's, or that of many tasks that are alike."""

    name: str
    kind: str = "task"
    """`you`, `loop`, `task`, `thread` or `process`."""
    depth: int = 0
    rows: Sequence[int] = ()
    """The trace's rows that it shows. The loops are numbered after the last row."""

    @property
    def folded(self) -> bool:
        """Whether it stands for many tasks."""
        return len(self.rows) > 1


@dataclass(frozen=True)
class View:
    """The part of a trace that is drawn: its lanes, and their slices within an interval."""

    lanes: list[Lane]
    slices: Slices
    """Clipped to the interval, those of the loops included."""
    lane_of: NDArray[np.int32]
    """The lane of each row and each loop; -1 if it isn't shown."""
    trace: Trace
    start: float
    end: float
    part: bool
    """Whether the interval is a part of the recording."""

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


def view_of(
    trace: Trace, start: float | None = None, end: float | None = None,
    tasks: Sequence[str] | None = None, *, most: int = 0,
) -> View:  # fmt: skip
    """Return what to draw of a trace, or of an interval of it, or of the tasks of some names.

    At most `most` lanes are for tasks: if there are more tasks, those that are alike share one.
    The tasks with the longest blocks and the first failures keep a lane of their own.
    """
    count = len(trace.rows)
    only: Collection[int] = range(count) if tasks is None else _find_rows(trace, tasks)
    most = most or max(trace.domain.lanes, min(_CHOSEN_LANES, 0 if tasks is None else len(only)))
    part = start is not None or end is not None
    low, high = _check_part(trace, start, end) if part else (0.0, trace.duration)
    slices = trace.slices
    if part:
        slices = slices[(slices.end >= low) & (slices.start <= high)]
        only = set(np.unique(slices.task).tolist()).intersection(only)
    lanes = _head_lanes(trace) + _task_lanes(trace, only, most)
    lane_of = np.full(count + max(1, len(trace.loops)), -1, np.int32)
    for index, lane in enumerate(lanes):
        lane_of[np.asarray(lane.rows, dtype=np.int64)] = index
    slices = _join([slices, busy_slices(trace)])
    slices = slices[(lane_of[slices.task] >= 0) & (slices.end >= low) & (slices.start <= high)]
    edges = np.clip(slices.start, low, high), np.clip(slices.end, low, high)
    return View(lanes, Slices(slices.task, slices.state, *edges), lane_of, trace, low, high, part)


def _find_rows(trace: Trace, names: Sequence[str]) -> set[int]:
    """Return the rows of those names or labels."""
    found: set[int] = set()
    for name in [names] if isinstance(names, str) else names:
        own = {n for n, row in enumerate(trace.rows) if name in (row.name, row.label)}
        if not own:
            known = join_words([repr(clip(row.name, 40)) for row in trace.rows]) or "no name"
            raise ValueError(f"No task is called {name!r}: `recording.names` has {known}.")
        found |= own
    return found


def _check_part(trace: Trace, start: float | None, end: float | None) -> tuple[float, float]:
    """Return the edges of the interval that was asked for."""
    fix = "write a number such as 0.5, counted from the recording's start"
    low = 0.0 if start is None else check_number(start, "start", unit=trace.unit, fix=fix)
    high = trace.duration if end is None else check_number(end, "end", unit=trace.unit, fix=fix)
    if low >= high:
        edge = "the recording's end at " if end is None else "end="
        raise ValueError(f"start={low:g} must come before {edge}{high:.6g}: choose an earlier one.")
    return low, high


def _join(parts: Sequence[Slices]) -> Slices:
    columns = ([part.task, part.state, part.start, part.end] for part in parts)
    return Slices(*[np.concatenate(column) for column in zip(*columns, strict=True)])


def _head_lanes(trace: Trace) -> list[Lane]:
    """Return the lanes on top: yours, or one for each loop."""
    count = len(trace.rows)
    if trace.head != "loop":
        return [Lane(trace.head, "you", 0, [count])] if trace.head else []
    names = trace.loops if len(trace.loops) > 1 else ["loop"]
    return [Lane(name, "loop", 0, [count + n]) for n, name in enumerate(names)]


def busy_slices(trace: Trace) -> Slices:
    """Return when you were busy, or each loop: a task ran, or the loop didn't rest in select."""
    rows, found = trace.rows, []
    if not trace.head:
        return make_slices([], [], [], [])
    running = trace.slices.of(RUNNING)
    if trace.head != "loop":
        head = np.full(len(running), len(rows), np.int32)
        return Slices(head, running.state, running.start, running.end)
    # -1: what runs in a thread or a process doesn't use the loop.
    home = np.array([row.loop if row.kind == "task" else -1 for row in rows] or [-1], np.int64)
    for loop in range(max(1, len(trace.loops))):
        mine = running[home[running.task] == loop]
        start, end = mine.start, mine.end
        if loop < len(trace.idle) and len(trace.idle[loop][0]):
            began, ended = (np.sort(times) for times in trace.idle[loop])
            # Before its first event and after its last one a loop isn't busy: it doesn't exist.
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


def kind_of(trace: Trace, row: int) -> str:
    """Return `task`, `thread` or `process`; in a recording of threads, all count as tasks."""
    return "task" if trace.domain is THREADS else trace.rows[row].kind


def longest_blocks(trace: Trace) -> list[Block]:
    """Return what held the loop, the longest first."""
    return sorted(trace.blocks, key=lambda block: block.start - block.end)


def _task_lanes(trace: Trace, only: Collection[int], most: int) -> list[Lane]:
    """Return at most `most` lanes for those rows."""
    children: dict[int | None, list[int]] = {}
    for index in sorted(only):
        parent = trace.rows[index].parent
        while parent is not None and parent not in only:
            parent = trace.rows[parent].parent
        children.setdefault(parent, []).append(index)
    failed = (n for n, row in enumerate(trace.rows) if row.outcome.startswith("raised"))
    notable = {block.task for block in longest_blocks(trace)[:_NOTABLE]}
    notable.update(islice(failed, _NOTABLE))
    for size in (most, *(size for size in _SIZES if size < most)):
        lanes = list(islice(_unfold(trace, children, size, notable), most + 1))
        if len(lanes) <= most:
            return lanes
    lanes = list(_unfold(trace, children, 1, notable))
    rest = [row for lane in lanes[most - 1 :] for row in lane.rows]
    return [*lanes[: most - 1], Lane(f"{len(rest):,} more tasks", "task", 0, rest)]


def _unfold(
    trace: Trace, children: dict[int | None, list[int]], size: int, notable: Collection[int | None],
) -> Iterator[Lane]:  # fmt: skip
    """Yield the lanes, parents before children; more than `size` siblings alike share one."""
    left = _siblings(trace, children.get(None, []), 0, size, notable)[::-1]
    while left:
        lane = left.pop()
        yield lane
        below = [child for row in lane.rows for child in children.get(row, ())]
        # The children of many are many: what they do tells them apart, not their parent.
        limit = 1 if lane.folded else size
        left += _siblings(trace, below, lane.depth + 1, limit, notable)[::-1]


def _siblings(
    trace: Trace, members: list[int], depth: int, size: int, notable: Collection[int | None]
) -> list[Lane]:
    """Return the lanes of siblings; a fold takes the place of the first one that it hides."""
    rows = trace.rows
    alike: dict[tuple[str, str], list[int]] = {}
    for index in members:
        what = rows[index].coroutine or rows[index].label
        alike.setdefault((kind_of(trace, index), what), []).append(index)
    folds: dict[int, Lane | None] = {}
    for (kind, name), group in alike.items():
        many = [index for index in group[min(_FEW, size // 2) :] if index not in notable]
        if len(group) > size and len(many) > 1:
            folds |= dict.fromkeys(many)
            folds[many[0]] = Lane(f"{name} {TIMES} {len(many):,}", kind, depth, many)
    lanes: list[Lane] = []
    for index in members:
        if index not in folds:
            lanes.append(Lane(rows[index].label, kind_of(trace, index), depth, [index]))
        elif fold := folds[index]:
            lanes.append(fold)
    return lanes
