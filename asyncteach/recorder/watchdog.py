"""A thread that looks which line holds an event loop, when a step has lasted for long."""

import _thread
import math
import os
import sys
import time
from bisect import bisect_left, bisect_right
from collections import deque
from itertools import pairwise
from types import CodeType, FrameType
from typing import Any, NamedTuple, Protocol

from asyncteach.recorder.waits import Line

_resource: Any
try:
    import resource as _resource
except ImportError:  # not on Windows
    _resource = None
if not hasattr(_resource, "RUSAGE_THREAD"):
    _resource = None
_HAS_COUNTERS = os.path.exists("/proc/self/schedstat")

_PERIOD = 0.25  # of the threshold: every long step is looked at several times
_AGE = 0.4  # of the threshold, from which on a step is looked at
_LATE = 0.8  # of the threshold: so long after the one before a look is late
_FEW_TURNS = 5
_SHORTEST, _LONGEST = 0.004, 0.05
_MOST_FRAMES = 80
_MOST_SAMPLES = 400

Sample = tuple[Line, ...]
"""The lines on the stack, the innermost first."""


class Counters(NamedTuple):
    """What one look found: counters that only grow, nan where the system has none."""

    at: float
    cpu: float
    """Seconds of processor time that the loop's thread has taken."""
    queued: float
    """Seconds in which that thread could have run and no processor was free for it."""
    turns: float
    """How often the watchdog's own thread has gone to sleep: while code in C keeps the GIL, it
    wakes up again and again to ask for it; while the computer gives no time, it doesn't."""


class Watched(Protocol):
    """A loop that is looked after."""

    threshold: float
    samples: dict[float, list[Sample]]
    looks: list[Counters]
    native_id: int
    loop: Any
    axis: Any

    def current(self) -> tuple[float, int | None]:
        """Return since when the loop is held (0: it isn't), and by which lane."""

    def flush(self) -> None:
        """Move what has been stamped to typed arrays."""


class Watchdog:
    """One thread for all loops under record, for as long as there are any.

    It is a bare thread with bare locks: an interrupt inside `Thread.start` or an Event would leave
    those half done.
    """

    def __init__(self) -> None:
        self.error: Exception | None = None
        """What has gone wrong in the thread."""
        self._watched: list[Watch] = []
        self._wake: Any = None  # released when the thread of this one is to end
        self._alive = _thread.allocate_lock()  # held by the thread

    def add(self, one: Watched) -> None:
        """Look after one more loop."""
        if not any(watch.one is one for watch in self._watched):
            self._watched = [*self._watched, Watch(one)]
        if self._wake is None:
            wake = _thread.allocate_lock()
            wake.acquire()
            self._wake = wake
            self._alive = _thread.allocate_lock()
            _thread.start_new_thread(self._run, (wake, self._alive))

    def remove(self, one: Watched) -> None:
        """Look after it no longer; with the last one the thread ends."""
        self._watched = [watch for watch in self._watched if watch.one is not one]
        wake = self._wake
        if self._watched or wake is None:
            return
        self._wake = None
        if wake.locked():
            wake.release()
        with self._alive:  # until it has ended
            pass

    def abandon(self) -> None:
        """Let go of everything in a forked child, where the thread isn't."""
        for watch in self._watched:
            watch.close()

    def _run(self, wake: Any, alive: Any) -> None:
        with alive:
            known: list[Watch] = []
            try:
                self._look_until(wake, known)
            finally:
                for watch in known:
                    watch.close()

    def _look_until(self, wake: Any, known: "list[Watch]") -> None:
        # It looks before it waits: the very first step may have kept it from beginning.
        while self._wake is wake:
            for watch in known:
                if watch not in self._watched:
                    watch.close()
            known[:] = self._watched
            for watch in known:
                try:
                    watch.look()
                    watch.one.flush()
                except Exception as error:
                    self._watched = [other for other in self._watched if other is not watch]
                    self.error = error
            shortest = min((watch.one.threshold for watch in self._watched), default=1.0)
            if wake.acquire(timeout=_period(shortest)):
                return


def _period(threshold: float) -> float:
    """Return the seconds from one look to the next."""
    return min(max(threshold * _PERIOD, _SHORTEST), _LONGEST)


