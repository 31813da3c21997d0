"""record_threads(): watch threads that run Python code, and see which of them ran when."""

import inspect
import sys
import threading
import time
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any

from asyncteach.arguments import check_whole
from asyncteach.formatting import describe_error, printable
from asyncteach.recorder.process_patch import name_function
from asyncteach.recording import Recording
from asyncteach.replacements import Replacements, start_thread
from asyncteach.thread_recorder.stamps import UNKNOWN, Stamper, ThreadLog, make_stamper
from asyncteach.thread_recorder.thread_trace import ThreadTrace, build_thread_trace
from asyncteach.virtual_clock.clock import running_clock

MAX_SLICES = 200_000
"""Gaps that a recording keeps by default: 40 MB."""

_BILLION = 1_000_000_000

_open: "record_threads | None" = None


class record_threads:
    """See which thread has the GIL: put `with record_threads() as recording:` around your code.

    It records the thread that opens it and every `threading.Thread` that a recorded thread starts,
    also by executors and `asyncio.to_thread`, but none that existed before. The Recording is in
    seconds and has a lane for each thread, below a lane that shows when any of them ran.
    `recording.explain()` describes how long threads kept the GIL and how accurate that is;
    `recording.plot(start=0.1, end=0.2)` shows single slices.

    A thread is *running* while its code executes, *ready* when it could go on but another thread
    has the GIL or another program the processor, and *waiting* while a call into C waits, for a
    sleep, a lock or a socket. It is ready from `start()` on, and after `time.sleep` from the moment
    the sleep was due to end. In any other call it counts as waiting until it runs, though it may
    have lacked only the GIL at the end. On a free-threaded build there is no lane for the GIL.

    How it is measured: each thread reads the clock at every line and every call into C
    (`sys.settrace`, `sys.setprofile`), and its processor time after every gap of more than 0.05 ms
    between two readings. This makes Python code ten to thirty times slower
    (`benchmarks/threads.py` measures it), but threads keep the GIL as long as they otherwise would.
    Waits and hand-overs shorter than such a gap are not seen.

    `max_slices` is how many gaps (200 bytes each) are kept; the others are counted in
    `recording.dropped`. `title` is shown above the pictures. Afterwards everything is as it was;
    threads that go on are shown as `still running`. Raises RuntimeError inside another
    `record_threads()`, inside `virtual_time()` and when a debugger or a coverage tool traces the
    thread; TypeError or ValueError if `max_slices` isn't a whole number from 1.

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
        most = check_whole(max_slices, "record_threads(max_slices=...)", fix=fix)
        self._room = iter(range(most))
        self._logs: list[ThreadLog] = []
        self._watched: dict[int, tuple[ThreadLog, Stamper]] = {}  # by thread identifier
        self._opened = self._ended = UNKNOWN
        self._error: Exception | None = None  # in the recorder itself
        self._replaced = Replacements()

    def __enter__(self) -> Recording:
        global _open
        problem = self._find_problem()
        if problem:
            raise RuntimeError(problem)
        self._interval = sys.getswitchinterval()
        frame = inspect.currentframe()
        caller = frame and frame.f_back
        _open = self
        try:
            self._replace(threading.Thread, "start", self._start)
            original = time.sleep
            sleep = self._replace(time, "sleep", self._sleep)
            # After `from time import sleep` the function has other names, too.
            for names in (caller.f_globals if caller else {}, vars(sys.modules["__main__"])):
                for name in [name for name, value in list(names.items()) if value is original]:
                    self._replaced.put_name(names, name, sleep)
            self._opened = time.perf_counter_ns()
            name = printable(threading.current_thread().name)
            self._logs.append(ThreadLog(name, "", None, self._opened))
            self._watch(self._logs[0]).begin(caller)
        except BaseException:  # an interrupt may come at any line
            self._close()
            raise
        return Recording.from_source(self._title, self._build)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if _open is self:
            self._close()
            if self._error is not None:
                warnings.warn(
                    "record_threads() has failed and stopped recording, but your code went on: "
                    f"{self._error!r}",
                    RuntimeWarning,
                    stacklevel=2,
                )

    def _find_problem(self) -> str:
        if _open is not None or self._logs:
            return (
                "only one record_threads() block can be open at a time: leave the outer block "
                "first, and write a new `with record_threads():` for each recording."
            )
        if running_clock() is not None:
            return (
                "record_threads() measures real time, and inside virtual_time() none passes: use "
                "it outside virtual_time()."
            )
        if sys.gettrace() or sys.getprofile() or threading.gettrace() or threading.getprofile():
            return (
                "a debugger, a profiler or a coverage tool already traces this thread, and "
                "record_threads() needs the same hooks: run this code without that tool."
            )
        return ""

    def _close(self) -> None:
        global _open
        log, stamper = self._watched.get(threading.get_ident(), (None, None))
        if stamper is not None and log is self._logs[0]:
            stamper.end()
        self._ended, self._interval = time.perf_counter_ns(), sys.getswitchinterval()
        self._stop()
        self._replaced.undo()
        _open = None

    def _stop(self, error: Exception | None = None) -> None:
        """Stop recording, also after a failure of the recorder; the watched code goes on."""
        self._error = self._error or error
        for _, stamper in list(self._watched.values()):
            stamper.close()

    def _watch(self, log: ThreadLog) -> Stamper:
        """Return a new stamper for the calling thread."""
        stamper = make_stamper(log, self._room, self._stop)
        self._watched[threading.get_ident()] = log, stamper
        return stamper

    def _build(self) -> ThreadTrace:
        """Return the trace so far."""
        interval = round(self._interval * _BILLION)
        return build_thread_trace(list(self._logs), self._opened, self._ended, interval)

    def _replace(self, owner: Any, name: str, method: Callable[..., Any]) -> Any:
        return self._replaced.put(owner, name, lambda before: lambda *args: method(before, *args))

    def _sleep(self, original: Callable[..., None], *seconds: Any) -> None:
        log, _ = self._watched.get(threading.get_ident(), (None, None))
        if log is None:
            return original(*seconds)
        is_length = len(seconds) == 1 and isinstance(seconds[0], (int, float))
        if is_length and 0 < seconds[0] < _BILLION:
            log.due = time.perf_counter_ns() + round(seconds[0] * _BILLION)
        try:
            original(*seconds)  # it raises the usual error for an invalid duration
        finally:
            log.due = UNKNOWN

    def _start(self, original: Callable[[Any], None], thread: Any) -> None:
        parent, _ = self._watched.get(threading.get_ident(), (None, None))
        if parent is None or _open is not self or self._error is not None:
            return original(thread)
        run = thread.run
        function = name_function(getattr(thread, "_target", None) or run, ())
        log = ThreadLog(printable(thread.name), function, parent, time.perf_counter_ns())
        self._logs.append(log)
        try:
            return start_thread(original, thread, lambda: self._run(run, log))
        except BaseException:
            self._logs.remove(log)
            raise

    def _run(self, run: Callable[[], None], log: ThreadLog) -> None:
        if _open is not self:
            return run()
        stamper, outcome = self._watch(log), "returned"
        stamper.begin(None)
        try:
            return run()
        except BaseException as error:
            outcome = f"raised {describe_error(error)}"
            raise
        finally:
            stamper.end()
            if _open is self:
                log.outcome = outcome
            self._watched.pop(threading.get_ident(), None)
