"""A guess, checked: when tasks are done, how long it all takes, in which order things happen."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import EllipsisType
from typing import Any

from asyncteach.activities import MAX_MINUTES, Activity
from asyncteach.arguments import check_number
from asyncteach.formatting import clip, printable, tell_apart

WAYS = {
    "in_turn": "in turn",
    "together": "together",
    "threads": "threads",
    "processes": "processes",
    "interpreters": "interpreters",
}
"""How `predict` calls a way, and how `compare` does."""


@dataclass(frozen=True, slots=True)
class Span:
    """When a task is done, and perhaps when it begins."""

    end: float
    start: float | None = None


@dataclass
class Guess:
    """What was guessed of one run: some of a total, tasks' times and an order."""

    way: str | None = None
    unit: str | None = None
    """`minutes` or `seconds` of all numbers; None: those of the recording."""
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


def read_way(way: str, value: object, activities: Sequence[Activity] | None) -> Guess:
    """Return the guess behind one keyword for a way: a total, or tasks with their times."""
    __tracebackhide__ = True
    guess = Guess(way=WAYS[way], unit="minutes")
    if isinstance(value, EllipsisType):
        guess.open = way
    elif isinstance(value, Mapping):
        names = None if activities is None else names_of(activities)
        read_spans(guess, value, names, example=f'{way}={{"cook rice": 25}}')
    elif isinstance(value, Iterable) and not isinstance(value, str):
        raise TypeError(
            f"{way} is {_short(value)}: give it one number of minutes for the whole, or a dict "
            f'with a number for each task, as in {way}={{"cook rice": 25}}.'
        )
    else:
        guess.total = check_time(value, way, "minutes")
    return guess


def read_spans(
    guess: Guess, value: Mapping[Any, Any], names: Sequence[str] | None, *, example: str
) -> None:
    """Put the times of tasks into a guess; `names` are those there are, None: not known yet."""
    __tracebackhide__ = True
    if not value:
        raise ValueError(
            f"There is nothing in the braces: name at least one task, as in {example}."
        )
    for name, time in value.items():
        if isinstance(name, Activity):
            name = name.name
        if not isinstance(name, str):
            raise TypeError(f"A task has a text for a name, not {_short(name)}: write {example}.")
        name = printable(name)
        if names is not None:
            check_known(name, names, "among the activities")
        if isinstance(time, EllipsisType):
            guess.missing.append(name)
        else:
            guess.spans[name] = _read_span(name, time, guess.unit or "seconds")


def _read_span(name: str, time: object, unit: str) -> Span:
    __tracebackhide__ = True
    what = f"the guess for {_short(name)}"
    if isinstance(time, tuple | list):
        if len(time) != 2:
            raise ValueError(
                f"{what} has {len(time)} numbers: give one for when it is done, or two, "
                "as in (5, 25), for when it begins and is done."
            )
        start, end = (check_time(edge, what, unit) for edge in time)
        if start > end:
            raise ValueError(
                f"{what} begins at {start:g} and is done at {end:g} already: swap the two."
            )
        return Span(end, start)
    return Span(check_time(time, what, unit))


def read_order(value: object) -> list[str]:
    """Return an order of events as a list of texts; an empty one where dots are left."""
    __tracebackhide__ = True
    example = 'order=["tea", "toast"]'
    if isinstance(value, EllipsisType):
        return []
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(
            f"order is {_short(value)}: write a list of names, the first to come first, "
            f"as in {example}."
        )
    if not value:
        raise ValueError(
            f"order is an empty list: name what comes first and next, as in {example}."
        )
    if any(isinstance(name, EllipsisType) for name in value):
        return []
    for name in value:
        if not isinstance(name, str):
            raise TypeError(
                f"order has {_short(name)} in it, which is no text: put names in quotes, "
                f"as in {example}."
            )
    return [printable(name) for name in value]


def check_time(value: object, what: str, unit: str) -> float:
    """Return a number of minutes or seconds, or say in one sentence why it is none."""
    __tracebackhide__ = True
    if isinstance(value, str):
        raise TypeError(f"{what} is the text {_short(value)}: write a number, without quotes.")
    most = MAX_MINUTES if unit == "minutes" else MAX_MINUTES * 60
    return check_number(value, what, unit=unit, most=most)


def check_known(name: str, names: Sequence[str], where: str) -> None:
    """Raise ValueError, with the name that was meant perhaps, for a task that isn't there."""
    __tracebackhide__ = True
    if name in names:
        return
    near = difflib.get_close_matches(name, names, 1)
    if near:
        hint = f"did you mean {_short(near[0])}?"
    else:
        some = ", ".join(_short(one) for one in names[:6])
        hint = f"there {'is' if len(names) == 1 else 'are'} {some or 'none at all'}."
    raise ValueError(f"There is no task {_short(name)} {where}: {hint}")


def names_of(activities: Sequence[Activity]) -> list[str]:
    """Return the names that the tasks of a recording will have."""
    return tell_apart([printable(activity.name) for activity in activities])


def _short(thing: object) -> str:
    return clip(repr(thing), 60)
