"""record_threads(): watch threads that run Python code, and see which of them ran when."""

import os
import sys
import threading
import warnings
from types import TracebackType
from typing import Any

from asyncteach.recording import Recording
from asyncteach.thread_recorder.session import Session
from asyncteach.thread_recorder.states import develop_threads
from asyncteach.virtual_clock.clock import running_clock

MAX_SLICES = 500_000
"""Slices that a recording keeps, unless told otherwise: 28 MB."""

_lock = threading.Lock()
_open: "Session | None" = None


class record_threads:
    """See who holds the GIL: `with record_threads() as recording:` around code that uses threads.

    It sees the thread that opens it and every `threading.Thread` that is started from a thread it
    sees, by executors and `asyncio.to_thread` too, not those that were there before. The Recording
    is in seconds, a lane a thread, below a lane that shows when any of them ran:
    `recording.explain()` says how long a thread kept the GIL and how well that is known,
    `recording.plot(start=0.1, end=0.2)` shows single slices.

    A thread is *running* while its code executes, *ready* when it could go on and another thread
    has the GIL, or other programs the processor, and *waiting* while a call into C waits: for a
    sleep, a lock, a socket. It is ready from `start()` on, after `time.sleep` from when that was
    due, and after any other wait as long as it was seen to ask for the GIL: by taking it from
    another thread. Where neither can be known it counts as waiting until it runs. On a
    free-threaded build lanes run side by side, and there is none for a GIL.

    How it is measured: each thread looks at the clock at every line and every call into C
    (`sys.settrace`, `sys.setprofile`), and at its processor time after every gap between two such
    looks that is longer than 0.05 ms. Code that runs Python
    gets slower by that, ten to thirty times (`benchmarks/threads.py` measures it); how long a
    thread keeps the GIL doesn't change. Shorter waits than a gap are not seen, nor hand-overs.

    `max_slices`: how many gaps (56 bytes each) are kept; those beyond are counted, in
    `recording.dropped`. `title`: what the pictures are called. Afterwards everything is as it was;
    threads that go on then are shown as `still running`. Raises RuntimeError inside another
    `record_threads()`, inside `virtual_time()` and where a debugger or a coverage tool traces the
    thread; TypeError or ValueError for a `max_slices` that makes no sense.

    >>> import threading, time
    >>> with record_threads() as recording:
    ...     thread = threading.Thread(target=time.sleep, args=(0.02,), name="sleeper")
    ...     thread.start()
    ...     thread.join()
    >>> recording.names, list(recording.tasks()["outcome"])
    (['MainThread', 'sleeper'], ['still running', 'returned'])
    """

    def __init__(self, *, title: str = "Threads", max_slices: int = MAX_SLICES) -> None:
        self._title = str(title)
        self._most = _check(max_slices)
        self._session: Session | None = None

    def __enter__(self) -> Recording:
        global _open
        problem = self._find_problem()
        if problem:
            raise RuntimeError(problem)
        session = Session(self._most)
        has_gil = getattr(sys, "_is_gil_enabled", lambda: True)()
        try:
            with _lock:
                if _open is not None:
                    raise RuntimeError(_NESTED)
                self._session = _open = session
            recording = Recording.from_source(
                self._title, lambda: (develop_threads(session, has_gil=has_gil), session.closed)
            )
            session.open(sys._getframe(1))
        except BaseException:  # an interrupt may come at any line
            self.__exit__(None, None, None)
            raise
        return recording

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        interrupt: KeyboardInterrupt | None = None
        session = self._session
        while self._session is not None:
            try:
                self._close(self._session)
            except KeyboardInterrupt as one:  # first everything is put back
                interrupt = one
        if interrupt is not None:
            raise interrupt
        if session is not None and session.error is not None:
            warnings.warn(
                "record_threads() has failed and stopped recording; your code went on: "
                f"{session.error!r}",
                RuntimeWarning,
                stacklevel=2,
            )

    def _close(self, session: Session) -> None:
        global _open
        session.close()
        if _open is session:
            _open = None
        self._session = None

    def __del__(self) -> None:
        # Of a block that was never left: a generator that nobody has run to its end.
        if getattr(self, "_session", None) is not None:
            self.__exit__(None, None, None)

    def _find_problem(self) -> str:
        if self._session is not None:
            return "this block is open already: write `with record_threads():` anew."
        if _open is not None:
            return _NESTED
        if running_clock() is not None:
            return (
                "record_threads() measures real time, and in virtual_time() none passes: put it "
                "around code that is not inside virtual_time()."
            )
        if sys.gettrace() or sys.getprofile() or threading.gettrace() or threading.getprofile():
            return (
                "a debugger, a profiler or a coverage tool traces this thread already, and "
                "record_threads() needs its place: run this code without that tool."
            )
        return ""


_NESTED = (
    "record_threads() is open already, and one at a time sees all threads: leave the outer block "
    "first, or do without the inner one."
)


def _check(most: Any) -> int:
    __tracebackhide__ = True
    if isinstance(most, bool) or not isinstance(most, int):
        raise TypeError(
            f"record_threads(max_slices=...) takes a whole number and got {type(most).__name__}: "
            f"leave it out for {MAX_SLICES:,}."
        )
    if most <= 0:
        raise ValueError(
            f"record_threads(max_slices={most}) makes no sense, it must be more than 0: "
            f"leave it out for {MAX_SLICES:,}."
        )
    return most


def _begin_anew() -> None:
    """In a forked child: the threads of the parent's recording are not here."""
    global _lock, _open
    _lock = threading.Lock()
    if _open is not None:
        _open.forget()
        _open = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
