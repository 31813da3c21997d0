"""Guesses, checked: when tasks are done, how long all takes, the order of events."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from types import EllipsisType
from typing import Any

from asyncteach.activities import MAX_MINUTES, Activity, check_activities
from asyncteach.arguments import check_list, check_number, check_options, check_text, show, suggest
from asyncteach.formatting import clip, format_duration, join_words, printable, tell_apart

WAYS = {
    "in_turn": "in turn",
    "together": "together",
    "threads": "threads",
    "processes": "processes",
    "interpreters": "interpreters",
}
"""The ways, as `predict` names them and as `compare` does."""

_KEYWORDS = (*WAYS, "minutes", "seconds", "order")
_ORDER = 'order=["tea", "toast"]'


@dataclass(frozen=True, slots=True)
class Span:
    """When a task is done, and when it begins if that was guessed."""

    end: float
    start: float | None = None

    def __str__(self) -> str:
        return f"{self.end:g}" if self.start is None else f"{self.start:g} to {self.end:g}"

    def format(self, unit: str) -> str:
        """Return it in words: `30 minutes`, or `from 5 to 25 minutes`."""
        if self.start is None:
            return format_amount(self.end, unit)
        start = format_amount(self.start, unit).removesuffix("s").removesuffix(" minute")
        start = start if unit == "minutes" else format_amount(self.start, unit)
        return f"from {start} to {format_amount(self.end, unit)}"


@dataclass
class Guess:
    """The guesses for one run: a total, times of tasks, an order, or several of them."""

    way: str | None = None
    unit: str | None = None
    """`minutes` or `seconds`; None means the recording's unit."""
    total: float | None = None
    spans: dict[str, Span] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """The tasks that still have three dots."""
    open: str = ""
    """The keyword that still has three dots."""

    @property
    def given(self) -> bool:
        """Tell if anything is guessed yet."""
        return self.total is not None or bool(self.spans) or bool(self.order)

    def __str__(self) -> str:
        """Return the guess in a few words."""
        words = [] if self.total is None else [format_amount(self.total, self.unit or "seconds")]
        words += [f"{clip(name, 30)} {span}" for name, span in self.spans.items()]
        text = ", ".join(words) + (f" {self.unit}" if self.spans and self.unit else "")
        if self.order:
            text += (", " if text else "") + "first " + ", then ".join(self.order)
        return f"{self.way}: {text}" if self.way else text


def format_amount(amount: float, unit: str) -> str:
    """Return an amount of time in words: `40 minutes`, `1 minute`, `310 ms`."""
    if unit == "seconds":
        return format_duration(amount)
    number = f"{amount:.1f}".removesuffix(".0") if amount >= 1 else f"{amount:.2g}"
    return f"{number} minute" if number == "1" else f"{number} minutes"


# The arguments of `predict`


def read_activities(what: object) -> list[Activity] | None:
    """Return the activities of the guess; None if it has none."""
    __tracebackhide__ = True
    if what is None or isinstance(what, Mapping | EllipsisType):
        return None
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


def read_guesses(
    what: object, keywords: Mapping[str, Any], activities: Sequence[Activity] | None
) -> list[Guess]:
    """Return a guess for each named way, and one for the guesses without a way."""
    __tracebackhide__ = True
    check_options("predict", keywords, _KEYWORDS)
    names = None if activities is None else names_of(activities)
    guesses = [_read_way(way, keywords[way], names) for way in keywords if way in WAYS]
    if "minutes" in keywords and "seconds" in keywords:
        raise TypeError("predict() takes minutes= or seconds=, not both: leave one of them out.")
    plain = Guess()
    for unit in ("minutes", "seconds"):
        if unit in keywords:
            plain.unit = unit
            if isinstance(keywords[unit], EllipsisType):
                plain.open = unit
            else:
                plain.total = _read_time(keywords[unit], unit, unit)
    if "order" in keywords:
        plain.order = _read_order(keywords["order"])
        plain.open = plain.open if plain.order else "order"
    if isinstance(what, Mapping):
        _read_spans(plain, what, None, example='predict({"tea": 25})')
    if plain.given or plain.open or plain.missing or not guesses:
        guesses.append(plain)
    return guesses


def _read_way(way: str, value: object, names: Sequence[str] | None) -> Guess:
    __tracebackhide__ = True
    guess, example = Guess(way=WAYS[way], unit="minutes"), f'{way}={{"cook rice": 25}}'
    if isinstance(value, EllipsisType):
        guess.open = way
    elif isinstance(value, Mapping):
        _read_spans(guess, value, names, example=example)
    elif isinstance(value, Iterable) and not isinstance(value, str):
        raise TypeError(
            f"{way} takes a number of minutes for the whole and got {show(value)}: write a dict "
            f"with a number for each task, as in {example}."
        )
    else:
        guess.total = _read_time(value, way, "minutes")
    return guess


