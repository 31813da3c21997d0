"""virtual_time(): time jumps instead of passing."""

import asyncio
import contextlib
import functools
import inspect
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from numbers import Real
from types import TracebackType
from typing import Any

from asyncteach.replacements import Replacements, start_thread
from asyncteach.virtual_clock import virtual_loop
from asyncteach.virtual_clock.clock import NS, VirtualClock, current_clock, running_clock, watchers

_open: VirtualClock | None = None
_replaced = Replacements()
_virtual: dict[int, Callable[..., Any]] = {}  # by the identity of the function of `time`


class virtual_time:
    """Make time jump instead of pass: forty minutes of sleep end at once, at exactly 40:00.

    Inside the block, for its code, the tasks and threads it starts and the loops it runs,
    `asyncio.sleep`, `asyncio.timeout`, `loop.call_later`, `time.sleep` (on the loop's thread it
    blocks the loop, as it should) and `asyncio.to_thread(time.sleep, ...)` follow one clock. It
    stands still while any of that code has something to do and jumps to the next deadline when
    all of it waits, so results are the same on every machine. `with virtual_time() as clock` gives
    that clock: `clock.seconds` is the number of virtual seconds since the block began.

    `time.time`, `time.monotonic`, `time.perf_counter`, their `_ns` forms and `loop.time` agree
    with it, under any name they have in the calling module and in `__main__`
    (`from time import sleep`). Some things are out of reach and stay real: `datetime.now()`,
    `time.localtime()` and similar functions without an argument, CPU clocks (`time.process_time`),
    names that other modules imported from `time`, the timeouts of threads and processes
    (`queue.get(timeout=1)`), the work of processes, and the network: asyncio's connections and
    subprocesses cause a RuntimeWarning.

    What existed before (the kernel, tasks, timers and an `asyncio.Runner` made earlier) keeps
    real time, even if the block awaits it. Real work in threads takes no virtual time. The clock
    doesn't stand still for a thread that waits for another one in `join()`, for a future, a queue
    or an event. It stands still for one that waits for a bare `threading.Lock`, and forever if the
    lock's holder sleeps: use real time there. A clock that is read a million times without a pause
    begins to move, so that busy waiting ends.

    When the block ends, also by an error or an interrupt, everything is as it was: tasks that still
    sleep do so for the time that is left, in real time; threads that still sleep wake up. A block
    inside another joins its clock. Raises RuntimeError for a loop that isn't asyncio's own, such as
    uvloop's, and for a block while another one is open elsewhere, in a task or a thread.

    >>> import time
    >>> with virtual_time() as clock:
    ...     time.sleep(40 * 60)
    ...     print(clock.seconds)
    2400.0
    """

    def __init__(self) -> None:
        self._clock: VirtualClock | None = None

    def __enter__(self) -> VirtualClock:
        global _open
        outer = running_clock()
        if outer:
            virtual_loop.attach(outer)
            return outer
        if _open is not None:
            raise RuntimeError(
                "another virtual_time() block is open, and only one can be open at a time: put one "
                "`with virtual_time():` around both, or begin the second block when the first has "
                "ended."
            )
        clock = self._clock = _open = VirtualClock(virtual_loop.is_waiting)
        self._token = current_clock.set(clock)
        try:
            virtual_loop.attach(clock)
            _install()
            frame = inspect.currentframe()
            replace_names(frame.f_back.f_globals if frame and frame.f_back else {})
            replace_names(vars(sys.modules["__main__"]))
            for watcher in tuple(watchers):
                watcher.clock_opened(clock)
        except BaseException:  # an interrupt may come at any line
            self.__exit__()
            raise
        return clock

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        global _open
        if self._clock is None:
            return
        clock, self._clock, _open = self._clock, None, None
        clock.close()  # from here on what is still replaced calls the original
        virtual_loop.detach()
        _virtual.clear()
        _replaced.undo()
        with contextlib.suppress(ValueError):  # left in another context
            current_clock.reset(self._token)


