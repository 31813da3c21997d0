"""How an event loop, the running kernel's too, follows a virtual clock.

All that the clock knows of the insides of asyncio and of threads is in this file.
"""

import asyncio
import heapq
import itertools
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import thread as pool_module
from types import FrameType
from typing import Any

from asyncteach.replacements import Replacements
from asyncteach.virtual_clock.clock import (
    FIRST_PAUSE,
    LAST_PAUSE,
    NS,
    Rest,
    VirtualClock,
    current_clock,
    due_on,
    real_monotonic,
    running_clock,
)

SOCKET_GRACE = 0.02
"""Real seconds that a connection gets to answer before the clock jumps."""

PATIENT_ROUNDS = 200_000
"""Rounds of a loop without a pause before the clock jumps all the same."""

THREAD_GRACE = 0.02
"""Real seconds that a lock gets to be released by a thread that isn't on the clock."""

PATIENCE = 10.0
"""Real seconds that the clock waits for a busy thread before it warns."""

_NEVER = 1e12
"""A virtual `loop.time()` that is never reached: 30,000 years."""

_lock = threading.RLock()
_hooks: "dict[asyncio.AbstractEventLoop, LoopOnClock]" = {}


def attach(clock: VirtualClock, loop: asyncio.AbstractEventLoop | None = None) -> None:
    """Make the loop, by default the one that runs here, follow the clock.

    Raises RuntimeError for a loop that can't, and for one that follows another clock.
    """
    loop = loop or asyncio._get_running_loop()
    if loop is None:
        return
    with _lock:
        check_loop(loop)
        for other in [other for other in _hooks if other.is_closed()]:
            _hooks.pop(other).replaced.undo()
        if loop not in _hooks:
            _hooks[loop] = LoopOnClock(loop, clock)
        elif _hooks[loop].clock is not clock:
            raise RuntimeError(
                "another virtual_time() block is open on this event loop, and a loop follows one "
                "virtual clock at a time: put one `with virtual_time():` around both, or begin "
                "the second block when the first has ended."
            )


def detach(clock: VirtualClock) -> None:
    """Take the clock from every loop that follows it: their timers go on in real time."""
    with _lock:
        for loop, hook in list(_hooks.items()):
            if hook.clock is clock:
                del _hooks[loop]
                hook.remove()


def check_loop(loop: object) -> None:
    """Raise RuntimeError, in one sentence, for a loop that can't follow a virtual clock."""
    name = f"{type(loop).__module__}.{type(loop).__qualname__}"
    parts = ("_ready", "_scheduled", "_selector", "_run_once")
    if not isinstance(loop, asyncio.BaseEventLoop) or not all(hasattr(loop, p) for p in parts):
        raise RuntimeError(
            f"virtual_time() can't carry the event loop {name}: run your code on asyncio's own "
            "loop, as asyncio.run(main()) does when no other loop is installed."
        )
    if "time" in vars(loop) or type(loop).time is not asyncio.BaseEventLoop.time:
        raise RuntimeError(
            f"virtual_time() can't carry the event loop {name}: something else already replaces "
            "its clock, so leave out one of the two."
        )


