"""The picture of the costs: what takes time on one logarithmic axis, what takes memory on another.

A mark is a median, the thin line through it the middle half of all rounds.
"""

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from asyncteach.course.costs.explanation import TITLES, Row, format_amount
from asyncteach.timeline.figure import Picture

_AXES = (("switch", "start", "lateness"), ("memory",))  # kinds that share an axis
_PER_UNIT = {"µs": 1.0, "ms": 1000.0, "kB": 1.0}

# Three greys in print, and a form for each.
_MARKS = {
    "generator or task": ("#0b6e8f", "o"),
    "thread": ("#e8a33d", "s"),
    "process": ("#4d4d4d", "^"),
}


def draw_costs(rows: list[Row], alt: str) -> Picture:
    """Draw a panel for each kind of cost that is a time or a memory; `alt` says it in words."""
    groups = [[(kind, [row for row in rows if row["kind"] == kind]) for kind in g] for g in _AXES]
    panels = [(kind, some) for group in groups for kind, some in group if some]
    heights = [0.55 + 0.25 * len(some) for _, some in panels]
    picture = Picture(figsize=(9, 1 + sum(heights)), layout="constrained")
    picture.get_layout_engine().set(h_pad=0.08)  # type: ignore[union-attr,call-arg]
    picture.alt = alt
    if not panels:
        picture.text(0.5, 0.5, "Nothing could be measured.", horizontalalignment="center")
        return picture
    axes = picture.subplots(len(panels), squeeze=False, height_ratios=heights)[:, 0]
    by_kind = dict(zip([kind for kind, _ in panels], axes, strict=True))
    for kind, some in panels:
        _draw_panel(by_kind[kind], TITLES[kind], some)
    for group in groups:
        shared = [by_kind[kind] for kind, some in group if some]
        edges = [
            row[name] * _PER_UNIT[row["unit"]]
            for _, some in group
            for row in some
            for name in ("low", "high")
        ]
        for ax in shared:  # behind the greatest amount is the room to write it
            ax.set_xlim(max(min(edges), 1e-3) / 2, max(max(edges), 1e-2) * 8)
            ax.tick_params(labelbottom=ax is shared[-1])
    ink = mpl.rcParams["text.color"]
    handles = [
        *(
            Line2D([], [], linestyle="none", marker=marker, color=color, markersize=7, label=name)
            for name, (color, marker) in _MARKS.items()
        ),
        Line2D([], [], color=ink, linewidth=1.6, label="the middle half of all rounds"),
    ]
    picture.legend(
        handles=handles, ncols=4, frameon=False, fontsize=9.5, loc="outside lower center"
    )
    return picture


def _draw_panel(ax: Axes, title: str, rows: list[Row]) -> None:
    ax.set_xscale("log")
    paper = mpl.rcParams["axes.facecolor"]
    for place, row in enumerate(rows):
        low, middle, high = (
            row[name] * _PER_UNIT[row["unit"]] for name in ("low", "median", "high")
        )
        color, marker = _MARKS[_actor(row)]
        ax.hlines(place, low, high, color=color, linewidth=1.6, zorder=2)
        ax.plot(
            [middle], [place], marker=marker, markersize=7, color=color, linestyle="none", zorder=3
        )
        ax.annotate(
            format_amount(row["median"], row["unit"]),
            (max(middle, high), place),
            xytext=(8, 0),
            textcoords="offset points",
            verticalalignment="center",
            fontsize=9,
            bbox={"facecolor": paper, "edgecolor": "none", "pad": 0.5},
            zorder=1.5,
        )
    ax.set_yticks(range(len(rows)), [_name(row) for row in rows], fontsize=10)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_title(title, loc="left", fontsize=11, fontweight="bold")
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color=mpl.rcParams["grid.color"], linewidth=0.5)
    ax.set_axisbelow(True)
    base = "kB" if rows[0]["unit"] == "kB" else "µs"
    ax.xaxis.set_major_locator(LogLocator(numticks=20))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda amount, _: format_amount(amount, base)))
    ax.spines[["top", "right", "left"]].set_visible(False)


def _name(row: Row) -> str:
    what, number = row["what"], row["number"]
    if row["kind"] == "lateness":
        return f"loop beside {number} busy thread{'s' * (number != 1)}"
    return f"{what} ({number:,})" if number != 1 else str(what)


def _actor(row: Row) -> str:
    what = row["what"]
    if row["kind"] == "lateness" or "task" in what or "generator" in what:
        return "generator or task"
    return "thread" if "thread" in what else "process"
