"""What is wrong with how a check was called: one sentence with cause and fix."""

import asyncio
import inspect
import math
from typing import Any

from asyncteach.checks.underway import is_virtual
from asyncteach.formatting import article, clip
from asyncteach.recording import Recording
from asyncteach.subjects import STORY


def check_answer_kind(answer: Any) -> None:
    """Raise TypeError for what can be neither judged nor run."""
    __tracebackhide__ = True
    if isinstance(answer, Recording) or answer is None or answer is ...:
        return
    if hasattr(answer, "recordings"):
        raise TypeError(
            "check() judges one Recording and got a comparison of several: pick one, as in "
            'check(comparison.recordings["together"]).'
        )
    if isinstance(answer, asyncio.Future):
        raise TypeError(
            f"check() got {article(type(answer).__name__)} that is under way already, so nobody "
            "has recorded it: give it the coroutine function itself, as in `await check(main)`."
        )
    if type(answer).__name__ == "record" and type(answer).__module__.startswith("asyncteach"):
        raise TypeError(
            "check() judges a Recording and got the block that makes one: write `with record() as "
            "recording:`, and below it check(recording)."
        )
    if inspect.isawaitable(answer):
        return
    if not callable(answer):
        raise TypeError(
            "check() takes a Recording, or code to run, and got "
            f"{article(type(answer).__name__)}: pass what `record()` or a runner has given, or a "
            "coroutine function as in `await check(main)`."
        )
    _check_arguments(answer)


def _check_arguments(answer: Any) -> None:
    __tracebackhide__ = True
    try:
        signature = inspect.signature(answer)
    except (TypeError, ValueError):
        return  # a built-in that doesn't tell
    try:
        signature.bind()
    except TypeError:
        name = name_of(answer)
        needed = [
            one.name
            for one in signature.parameters.values()
            if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        ]
        raise TypeError(
            f"check() calls {name}() without arguments and it needs {' and '.join(needed)}: give "
            f"them in a function of its own, as in `await check(lambda: {name}(...))`."
        ) from None


def name_of(answer: Any) -> str:
    """Return what to call an answer: by its function, or by its coroutine's."""
    name = getattr(answer, "__name__", "") or type(answer).__name__
    return "your code" if name == "<lambda>" else clip(name, 40)


def check_amount(function: str, name: str, amount: Any, *, zero: bool = True) -> float:
    """Return a number that is finite and not below 0, or raise."""
    __tracebackhide__ = True
    if isinstance(amount, bool) or not isinstance(amount, (int, float)):
        kind = article(type(amount).__name__)
        raise TypeError(
            f"{function}({name}=...) takes a number and got {kind}: write it as in {name}=40."
        )
    if not math.isfinite(amount) or amount < 0 or (amount == 0 and not zero):
        least = "0 or more" if zero else "more than 0"
        raise ValueError(f"{function}({name}={amount}) makes no sense: it must be {least}.")
    return float(amount)


def check_unit(function: str, amounts: tuple[Any, ...]) -> None:
    """Raise TypeError for a length of time of which nobody says in what."""
    __tracebackhide__ = True
    if amounts:
        one = clip(repr(amounts[0]), 20)
        raise TypeError(
            f"{function}({one}) lacks a unit: write {function}(minutes={one}) or "
            f"{function}(seconds={one})."
        )


def check_count(function: str, count: Any) -> int:
    """Return a whole number from 0 on, or raise."""
    __tracebackhide__ = True
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(
            f"{function}() takes how many first, then the name, as in {function}(3, 'fetch'): "
            f"{count!r} is no whole number."
        )
    if count < 0:
        raise ValueError(f"{function}({count}, ...) makes no sense: it must be 0 or more.")
    return count


def check_names(function: str, names: tuple[Any, ...], least: int) -> None:
    """Raise unless all are names, and so many of them."""
    __tracebackhide__ = True
    for name in names:
        if not isinstance(name, str) or not name:
            raise TypeError(
                f"{function}() takes names of tasks, as in {function}('a', 'b'), and got {name!r}: "
                "write them one after the other, in quotes."
            )
    if len(names) < least:
        raise ValueError(
            f"{function}() needs {least} names at least, as in {function}('a', 'b'), and got "
            f"{len(names)}."
        )


def check_threshold(recording: Recording, seconds: float) -> None:
    """Raise ValueError where shorter steps are asked for than the recording knows of."""
    __tracebackhide__ = True
    trace = recording.trace
    if seconds < trace.threshold and not is_virtual(trace, recording.unit):
        raise ValueError(
            f"never_blocked({seconds:g}) asks for shorter steps than were kept in real time: take "
            f"{trace.threshold:g} or more, or record(threshold={seconds:g})."
        )


def check_seconds_of(recording: Recording, function: str) -> None:
    """Raise ValueError for a story: what only code has can't be asked of it."""
    __tracebackhide__ = True
    if recording.trace.subject is STORY:
        raise ValueError(
            f"{function}() is about code on an event loop and {clip(recording.title, 40)!r} is a "
            "story in minutes: ask that of a recording made by record()."
        )


def check_condition(condition: Any, sentence: Any) -> None:
    """Raise TypeError if there is no condition that can be true, or no sentence for it."""
    __tracebackhide__ = True
    if inspect.isawaitable(condition) or inspect.iscoroutinefunction(condition):
        raise TypeError(
            "that() got something that has to be awaited, which is always true: await it first and "
            "pass what comes out."
        )
    if not isinstance(sentence, str) or not sentence.strip():
        raise TypeError(
            f"that() takes a condition and then a sentence that says what is so, as in "
            f"that(total == 3, 'all three are counted'), and got {sentence!r}."
        )
