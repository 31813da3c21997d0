"""record_threads(): watch threads that run Python code, and see which of them ran when."""

import functools
import inspect
import sys
import threading
import time
import warnings
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from asyncteach.arguments import check_whole
from asyncteach.formatting import describe_error, printable
from asyncteach.recorder.process_patch import name_function
from asyncteach.recording import Recording
from asyncteach.replacements import Replacements
from asyncteach.thread_recorder.stamps import UNKNOWN, GapStore, Stamper, ThreadLog, make_stamper
from asyncteach.thread_recorder.thread_trace import build_thread_trace
from asyncteach.virtual_clock.clock import running_clock

MAX_SLICES = 500_000
"""Slices that a recording keeps by default: 28 MB."""

_LONGEST, _SHORTEST = 50_000, 20_000  # nanoseconds
_BILLION = 1_000_000_000

_open: "ThreadSession | None" = None


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
    looks that is longer than 0.05 ms. Code that runs Python gets slower by that, ten to thirty
    times (`benchmarks/threads.py` measures it); how long a thread keeps the GIL doesn't change.
    Waits and hand-overs that are shorter than such a gap are not seen.

    `max_slices`: how many gaps (56 bytes each) are kept; those beyond are counted, in
    `recording.dropped`. `title` stands above the pictures. Afterwards everything is as it was;
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
        fix = f"leave it out for {MAX_SLICES:,}"
        self._most = check_whole(max_slices, "record_threads(max_slices=...)", fix=fix)
        self._session: ThreadSession | None = None

    def __enter__(self) -> Recording:
        global _open
        problem = self._find_problem()
        if problem:
            raise RuntimeError(problem)
        session = ThreadSession(self._most)
        try:
            self._session = _open = session
            recording = Recording.from_source(
                self._title, lambda: (session.build_trace(), session.closed)
            )
            frame = inspect.currentframe()
            assert frame is not None
            assert frame.f_back is not None
            session.open(frame.f_back)
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
        global _open
        session, self._session = self._session, None
        if session is None:
            return
        try:
            session.close()
        finally:
            session.close()  # what an interrupt has left undone
            if _open is session:
                _open = None
        if session.error is not None:
            warnings.warn(
                "record_threads() has failed and stopped recording; your code went on: "
                f"{session.error!r}",
                RuntimeWarning,
                stacklevel=2,
            )

    def _find_problem(self) -> str:
        if self._session is not None:
            return "this block is open already: write `with record_threads():` anew."
        if _open is not None:
            return (
                "record_threads() is open already, and one at a time sees all threads: leave the "
                "outer block first, or do without the inner one."
            )
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


class ThreadSession:
    """One recording of threads: opened and closed by the thread whose block it is."""

    def __init__(self, most: int) -> None:
        self._interval = sys.getswitchinterval()
        # Far below a slice, far above the time between two stamps. A thread that comes to run for
        # a moment only takes the GIL for little longer.
        longest = min(_LONGEST, round(self._interval * _BILLION / 10))
        self._threshold = max(_SHORTEST, longest)
        self._store = GapStore(most)
        self._logs: list[ThreadLog] = []
        self._opened = self._ended = UNKNOWN
        self.closed = False
        self.error: Exception | None = None
        """What has gone wrong in the recorder itself."""
        self._watched: dict[int, tuple[ThreadLog, Stamper]] = {}  # by the number of the thread
        self._stampers: list[Stamper] = []
        self._opener: Stamper | None = None
        self._replaced = Replacements()

    def build_trace(self) -> Any:
        """Return the trace, as far as it has come."""
        return build_thread_trace(
            list(self._logs),
            self._store,
            zero=self._opened,
            ended=self._ended,
            interval=round(self._interval * _BILLION),
            threshold=self._threshold,
        )

    def open(self, frame: FrameType) -> None:
        """Put everything in place and watch the calling thread, in that frame and below it."""
        self._replace(threading.Thread, "start", self._starting)
        original = time.sleep
        sleep = self._replace(time, "sleep", self._sleeping)
        # `from time import sleep` has made names of its own.
        for names in (frame.f_globals, vars(sys.modules["__main__"])):
            for name in [name for name, value in list(names.items()) if value is original]:
                self._replaced.put_name(names, name, sleep)
        self._opened = time.perf_counter_ns()
        thread = threading.current_thread()
        log = ThreadLog(printable(thread.name), "", None, self._opened)
        self._logs.append(log)
        self._opener = self._watch(log, frame)

    def close(self) -> None:
        """Take everything away; a second call does what an interrupt has left undone."""
        me = self._watched.get(threading.get_ident())
        if me is not None and me[1] is self._opener:
            me[1].end()
        if self._ended == UNKNOWN:
            self._ended = time.perf_counter_ns()
            self._interval = sys.getswitchinterval()
        self.closed = True
        for stamper in self._stampers:
            stamper.close()
        self._replaced.undo()
        self._watched.clear()

    def _give_up(self, error: Exception) -> None:
        """Stop to record after a failure of our own: the watched code goes on."""
        self.error = self.error or error
        for stamper in list(self._stampers):
            stamper.close()

    def _watch(self, log: ThreadLog, frame: FrameType | None = None) -> Stamper:
        """Watch the calling thread from now on: what it calls, and that frame's rest."""
        stamper = make_stamper(log, self._store, self._threshold, self._give_up)
        self._stampers.append(stamper)
        self._watched[threading.get_ident()] = log, stamper
        try:
            stamper.begin(frame)
        except Exception as error:
            self._give_up(error)
        return stamper

    def _replace(self, owner: Any, name: str, make: Callable[[Any], Any]) -> Any:
        new = functools.wraps(getattr(owner, name))(make(self._replaced.take(owner, name)))
        self._replaced.put(owner, name, new)
        return new

    def _sleeping(self, original: Callable[..., None]) -> Callable[..., None]:
        def sleep(*seconds: Any) -> None:
            log, _ = self._watched.get(threading.get_ident(), (None, None))
            is_length = len(seconds) == 1 and isinstance(seconds[0], (int, float))
            # What is no length of time is left to the original, which says what is wrong.
            if log is not None and is_length and 0 < seconds[0] < _BILLION:
                log.due = time.perf_counter_ns() + round(seconds[0] * _BILLION)
            try:
                original(*seconds)
            finally:
                if log is not None:
                    log.due = UNKNOWN

        return sleep

    def _starting(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        def start(thread: Any) -> None:
            parent, _ = self._watched.get(threading.get_ident(), (None, None))
            if parent is None or self.closed or self.error is not None:
                return original(thread)
            run, own = thread.run, vars(thread).get("run")
            function = name_function(getattr(thread, "_target", None) or run, ())
            log = ThreadLog(printable(thread.name), function, parent, time.perf_counter_ns())
            self._logs.append(log)

            def put_back() -> None:
                vars(thread).pop("run", None)
                if own is not None:
                    thread.run = own

            def run_watched() -> None:
                put_back()
                self._run(run, log)

            thread.run = run_watched
            try:
                return original(thread)
            except BaseException:
                put_back()
                self._logs.remove(log)
                raise

        return start

    def _run(self, run: Callable[[], None], log: ThreadLog) -> None:
        if self.closed:
            return run()
        stamper = self._watch(log)
        outcome = "returned"
        try:
            return run()
        except BaseException as error:
            outcome = f"raised {describe_error(error)}"
            raise
        finally:
            stamper.end()
            if not self.closed:
                log.outcome = outcome
            self._watched.pop(threading.get_ident(), None)
