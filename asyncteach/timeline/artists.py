"""What a timeline is drawn with, on Matplotlib's axes: bars, marks, names, total and legend."""

import math
from collections.abc import Sequence
from textwrap import wrap
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, MaxNLocator
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

from asyncteach.domains import CODE, STORY
from asyncteach.formatting import Unit, clip
from asyncteach.timeline.lanes import View
from asyncteach.timeline.layout import (
    NOTE_SIZE,
    Sheet,
    crowded,
    failures_of,
    footnotes,
    moments_of,
    outlines_of,
    shares_of,
)
from asyncteach.trace import READY, RUNNING, STATES, WAITING, Floats, Slices

COLORS = {RUNNING: "#0b6e8f", READY: "#e8a33d", WAITING: "#cfe3ea"}
"""Safe for colour-blind readers, and three different greys in print."""

HATCHES = {RUNNING: "", READY: "////", WAITING: ""}

# A running slice narrower than this part of the axis is drawn as a mark of fixed width, in
# points, so that even a moment is visible.
NARROW = 0.006
_MARK = 3.0
# The marks of one lane take at most this many points in all, or it would look busier than it was.
_INK = 120.0
_MARKS = 240
TEXT = 10
# Matplotlib hatches one rectangle after the other: a thousand take a third of a second.
_HATCHED = 700

_no_entry = Path.make_compound_path(Path.unit_circle(), Path([(-0.7, -0.7), (0.7, 0.7)]))
MARKERS: dict[str, Any] = {"raised": "x", "cancelled": _no_entry}
"""The marks behind the ends of tasks that didn't return."""


def draw_slices(ax: Axes, sheet: Sheet, length: float) -> None:
    """Draw each lane's slices on an axis of that length: as bars, or as shares if too many."""
    view = sheet.view
    dense = crowded(view)
    slices = view.slices[~dense[view.lane]]
    bars = np.array([sheet.bar(n) for n in range(len(view.lanes))]).reshape(-1, 2)
    edge: dict[str, Any] = {
        "edgecolors": ax.get_facecolor(),
        "linewidths": min(0.5, 1.5 * sheet.inches),
    }
    for state in (WAITING, READY, RUNNING):
        some = slices.of(state)
        hatch = HATCHES[state] if len(some) <= _HATCHED else None
        boxes = _boxes(some.start, some.end, bars[view.lane_of[some.task]])
        _fill(ax, boxes, facecolors=COLORS[state], hatch=hatch, label=state, gid=state, **edge)
    moments = moments_drawn(view, length)
    lanes, middle = view.lane_of[moments.task], (moments.start + moments.end) / 2
    segments = np.stack([np.stack([middle, middle], 1), bars[lanes].reshape(-1, 2)], 2)
    many = np.maximum(1, np.bincount(lanes, minlength=len(view.lanes)))
    widths: Any = np.clip(_INK / many, 0.5, _MARK)[lanes]
    marks = LineCollection(list(segments), colors=COLORS[RUNNING], linewidths=widths, zorder=3)
    # Not clipped, so that a mark at the very start of the axis is whole.
    marks.set(capstyle="butt", clip_on=False, gid="moments")
    ax.add_collection(marks, autolim=False)
    if dense.any():
        _draw_shares(ax, view, np.flatnonzero(dense), bars)


def moments_drawn(view: View, length: float) -> Slices:
    """Return the running slices that are drawn as marks on an axis of that length."""
    pixel = (view.end - view.start) / CODE.columns
    short = np.where(crowded(view), pixel, length * NARROW)
    return moments_of(view, short, CODE.columns, _MARKS)


def _boxes(start: Any, end: Any, bars: Floats) -> Any:
    x = np.stack([start, start, end, end], axis=1)
    return np.stack([x, bars[:, [0, 1, 1, 0]]], axis=2)


def _fill(ax: Axes, shapes: Any, *, zorder: float = 2, **style: Any) -> None:
    ax.add_collection(PolyCollection(shapes, zorder=zorder, **style), autolim=False)


