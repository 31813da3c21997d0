"""A thread that samples which line holds an event loop, and what its samples show of a block.

That is: the line, whether it was computing, and whether the computer itself was busy.
"""

import _thread
import sys
from bisect import bisect_left, bisect_right
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from itertools import islice, pairwise
from math import inf, isnan, nan
from threading import Event
from traceback import walk_stack
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

from asyncteach.places import Place, is_ours, is_users, name_library, place_of
from asyncteach.recorder.task_table import Line

if TYPE_CHECKING:
    from asyncteach.recorder.loop_patch import LoopPatch

resource: Any = None
with suppress(ImportError):  # not on Windows
    import resource

_PERIOD = 0.25  # of the threshold: every long step is sampled several times
_AGE = 0.4  # of the threshold: a step is sampled from this age on
_LATE = 0.8  # of the threshold: a sample that comes this long after the last one is late
_FEW_TURNS = 5
_SHORTEST, _LONGEST = 0.004, 0.05
_MOST_FRAMES = 80
_MOST_SAMPLES = 400

Sample = tuple[Line, ...]
"""The lines on the stack, the innermost first."""


class Counters(NamedTuple):
    """What one sample found: counters that only grow, nan where the system has none."""

    at: float
    is_long: bool
    """Whether a long step held the loop then."""
    cpu: float
    """Seconds of processor time that the loop's thread has used."""
    queued: float
    """Seconds in which that thread could have run but no processor was free for it."""
    turns: float
    """How often the watchdog's own thread has gone to sleep: while code in C keeps the GIL, it
    wakes up again and again to ask for it; while the computer gives it no time, it doesn't."""


class Watchdog:
    """One thread for all recorded loops, for as long as there are any.

    It is a bare thread, which `threading` doesn't list: code that counts threads finds its own.
    """

    def __init__(self, give_up: Callable[[BaseException], None]) -> None:
        self._give_up = give_up
        self._watched: dict[LoopPatch, deque[Counters]] = {}
        """The last samples of each loop: a step turns out to be long only some samples later."""
        self._stop, self._ended = Event(), Event()
        self._ended.set()

    def add(self, patch: "LoopPatch") -> None:
        """Watch one more loop."""
        self._watched = {patch: deque(maxlen=4), **self._watched}
        if self._ended.is_set():
            self._stop, self._ended, begun = Event(), Event(), Event()
            _thread.start_new_thread(self._run, (begun,))
            begun.wait()  # so that the very first step can't keep it from starting

    def remove(self, patch: "LoopPatch") -> None:
        """Stop watching a loop; the thread ends with the last one."""
        self._watched = {one: looks for one, looks in self._watched.items() if one is not patch}
        if not self._watched:
            self._stop.set()
            self._ended.wait()

    def _run(self, begun: Event) -> None:
        try:
            self._look()
            begun.set()
            while not self._stop.wait(
                _period(min((patch.threshold for patch in self._watched), default=1.0))
            ):
                self._look()
        finally:
            self._ended.set()

    def _look(self) -> None:
        for patch, recent in self._watched.items():
            try:
                _look_at(patch, recent)
                patch.flush()
            except Exception as error:
                self._watched = {}
                self._give_up(error)


def _period(threshold: float) -> float:
    """Return the seconds from one sample to the next."""
    return min(max(threshold * _PERIOD, _SHORTEST), _LONGEST)


def _look_at(patch: "LoopPatch", recent: deque[Counters]) -> None:
    """Note the stack of a long step, and the counters."""
    if patch.clock.clock is not None:  # on a virtual clock real work takes no time
        recent.clear()
        return
    since = patch.since
    is_long = bool(since) and patch.clock.now() - since >= patch.threshold * _AGE
    if is_long:
        sample = read_stack(sys._current_frames().get(patch.thread_id))
        if patch.since == since:
            add_sample(patch, since, sample)
    now = _read_counters(patch, is_long)
    last = recent[-1] if recent else now
    recent.append(now)
    if is_long or last.is_long or now.at - last.at > patch.threshold * _LATE:
        # Earlier ones, too: what happened between two samples is known from their difference.
        known = patch.looks[-1].at if patch.looks else -inf
        patch.looks += [look for look in recent if look.at > known]