def replace_names(namespace: dict[str, Any]) -> None:
    """Make names from imports such as `from time import sleep` virtual, too."""
    for name, value in list(namespace.items()):
        if id(value) in _virtual:
            _replaced.put_name(namespace, name, _virtual[id(value)])


def _install() -> None:
    for owner, name, function in _REPLACED:
        original = getattr(owner, name)
        new = _replaced.put(owner, name, functools.partial(_on_clocks, function))
        if owner is time:
            _virtual[id(original)] = new


def _on_clocks(function: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a replacement: it calls `function` for code on a clock, else the original."""

    def replacement(*args: Any, **kwargs: Any) -> Any:
        clock = running_clock()
        if clock is None:
            return original(*args, **kwargs)
        return function(clock, original, *args, **kwargs)

    return replacement


def _read(name: str, unit: int, clock: VirtualClock, original: object) -> float:
    now: int = clock.starts[name] + clock.read()
    return now if unit == 1 else now / unit


def _sleep(clock: VirtualClock, original: Callable[..., None], *args: Any) -> None:
    if len(args) == 1 and isinstance(args[0], Real) and 0 < float(args[0]) < 2**63 / NS:
        clock.sleep(float(args[0]))
    else:
        original(*args)  # it raises the usual error for an invalid duration


def _hand_over(
    clock: VirtualClock, function: Callable[..., Any], pool: ThreadPoolExecutor | None = None
) -> Callable[..., Any]:
    """Return the function wrapped for another thread, which is on the clock during the call."""

    def work(*args: Any, **kwargs: Any) -> Any:
        clock.begin(work)
        token = current_clock.set(clock)
        try:
            return function(*args, **kwargs)
        finally:
            current_clock.reset(token)
            clock.end(pool)

    clock.hold(work, pool)
    return work


def _start(clock: VirtualClock, original: Callable[[Any], None], thread: Any) -> None:
    target = getattr(thread, "_target", None) or type(thread)
    # The threads of a pool outlive its jobs: see _submit.
    if target.__module__.startswith(("concurrent.", "multiprocessing.")):
        return original(thread)
    work = _hand_over(clock, thread.run)
    try:
        return start_thread(original, thread, work)
    except BaseException:
        clock.release(work)
        raise


def _submit(
    clock: VirtualClock, original: Any, pool: Any, function: Any, /, *args: Any, **kwargs: Any
) -> "Future[Any]":
    # A pool of interpreters (3.14+) pickles the function, so it can't be wrapped.
    if type(pool) is not ThreadPoolExecutor:
        return original(pool, function, *args, **kwargs)  # type: ignore[no-any-return]
    work = _hand_over(clock, function, pool)
    try:
        future: Future[Any] = original(pool, work, *args, **kwargs)
    except BaseException:
        clock.release(work)
        raise
    future.add_done_callback(lambda _: clock.release(work))  # cancelled before it began
    return future


def _run(clock: VirtualClock, original: Any, runner: Any, *args: Any, **kwargs: Any) -> Any:
    virtual_loop.attach(clock, runner.get_loop() if isinstance(runner, asyncio.Runner) else runner)
    return original(runner, *args, **kwargs)


_CLOCKS = ("time", "monotonic", "perf_counter")
_REPLACED: list[tuple[Any, str, Callable[..., Any]]] = [
    *((time, name, functools.partial(_read, name, NS)) for name in _CLOCKS),
    *((time, f"{name}_ns", functools.partial(_read, name, 1)) for name in _CLOCKS),
    (time, "sleep", _sleep),
    (threading.Thread, "start", _start),
    (ThreadPoolExecutor, "submit", _submit),
    (asyncio.BaseEventLoop, "run_forever", _run),
    (asyncio.Runner, "run", _run),  # loops of other kinds are refused here
]