class Watch:
    """One loop that is looked after, and what the looks at it need from one to the next."""

    def __init__(self, one: Watched) -> None:
        self.one = one
        # The last looks: long steps are known only when a look or two lie inside of them.
        self._recent: deque[Counters] = deque(maxlen=4)
        self._is_long = False
        self._counters = -1  # a file descriptor
        self._native_id = 0

    def look(self) -> None:
        """Note the stack of a step that has lasted for long, and what the counters say."""
        one, since = self.one, self.one.current()[0]
        clock = one.axis.clock
        is_long = bool(since) and clock is None and one.axis.now() - since >= one.threshold * _AGE
        if is_long:
            sample = read_stack(sys._current_frames().get(one.loop._thread_id or 0))
            if sample and one.current()[0] == since:
                add_sample(one, since, sample)
        if clock is not None:  # on a virtual clock real work takes no time
            self._recent.clear()
            return
        now, recent = self._read(), self._recent
        is_late = bool(recent) and now.at - recent[-1].at > one.threshold * _LATE
        recent.append(now)
        if is_long or self._is_long or is_late:
            # Those before it too: what is between two looks is known from their difference.
            last = one.looks[-1].at if one.looks else -math.inf
            one.looks += [look for look in recent if look.at > last]
        self._is_long = is_long

    def close(self) -> None:
        """Let go of what was opened."""
        if self._counters >= 0:
            os.close(self._counters)
            self._counters = -1

    def _read(self) -> Counters:
        cpu = queued = turns = math.nan
        if _resource is not None:
            turns = _resource.getrusage(_resource.RUSAGE_THREAD).ru_nvcsw
        try:
            if self._native_id != self.one.native_id or self._counters < 0:
                self.close()
                self._native_id = self.one.native_id
                path = f"/proc/self/task/{self._native_id}/schedstat"
                self._counters = os.open(path, os.O_RDONLY) if _HAS_COUNTERS else -1
            if self._counters >= 0:
                spent, waited, _ = os.pread(self._counters, 100, 0).split()
                cpu, queued = int(spent) / 1e9, int(waited) / 1e9
        except (OSError, ValueError):
            pass  # that thread has ended
        if cpu != cpu:
            cpu = _processor_time(self.one.loop)
        return Counters(self.one.axis.now(), cpu, queued, turns)


def _processor_time(loop: Any) -> float:
    """Return the processor time of the thread that runs the loop, if any does."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return math.nan
    try:
        # In one expression: no other thread of Python's can end that thread meanwhile.
        return time.clock_gettime(time.pthread_getcpuclockid(loop._thread_id))
    except (TypeError, OSError):  # no thread runs it
        return math.nan


class Effort(NamedTuple):
    """What looks say about a stretch of time."""

    busy: float
    """The share of the time available to it in which the loop's thread had a processor; nan:
    unknown."""
    lost: float
    """For how many seconds the computer gave that thread, or all of the program, no processor."""
    unseen: float
    """For how many seconds no look succeeded."""


def measure(looks: list[Counters], start: float, end: float, threshold: float) -> Effort:
    """Return what the looks from the last before the stretch to the first after it say."""
    if not looks:  # in virtual time
        return Effort(math.nan, 0.0, 0.0)
    first = max(bisect_right(looks, start, key=lambda look: look.at) - 1, 0)
    last = min(bisect_left(looks, end, key=lambda look: look.at), len(looks) - 1)
    if last <= first:
        return Effort(math.nan, 0.0, end - start)
    some = looks[first : last + 1]
    queued = some[-1].queued - some[0].queued
    lost = 0.0 if math.isnan(queued) else queued
    free = max(some[-1].at - some[0].at - lost, 1e-6)
    busy = (some[-1].cpu - some[0].cpu) / free
    before, after = max(pairwise(some), key=lambda pair: pair[1].at - pair[0].at)
    late = after.at - before.at - _period(threshold)
    # While code in C keeps the GIL, the watchdog asks for it at every switch interval. To be
    # stopped and to go on takes a few turns, too.
    turns = after.turns - before.turns
    if turns <= _FEW_TURNS or turns * 6 * sys.getswitchinterval() < late:
        lost = max(lost, late - max(after.cpu - before.cpu, 0.0))
    return Effort(busy, min(lost, end - start), max(late, 0.0))


def add_sample(one: Watched, since: float, sample: Sample) -> None:
    """Keep what was seen of the step that holds the loop since then."""
    samples = one.samples.setdefault(since, [])
    if len(samples) < _MOST_SAMPLES:
        samples.append(sample)


def read_stack(frame: FrameType | None) -> Sample:
    """Return the lines on a stack down to where the loop has called; empty: it is in our hands."""
    lines: list[tuple[CodeType, int]] = []
    while frame is not None and len(lines) < _MOST_FRAMES:
        code = frame.f_code
        if is_ours(code):
            break
        if code.co_name == "_run" and code.co_qualname.endswith("Handle._run"):
            break
        lines.append((code, frame.f_lineno or code.co_firstlineno))
        frame = frame.f_back
    return tuple(lines)


def is_ours(code: CodeType) -> bool:
    """Tell if it is the recorder's own code, which is on the stack at every step."""
    return code.co_filename in _OURS


_OURS = tuple(__file__.replace("watchdog", name) for name in ("tap", "stepper"))
