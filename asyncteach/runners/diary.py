"""What one activity did when, and how it is done where nobody turns to another meanwhile.

Workers in other processes and interpreters import this module, so it needs next to nothing.
"""

import time
from collections.abc import Callable, Iterable

from asyncteach.states import READY, RUNNING, WAITING

NS = 1_000_000_000

Plan = Iterable[tuple[bool, float]]
"""The steps of an activity: whether each needs you, and its story minutes."""

Stretch = tuple[str, int, int]
"""A state, and from when to when, in nanoseconds of `time.perf_counter_ns`."""

GAP = 1_000_000
"""Nanoseconds without a sign of life after which work was not running: it makes one every 5 us.

Turns at the GIL take five times as long, and a system gives a processor away for longer, too.
"""

_NAP = 50_000_000  # a sleep looks up that often to see whether it is to end early


class Diary:
    """The stretches of one activity, noted at each change of its state."""

    def __init__(self) -> None:
        self.stretches: list[Stretch] = []
        self._state: str | None = None
        self._since = 0

    def enter(self, state: str | None, *, since: int | None = None) -> int:
        """Be in another state (None: finished) from now on, or since the time given."""
        now = time.perf_counter_ns()
        at = now if since is None else max(self._since, min(since, now))
        if self._state is not None:
            self.stretches.append((self._state, self._since, at))
        self._state, self._since = state, at
        return at


def perform(plan: Plan, minute: float, queued: int, stopped: Callable[[], bool]) -> list[Stretch]:
    """Do the steps of a plan on this thread and return what was when.

    A story minute takes `minute` seconds.

    It is ready from `queued` on until it begins, and whenever it wants to go on but the GIL, or a
    processor, is elsewhere. `stopped` tells if it is to end early.
    """
    diary = Diary()
    diary.enter(READY, since=queued)
    diary.enter(RUNNING)
    for needs_you, minutes in plan:
        do = attend if needs_you else _wait
        do(round(minutes * minute * NS), diary, stopped)
    diary.enter(None)
    return diary.stretches


def perform_apart(plan: Plan, minute: float, queued: int, stop: memoryview) -> list[Stretch]:
    """Do the same in another interpreter: it ends early when the first byte of `stop` is set."""
    return perform(plan, minute, queued, lambda: bool(stop[0]))


def _wait(length: int, diary: Diary, stopped: Callable[[], bool]) -> None:
    """Sleep: a blocking call, which lets go of the GIL."""
    due = diary.enter(WAITING) + length
    while (left := due - time.perf_counter_ns()) > 0 and not stopped():
        time.sleep(min(left, _NAP) / NS)
    # The machine was done on time. Who wakes a little late has only been woken a little late.
    late = time.perf_counter_ns() - due > GAP
    diary.enter(READY, since=due if late else None)
    diary.enter(RUNNING)


def attend(length: int, diary: Diary, stopped: Callable[[], bool]) -> None:
    """Work: so much processor time, however long that takes, and ready when it can't go on.

    Not so much time by the clock: two that share a core must not both finish early.
    """
    end = time.thread_time_ns() + length
    last = time.perf_counter_ns()
    while time.thread_time_ns() < end and not stopped():
        for _ in range(200):
            pass
        now = time.perf_counter_ns()
        if now - last > GAP:
            diary.enter(READY, since=last)
            diary.enter(RUNNING, since=now)
        last = now
