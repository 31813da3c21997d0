"""How a step that never comes to an `await` is ended: an exception that finds its way out."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

from asyncteach.checks.ambush import Ambush, OutOfTime
from asyncteach.checks.family import Family, frames_below, is_theirs

_PATIENCE = 20
"""So often an interruption waits for the user's own line to be the innermost."""


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
        self._effort = Effort(self._thread)
        self._strikes = 0
        self._signal: Any = None
        self._handler_before: Any = None
        self._ambush = Ambush(family.is_current)
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
            raise_in_thread(self._thread, self._class)

    def arm(self, frames: list[FrameType]) -> None:
        """Raise it again and again in those frames, should they catch it."""
        self._ambush.set(frames)

    def disarm(self) -> None:
        """Raise it no longer."""
        self._ambush.lift()

    def _handle(self, _: int, frame: FrameType | None) -> None:
        if not self._family.is_current():
            return
        frames = list(frames_below(frame))
        ours = [one for one in frames if is_theirs(one)]
        if not ours or (ours[0] is not frames[0] and self._strikes % _PATIENCE):
            return
        self._hit(ours)
        raise OutOfTime

    def _as_raised(self) -> None:
        """Note a hit: an exception for a thread is made in it, just before it is raised."""
        frames = frames_below(sys._getframe(1))
        self._hit([one for one in frames if is_theirs(one)])

    def _hit(self, frames: list[FrameType]) -> None:
        self.hits += 1
        if self.hits > 1:  # the first is let alone with its `finally`
            self.arm(frames)

    def _holds_loop(self) -> bool:
        """Tell if a line of the family's is being executed, as seen from another thread."""
        task = asyncio.current_task(self._loop)
        if task is None or not self._family.has_task(task) or not self._effort.is_growing():
            return False
        frames = list(frames_below(sys._current_frames().get(self._thread)))
        theirs = [one for one in frames if is_theirs(one)]
        return bool(theirs) and (theirs[0] is frames[0] or self._strikes % _PATIENCE == 0)


class Effort:
    """Whether a thread computes: only then can an exception reach it.

    One that waits would keep it, and in Python 3.11 nobody could trace anything until it wakes.
    """

    def __init__(self, ident: int) -> None:
        self._ident = ident
        self._spent = self._read()

    def is_growing(self) -> bool:
        """Tell if the thread has had a processor since it was last asked."""
        before, self._spent = self._spent, self._read()
        return self._spent > before

    def _read(self) -> float:
        if not hasattr(time, "pthread_getcpuclockid"):
            return time.process_time()
        if self._ident not in sys._current_frames():  # it has ended, and must not be asked
            return 0.0
        try:
            return time.clock_gettime(time.pthread_getcpuclockid(self._ident))
        except OSError:
            return 0.0


def raise_in_thread(ident: int, error: type[BaseException] = OutOfTime) -> None:
    """Raise an exception in a thread that computes."""
    what = ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), what)