def _read_counters(patch: "LoopPatch", is_long: bool) -> Counters:
    cpu = queued = turns = nan
    if hasattr(resource, "RUSAGE_THREAD"):
        turns = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
    # Only on Linux, and only while that thread exists.
    with (
        suppress(OSError, ValueError),
        open(f"/proc/self/task/{patch.native_id}/schedstat", "rb", 0) as file,
    ):
        spent, waited, _ = file.read().split()
        cpu, queued = int(spent) / 1e9, int(waited) / 1e9
    return Counters(patch.clock.now(), is_long, cpu, queued, turns)


def measure(
    looks: list[Counters], start: float, end: float, threshold: float
) -> tuple[float, float, float]:
    """Return what the samples show, from the last one before a block to the first one after it.

    That is: the share of its available time in which the loop's thread had a processor, or nan if
    unknown; for how many seconds the computer gave that thread, or the whole program, no
    processor; and for how many seconds nothing was sampled.
    """
    if not looks:  # in virtual time
        return nan, 0.0, 0.0
    first = max(bisect_right(looks, start, key=lambda look: look.at) - 1, 0)
    last = min(bisect_left(looks, end, key=lambda look: look.at), len(looks) - 1)
    if last <= first:
        return nan, 0.0, end - start
    some = looks[first : last + 1]
    queued = some[-1].queued - some[0].queued
    lost = 0.0 if isnan(queued) else queued
    free = max(some[-1].at - some[0].at - lost, 1e-6)
    busy = (some[-1].cpu - some[0].cpu) / free
    before, after = max(pairwise(some), key=lambda pair: pair[1].at - pair[0].at)
    late = after.at - before.at - _period(threshold)
    # While code in C keeps the GIL, the watchdog asks for it at every switch interval. Stopping
    # and going on takes a few turns, too.
    turns = after.turns - before.turns
    if turns <= _FEW_TURNS or turns * 6 * sys.getswitchinterval() < late:
        lost = max(lost, late - max(after.cpu - before.cpu, 0.0))
    return busy, min(lost, end - start), max(late, 0.0)


def add_sample(patch: "LoopPatch", since: float, sample: Sample) -> None:
    """Add a sample of the step that has held the loop since then."""
    if sample and len(samples := patch.samples.setdefault(since, [])) < _MOST_SAMPLES:
        samples.append(sample)


def read_stack(frame: FrameType | None = None) -> Sample:
    """Return the lines on a stack, from a frame out to the loop; none while the recorder runs.

    Without a frame, it is the stack of the caller's caller.
    """
    lines: list[Line] = []
    for one, line in islice(walk_stack(frame or sys._getframe(2)), _MOST_FRAMES):
        code = one.f_code
        if code.co_filename == _LOOP_PATCH or code.co_qualname.endswith("Handle._run"):
            break
        lines.append((code, line or code.co_firstlineno))
    return tuple(lines)


_LOOP_PATCH = __file__.replace("watchdog", "loop_patch")  # on the stack of every step

Share = tuple[Place, float]


def name_line(
    samples: list[Sample],
) -> tuple[Place | None, tuple[Place, ...], str, tuple[Share, ...]]:
    """Return the user's line that was sampled most often, its callers, and the function it called.

    The last item holds the user's other lines that have a share of a fifth or more.
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
    """Return the function that was sampled most often, if no line of the user's was sampled."""
    seen = Counter(sample[0][0] for sample in samples if sample and not is_ours(sample[0][0]))
    if not seen:
        return ""
    code = seen.most_common(1)[0][0]
    library = name_library(code.co_filename)
    return f"{library}.{code.co_qualname}" if library else code.co_qualname
