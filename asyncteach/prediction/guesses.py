"""Guesses: read from the arguments of `predict`, and formatted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from types import EllipsisType
from typing import Any

from asyncteach.activities import MAX_MINUTES, Activity, check_activities
from asyncteach.arguments import check_list, check_number, check_options, check_text, show, suggest
from asyncteach.formatting import clip, format_duration, printable, tell_apart

TOTAL = "the whole"
ORDER = 'order=["tea", "toast"]'
_WAYS = {
    "in_turn": "in turn",
    "together": "together",
    "threads": "threads",
    "processes": "processes",
    "interpreters": "interpreters",
}
"""The name of each way in `predict`, and in `compare`."""

_KEYWORDS = (*_WAYS, "minutes", "seconds", "order")


@dataclass
class Guess:
    """The guesses for one run."""

    way: str | None = None
    unit: str | None = None
    """`minutes` or `seconds`; None means the recording's unit."""
    times: dict[str, float] = field(default_factory=dict)
    """When each task, or the whole, is done."""
    order: list[str] = field(default_factory=list)
    open: dict[str, str] = field(default_factory=dict)
    """Each name that still has three dots, with an example up to its number."""

    @property
    def given(self) -> bool:
        """Whether anything has been guessed."""
        return bool(self.times or self.order)

    def __str__(self) -> str:
        """Return the guess in a few words."""
        words = [
            f"{'' if name == TOTAL else clip(name, 30) + ' '}{format_amount(end, self.unit)}"
            for name, end in self.times.items()
        ]
        words += [f"first {', then '.join(self.order)}"] if self.order else []
        return f"{self.way}: {', '.join(words)}" if self.way else ", ".join(words)


@dataclass(frozen=True, slots=True)
class Hit:
    """A guessed time and the real one, in the recording's unit."""

    name: str
    guess: float
    fact: float | None
    """None if the task never ended."""
    right: bool
    row: int | None = None
    """The row of the recording; None for the whole recording."""


def format_amount(amount: float, unit: str | None) -> str:
    """Return an amount of time in words: `40 minutes`, `1 minute`, `310 ms`."""
    if unit == "seconds":
        return format_duration(amount)
    number = f"{amount:.1f}".removesuffix(".0") if amount >= 1 else f"{amount:.2g}"
    return f"{number} {'minute' if number == '1' else 'minutes'}" if unit else number


def read_guesses(what: object, keywords: Mapping[str, object]) -> list[Guess]:
    """Return a guess for each named way, and one for the guesses without a way."""
    __tracebackhide__ = True
    check_options("predict", keywords, _KEYWORDS)
    plain = Guess()
    names: list[str] | None = None
    if isinstance(what, Mapping):
        _read_times(plain, what, None, 'predict({"tea": 25})')
    elif what is not None and not isinstance(what, EllipsisType):
        names = [printable(activity.name) for activity in _read_activities(what)]
    guesses = [
        _read_way(way, keywords[way], tell_apart(names or [])) for way in keywords if way in _WAYS
    ]
    if "minutes" in keywords and "seconds" in keywords:
        raise TypeError("predict() takes minutes= or seconds=, not both: leave one of them out.")
    for unit in ("minutes", "seconds"):
        if unit in keywords:
            plain.unit = unit
            _read_total(plain, unit, keywords[unit])
    if "order" in keywords:
        plain.order = _read_order(keywords["order"])
        plain.open |= {} if plain.order else {"order": ORDER}
    if names and not guesses and not plain.given and not plain.open:
        plain.open["together"] = "together="
    return [*guesses, plain] if plain.given or plain.open or not guesses else guesses


def _read_activities(what: object) -> list[Activity]:
    __tracebackhide__ = True
    if isinstance(what, Real) and not isinstance(what, bool):
        raise TypeError(
            f"predict({what}) lacks a unit: write predict(minutes={what}) or "
            f"predict(seconds={what})."
        )
    if isinstance(what, list | tuple) and what and all(isinstance(one, str) for one in what):
        raise TypeError(
            "predict() got a list of names: for an order write predict(order=[...]), for times "
            'predict({"tea": 25}).'
        )
    return check_activities(what)


def _read_way(way: str, value: object, names: Sequence[str]) -> Guess:
    __tracebackhide__ = True
    guess, example = Guess(_WAYS[way], "minutes"), f'{way}={{"cook rice": 25}}'
    if isinstance(value, Mapping):
        _read_times(guess, value, names, example)
    elif isinstance(value, Iterable) and not isinstance(value, str):
        raise TypeError(
            f"{way} takes a number of minutes for the whole but got {show(value)}: write a dict "
            f"with a number for each task, as in {example}."
        )
    else:
        _read_total(guess, way, value)
    return guess


def _read_total(guess: Guess, keyword: str, value: object) -> None:
    __tracebackhide__ = True
    if isinstance(value, EllipsisType):
        guess.open[keyword] = f"{keyword}="
    else:
        guess.times[TOTAL] = _read_time(value, keyword, guess.unit or "seconds")


def _read_times(
    guess: Guess, value: Mapping[Any, Any], names: Sequence[str] | None, example: str
) -> None:
    """Put the times of tasks into a guess; `names` are the known tasks, or None."""
    __tracebackhide__ = True
    if not value:
        raise ValueError(f"The dict is empty: name at least one task, as in {example}.")
    for name, time in value.items():
        name = name.name if isinstance(name, Activity) else name
        name = printable(check_text(name, "the name of a task", fix=f"write {example}"))
        if names:
            check_known(name, names, "among the activities")
        if isinstance(time, EllipsisType):
            guess.open[name] = f'"{clip(name, 30)}": '
        else:
            what = f"the guess for {clip(repr(name), 60)}"
            guess.times[name] = _read_time(time, what, guess.unit or "seconds")


def _read_order(value: object) -> list[str]:
    """Return an order of events; an empty list if there are still dots."""
    __tracebackhide__ = True
    if isinstance(value, EllipsisType):
        return []
    names = check_list(value, "order", fix=f"name the events in their order, as in {ORDER}")
    if any(isinstance(name, EllipsisType) for name in names):
        return []
    fix = f"put names in quotes, as in {ORDER}"
    return [printable(check_text(name, "order", fix=fix)) for name in names]


def _read_time(value: object, what: str, unit: str) -> float:
    __tracebackhide__ = True
    most = MAX_MINUTES if unit == "minutes" else MAX_MINUTES * 60
    return check_number(value, what, unit=unit, most=most, fix="write a number such as 25")


def check_known(name: str, names: Sequence[str], where: str) -> None:
    """Raise ValueError, with the nearest name, for an unknown task."""
    __tracebackhide__ = True
    if name not in names:
        fix = suggest(name, names, "there are") if names else "there is none at all."
        raise ValueError(f"There is no task {show(name)} {where}: {fix}")
