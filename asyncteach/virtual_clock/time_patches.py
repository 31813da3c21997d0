"""What replaces functions of `time` and methods of threads while time is virtual.

Each looks up the clock of the code that calls it, and does as the original for all other code.
"""

import asyncio
import functools
import inspect
import operator
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from asyncteach.replacements import Replacements
from asyncteach.virtual_clock import virtual_loop
from asyncteach.virtual_clock.clock import NS, VirtualClock, current_clock, running_clock

_lock = threading.RLock()  # a block may end in the garbage collector while another begins
_blocks: set[VirtualClock] = set()
_replaced = Replacements()
_virtual: dict[int, Callable[..., Any]] = {}  # by the identity of the function of `time`


def install(clock: VirtualClock, namespace: dict[str, Any]) -> None:
    """Make time virtual for one more clock, in that namespace and in `__main__` by name too."""
    with _lock:
        is_first = not _blocks
        _blocks.add(clock)
        if is_first:
            for owner, name, make in _REPLACED:
                original = getattr(owner, name)
                new = functools.wraps(original)(make(_replaced.take(owner, name)))
                _replaced.put(owner, name, new)
                if owner is time:
                    _virtual[id(original)] = new
        # `from time import sleep` has made names of its own.
        for names in (namespace, vars(sys.modules["__main__"])):
            for name, value in list(names.items()):
                if id(value) in _virtual:
                    _replaced.put_name(names, name, _virtual[id(value)])


def uninstall(clock: VirtualClock) -> None:
    """Put the originals back when no clock needs the replacements any more."""
    with _lock:
        _blocks.discard(clock)
        if not _blocks:
            _virtual.clear()
            _replaced.undo()


def _is_called_by_a_tool() -> bool:
    """Tell if a replacement was called by what waits for processes and pools in real time."""
    frame = inspect.currentframe()
    caller = frame and frame.f_back and frame.f_back.f_back
    module = str(caller.f_globals.get("__name__")) if caller else ""
    return module.startswith(("concurrent.futures", "multiprocessing", "subprocess"))


def _reading(start: str, unit: int) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Make a replacement for a clock of `time` that began at `start`, in units of nanoseconds."""

    def make(original: Callable[[], Any]) -> Callable[[], Any]:
        def read() -> Any:
            clock = running_clock()
            if clock is None or _is_called_by_a_tool():
                return original()
            now: int = getattr(clock, start) + clock.read()
            return now if unit == 1 else now / unit

        return read

    return make


def _sleeping(original: Callable[[float], None]) -> Callable[[float], None]:
    def sleep(seconds: float, /) -> None:
        clock = running_clock()
        length = seconds if isinstance(seconds, float) else operator.index(seconds)
        if clock is not None and length == 0:
            clock.read(weight=1000)  # it lets other threads go first, maybe to wait for them
        # What is no length of time is left to the original, which says what is wrong.
        if clock is None or not 0 < length < 2**63 / NS or _is_called_by_a_tool():
            original(seconds)
        else:
            clock.sleep(length)

    return sleep


def _starting(original: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    def start(self: Any) -> None:
        clock = running_clock()
        # The threads of a pool outlive its jobs: see _submitting.
        if clock is None or virtual_loop.is_worker(self):
            original(self)
            return
        run = self.run

        def run_on_clock() -> None:
            vars(self).pop("run", None)
            clock.join_thread()
            clock.release(self)
            token = current_clock.set(clock)
            try:
                run()
            finally:
                current_clock.reset(token)
                clock.leave_thread()

        clock.hold(self)
        self.run = run_on_clock
        try:
            original(self)
        except BaseException:
            del self.run
            clock.release(self)
            raise

    return start


class _Job:
    """A function that code on a virtual clock has handed to a thread pool."""

    def __init__(self, clock: VirtualClock, pool: ThreadPoolExecutor, function: Any) -> None:
        self.clock = clock
        self.pool = pool
        self.function = function
        self.has_begun = False
        self.is_watched = threading.Lock()
        self.is_watched.acquire()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with self.is_watched:  # or its end would come before `done` is there to count it
            self.has_begun = True
        self.clock.count_jobs(self.pool, queued=-1, started=1)
        token = current_clock.set(self.clock)
        try:
            return self.function(*args, **kwargs)
        finally:
            current_clock.reset(token)

    def done(self, future: "Future[Any]") -> None:
        if self.has_begun:
            virtual_loop.call_back_last(future, self.ended)
        else:
            self.clock.count_jobs(self.pool, queued=-1)

    def ended(self, future: "Future[Any]") -> None:
        self.clock.count_jobs(self.pool, started=-1)


def _submitting(original: Callable[..., "Future[Any]"]) -> Callable[..., "Future[Any]"]:
    def submit(self: Any, function: Any, /, *args: Any, **kwargs: Any) -> "Future[Any]":
        clock = running_clock()
        # A pool of interpreters (3.14+) pickles the function, so it can't be wrapped.
        if clock is None or type(self) is not ThreadPoolExecutor:
            return original(self, function, *args, **kwargs)
        job = _Job(clock, self, function)
        clock.count_jobs(self, queued=1)
        try:
            future = original(self, job, *args, **kwargs)
        except BaseException:
            clock.count_jobs(self, queued=-1)
            raise
        try:
            future.add_done_callback(job.done)
        finally:
            job.is_watched.release()
        return future

    return submit


def _running(original: Callable[[Any], None]) -> Callable[[Any], None]:
    def run_forever(self: Any) -> None:
        clock = running_clock()
        if clock is not None:
            virtual_loop.attach(clock, self)
        original(self)

    return run_forever


def _checking(original: Callable[..., Any]) -> Callable[..., Any]:
    def run(self: Any, coro: Any, **keywords: Any) -> Any:
        clock = running_clock()
        if clock is not None:
            try:
                virtual_loop.attach(clock, self.get_loop())
            except RuntimeError:
                coro.close()
                raise
        return original(self, coro, **keywords)

    return run


_REPLACED: list[tuple[Any, str, Callable[[Any], Any]]] = [
    (time, "sleep", _sleeping),
    (time, "time", _reading("time_start", NS)),
    (time, "time_ns", _reading("time_start", 1)),
    (time, "monotonic", _reading("monotonic_start", NS)),
    (time, "monotonic_ns", _reading("monotonic_start", 1)),
    (time, "perf_counter", _reading("perf_counter_start", NS)),
    (time, "perf_counter_ns", _reading("perf_counter_start", 1)),
    (threading.Thread, "start", _starting),
    (ThreadPoolExecutor, "submit", _submitting),
    (asyncio.BaseEventLoop, "run_forever", _running),
    (asyncio.Runner, "run", _checking),
]
