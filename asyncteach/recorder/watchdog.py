"""A thread that looks which line holds an event loop when a step has lasted for long.

And what its looks say of a block, once a trace is built: the line, and if it was computing.
"""

import _thread
import math
import os
import sys
from bisect import bisect_left, bisect_right
from collections import Counter, deque
from contextlib import suppress
from itertools import pairwise
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

from asyncteach.places import Place, is_ours, is_users, name_library, place_of
from asyncteach.recorder.task_table import Line

if TYPE_CHECKING:
    from asyncteach.recorder.loop_patch import LoopPatch

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


class Watchdog:
    """One thread for all loops under record, for as long as there are any.

    It is a bare thread, which `threading` doesn't list: code that counts its threads finds its own.
    """

    def __init__(self) -> None:
        self.error: Exception | None = None
        """What has gone wrong in the thread."""
        self._watched: list[WatchedLoop] = []
        self._wake: Any = None  # released when the thread of this one is to end
        self._alive = _thread.allocate_lock()  # held by the thread

    def add(self, patch: "LoopPatch") -> None:
        """Look after one more loop."""
        if not any(one.patch is patch for one in self._watched):
            self._watched = [*self._watched, WatchedLoop(patch)]
        if self._wake is None:
            self._wake = wake = _thread.allocate_lock()
            wake.acquire()
            self._alive, begun = _thread.allocate_lock(), _thread.allocate_lock()
            begun.acquire()
            _thread.start_new_thread(self._run, (wake, self._alive, begun))
            with begun:  # so that the very first step can't keep it from beginning
                pass

    def remove(self, patch: "LoopPatch") -> None:
        """Look after it no longer; with the last one the thread ends."""
        gone = [one for one in self._watched if one.patch is patch]
        self._watched = [one for one in self._watched if one.patch is not patch]
        wake = self._wake
        if not self._watched and wake is not None:
            self._wake = None
            wake.release()
            with self._alive:  # until it has ended
                pass
        for one in gone:
            one.close()

    def abandon(self) -> None:
        """Let go of everything in a forked child, where the thread isn't."""
        for one in self._watched:
            one.abandon()
        self._watched, self._wake = [], None

    def _run(self, wake: Any, alive: Any, begun: Any) -> None:
        with alive:
            self._look()
            begun.release()
            while self._wake is wake:
                shortest = min((one.patch.threshold for one in self._watched), default=1.0)
                if wake.acquire(timeout=_period(shortest)):
                    return
                self._look()

    def _look(self) -> None:
        for one in self._watched:
            try:
                one.look()
                one.patch.flush()
            except Exception as error:
                self._watched = [other for other in self._watched if other is not one]
                self.error = error


def _period(threshold: float) -> float:
    """Return the seconds from one look to the next."""
    return min(max(threshold * _PERIOD, _SHORTEST), _LONGEST)


class WatchedLoop:
    """One loop that is looked after, and what the looks at it need from one to the next."""

    def __init__(self, patch: "LoopPatch") -> None:
        self.patch = patch
        # The last looks: long steps are known only when a look or two lie inside of them.
        self._recent: deque[Counters] = deque(maxlen=4)
        self._is_long = False
        self._native_id = 0
        self._lock = _thread.allocate_lock()
        self._file = -1
        self._open()

    def look(self) -> None:
        """Note the stack of a step that has lasted for long, and what the counters say."""
        patch, since = self.patch, self.patch.since
        clock = patch.clock.clock
        is_long = bool(since) and clock is None
        if is_long:
            is_long = patch.clock.now() - since >= patch.threshold * _AGE
        if is_long:
            sample = read_stack(sys._current_frames().get(patch.thread_id()))
            if sample and patch.since == since:
                add_sample(patch, since, sample)
        if clock is not None:  # on a virtual clock real work takes no time
            self._recent.clear()
            return
        now, recent = self._read(), self._recent
        is_late = bool(recent) and now.at - recent[-1].at > patch.threshold * _LATE
        recent.append(now)
        if is_long or self._is_long or is_late:
            # Those before it too: what is between two looks is known from their difference.
            last = patch.looks[-1].at if patch.looks else -math.inf
            patch.looks += [look for look in recent if look.at > last]
        self._is_long = is_long

    def close(self) -> None:
        """Let go of what was opened."""
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
            self._file = -1

    def abandon(self) -> None:
        """Close it in a forked child: the thread that may have held the lock isn't there."""
        self._lock = _thread.allocate_lock()
        self.close()

    def _open(self) -> None:
        self._native_id = self.patch.native_id
        path = f"/proc/self/task/{self._native_id}/schedstat"
        if _HAS_COUNTERS:
            with suppress(OSError):  # that thread has ended
                self._file = os.open(path, os.O_RDONLY)

    def _read(self) -> Counters:
        cpu = queued = turns = math.nan
        if _resource is not None:
            turns = _resource.getrusage(_resource.RUSAGE_THREAD).ru_nvcsw
        if self._native_id != self.patch.native_id:
            self.close()
            self._open()
        with self._lock, suppress(OSError, ValueError):  # that thread has ended
            if self._file >= 0:
                spent, waited, _ = os.pread(self._file, 100, 0).split()
                cpu, queued = int(spent) / 1e9, int(waited) / 1e9
        return Counters(self.patch.clock.now(), cpu, queued, turns)


