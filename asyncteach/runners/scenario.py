"""One run of some activities: what to do, how long a story minute is, and whose clock it takes."""

import asyncio
import contextlib
import time
from collections.abc import Iterable
from typing import Any, Literal

from asyncteach.activities import MAX_SECONDS, Activity, check_activities
from asyncteach.arguments import check_number, check_word
from asyncteach.formatting import printable, tell_apart
from asyncteach.recording import Recording
from asyncteach.runners.workers import NS, Interval, StateLog, attend
from asyncteach.virtual_clock.clock import running_clock
from asyncteach.virtual_clock.virtual_time import virtual_time

Clock = Literal["real", "virtual"]

MINUTE = 0.02
"""Real seconds that a story minute takes by default."""

SHORTEST_MINUTE = 1e-6
"""The shortest story minute in real time, in seconds: about what a clock can tell apart."""

_VIRTUAL_MINUTE = 60.0


class Scenario:
    """One run of some activities: its clock, and the recording that it becomes."""

    def __init__(self, activities: Iterable[Activity], *, clock: Clock, minute: float) -> None:
        self.activities = check_activities(activities)
        self.virtual = check_word(clock, "clock", ["real", "virtual"]) == "virtual"
        self.minute = _check_minute(minute, self.activities, virtual=self.virtual)
        self.start = 0
        self._stopped = False
        self._runner: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None

    def begin(self) -> None:
        """Take this moment for the start of the recording."""
        self.start = time.perf_counter_ns()

    def clock(self) -> contextlib.AbstractContextManager[Any]:
        """Return the block in which its minutes pass."""
        return virtual_time() if self.virtual else contextlib.nullcontext()

    def attend(self, minutes: float, log: StateLog) -> None:
        """Give so many story minutes of your attention, which holds this thread."""
        if running_clock():
            time.sleep(minutes * self.minute)
        else:
            attend(round(minutes * self.minute * NS), log, lambda: self._stopped)

    def make_recording(
        self, how: str, intervals: Iterable[Iterable[Interval]], *, head: str | None = "you"
    ) -> Recording:
        """Return the intervals of each activity as a recording in story minutes."""
        names = tell_apart([printable(activity.name) for activity in self.activities])
        recording = Recording(self.title(how), names, head=head)
        for index, own in enumerate(intervals):
            for state, start, end in own:
                recording.add(index, state, self._minutes(start), self._minutes(end))
        return recording

    def title(self, how: str) -> str:
        """Return what a recording of it is called: `Chores, one after another`."""
        own = [all(step.needs_you for step in activity.steps) for activity in self.activities]
        return f"{'Leisure' if all(own) else 'Chores and leisure' if any(own) else 'Chores'}, {how}"

    def _minutes(self, moment: int) -> float:
        # Whole nanoseconds divided once: virtual minutes come out exact.
        return (moment - self.start) / (self.minute * NS)

    def run_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Remember the running task, so that another thread can stop it."""
        task = asyncio.current_task(loop)
        self._runner = (loop, task) if task else None

    def stop(self) -> None:
        """End the run early, from another thread."""
        self._stopped = True
        if self._runner:
            loop, task = self._runner
            with contextlib.suppress(RuntimeError):  # the loop has just closed
                loop.call_soon_threadsafe(task.cancel)


def _check_minute(minute: object, activities: list[Activity], *, virtual: bool) -> float:
    __tracebackhide__ = True
    seconds = check_number(minute, "minute", unit="seconds", most=MAX_SECONDS)
    if seconds < SHORTEST_MINUTE:
        raise ValueError(
            f"minute is {seconds:g} seconds, too short to measure: leave it at {MINUTE}, or give "
            'clock="virtual".'
        )
    total = seconds * sum(activity.minutes for activity in activities)
    if not virtual and total > MAX_SECONDS:
        raise ValueError(
            f"this would take {total / 3600:,.1f} hours of real time: "
            'give a smaller minute, or clock="virtual".'
        )
    return _VIRTUAL_MINUTE if virtual else seconds
