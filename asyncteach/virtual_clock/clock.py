"""How time passes when it is virtual: one clock that jumps when nobody has anything to do."""

import os
import threading
import time
import warnings
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol
from weakref import WeakSet

from asyncteach.virtual_clock import lookout
from asyncteach.virtual_clock.lookout import Look, real_monotonic

NS = 1_000_000_000
"""Nanoseconds in a second: the clock counts whole ones, so sums of them are exact."""

FIRST_LOOK, LAST_LOOK = 0.001, 0.05
"""Real seconds until a resting thread looks at the busy ones again, longer each time."""

PATIENT_READS = 1_000_000
"""Readings of a clock that stands still before each moves it a bit: busy waits end."""

READ_STEP = NS // 1000

current_clock: ContextVar["VirtualClock | None"] = ContextVar("asyncteach_clock", default=None)


class ClockWatcher(Protocol):
    """Somebody who wants to know of clocks: a recorder, whose times go with them."""

    def clock_opened(self, clock: "VirtualClock") -> None:
        """A block has been opened by the calling code."""

    def clock_closed(self, clock: "VirtualClock") -> None:
        """A block has ended, and stays at its last time."""

    def clock_sleeps(self, clock: "VirtualClock") -> None:
        """The calling thread is about to sleep on the clock, which looks like real sleep."""


watchers: list[ClockWatcher] = []

_open_clocks: "WeakSet[VirtualClock]" = WeakSet()


def running_clock() -> "VirtualClock | None":
    """Return the virtual clock that the calling code lives on, or None where time is real."""
    clock = current_clock.get()
    return None if clock is None or clock.closed else clock


