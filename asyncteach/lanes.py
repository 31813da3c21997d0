"""Which lanes a timeline has: the loop's, each task's, and one for many tasks that are alike."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from asyncteach.raster import union
from asyncteach.tape import RUNNING, STATES, Row, Slices, Tape

TIMES = "\N{MULTIPLICATION SIGN}"

_LOOPS = 8
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
    """The rows that it shows; beyond the tape's own they are its loops, as they are numbered."""

    @property
    def folded(self) -> bool:
        """Tell if it stands for many."""
        return len(self.rows) > 1


@dataclass(frozen=True)
class View:
    """What is to be drawn: lanes, and the slices of each within an interval."""

    lanes: list[Lane]
    slices: Slices
    """Clipped to the interval. Their task is a row, or beyond the tape's rows a loop."""
    lane_of: NDArray[np.int32]
    """For each row its lane; -1: it isn't shown."""
    rank_of: NDArray[np.int32]
    """For each row which of its lane's rows it is."""
    tape: Tape
    start: float
    end: float
    part: bool
    """True if the interval isn't the whole recording."""
    tasks: int = field(default=0)
    """How many of the tape's rows have a lane."""

    @property
    def lane(self) -> NDArray[np.int32]:
        """The lane of each slice."""
        return self.lane_of[self.slices.task]

    def totals(self) -> NDArray[np.float64]:
        """Return for each lane the sums of running, ready and waiting."""
        size = len(self.lanes) * len(STATES)
        where = self.lane * len(STATES) + self.slices.state
        sums = np.bincount(where, weights=self.slices.seconds(), minlength=size)
        return sums.reshape(-1, len(STATES))


def lay_out(
    tape: Tape, *, story: bool = False, most: int = 60, only: Collection[int] | None = None,
    interval: tuple[float, float] | None = None,
) -> View:  # fmt: skip
    """Find the lanes, at most so many for tasks, and the slices that are seen in them.

    `only` are the rows to show. What the longest blocks and the first failures belong to gets
    lanes of its own; of other siblings that are too many the first few do.

    >>> rows = [Row("main", "main", "main"), *[Row(f"f{n}", "f", "f", 0) for n in range(99)]]
    >>> from asyncteach.tape import make_slices
    >>> view = lay_out(Tape(rows, make_slices([], [], [], []), 1.0), most=20)
    >>> [len(lane.rows) for lane in view.lanes]
    [1, 1, 1, 1, 1, 1, 1, 94]
    """
    count = len(tape.rows)
    head = [Lane("you", "you", 0, [count])] if story else _loop_lanes(tape)
    lanes = head + _arrange(tape, only, most)
    size = count + (1 if story else max(1, len(tape.loops)))
    lane_of, rank_of = np.full(size, -1, np.int32), np.zeros(size, np.int32)
    for index, lane in enumerate(lanes):
        rows = np.asarray(lane.rows, dtype=np.int64)
        lane_of[rows], rank_of[rows] = index, np.arange(len(rows))
    slices = tape.slices
    if (lane_of[:count] < 0).any():
        slices = slices[lane_of[slices.task] >= 0]
    parts = [slices, _yours(tape) if story else busy_slices(tape)]
    both = [np.concatenate(columns) for columns in zip(*map(_columns, parts), strict=True)]
    slices = Slices(*both)
    low, high = interval or (0.0, tape.duration)
    if interval:
        inside = slices[(slices.end >= low) & (slices.start <= high)]
        ends = np.clip(inside.start, low, high), np.clip(inside.end, low, high)
        slices = Slices(inside.task, inside.state, *ends)
    tasks = int((lane_of[:count] >= 0).sum())
    return View(lanes, slices, lane_of, rank_of, tape, low, high, interval is not None, tasks)


def find_rows(tape: Tape, names: Sequence[str]) -> list[int]:
    """Return the rows of those names, or of those labels: a task or job has both."""
    rows: list[int] = []
    for name in [names] if isinstance(names, str) else names:
        found = [index for index, row in enumerate(tape.rows) if row.name == name]
        found = found or [index for index, row in enumerate(tape.rows) if row.label == name]
        if not found:
            some = ", ".join(repr(row.name) for row in tape.rows[:3]) or "none"
            raise ValueError(
                f"No task is called {name!r}: tasks= takes names from `recording.names`, which "
                f"begin with {some}."
            )
        rows += found
    return rows


