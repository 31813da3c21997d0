"""Things to do: chores that machines do, leisure that needs you, and two timed helpers."""

import asyncio
import math
import time
from dataclasses import dataclass
from typing import NamedTuple

from asyncteach.arguments import check_list, check_number, check_text, show
from asyncteach.formatting import clip, printable

MAX_MINUTES = 525_600
"""The longest activity, in story minutes: a year of them."""

MAX_SECONDS = 7_200
"""The longest wait in real time, in seconds: two hours."""

_NAME, _FIX = "the name of an activity", 'write chore("cook rice", 40)'


class Step(NamedTuple):
    """A part of an activity, in story minutes, that either needs you or doesn't."""

    needs_you: bool
    minutes: float


@dataclass(frozen=True, slots=True)
class Activity:
    """Something to do: a name and its steps in order. Make one with `chore` or `leisure`.

    >>> chore("wash clothes", 30, start=2, finish=3)
    chore('wash clothes', 30, start=2, finish=3)
    """

    name: str
    steps: tuple[Step, ...]

    @property
    def minutes(self) -> float:
        """How long it takes with nothing else to do, in story minutes."""
        return math.fsum(step.minutes for step in self.steps)

    @property
    def attention(self) -> float:
        """How many of its minutes need you, in story minutes."""
        return math.fsum(step.minutes for step in self.steps if step.needs_you)

    def __repr__(self) -> str:
        if all(step.needs_you for step in self.steps):
            return f"leisure({self.name!r}, {self.minutes:g})"
        text = f"chore({self.name!r}, {self.minutes:g}"
        for keyword, step in (("start", self.steps[0]), ("finish", self.steps[-1])):
            if step.needs_you:
                text += f", {keyword}={step.minutes:g}"
        return text + ")"


def chore(name: str, minutes: float, *, start: float = 0, finish: float = 0) -> Activity:
    """Make a chore: a machine works, you only kick it off.

    `minutes` is how long it takes in all, in story minutes. The first `start` and the last
    `finish` of them need you, the rest is the machine's. Raises TypeError or ValueError for wrong
    arguments.

    >>> rice = chore("cook rice", 40)
    >>> rice.minutes, rice.attention
    (40.0, 0.0)
    >>> chore("wash clothes", 30, start=2, finish=3).attention
    5.0
    """
    name = check_text(name, _NAME, fix=_FIX)
    whole = _check_minutes(minutes, "minutes", name)
    first = _check_minutes(start, "start", name)
    last = _check_minutes(finish, "finish", name)
    machine = whole - first - last
    if machine < -1e-9:  # 0.3 - 0.1 - 0.2 is a hair below zero
        raise ValueError(
            f"{clip(repr(name), 60)} takes {whole:g} minutes, "
            f"but start={first:g} and finish={last:g} together are {first + last:g}: "
            "make minutes larger, or start and finish smaller."
        )
    steps = [Step(False, max(0.0, machine))]
    if first:
        steps.insert(0, Step(True, first))
    if last:
        steps.append(Step(True, last))
    return Activity(name, tuple(steps))


def leisure(name: str, minutes: float) -> Activity:
    """Make a pastime: every one of its story minutes needs you.

    Raises TypeError or ValueError for wrong arguments.

    >>> jog = leisure("jog", 30)
    >>> jog.minutes, jog.attention
    (30.0, 30.0)
    """
    name = check_text(name, _NAME, fix=_FIX)
    return Activity(name, (Step(True, _check_minutes(minutes, "minutes", name)),))


async def async_task(name: str = "task", seconds: float = 2) -> float:
    """Wait half of `seconds`, print a line, wait the other half: the loop is free meanwhile.

    Prints twice and returns the elapsed seconds. Three of them gathered take as long as one.

    >>> from asyncteach import virtual_time
    >>> with virtual_time():
    ...     elapsed = asyncio.run(async_task("tea", 2))
    Doing async tasks: tea
    tea took 2.0 seconds
    """
    seconds = check_number(seconds, "seconds of async_task", most=MAX_SECONDS)
    started = time.perf_counter()
    await asyncio.sleep(seconds / 2)
    print(f"Doing async tasks: {printable(name)}")
    await asyncio.sleep(seconds / 2)
    return _print_elapsed(name, started)


def sync_task(name: str = "task", seconds: float = 2) -> float:
    """Wait half of `seconds`, print a line, wait the other half: the whole thread waits with it.

    Prints twice and returns the elapsed seconds. Three in a row take three times as long as one.

    >>> from asyncteach import virtual_time
    >>> with virtual_time():
    ...     elapsed = sync_task("tea", 2)
    Doing sync tasks: tea
    tea took 2.0 seconds
    """
    seconds = check_number(seconds, "seconds of sync_task", most=MAX_SECONDS)
    started = time.perf_counter()
    time.sleep(seconds / 2)
    print(f"Doing sync tasks: {printable(name)}")
    time.sleep(seconds / 2)
    return _print_elapsed(name, started)


def check_activities(activities: object) -> list[Activity]:
    """Return the activities as a list; raise TypeError or ValueError for anything else."""
    __tracebackhide__ = True
    if isinstance(activities, Activity):
        raise TypeError("activities takes a list but got one activity: write [activity].")
    found = check_list(activities, "activities", fix='write [chore("cook rice", 40)]')
    for thing in found:
        if isinstance(thing, list | tuple):
            raise TypeError(
                "there is a list inside the list of activities: join them with a plus sign, "
                "as in CHORES + LEISURE."
            )
        if not isinstance(thing, Activity):
            raise TypeError(
                f"activities takes activities but got {show(thing)}: make one with "
                "chore(name, minutes) or leisure(name, minutes)."
            )
    return found


def _check_minutes(minutes: object, which: str, name: str) -> float:
    __tracebackhide__ = True
    return check_number(minutes, f"{which} of {clip(repr(name), 60)}", most=MAX_MINUTES)


def _print_elapsed(name: str, started: float) -> float:
    elapsed = time.perf_counter() - started
    print(f"{printable(name)} took {elapsed:.1f} seconds")
    return elapsed


CHORES: tuple[Activity, ...] = (
    chore("cook rice", 40),
    chore("wash clothes", 30),
    chore("wash dishes", 30),
)
"""The story's chores: machines do them, 100 story minutes one after another."""

LEISURE: tuple[Activity, ...] = (
    leisure("watch tv", 30),
    leisure("jog", 30),
    leisure("play video games", 40),
)
"""The story's leisure: all of it needs you, 100 story minutes."""
