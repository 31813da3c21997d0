"""A thread that looks which line holds an event loop, when a step has lasted for long."""

import sys
import threading
from types import CodeType, FrameType
from typing import Any, Protocol

from asyncteach.waits import Line

_PERIOD = 0.25  # of the threshold: every long step is looked at several times
_AGE = 0.4  # of the threshold, from which on a step is looked at
_SHORTEST, _LONGEST = 0.004, 0.05
_MOST_FRAMES = 80
_MOST_SAMPLES = 400

Sample = tuple[Line, ...]
"""The lines on the stack, the innermost first."""


class Watched(Protocol):
    """A loop that is looked after."""

    threshold: float
    samples: dict[float, list[Sample]]
    loop: Any
    axis: Any

    def current(self) -> tuple[float, int | None]:
        """Return since when the loop is held (0: it isn't), and by which lane."""

    def flush(self) -> None:
        """Move what has been stamped to typed arrays."""


class Watchdog:
    """One thread for all loops under record, for as long as there are any."""

    def __init__(self) -> None:
        self._watched: list[Watched] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wake: Any = None
        self.error: Exception | None = None
        """What has gone wrong in the thread."""

    def add(self, one: Watched) -> None:
        """Look after one more loop."""
        with self._lock:
            self._watched = [*self._watched, one]
            if self._thread is None:
                # A bare lock: an interrupt inside an Event would leave the Event's own lock held.
                self._wake = threading.Lock()
                self._wake.acquire()
                self._thread = threading.Thread(
                    target=self._run, args=(self._wake,), name="asyncteach-watchdog", daemon=True
                )
                start_thread(self._thread)

    def remove(self, one: Watched) -> None:
        """Look after it no longer; with the last one the thread ends."""
        with self._lock:
            self._watched = [other for other in self._watched if other is not one]
            if self._watched or self._thread is None:
                return
            thread, self._thread = self._thread, None
            self._wake.release()
        if thread is not threading.current_thread():
            thread.join()

    def _run(self, wake: Any) -> None:
        while not wake.acquire(timeout=self._period()):
            for one in self._watched:
                try:
                    look(one)
                    one.flush()
                except Exception as error:
                    self._watched = [other for other in self._watched if other is not one]
                    self.error = error

    def _period(self) -> float:
        shortest = min((one.threshold for one in self._watched), default=1.0) * _PERIOD
        return min(max(shortest, _SHORTEST), _LONGEST)


start_thread = threading.Thread.start
"""The plain one: a thread of ours belongs to no recording and to no virtual clock."""


def look(one: Watched) -> None:
    """Note the stack of a loop whose step has lasted for long."""
    since, _ = one.current()
    if not since or one.axis.clock is not None:  # on a virtual clock real work takes no time
        return
    if one.axis.now() - since < one.threshold * _AGE:
        return
    frame = sys._current_frames().get(one.loop._thread_id or 0)
    sample = read_stack(frame)
    if sample and one.current()[0] == since:
        add_sample(one, since, sample)


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
