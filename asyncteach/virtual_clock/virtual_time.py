"""virtual_time(): time jumps instead of passing."""

import contextlib
import inspect
from contextvars import Token
from types import TracebackType
from typing import Any

from asyncteach.virtual_clock import time_patches, virtual_loop
from asyncteach.virtual_clock.clock import VirtualClock, current_clock, running_clock, watchers


class virtual_time:
    """Let time jump instead of pass: forty minutes of sleep end at once, at exactly 40:00.

    Inside the block, for its code, the tasks and threads it starts and the loops it runs,
    `asyncio.sleep`, `asyncio.timeout`, `loop.call_later`, `time.sleep` (on the loop's thread it
    blocks the loop, as it should) and `asyncio.to_thread(time.sleep, ...)` follow one clock. It
    stands still while any of that code has something to do and jumps to the next deadline when
    all of it waits, so results are the same on every machine. `with virtual_time() as clock` gives
    that clock: `clock.seconds` are the virtual seconds since the block began.

    `time.time`, `time.monotonic`, `time.perf_counter`, their `_ns` forms and `loop.time` agree
    with it, under whatever names they have in the calling module and in `__main__`
    (`from time import sleep`). Not virtual, because they are out of reach: `datetime.now()`,
    `time.localtime()` and its kin without an argument, CPU clocks (`time.process_time`,
    `time.thread_time`), what other modules imported from `time` by name, the time limits of
    threads, processes and their tools (`queue.get(timeout=1)`, `subprocess.run(..., timeout=1)`),
    and the network: for a connection or a subprocess of asyncio there is a RuntimeWarning.

    What was there before (the kernel, tasks, timers and an `asyncio.Runner` made earlier) keeps
    real time, also if the block awaits it. Real work takes no virtual time: in threads, and in
    processes that `loop.run_in_executor` uses. The clock doesn't stand still for a thread that
    waits for another one in `join()`, for a future, a queue or an event, but it does for one that
    waits for a bare `threading.Lock` or in `multiprocessing.pool`: after ten real seconds a
    RuntimeWarning names the line. Busy waiting ends: a clock that is read a million times without a
    pause begins to move, and a loop that goes round 200,000 times without one jumps.

    When the block ends, by an error or an interrupt too, everything is as it was: tasks that still
    sleep have what is left of it in real time, threads that still sleep wake. A block inside
    another joins its clock. Raises RuntimeError for a loop that isn't asyncio's own, as uvloop's,
    and for a block in one task while a block in another task of the same loop is open.

    >>> import time
    >>> with virtual_time() as clock:
    ...     time.sleep(40 * 60)
    ...     print(clock.seconds)
    2400.0
    """

    def __init__(self) -> None:
        self._clock: VirtualClock | None = None
        self._token: Token[VirtualClock | None] | None = None

    def __enter__(self) -> VirtualClock:
        if self._clock:
            raise RuntimeError("this block is open already: write `with virtual_time():` anew.")
        outer = running_clock()
        if outer:
            virtual_loop.attach(outer)
            return outer
        clock = self._clock = VirtualClock(virtual_loop.find_waiting)
        try:
            virtual_loop.attach(clock)
            time_patches.install(clock, _names_of_caller())
            self._token = current_clock.set(clock)
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
        if self._clock is None:
            return
        clock, self._clock = self._clock, None
        with contextlib.ExitStack() as stack:  # an interrupt in one of them lets the others run
            if self._token:
                # Left in another context, it stays there: a closed clock is no clock.
                stack.enter_context(contextlib.suppress(ValueError))
                stack.callback(current_clock.reset, self._token)
            stack.callback(time_patches.uninstall, clock)
            stack.callback(virtual_loop.detach, clock)
            clock.close()
        self._token = None


def _names_of_caller() -> dict[str, Any]:
    """Return the global names of the code that has opened the block."""
    frame = inspect.currentframe()
    frame = frame and frame.f_back and frame.f_back.f_back
    while frame and frame.f_back and frame.f_globals.get("__name__") == "contextlib":
        frame = frame.f_back  # opened by an ExitStack
    return frame.f_globals if frame else {}
