"""Where everything goes in a picture: the lanes, the words, and what a crowded lane shows."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asyncteach.formatting import clip, width
from asyncteach.intervals import occupancy
from asyncteach.timeline.lanes import Lane, View, longest_blocks
from asyncteach.trace import RUNNING, STATES, Block, Floats, Slices, TaskRecord

_BARS = 8000  # the lanes that aren't crowded have at most about this many slices in all
_TURNS = 50
_NARROW = 1 / 80  # of the width: about nine pixels
BAR = 0.62
_THIN = 0.4
_MOST_INCHES = 30.0
NOTE_SIZE = 8.5
_LETTER = NOTE_SIZE * 0.62  # points, generous for the fonts that are used
_NAME_COLUMNS = 32
_NAMES_SHARE = 5.3  # columns per inch of the page: names take less than half of it
_WORDS = 4


class Note(NamedTuple):
    """Words about a block: in its bar, or above all lanes if `lane` is None."""

    text: str
    x: float
    lane: int | None


@dataclass(frozen=True)
class Sheet:
    """A view with a place for each lane, in units of an ordinary lane, downwards from -0.5."""

    view: View
    names: list[str]
    sizes: list[float]
    notes: list[Note]
    inches: float
    """The height of an ordinary lane."""

    @cached_property
    def middles(self) -> list[float]:
        """The middle of each lane."""
        ends = np.cumsum(self.sizes)
        return [float(end) - size / 2 - 0.5 for end, size in zip(ends, self.sizes, strict=True)]

    @property
    def top(self) -> float:
        """Where the axis begins: with room above the lanes for words about blocks."""
        above = any(note.lane is None for note in self.notes)
        return -0.5 - (0.19 / self.inches if above else 0.0)

    @property
    def bottom(self) -> float:
        """Where the axis ends."""
        return sum(self.sizes) - 0.5

    @property
    def height(self) -> float:
        """The height of the axes, in inches."""
        return self.inches * (self.bottom - self.top)

    def bar(self, lane: int) -> tuple[float, float]:
        """Return where a lane's bars begin and end: a thread's are thinner."""
        one = self.view.lanes[lane]
        share = _THIN if one.kind in ("thread", "process") and not one.folded else BAR
        half = (self.sizes[lane] - (1 - share)) / 2
        return self.middles[lane] - half, self.middles[lane] + half


def lay_sheet(
    view: View, *, page: float = 0.0, axes: tuple[float, float] | None = None, until: float = 0.0
) -> Sheet:
    """Place the lanes on a page that is `page` inches wide, or on axes of a width and height.

    `until` is the end of the longest recording that shares the axis.
    """
    if axes:
        page = axes[0] / 0.775  # what Matplotlib gives to axes of its own
    columns = min(_NAME_COLUMNS, round(page * _NAMES_SHARE))
    names = [_label(lane, columns) for lane in view.lanes]
    sizes = [1 + 1.5 * math.log10(len(lane.rows)) for lane in view.lanes]
    wide = axes[0] if axes else page - 0.085 * max(map(width, names)) - 0.2
    # Roomy for a few lanes, still readable for two hundred; the whole has a limit.
    units = sum(sizes)
    inches = min(max(0.13, min(0.42, 1.2 / math.sqrt(units))), _MOST_INCHES / units)
    if axes:
        inches = axes[1] / units
    notes = _place_notes(view, wide * 72, inches, max(until, view.end))
    return Sheet(view, names, sizes, notes, inches)


def outlines_of(view: View) -> list[tuple[int, Block]]:
    """Return the blocks that are visible, each with a lane that it is outlined in."""
    return [(lane, block) for block in _seen_blocks(view) for lane in _homes(view, block)]


def failures_of(view: View, outcome: str) -> list[tuple[int, TaskRecord]]:
    """Return the tasks of that outcome, `raised` or `cancelled`, that ended, with their lanes."""
    return [
        (number, row)
        for number, lane in enumerate(view.lanes)
        for row in view.trace.rows[lane.rows[0] : lane.rows[0] + 1]
        if not lane.folded and row.outcome.startswith(outcome)
        if view.start <= row.finished <= view.end
    ]


def _seen_blocks(view: View) -> list[Block]:
    """Return the blocks that lie in the interval, at least in part, the longest first."""
    longest = longest_blocks(view.trace)
    return [one for one in longest if one.start <= view.end and one.end >= view.start]


def _label(lane: Lane, columns: int) -> str:
    """Return a lane's name on one line, indented; a thread's has an arrow and its kind."""
    indent = "  " * min(lane.depth, 8, columns // 6)
    is_job = lane.kind in ("thread", "process")
    arrow, tail = ("\N{RIGHTWARDS DASHED ARROW} ", f" ({lane.kind})") if is_job else ("", "")
    return indent + arrow + clip(lane.name, max(6, columns - len(indent + arrow + tail))) + tail


def _homes(view: View, block: Block) -> list[int]:
    """Return the lanes in which a block is seen: its loop's, and its task's if it has one."""
    rows = view.trace.rows
    loop = rows[block.task].loop if block.task is not None else 0
    lanes = [int(view.lane_of[min(len(rows) + loop, len(view.lane_of) - 1)])]
    own = -1 if block.task is None else int(view.lane_of[block.task])
    return [*lanes, own] if own >= 0 and not view.lanes[own].folded else lanes


def _place_notes(view: View, points: float, inches: float, until: float) -> list[Note]:
    """Find room for the lines of the longest blocks, so that no words overlap."""
    per_point = ((until - view.start) or 1.0) * (1.0 if view.part else 1.13) / points
    columns = min(_NAME_COLUMNS, int(points / _LETTER * 0.8))
    notes: list[Note] = []
    taken: list[tuple[float, float]] = []
    for block in _seen_blocks(view):
        text = clip(block.place or block.doing or "", columns)
        if not text or len(notes) >= _WORDS:
            continue
        start, end = max(block.start, view.start), min(block.end, view.end)
        middle, need = (start + end) / 2, width(text) * _LETTER
        if (need + 6) * per_point < end - start and inches * BAR * 72 > NOTE_SIZE * 1.25:
            notes.append(Note(text, middle, _homes(view, block)[-1]))
            continue
        half = need / 2 * per_point
        # Words at the very edge are moved in, and keep clear of the line that marks the total.
        least, most = view.start + half, view.end - half * 1.05
        # A recording that is much shorter than others may be narrower than the words.
        x = max(least, min(middle, most)) if least <= most else view.end + half * 1.1
        if all(x + half < left or x - half > right for left, right in taken):
            taken.append((x - half * 1.1, x + half * 1.1))
            notes.append(Note(text, x, None))
    return notes


def crowded(view: View) -> NDArray[np.bool_]:
    """Return for each lane whether it stands for many tasks, or has too many slices to see."""
    counts = np.bincount(view.lane, minlength=len(view.lanes))
    folded: NDArray[np.bool_] = np.array([lane.folded for lane in view.lanes])
    many: NDArray[np.bool_] = folded | (counts > min(400.0, max(20.0, _BARS / len(view.lanes))))
    if view.trace.head != "loop":
        # Threads take turns of a few milliseconds: narrow bars would hide each other.
        seconds = np.bincount(view.lane, view.slices.seconds(), len(view.lanes))
        many |= (counts > _TURNS) & (seconds < counts * (view.end - view.start) * _NARROW)
    return many


def shares_of(view: View, lanes: NDArray[np.intp], columns: int) -> tuple[Floats, Floats]:
    """Return for each state, lane and column its share of tasks and time, and the columns' edges.

    However short the slices, their total stays what it is.
    """
    index = np.full(len(view.lanes), -1)
    index[lanes] = np.arange(len(lanes))
    row = index[view.lane]
    sizes = np.array([len(view.lanes[lane].rows) for lane in lanes])[:, None]
    shares = np.empty((len(STATES), len(lanes), columns))
    for state in range(len(STATES)):
        chosen = (view.slices.state == state) & (row >= 0)
        start, end = view.slices.start[chosen], view.slices.end[chosen]
        span = (view.start, view.end)
        filled = occupancy(row[chosen], start, end, span, len(lanes), columns)
        shares[state] = np.minimum(filled / sizes, 1.0)
    return shares, np.linspace(view.start, view.end, columns + 1)


def moments_of(view: View, short: Floats, columns: int, most: int) -> Slices:
    """Return the steps shorter than their lane's `short`, one per column, if there are few.

    In virtual time a step takes no time at all and would not be seen. Folded lanes have none.
    """
    limit = np.where([lane.folded for lane in view.lanes], 0.0, short)
    running = view.slices.of(RUNNING)
    brief = running[running.seconds() < limit[view.lane_of[running.task]]]
    lane = view.lane_of[brief.task]
    column = (brief.start - view.start) * columns / ((view.end - view.start) or 1.0)
    _, first = np.unique(lane * (columns + 1) + column.astype(np.int64), return_index=True)
    few = np.bincount(lane[first], minlength=len(view.lanes)) <= most
    return brief[first[few[lane[first]]]]


def footnotes(view: View) -> list[str]:
    """Return what a reader has to know: what is folded, left out or lost."""
    count, words = len(view.trace.rows), []
    if crowded(view).any():
        whose = "lane's tasks and time" if view.trace.head == "loop" else "time"
        words.append(f"In a crowded lane a colour is as high as its share of the {whose}.")
    if hidden := int((view.lane_of[:count] < 0).sum()):
        words.append(f"{count - hidden:,} of {count:,} tasks are shown.")
    if view.trace.dropped:
        words.append(f"{view.trace.dropped:,} steps beyond max_slices were not kept.")
    return words