class LoopOnClock:
    """The attributes put on one loop, not on its class, while it follows a virtual clock.

    Only code that lives on the clock is served by it: its `call_at` goes to the clock's timers,
    everything else on the loop (the kernel, the tasks of other cells) keeps real time.
    """

    def __init__(self, loop: Any, clock: VirtualClock) -> None:
        self.loop = loop  # any loop with the parts that check_loop asks for
        self.clock = clock
        self.replaced = Replacements()
        # By due time, in nanoseconds of the clock; those of one time in order of their making.
        self._timers: list[tuple[int, int, asyncio.TimerHandle]] = []
        self._numbers = itertools.count()
        self._rounds = 0
        self._has_sockets = False
        self._install(loop._selector, "select", self._select)
        self._install(loop, "call_at", self._call_at)
        self._install(loop, "_run_once", self._run_once)
        self._install(loop, "run_in_executor", self._run_in_executor)
        for name in ("_add_reader", "_add_writer"):
            if hasattr(loop, name):
                self._install(loop, name, self._watch_file)

    def _install(self, owner: Any, name: str, method: Callable[..., Any]) -> None:
        original = self.replaced.take(owner, name)

        def replacement(*args: Any, **kwargs: Any) -> Any:
            # Something that has wrapped this in the meantime may still call it.
            ours = not self.clock.closed
            return method(original, *args, **kwargs) if ours else original(*args, **kwargs)

        self.replaced.put(owner, name, replacement)

    def remove(self) -> None:
        """Follow the clock no longer: what is left of its timers is real time from now on."""
        self.replaced.undo()
        left = [(due, timer) for due, _, timer in sorted(self._timers) if not timer.cancelled()]
        if not left or self.loop.is_closed():
            return
        if self.loop.is_running() and asyncio._get_running_loop() is not self.loop:
            self.loop.call_soon_threadsafe(self._make_real, left)
        else:
            self._make_real(left)

    def _make_real(self, timers: list[tuple[int, Any]]) -> None:
        """Hand timers to the loop, each due when its seconds that were left are over."""
        for due, timer in timers:
            timer._when = real_monotonic() + max(0, due - self.clock.now) / NS
            timer._scheduled = True
            heapq.heappush(self.loop._scheduled, timer)

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
        # The loop's own call_at makes and checks the timer; it is filed with ours.
        scheduled, self.loop._scheduled = self.loop._scheduled, []
        try:
            timer = original(when, *args, **kwargs)
        finally:
            self.loop._scheduled = scheduled
        timer._scheduled = False  # the loop counts its own that are cancelled
        self.clock.reads = 0
        heapq.heappush(self._timers, (due_on(self.clock, when), next(self._numbers), timer))
        return timer

    def _next_due(self) -> int | None:
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def _take_due(self) -> None:
        while (due := self._next_due()) is not None and due <= self.clock.now:
            self.loop._ready.append(heapq.heappop(self._timers)[2])

    def _select(
        self, original: Callable[..., list[Any]], timeout: float | None = None
    ) -> list[Any]:
        self._take_due()
        if timeout == 0 or self.loop._ready:
            self._rounds += 1
            if self._rounds > PATIENT_ROUNDS:  # it waits busily
                self._rounds = 0
                self.clock.begin_rest(self._next_due(), lambda: None)
                self.clock.end_rest()
            return original(0)
        events = original(SOCKET_GRACE if self._has_sockets else 0)
        if events:
            return events
        self._rounds = 0
        thread = threading.get_ident()

        def wake() -> None:
            if threading.get_ident() != thread:
                self.loop.call_soon_threadsafe(lambda: None)

        try:
            rest = self.clock.begin_rest(self._next_due(), wake, lambda: bool(self.loop._ready))
            return self._wait(original, timeout, rest)
        finally:
            self.clock.end_rest()
            self._take_due()

    def _wait(
        self, original: Callable[..., list[Any]], timeout: float | None, rest: Rest
    ) -> list[Any]:
        """Wait, in real time, for an event, the timeout, or a jump that some thread makes."""
        end = None if timeout is None else real_monotonic() + timeout
        pause = FIRST_PAUSE
        # A signal handler makes work ready without an event: an interrupt of a notebook's cell.
        while not self.loop._ready and not rest.over:
            left = pause if end is None else min(pause, end - real_monotonic())
            events = original(max(0, left))
            if events or left <= 0:
                return events
            self.clock.jump_if_idle()
            pause = min(2 * pause, LAST_PAUSE)
        return []

    def _run_in_executor(
        self, original: Callable[..., Any], executor: Any, function: Any, *args: Any
    ) -> Any:
        future = original(executor, function, *args)
        if running_clock() is self.clock and type(executor) not in (type(None), ThreadPoolExecutor):
            # Processes have clocks of their own: what they do takes no virtual time.
            self.clock.hold(future)
            future.add_done_callback(self.clock.release)
        return future

    def _watch_file(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if running_clock() is self.clock and not self._has_sockets:
            self._has_sockets = True
            warnings.warn(
                "virtual time can't foresee when a real connection or subprocess answers: "
                "the clock may jump past it, so use real time for network code.",
                RuntimeWarning,
                stacklevel=2,
            )
        return original(*args, **kwargs)


# Threads


def is_worker(thread: threading.Thread) -> bool:
    """Tell if a thread is one that a thread pool has for its jobs."""
    return getattr(thread, "_target", None) is getattr(pool_module, "_worker", 0)


def call_back_last(future: "Future[Any]", callback: Callable[["Future[Any]"], object]) -> None:
    """Call it after the other callbacks of a future that is calling them right now.

    asyncio's is among them: the loop has to know of a result before the clock may jump.
    """
    future._done_callbacks.append(callback)  # type: ignore[attr-defined]


def find_waiting(busy: set[int], resting: set[int], quiet: float) -> set[int]:
    """Return those of the busy threads that wait for another thread, or are gone.

    Warns once in a while that the clock has stood still for a busy thread.
    """
    frames = sys._current_frames()
    waiting = {n for n in busy if n not in frames or _waits(frames[n], busy | resting, quiet)}
    if quiet > PATIENCE and (at_work := busy - waiting):
        ident = min(at_work)
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        code = frames[ident].f_code
        warnings.warn(
            f"virtual time stands still: the thread {names.get(ident, ident)!r} has been busy for "
            f"{PATIENCE:g} real seconds, at line {frames[ident].f_lineno} of {code.co_name}(). If "
            "it waits for a threading.Lock, let its holder release it before it sleeps.",
            RuntimeWarning,
            stacklevel=2,
        )
    return waiting


def _waits(frame: FrameType, on_the_clock: set[int], quiet: float) -> bool:
    """Tell if the thread waits for a lock of `threading` that has not been released yet."""
    code, names = frame.f_code, frame.f_locals
    if not code.co_filename.endswith("threading.py"):
        return False
    if code.co_name == "wait" and "waiter" in names:  # Condition: Event, Queue, Future and others
        # Threads that are not on the clock, such as a kernel's, get a while to answer.
        return bool(names["waiter"].locked()) and quiet >= THREAD_GRACE
    if code.co_name == "_wait_for_tstate_lock":  # Thread.join() up to Python 3.12
        lock = names.get("lock")  # not there yet in the frame's first moment
        is_alive = lock is not None and lock.locked()
    elif code.co_name == "join":
        is_alive = names["self"].is_alive()
    else:
        return False
    # What a thread does that is not on the clock is real work, and so is waiting for it.
    return bool(is_alive) and names["self"].ident in on_the_clock
