"""How time passes: real, or virtual inside a `virtual_time()` block."""

import asyncio
import contextlib
import sys
from contextvars import Token
from types import TracebackType

from asyncteach import loophook, standins
from asyncteach.virtual_clock import VirtualClock, current_clock, running_clock


class virtual_time:
    """Let time jump instead of pass: forty minutes of sleep end at once, at exactly 40:00.

    Inside the block, for its code, the tasks and threads it starts and the loops it runs,
    `asyncio.sleep`, `asyncio.timeout`, `loop.call_later`, `time.sleep` (on the loop's thread it
    blocks the loop, as it should) and `asyncio.to_thread(time.sleep, ...)` follow one clock. It
    stands still while anybody has something to do and jumps to the next deadline when nobody has,
    so results are the same on every machine. `with virtual_time() as clock` gives that clock:
    `clock.seconds` are the virtual seconds since the block began.

    `time.time`, `time.monotonic`, `time.perf_counter`, their `_ns` forms and `loop.time` agree
    with it, also under names that `from time import ...` made in the calling module and in
    `__main__`. Not virtual, because they are out of reach: `datetime.now()`, `time.localtime()`
    and its kin without an argument, CPU clocks (`time.process_time`, `time.thread_time`), what
    other modules imported from `time` by name, the time limits of thread primitives
    (`queue.get(timeout=1)`), other processes, and the network: for a connection or a subprocess
    there is a RuntimeWarning.

    Whatever else the loop does (the kernel, tasks of other cells) keeps real time; only the sleep
    of an older task that the block awaits is skipped too. Real work in a thread takes no virtual
    time. A thread that waits for another thread does not hold the clock, nor does one that is
    stuck in one place for ten real seconds (a RuntimeWarning names it). Busy waiting ends: after
    100,000 readings at one instant each further one moves the clock by a millisecond.

    When the block ends, by an error or an interrupt too, everything is as it was: tasks that still
    sleep have what is left of it in real time, threads that still sleep wake. A block inside
    another joins its clock. Raises RuntimeError on a loop that isn't asyncio's own, such as uvloop.

    >>> import time
    >>> with virtual_time() as clock:
    ...     time.sleep(40 * 60)
    ...     print(clock.seconds)
    2400.0
    """

    def __init__(self) -> None:
        self._open: tuple[VirtualClock, Token[VirtualClock | None]] | None = None

    def __enter__(self) -> VirtualClock:
        if self._open:
            raise RuntimeError("this block is open already: write `with virtual_time():` anew.")
        outer = running_clock()
        clock = outer or VirtualClock()
        loop = asyncio._get_running_loop()
        if loop is not None:
            loophook.attach(clock, loop)
        if outer is None:
            standins.install(sys._getframe(1).f_globals)
            self._open = clock, current_clock.set(clock)
        return clock

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._open is None:
            return
        (clock, token), self._open = self._open, None
        clock.close()
        loophook.detach(clock)
        standins.uninstall()
        with contextlib.suppress(ValueError):  # left in another context: a closed clock is no clock
            current_clock.reset(token)
