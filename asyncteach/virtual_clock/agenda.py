"""What one event loop has to do on one virtual clock."""

import asyncio
import heapq
import itertools
from typing import Any
from weakref import WeakSet

from asyncteach.virtual_clock.clock import NS, VirtualClock, current_clock
from asyncteach.virtual_clock.lookout import real_monotonic

_GRID = 100  # nanoseconds: coarser than the float of loop.time() on a machine up for years


def set_due(timer: Any, when: float, *, counted: bool) -> None:
    """Set when the timer is due, and if it is one of those that the loop itself counts."""
    timer._when = when
    timer._scheduled = counted


def due_on(clock: VirtualClock, when: float) -> int:
    """Return when a timer of the virtual `loop.time()` is due, in nanoseconds of the clock."""
    due = round(when * NS) - clock.monotonic_start
    return round(due / _GRID) * _GRID


class Agenda:
    """The timers of a loop on a virtual clock, and the tasks that it knew before."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.older_tasks: WeakSet[asyncio.Task[Any]] = WeakSet()
        # By due time, in nanoseconds of the clock; those of one time in order of their making.
        self._timers: list[tuple[int, int, asyncio.TimerHandle]] = []
        self._serial = itertools.count()
        self._sweep_at = 128

    def add(self, timer: asyncio.TimerHandle) -> None:
        """Take a timer whose time is one of the virtual `loop.time()`."""
        self._push(timer, due_on(self.clock, timer.when()))

    def add_real(self, timer: asyncio.TimerHandle) -> None:
        """Take a timer whose time is real: what is left of it becomes virtual."""
        left = max(0, round((timer.when() - real_monotonic()) * NS))
        due = self.clock.now + left
        set_due(timer, (self.clock.monotonic_start + due) / NS, counted=False)
        self._push(timer, due)

    def _push(self, timer: asyncio.TimerHandle, due: int) -> None:
        timer._scheduled = False  # type: ignore[attr-defined]
        if len(self._timers) > self._sweep_at:
            self._timers = [entry for entry in self._timers if not entry[2].cancelled()]
            heapq.heapify(self._timers)
            self._sweep_at = max(128, 2 * len(self._timers))
        heapq.heappush(self._timers, (due, next(self._serial), timer))

    def next_due(self) -> int | None:
        """When the first timer is due that nobody has cancelled; None without any."""
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def take_due(self) -> list[asyncio.TimerHandle]:
        """Take the timers whose time has come, in its order."""
        taken = []
        while (due := self.next_due()) is not None and due <= self.clock.now:
            taken.append(heapq.heappop(self._timers)[2])
        return taken

    def left(self) -> list[tuple[asyncio.TimerHandle, float]]:
        """Return the timers that are left, with the seconds that each has to go."""
        alive = [(due, timer) for due, _, timer in self._timers if not timer.cancelled()]
        return [(timer, max(0, due - self.clock.now) / NS) for due, timer in alive]

    def adopt_awaited_sleeps(self, scheduled: list[asyncio.TimerHandle]) -> None:
        """Take over the sleep of an older task that code on this clock awaits.

        Without it the block would wait for that task in real time.
        """
        for task in list(self.older_tasks):
            callbacks = getattr(task, "_callbacks", None) or ()
            if self.clock in [context.get(current_clock) for _, context in callbacks if context]:
                self._adopt(_innermost_wait(task), scheduled)

    def _adopt(self, future: object, scheduled: list[asyncio.TimerHandle]) -> None:
        for timer in scheduled:
            arguments = getattr(timer, "_args", None)
            if future is not None and arguments and arguments[0] is future:
                scheduled.remove(timer)
                heapq.heapify(scheduled)
                self.add_real(timer)
                return


def _innermost_wait(future: Any) -> Any:
    """Follow a chain of tasks that await each other to what the last of them awaits."""
    while isinstance(future, asyncio.Task):
        future = getattr(future, "_fut_waiter", None)
    return future
