"""What one condition found, and where in a recording that can be seen."""

from dataclasses import dataclass
from typing import NamedTuple

from asyncteach.formatting import format_time


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


def no(clause: str, hint: str, stronger: str, *marks: Mark) -> Judgement:
    """Return that a condition doesn't hold."""
    return Judgement(False, clause, hint, stronger, marks)


def when(at: float, unit: str) -> str:
    """Return a moment of a recording as the end of a sentence.

    >>> when(0.0, "seconds"), when(40.0, "minutes")
    ('at the very start', 'after 40.0 minutes')
    """
    return f"after {format_time(at, unit)}" if at > 1e-3 else "at the very start"
