"""What a timeline says in words: its title, its axis, its total and its legend."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from asyncteach.formatting import Unit, clip
from asyncteach.subjects import STORY
from asyncteach.timeline.artists import COLORS, HATCHES, NARROW, OUTCOMES, TEXT
from asyncteach.timeline.crowd import crowded
from asyncteach.timeline.fonts import drawable, families
from asyncteach.timeline.lanes import View
from asyncteach.timeline.sheet import Sheet
from asyncteach.trace import RUNNING, STATES

# Above so many lanes the axis stands on top as well, and the total near it.
TALL = 40


def mark_total(ax: Axes, sheet: Sheet, limit: float, story: bool) -> None:
    """Draw a dotted line where it all ended, and say how long it took."""
    ink, total = mpl.rcParams["text.color"], sheet.view.end
    lanes = len(sheet.view.lanes)
    ax.axvline(total, color=ink, linewidth=1, linestyle=":", zorder=1)
    ax.text(
        total + limit * 0.008,
        # Beside the loop's lane no mark of an outcome is in the way.
        (1 if lanes > TALL else (lanes - 1) / 2) if story else 0,
        sheet.view.trace.subject.format_total(total),
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
    elif trace.subject is not STORY:
        title = clip(title, letters)
    font: dict[str, Any] = {} if title.isascii() else {"fontfamily": families([title])}
    ax.set_title(
        drawable(title), loc="left", fontsize=11, fontweight="bold", parse_math=False, **font
    )


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
    meanings = traces[0].subject.meaning({trace.head for trace in traces})
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
    seconds = some.seconds()
    least = (view.end - view.start) * NARROW
    if view.story and not crowded(view).any():
        return bool((seconds > least).any())
    return bool(seconds.sum() > least)
