"""What one event loop has to do on one virtual clock."""

import asyncio
import heapq
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

from asyncteach.virtual_clock import NS, VirtualClock, current_clock, real_monotonic


def set_due(timer: Any, when: float, *, counted: bool) -> None:
    """Set when the timer is due, and if it is one of those that the loop itself counts."""
    timer._when = when
    timer._scheduled = counted


@dataclass(eq=False)
class Agenda:
    """The timers of a loop on a virtual clock, and the tasks that it knew before."""

    clock: VirtualClock
    timers: list[asyncio.TimerHandle] = field(default_factory=list)
    older_tasks: "WeakSet[asyncio.Task[Any]]" = field(default_factory=WeakSet)

    def due(self, timer: asyncio.TimerHandle) -> int:
        """When the timer is due, in nanoseconds of the clock."""
        return round(timer.when() * NS) - self.clock.monotonic_start

    def next_due(self) -> int | None:
        """When the first timer is due that nobody has cancelled; None without any."""
        while self.timers and self.timers[0].cancelled():
            heapq.heappop(self.timers)
        return self.due(self.timers[0]) if self.timers else None

    def take_due(self) -> list[asyncio.TimerHandle]:
        """Take the timers whose time has come, in its order."""
        taken = []
        while (due := self.next_due()) is not None and due <= self.clock.now:
            taken.append(heapq.heappop(self.timers))
        return taken

    def left(self) -> list[tuple[asyncio.TimerHandle, float]]:
        """Return the timers that are left, with the seconds that each has to go."""
        alive = [timer for timer in self.timers if not timer.cancelled()]
        return [(timer, max(0, self.due(timer) - self.clock.now) / NS) for timer in alive]

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
                left = max(0, round((timer.when() - real_monotonic()) * NS))
                due = self.clock.monotonic_start + self.clock.now + left
                set_due(timer, due / NS, counted=False)
                heapq.heappush(self.timers, timer)
                return


def _innermost_wait(future: Any) -> Any:
    """Follow a chain of tasks that await each other to what the last of them awaits."""
    while isinstance(future, asyncio.Task):
        future = getattr(future, "_fut_waiter", None)
    return future
