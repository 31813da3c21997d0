"""The stamps of a watched thread: it looks at the clock at every line and every call into C."""

import dis
import inspect
import sys
import time
from array import array
from collections.abc import Callable
from functools import lru_cache
from itertools import count, pairwise
from types import CodeType, FrameType, ModuleType
from typing import Any, NamedTuple

from asyncteach.places import is_users

try:
    import resource
except ImportError:  # Windows has none
    resource = None  # type: ignore[assignment]

COLUMNS = 7
"""Numbers a gap: since, until, busy, rests, due, call, line."""
UNKNOWN = -1
NO_CALL = -1
ENTRY = -2
"""The call of a `with` block: up to Python 3.13 there is no event for that call into C."""
SLEEP = 0
"""The call of `time.sleep`, whose replacement notes when it is due."""

_CLOSED = -1
_THREAD = getattr(resource, "RUSAGE_THREAD", None)
# Modules whose functions never wait: a thread that is late out of one had to wait for the GIL.
_QUICK = {"builtins", "math", "cmath", "itertools", "operator", "_operator", "_functools"}
_SLOW = {"input", "print", "open", "exec", "eval", "__import__", "breakpoint"}


class ThreadLog:
    """One thread: its name, and its gaps as flat numbers, times in nanoseconds."""

    def __init__(self, name: str, function: str, parent: "ThreadLog | None", spawned: int) -> None:
        self.name, self.function, self.parent, self.spawned = name, function, parent, spawned
        self.began = self.ended = UNKNOWN
        self.outcome = "still running"
        self.gaps = array("q")
        self.stamps = 0
        self.cut = UNKNOWN
        """When its first gap began that could not be kept."""
        self.due = UNKNOWN
        """When the sleep ends that it is in."""


class GapStore:
    """What the logs of all threads share: how many gaps are kept, and numbers for names."""

    def __init__(self, most: int) -> None:
        self.dropped = 0
        self.calls = {"time.sleep": SLEEP}
        self.lines: dict[tuple[CodeType, int], int] = {}
        self._numbers = count(1)
        self._left = iter(range(most))

    def keep(self, log: ThreadLog, gap: tuple[int, ...]) -> None:
        """Add a gap to a log, if there is room for it."""
        if next(self._left, None) is None:
            self.dropped += 1
            log.cut = gap[0] if log.cut == UNKNOWN else log.cut
        else:
            log.gaps.extend(gap)  # at once, since an interrupt may come between two

    def find_call(
        self, log: ThreadLog, called: Any, frame: FrameType | None, event: str
    ) -> tuple[int, int]:
        """Return the numbers of the call that a thread was in during a gap, and of its line."""
        call = NO_CALL
        if log.due != UNKNOWN:
            call = SLEEP
        elif called is not None:
            if may_wait(called):
                call = self.calls.setdefault(_name_call(called), next(self._numbers))
        elif _has_entered(frame.f_back if frame and event == "call" else frame):
            call = ENTRY
        while call != NO_CALL and frame is not None:  # to the innermost of the user's lines
            if is_users(frame.f_code.co_filename):
                line = frame.f_code, frame.f_lineno or frame.f_code.co_firstlineno
                return call, self.lines.setdefault(line, next(self._numbers))
            frame = frame.f_back
        return call, UNKNOWN


class Stamper(NamedTuple):
    """Puts the stamps of one thread into its log, from `begin` to `end`."""

    begin: Callable[[FrameType | None], None]
    """Start to stamp, in the thread itself: what it calls from now on, and that frame's rest."""
    end: Callable[[], None]
    """Stop, in the thread itself."""
    close: Callable[[], None]
    """Stop, from any thread: it takes effect at the next stamp."""


