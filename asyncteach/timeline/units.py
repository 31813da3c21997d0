"""Amounts of time as people say them, and the unit that suits an axis."""

import math
from typing import NamedTuple


class Unit(NamedTuple):
    """A unit of time: what an axis is called, what stands behind a number, how many a second."""

    name: str
    short: str
    per_second: float


MICROSECONDS = Unit("microseconds", "µs", 1e6)
MILLISECONDS = Unit("milliseconds", "ms", 1e3)
SECONDS = Unit("seconds", "s", 1.0)
MINUTES = Unit("minutes", "min", 1 / 60)


def unit_for(seconds: float) -> Unit:
    """Return the unit in which so many seconds are a handy number.

    >>> unit_for(0.31).name, unit_for(40).name
    ('milliseconds', 'seconds')
    """
    if seconds >= 600:
        return MINUTES
    if seconds >= 0.9995:  # what would be rounded to 1000 ms is a second
        return SECONDS
    # A recording that took no time at all is not measured in the finest unit.
    return MILLISECONDS if seconds >= 0.0009995 or not seconds > 0 else MICROSECONDS


def say(seconds: float) -> str:
    """Return so many seconds in few characters, to three digits.

    >>> [say(amount) for amount in (0, 0.0002, 0.31, 1.254, 40, 2400)]
    ['0 ms', '200 µs', '310 ms', '1.25 s', '40 s', '40 min']
    """
    if not math.isfinite(seconds):
        return "an unknown time"
    unit = unit_for(seconds)
    amount = seconds * unit.per_second
    return (f"{amount:.3g}" if amount < 999.5 else f"{amount:,.0f}") + " " + unit.short
