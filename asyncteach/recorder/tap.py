"""One event loop under record: what is put on it, and what has been stamped."""

import asyncio
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from asyncteach.recorder.axis import Axis
from asyncteach.recorder.callbacks import task_of, users_line
from asyncteach.recorder.entry import Entry, Registry
from asyncteach.recorder.observer import Observer
from asyncteach.recorder.reel import Reel
from asyncteach.recorder.stepper import make_stepper
from asyncteach.recorder.waits import Line
from asyncteach.recorder.watchdog import Counters
from asyncteach.replacements import Replacements, hide_frame
from asyncteach.virtual_clock.clock import real_monotonic

HEARTBEAT = 0.1
"""Seconds after which an idle loop looks whether an interrupt has come."""


def check_loop(loop: object) -> str | None:
    """Return why a loop can't be watched, as one sentence; None: it can be."""
    name = f"{type(loop).__module__}.{type(loop).__qualname__}"
    parts = ("_ready", "_scheduled", "_selector", "_run_once")
    if isinstance(loop, asyncio.BaseEventLoop) and all(hasattr(loop, part) for part in parts):
        return None
    return (
        f"record() can't watch the event loop {name}: run your code on asyncio's own loop, as "
        "asyncio.run(main()) does when no other loop is installed."
    )


class Connections:
    """The sockets that connect to others, as long as the loop's selector holds them."""

    def __init__(self) -> None:
        self.held: set[int] = set()
        self.most = 0
        self.at = 0.0
        """When there were most."""
        self.line: Line | None = None
        self.entry: Entry | None = None
        self._known: dict[int, tuple[Any, Line | None, Entry | None]] = {}

    def begin(self, sock: Any, line: Line | None, entry: Entry | None) -> None:
        """Know a socket that is about to connect."""
        self._known[sock.fileno()] = (weakref.ref(sock), line, entry)

    def hold(self, number: int, at: float) -> None:
        """Count a file of that number if it is one of them."""
        reference, line, entry = self._known.get(number, (None, None, None))
        sock = None if reference is None else reference()
        if sock is None or sock.fileno() != number:  # closed: the number is another's now
            self._known.pop(number, None)
            return
        self.held.add(number)
        if len(self.held) > self.most:
            self.most, self.at, self.line, self.entry = len(self.held), at, line, entry


