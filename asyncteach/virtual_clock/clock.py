"""One virtual clock: it stands still while its threads work and jumps when all of them rest."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

NS = 1_000_000_000
"""Nanoseconds in a second: the clock counts whole ones, so sums of them are exact."""

PAUSE = 0.002
"""Real seconds until a resting thread checks again whether others are busy."""

PATIENT_READS = 1_000_000
"""After this many readings without a jump each one moves the clock by READ_STEP: busy waits end."""
READ_STEP = NS // 1000

_GRID = 100  # nanoseconds: coarser than the float of loop.time() on a machine up for years

real_monotonic = time.monotonic
"""The machine's clock, also while `time.monotonic` is replaced."""

current_clock: ContextVar["VirtualClock | None"] = ContextVar("asyncteach_clock", default=None)

watchers: list[Any] = []
"""Recorders, whose times follow the clock. Each has `clock_opened(clock)` and
`clock_closed(clock)`, and `clock_sleeps(clock)` for a thread that is about to sleep on it."""


def running_clock() -> "VirtualClock | None":
    """Return the virtual clock of the calling code, or None if its time is real."""
    clock = current_clock.get()
    return None if clock is None or clock.closed else clock


def due_on(clock: "VirtualClock", when: float) -> int:
    """Return when a timer of the virtual `loop.time()` is due, in nanoseconds of the clock."""
    due: int = round(when * NS) - clock.starts["monotonic"]
    return round(due / _GRID) * _GRID


@dataclass(eq=False, slots=True)
class Rest:
    """A thread that has nothing to do until `deadline` (None: until something real happens)."""

    deadline: int | None
    wake: Callable[[], object]
    """Called once, in any thread, when the deadline has come."""
    has_work: Callable[[], bool] = bool
    """Returns whether something real has happened meanwhile."""
    over: bool = False


class VirtualClock:
    """The clock of one `virtual_time()` block, its tasks and its threads.

    It stands still while any of them has something to do, so real work takes no virtual time, and
    jumps to the next deadline when all of them rest.
    """

    def __init__(self, is_waiting: Callable[[int, set[int], float], bool]) -> None:
        self._is_waiting = is_waiting
        self.now = 0
        """Nanoseconds since the block began."""
        self.closed = False
        self.reads = 0
        """Readings since the last jump, or the last new timer."""
        names = ("time", "monotonic", "perf_counter")
        starts = {name: getattr(time, f"{name}_ns")() for name in names}
        # Whole seconds, so that differences of floats are exact; rounded up, so none runs back.
        self.starts = {name: (start // NS + 1) * NS for name, start in starts.items()}
        self._lock = threading.RLock()
        self._quiet_since = real_monotonic()
        self._busy = {threading.get_ident()}
        self._rests: dict[int, Rest] = {}
        self._pending: dict[Hashable, ThreadPoolExecutor | None] = {}
        self._active: Counter[ThreadPoolExecutor | None] = Counter()

    @property
    def seconds(self) -> float:
        """Virtual seconds since the block began."""
        return self.now / NS

    def read(self) -> int:
        """Return `now`; many readings move it, so that a loop that only reads the clock ends."""
        if self.has_waited_long(1):
            with self._lock:
                self.now += READ_STEP
        return self.now

    def has_waited_long(self, reads: int) -> bool:
        """Count these readings; return whether there have been too many since the last jump."""
        self.reads += reads
        return self.reads > PATIENT_READS

    def sleep(self, seconds: float) -> None:
        """Block the calling thread until the clock has moved on by `seconds`."""
        for watcher in tuple(watchers):
            watcher.clock_sleeps(self)
        # A bare lock, since an interrupt inside an Event would leave the Event's own lock held.
        awake = threading.Lock()
        awake.acquire()
        rest = Rest(self.now + round(seconds * NS), awake.release)
        try:
            self.begin_rest(rest)
            while not rest.over and not awake.acquire(timeout=PAUSE):
                self.jump_if_idle()
        finally:
            self.end_rest()

    def close(self) -> None:
        """End the clock: threads that still sleep on it wake at once."""
        self.closed = True
        for watcher in tuple(watchers):
            watcher.clock_closed(self)
        with self._lock:
            for rest in self._rests.values():
                self._end(rest)

    # Threads that have nothing to do

    def begin_rest(self, rest: Rest) -> None:
        """Note that the calling thread rests until it calls `end_rest`; jump if all threads do."""
        with self._lock:
            me = threading.get_ident()
            rest.over = self.closed
            self._rests[me] = rest
            self._busy.discard(me)
            self._go_on()

    def end_rest(self) -> None:
        """Note that the calling thread goes on."""
        with self._lock:
            self._rests.pop(threading.get_ident(), None)
            self._busy.add(threading.get_ident())
            self._quiet_since = real_monotonic()

    def jump_if_idle(self) -> None:
        """Jump to the next deadline if every thread rests, or waits for one that does.

        Resting threads call this again and again, because a thread that begins to wait doesn't.
        """
        with self._lock:
            rests = list(self._rests.values())
            if self._is_at_work() or any(rest.over or rest.has_work() for rest in rests):
                return
            # One at a time; those with the same deadline in the order in which they came.
            timed = [(rest.deadline, rest) for rest in rests if rest.deadline is not None]
            if timed:
                deadline, first = min(timed, key=lambda pair: pair[0])
                if deadline > self.now:
                    self.now = deadline
                    self.reads = 0
                self._quiet_since = real_monotonic()
                self._end(first)

    def _is_at_work(self) -> bool:
        pools = self._pending.values()
        if any(pool is None or self._active[pool] < pool._max_workers for pool in pools):
            return True  # it is about to begin: only in a full pool work waits
        quiet, threads = real_monotonic() - self._quiet_since, self._busy | {*self._rests}
        return not all(self._is_waiting(thread, threads, quiet) for thread in self._busy)

    def _end(self, rest: Rest) -> None:
        if not rest.over:
            rest.over = True
            rest.wake()

    def _go_on(self) -> None:
        self._quiet_since = real_monotonic()
        self.jump_if_idle()

    # Work that is handed to threads

    def hold(self, work: Hashable, pool: ThreadPoolExecutor | None = None) -> None:
        """Hold the clock until that work begins or is released, or its pool is full."""
        with self._lock:
            self._pending[work] = pool
            self._go_on()

    def release(self, work: Hashable) -> None:
        """Undo a `hold`, if that work hasn't begun."""
        with self._lock:
            self._pending.pop(work, None)
            self._go_on()

    def begin(self, work: Hashable) -> None:
        """Hold the clock while the calling thread does that work."""
        with self._lock:
            self._busy.add(threading.get_ident())
            self._active[self._pending.pop(work, None)] += 1

    def end(self, pool: ThreadPoolExecutor | None) -> None:
        """Note that the calling thread, of that pool or of none, has done its work.

        A thread of a pool counts as busy until it waits for more work: a loop has to receive the
        result before the clock may jump.
        """
        with self._lock:
            self._active[pool] -= 1
            if pool is None:
                self._busy.discard(threading.get_ident())
            self._go_on()
