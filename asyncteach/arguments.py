"""Argument checks: each error is one sentence, with the wrong value and how to fix it."""

import difflib
import inspect
import math
from collections.abc import Coroutine, Generator, Iterable, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, TypeVar, cast

from asyncteach.formatting import article, clip, join_words

if TYPE_CHECKING:
    from asyncteach.recording import Recording


def check_number(
    value: Any,
    what: str,
    *,
    unit: str = "",
    least: float = 0,
    most: float = math.inf,
    above: bool = False,
    fix: str = "write a number such as 2.5",
) -> float:
    """Return a finite number from `least` to `most`; with `above` it must be more than `least`.

    `what` names the argument as the caller wrote it: `record(threshold=...)`.

    >>> check_number(-1, "minutes")
    Traceback (most recent call last):
    ValueError: minutes takes a number, 0 or more, but got -1: write a number such as 2.5.
    """
    __tracebackhide__ = True
    takes = f"{what} takes a number{unit and f' of {unit}'}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(_sentence(takes, value, fix))
    try:
        number = float(value)
    except OverflowError:  # an int that no float can hold
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(_sentence(takes.replace("a number", "a finite number"), value, fix))
    if not least <= number <= most or (above and number == least):
        raise ValueError(_sentence(f"{takes}, {_bounds(least, most, above)},", value, fix))
    return number


def check_whole(
    value: Any,
    what: str,
    *,
    least: float = 1,
    most: float = math.inf,
    fix: str = "write a number such as 2",
) -> int:
    """Return a whole number from `least` to `most`; `-math.inf` allows any."""
    __tracebackhide__ = True
    takes = f"{what} takes a whole number"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(_sentence(takes, value, fix))
    if not least <= (whole := int(value)) <= most:
        raise ValueError(_sentence(f"{takes}, {_bounds(least, most, False)},", value, fix))
    return whole


def check_text(value: Any, what: str, *, fix: str, empty: bool = False) -> str:
    """Return a string that isn't blank."""
    __tracebackhide__ = True
    if not isinstance(value, str):
        raise TypeError(_sentence(f"{what} takes a string", value, fix))
    if not empty and not value.strip():
        raise ValueError(_sentence(f"{what} takes a string that isn't blank", value, fix))
    return value


def check_list(value: Any, what: str, *, fix: str) -> list[Any]:
    """Return the items of an iterable that isn't a string; raise an error if it is empty."""
    __tracebackhide__ = True
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise TypeError(_sentence(f"{what} takes a list", value, fix))
    found = list(value)
    if not found:
        raise ValueError(f"{what} takes a list but got an empty one: {fix}.")
    return found


def check_word(value: Any, what: str, words: Sequence[str]) -> str:
    """Return one of some words; otherwise ValueError suggests the nearest, or lists them all."""
    __tracebackhide__ = True
    if isinstance(value, str) and value in words:
        return value
    raise ValueError(f"{what} doesn't know {show(value)}: {suggest(value, words)}")


def check_options(
    function: str, given: Iterable[str], known: Sequence[str], hint: str = ""
) -> None:
    """Raise TypeError for a keyword that a function doesn't have."""
    __tracebackhide__ = True
    for name in given:
        if name not in known:
            fix = f"{hint}." if hint else suggest(name, known, "it takes")
            raise TypeError(f"{function}() has no option {name!r}: {fix}")


def check_recording(value: Any, function: str, verb: str = "draws", fix: str = "") -> "Recording":
    """Return a Recording; raise TypeError for anything else, with a fix for common mistakes."""
    __tracebackhide__ = True
    from asyncteach.trace import Trace  # NumPy takes a while to load

    if isinstance(getattr(value, "trace", None), Trace):
        return cast("Recording", value)
    if hasattr(value, "recordings"):
        fix = 'pass one of its ways, as in comparison.recordings["together"]'
    elif inspect.isawaitable(value):
        fix = f"await it first, as in `{function}(await run_together(CHORES))`"
    elif type(value).__name__ == "record":
        fix = f"write `with record() as recording:`, and below it {function}(recording)"
    fix = fix or "pass the result of `with record() as recording:` or `run_in_turn(CHORES)`"
    kind = type(value).__name__.lstrip("_")
    raise TypeError(f"{function}() {verb} a Recording but got {article(kind)}: {fix}.")


def suggest(value: Any, words: Sequence[str], lead: str = "choose from") -> str:
    """Return the end of a sentence about an unknown word: the nearest word, or all of them."""
    near = difflib.get_close_matches(str(value), words, 1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"{lead} {join_words([repr(word) for word in words], 10)}."


def show(value: Any) -> str:
    """Return a value as a sentence shows it: `'5'`, `main() (a coroutine)`."""
    name = getattr(value, "__name__", "")
    if inspect.iscoroutinefunction(value):
        return f"{name} (a coroutine function: calling it returns a coroutine)"
    if inspect.iscoroutine(value):
        return f"{name}() (a coroutine)"
    return f"{name} (a function)" if callable(value) and name else clip(repr(value), 60)


def _sentence(takes: str, value: Any, fix: str) -> str:
    fix = "await it first" if inspect.isawaitable(value) else fix
    return f"{takes} but got {show(value)}: {fix}."


def _bounds(least: float, most: float, above: bool) -> str:
    if most < math.inf:
        return f"from {least:,} to {most:,}"
    return f"more than {least:,}" if above else f"{least:,} or more"


Result = TypeVar("Result")


class Awaitable(Coroutine[Any, Any, Result]):
    """A coroutine that asks to be awaited when it is used as if it were its result, a `name`."""

    def __init__(
        self, coroutine: Coroutine[Any, Any, Result], call: str, name: str = "recording"
    ) -> None:
        named: Any = coroutine  # Python's "was never awaited" names the function that was called
        named.__name__ = named.__qualname__ = call.partition("(")[0]
        self._coroutine, self._call, self._name = coroutine, call, name

    def send(self, value: Any) -> Any:
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, Result]:
        return self._coroutine.__await__()

    def __repr__(self) -> str:
        return f"<{self._call} has not been awaited: write `await {self._call}`>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("_", "cr_", "gi_")):
            return getattr(self._coroutine, name)
        raise AttributeError(
            f"{self._call} returns a coroutine, which has no {name!r} yet: "
            f"write `{self._name} = await {self._call}`, then `{self._name}.{name}`."
        )
