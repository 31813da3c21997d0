"""How time passes: real, or virtual inside a `virtual_time()` block."""

import asyncio
import contextlib
import sys
from contextvars import Token
from types import TracebackType
from typing import Any

from asyncteach.virtual_clock import loophook, standins
from asyncteach.virtual_clock.clock import VirtualClock, current_clock, running_clock, watchers


class virtual_time:
    """Let time jump instead of pass: forty minutes of sleep end at once, at exactly 40:00.

    Inside the block, for its code, the tasks and threads it starts and the loops it runs,
    `asyncio.sleep`, `asyncio.timeout`, `loop.call_later`, `time.sleep` (on the loop's thread it
    blocks the loop, as it should) and `asyncio.to_thread(time.sleep, ...)` follow one clock. It
    stands still while anybody has something to do and jumps to the next deadline when nobody has,
    so results are the same on every machine. `with virtual_time() as clock` gives that clock:
    `clock.seconds` are the virtual seconds since the block began.

    `time.time`, `time.monotonic`, `time.perf_counter`, their `_ns` forms and `loop.time` agree
    with it, under whatever names they have in the calling module and in `__main__`
    (`from time import sleep`). Not virtual, because they are out of reach: `datetime.now()`,
    `time.localtime()` and its kin without an argument, CPU clocks (`time.process_time`,
    `time.thread_time`), what other modules imported from `time` by name, the time limits of
    threads, processes and their tools (`queue.get(timeout=1)`, `subprocess.run(..., timeout=1)`),
    and the network: for a connection or a subprocess of asyncio there is a RuntimeWarning.

    Whatever else the loop does (the kernel, tasks of other cells) keeps real time; only the sleep
    of an older task that the block awaits is skipped too. Real work in threads and processes takes
    no virtual time. A thread that waits for another one doesn't hold the clock, nor does one that
    is stuck in one place, or work that nothing has come of, for ten real seconds (a RuntimeWarning
    tells). Busy waiting ends: a clock that is read a million times without a pause begins to move,
    and a loop that goes round 200,000 times without one jumps.

    When the block ends, by an error or an interrupt too, everything is as it was: tasks that still
    sleep have what is left of it in real time, threads that still sleep wake. A block inside
    another joins its clock. Raises RuntimeError for a loop that isn't asyncio's own, as uvloop's.

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
        loop = asyncio._get_running_loop()
        if outer:
            if loop is not None:
                loophook.attach(outer, loop)
            return outer
        clock = self._clock = VirtualClock()
        try:
            if loop is not None:
                loophook.attach(clock, loop)
            standins.install(clock, _names_of_caller())
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
        try:
            clock.close()
        finally:
            try:
                loophook.detach(clock)
            finally:
                try:
                    standins.uninstall(clock)
                finally:
                    if self._token:
                        # Left in another context, it stays there: a closed clock is no clock.
                        with contextlib.suppress(ValueError):
                            current_clock.reset(self._token)
                        self._token = None


def _names_of_caller() -> dict[str, Any]:
    """Return the global names of the code that has opened the block."""
    frame = sys._getframe(2)
    while frame.f_back and frame.f_globals.get("__name__") == "contextlib":  # an ExitStack
        frame = frame.f_back
    return frame.f_globals