class Tap:
    """One event loop under record: its reels of steps, waits and idle stretches.

    All recordings that are open share it; which tasks belong to whom is told from the scope that
    a task has inherited. `scope_of(context)` returns that scope, or None for a stranger's task.
    """

    def __init__(
        self, loop: Any, axis: Axis, scope_of: Callable[[Any], Any], observer: Observer
    ) -> None:
        self.loop = loop
        self.axis = axis
        self.threshold = float("inf")
        self.registry = Registry(self, self._lose)
        self.entry_of = self.registry.of
        self.steps = Reel(4)  # task, ready since, start, end
        self.waits = Reel(5)  # task, end, note, amount, how many coroutines are the same
        self.idle = Reel(2)  # start, end
        self.jobs: list[Entry] = []  # that its tasks have handed to threads and processes
        self.wakers: dict[int, tuple[str, float]] = {}  # which thread woke a task, by its id
        self.connections = Connections()
        self.holds: list[tuple[float, float, str]] = []  # long callbacks that are no task's step
        self.samples: dict[float, list[Any]] = {}  # stacks, by when the step began
        self.looks: list[Counters] = []  # of the watchdog, around long steps and where it was late
        self.native_id = 0  # of the thread that runs the loop, as the system knows it
        self.cuts: list[int] = []  # steps that are only the first part of one
        self.cpu = 0.0  # seconds of processor time of the thread that runs it
        self._cpu_start: tuple[int, float] | None = None
        self.observer: Any = observer
        self._stopped = False
        self._replaced = Replacements()
        self.before = partial(self._replaced.take, loop)
        self._select_before = self._replaced.take(loop._selector, "select")
        self._hand_over_before = self.before("run_in_executor")
        self._close_before = self.before("close")
        self._connect_before = self.before("sock_connect")
        self._register_before = self._replaced.take(loop._selector, "register")
        self._unregister_before = self._replaced.take(loop._selector, "unregister")
        self.on_close: Callable[[Tap], object] = lambda _: None
        self._stepper = stepper = make_stepper(self, loop, observer, scope_of)
        self.current = stepper.current
        self.adopt = stepper.adopt

    def install(self) -> None:
        """Put everything on the loop."""
        loop, put = self.loop, self._replaced.put
        self.axis.tell(self._stepper.set_now)
        put(loop, "call_soon", self._stepper.call_soon)
        put(loop, "call_at", self._stepper.call_at)
        put(loop, "call_soon_threadsafe", self._stepper.call_soon_threadsafe)
        put(loop, "_write_to_self", self._stepper.write_to_self)
        put(loop, "create_task", self._stepper.create_task)
        put(loop, "run_in_executor", self._run_in_executor)
        put(loop, "close", self._close)
        put(loop, "sock_connect", self._sock_connect)
        put(loop._selector, "select", self._select)
        put(loop._selector, "register", self._register)
        put(loop._selector, "unregister", self._unregister)
        self._stepper.adopt_ready()
        self.begin_thread()

    def remove(self) -> None:
        """Take everything off the loop again."""
        if self.loop is None:
            return
        self.stop()
        is_gone = self._replaced.undo()
        self.axis.forget(self._stepper.set_now)
        for timer in list(self.loop._scheduled):
            self._stepper.unmark(timer)
        # What was stamped stays, maybe for long; the loop and all that was on it need not.
        self.current = lambda: (0.0, None)
        self._stepper = self.adopt = None  # type: ignore[assignment]
        self.loop = None
        if is_gone:
            del self.before, self._select_before, self._hand_over_before, self._close_before
            del self._connect_before, self._register_before, self._unregister_before

    def stop(self) -> None:
        """Stamp nothing any more."""
        if not self._stopped:
            self._stopped = True
            self._stepper.stop()

    def widen(self, threshold: float, most: int) -> None:
        """Serve one more recording, which asks for this much."""
        self.threshold = min(self.threshold, threshold)
        for reel in (self.steps, self.waits, self.idle):
            reel.most = max(reel.most, most)

    # What others ask

    def begin_thread(self) -> None:
        """Count the processor time of the calling thread, which runs the loop, from now on."""
        self._cpu_start = (threading.get_ident(), time.thread_time())
        self.native_id = threading.get_native_id()

    def end_thread(self) -> None:
        """Add up the processor time, if it is the same thread that asks."""
        if self._cpu_start and self._cpu_start[0] == threading.get_ident():
            now = time.thread_time()
            self.cpu += now - self._cpu_start[1]
            self._cpu_start = (self._cpu_start[0], now)

    def flush(self) -> None:
        """Move what has been stamped to typed arrays."""
        for reel in (self.steps, self.waits, self.idle):
            reel.flush()

    def cut(self, at: float) -> None:
        """Write down what there is of the step that is being executed."""
        if self.current()[1] is not None:
            self._stepper.cut(at)
            self.cuts.append(self.steps.rows() - 1)

    def find_ready(self) -> Iterator[tuple[Entry, float]]:
        """Give the tasks that wait for their turn now, and since when."""
        now = self.axis.now()
        for timer in list(self.loop._scheduled):
            due = timer.when()
            if self.axis.is_plain and due <= now and not timer.cancelled() and timer._args:
                for callback, _ in getattr(timer._args[0], "_callbacks", None) or ():
                    entry = self.entry_of(task_of(callback))
                    if entry is not None:
                        yield entry, due
        for handle in list(self.loop._ready):
            entry = self.entry_of(task_of(handle._callback))
            since = getattr(handle, "_since", None)
            if entry is not None and since:
                yield entry, since

    # What stands in for the loop's own methods

    def _select(self, timeout: float | None = None) -> Any:
        if self._stopped:
            return self._select_before(timeout)
        stepper, now = self._stepper, self.axis.now
        if timeout is not None and timeout <= 0:
            found = self._select_before(timeout)
            stepper.wake(now())
            return found
        start = now()
        stepper.rest(start)
        try:
            return self._wait(timeout)
        except BaseException as error:
            hide_frame(error)
            hide_frame(error)  # and that of _wait
            raise
        finally:
            end = now()
            stepper.wake(end)
            self.idle.fresh.extend((start, end))

    def _wait(self, timeout: float | None) -> Any:
        end = None if timeout is None else real_monotonic() + timeout
        while True:
            left = HEARTBEAT if end is None else min(HEARTBEAT, end - real_monotonic())
            found = self._select_before(max(0.0, left))
            if found or (end is not None and real_monotonic() >= end):
                return found
            # An interrupt makes work ready without an event, and so does another thread that
            # should not: for that one the loop goes on sleeping, as it would without us.
            if len(self.loop._ready) > self._stepper.strangers():
                return found

    def _sock_connect(self, sock: Any, address: Any) -> Any:
        if not self._stopped:
            try:
                number = self.current()[1]
                entry = None if number is None else self.registry.entries[number]
                line = users_line(2) or (entry.line if entry is not None else None)
                self.connections.begin(sock, line, entry)
            except Exception as error:
                self._fail(error)
        return self._connect_before(sock, address)

    def _register(self, file: Any, events: int, data: Any = None) -> Any:
        try:
            key = self._register_before(file, events, data)
        except BaseException as error:
            hide_frame(error)
            raise
        if not self._stopped:
            try:
                self.connections.hold(key.fd, self.axis.now())
            except Exception as error:
                self._fail(error)
        return key

    def _unregister(self, file: Any) -> Any:
        try:
            key = self._unregister_before(file)
        except BaseException as error:
            hide_frame(error)
            raise
        self.connections.held.discard(key.fd)
        return key

    def _close(self) -> None:
        self._close_before()
        self.on_close(self)

    def complain(self, context: dict[str, Any]) -> None:
        """Note what the loop's exception handler is about to be told."""
        if not self._stopped:
            try:
                self.observer.complained(self, context)
            except Exception as error:
                self._fail(error)

    def _run_in_executor(self, executor: Any, function: Any, *args: Any) -> Any:
        arguments = (executor, function, *args)
        if self._stopped:
            return self._hand_over_before(*arguments)
        try:
            return self.observer.handed_over(self, lambda: self._hand_over_before(*arguments))
        except BaseException as error:
            for _ in range(3):  # the lambda, the observer and this one
                hide_frame(error)
            raise

    def _lose(self, entry: Entry) -> None:
        try:
            self.observer.vanished(self, entry, self.axis.now())
        except Exception as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self.stop()
        self.observer.failed(error)