def _draw_shares(ax: Axes, view: View, dense: NDArray[np.intp], bars: Floats) -> None:
    """Fill crowded lanes so that a colour's height is its share of the lane's tasks and time."""
    shares, edges = shares_of(view, dense, view.trace.domain.columns)
    steps = np.repeat(edges, 2)[1:-1]
    # Each is drawn from the floor up, over the one before: no seam shows between two of them.
    for state, tops in zip(reversed(STATES), np.cumsum(shares, axis=0)[::-1], strict=True):
        shapes = []
        for lane, heights in zip(dense, tops, strict=True):
            ceiling, floor = bars[lane]
            curve = floor - np.repeat(heights, 2) * (floor - ceiling)
            shape = np.column_stack([steps, curve])
            shapes.append(np.vstack([[edges[0], floor], shape, [edges[-1], floor]]))
        hatch = HATCHES[state]
        edge: dict[str, Any] = {
            "edgecolors": ax.get_facecolor() if hatch else "none",
            "linewidths": 0,
        }
        _fill(ax, shapes, facecolors=COLORS[state], hatch=hatch, gid=f"shares of {state}", **edge)


def draw_blocks(ax: Axes, sheet: Sheet) -> None:
    """Outline what held the loop, and write the lines of the longest blocks near them."""
    ink, view, outlines = mpl.rcParams["text.color"], sheet.view, outlines_of(sheet.view)
    if not outlines:
        return
    start = np.maximum([block.start for _, block in outlines], view.start)
    end = np.minimum([block.end for _, block in outlines], view.end)
    boxes = _boxes(start, end, np.array([sheet.bar(lane) for lane, _ in outlines]))
    edge: dict[str, Any] = {"facecolors": "none", "edgecolors": ink, "linewidths": 1.4}
    _fill(ax, boxes, zorder=4, gid="blocks", **edge)
    for note in sheet.notes:
        text = ax.text(note.x, sheet.top + 0.02, note.text, fontsize=NOTE_SIZE, parse_math=False)
        text.set(horizontalalignment="center", verticalalignment="top", zorder=5, gid="block")
        if note.lane is not None:
            text.set(y=sheet.middles[note.lane], color="white", verticalalignment="center")


def draw_failures(ax: Axes, sheet: Sheet) -> None:
    """Mark the ends of tasks that raised or were cancelled."""
    size = min(6.0, max(3.0, sheet.inches * 20))
    behind = ax.transData + ScaledTranslation(6.5 / 72, 0, ax.figure.dpi_scale_trans)
    style: dict[str, Any] = {"markersize": size, "markeredgewidth": size / 5, "transform": behind}
    for outcome, marker in MARKERS.items():
        failures = failures_of(sheet.view, outcome)
        ends = [(row.finished, sheet.middles[lane]) for lane, row in failures]
        if ends:
            (line,) = ax.plot(*zip(*ends, strict=True), marker=marker, **_hollow(), **style)
            line.set(clip_on=False, zorder=5, gid=outcome)


def _hollow() -> dict[str, Any]:
    ink = mpl.rcParams["text.color"]
    return {"linestyle": "none", "markerfacecolor": "none", "markeredgecolor": ink}


def name_lanes(ax: Axes, sheet: Sheet) -> None:
    """Write the lanes' names: at the bars, or as a tree."""
    size = min(float(TEXT), max(6.0, sheet.inches * 72 * 0.75))
    # Names that don't fit one below the other are left out evenly.
    step = math.ceil(size / (sheet.inches * 72))
    ax.set_yticks(sheet.middles[::step], sheet.names[::step], fontsize=size)
    is_tree = sheet.view.trace.domain is not STORY or any(lane.depth for lane in sheet.view.lanes)
    widest = 0.0
    for label in ax.get_yticklabels():
        label.set(parse_math=False, horizontalalignment="left" if is_tree else "right")
        widest = max(widest, label.get_window_extent().width * 72 / ax.figure.dpi)
    ax.tick_params(axis="y", length=0, pad=6 + widest * is_tree)
    ax.set_ylim(sheet.bottom, sheet.top)


def mark_total(ax: Axes, sheet: Sheet, limit: float) -> None:
    """Draw a dotted line where it all ended, with how long it took."""
    total, domain = sheet.view.end, sheet.view.trace.domain
    ax.axvline(total, color=mpl.rcParams["text.color"], linewidth=1, linestyle=":", zorder=1)
    # Next to the loop's lane no mark of an outcome is in the way.
    x, y = total + limit * 0.008, (len(sheet.view.lanes) - 1) / 2 if domain is STORY else 0
    text = ax.text(x, y, domain.format_total(total), fontsize=TEXT, fontweight="bold")
    text.set(verticalalignment="center", gid="total")


