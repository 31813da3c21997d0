"""The clock that a watched thread carries: it looks at it at every line and every call into C."""

import dis
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from types import CodeType, FrameType
from typing import Any, NamedTuple

from asyncteach.places import is_users
from asyncteach.thread_recorder.log import ENTRY, NO_CALL, SLEEP, UNKNOWN, Log, Shelf, count_rests

_CLOSED = -1


class Stamper(NamedTuple):
    """Puts the stamps of one thread into its log, from `begin` to `end`."""

    begin: Callable[[FrameType | None], None]
    """Start to stamp, in the thread itself: what it calls from now on, and that frame's rest."""
    end: Callable[[], None]
    """Stop, in the thread itself."""
    close: Callable[[], None]
    """Stop, from any thread: it takes effect at the next stamp."""


def make_stamper(
    log: Log, shelf: Shelf, threshold: int, give_up: Callable[[Exception], None]
) -> Stamper:
    """Return what stamps a thread; whatever takes longer than the threshold (ns) is a gap.

    Closures, and no call that can be spared: they run at every line.
    """
    clock, busy_clock = time.perf_counter_ns, time.thread_time_ns
    # last: the last stamp; mark, busy and rests: the end of the last gap, and what was used then
    last = mark = busy = stamps = 0
    rests = UNKNOWN
    limit, patience = threshold, 4 * threshold
    called: Any = None  # the function in C that the thread is in

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal last, stamps
        now = clock()
        if now - last > limit:
            if look(frame, now, event):
                return None
            # That has taken its time, too; if very long, somebody else had the GIL meanwhile.
            after = clock()
            now = after if after - now < patience else now
        last = now
        stamps += 1
        return trace

    def profile(frame: FrameType, event: str, arg: Any) -> None:
        nonlocal last, stamps, called
        now = clock()
        if now - last > limit:
            if look(frame, now, event):
                return
            after = clock()
            now = after if after - now < patience else now
        last = now
        stamps += 1
        called = arg if event == "c_call" else None

    def look(frame: FrameType | None, now: int, event: str) -> bool:
        """Note a gap; True: there is nothing to stamp any more."""
        nonlocal mark, busy, rests
        if limit == _CLOSED:
            leave(frame)
            return True
        try:
            used, left = busy_clock(), count_rests()
            # The stretch before it was run through.
            part = min(max(used - busy - (last - mark), 0), now - last)
            call = line = NO_CALL
            if called is not None or log.due != UNKNOWN:
                call = shelf.number_call(called) if log.due == UNKNOWN else SLEEP
                line = shelf.number_line(_users_line(frame)) if call != NO_CALL else UNKNOWN
            elif _has_entered(frame.f_back if frame and event == "call" else frame):
                call, line = ENTRY, shelf.number_line(_users_line(frame))
            rested = left - rests if left != UNKNOWN else UNKNOWN
            shelf.keep(log, (last, now, part, rested, log.due, call, line))
            mark, busy, rests = now, used, left
        except Exception as error:
            give_up(error)
        return False

    def begin(frame: FrameType | None) -> None:
        nonlocal last, mark, busy, rests
        try:
            busy, rests = busy_clock(), count_rests()
        except Exception as error:
            give_up(error)
        if limit == _CLOSED:
            return
        # What is on the stack already gets lines only if each is asked to.
        while frame is not None:
            if frame.f_trace is None:
                frame.f_trace = trace
            frame = frame.f_back
        log.began = last = mark = clock()
        sys.setprofile(profile)
        sys.settrace(trace)

    def end() -> None:
        nonlocal last
        leave(sys._getframe(1))
        if limit != _CLOSED:
            now = clock()
            if now - last > limit:
                look(None, now, "end")
            last = now
            close()

    def leave(frame: FrameType | None) -> None:
        nonlocal called
        # In this order: what the functions here do is not to be stamped.
        if sys.gettrace() is trace:
            sys.settrace(None)
        if sys.getprofile() is profile:
            sys.setprofile(None)
        called = None
        while frame is not None:
            if frame.f_trace is trace:
                frame.f_trace = None
            frame = frame.f_back

    def close() -> None:
        nonlocal limit
        if limit != _CLOSED:
            limit = _CLOSED
            log.ended, log.stamps = last, stamps

    return Stamper(begin, end, close)


def _users_line(frame: FrameType | None) -> tuple[CodeType, int] | None:
    """Return the innermost of the user's lines on the stack."""
    while frame is not None:
        if is_users(frame.f_code.co_filename):
            return frame.f_code, frame.f_lineno or frame.f_code.co_firstlineno
        frame = frame.f_back
    return None


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
