"""Judgements: whether a condition holds, with a hint if it doesn't; and how results are judged."""

import asyncio
import inspect
from typing import Any, NamedTuple

import numpy as np

from asyncteach.formatting import article, clip, format_time


class Mark(NamedTuple):
    """A place in a recording to point at, in the recording's unit of time."""

    start: float
    end: float
    label: str
    """A few words to draw next to it."""
    rows: tuple[int, ...] = ()
    """The rows of the trace that are marked; if empty, all of them."""


class Judgement(NamedTuple):
    """Whether a condition holds, as a clause such as `it took 5 s`."""

    passed: bool
    clause: str
    hint: str = ""
    marks: tuple[Mark, ...] = ()


def yes(clause: str) -> Judgement:
    """Return the judgement of a condition that holds."""
    return Judgement(True, clause)


def no(clause: str, hint: str, *marks: Mark) -> Judgement:
    """Return the judgement of a condition that doesn't hold, with the places that show it."""
    return Judgement(False, clause, hint, marks)


def when(at: float, unit: str) -> str:
    """Return a moment of a recording as the end of a sentence."""
    return f"after {format_time(at, unit)}" if at > 1e-3 else "at the very start"


# The result of an answer

AWAIT_IT = (
    "Is there an `await`? Calling a coroutine function only makes a coroutine, and a task has a "
    "result only when it is done: `await` gives what they return."
)
_NONE = (
    "Is there a `return`? A function without one returns None, whatever it has computed. And "
    "awaiting a task gives what the task returns."
)
_OTHER_ORDER = (
    "In which order do the results come, and which order is expected? `asyncio.gather` gives "
    "them in the order of its arguments, whichever is done first."
)
_WRONG = (
    "Follow one value from where it is made to the `return`. Are all of them there, each once, "
    "and each with the value that belongs to it?"
)


def judge_result(actual: Any, expected: Any) -> Judgement:
    """Judge whether both are equal by `==`, and arrays in all of their items."""
    if _is_equal(actual, expected):
        return yes(f"the result is {show(actual)}")
    if what := unfinished(actual):
        return no(f"the result is {what}, expected {show(expected)}", AWAIT_IT)
    clause = f"the result is {show(actual)}, expected {show(expected)}"
    if actual is None:
        return no(clause, _NONE)
    lists = isinstance(actual, list) and isinstance(expected, list)
    if lists and sorted(actual, key=repr) == sorted(expected, key=repr):
        return no(f"{clause}: the same items in another order", _OTHER_ORDER)
    return no(clause, _WRONG)


def unfinished(value: Any) -> str:
    """Describe a value that still has to be awaited, or has such a value in it; else return ""."""
    if inspect.iscoroutine(value):
        return f"a coroutine of {value.__qualname__.rpartition('.')[2]}() that has not run"
    if isinstance(value, asyncio.Task):
        return "a task, not its result"
    if inspect.isawaitable(value):
        return f"{article(type(value).__name__.lstrip('_'))} that was never awaited"
    if inspect.isasyncgen(value):
        return "an async generator that was never looped over"
    items = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list | tuple):
        return ""
    inside = next(filter(None, map(unfinished, items)), "")
    return f"{article(type(value).__name__)} with {inside} in it" if inside else ""


def show(value: Any) -> str:
    """Return the repr of a value on one line."""
    return clip(repr(value), 70)


def _is_equal(actual: Any, expected: Any) -> bool:
    try:
        return bool(np.all(actual == expected))
    except Exception:  # what can't be compared isn't equal
        return False