class BlockEffort(NamedTuple):
    """What looks say about a stretch of time."""

    busy: float
    """The share of the time available to it in which the loop's thread had a processor; nan:
    unknown."""
    lost: float
    """For how many seconds the computer gave that thread, or all of the program, no processor."""
    unseen: float
    """For how many seconds no look succeeded."""


def measure(looks: list[Counters], start: float, end: float, threshold: float) -> BlockEffort:
    """Return what the looks from the last before the stretch to the first after it say."""
    if not looks:  # in virtual time
        return BlockEffort(math.nan, 0.0, 0.0)
    first = max(bisect_right(looks, start, key=lambda look: look.at) - 1, 0)
    last = min(bisect_left(looks, end, key=lambda look: look.at), len(looks) - 1)
    if last <= first:
        return BlockEffort(math.nan, 0.0, end - start)
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
    return BlockEffort(busy, min(lost, end - start), max(late, 0.0))


def add_sample(patch: "LoopPatch", since: float, sample: Sample) -> None:
    """Keep what was seen of the step that holds the loop since then."""
    samples = patch.samples.setdefault(since, [])
    if len(samples) < _MOST_SAMPLES:
        samples.append(sample)


def read_stack(frame: FrameType | None = None) -> Sample:
    """Return the lines on a stack down to where the loop has called; empty: it is in our hands.

    Without a frame that of the caller's caller.
    """
    lines: list[Line] = []
    if frame is None:
        frame = sys._getframe(2)
    while frame is not None and len(lines) < _MOST_FRAMES:
        code = frame.f_code
        if code.co_filename == _LOOP_PATCH:  # which is on the stack at every step
            break
        if code.co_name == "_run" and code.co_qualname.endswith("Handle._run"):
            break
        lines.append((code, frame.f_lineno or code.co_firstlineno))
        frame = frame.f_back
    return tuple(lines)


_LOOP_PATCH = __file__.replace("watchdog", "loop_patch")


Share = tuple[Place, float]


def name_line(
    samples: list[Sample],
) -> tuple[Place | None, tuple[Place, ...], str, tuple[Share, ...]]:
    """Return the line that was on the stack most often, its callers, and what it was doing.

    The last are the other lines at which it was seen for a fifth of its time or more.
    """
    innermost = Counter[Line]()
    stacks: dict[Line, Counter[Sample]] = {}
    for sample in samples:
        line = next((line for line in sample if is_users(line[0].co_filename)), None)
        if line is not None:
            innermost[line] += 1
            stacks.setdefault(line, Counter())[sample] += 1
    if not innermost:
        return None, (), _name_innermost(samples), ()
    line = innermost.most_common(1)[0][0]
    stack = stacks[line].most_common(1)[0][0]
    while is_ours(stack[0][0]):  # sleep on a virtual clock
        stack = stack[1:]
    places = tuple(place_of(*one) for one in reversed(stack) if is_users(one[0].co_filename))
    doing = "" if stack[0] == line else stack[0][0].co_qualname
    total = innermost.total()
    shares = [(one, count / total) for one, count in innermost.most_common() if one != line]
    others = tuple((place_of(*one), share) for one, share in shares if share >= 0.2)
    return place_of(*line), places, doing, others


def _name_innermost(samples: list[Sample]) -> str:
    """Return the function that was seen most often where none of the user's was on the stack."""
    seen = Counter(sample[0][0] for sample in samples if sample and not is_ours(sample[0][0]))
    if not seen:
        return ""
    code = seen.most_common(1)[0][0]
    library = name_library(code.co_filename)
    return f"{library}.{code.co_qualname}" if library else code.co_qualname
