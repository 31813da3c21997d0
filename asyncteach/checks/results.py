"""Judgements: whether a condition holds, how often it has failed, and what a result is."""

import asyncio
import inspect
from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any, NamedTuple

from asyncteach.formatting import article, clip, format_time

_ROOM = 70


class Mark(NamedTuple):
    """A place in a recording to point at, in the recording's unit of time."""

    start: float
    end: float
    label: str
    """A few words to draw beside it."""
    rows: tuple[int, ...] = ()
    """The rows of the trace that are marked; empty: all of them."""


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


# How often a condition has failed in this process: from the second time on the hint says more

_failed: Counter[tuple[str, ...]] = Counter()


def count_try(*key: str) -> int:
    """Count one more failed try and return how many there have been."""
    _failed[key] += 1
    return _failed[key]


def forget_tries() -> None:
    """Forget all failed tries, as in a fresh process."""
    _failed.clear()


# The result of an answer


def judge_result(actual: Any, expected: Any) -> Judgement:
    """Judge if both are equal, and say how they differ."""
    if _equal(actual, expected):
        return yes(f"the result is {show(actual)}")
    clause = f"the result is {show(actual)}, expected {show(expected)}"
    if actual is None:
        return no(
            clause,
            "Is there a `return`?",
            "A function without `return` returns None, whatever it has computed. And awaiting a "
            "task gives what the task returns.",
        )
    if kind := unfinished(actual):
        return no(
            f"the result is {kind}, expected {show(expected)}",
            "Is there an `await`?",
            "Calling a coroutine function only makes a coroutine, and a task has a result only "
            "when it is done: `await` gives what they return.",
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
            f"Where are the values that should be in it, and how do you put them into {wanted}?",
        )
    if _same_items(actual, expected):
        return no(
            f"{clause}: the same, in another order",
            "In which order do the results come, and which order is expected?",
            "`asyncio.gather` gives results in the order of its arguments, whichever is done "
            "first; results that are collected one by one are in the order in which they came.",
        )
    return no(
        clause,
        "Follow one value from where it is made to the `return`.",
        "Are all of them there, each once, and each with the value that belongs to it?",
    )


def show(value: Any) -> str:
    """Return the repr of a value on one line, even if its `__repr__` fails."""
    try:
        return clip(repr(value), _ROOM)
    except Exception:
        return f"{article(type(value).__name__)} that can't be shown"


def unfinished(value: Any) -> str:
    """Describe a value that still has to be awaited, or has such a value in it; else return ""."""
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
