"""The costs as a table, in sentences and in a figure."""

import os
from textwrap import wrap
from typing import TYPE_CHECKING, Any, cast

import pandas

from asyncteach.formatting import count, format_duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from asyncteach.timeline.figure import Picture

Row = dict[str, Any]
"""A row of the table of costs."""

UNITS = {"switch": "µs", "start": "µs", "memory": "kB", "lateness": "ms", "preemption": "times"}
"""The kinds of cost, in the order of the table, and the unit of each."""

TITLES = {
    "switch": "Switching: to hand over once",
    "start": "Starting: from the start to the end of one that does nothing",
    "memory": "Memory: resident, for each",
    "lateness": "Lateness: of a loop that wakes every 5 ms beside threads that only calculate",
    "preemption": "Preemption: the same work in ten threads, compared with one",
}
COLUMNS = 100

# Three greys in print, and a form for each; a generator counts as a task.
_MARKS = {"task": ("#0b6e8f", "o"), "thread": ("#e8a33d", "s"), "process": ("#4d4d4d", "^")}


class Costs(pandas.DataFrame):
    """A table with a row for each thing that was measured, made by `measure_costs`.

    The columns are `kind` (switch, start, memory, lateness or preemption), `what`, `number` (how
    many of them there were), `median`, `low` and `high` (the middle half of the `rounds` lies
    between them), and `unit`. A selection or a sum of it is an ordinary DataFrame.

    In a notebook it shows itself with a figure. `explain()` describes the results, `.left_out` is
    a list of sentences about what wasn't measured and why, `.figure` is a Matplotlib figure, and
    `print` shows everything but the figure.
    """

    _metadata = ["left_out"]  # noqa: RUF012  (how pandas wants attributes declared)
    left_out: list[str]

    @property
    def _constructor(self) -> type[pandas.DataFrame]:
        return pandas.DataFrame

    def explain(self) -> str:
        """Return a few sentences about the numbers of this run."""
        return " ".join(_explain(self))

    @property
    def figure(self) -> "Picture":
        """A new Matplotlib figure: what takes time and what takes memory, on logarithmic axes."""
        return _draw(self)

    def __str__(self) -> str:
        lines = [heading()]
        for kind, title in TITLES.items():
            some = [_write(row) for row in _rows(self, kind)]
            lines += ["", title, *some] if some else []
        if len(self):
            lines += ["", "The middle half of all rounds lies in the brackets."]
        if self.left_out:
            lines += ["", "Left out", *(f"  {sentence}" for sentence in self.left_out)]
        lines += ["", *(line for text in _explain(self) for line in wrap(text, COLUMNS))]
        return "\n".join(lines).rstrip()

    __repr__ = __str__

    def _ipython_display_(self) -> None:
        from IPython.display import display

        print(self)
        display(self.figure)  # type: ignore[no-untyped-call]


def heading() -> str:
    """Return the heading of the table: what was measured, and where."""
    is_on_one = hasattr(os, "sched_setaffinity")
    where = "on one processor, in its time" if is_on_one else "wherever the system put them"
    return f"Costs on this machine; hand-overs and starts {where}."


def format_amount(amount: float, unit: str) -> str:
    """Return an amount in the unit that suits it, to three digits.

    >>> format_amount(0.0412, "µs"), format_amount(83_000, "µs"), format_amount(8400, "kB")
    ('41.2 ns', '83 ms', '8.4 MB')
    >>> format_amount(1.0312, "times")
    '1.03 times'
    """
    if unit == "µs" and 0 < amount < 0.9995:
        return f"{amount * 1000:.3g} ns"
    if unit in ("µs", "ms"):
        return format_duration(amount / {"µs": 1e6, "ms": 1e3}[unit])
    return format_bytes(amount * 1000) if unit == "kB" else f"{amount:.3g} {unit}"


def format_bytes(amount: float) -> str:
    """Return a number of bytes in few characters; a kB is 1,000 bytes.

    >>> format_bytes(1434), format_bytes(16_000_000_000)
    ('1.43 kB', '16 GB')
    """
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if amount >= 0.9995 * size:
            return f"{amount / size:.3g} {unit}"
    return f"{amount:.0f} B"


def _rows(costs: pandas.DataFrame, kind: str) -> list[Row]:
    return cast(list[Row], costs[costs["kind"] == kind].to_dict("records"))


def _write(row: Row) -> str:
    low, middle, high = (
        format_amount(row[name], row["unit"]) for name in ("low", "median", "high")
    )
    return f"  {row['what']:25} {row['number']:>6,}  {middle:>10}  ({low} to {high})"


_RATIOS = (
    ("switch", "Lock between threads", "Event between tasks",
     "Handing over by a Lock between threads took {} as long as by an Event between tasks."),
    ("switch", "pipe between processes", "Event between tasks",
     "Handing a byte to another process took {} as long as by such an Event."),
    ("start", "thread", "task", "Starting and ending a thread took {} as long as a task."),
    ("start", "spawned process", "task", "For a spawned process it was {} as long as for a task."),
    ("memory", "thread", "task", "A waiting thread takes {} the memory of a task."),
)  # fmt: skip


