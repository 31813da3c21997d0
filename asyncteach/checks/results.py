"""What an answer gave back, compared with what it should be."""

import asyncio
import inspect
from collections.abc import Mapping, Set
from typing import Any

from asyncteach.checks.judgement import Judgement, no, yes
from asyncteach.formatting import article, clip

_ROOM = 70


def judge_result(actual: Any, expected: Any) -> Judgement:
    """Judge if both are equal, and say what is likely to be missing."""
    if _equal(actual, expected):
        return yes(f"the result is {show(actual)}")
    got, wanted = show(actual), show(expected)
    if actual is None:
        return no(
            f"nothing came back, and it was to be {wanted}",
            "Is there a `return`?",
            "A function without `return` gives None, however much it has computed. And what a task "
            "returns comes out where the task is awaited.",
        )
    if kind := unfinished(actual):
        return no(
            f"what came back is {kind}, and it was to be {wanted}",
            "Is there an `await`?",
            "Calling a coroutine function only makes a coroutine, and a task has a result when it "
            "is done: `await` gives what they return.",
        )
    if isinstance(actual, BaseException) or _has(actual, BaseException):
        return no(
            f"what came back is {got}: an exception, and it was to be {wanted}",
            "Where does that exception come from, and who was to deal with it?",
            "`return_exceptions=True` and `task.exception()` hand exceptions back as values: they "
            "are to be looked for among the results.",
        )
    return _different(actual, expected, got, wanted)


def _different(actual: Any, expected: Any, got: str, wanted: str) -> Judgement:
    clause = f"what came back is {got}, and it was to be {wanted}"
    if type(actual) is not type(expected) and not _both_numbers(actual, expected):
        ours, theirs = type(actual).__name__, type(expected).__name__
        return no(
            f"{clause}: {article(ours)} instead of {article(theirs)}",
            f"Look at the `return`: is it {article(theirs)}?",
            "`asyncio.gather` gives a list, `asyncio.wait` two sets of tasks, a task its result "
            "when it is awaited.",
        )
    if _same_items(actual, expected):
        return no(
            f"{clause}: the same, in another order",
            "In which order do the results come, and in which are they wanted?",
            "`asyncio.gather` gives results in the order of its arguments, whoever is done first; "
            "what is collected as it comes is in the order in which it came.",
        )
    return no(
        clause,
        "Follow one value from where it is made to the `return`.",
        "Are all of them there, each once? What is collected too early or by the wrong one is "
        "missing or stale.",
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
        return f"{article(type(value).__name__.lstrip('_'))} that nobody has awaited"
    if inspect.isasyncgen(value):
        return "an async generator that nobody has gone through"
    inside = next((words for one in _items(value) if (words := _one_unfinished(one))), "")
    return f"{article(type(value).__name__)} with {inside} in it" if inside else ""


def _one_unfinished(value: Any) -> str:
    return "" if isinstance(value, (list, tuple, dict, set, frozenset)) else unfinished(value)


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple, set, frozenset)) else []


def _has(value: Any, kind: type) -> bool:
    return any(isinstance(one, kind) for one in _items(value))


def _equal(actual: Any, expected: Any) -> bool:
    try:
        same = actual == expected
        if hasattr(same, "all") and not isinstance(same, bool):
            same = same.all()  # an array: equal if all of it is
            same = same.all() if hasattr(same, "all") else same
        return bool(same)
    except Exception:  # what can't be compared isn't equal
        return False


def _both_numbers(actual: Any, expected: Any) -> bool:
    return isinstance(actual, (int, float)) and isinstance(expected, (int, float))


def _same_items(actual: Any, expected: Any) -> bool:
    if isinstance(actual, (str, bytes, Mapping, Set)) or not isinstance(actual, (list, tuple)):
        return False
    left = list(expected)
    for one in actual:
        for index, other in enumerate(left):
            if _equal(one, other):
                del left[index]
                break
        else:
            return False
    return not left
