"""Plain English for amounts, counts and lists."""

from collections.abc import Sequence

from asyncteach.places import Place

_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def span(seconds: float) -> str:
    """Return a length of time with as many digits as a person wants to hear.

    >>> [span(s) for s in (0.0004, 0.04, 0.3141, 1.2, 40.0, 3600.0)]
    ['under 1 ms', '40 ms', '0.31 s', '1.2 s', '40 s', '3,600 s']
    """
    if seconds < 0.0005:
        return "under 1 ms"
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.2g} s" if seconds < 9.95 else f"{seconds:,.0f} s"


def count(number: int, noun: str, nouns: str = "") -> str:
    """Return a number with its noun: `1 task`, `1,000 tasks`."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def spell(number: int) -> str:
    """Return a small number as a word."""
    return _WORDS[number] if number < len(_WORDS) else f"{number:,}"


def listing(items: Sequence[str], most: int = 4) -> str:
    """Return the items as one reads them aloud: `a, b and c`, or `a, b, c and 7 more`."""
    shown = list(items[:most])
    if len(items) > most:
        shown = [*items[: most - 1], f"{len(items) - most + 1:,} more"]
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))


def article(noun: str) -> str:
    """Return the noun with its article: `a task`, `an event`."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def called(function: str) -> str:
    """Return how one speaks of a function of that qualified name: `parse()`; empty for a cell."""
    if not function:
        return ""
    own = function.rpartition(".<locals>.")[2]
    if own.endswith("<lambda>"):
        outer = called(
            function.removesuffix("<lambda>").removesuffix(".").removesuffix(".<locals>")
        )
        return f"a lambda in {outer}" if outer else "a lambda"
    while own.endswith(">") and "." in own:  # a comprehension: what contains it?
        own = own.rpartition(".")[0].removesuffix(".<locals>")
    if own.endswith(">"):
        outer = function.rpartition(".<locals>.")[0]
        return called(outer) if outer else ""
    return f"{own}()"


def at(place: Place | None) -> str:
    """Return ` at lesson.py:3`, or nothing where the line isn't known."""
    return f" at {place}" if place else ""
