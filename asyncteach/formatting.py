"""One way to write each thing in plain English: durations, counts, lists, names, places."""

import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from asyncteach.places import Place


class Unit(NamedTuple):
    """A unit of time: its name on an axis, its short form, and how many make a second."""

    name: str
    short: str
    per_second: float


MICROSECONDS = Unit("microseconds", "µs", 1e6)
MILLISECONDS = Unit("milliseconds", "ms", 1e3)
SECONDS = Unit("seconds", "s", 1.0)
MINUTES = Unit("minutes", "min", 1 / 60)


def unit_for(seconds: float) -> Unit:
    """Return the unit in which a duration is a handy number.

    >>> unit_for(0.31).name, unit_for(40).name
    ('milliseconds', 'seconds')
    """
    if seconds >= 600:
        return MINUTES
    if seconds >= 0.9995:  # what would be rounded to 1000 ms is a second
        return SECONDS
    # A recording that took no time at all is not measured in the finest unit.
    return MILLISECONDS if seconds >= 0.0009995 or not seconds > 0 else MICROSECONDS


def format_duration(seconds: float, *, rough: bool = False) -> str:
    """Return a duration in few characters, to three digits.

    With `rough`, to the two digits that suit a sentence about what was measured.

    >>> [format_duration(s) for s in (0, 0.0002, 0.31, 1.254, 40, 2400)]
    ['0 ms', '200 µs', '310 ms', '1.25 s', '40 s', '40 min']
    >>> [format_duration(s, rough=True) for s in (0.0004, 0.04, 0.3141, 1.254, 40, 3600)]
    ['under 1 ms', '40 ms', '0.31 s', '1.3 s', '40 s', '3,600 s']
    """
    if not math.isfinite(seconds):
        return "an unknown time"
    if rough:
        if seconds < 0.0005:
            return "under 1 ms"
        if seconds < 0.0995:
            return f"{seconds * 1000:.0f} ms"
        return f"{seconds:.2g} s" if seconds < 9.95 else f"{seconds:,.0f} s"
    unit = unit_for(seconds)
    amount = seconds * unit.per_second
    return (f"{amount:.3g}" if amount < 999.5 else f"{amount:,.0f}") + " " + unit.short


def format_time(amount: float, unit: str) -> str:
    """Return an amount of `minutes` of the story, or of `seconds`: `40.0 minutes`, `310 ms`."""
    return f"{amount:.1f} minutes" if unit == "minutes" else format_duration(amount)


def count(number: int, noun: str, nouns: str = "") -> str:
    """Return a number with its noun: `1 task`, `1,000 tasks`."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def spell(number: int) -> str:
    """Return a small number as a word."""
    return _WORDS[number] if number < len(_WORDS) else f"{number:,}"


def join_words(words: Sequence[str], most: int = 4) -> str:
    """Return the words as a list in a sentence: `a, b and c`, or `a, b, c and 7 more`."""
    shown = list(words[:most])
    if len(words) > most:
        shown = [*words[: most - 1], f"{len(words) - most + 1:,} more"]
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))


def article(noun: str) -> str:
    """Return the noun with its article: `a task`, `an event`."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def called(function: str) -> str:
    """Return a function's name for a sentence, from its qualified name; empty for a cell.

    >>> called("main.<locals>.parse"), called("Site.<lambda>"), called("main.<locals>.<genexpr>")
    ('parse()', 'a lambda in Site()', 'main()')
    """
    levels = function.split(".<locals>.")
    while levels and levels[-1].endswith(">") and not levels[-1].endswith("<lambda>"):
        levels.pop()  # a comprehension, or a cell: name what contains it
    own = levels[-1] if levels else ""
    if own.endswith("<lambda>"):
        levels[-1] = own.removesuffix("<lambda>").removesuffix(".")
        outer = called(".<locals>.".join(filter(None, levels)))
        return f"a lambda in {outer}" if outer else "a lambda"
    return f"{own}()" if own else ""


def at(place: Place | None) -> str:
    """Return ` at lesson.py:3`, or nothing if the line isn't known."""
    return f" at {place}" if place else ""


def printable(text: object) -> str:
    """Return the text with `?` in place of what can't be shown in a terminal or picture."""
    return str(text).encode("utf-8", "replace").decode("utf-8")


def clip(text: object, columns: int) -> str:
    """Return the text on one line of at most `columns`, with an ellipsis for what is cut.

    It is cut in the middle, because numbered names differ at their end.
    """
    whole = str(text)
    if len(whole) > 8 * columns:  # for a few columns, five thousand characters are too many
        whole = whole[: 4 * columns] + whole[-4 * columns :]
    line = " ".join(printable(whole).split())
    line = "".join(c if unicodedata.category(c)[0] != "C" else "?" for c in line)
    if width(line) <= columns:
        return line
    head, end = line[:columns], line[-(columns // 4) :]
    while width(end) > columns // 4:
        end = end[1:]
    while width(head) + 1 + width(end) > columns:
        head = head[:-1]
    return f"{head}…{end}"


def describe_error(error: BaseException | None) -> str:
    """Return an exception as the last line of its traceback: `ValueError: no such price`."""
    name = type(error).__name__
    try:
        text = printable(error)
    except Exception:  # a user's own __str__ may be what is wrong
        text = ""
    return f"{name}: {clip(text, 200)}" if text else name


def width(text: str) -> int:
    """Return how many columns of a terminal the text takes: CJK characters take two."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def pad(text: str, columns: int) -> str:
    """Return the text padded with spaces to that many columns."""
    return text + " " * (columns - width(text))


def tell_apart(names: list[str]) -> list[str]:
    """Return the names, with a number after each one that is repeated.

    >>> tell_apart(["jog", "read", "jog"])
    ['jog', 'read', 'jog (2)']
    """
    taken, result = set(names), []
    numbers: Counter[str] = Counter()
    for name in names:
        numbers[name] += 1
        own = name
        while numbers[name] > 1 and own in taken:
            own = f"{name} ({numbers[name]})"
            numbers[name] += own in taken
        taken.add(own)
        result.append(own)
    return result