def _read_spans(
    guess: Guess, value: Mapping[Any, Any], names: Sequence[str] | None, *, example: str
) -> None:
    """Put the times of tasks into a guess; `names` are the known tasks, or None."""
    __tracebackhide__ = True
    if not value:
        raise ValueError(f"The dict is empty: name at least one task, as in {example}.")
    for name, time in value.items():
        name = name.name if isinstance(name, Activity) else name
        name = printable(check_text(name, "the name of a task", fix=f"write {example}"))
        if names is not None:
            check_known(name, names, "among the activities")
        if isinstance(time, EllipsisType):
            guess.missing.append(name)
        else:
            guess.spans[name] = _read_span(name, time, guess.unit or "seconds")


def _read_span(name: str, time: object, unit: str) -> Span:
    __tracebackhide__ = True
    what = f"the guess for {clip(repr(name), 60)}"
    if not isinstance(time, tuple | list):
        return Span(_read_time(time, what, unit))
    if len(time) != 2:
        raise ValueError(
            f"{what} has {len(time)} numbers: give one for when it is done, or two, as in (5, 25), "
            "for when it begins and is done."
        )
    start, end = (_read_time(edge, what, unit) for edge in time)
    if start > end:
        raise ValueError(
            f"{what} begins at {start:g} and is done at {end:g} already: swap the two."
        )
    return Span(end, start)


def _read_order(value: object) -> list[str]:
    """Return an order of events; an empty list if there are still dots."""
    __tracebackhide__ = True
    if isinstance(value, EllipsisType):
        return []
    names = check_list(value, "order", fix=f"name the events in their order, as in {_ORDER}")
    if any(isinstance(name, EllipsisType) for name in names):
        return []
    fix = f"put names in quotes, as in {_ORDER}"
    return [printable(check_text(name, "order", fix=fix)) for name in names]


def _read_time(value: object, what: str, unit: str) -> float:
    __tracebackhide__ = True
    most = MAX_MINUTES if unit == "minutes" else MAX_MINUTES * 60
    return check_number(value, what, unit=unit, most=most, fix="write it as in 25, without quotes")


def check_known(name: str, names: Sequence[str], where: str) -> None:
    """Raise ValueError, with the nearest name, for an unknown task."""
    __tracebackhide__ = True
    if name not in names:
        fix = suggest(name, names, "there are") if names else "there is none at all."
        raise ValueError(f"There is no task {show(name)} {where}: {fix}")


def names_of(activities: Sequence[Activity]) -> list[str]:
    """Return the names that the tasks will have in a recording."""
    return tell_apart([printable(activity.name) for activity in activities])


# What is still missing


def describe_open(guesses: Sequence[Guess], activities: Sequence[Activity]) -> str:
    """Return a sentence about what to put in place of the dots, without giving the answer away."""
    ways = [guess.open for guess in guesses if guess.way]
    numbers = _other_numbers(activities)
    if len(ways) > 1 and all(ways):
        example = ", ".join(f"{way}={next(numbers)}" for way in ways)
    else:
        example = _example(guesses[0], activities, numbers)
    noun = "names" if guesses[0].open == "order" else "numbers"
    return (
        f"No guess yet: put yours in place of the dots, as in {example} "
        f"(the {noun} are only an example), and run this cell again."
    )


def describe_missing(guesses: Sequence[Guess]) -> str:
    """Return a sentence that names the tasks and ways without a guess; empty if all have one."""
    names = [name for guess in guesses for name in guess.missing]
    names += [guess.open for guess in guesses if guess.open]
    return f"Still open: {join_words([clip(name, 30) for name in names], 7)}." if names else ""


def _example(guess: Guess, activities: Sequence[Activity], numbers: Iterator[int]) -> str:
    if guess.missing:
        return ", ".join(f'"{clip(name, 30)}": {next(numbers)}' for name in guess.missing[:3])
    if guess.open == "order":
        return _ORDER
    if guess.open in ("minutes", "seconds") or not activities:
        return f"{guess.open or 'seconds'}={next(numbers)}"
    way, names = guess.open or "together", names_of(activities)[:2]
    tasks = ", ".join(f'"{clip(name, 30)}": {next(numbers)}' for name in names)
    more = ", ..." if len(activities) > len(names) else ""
    return f"{way}={next(numbers)} for the whole, in minutes, or {way}={{{tasks}{more}}} for each"


def _other_numbers(activities: Sequence[Activity]) -> Iterator[int]:
    """Yield numbers for examples that can't be the answer."""
    lengths = [activity.minutes for activity in activities]
    sums = {sum(lengths[:n]) for n in range(len(lengths) + 1)} | {*lengths}
    yield from (number for number in range(12, 10**6, 7) if number not in sums)
