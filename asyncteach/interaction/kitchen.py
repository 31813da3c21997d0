"""Chores by numbers: how many, how long, how much of you they need, how many at once."""

from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, NamedTuple

from asyncteach.activities import Activity, chore
from asyncteach.formatting import count
from asyncteach.recording import Recording
from asyncteach.runners.limits import find_limit
from asyncteach.runners.loop import run_on_own_loop
from asyncteach.story import Story

MOST = 12


class Range(NamedTuple):
    """What a setting is called, between which numbers it lies, and what it means."""

    name: str
    least: int
    most: int
    meaning: str


RANGES = {
    "chores": Range("Chores", 1, MOST, "how many chores there are"),
    "start": Range(
        "Your minutes at the start", 0, 15, "minutes that each chore needs you at its start"
    ),
    "machine": Range(
        "The machine's minutes", 0, 60, "minutes that the machine works on each chore"
    ),
    "finish": Range(
        "Your minutes at the end", 0, 15, "minutes that each chore needs you at its end"
    ),
    "at_once": Range("At most at once", 1, MOST, "how many chores may be under way at once"),
}


@dataclass(frozen=True)
class Settings:
    """An evening of chores that are all alike."""

    chores: int = 6
    start: int = 2
    machine: int = 25
    finish: int = 3
    at_once: int = MOST
    """As many as there are chores, or more: no limit."""

    @property
    def limited(self) -> bool:
        """Tell if there are more chores than may be under way at once."""
        return self.at_once < self.chores

    @property
    def each(self) -> int:
        """How long a chore takes by itself, in story minutes."""
        return self.start + self.machine + self.finish

    @property
    def attention(self) -> int:
        """How many minutes of you they need in all."""
        return self.chores * (self.start + self.finish)

    def activities(self) -> list[Activity]:
        """Return the chores."""
        return [
            chore(f"chore {number}", self.each, start=self.start, finish=self.finish)
            for number in range(1, self.chores + 1)
        ]

    def run(self) -> Recording:
        """Do them together, in virtual time."""
        story = Story(self.activities(), clock="virtual", minute=1)
        recording = run_on_own_loop(story, self.at_once if self.limited else None)
        recording.title = self.title()
        return recording

    def title(self) -> str:
        """Return what a picture is called."""
        limit = f", at most {self.at_once} at once" if self.limited else ""
        return f"{count(self.chores, 'chore')}{limit}"

    def tell(self, recording: Recording) -> str:
        """Return how long they take, what limits it and what it would be without, in sentences."""
        total, alone = recording.minutes, self.chores * self.each
        words = f"{say(self.chores, 'chore')} of {say(self.each)}"
        if self.chores == 1:
            words += f" takes {say(total)}"
        else:
            words += f" each: {say(total)} together, {say(alone)} one after another"
        words += f". You are busy for {say(self.attention)}. "
        return words + self._say_limit(recording)

    def _say_limit(self, recording: Recording) -> str:
        total = recording.minutes
        if self.limited:
            free = replace(self, at_once=MOST).run().minutes
            if total > free + 1e-9:
                return (
                    f"What limits it: at most {self.at_once} at once; with no limit it would be "
                    f"{say(free)}."
                )
        limit = find_limit("together", self.activities(), recording, virtual=True)
        if limit == "your attention":
            return "What limits it: your attention; chores are ready and you are busy with others."
        return "What limits it: the length of a chore; more hands would not make it shorter."


def say(amount: float, noun: str = "minute") -> str:
    """Return a number with its noun.

    >>> say(1), say(2.5), say(6, "chore")
    ('1 minute', '2.5 minutes', '6 chores')
    """
    return f"{amount:.4g} {noun}{'' if amount == 1 else 's'}"


def check(settings: dict[str, Any]) -> None:
    """Say in one sentence what is wrong with a setting."""
    __tracebackhide__ = True
    for name, amount in settings.items():
        if name not in RANGES:
            raise TypeError(f"explore() has no setting {name!r}: choose from {', '.join(RANGES)}.")
        known = RANGES[name]
        if isinstance(amount, bool) or not isinstance(amount, Integral):
            raise TypeError(
                f"{name} must be a whole number, {known.meaning}, and is {amount!r}: write it as "
                f"in {name}=2."
            )
        if not known.least <= int(amount) <= known.most:
            raise ValueError(
                f"{name}={amount!r} is out of reach: give a whole number from {known.least} to "
                f"{known.most}."
            )
