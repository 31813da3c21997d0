"""The picture of the costs: what takes time on one logarithmic axis, what takes memory on another.

A mark is a median, the thin line through it the middle half of all rounds.
"""

from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from asyncteach.course.costs.explanation import Row, format_amount
from asyncteach.timeline.figure import Picture

_TITLES = {
    "switch": "Switching: to hand over once",
    "start": "Starting: one that does nothing, until it has ended",
    "lateness": "Lateness: how late a loop wakes beside threads that calculate",
    "memory": "Memory: resident, for each",
}
_AXES = (("switch", "start", "lateness"), ("memory",))  # those of one axis
_PER_UNIT = {"µs": 1.0, "ms": 1000.0, "kB": 1.0}
_WIDTH = 9.0
_LANE, _PANEL = 0.25, 0.55  # inches

# Three greys in print, and a form for each.
_MARKS = {
    "generator or task": ("#0b6e8f", "o"),
    "thread": ("#e8a33d", "s"),
    "process": ("#4d4d4d", "^"),
}


def draw_costs(rows: list[Row], alt: str) -> Picture:
    """Draw a panel for each kind of cost that was measured; `alt` says it in words."""
    kinds = [kind for kind in _TITLES if any(row["kind"] == kind for row in rows)]
    panels = [[row for row in rows if row["kind"] == kind] for kind in kinds]
    heights = [_PANEL + _LANE * len(_lanes(some)) for some in panels]
    picture = Picture(figsize=(_WIDTH, 1 + sum(heights)), layout="constrained")
    picture.get_layout_engine().set(h_pad=0.08)  # type: ignore[union-attr,call-arg]
    picture.alt = alt
    if not panels:
        picture.text(0.5, 0.5, "Nothing could be measured.", horizontalalignment="center")
        return picture
    axes = picture.subplots(len(panels), squeeze=False, height_ratios=heights)[:, 0]
    for ax, some in zip(axes, panels, strict=True):
        _draw_panel(ax, some)
    for group in _AXES:
        chosen = [ax for ax, kind in zip(axes, kinds, strict=True) if kind in group]
        _share_axis(chosen, [row for row in rows if row["kind"] in group])
    _add_legend(picture)
    return picture


def _lanes(rows: list[Row]) -> list[tuple[str, int]]:
    return list(dict.fromkeys((row["what"], row["number"]) for row in rows))


def _draw_panel(ax: Axes, rows: list[Row]) -> None:
    ax.set_xscale("log")
    lanes = _lanes(rows)
    for row in rows:
        place = lanes.index((row["what"], row["number"]))
        factor = _PER_UNIT[row["unit"]]
        low, middle, high = (row[name] * factor for name in ("low", "median", "high"))
        color, marker = _MARKS[_actor(row)]
        ax.hlines(place, low, high, color=color, linewidth=1.6, zorder=2)
        ax.plot(
            [middle], [place], marker=marker, markersize=7, color=color, linestyle="none",
            markeredgewidth=1.4, zorder=3, gid=row["kind"],
        )  # fmt: skip
        ax.annotate(
            format_amount(row["median"], row["unit"]),
            (max(middle, high), place),
            xytext=(8, 0),
            textcoords="offset points",
            verticalalignment="center",
            fontsize=9,
            bbox={"facecolor": mpl.rcParams["axes.facecolor"], "edgecolor": "none", "pad": 0.5},
            zorder=1.5,
        )
    ax.set_yticks(range(len(lanes)), [_name(*lane) for lane in lanes], fontsize=10)
    ax.set_ylim(len(lanes) - 0.4, -0.6)
    ax.set_title(_TITLES[rows[0]["kind"]], loc="left", fontsize=11, fontweight="bold")
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color=mpl.rcParams["grid.color"], linewidth=0.5)
    ax.set_axisbelow(True)
    unit = rows[0]["unit"]
    base = "kB" if unit == "kB" else "µs"
    ax.xaxis.set_major_locator(LogLocator(numticks=20))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda amount, _: format_amount(amount, base)))
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)


def _share_axis(axes: list[Axes], rows: list[Row]) -> None:
    """Give all panels the room that the widest needs, and write the numbers below the last."""
    for ax in axes:
        if ax is not axes[0]:
            ax.sharex(axes[0])
        ax.tick_params(labelbottom=ax is axes[-1])
    edges = [row[name] * _PER_UNIT[row["unit"]] for row in rows for name in ("low", "high")]
    if edges:  # behind the greatest amount is the room to write it
        axes[0].set_xlim(max(min(edges), 1e-3) / 2, max(max(edges), 1e-2) * 8)


def _name(what: str, number: int) -> str:
    if what == "loop beside busy threads":
        return f"loop beside {number} busy thread{'s' * (number != 1)}"
    return what if number == 1 else f"{what} ({number:,})"


def _actor(row: Row) -> str:
    what = row["what"]
    if row["kind"] == "lateness" or "task" in what or "generator" in what:
        return "generator or task"
    return "thread" if "thread" in what else "process"


def _add_legend(picture: Picture) -> None:
    handles: list[Any] = [
        Line2D([], [], linestyle="none", marker=marker, color=color, markersize=7, label=name)
        for name, (color, marker) in _MARKS.items()
    ]
    ink = mpl.rcParams["text.color"]
    spread = Line2D([], [], color=ink, linewidth=1.6, label="the middle half of all rounds")
    handles.append(spread)
    picture.legend(
        handles=handles, ncols=4, frameon=False, fontsize=9.5, loc="outside lower center"
    )
