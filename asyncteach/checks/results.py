"""What a condition has found, how often it has failed, and what an answer gave back."""

import asyncio
import inspect
from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any, NamedTuple

from asyncteach.formatting import article, clip, format_time

_ROOM = 70


class Mark(NamedTuple):
    """A stretch of a recording to point at, in its own unit of time."""

    start: float
    end: float
    label: str
    """A few words that are drawn beside it."""
    rows: tuple[int, ...] = ()
    """Which rows of the trace it concerns; none: all that is drawn."""


@dataclass(frozen=True)
class Judgement:
    """Whether a condition holds, as a clause (`it took 5 s`), and two hints if it doesn't."""

    passed: bool
    clause: str
    hint: str = ""
    stronger: str = ""
    marks: tuple[Mark, ...] = ()


def yes(clause: str) -> Judgement:
    """Return that a condition holds."""
    return Judgement(True, clause)


def no(clause: str, hint: str = "", stronger: str = "", *marks: Mark) -> Judgement:
    """Return that a condition doesn't hold."""
    return Judgement(False, clause, hint, stronger, marks)


def when(at: float, unit: str) -> str:
    """Return a moment of a recording as the end of a sentence.

    >>> when(0.0, "seconds"), when(40.0, "minutes")
    ('at the very start', 'after 40.0 minutes')
    """
    return f"after {format_time(at, unit)}" if at > 1e-3 else "at the very start"


# How often a condition has failed in this process: from the second time on hints say more

_failed: Counter[tuple[str, ...]] = Counter()


def count_try(*key: str) -> int:
    """Count one more failing try and return how many there have been with it."""
    _failed[key] += 1
    return _failed[key]


def forget_tries() -> None:
    """Begin anew, as a fresh process would."""
    _failed.clear()


# What an answer gave back


def judge_result(actual: Any, expected: Any) -> Judgement:
    """Judge if both are equal, and name what differs where that can be seen."""
    if _equal(actual, expected):
        return yes(f"the result is {show(actual)}")
    clause = f"the result is {show(actual)}, expected {show(expected)}"
    if actual is None:
        return no(
            clause,
            "Is there a `return`?",
            "A function without `return` gives None, however much it has computed. And what a task "
            "returns comes out where the task is awaited.",
        )
    if kind := unfinished(actual):
        return no(
            f"the result is {kind}, expected {show(expected)}",
            "Is there an `await`?",
            "Calling a coroutine function only makes a coroutine, and a task has a result when it "
            "is done: `await` gives what they return.",
        )
    if any(isinstance(one, BaseException) for one in (actual, *_items(actual))):
        return no(
            f"{clause}: there is an exception in it",
            "Where does that exception come from, and what should happen to it?",
            "`return_exceptions=True` and `task.exception()` hand exceptions back as values: look "
            "for them among the results.",
        )
    if type(actual) is not type(expected) and not _are_numbers(actual, expected):
        wanted = article(type(expected).__name__)
        return no(
            f"{clause}: {article(type(actual).__name__)} instead of {wanted}",
            f"Look at the `return`: is it {wanted}?",
            f"What has the values that are wanted, and what makes {wanted} of them?",
        )
    if _same_items(actual, expected):
        return no(
            f"{clause}: the same, in another order",
            "In which order do the results come, and in which are they wanted?",
            "`asyncio.gather` gives results in the order of its arguments, whichever is done "
            "first; what is collected as it comes is in the order in which it came.",
        )
    return no(
        clause,
        "Follow one value from where it is made to the `return`.",
        "Are all of them there, each once, and each with the value that belongs to it?",
    )


def show(value: Any) -> str:
    """Return a value as Python writes it, on one line, however it behaves."""
    try:
        return clip(repr(value), _ROOM)
    except Exception:
        return f"{article(type(value).__name__)} that can't be shown"


def unfinished(value: Any) -> str:
    """Return what a value, or one inside it, is if it still has to be awaited; else nothing."""
    if inspect.iscoroutine(value):
        return f"a coroutine of {value.__qualname__.rpartition('.')[2]}() that has not run"
    if isinstance(value, asyncio.Task):
        return "a task and not its result"
    if asyncio.isfuture(value) or inspect.isawaitable(value):
        return f"{article(type(value).__name__.lstrip('_'))} that was never awaited"
    if inspect.isasyncgen(value):
        return "an async generator that was never looped over"
    found = [unfinished(one) for one in _items(value) if not _items(one)]
    inside = next(filter(None, found), "")
    return f"{article(type(value).__name__)} with {inside} in it" if inside else ""


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple, set, frozenset)) else []


def _equal(actual: Any, expected: Any) -> bool:
    try:
        same = actual == expected
        if hasattr(same, "all") and not isinstance(same, bool):
            same = same.all()  # an array: equal if all of it is
            same = same.all() if hasattr(same, "all") else same
        return bool(same)
    except Exception:  # what can't be compared isn't equal
        return False


def _are_numbers(*values: Any) -> bool:
    return all(isinstance(one, (int, float)) for one in values)


def _same_items(actual: Any, expected: Any) -> bool:
    if isinstance(actual, (str, bytes, Mapping, Set)) or not isinstance(actual, (list, tuple)):
        return False
    left = list(expected)
    for one in actual:
        index = next((n for n, other in enumerate(left) if _equal(one, other)), None)
        if index is None:
            return False
        del left[index]
    return not left
