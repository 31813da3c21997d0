"""The time of a recording: real, or that of a virtual clock for as long as one is open."""

from collections.abc import Callable
from contextvars import Context

from asyncteach.virtual_clock.clock import (
    NS,
    VirtualClock,
    current_clock,
    due_on,
    real_monotonic,
)


class Axis:
    """What time it is, in seconds that never run backwards, for all loops of a recording.

    In real time it is the loop's own clock; while a virtual clock is open it goes with that one.
    """

    def __init__(self, clock: VirtualClock | None = None) -> None:
        self.now: Callable[[], float] = real_monotonic
        self.clock: VirtualClock | None = None
        self.is_plain = True
        """Tell if times of the loop need no conversion."""
        self._followers: list[Callable[[Callable[[], float]], object]] = []
        self._clock_start = 0
        self._began = 0.0
        self.virtual = clock is not None
        """Tell if any of it was virtual: then processor time says nothing."""
        if clock is not None:
            # From a small number, so that whole nanoseconds stay whole; not zero, which is no time.
            self._follow(clock, began=1.0)
        self.start = self.now()

    def tell(self, follower: Callable[[Callable[[], float]], object]) -> None:
        """Call it with what tells the time, now and whenever that becomes another one."""
        self._followers.append(follower)
        follower(self.now)

    def forget(self, follower: Callable[[Callable[[], float]], object]) -> None:
        """Take back a `tell`."""
        if follower in self._followers:
            self._followers.remove(follower)

    def enter(self, clock: VirtualClock) -> None:
        """Go with a clock that has been opened, unless there is one already."""
        if self.clock is None:
            self.virtual = True
            # On a whole nanosecond from the start, so that differences can be exact.
            self._follow(clock, began=self.start + round((self.now() - self.start) * NS) / NS)

    def leave(self, clock: VirtualClock) -> None:
        """Go with real time again, from where that clock has stopped."""
        if self.clock is clock:
            shift = self.now() - real_monotonic()
            self.clock = None
            self._set(lambda: real_monotonic() + shift)

    def _follow(self, clock: VirtualClock, *, began: float) -> None:
        self.clock, self._clock_start, self._began = clock, clock.now, began
        self.is_plain = False
        start = clock.now
        self._set(lambda: began + (clock.now - start) / NS)

    def _set(self, now: Callable[[], float]) -> None:
        self.now = now
        for follower in self._followers:
            follower(now)

    def due(self, when: float, context: Context) -> float:
        """Return the time of a timer that is due when `loop.time()` is `when`."""
        if self.clock is not None and context.get(current_clock) is self.clock:
            due = due_on(self.clock, when)
            return self._began + (due - self._clock_start) / NS
        return when + self.now() - real_monotonic()
