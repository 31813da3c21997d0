"""How time passes when it is virtual: one clock that jumps when nobody has anything to do."""

import sys
import threading
import time
import warnings
from collections.abc import Callable, Hashable
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import FrameType

NS = 1_000_000_000
"""Nanoseconds in a second: the clock counts whole ones, so sums of them are exact."""

LOOK_EVERY = 0.05
"""Real seconds between two looks at the threads that keep the clock from jumping."""

PATIENCE = 10.0
"""Real seconds that a thread stuck in one place may keep the clock from jumping."""

PATIENT_READS = 100_000
"""Readings of a clock that stands still before each moves it a bit: busy waits end."""

READ_STEP = NS // 1000

real_monotonic = time.monotonic
"""The clock of the machine, under whatever `time.monotonic` is replaced by."""

# A thread whose innermost frame is in one of these waits for another thread: it does no work.
_WAITING_FILES = ("threading.py", "queue.py", "concurrent/futures/thread.py")

current_clock: ContextVar["VirtualClock | None"] = ContextVar("asyncteach_clock", default=None)


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
    over: bool = False


@dataclass(eq=False, slots=True)
class _Look:
    """Where a busy thread was last seen, since when it has not moved, and if it is let go."""

    place: tuple[int, int] = (0, 0)
    since: float = 0.0
    let_go: bool = False


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
        self._busy: dict[int, _Look] = {threading.get_ident(): _Look()}
        self._rests: dict[int, Rest] = {}
        self._pools: dict[Hashable, _Pool] = {}
        self._outside: set[Hashable] = set()

    @property
    def seconds(self) -> float:
        """Virtual seconds since the block began."""
        return self.now / NS

    def read(self) -> int:
        """Return `now`; a loop that reads and reads until time has passed gets its wish."""
        self._reads += 1
        if self._reads > PATIENT_READS:
            with self._lock:
                self.now += READ_STEP
        return self.now

    def sleep(self, seconds: float) -> None:
        """Hold the calling thread until the clock has moved on by `seconds`."""
        length = round(seconds * NS)
        if length < 0:
            raise ValueError("sleep length must be non-negative")
        awake = threading.Event()
        rest = self.begin_rest(self.now + length, awake.set)
        try:
            while not rest.over and not awake.wait(LOOK_EVERY):
                self.look_at_busy_threads()
        finally:
            self.end_rest(rest)

    def close(self) -> None:
        """End the clock: threads that still sleep on it wake at once."""
        with self._lock:
            self.closed = True
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
            rest = Rest(deadline, wake, has_work, self._busy.pop(me, None) is not None)
            if self.closed:
                rest.over = True
            self._rests[me] = rest
            self._jump_if_idle()
            return rest

    def end_rest(self, rest: Rest) -> None:
        """Say that the calling thread goes on."""
        with self._lock:
            me = threading.get_ident()
            self._rests.pop(me, None)
            if rest.was_busy:
                self._busy[me] = _Look()

    def _jump_if_idle(self, *, but_for: frozenset[int] = frozenset()) -> None:
        if self._busy.keys() - but_for or self._outside:
            return
        if any(pool.queued and pool.started < pool.size for pool in self._pools.values()):
            return
        rests = list(self._rests.values())
        if any(rest.over or rest.has_work() for rest in rests):
            return
        deadlines = [rest.deadline for rest in rests if rest.deadline is not None]
        if not deadlines:
            return
        self.now = max(self.now, min(deadlines))
        self._reads = 0
        for rest in rests:
            if rest.deadline is not None and rest.deadline <= self.now:
                rest.over = True
                rest.wake()

    def look_at_busy_threads(self) -> None:
        """Jump all the same if every busy thread only waits for others, or is stuck for long.

        Called by a resting thread every `LOOK_EVERY` real seconds, so nothing waits for ever.
        """
        frames = sys._current_frames()
        with self._lock:
            waiting = set()
            for ident, look in list(self._busy.items()):
                frame = frames.get(ident)
                if frame is None:  # the thread is gone and can't say so any more
                    del self._busy[ident]
                elif look.let_go or self._is_stuck(ident, frame, look):
                    waiting.add(ident)
            self._jump_if_idle(but_for=frozenset(waiting))

    def _is_stuck(self, ident: int, frame: FrameType, look: _Look) -> bool:
        real_now = real_monotonic()
        place = (id(frame), frame.f_lasti)
        if place != look.place:
            look.place, look.since = place, real_now
            return False
        if frame.f_code.co_filename.replace("\\", "/").endswith(_WAITING_FILES):
            return real_now - look.since >= LOOK_EVERY / 2
        if real_now - look.since < PATIENCE:
            return False
        look.let_go = True
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        warnings.warn(
            f"virtual time goes on without the thread {names.get(ident, ident)!r}: it has been at "
            f"line {frame.f_lineno} of {frame.f_code.co_name}() for {PATIENCE:g} real seconds.",
            RuntimeWarning,
            stacklevel=2,
        )
        return True

    # Who has something to do

    def hold(self, reason: Hashable) -> None:
        """Keep the clock from jumping until `release(reason)`: real work is under way."""
        with self._lock:
            self._outside.add(reason)

    def release(self, reason: Hashable) -> None:
        """Take back a `hold`."""
        with self._lock:
            self._outside.discard(reason)
            self._jump_if_idle()

    def join_thread(self) -> None:
        """Say that the calling thread works on this clock from now on."""
        with self._lock:
            self._busy[threading.get_ident()] = _Look()

    def leave_thread(self, ident: int | None = None) -> None:
        """Say that the calling thread, or the one of that ident, works on it no longer."""
        with self._lock:
            self._busy.pop(threading.get_ident() if ident is None else ident, None)
            self._jump_if_idle()

    def job_queued(self, pool: Hashable, size: int) -> None:
        """Say that a job was handed to a pool of `size` threads."""
        with self._lock:
            self._pools.setdefault(pool, _Pool(size)).queued += 1

    def job_started(self, pool: Hashable) -> None:
        """Say that the calling thread begins a job of that pool."""
        with self._lock:
            self._pools[pool].queued -= 1
            self._pools[pool].started += 1
            self.join_thread()

    def job_ended(self, pool: Hashable, ident: int | None) -> None:
        """Say that the thread of that ident is done with its job; None: it never began."""
        with self._lock:
            if ident is None:
                self._pools[pool].queued -= 1
                self._jump_if_idle()
            else:
                self._pools[pool].started -= 1
                self.leave_thread(ident)
