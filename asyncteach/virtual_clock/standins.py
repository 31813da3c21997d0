"""What stands in for functions of `time` and methods of threads while time is virtual.

Each looks up the clock of the code that calls it, and does as the original for all other code.
"""

import asyncio
import functools
import operator
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import thread as pool_module
from typing import Any

from asyncteach.replacements import Replacements, hide_frame
from asyncteach.virtual_clock import loophook
from asyncteach.virtual_clock.clock import NS, VirtualClock, current_clock, running_clock

_lock = threading.RLock()  # a block may end in the garbage collector while another begins
_blocks: set[object] = set()
_replaced = Replacements()
_stand_in_of: dict[int, Callable[..., Any]] = {}


def install(block: object, namespace: dict[str, Any]) -> None:
    """Put the stand-ins in place for one more block, in that namespace and in `__main__` too."""
    with _lock:
        is_first = not _blocks
        _blocks.add(block)
        if is_first:
            for owner, name, make in _REPLACED:
                original = getattr(owner, name)
                stand_in = functools.wraps(original)(make(_replaced.take(owner, name)))
                _replaced.put(owner, name, stand_in)
                if owner is time:
                    _stand_in_of[id(original)] = stand_in
        # `from time import sleep` has made names of its own.
        for names in (namespace, vars(sys.modules["__main__"])):
            for name, value in list(names.items()):
                if id(value) in _stand_in_of:
                    _replaced.put_name(names, name, _stand_in_of[id(value)])


def uninstall(block: object) -> None:
    """Put the originals back when no block needs the stand-ins any more."""
    with _lock:
        _blocks.discard(block)
        if not _blocks:
            _stand_in_of.clear()
            _replaced.undo()


# These wait for processes and threads by the clock, so theirs stays real; two of them call the
# functions of others, time.sleep among them.
_WAITERS = ("concurrent.futures", "multiprocessing", "subprocess")
_CALLERS = ("concurrent.futures.thread", "multiprocessing.pool")


def _caller() -> str:
    """Return the name of the module that has called the stand-in."""
    return str(sys._getframe(2).f_globals.get("__name__"))


def _waits_by_the_clock(module: str) -> bool:
    return module.startswith(_WAITERS) and module not in _CALLERS


def _reading(start: str, unit: int) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Make stand-ins for a clock of `time` that began at `start`, in nanoseconds or seconds."""

    def make(original: Callable[[], Any]) -> Callable[[], Any]:
        def read() -> Any:
            clock = running_clock()
            if clock is None or _waits_by_the_clock(caller := _caller()):
                return original()
            now: int = getattr(clock, start) + clock.read(counts=caller != "logging")
            return now if unit == 1 else now / unit

        return read

    return make


def _sleeping(original: Callable[[float], None]) -> Callable[[float], None]:
    def sleep(seconds: float, /) -> None:
        clock = running_clock()
        length = seconds if isinstance(seconds, float) else operator.index(seconds)
        # For what is no length of time the original says what is wrong.
        if clock is not None and length == 0:
            clock.forgo()
        if clock is None or not 0 < length < 2**63 / NS or _waits_by_the_clock(_caller()):
            original(seconds)
        else:
            clock.sleep(length)

    return sleep


def _starting(original: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    def start(self: Any) -> None:
        clock = running_clock()
        # The threads of a pool outlive its jobs: see _submitting.
        if clock is None or getattr(self, "_target", None) is getattr(pool_module, "_worker", 0):
            original(self)
            return
        run = self.run

        def run_on_clock() -> None:
            vars(self).pop("run", None)
            clock.join_thread(self)
            clock.release(self)
            token = current_clock.set(clock)
            try:
                run()
            except BaseException as error:
                hide_frame(error)
                raise
            finally:
                current_clock.reset(token)
                clock.leave_thread(threading.get_ident(), self)

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
    """A function handed to a thread pool by code on a virtual clock."""

    def __init__(self, clock: VirtualClock, pool: ThreadPoolExecutor, function: Any) -> None:
        self.clock = clock
        self.pool = pool
        self.function = function
        self.thread: int | None = None
        self.put_off = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.thread = threading.get_ident()
        self.clock.job_started(self.pool, self)
        token = current_clock.set(self.clock)
        try:
            return self.function(*args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            raise
        finally:
            current_clock.reset(token)

    def done(self, future: "Future[Any]") -> None:
        if self.thread == threading.get_ident() and not self.put_off:
            # The other callbacks come first, asyncio's among them: the loop has to know of the
            # result before the clock may jump.
            self.put_off = True
            future._done_callbacks.append(self.done)  # type: ignore[attr-defined]
        else:
            self.clock.job_ended(self.pool, self, self.thread)


def _submitting(original: Callable[..., "Future[Any]"]) -> Callable[..., "Future[Any]"]:
    def submit(self: Any, function: Any, /, *args: Any, **kwargs: Any) -> "Future[Any]":
        clock = running_clock()
        if clock is None:
            return original(self, function, *args, **kwargs)
        if type(self).__name__ == "InterpreterPoolExecutor":  # 3.14+: it pickles the function
            future = original(self, function, *args, **kwargs)
            clock.hold_until_done(future)
            return future
        job = _Job(clock, self, function)
        clock.job_queued(self, self._max_workers)
        try:
            future = original(self, job, *args, **kwargs)
        except BaseException:
            clock.job_ended(self, job, None)
            raise
        future.add_done_callback(job.done)
        return future

    return submit


def _running(original: Callable[[Any], None]) -> Callable[[Any], None]:
    def run_forever(self: Any) -> None:
        clock = running_clock()
        if clock is not None:
            loophook.attach(clock, self)
        original(self)

    return run_forever


def _checking(original: Callable[..., Any]) -> Callable[..., Any]:
    def run(self: Any, coro: Any, **keywords: Any) -> Any:
        if running_clock() is not None:
            try:
                loophook.check_loop(self.get_loop())
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
