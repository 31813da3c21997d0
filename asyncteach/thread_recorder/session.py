"""What is put into the process while threads are recorded, and the stampers of all of them."""

import functools
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from asyncteach.formatting import describe_error, printable
from asyncteach.recorder.process_patch import name_function
from asyncteach.replacements import Replacements, hide_frame
from asyncteach.thread_recorder.log import UNKNOWN, Log, Shelf
from asyncteach.thread_recorder.stamps import Stamper, make_stamper

_LONGEST, _SHORTEST = 50_000, 20_000  # nanoseconds
_BILLION = 1_000_000_000


class Session:
    """One recording of threads: opened and closed by the thread whose block it is."""

    def __init__(self, most: int) -> None:
        self.first_interval = self.last_interval = sys.getswitchinterval()
        # Far below a slice, far above the time between two stamps. Who comes to run for a moment
        # only takes the GIL for little longer.
        longest = min(_LONGEST, round(self.first_interval * _BILLION / 10))
        self.threshold = max(_SHORTEST, longest)
        self.shelf = Shelf(most)
        self.logs: list[Log] = []
        self.opened = self.ended = UNKNOWN
        self.closed = False
        self.error: Exception | None = None
        """What has gone wrong in the recorder itself."""
        self._watched: dict[int, tuple[Log, Stamper]] = {}  # by the number of the thread
        self._stampers: list[Stamper] = []
        self._opener: Stamper | None = None
        self._replaced = Replacements()
        self._lock = threading.RLock()

    def open(self, frame: FrameType) -> None:
        """Put everything in place and watch the calling thread, in that frame and below it."""
        self._put(threading.Thread, "start", self._starting)
        self._put_sleep(frame.f_globals)
        self.opened = time.perf_counter_ns()
        thread = threading.current_thread()
        log = Log(printable(thread.name), "", None, self.opened)
        self.logs.append(log)
        self._opener = self._watch(log)
        self._opener.begin(frame)

    def close(self) -> None:
        """Take everything away; after an interrupt once more, from the beginning."""
        me = self._watched.get(threading.get_ident())
        if me is not None and me[1] is self._opener:
            me[1].end()
        if self.ended == UNKNOWN:
            self.ended = time.perf_counter_ns()
            self.last_interval = sys.getswitchinterval()
        self.closed = True
        for stamper in list(self._stampers):
            stamper.close()
        self._replaced.undo()
        self._watched.clear()

    def give_up(self, error: Exception) -> None:
        """Stop to record after a failure of our own: the watched code goes on."""
        self.error = self.error or error
        for stamper in list(self._stampers):
            stamper.close()

    def forget(self) -> None:
        """End it in a forked child: there are no other threads."""
        self.closed = True
        for stamper in list(self._stampers):
            stamper.close()
        self._replaced.undo()

    def _watch(self, log: Log) -> Stamper:
        stamper = make_stamper(log, self.shelf, self.threshold, self.give_up)
        with self._lock:
            self._stampers.append(stamper)
            self._watched[threading.get_ident()] = log, stamper
        return stamper

    def _put(self, owner: Any, name: str, make: Callable[[Any], Any]) -> Any:
        stand_in = functools.wraps(getattr(owner, name))(make(self._replaced.take(owner, name)))
        self._replaced.put(owner, name, stand_in)
        return stand_in

    def _put_sleep(self, namespace: dict[str, Any]) -> None:
        original = time.sleep
        stand_in = self._put(time, "sleep", self._sleeping)
        # `from time import sleep` has made names of its own.
        for names in (namespace, vars(sys.modules["__main__"])):
            for name in [name for name, value in list(names.items()) if value is original]:
                self._replaced.put_name(names, name, stand_in)

    def _sleeping(self, original: Callable[..., None]) -> Callable[..., None]:
        def sleep(*seconds: Any) -> None:
            watched = self._watched.get(threading.get_ident())
            is_one = len(seconds) == 1 and isinstance(seconds[0], (int, float))
            # What is no length of time the original complains of.
            if watched is None or not is_one or not 0 < seconds[0] < _BILLION:
                log = None
            else:
                log = watched[0]
                log.due = time.perf_counter_ns() + round(seconds[0] * _BILLION)
            try:
                original(*seconds)
            except BaseException as error:
                hide_frame(error)
                raise
            finally:
                if log is not None:
                    log.due = UNKNOWN

        return sleep

    def _starting(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        def start(thread: Any) -> None:
            starter = self._watched.get(threading.get_ident())
            if starter is None or self.closed or self.error is not None:
                return original(thread)
            run, own = thread.run, dict(vars(thread))
            name = printable(thread.name)
            function = name_function(getattr(thread, "_target", None) or run, ())
            log = Log(name, function, starter[0], time.perf_counter_ns())
            with self._lock:
                self.logs.append(log)

            def run_watched() -> None:
                put_back()
                stamper = None if self.closed else self._watch(log)
                if stamper is not None:
                    stamper.begin(None)
                outcome = "returned"
                try:
                    run()
                except BaseException as error:
                    hide_frame(error)
                    outcome = f"raised {describe_error(error)}"
                    raise
                finally:
                    if stamper is not None:
                        stamper.end()
                    if not self.closed:
                        log.outcome = outcome
                    self._watched.pop(threading.get_ident(), None)

            def put_back() -> None:
                vars(thread).pop("run", None)
                if "run" in own:
                    vars(thread)["run"] = own["run"]

            vars(thread)["run"] = run_watched
            try:
                return original(thread)
            except BaseException as error:
                put_back()
                with self._lock:
                    self.logs.remove(log)
                hide_frame(error)
                raise

        return start
