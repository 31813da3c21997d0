"""A thread that looks which line holds an event loop, when a step has lasted for long."""

import _thread
import sys
import time
from types import CodeType, FrameType
from typing import Any, Protocol

from asyncteach.virtual.lookout import real_monotonic
from asyncteach.watching.waits import Line

_PERIOD = 0.25  # of the threshold: every long step is looked at several times
_AGE = 0.4  # of the threshold, from which on a step is looked at
_SHORTEST, _LONGEST = 0.004, 0.05
_MOST_FRAMES = 80
_MOST_SAMPLES = 400

Sample = tuple[Line, ...]
"""The lines on the stack, the innermost first."""


Effort = list[tuple[float, float]]
"""The time and the thread's processor time at the first and at the last look at a step."""


class Watched(Protocol):
    """A loop that is looked after."""

    threshold: float
    samples: dict[float, list[Sample]]
    efforts: dict[float, Effort]
    pulse: tuple[float, float] | None
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
        self._watched: list[Watched] = []
        self._wake: Any = None  # released when the thread of this one is to end
        self._alive = _thread.allocate_lock()  # held by the thread

    def add(self, one: Watched) -> None:
        """Look after one more loop."""
        self._watched = [*(other for other in self._watched if other is not one), one]
        if self._wake is None:
            wake = _thread.allocate_lock()
            wake.acquire()
            self._wake = wake
            self._alive = _thread.allocate_lock()
            _thread.start_new_thread(self._run, (wake, self._alive))

    def remove(self, one: Watched) -> None:
        """Look after it no longer; with the last one the thread ends."""
        self._watched = [other for other in self._watched if other is not one]
        wake = self._wake
        if self._watched or wake is None:
            return
        self._wake = None
        if wake.locked():
            wake.release()
        with self._alive:  # until it has ended
            pass

    def _run(self, wake: Any, alive: Any) -> None:
        with alive:
            # It looks before it waits: the very first step may have kept it from beginning.
            while self._wake is wake:
                for one in self._watched:
                    try:
                        look(one)
                        one.flush()
                    except Exception as error:
                        self._watched = [other for other in self._watched if other is not one]
                        self.error = error
                if wake.acquire(timeout=self._period()):
                    return

    def _period(self) -> float:
        shortest = min((one.threshold for one in self._watched), default=1.0) * _PERIOD
        return min(max(shortest, _SHORTEST), _LONGEST)


def look(one: Watched) -> None:
    """Note the stack of a loop whose step has lasted for long, and if it has had a processor."""
    before, one.pulse = one.pulse, feel_pulse(one.loop)
    since, _ = one.current()
    if not since or one.axis.clock is not None:  # on a virtual clock real work takes no time
        return
    if one.axis.now() - since < one.threshold * _AGE:
        return
    sample = read_stack(sys._current_frames().get(one.loop._thread_id or 0))
    if sample and one.current()[0] == since:
        add_sample(one, since, sample)
        # From the look before the step on: in C code that lets no other thread run, that and the
        # one at its end are all there are.
        effort = one.efforts.setdefault(since, [] if before is None else [before])
        del effort[1:]
        if one.pulse is not None:
            effort.append(one.pulse)


def feel_pulse(loop: Any) -> tuple[float, float] | None:
    """Return the time, and the processor time of the thread that runs the loop, if any does."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return None
    try:
        # In one expression: no other thread of Python's can end that thread meanwhile.
        spent = time.clock_gettime(time.pthread_getcpuclockid(loop._thread_id))
    except (TypeError, OSError):  # nobody runs it
        return None
    return real_monotonic(), spent


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
