"""What a timeline is drawn with, on Matplotlib's axes: bars, marks, names, total and legend."""

import math
from collections.abc import Sequence
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
from asyncteach.timeline.layout import NOTE_SIZE, Sheet, crowded, few_moments, shares_of
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
# Above so many lanes the axis stands on top as well, and the total near it.
TALL = 40
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
        more = few_moments(view, dense, CODE.columns)
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
    many = np.maximum(1, np.bincount(lane, minlength=len(view.lanes)))
    widths: Any = np.clip(_INK / many, 0.5, _MARK)[lane]
    marks = LineCollection(list(segments), colors=COLORS[RUNNING], linewidths=widths, zorder=3)
    marks.set(capstyle="butt", clip_on=False)  # whole at the axis' very beginning too
    ax.add_collection(marks, autolim=False)


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
        ax.text(
            note.x,
            sheet.middles[note.lane] if note.lane is not None else sheet.top + 0.02,
            note.text,
            color="white" if note.lane is not None else ink,
            fontsize=NOTE_SIZE,
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
    is_tree = sheet.view.trace.domain is not STORY or any(lane.depth for lane in sheet.view.lanes)
    ax.set_yticks(sheet.middles[::step], sheet.names[::step], fontsize=size)
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


def mark_total(ax: Axes, sheet: Sheet, limit: float) -> None:
    """Draw a dotted line where it all ended, and say how long it took."""
    ink, total = mpl.rcParams["text.color"], sheet.view.end
    lanes, domain = len(sheet.view.lanes), sheet.view.trace.domain
    ax.axvline(total, color=ink, linewidth=1, linestyle=":", zorder=1)
    ax.text(
        total + limit * 0.008,
        # Beside the loop's lane no mark of an outcome is in the way.
        (1 if lanes > TALL else (lanes - 1) / 2) if domain is STORY else 0,
        domain.format_total(total),
        color=ink,
        fontsize=TEXT,
        fontweight="bold",
        verticalalignment="center",
        gid="total",
    )


def write_title(ax: Axes, view: View, unit: Unit) -> None:
    """Write the title, clipped to the axes, and of a part from when to when it goes."""
    trace = view.trace
    title, letters = trace.title, max(36, round(inches_of(ax) * 10.5))
    if view.part:
        start, end = (
            f"{edge * unit.per_second:.6g} {unit.short}" for edge in (view.start, view.end)
        )
        title = f"{clip(title, letters - 30)} (part: {start} to {end})"
    ax.set_title(clip(title, letters), loc="left", fontsize=11, fontweight="bold", parse_math=False)


def inches_of(ax: Axes) -> float:
    """Return about how wide the axes are."""
    return ax.get_window_extent().width / ax.figure.dpi


def scale_axis(ax: Axes, unit: Unit) -> None:
    """Keep the axis in seconds and write its numbers in a unit that suits them."""
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x * unit.per_second:.10g}"))
    ax.xaxis.set_major_locator(_Locator(unit))


class _Locator(MaxNLocator):
    """Round numbers of the unit: minutes are no round number of seconds."""

    def __init__(self, unit: Unit) -> None:
        super().__init__(nbins=8, steps=[1, 2, 2.5, 5, 10])
        self.per_second = unit.per_second

    def tick_values(self, vmin: float, vmax: float) -> Any:
        ticks: Any = super().tick_values(vmin * self.per_second, vmax * self.per_second)
        return ticks / self.per_second


def add_legend(
    where: Axes | Figure, sheets: Sequence[Sheet], marks: set[str], more: Sequence[Patch] = ()
) -> None:
    """Explain what can be seen: below a figure of ours, in short on others' axes.

    `more` explains what was drawn over it.
    """
    # On a narrow figure there is no room for more than the words themselves.
    own = isinstance(where, Figure)
    full = isinstance(where, Figure) and where.get_figwidth() >= 8.5
    traces = [sheet.view.trace for sheet in sheets]
    meanings = traces[0].domain.meaning({trace.head for trace in traces})
    handles: list[Patch | Line2D] = [
        Patch(
            facecolor=COLORS[state],
            edgecolor=mpl.rcParams["axes.facecolor"],
            hatch=HATCHES[state],
            label=f"{state}: {meanings[state]}" if full else state,
        )
        for state in STATES
        if any(_is_seen(sheet.view, state) for sheet in sheets)
    ]
    ink = mpl.rcParams["text.color"]
    others: list[Patch | Line2D] = []
    if "block" in marks:
        others.append(Patch(facecolor="none", edgecolor=ink, label="held the loop"))
    style: dict[str, Any] = {"markerfacecolor": "none", "markeredgecolor": ink}
    for outcome in (one for one in OUTCOMES if one in marks):
        marker = OUTCOMES[outcome]
        others.append(Line2D([], [], linestyle="none", marker=marker, label=outcome, **style))
    others += more
    columns = 3
    if own and others:
        # Matplotlib fills columns: states are to be the first line and marks the second.
        columns = max(len(handles), len(others))
        none = Line2D([], [], linestyle="none", label=" ")
        rows = [[*row, *[none] * (columns - len(row))] for row in (handles, others)]
        handles = [handle for pair in zip(*rows, strict=True) for handle in pair]
    elif others:
        handles += others
        columns = len(handles)
    if isinstance(where, Figure):
        if handles:
            where.legend(
                handles=handles, ncols=columns, frameon=False, fontsize=9.5,
                loc="outside lower center",
            )  # fmt: skip
    else:
        # The pad keeps clear of the axis below, however high the axes are.
        lines = where.get_xlabel().count("\n")
        where.legend(
            handles=handles,
            ncols=columns,
            frameon=False,
            fontsize=8.5,
            loc="upper center",
            bbox_to_anchor=(0.5, 0),
            borderaxespad=4.0 + 1.6 * lines,
        )


def _is_seen(view: View, state: str) -> bool:
    some = view.slices.of(state)
    if state == RUNNING:
        return len(some) > 0
    return float(some.seconds().sum()) > (view.end - view.start) * NARROW