def _explain(costs: pandas.DataFrame) -> list[str]:
    """Return sentences about these costs; missing rows get no sentence."""
    # If there are several numbers, the last and greatest counts.
    medians: dict[Any, float] = costs.groupby(["kind", "what"])["median"].last().to_dict()
    ratios, sentences = {}, []
    for kind, one, other, sentence in _RATIOS:
        if medians.get((kind, one), 0) > 0 and medians.get((kind, other), 0) > 0:
            ratios[kind, one] = medians[kind, one] / medians[kind, other]
            sentences.append(sentence.format(_times(ratios[kind, one])))
    late = [
        f"{format_amount(row['median'], 'ms')} late "
        + (f"beside {count(row['number'], 'thread')}" if row["number"] else "alone")
        for row in _rows(costs, "lateness")
    ]
    if late:
        sentences.append(f"An event loop woke {', '.join(late)} that only calculate (medians).")
    shared = medians.get(("preemption", "work shared by threads"), 2)
    if shared < 1.15:
        sentences.append(
            "Being interrupted costs little by itself: the same work in ten threads took "
            f"{shared:.2f} times the processor time."
        )
    switch, *others = (
        ratios.get(key, 0)
        for key in (("switch", "Lock between threads"), ("start", "thread"), ("memory", "thread"))
    )
    if switch and min(others) >= 1.5 * switch:
        sentences.append(
            "So it is not switching that sets tasks apart most: they start quickly and are small."
        )
    return sentences


def _times(ratio: float) -> str:
    """Return a ratio in few digits, because more of them would change from run to run.

    >>> _times(2.179), _times(11.4), _times(12_345)
    ('2.2 times', '11 times', '12,000 times')
    """
    return (f"{ratio:.1f}" if ratio < 10 else f"{float(f'{ratio:.2g}'):,.0f}") + " times"


def _draw(costs: Costs) -> "Picture":
    """Draw a panel for each kind: the median is a mark, the middle half of all rounds a line."""
    from asyncteach.timeline.figure import Picture

    panels = {kind: some for kind in ("switch", "start", "lateness", "memory")
              if (some := _rows(costs, kind))}  # fmt: skip
    heights = [0.55 + 0.25 * len(some) for some in panels.values()] or [1]
    picture = Picture(figsize=(9, 1.2 + sum(heights)), layout="constrained")
    picture.alt = f"{heading()} {costs.explain()}"
    if not panels:
        picture.text(0.5, 0.5, "Nothing could be measured.", horizontalalignment="center")
        return picture
    axes = picture.subplots(len(panels), squeeze=False, height_ratios=heights)[:, 0]
    marks: dict[str, Any] = {}
    for ax, (kind, some) in zip(axes, panels.items(), strict=True):
        _draw_panel(ax, kind, some, marks)
    # Panels of times have one axis, below the last of them.
    times = axes[: len(panels) - ("memory" in panels)]
    limits = [limit for ax in times for limit in ax.get_xlim()]
    for ax in times:
        ax.set_xlim(min(limits), max(limits))
        ax.tick_params(labelbottom=ax is times[-1])
    picture.legend(
        marks.values(), marks, ncols=3, frameon=False, loc="outside lower center",
        title="a line: the middle half of all rounds",
    )  # fmt: skip
    return picture


def _draw_panel(ax: "Axes", kind: str, rows: list[Row], marks: dict[str, Any]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    unit = "kB" if kind == "memory" else "µs"
    per_unit = 1000 if UNITS[kind] == "ms" else 1
    names = []
    for place, row in enumerate(rows):
        low, middle, high = (row[name] * per_unit for name in ("low", "median", "high"))
        what, number = row["what"], row["number"]
        names.append(what if number == 1 and kind != "lateness" else f"{what} ({number:,})")
        is_own = kind != "lateness"  # the loop is measured, not the threads
        actor = next((one for one in ("process", "thread") if one in what and is_own), "task")
        color, marker = _MARKS[actor]
        marks[actor] = ax.errorbar(
            middle, place, xerr=[[middle - low], [high - middle]], fmt=marker, color=color
        )
        ax.annotate(
            format_amount(middle, unit), (high, place), xytext=(8, 0), textcoords="offset points",
            verticalalignment="center", fontsize=9,
        )  # fmt: skip
    ax.set_xscale("log")
    left, right = ax.get_xlim()
    ax.set_xlim(left, right * 8)  # room for the last amount
    ax.set_yticks(range(len(rows)), names)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_title(TITLES[kind], loc="left", fontsize=11, fontweight="bold")
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", linewidth=0.5)
    ax.xaxis.set_major_locator(LogLocator(numticks=20))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda amount, _: format_amount(amount, unit)))
    ax.spines[["top", "right", "left"]].set_visible(False)
