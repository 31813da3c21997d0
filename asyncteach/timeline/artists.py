"""What a timeline is drawn with: bars, marks, shares, outlines and names, on Matplotlib's axes."""

import math
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.path import Path
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

from asyncteach.timeline.crowd import crowded, few_moments, shares_of
from asyncteach.timeline.fonts import drawable, families
from asyncteach.timeline.lanes import View
from asyncteach.timeline.sheet import NOTE_SIZE, Sheet
from asyncteach.trace import READY, RUNNING, STATES, WAITING, Floats

COLORS = {RUNNING: "#0b6e8f", READY: "#e8a33d", WAITING: "#cfe3ea"}
"""Safe for colour-blind readers, and three different greys in print."""

HATCHES = {RUNNING: "", READY: "////", WAITING: ""}

# A running slice narrower than this part of the axis is drawn as a mark of fixed width, in
# points: a moment of attention was there, so it is seen.
NARROW = 0.006
_MARK = 3.0
# Marks of one lane take at most so many points in all, or it would look busier than it was.
_INK = 120.0
TEXT = 10
# About one a pixel of a page.
_COLUMNS = 720
# Matplotlib hatches one rectangle after the other: a thousand take a third of a second.
_HATCHED = 700

_slash = Path([(-0.7, -0.7), (0.7, 0.7)])
OUTCOMES: dict[str, Any] = {
    "raised": "x",
    "cancelled": Path.make_compound_path(Path.unit_circle(), _slash),
}
"""The marks behind the end of a task that didn't return."""


def draw_slices(ax: Axes, sheet: Sheet, limit: float) -> None:
    """Draw each lane's slices: as rectangles, or where they are too many as shares."""
    view = sheet.view
    slices, lane = view.slices, view.lane
    dense = crowded(view)
    exact = ~dense[lane] if dense.any() else slice(None)
    some, lanes = slices[exact], lane[exact]
    bars = np.array([sheet.bar(n) for n in range(len(view.lanes))]).reshape(-1, 2)
    for state in (WAITING, READY, RUNNING):
        chosen = some.state == STATES.index(state)
        hatched = HATCHES[state] and chosen.sum() <= _HATCHED
        boxes = PolyCollection(
            _boxes(some.start[chosen], some.end[chosen], bars[lanes[chosen]]),
            facecolors=COLORS[state],
            edgecolors=ax.get_facecolor(),
            linewidths=min(0.5, 1.5 * sheet.inches),
            hatch=HATCHES[state] if hatched else None,
            label=state,
            zorder=2,
        )
        ax.add_collection(boxes, autolim=False)
    moments = (some.state == STATES.index(RUNNING)) & (some.seconds() < limit * NARROW)
    middle, lanes = (some.start + some.end)[moments] / 2, lanes[moments]
    if dense.any():
        more = few_moments(view, dense, _COLUMNS)
        middle, lanes = np.append(middle, more[0]), np.append(lanes, more[1])
    _draw_moments(ax, view, middle, lanes, bars)
    if dense.any():
        _draw_shares(ax, view, np.flatnonzero(dense), bars)


def _boxes(start: Floats, end: Floats, bars: Floats) -> Any:
    corners = np.empty((len(start), 4, 2))
    corners[:, 0, 0] = corners[:, 1, 0] = start
    corners[:, 2, 0] = corners[:, 3, 0] = end
    corners[:, 0, 1] = corners[:, 3, 1] = bars[:, 0]
    corners[:, 1, 1] = corners[:, 2, 1] = bars[:, 1]
    return corners


def _draw_moments(
    ax: Axes, view: View, middle: Floats, lane: NDArray[np.int32], bars: Floats
) -> None:
    segments = np.stack([np.stack([middle, middle], 1), bars[lane].reshape(-1, 2)], 2)
    widths: Any = _MARK
    if not view.story:
        many = np.maximum(1, np.bincount(lane, minlength=len(view.lanes)))
        widths = np.clip(_INK / many, 0.5, _MARK)[lane]
    marks = LineCollection(list(segments), colors=COLORS[RUNNING], linewidths=widths, zorder=3)
    marks.set(capstyle="butt", clip_on=False)  # whole at the axis' very beginning too
    ax.add_collection(marks, autolim=False)


