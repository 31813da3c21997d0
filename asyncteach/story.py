"""One run of some activities: their plan, how its minutes pass, and what each task does when."""

import asyncio
import contextlib
import time
from collections.abc import Iterable
from typing import Any, Literal

from asyncteach.activities import MAX_SECONDS, Activity, check_activities
from asyncteach.arguments import check_number
from asyncteach.formatting import printable, tell_apart
from asyncteach.recording import Recording
from asyncteach.runners.diary import Diary, Stretch, attend
from asyncteach.virtual_clock.clock import NS, running_clock
from asyncteach.virtual_clock.virtual_time import virtual_time

Clock = Literal["real", "virtual"]

MINUTE = 0.02
"""Real seconds that a story minute takes by default."""

SHORTEST_MINUTE = 1e-6
"""The shortest story minute in real time, in seconds: about what a clock can tell apart."""

_VIRTUAL_MINUTE = 60.0


class Story:
    """One run of some activities: its plan, its clock, and the recording that it becomes."""

    def __init__(self, activities: Iterable[Activity], *, clock: Clock, minute: float) -> None:
        self.activities = check_activities(activities)
        self.virtual = _check_clock(clock)
        self.minute = _check_minute(minute, self.activities, virtual=self.virtual)
        self.start = 0
        self.stop = memoryview(bytearray(1))  # interpreters can share a byte, and no objects
        self._runner: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None

    @property
    def stopped(self) -> bool:
        """True if whoever is at work is to end early."""
        return bool(self.stop[0])

    def begin(self) -> None:
        self.start = time.perf_counter_ns()

    def clock(self) -> contextlib.AbstractContextManager[Any]:
        return virtual_time() if self.virtual else contextlib.nullcontext()

    def attend(self, minutes: float, diary: Diary) -> None:
        """Give story minutes of your attention: nobody else on this thread gets any."""
        if running_clock():
            time.sleep(minutes * self.minute)
        else:
            attend(round(minutes * self.minute * NS), diary, lambda: self.stopped)

    def tell(
        self, way: str, stretches: Iterable[Iterable[Stretch]], *, head: str | None = "you"
    ) -> Recording:
        """Return what happened to each activity as a recording in story minutes."""
        names = tell_apart([printable(activity.name) for activity in self.activities])
        recording = Recording(f"{_kind(self.activities)}, {way}", names, head=head)
        for index, own in enumerate(stretches):
            for state, start, end in own:
                recording.add(index, state, self._minutes(start), self._minutes(end))
        return recording

    def _minutes(self, moment: int) -> float:
        # Whole nanoseconds divided once: virtual minutes come out exact.
        return (moment - self.start) / (self.minute * NS)

    def run_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Remember the running task, to be able to give the story up from another thread."""
        task = asyncio.current_task(loop)
        self._runner = (loop, task) if task else None

    def give_up(self) -> None:
        """End the run early, from another thread."""
        self.stop[0] = True
        if self._runner:
            loop, task = self._runner
            with contextlib.suppress(RuntimeError):  # the loop has just closed
                loop.call_soon_threadsafe(task.cancel)


def _check_clock(clock: object) -> bool:
    __tracebackhide__ = True
    if clock not in ("real", "virtual"):
        raise ValueError(f'clock is {clock!r}: write clock="real" or clock="virtual".')
    return clock == "virtual"


def _check_minute(minute: object, activities: list[Activity], *, virtual: bool) -> float:
    __tracebackhide__ = True
    seconds = check_number(minute, "minute", unit="seconds", most=MAX_SECONDS)
    if seconds < SHORTEST_MINUTE:
        raise ValueError(
            f"minute is {seconds:g} seconds, which is too short for a clock to tell: "
            'leave it at 0.02, or give clock="virtual".'
        )
    total = seconds * sum(activity.minutes for activity in activities)
    if not virtual and total > MAX_SECONDS:
        raise ValueError(
            f"this would take {total / 3600:,.1f} hours of real time: "
            'give a smaller minute, or clock="virtual".'
        )
    return _VIRTUAL_MINUTE if virtual else seconds


def _kind(activities: list[Activity]) -> str:
    own = [all(step.needs_you for step in activity.steps) for activity in activities]
    return "Leisure" if all(own) else "Chores and leisure" if any(own) else "Chores"