def _columns(slices: Slices) -> tuple[NDArray[np.generic], ...]:
    return slices.task, slices.state, slices.start, slices.end


def _loop_lanes(tape: Tape) -> list[Lane]:
    """Return a lane for each loop, the last one for all that are too many."""
    count = len(tape.rows)
    if len(tape.loops) < 2:
        return [Lane("loop", "loop", 0, [count])]
    lanes = [Lane(name, "loop", 0, [count + n]) for n, name in enumerate(tape.loops[:_LOOPS])]
    rest = range(count + _LOOPS, count + len(tape.loops))
    return [*lanes, Lane(f"{len(rest):,} more loops", "loop", 0, rest)] if rest else lanes


def _yours(tape: Tape) -> Slices:
    running = tape.slices.of(RUNNING)
    you = np.full(len(running), len(tape.rows), np.int32)
    return Slices(you, running.state, running.start, running.end)


def busy_slices(tape: Tape) -> Slices:
    """Return when each loop was busy: its tasks ran, or it did not rest in select."""
    rows, found = tape.rows, []
    running = tape.slices.of(RUNNING)
    loops = max(1, len(tape.loops))
    # -1: what runs in a thread or a process leaves the loop alone.
    home = np.array([row.loop if row.kind == "task" else -1 for row in rows] or [-1], np.int64)
    for loop in range(loops):
        mine = running[home[running.task] == loop] if loops > 1 or -1 in home else running
        start, end = mine.start, mine.end
        if loop < len(tape.idle) and len(tape.idle[loop][0]):
            began, ended = (np.sort(times) for times in tape.idle[loop])
            # Before its first sign of life and after its last a loop isn't busy, it isn't there.
            first = min(began[0], start.min(initial=began[0]))
            last = max(ended[-1], end.max(initial=ended[-1]))
            awake = np.append(first, ended), np.append(began, last)
            real = awake[1] > awake[0]
            start = np.concatenate([start, awake[0][real]])
            end = np.concatenate([end, awake[1][real]])
        start, end = union(start, end)
        task = np.full(len(start), len(rows) + loop, np.int32)
        found.append((task, np.zeros(len(start), np.int8), start, end))
    return Slices(*[np.concatenate(columns) for columns in zip(*found, strict=True)])


def _arrange(tape: Tape, only: Collection[int] | None, most: int) -> list[Lane]:
    rows = tape.rows
    children = _children(rows, only)
    longest = sorted(tape.blocks, key=lambda block: block.start - block.end)[:_NOTABLE]
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


def _children(rows: Sequence[Row], only: Collection[int] | None) -> dict[int | None, list[int]]:
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
    rows: Sequence[Row], children: dict[int | None, list[int]], size: int,
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
    rows: Sequence[Row], members: list[int], depth: int, size: int, notable: Collection[int | None]
) -> list[Lane]:
    alike: dict[tuple[str, str], list[int]] = {}
    if len(members) > size:
        for index in members:
            row = rows[index]
            alike.setdefault((row.kind, row.coroutine or _stem(row.label)), []).append(index)
    lanes = []
    shown = members
    if any(len(group) > size for group in alike.values()):
        folds: dict[int, Lane] = {}
        hidden: set[int] = set()
        for (kind, name), group in alike.items():
            if len(group) > size:
                few = group[: min(_FEW, size // 2)]
                many = [n for n in group[len(few) :] if n not in notable]
                if len(many) > 1:
                    hidden.update(many)
                    title = f"{name or 'tasks'} {TIMES} {len(many):,}"
                    folds[many[0]] = Lane(title, kind, depth, many)
        shown = [index for index in members if index not in hidden or index in folds]
    else:
        folds = {}
    for index in shown:
        row = rows[index]
        lanes.append(folds.get(index) or Lane(row.label or row.name, row.kind, depth, [index]))
    return lanes


def _stem(label: str) -> str:
    """Return what a numbered name begins with, as `fetch` of `fetch-12`."""
    return re.sub(r"[\s\-_#:.]*\(?\d+\)?$", "", label)
