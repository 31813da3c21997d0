"""Where everything goes in a picture: each lane, the words, and what a crowded lane shows."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asyncteach.formatting import clip, width
from asyncteach.intervals import occupancy
from asyncteach.timeline.lanes import Lane, View
from asyncteach.trace import RUNNING, STATES, Block, Floats

_TURNS = 50
_NARROW = 1 / 80  # of the width: about nine pixels
BAR = 0.62
_THIN = 0.4
_MOST_INCHES = 30.0
NOTE_SIZE = 8.5
_LETTER = 0.62  # of the size of the text, generous for the fonts that are used
_NAME_COLUMNS = 32
_NAMES_SHARE = 5.3  # columns an inch of the page: names take less than a half of it
_WORDS = 4
_OUTLINES = 200


class Note(NamedTuple):
    """Words about a block: in its bar, or above all lanes."""

    text: str
    x: float
    lane: int | None
    """None: above all lanes."""


@dataclass(frozen=True)
class Sheet:
    """A view with a place for each lane, in units of an ordinary lane, downwards from 0."""

    view: View
    names: list[str]
    middles: list[float]
    sizes: list[float]
    notes: list[Note]
    inches: float
    """How high an ordinary lane is."""

    @property
    def top(self) -> float:
        """Where the axis begins: room above the lanes for words about blocks."""
        above = any(note.lane is None for note in self.notes)
        return -0.5 - (0.19 / self.inches if above else 0.0)

    @property
    def bottom(self) -> float:
        """Where the axis ends."""
        return self.middles[-1] + self.sizes[-1] / 2

    @property
    def height(self) -> float:
        """How high the axes are to be, in inches."""
        return self.inches * (self.bottom - self.top)

    def bar(self, lane: int) -> tuple[float, float]:
        """Return where a lane's bars begin and end: a thread's are thinner."""
        one = self.view.lanes[lane]
        share = _THIN if one.kind in ("thread", "process") and not one.folded else BAR
        half = (self.sizes[lane] - (1 - share)) / 2
        return self.middles[lane] - half, self.middles[lane] + half

    def outlines(self) -> list[tuple[int, Block]]:
        """Return the longest blocks that are seen, each with a lane that it is outlined in."""
        view = self.view
        return [(lane, block) for block in _seen_blocks(view) for lane in _homes(view, block)]


def lay_sheet(
    view: View, *, page: float = 0.0, wide: float | None = None, high: float | None = None,
    until: float = 0.0,
) -> Sheet:  # fmt: skip
    """Place the lanes on a page so many inches wide, or on axes whose size is settled.

    `until` is where the longest recording ends that shares the axis.
    """
    page = page or (wide or 0.0) / 0.775  # what Matplotlib gives to axes of its own
    columns = min(_NAME_COLUMNS, round(page * _NAMES_SHARE))
    names = [_label(lane, columns) for lane in view.lanes]
    if wide is None:
        wide = page - 0.085 * max(map(width, names)) - 0.2
    sizes = [_units(lane) for lane in view.lanes]
    ends = [sum(sizes[: n + 1]) for n in range(len(sizes))]
    middles = [end - size / 2 - 0.5 for end, size in zip(ends, sizes, strict=True)]
    units = ends[-1]
    # Generous for a few, just readable for two hundred, not without an end.
    inches = min(max(0.13, min(0.42, 1.2 / math.sqrt(units))), _MOST_INCHES / units)
    if high is not None:
        inches = high / units
    notes = _place_notes(view, wide, inches, max(until, view.end))
    return Sheet(view, names, middles, sizes, notes, inches)


def _seen_blocks(view: View) -> list[Block]:
    """Return the longest of the blocks that lie in the interval, at least in part."""
    seen = [one for one in view.trace.blocks if one.start <= view.end and one.end >= view.start]
    return sorted(seen, key=lambda block: block.start - block.end)[:_OUTLINES]


def _label(lane: Lane, columns: int) -> str:
    """Return a lane's name on one line, indented, and visibly a thread's if it is one."""
    indent = "  " * min(lane.depth, 8, columns // 6)
    room = max(6, columns - len(indent))
    if lane.kind in ("thread", "process"):
        tail = f" ({lane.kind})"
        name = clip(lane.name, max(6, room - len(tail) - 2))
        return f"{indent}\N{RIGHTWARDS DASHED ARROW} {name}{tail}"
    return indent + clip(lane.name, room)


def _units(lane: Lane) -> float:
    if not lane.folded or lane.kind == "loop":
        return 1
    return 1 + 1.5 * math.log10(len(lane.rows))


def _homes(view: View, block: Block) -> list[int]:
    """Return the lanes in which a block is seen: its loop's, and its task's if it has one."""
    loop = view.trace.rows[block.task].loop if block.task is not None else 0
    lanes = [int(view.lane_of[min(len(view.trace.rows) + loop, len(view.lane_of) - 1)])]
    if block.task is not None and view.lane_of[block.task] >= 0:
        own = int(view.lane_of[block.task])
        lanes += [] if view.lanes[own].folded else [own]
    return lanes


def _place_notes(view: View, wide: float, inches: float, until: float) -> list[Note]:
    """Find room for the lines of the longest blocks, where no two words meet."""
    span = (until - view.start) or 1.0
    points = wide * 72 / (span * (1.0 if view.part else 1.13))
    columns = min(_NAME_COLUMNS, int(wide * 72 / NOTE_SIZE / _LETTER * 0.8))
    notes: list[Note] = []
    taken: list[tuple[float, float]] = []
    for block in _seen_blocks(view):
        text = clip(block.place or block.doing or "", columns)
        if not text or len(notes) >= _WORDS:
            continue
        start, end = max(block.start, view.start), min(block.end, view.end)
        need = width(text) * NOTE_SIZE * _LETTER
        lane = _homes(view, block)[-1]
        if need + 6 < (end - start) * points and inches * BAR * 72 > NOTE_SIZE * 1.25:
            notes.append(Note(text, (start + end) / 2, lane))
            continue
        half = need / 2 / points
        # Words at the very edge are moved in, and keep clear of the line that marks the total.
        least, most = view.start + half, view.end - half * 1.05
        # Beside a longer recording a short one may be narrower than they are.
        x = max(least, min((start + end) / 2, most)) if least <= most else view.end + half * 1.1
        if all(x + half < left or x - half > right for left, right in taken):
            taken.append((x - half - half * 0.1, x + half + half * 0.1))
            notes.append(Note(text, x, None))
    return notes


def crowded(view: View, most: int = 8000) -> NDArray[np.bool_]:
    """Return for each lane whether it stands for many tasks, or has too many slices to see.

    All other lanes together have at most about `most` slices.
    """
    counts = np.bincount(view.lane, minlength=len(view.lanes))
    cap = min(400.0, max(20.0, most / len(view.lanes)))
    folded: NDArray[np.bool_] = np.array([lane.folded for lane in view.lanes])
    many: NDArray[np.bool_] = folded | (counts > cap)
    if view.trace.head != "loop":
        # Threads take turns of a few milliseconds: narrow bars would hide each other.
        seconds = np.bincount(view.lane, view.slices.seconds(), len(view.lanes))
        many |= (counts > _TURNS) & (seconds < counts * (view.end - view.start) * _NARROW)
    return many


def shares_of(
    view: View, lanes: NDArray[np.intp], columns: int
) -> tuple[NDArray[np.float64], Floats]:
    """Return for each state, lane and column a share from 0 to 1, and the columns' edges.

    It is the share of the lane's tasks, and of the column's time, that was in the state: however
    short the slices, their total stays what it is.
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