class UnitLocator(MaxNLocator):
    """Round numbers of a unit on an axis in seconds: a minute isn't a round number of seconds."""

    def __init__(self, unit: Unit) -> None:
        super().__init__(nbins=8, steps=[1, 2, 2.5, 5, 10])
        self.per_second = unit.per_second

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """Return the positions of the ticks."""
        ticks: Any = super().tick_values(vmin * self.per_second, vmax * self.per_second)
        return ticks / self.per_second


def write_axis(ax: Axes, view: View, longest: float, *, last: bool) -> None:
    """Write the numbers of the axis, which stays in seconds, and the words above and below."""
    # A short part far from the start would have endless numbers in a unit that suits its length.
    unit = view.trace.domain.axis_unit(max(longest - view.start, longest / 100))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x * unit.per_second:.10g}"))
    ax.xaxis.set_major_locator(UnitLocator(unit))
    ax.tick_params(axis="x", labelsize=TEXT)
    inches = ax.get_window_extent().width / ax.figure.dpi
    title, letters = view.trace.title, max(36, round(inches * 10.5))
    if view.part:
        edges = [f"{edge * unit.per_second:.6g} {unit.short}" for edge in (view.start, view.end)]
        title = f"{clip(title, letters - 30)} (part: {' to '.join(edges)})"
    ax.set_title(clip(title, letters), loc="left", fontsize=11, fontweight="bold", parse_math=False)
    room = max(30, round(inches * 12))
    words = [line for footnote in footnotes(view) for line in wrap(footnote, room)]
    ax.set_xlabel("\n".join([unit.name] * last + words), fontsize=TEXT)


def add_legend(where: Axes | Figure, sheets: Sequence[Sheet], more: Sequence[Patch] = ()) -> None:
    """Explain what is shown, and `more`: in full below our figure, briefly below a user's axes."""
    # On a narrow figure there is no room for more than the words themselves.
    full = isinstance(where, Figure) and where.get_figwidth() >= 8.5
    traces = [sheet.view.trace for sheet in sheets]
    meanings = traces[0].domain.meaning({trace.head for trace in traces})
    states: list[Patch | Line2D] = []
    for state in STATES:
        if any(_is_seen(sheet.view, state) for sheet in sheets):
            label = f"{state}: {meanings[state]}" if full else state
            look = {"facecolor": COLORS[state], "edgecolor": mpl.rcParams["axes.facecolor"]}
            states.append(Patch(**look, hatch=HATCHES[state], label=label))
    marks: list[Patch | Line2D] = []
    if any(outlines_of(sheet.view) for sheet in sheets):
        ink = mpl.rcParams["text.color"]
        marks.append(Patch(facecolor="none", edgecolor=ink, label="held the loop"))
    for outcome, marker in MARKERS.items():
        if any(failures_of(sheet.view, outcome) for sheet in sheets):
            marks.append(Line2D([], [], marker=marker, label=outcome, **_hollow()))
    marks += more
    handles, columns = [*states, *marks], len(states) + len(marks)
    place: dict[str, Any] = {"loc": "outside lower center", "fontsize": 9.5}
    if isinstance(where, Axes):
        # The pad keeps clear of the axis below, however high the axes are.
        pad = 4.0 + 1.6 * where.get_xlabel().count("\n")
        place = {"loc": "upper center", "fontsize": 8.5, "borderaxespad": pad}
        place["bbox_to_anchor"] = (0.5, 0)
    elif marks:
        # Matplotlib fills columns: the states are the first line and the marks the second.
        columns, none = max(len(states), len(marks)), Line2D([], [], linestyle="none", label=" ")
        lines = [[*line, *[none] * (columns - len(line))] for line in (states, marks)]
        handles = [handle for pair in zip(*lines, strict=True) for handle in pair]
    if handles:
        where.legend(handles=handles, ncols=columns, frameon=False, **place)


def _is_seen(view: View, state: str) -> bool:
    some = view.slices.of(state)
    if state == RUNNING:
        return len(some) > 0
    return float(some.seconds().sum()) > (view.end - view.start) * NARROW
