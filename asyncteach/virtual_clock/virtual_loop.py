"""Make an event loop, also the running kernel's, follow a virtual clock.

Everything that the clock needs to know about the internals of asyncio and threads is in this file.
"""

import asyncio
import functools
import heapq
import itertools
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

from asyncteach.replacements import Replacements
from asyncteach.virtual_clock.clock import (
    NS,
    PAUSE,
    Rest,
    VirtualClock,
    current_clock,
    due_on,
    real_monotonic,
    running_clock,
)

ROUND = 5  # a round of a loop that doesn't pause counts as this many readings of the clock
THREAD_GRACE = 0.02  # real seconds in which a thread that isn't on the clock may release a lock

_NEVER = 1e12  # a virtual `loop.time()` that is never reached: 30,000 years

_loops: "dict[asyncio.AbstractEventLoop, LoopOnClock]" = {}


def attach(clock: VirtualClock, loop: asyncio.AbstractEventLoop | None = None) -> None:
    """Make a loop, by default the running one, follow the clock; raise RuntimeError if it can't."""
    loop = loop or asyncio._get_running_loop()
    if loop is None or loop in _loops:
        return
    parts = ("_ready", "_scheduled", "_selector", "_run_once")
    has_clock = "time" in vars(loop) or type(loop).time is not asyncio.BaseEventLoop.time
    if has_clock or not all(hasattr(loop, part) for part in parts):
        raise RuntimeError(
            f"virtual_time() can't control the event loop {type(loop).__module__}."
            f"{type(loop).__qualname__}: run your code on asyncio's own loop, as "
            "asyncio.run(main()) does when no other loop is installed."
        )
    _loops[loop] = LoopOnClock(loop, clock)
    _loops[loop].install()


def detach() -> None:
    """Detach every loop that follows the clock: its timers go on in real time."""
    while _loops:
        _loops.popitem()[1].remove()


class LoopOnClock:
    """The attributes put on one loop, not on its class, while it follows a virtual clock.

    They affect only code that is on the clock: its `call_at` uses the clock's timers. Everything
    else on the loop (the kernel, the tasks of other cells) keeps real time.
    """

    def __init__(self, loop: Any, clock: VirtualClock) -> None:
        self.loop = loop  # any loop with the parts that attach() checks for
        self.clock = clock
        self._replaced = Replacements()
        # By due time, in nanoseconds of the clock, and then in the order of creation.
        self._timers: list[tuple[int, int, Any]] = []
        self._numbers = itertools.count()
        self._is_woken = False
        self._has_warned = False

    def install(self) -> None:
        """Replace the methods that have to follow the clock."""
        self._replace(self.loop._selector, "select", self._select)
        self._replace(self.loop, "call_at", self._call_at)
        self._replace(self.loop, "_run_once", self._run_once)
        self._replace(self.loop, "_write_to_self", self._write_to_self)
        for name in {"_add_reader", "_add_writer"} & {*dir(self.loop)}:
            self._replace(self.loop, name, self._watch_file)

    def _replace(self, owner: Any, name: str, method: Callable[..., Any]) -> None:
        self._replaced.put(owner, name, functools.partial(functools.partial, method))

    def remove(self) -> None:
        """Stop following the clock: each timer keeps what is left of its time, in real time."""
        timers, self._timers = sorted(self._timers), []
        for due, _, timer in timers:
            if not timer.cancelled():
                timer._when = real_monotonic() + max(0, due - self.clock.now) / NS
                timer._scheduled = True
                heapq.heappush(self.loop._scheduled, timer)
        self._replaced.undo()

    # What replaces the loop's own methods

    def _run_once(self, original: Callable[[], None]) -> None:
        # The loop's own timers are in real time, whatever code runs it.
        token = current_clock.set(None)
        try:
            original()
        finally:
            current_clock.reset(token)

    def _call_at(self, original: Callable[..., Any], when: float, *args: Any, **kwargs: Any) -> Any:
        if running_clock() is not self.clock or not abs(when) < _NEVER:
            return original(when, *args, **kwargs)
        # The loop's own call_at makes and checks the timer, which then goes to our timers.
        scheduled, self.loop._scheduled = self.loop._scheduled, []
        try:
            timer = original(when, *args, **kwargs)
        finally:
            self.loop._scheduled = scheduled
        timer._scheduled = False  # the loop counts its own cancelled timers
        self.clock.reads = 0
        heapq.heappush(self._timers, (due_on(self.clock, when), next(self._numbers), timer))
        return timer

    def _write_to_self(self, original: Callable[[], None]) -> None:
        self._is_woken = True
        original()

    def _next_due(self) -> int | None:
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def _take_due(self) -> None:
        while (due := self._next_due()) is not None and due <= self.clock.now:
            self.loop._ready.append(heapq.heappop(self._timers)[2])

    def _select(self, original: Callable[..., Any], timeout: float | None = None) -> list[Any]:
        """Wait, in real time, for an event, the timeout, or a jump of the clock."""
        self._take_due()
        if timeout == 0 or self.loop._ready:
            if self.clock.has_waited_long(ROUND):
                self.clock.begin_rest(Rest(self._next_due(), int))
                self.clock.end_rest()
            return original(0)  # type: ignore[no-any-return]
        self._is_woken = False
        events: list[Any] = original(0)
        if events:
            return events
        me = threading.get_ident()
        rest = Rest(
            self._next_due(),
            wake=lambda: threading.get_ident() == me or self.loop._write_to_self(),
            # Not what another thread has put on the loop without waking it: a loop that sleeps
            # doesn't notice that.
            has_work=lambda: self._is_woken,
        )
        end = None if timeout is None else real_monotonic() + timeout
        try:
            self.clock.begin_rest(rest)
            # Without a timer such work is noticed: in a notebook something else wakes the loop.
            while not rest.over and not (rest.deadline is None and self.loop._ready):
                left = PAUSE if end is None else min(PAUSE, end - real_monotonic())
                events = original(max(0, left))
                if events or left <= 0:
                    return events
                self.clock.jump_if_idle()
            return []
        finally:
            self.clock.end_rest()
            self._take_due()

    def _watch_file(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if running_clock() is self.clock and not self._has_warned:
            self._has_warned = True
            warnings.warn(
                "virtual time can't foresee when a real connection or subprocess answers: "
                "the clock may jump past it, so use real time for network code.",
                RuntimeWarning,
                stacklevel=2,
            )
        return original(*args, **kwargs)


def is_waiting(thread: int, on_the_clock: set[int], quiet: float) -> bool:
    """Return whether a thread waits for another one, waits for work in a pool, or has ended.

    `quiet` is how long, in real seconds, nothing has happened on the clock.
    """
    frame = sys._current_frames().get(thread)
    if frame is None:
        return True
    code, names = frame.f_code, frame.f_locals
    if code.co_name == "_worker" and code.co_filename.endswith("thread.py"):
        # If it has just got work, that is still pending. When its pool shuts down, the thread ends.
        pool = names["executor_reference"]()
        return pool is not None and not pool._shutdown
    if not code.co_filename.endswith("threading.py"):
        return False
    if code.co_name in ("join", "_wait_for_tstate_lock"):  # Thread.join()
        # A thread that is not on the clock does real work, and waiting for it counts as work.
        return names["self"].is_alive() and names["self"].ident in on_the_clock
    if code.co_name == "wait" and "waiter" in names:  # Condition: Event, Queue, Future and others
        # Threads that are not on the clock, such as a kernel's, get some time to answer.
        return bool(names["waiter"].locked()) and quiet >= THREAD_GRACE
    return False
