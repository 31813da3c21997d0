"""One virtual clock: it stands still while its threads work and jumps when all of them rest."""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

NS = 1_000_000_000
"""Nanoseconds in a second: the clock counts whole ones, so sums of them are exact."""

FIRST_PAUSE, LAST_PAUSE = 0.001, 0.05
"""Real seconds until a resting thread looks at the busy ones again, longer each time."""

PATIENT_READS = 1_000_000
"""Readings of a clock that stands still before each one moves it a bit: busy waits end."""

READ_STEP = NS // 1000

_GRID = 100  # nanoseconds: coarser than the float of loop.time() on a machine up for years

real_monotonic = time.monotonic
"""The clock of the machine, whatever `time.monotonic` is replaced by."""

current_clock: ContextVar["VirtualClock | None"] = ContextVar("asyncteach_clock", default=None)


class ClockWatcher(Protocol):
    """Gets notified about clocks: a recorder, whose times follow them."""

    def clock_opened(self, clock: "VirtualClock") -> None:
        """The calling code has opened a block."""

    def clock_closed(self, clock: "VirtualClock") -> None:
        """A block has ended, and its clock stays at its last time."""

    def clock_sleeps(self, clock: "VirtualClock") -> None:
        """The calling thread is about to sleep on the clock, which looks like real sleep."""


watchers: list[ClockWatcher] = []

_open_clocks: "set[VirtualClock]" = set()


def running_clock() -> "VirtualClock | None":
    """Return the virtual clock that the calling code lives on, or None where time is real."""
    clock = current_clock.get()
    return None if clock is None or clock.closed else clock


def due_on(clock: "VirtualClock", when: float) -> int:
    """Return when a timer of the virtual `loop.time()` is due, in nanoseconds of the clock."""
    due = round(when * NS) - clock.monotonic_start
    return round(due / _GRID) * _GRID


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
    over: bool = False


FindWaiting = Callable[[set[int], set[int], float], set[int]]
"""Of the busy threads, those that wait for another thread; given the resting ones, and how many
real seconds ago something last happened on the clock."""


@dataclass(eq=False)
class VirtualClock:
    """The clock of one `virtual_time()` block, its tasks and its threads.

    It stands still while any of them has something to do, so real work takes no virtual time, and
    jumps to the next deadline when all of them rest. `now`: nanoseconds since the block began.
    """

    find_waiting: FindWaiting
    now: int = 0
    closed: bool = False
    reads: int = 0
    """Readings since the last jump or timer."""
    monotonic_start: int = field(default_factory=lambda: _whole_seconds(time.monotonic_ns()))
    perf_counter_start: int = field(default_factory=lambda: _whole_seconds(time.perf_counter_ns()))
    time_start: int = field(default_factory=lambda: _whole_seconds(time.time_ns()))

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._quiet_since = real_monotonic()
        self._busy = {threading.get_ident()}
        self._rests: dict[int, Rest] = {}
        self._queued: Counter[ThreadPoolExecutor] = Counter()
        self._started: Counter[ThreadPoolExecutor] = Counter()
        self._holds: set[Hashable] = set()
        _open_clocks.add(self)

    @property
    def seconds(self) -> float:
        """Virtual seconds since the block began."""
        return self.now / NS

    def read(self, weight: int = 1) -> int:
        """Return `now`; code that reads it until time has passed is not kept waiting for ever."""
        self.reads += weight
        if self.reads > PATIENT_READS:
            with self._lock:
                self.now += READ_STEP
        return self.now

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

        rest, pause = None, FIRST_PAUSE
        try:
            rest = self.begin_rest(self.now + round(seconds * NS), wake)
            while not rest.over and not awake.acquire(timeout=pause):
                self.jump_if_idle()
                pause = min(2 * pause, LAST_PAUSE)
        finally:
            self.end_rest()

    def close(self) -> None:
        """End the clock: threads that still sleep on it wake at once."""
        self.closed = True
        _open_clocks.discard(self)
        for watcher in tuple(watchers):
            watcher.clock_closed(self)
        with self._lock:
            for rest in self._rests.values():
                rest.over = True
                rest.wake()

    # Threads that have nothing to do

    def begin_rest(
        self,
        deadline: int | None,
        wake: Callable[[], object],
        has_work: Callable[[], bool] = lambda: False,
    ) -> Rest:
        """Note that the calling thread has nothing to do until `deadline`; jump if no thread has.

        `wake` is called, in any thread, when the deadline has come; `has_work` tells if something
        real has come in meanwhile. Afterwards the thread calls `end_rest`.
        """
        with self._lock:
            me = threading.get_ident()
            rest = Rest(deadline, wake, has_work, me in self._busy, self.closed)
            self._busy.discard(me)
            self._rests[me] = rest
            self._something_happened()
            self.jump_if_idle()
            return rest

    def end_rest(self) -> None:
        """Note that the calling thread goes on."""
        with self._lock:
            me = threading.get_ident()
            rest = self._rests.pop(me, None)
            if rest is not None and rest.was_busy:
                self._busy.add(me)
            self._something_happened()

    def _something_happened(self) -> None:
        self._quiet_since = real_monotonic()

    def jump_if_idle(self) -> None:
        """Jump to the next deadline if no thread has anything to do but to wait for another.

        Resting threads call this every now and then: a thread that begins to wait doesn't.
        """
        with self._lock:
            rests = list(self._rests.values())
            if self._is_work_under_way() or any(rest.over or rest.has_work() for rest in rests):
                return
            if self._busy:
                quiet = real_monotonic() - self._quiet_since
                if self._busy - self.find_waiting(self._busy, set(self._rests), quiet):
                    return
            waiting = [rest for rest in rests if rest.deadline is not None]
            if not waiting:
                return
            # One at a time, those of one deadline in the order in which they came.
            first = min(waiting, key=lambda rest: rest.deadline or 0)
            if first.deadline is not None and first.deadline > self.now:
                self.now = first.deadline
                self.reads = 0
            self._something_happened()
            first.over = True
            first.wake()

    def _is_work_under_way(self) -> bool:
        """Tell if there is work elsewhere, or in the queue of a pool that has a free thread."""
        free = (p for p in self._queued if self._queued[p] and self._started[p] < p._max_workers)
        return bool(self._holds) or any(free)

    # Threads that have something to do

    def hold(self, reason: Hashable) -> None:
        """Keep the clock from jumping until `release(reason)`: real work is under way."""
        with self._lock:
            self._holds.add(reason)

    def release(self, reason: Hashable) -> None:
        """Take back a `hold`."""
        with self._lock:
            self._holds.discard(reason)
            self._something_happened()
            self.jump_if_idle()

    def join_thread(self) -> None:
        """Count the calling thread among those that keep the clock from jumping."""
        with self._lock:
            self._busy.add(threading.get_ident())

    def leave_thread(self) -> None:
        """Count the calling thread no longer."""
        with self._lock:
            self._busy.discard(threading.get_ident())
            self._something_happened()
            self.jump_if_idle()

    def count_jobs(self, pool: ThreadPoolExecutor, *, queued: int = 0, started: int = 0) -> None:
        """Count the jobs in the queue of a pool, and those that the calling thread has or had."""
        with self._lock:
            self._queued[pool] += queued
            self._started[pool] += started
            if started > 0:
                self.join_thread()
            elif started < 0:
                self.leave_thread()
            else:
                self.jump_if_idle()


def _forget_clocks() -> None:
    """In a forked child: the threads, loops and locks of the parent's clocks are not here."""
    for clock in _open_clocks:
        clock.closed = True
    _open_clocks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_clocks)