def _draw_shares(ax: Axes, view: View, dense: NDArray[np.intp], bars: Floats) -> None:
    """Fill crowded lanes so that a colour's height is its share of the lane's tasks and time."""
    shares, edges = shares_of(view, dense, 80 if view.story else _COLUMNS)
    steps = np.repeat(edges, 2)[1:-1]
    # Each is drawn from the floor up, over the one before: no seam shows between two of them.
    for state, tops in zip(reversed(STATES), np.cumsum(shares, axis=0)[::-1], strict=True):
        shapes = []
        for lane, heights in zip(dense, tops, strict=True):
            ceiling, floor = bars[lane]
            curve = floor - np.repeat(heights, 2) * (floor - ceiling)
            shape = np.column_stack([steps, curve])
            shapes.append(np.vstack([[edges[0], floor], shape, [edges[-1], floor]]))
        filled = PolyCollection(
            shapes,
            facecolors=COLORS[state],
            edgecolors=ax.get_facecolor() if HATCHES[state] else "none",
            linewidths=0,
            hatch=HATCHES[state] or None,
            zorder=2,
            gid=f"shares of {state}",
        )
        ax.add_collection(filled, autolim=False)


def draw_blocks(ax: Axes, sheet: Sheet) -> None:
    """Outline what held the loop, and write the lines of the longest near them."""
    ink = mpl.rcParams["text.color"]
    view = sheet.view
    if not (outlines := sheet.outlines()):
        return
    lanes = np.array([lane for lane, _ in outlines])
    start = np.maximum([block.start for _, block in outlines], view.start)
    end = np.minimum([block.end for _, block in outlines], view.end)
    bars = np.array([sheet.bar(lane) for lane in lanes])
    ax.add_collection(
        PolyCollection(
            _boxes(start, end, bars),
            facecolors="none",
            edgecolors=ink,
            linewidths=1.4,
            zorder=4,
            gid="blocks",
        ),
        autolim=False,
    )
    for note in sheet.notes:
        text = drawable(note.text)
        ax.text(
            note.x,
            sheet.middles[note.lane] if note.lane is not None else sheet.top + 0.02,
            text,
            color="white" if note.lane is not None else ink,
            fontsize=NOTE_SIZE,
            fontfamily=families([text]),
            horizontalalignment="center",
            verticalalignment="center" if note.lane is not None else "top",
            parse_math=False,
            zorder=5,
            gid="block",
        )


def draw_outcomes(ax: Axes, sheet: Sheet) -> set[str]:
    """Mark the ends of tasks that raised or were cancelled; return which of both there are."""
    view, ink = sheet.view, mpl.rcParams["text.color"]
    seen = set()
    size = min(6.0, max(3.0, sheet.inches * 20))
    behind = ax.transData + ScaledTranslation(6.5 / 72, 0, ax.figure.dpi_scale_trans)
    for outcome, marker in OUTCOMES.items():
        ends = [
            (trace_row.finished, middle)
            for lane, middle in zip(view.lanes, sheet.middles, strict=True)
            if not lane.folded and lane.rows[0] < len(view.trace.rows)
            for trace_row in [view.trace.rows[lane.rows[0]]]
            if trace_row.outcome.startswith(outcome)
            and view.start <= trace_row.finished <= view.end
        ]
        if ends:
            seen.add(outcome)
            ax.plot(
                *zip(*ends, strict=True),
                linestyle="none",
                marker=marker,
                markersize=size,
                markerfacecolor="none",
                markeredgecolor=ink,
                markeredgewidth=size / 5,
                transform=behind,
                clip_on=False,
                zorder=5,
                gid=outcome,
            )
    return seen


def name_lanes(ax: Axes, sheet: Sheet) -> None:
    """Write the lanes' names: at the bars, or as a tree."""
    size = min(float(TEXT), max(6.0, sheet.inches * 72 * 0.75))
    # Names that don't fit one below the other are left out evenly.
    step = math.ceil(size / (sheet.inches * 72))
    is_tree = not sheet.view.story or any(lane.depth for lane in sheet.view.lanes)
    shown = [drawable(name) for name in sheet.names[::step]]
    ax.set_yticks(sheet.middles[::step], shown, fontsize=size, fontfamily=families(shown))
    labels = ax.get_yticklabels()
    for label in labels:
        label.set_parse_math(False)
    pad = 6.0
    if is_tree:
        widest = max(label.get_window_extent().width for label in labels)
        pad += widest * 72 / ax.figure.dpi
        for label in labels:
            label.set_horizontalalignment("left")
    ax.tick_params(axis="y", length=0, pad=pad)
    ax.set_ylim(sheet.bottom, sheet.top)