def make_stamper(
    log: ThreadLog, store: GapStore, threshold: int, give_up: Callable[[Exception], None]
) -> Stamper:
    """Return what stamps a thread; whatever takes longer than the threshold (ns) is a gap.

    Closures, with as few calls as possible: they run at every line.
    """
    clock, busy_clock = time.perf_counter_ns, time.thread_time_ns
    # last: the last stamp; mark, busy and rests: the end of the last gap, and what was used then
    last = mark = busy = stamps = 0
    rests, limit, patience = UNKNOWN, threshold, 4 * threshold
    called: Any = None  # the function in C that the thread is in

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal last, stamps
        now = clock()
        if now - last > limit and (now := look(frame, now, event)) == _CLOSED:
            return None
        last = now
        stamps += 1
        return trace

    def profile(frame: FrameType, event: str, arg: Any) -> None:
        nonlocal last, stamps, called
        now = clock()
        if now - last > limit and (now := look(frame, now, event)) == _CLOSED:
            return
        last = now
        stamps += 1
        called = arg if event == "c_call" else None

    def look(frame: FrameType | None, now: int, event: str) -> int:
        """Note a gap and return the time after that; `_CLOSED`: there is nothing to stamp."""
        nonlocal mark, busy, rests
        if limit == _CLOSED:
            _stop_tracing(frame, trace, profile)
            return _CLOSED
        try:
            used, left = busy_clock(), count_rests()
            # The time before the gap was spent running.
            part = min(max(used - busy - (last - mark), 0), now - last)
            rested = left - rests if left != UNKNOWN else UNKNOWN
            call, line = store.find_call(log, called, frame, event)
            store.keep(log, (last, now, part, rested, log.due, call, line))
            mark, busy, rests = now, used, left
        except Exception as error:
            give_up(error)
        # That has taken its time, too; if very long, another thread had the GIL meanwhile.
        after = clock()
        return after if after - now < patience else now

    def begin(frame: FrameType | None) -> None:
        nonlocal last, mark, busy, rests
        busy, rests = busy_clock(), count_rests()
        # What is on the stack already gets lines only if each frame is asked to.
        while frame is not None:
            if frame.f_trace is None:
                frame.f_trace = trace
            frame = frame.f_back
        log.began = last = mark = clock()
        sys.setprofile(profile)
        sys.settrace(trace)

    def end() -> None:
        nonlocal last
        _stop_tracing(inspect.currentframe(), trace, profile)
        if limit != _CLOSED:
            now = clock()
            if now - last > limit:
                look(None, now, "end")
            last = now
            close()

    def close() -> None:
        nonlocal limit
        if limit != _CLOSED:
            limit = _CLOSED
            log.ended, log.stamps = last, stamps

    return Stamper(begin, end, close)


def _stop_tracing(frame: FrameType | None, trace: Any, profile: Any) -> None:
    """Take both functions away from this thread, in that frame and those that called it."""
    # In this order: what the functions here do is not to be stamped.
    if sys.gettrace() is trace:
        sys.settrace(None)
    if sys.getprofile() is profile:
        sys.setprofile(None)
    while frame is not None:
        if frame.f_trace is trace:
            frame.f_trace = None
        frame = frame.f_back


def count_rests() -> int:
    """Return how often this thread has left the processor by itself; -1 where that is unknown."""
    return resource.getrusage(_THREAD).ru_nvcsw if _THREAD is not None else UNKNOWN


def may_wait(function: Any) -> bool:
    """Tell if a function in C may wait for something: `len` and `list.append` never do.

    >>> import threading, time
    >>> [may_wait(one) for one in (len, [].append, print, time.sleep, threading.Lock().acquire)]
    [False, False, True, True, True]
    """
    owner = getattr(function, "__self__", None)
    if isinstance(owner, ModuleType):
        return owner.__name__ not in _QUICK or function.__name__ in _SLOW
    return type(owner).__module__ != "builtins"


def _name_call(function: Any) -> str:
    """Return the name of a function in C: `time.sleep`, `lock.acquire`."""
    owner = getattr(function, "__self__", None)
    of = owner.__name__.lstrip("_") if isinstance(owner, ModuleType) else type(owner).__name__
    return f"{of}.{getattr(function, '__name__', 'call')}"


def _has_entered(frame: FrameType | None) -> bool:
    """Tell if what a frame executes is the first line or call inside a `with` block."""
    if frame is None:
        return False
    return any(low < frame.f_lasti <= high for low, high in _entries(frame.f_code))


@lru_cache(maxsize=256)
def _entries(code: CodeType) -> tuple[tuple[int, int], ...]:
    """Return from where to where each `with` of some code enters its block."""
    found, since = [], UNKNOWN
    for one, after in pairwise(dis.get_instructions(code)):
        if since != UNKNOWN and (one.starts_line or one.opname.startswith("CALL")):
            # What a call keeps behind it belongs to it.
            found.append((since, after.offset - 1))
            since = UNKNOWN
        if one.opname == "BEFORE_WITH":
            since = one.offset
    return tuple(found)