def few_moments(
    view: View, dense: NDArray[np.bool_], columns: int, most: int = 60
) -> tuple[Floats, NDArray[np.int32]]:
    """Return the times and lanes of steps that no share can show, if a lane has at most so many.

    In virtual time a thousand steps may take no time at all and would not be seen anywhere.
    """
    lone = dense & ~np.array([lane.folded for lane in view.lanes])
    column = (view.end - view.start) / columns
    running = view.slices.of(RUNNING)
    short = running[lone[view.lane_of[running.task]] & (running.seconds() < column)]
    lane = view.lane_of[short.task]
    place = lane * (columns + 1) + ((short.start - view.start) / (column or 1.0)).astype(np.int64)
    _, first = np.unique(place, return_index=True)
    few = np.bincount(lane[first], minlength=len(view.lanes)) <= most
    first = first[few[lane[first]]]
    return short.start[first], lane[first]


def footnotes(view: View, most: int = 8000) -> list[str]:
    """Return what a reader has to know: what is folded, left out or lost."""
    count, words = len(view.trace.rows), []
    if crowded(view, most).any():
        whose = "lane's tasks and time" if view.trace.head == "loop" else "time"
        words.append(f"In a crowded lane a colour is as high as its share of the {whose}.")
    if view.tasks < count:
        words.append(f"{view.tasks:,} of {count:,} tasks are shown.")
    if view.trace.dropped:
        words.append(f"{view.trace.dropped:,} steps beyond max_slices were not kept.")
    return words
