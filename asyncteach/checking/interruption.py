"""How a step that never comes to an `await` is ended: an exception that finds its way out."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

from asyncteach.checking.family import Family, frames_below
from asyncteach.places import is_learners

_PATIENCE = 20
"""So often an interruption waits for the learner's own line to be the innermost."""


class OutOfTime(BaseException):
    """Ends an answer that doesn't end; no `except Exception` is in its way."""

    def __str__(self) -> str:
        return "this answer has taken too long, so it is stopped"


class Interruption:
    """Raises OutOfTime in the steps of a family, on the thread of its loop, and nowhere else.

    On the main thread a signal does it, so it wakes `time.sleep` and locks too; elsewhere what
    Python has for threads, which can do neither. `install` and `remove` are called on the loop's
    thread, `strike` from any other.
    """

    def __init__(self, family: Family, loop: asyncio.AbstractEventLoop) -> None:
        self.hits = 0
        """How often it has interrupted a step."""
        self._family = family
        self._loop = loop
        self._thread = threading.get_ident()
        self._strikes = 0
        self._signal: Any = None
        self._handler_before: Any = None
        self._traced: list[FrameType] = []
        self._trace_before: Any = None
        self._armed = False
        self._pending = False
        self._class = type("OutOfTime", (OutOfTime,), {"__init__": self._as_raised})

    def install(self) -> None:
        """Take a signal that nobody uses, where there is one."""
        if os.name != "posix" or threading.current_thread() is not threading.main_thread():
            return
        # One that is ignored by default: if it comes late, nothing happens.
        for number in (signal.SIGURG, signal.SIGWINCH):
            if signal.getsignal(number) == signal.SIG_DFL:
                self._signal, self._handler_before = number, signal.SIG_DFL
                signal.signal(number, self._handle)
                return

    def remove(self) -> None:
        """Put everything back."""
        self.disarm()
        if self._signal is not None:
            signal.signal(self._signal, self._handler_before)
            self._signal = None

    def strike(self) -> None:
        """Interrupt the step that holds the loop if it is the family's."""
        self._strikes += 1
        if self._signal is not None:
            with contextlib.suppress(OSError):
                signal.pthread_kill(self._thread, self._signal)
        elif self._holds_loop():
            self._pending = True
            _raise_in(self._thread, self._class)

    def arm(self, frames: list[FrameType]) -> None:
        """Raise OutOfTime once more some lines later, should those frames have caught the first.

        The number of lines varies, so one of them is outside of the `try` that catches it.
        """
        left = 1 + self._strikes % 7

        def trace(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal left
            if event == "call" and not is_learners(frame.f_code.co_filename):
                return None
            if event == "line" and self._family.is_current():
                left -= 1
                if left <= 0:
                    raise OutOfTime
            return trace

        self._traced += frames
        if not self._armed:
            self._armed, self._trace_before = True, sys.gettrace()
        for one in frames:
            one.f_trace = trace
        sys.settrace(trace)

    def disarm(self) -> None:
        """Trace no longer, and forget what hasn't been raised yet."""
        if self._pending:
            self._pending = False
            _raise_in(self._thread, None)
        if self._armed:
            self._armed = False
            sys.settrace(self._trace_before)
            while self._traced:
                self._traced.pop().f_trace = None

    def _handle(self, _: int, frame: FrameType | None) -> None:
        if not self._family.is_current():
            return
        frames = list(frames_below(frame))
        ours = [one for one in frames if is_learners(one.f_code.co_filename)]
        if not ours or (ours[0] is not frames[0] and self._strikes % _PATIENCE):
            return
        self.arm(ours)
        self.hits += 1
        raise OutOfTime

    def _as_raised(self) -> None:
        """Arm as well: an exception for a thread is made in it, just before it is raised."""
        self.hits += 1
        if not self._armed:
            frames = frames_below(sys._getframe(1))
            self.arm([one for one in frames if is_learners(one.f_code.co_filename)])

    def _holds_loop(self) -> bool:
        """Tell if a line of the family's is being executed, as seen from another thread."""
        task = asyncio.current_task(self._loop)
        if task is None or not self._family.has_task(task):
            return False
        frames = frames_below(sys._current_frames().get(self._thread))
        inner = next(frames, None)
        if inner is None:
            return False
        is_theirs = is_learners(inner.f_code.co_filename)
        return is_theirs or (
            self._strikes % _PATIENCE == 0
            and any(is_learners(one.f_code.co_filename) for one in frames)
        )


def interrupt_thread(ident: int) -> None:
    """Raise OutOfTime in a thread as soon as it executes Python code."""
    _raise_in(ident, OutOfTime)


def _raise_in(ident: int, error: type[BaseException] | None) -> None:
    what = ctypes.py_object(error) if error is not None else None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), what)
