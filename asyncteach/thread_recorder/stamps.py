"""The stamps of a watched thread: it reads the clock at every line and every call into C."""

import dis
import inspect
import sys
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import CodeType, FrameType, ModuleType
from typing import Any, NamedTuple

THRESHOLD = 50_000
"""More nanoseconds than this without a stamp are a gap: far fewer than a slice has, far more than
there are between two stamps. A thread that runs only for a moment has the GIL for little longer."""
UNKNOWN = -1
ENTRY = "entering a with block"
"""The call of `__enter__`: up to Python 3.13 there is no event for that call into C."""

_CLOSED = -1
# Modules whose functions never wait: a thread that is late to return from one lacked the GIL.
_QUICK = {"builtins", "math", "cmath", "itertools", "operator", "_operator", "_functools"}
_SLOW = {"input", "print", "open", "exec", "eval", "__import__", "breakpoint"}


class Gap(NamedTuple):
    """An interval without a stamp, in nanoseconds."""

    since: int
    until: int
    busy: int
    """Processor time that the thread used in it."""
    call: str
    """The call into C that the thread was in, if that may wait: `lock.acquire()`."""
    due: int
    """When the call of `time.sleep` was due to end; -1 for another call."""


class ThreadLog:
    """What is recorded of one thread: its name, its times and its gaps."""

    def __init__(self, name: str, function: str, parent: "ThreadLog | None", spawned: int) -> None:
        self.name, self.function, self.parent, self.spawned = name, function, parent, spawned
        self.began = self.ended = UNKNOWN
        self.outcome = "still running"
        self.gaps: list[Gap] = []
        self.dropped = self.stamps = 0
        self.cut = UNKNOWN
        """When the first gap that could not be kept began."""
        self.due = UNKNOWN
        """When the sleep that the thread is in is due to end."""


class Stamper(NamedTuple):
    """Puts the stamps of one thread into its log, from `begin` to `end`."""

    begin: Callable[[FrameType | None], None]
    """Start, in the thread itself: for the rest of that frame and all that it calls from now on."""
    end: Callable[[], None]
    """Stop, in the thread itself."""
    close: Callable[[], None]
    """Stop, from any thread: it takes effect at the next stamp."""


def make_stamper(
    log: ThreadLog, room: Iterator[int], give_up: Callable[[Exception], None]
) -> Stamper:
    """Return a stamper for a thread; longer than THRESHOLD without a stamp is a gap.

    `room` yields once for each gap that can still be kept. The functions are closures with as few
    calls as possible, because they run at every line.
    """
    clock, busy_clock = time.perf_counter_ns, time.thread_time_ns
    # last: the last stamp; mark, busy: the end of the last gap, and the processor time by then
    last = mark = busy = stamps = 0
    limit = THRESHOLD
    called: Any = None  # the function in C that the thread is in

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal last, stamps
        now = clock()
        if now - last > limit and (now := look(frame, now)) == _CLOSED:
            return None
        last = now
        stamps += 1
        return trace

    def profile(frame: FrameType, event: str, arg: Any) -> None:
        nonlocal last, stamps, called
        now = clock()
        if now - last > limit and (now := look(frame, now)) == _CLOSED:
            return
        last = now
        stamps += 1
        called = arg if event == "c_call" else None

    def look(frame: FrameType | None, now: int) -> int:
        """Note a gap and return the time after it; return `_CLOSED` if the recording has ended."""
        nonlocal mark, busy
        if limit == _CLOSED:
            _stop_tracing(frame, trace, profile)
            return _CLOSED
        try:
            used = busy_clock()
            # The time before the gap was spent running.
            part = min(max(used - busy - (last - mark), 0), now - last)
            if next(room, None) is not None:
                log.gaps.append(Gap(last, now, part, _find_call(log, called, frame), log.due))
            else:
                log.dropped += 1
                log.cut = last if log.cut == UNKNOWN else log.cut
            mark, busy = now, used
        except Exception as error:
            give_up(error)
        # This took time, too; if it took very long, another thread had the GIL meanwhile.
        after = clock()
        return after if after - now < 4 * THRESHOLD else now

    def begin(frame: FrameType | None) -> None:
        nonlocal last, mark, busy
        busy = busy_clock()
        log.began = last = mark = clock()
        _start_tracing(frame, trace, profile)

    def end() -> None:
        nonlocal last
        _stop_tracing(inspect.currentframe(), trace, profile)
        if limit != _CLOSED:
            now = clock()
            if now - last > limit:
                look(None, now)
            last = now
            close()

    def close() -> None:
        nonlocal limit
        if limit != _CLOSED:
            limit = _CLOSED
            log.ended, log.stamps = last, stamps

    return Stamper(begin, end, close)


def _start_tracing(frame: FrameType | None, trace: Any, profile: Any) -> None:
    # A frame that is already on the stack reports its lines only if it has a trace function.
    while frame is not None:
        if frame.f_trace is None:
            frame.f_trace = trace
        frame = frame.f_back
    sys.setprofile(profile)
    sys.settrace(trace)


def _stop_tracing(frame: FrameType | None, trace: Any, profile: Any) -> None:
    """Remove both functions from this thread, from that frame and from its callers."""
    # In this order, so that the calls here get no stamp.
    if sys.gettrace() is trace:
        sys.settrace(None)
    if sys.getprofile() is profile:
        sys.setprofile(None)
    while frame is not None:
        if frame.f_trace is trace:
            frame.f_trace = None
        frame = frame.f_back


def _find_call(log: ThreadLog, called: Any, frame: FrameType | None) -> str:
    """Return the name of the call that a thread waited in during a gap, or an empty string."""
    if log.due != UNKNOWN:
        return "time.sleep()"
    if called is None:
        return ENTRY if frame and frame.f_lasti in _first_lines(frame.f_code) else ""
    if not may_wait(called):
        return ""
    owner = getattr(called, "__self__", None)
    of = owner.__name__.lstrip("_") if isinstance(owner, ModuleType) else type(owner).__name__
    return f"{of}.{getattr(called, '__name__', 'call')}()"


def may_wait(function: Any) -> bool:
    """Return whether a function in C may wait for something: `len` and `list.append` never do.

    >>> import threading, time
    >>> [may_wait(one) for one in (len, [].append, print, time.sleep, threading.Lock().acquire)]
    [False, False, True, True, True]
    """
    owner = getattr(function, "__self__", None)
    if isinstance(owner, ModuleType):
        return owner.__name__ not in _QUICK or function.__name__ in _SLOW
    return type(owner).__module__ != "builtins"


@lru_cache(maxsize=256)
def _first_lines(code: CodeType) -> set[int]:
    """Return the offset of the first line in each `with` block: a thread there has just entered."""
    found = list(dis.get_instructions(code))
    entries = zip(found, found[2:], strict=False)
    return {line.offset for entry, line in entries if entry.opname == "BEFORE_WITH"}
