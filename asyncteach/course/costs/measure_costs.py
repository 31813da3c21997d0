"""What it costs to switch, to start and to hold tasks, threads and processes on this machine."""

import math
from collections.abc import Callable
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, cast

import pandas

from asyncteach.course.costs import wording
from asyncteach.course.costs.amounts import say_digits
from asyncteach.course.costs.meaning import explain
from asyncteach.course.costs.plan import UNITS, Findings, measure

if TYPE_CHECKING:
    from asyncteach.timeline.figure import Picture

__all__ = ["Costs", "measure_costs"]

_COLUMNS = ["kind", "what", "number", "median", "low", "high", "unit", "rounds", "note"]
_LONGEST = 300
_FEWEST, _MOST = 100, 100_000


class Costs(pandas.DataFrame):
    """A table with a row for each thing that was measured, made by `measure_costs`.

    The columns are `kind` (of cost: switch, start, memory, address space, lateness, preemption),
    `what`, `number` (how many of them there were), `median`, `low` and `high` (between them lies
    the middle half of the `rounds`), their `unit`, and a `note`. What you derive from it (a
    selection, a sum) is an ordinary DataFrame.

    In a notebook it shows itself with a figure. `explain()` says what it means, `order(kind)` who
    costs least, `.left_out` is a DataFrame of what wasn't measured and why, `.figure` is a
    Matplotlib figure, and `print` shows it all but the figure.
    """

    _metadata = ["left_out", "facts"]  # noqa: RUF012  (the way that pandas asks for attributes)
    left_out: pandas.DataFrame
    facts: dict[str, Any]

    @property
    def _constructor(self) -> type[pandas.DataFrame]:
        return pandas.DataFrame

    def order(self, kind: str) -> list[str]:
        """Return what costs of a kind there are, the lowest first.

        What was measured with few and with many counts once, by the most: whether ten thousand
        tasks take more memory each than a thousand is chance. Their `low` decides, which other
        programs disturb least. Raises ValueError for another kind.
        """
        if kind not in UNITS:
            known = ", ".join(UNITS)
            raise ValueError(f"{kind!r} is not a kind of cost: there are {known}.")
        rows = [row for row in self.rows() if row["kind"] == kind]
        of_most = {row["what"]: row["low"] for row in rows}  # sorted by number: the last stays
        return sorted(of_most, key=lambda what: of_most[what])

    def explain(self) -> str:
        """Return what the numbers say, in a few sentences that are true of this very run."""
        return " ".join(explain(self.rows(), self.facts))

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries."""
        return cast(list[dict[str, Any]], self.to_dict("records"))

    @property
    def figure(self) -> "Picture":
        """A new Matplotlib figure: what takes time and what takes memory, on logarithmic axes."""
        from asyncteach.course.costs.chart import draw_costs

        return draw_costs(self.rows(), " ".join([wording.heading(self.facts), self.explain()]))

    def __str__(self) -> str:
        missing = self.left_out.to_dict("records")
        return wording.write_table(self.rows(), cast(Any, missing), self.facts)

    __repr__ = __str__

    def _ipython_display_(self) -> None:
        import IPython.display as ipython

        display: Any = ipython.display
        html = wording.write_html(
            self.to_html(index=False, float_format=say_digits),
            self.explain(),
            cast(Any, self.left_out.to_dict("records")),
        )
        display({"text/html": html, "text/plain": str(self)}, raw=True)
        png, about = self.figure._repr_png_()
        heading = wording.heading(self.facts)
        display({"image/png": png, "text/plain": heading}, raw=True, metadata={"image/png": about})


def measure_costs(*, seconds: float = 30, most: int = 10_000) -> Costs:
    """Measure on this machine what tasks, threads and processes cost: to switch, start and hold.

    It takes about so many `seconds`, on a busy machine at most 15 more, and holds whoever calls
    it so long, a notebook's event loop too. The work is done in processes of its own, all
    of which end with it. At `most` so many tasks or threads are held at a time, fewer where the
    machine has no room for them; what is left out, and why, is in `.left_out`.

    Rounds of all that is compared are played in turn, so that what disturbs one disturbs all, and
    their median and quartiles are kept. Hand-overs, starts and preemption are measured on one
    processor where the system (Linux) lets itself be asked, so that each hand-over is a switch,
    and in that processor's time, so that other programs' turns don't count.
    Times are in microseconds or milliseconds, memory in kilobytes of 1,000 bytes for each.

    Returns Costs, a DataFrame. Raises ValueError or TypeError for an option that makes no sense.

    >>> costs = measure_costs(seconds=1, most=100)
    >>> costs.order("start")[:2]
    ['task', 'thread']
    """
    return make_costs(seconds, most, lambda doing: None)


def make_costs(seconds: float, most: int, progress: Callable[[str], None]) -> Costs:
    """Measure, telling `progress` what is being done, and make the table."""
    _check_number("seconds", seconds, 1, _LONGEST, "30 gives steady numbers")
    _check_number("most", most, _FEWEST, _MOST, "10_000 shows what asyncio is good at")
    if not isinstance(most, int):
        raise TypeError(f"most={most!r} is a number of tasks, so it must be whole: {int(most)}.")
    return _tabulate(measure(seconds, most, progress))


def _tabulate(found: Findings) -> Costs:
    place = list(UNITS).index
    seen = list(dict.fromkeys(what for _, what, _ in found.samples))
    keys = sorted(found.samples, key=lambda key: (place(key[0]), seen.index(key[1]), key[2]))
    rows = []
    for key in keys:
        values = found.samples[key]
        low, _, high = quantiles(values, n=4, method="inclusive") if values[1:] else values * 3
        note = wording.note(key, values)
        rows.append([*key, median(values), low, high, UNITS[key[0]], len(values), note])
    costs = cast(Any, Costs)(rows, columns=_COLUMNS)
    missing = [[*key, why] for key, why in found.left_out.items()]
    costs.left_out = pandas.DataFrame(missing, columns=["kind", "what", "number", "why"])
    costs.facts = found.facts
    return cast(Costs, costs)


def _check_number(name: str, value: object, least: float, most: float, advice: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        kind = type(value).__name__
        raise TypeError(f"{name} must be a number and is of type {kind}: {advice}.")
    if not (math.isfinite(value) and least <= value <= most):
        raise ValueError(f"{name}={value!r} must be from {least:,} to {most:,}: {advice}.")