def _whole_seconds(nanoseconds: int) -> int:
    """Round up to a whole second: differences of float clocks stay exact, none runs backwards."""
    return (nanoseconds // NS + 1) * NS


@dataclass(eq=False, slots=True)
class Rest:
    """A thread that has nothing to do until `deadline` (None: until something real happens)."""

    deadline: int | None
    wake: Callable[[], object]
    has_work: Callable[[], bool]
    was_busy: bool
    outer: "Rest | None"
    over: bool = False


@dataclass(eq=False, slots=True)
class _Pool:
    """The jobs of this clock in one thread pool: in its queue and in its `size` threads."""

    size: int
    queued: int = 0
    started: int = 0


@dataclass(eq=False)
class VirtualClock:
    """The clock of one `virtual_time()` block, its tasks and its threads.

    It stands still while any of them has something to do, so real work takes no virtual time, and
    jumps to the next deadline when all of them rest. `now`: nanoseconds since the block began.
    """

    now: int = 0
    closed: bool = False
    monotonic_start: int = field(default_factory=lambda: _whole_seconds(time.monotonic_ns()))
    perf_counter_start: int = field(default_factory=lambda: _whole_seconds(time.perf_counter_ns()))
    time_start: int = field(default_factory=lambda: _whole_seconds(time.time_ns()))

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._reads = 0
        self._quiet_since = real_monotonic()
        self._members: dict[int, Hashable] = {}
        self._busy: dict[int, Look] = {threading.get_ident(): Look()}
        self._rests: dict[int, Rest] = {}
        self._pools: dict[Hashable, _Pool] = {}
        self._outside: set[Hashable] = set()
        _open_clocks.add(self)

    @property
    def seconds(self) -> float:
        """Virtual seconds since the block began."""
        return self.now / NS

    def read(self, *, counts: bool = True) -> int:
        """Return `now`; a loop that reads and reads until time has passed gets its wish."""
        if counts:
            self._reads += 1
            if self._reads > PATIENT_READS:
                with self._lock:
                    self.now += READ_STEP
        return self.now

    def forgo(self) -> None:
        """Count as many readings: a thread has let others go first, maybe to wait for them."""
        self._reads += PATIENT_READS // 1000

    def forget_reads(self) -> None:
        """Count from the beginning: whoever has set a timer doesn't wait busily."""
        self._reads = 0

    def sleep(self, seconds: float) -> None:
        """Hold the calling thread until the clock has moved on by `seconds`."""
        for watcher in tuple(watchers):
            watcher.clock_sleeps(self)
        # A bare lock, since an interrupt inside an Event would leave the Event's own lock held.
        awake = threading.Lock()
        awake.acquire()

        def wake() -> None:
            if awake.locked():
                awake.release()

        rest, pause = None, FIRST_LOOK
        try:
            rest = self.begin_rest(self.now + round(seconds * NS), wake)
            while not rest.over and not awake.acquire(timeout=pause):
                self.look_at_busy_threads()
                pause = min(2 * pause, LAST_LOOK)
        finally:
            self.end_rest(rest)

    def close(self) -> None:
        """End the clock: threads that still sleep on it wake at once."""
        self.closed = True
        for watcher in tuple(watchers):
            watcher.clock_closed(self)
        with self._lock:
            for rest in self._rests.values():
                rest.over = True
                rest.wake()

    # Who has nothing to do

    def begin_rest(
        self,
        deadline: int | None,
        wake: Callable[[], object],
        has_work: Callable[[], bool] = lambda: False,
    ) -> Rest:
        """Say that the calling thread has nothing to do until `deadline`, and jump if nobody has.

        `wake` is called, in any thread, when the deadline has come; `has_work` tells if something
        real has come in meanwhile. Afterwards the thread calls `end_rest`.
        """
        with self._lock:
            me = threading.get_ident()
            busy = self._busy.pop(me, None) is not None
            rest = Rest(deadline, wake, has_work, busy, self._rests.pop(me, None), self.closed)
            self._rests[me] = rest
            self._something_happened()
            if self._busy:
                self.look_at_busy_threads()
            else:
                self._jump_if_idle()
            return rest

    def end_rest(self, rest: Rest | None) -> None:
        """Say that the calling thread goes on, or rests as before, under a signal handler."""
        with self._lock:
            me = threading.get_ident()
            rest = rest or self._rests.get(me)  # an interrupt came before it was handed over
            if rest is None:
                return
            self._rests.pop(me, None)
            if rest.outer:
                self._rests[me] = rest.outer
            if rest.was_busy:
                self._busy[me] = Look()
            self._something_happened()
            self._jump_if_idle()

    def _something_happened(self) -> None:
        self._quiet_since = real_monotonic()

    def _jump_if_idle(self, *, but_for: frozenset[int] = frozenset(), anyway: bool = False) -> None:
        if self._busy.keys() - but_for or (self._is_awaiting_work() and not anyway):
            return
        rests = list(self._rests.values())
        if any(rest.over or rest.has_work() for rest in rests):
            return
        waiting = [rest for rest in rests if rest.deadline is not None]
        if not waiting:
            return
        # One at a time, those of one deadline in the order in which they came.
        first = min(waiting, key=lambda rest: rest.deadline or 0)
        if first.deadline is not None and first.deadline > self.now:
            self.now = first.deadline
            self._reads = 0
        self._something_happened()
        first.over = True
        first.wake()

    def _is_awaiting_work(self) -> bool:
        """Tell if there is work elsewhere, or in a queue and about to be taken from it."""
        pools = self._pools.values()
        return bool(self._outside) or any(p.queued and p.started < p.size for p in pools)

    def look_at_busy_threads(self) -> None:
        """Jump all the same if every busy thread only waits for others, or is stuck for long.

        Called by resting threads every now and then, so nothing waits for ever.
        """
        with self._lock:
            waiting = lookout.find_waiting(self._busy, self._rests, self._quiet_since)
            anyway = False
            if self._is_awaiting_work() and not self._busy.keys() - waiting:
                anyway = real_monotonic() - self._quiet_since > lookout.PATIENCE
                if anyway:
                    warnings.warn(
                        "virtual time goes on without work that was handed to a pool or a process: "
                        f"nothing has come of it for {lookout.PATIENCE:g} real seconds.",
                        RuntimeWarning,
                        stacklevel=2,
                    )
            self._jump_if_idle(but_for=waiting, anyway=anyway)

    # Who has something to do

    def hold(self, reason: Hashable) -> None:
        """Keep the clock from jumping until `release(reason)`: real work is under way."""
        with self._lock:
            self._outside.add(reason)

    def hold_until_done(self, future: "Future[Any]") -> None:
        """Keep the clock from jumping until that future is done."""
        self.hold(future)
        future.add_done_callback(self.release)

    def release(self, reason: Hashable) -> None:
        """Take back a `hold`."""
        with self._lock:
            self._outside.discard(reason)
            self._something_happened()
            self._jump_if_idle()

    def join_thread(self, work: Hashable) -> None:
        """Say that the calling thread does that work on this clock from now on."""
        with self._lock:
            me = threading.get_ident()
            self._members[me] = work
            self._busy[me] = Look()

    def leave_thread(self, ident: int, work: Hashable) -> None:
        """Say that the thread is done with that work, if it hasn't begun another meanwhile."""
        with self._lock:
            if self._members.get(ident) is work:
                del self._members[ident]
                self._busy.pop(ident, None)
            self._something_happened()
            self._jump_if_idle()

    def job_queued(self, pool: Hashable, size: int) -> None:
        """Say that a job was handed to a pool of `size` threads."""
        with self._lock:
            self._pools.setdefault(pool, _Pool(size)).queued += 1

    def job_started(self, pool: Hashable, job: Hashable) -> None:
        """Say that the calling thread begins that job of the pool."""
        with self._lock:
            self._pools[pool].queued -= 1
            self._pools[pool].started += 1
            self.join_thread(job)

    def job_ended(self, pool: Hashable, job: Hashable, ident: int | None) -> None:
        """Say that the thread of that ident is done with the job; None: it never began."""
        with self._lock:
            if ident is None:
                self._pools[pool].queued -= 1
                self._jump_if_idle()
            else:
                self._pools[pool].started -= 1
                self.leave_thread(ident, job)


def _forget_clocks() -> None:
    """In a forked child: the threads, loops and locks of the parent's clocks are not here."""
    for clock in list(_open_clocks):
        clock.closed = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_clocks)
