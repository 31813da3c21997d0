"""The attributes put on one event loop while it is recorded: every step of a task is stamped."""

import asyncio
import contextvars
import sys
import threading
import time
import types
import weakref
from array import array
from asyncio import events
from collections.abc import Callable, Iterator
from typing import Any

from asyncteach.axis import Axis
from asyncteach.lookout import real_monotonic
from asyncteach.places import is_learners
from asyncteach.replacements import Replacements
from asyncteach.waits import Line

HEARTBEAT = 0.1
"""Seconds after which an idle loop looks whether an interrupt has come."""

SHORTEST_WAIT = 0.001
"""Seconds of waiting from which on it is looked at what for: it costs some steps' worth."""

_HANDLE_SLOTS = {
    *("_callback", "_args", "_cancelled", "_loop", "_source_traceback"),
    *("_repr", "__weakref__", "_context"),
}


class Entry:
    """A task, or a job of a thread or a process, from the moment when it is first seen."""

    # Defaults of the class: what isn't set costs nothing, and tasks may be many.
    name = label = coroutine = outcome = ""
    finished = float("nan")
    line: Line | None = None
    where_cancelled: Line | None = None
    loop: Any = None
    ref: Any = None
    job: Any = None
    opener = False
    trail: tuple[Any, ...] = ()  # weak references to the coroutines of its last wait

    def __init__(
        self, kind: str, number: int, scope: Any, parent: "Entry | None", spawned: float
    ) -> None:
        self.kind = kind
        self.number = number
        self.scope = scope
        self.parent = parent
        self.spawned = spawned


class _TaskRef(weakref.ref[Any]):
    """A weak reference that knows whose it is when the task has gone."""

    __slots__ = ("ident", "number")


class Reel:
    """Rows of so many numbers: a list that is cheap to extend, moved to arrays now and then."""

    def __init__(self, columns: int, most: int) -> None:
        self.columns = columns
        self.most = most
        self.dropped = 0
        self.fresh: list[float] = []
        self._chunks: list["array[float]"] = []
        self._kept = 0
        self._lock = threading.Lock()

    def flush(self, *, at_least: int = 4096) -> None:
        """Move whole rows to an array; those beyond the most are only counted."""
        with self._lock:
            rows = len(self.fresh) // self.columns
            if rows < at_least:
                return
            room = min(rows, max(0, self.most - self._kept))
            if room:
                self._chunks.append(array("d", self.fresh[: room * self.columns]))
            # One statement, so that what the loop's thread adds meanwhile stays.
            del self.fresh[: rows * self.columns]
            self._kept += room
            self.dropped += rows - room

    def rows(self) -> int:
        """Return how many rows are kept, all of them in arrays now."""
        self.flush(at_least=1)
        return self._kept

    def chunks(self, start: int) -> "Iterator[array[float]]":
        """Give the arrays from that row on."""
        for chunk in self._chunks:
            rows = len(chunk) // self.columns
            if start < rows:
                yield chunk[start * self.columns :] if start > 0 else chunk
            start -= rows


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


class Tap:
    """One event loop under record: its reels of steps, waits and idle stretches.

    All recordings that are open share it; which tasks belong to whom is told from the scope that
    a task has inherited. `scope_of(context)` returns that scope, or None for a stranger's task.
    """

    def __init__(
        self,
        loop: Any,
        axis: Axis,
        scope_of: Callable[[Any], Any],
        observer: "Observer",
        most: int,
        threshold: float,
    ) -> None:
        self.loop = loop
        self.axis = axis
        self.observer = observer
        self.entries: list[Entry] = []
        self.steps = Reel(4, most)  # task, ready since, start, end
        self.waits = Reel(5, most)  # task, end, note, amount, how many coroutines are the same
        self.idle = Reel(2, most)  # start, end
        self.holds: list[tuple[float, float, str]] = []  # long callbacks that are no task's step
        self.cpu = 0.0
        self.lanes: dict[int, int] = {}  # by the id of a task, for as long as it is alive
        self._cpu_start: tuple[int, float] | None = None
        self._replaced = Replacements()
        self._scope_of = scope_of
        self.threshold = threshold
        self.samples: dict[float, list[Any]] = {}
        self.cuts: list[int] = []  # steps that are only the first part of one
        self.begin_thread()
        self._install()

    # What the observer needs to know

    def begin_thread(self) -> None:
        """Count the processor time of the calling thread, which runs the loop, from now on."""
        self._cpu_start = (threading.get_ident(), time.thread_time())

    def end_thread(self) -> None:
        """Add up the processor time, if it is the same thread that asks."""
        if self._cpu_start and self._cpu_start[0] == threading.get_ident():
            now = time.thread_time()
            self.cpu += now - self._cpu_start[1]
            self._cpu_start = (self._cpu_start[0], now)

    def widen(self, threshold: float, most: int) -> None:
        """Serve one more recording, which asks for this much."""
        self.threshold = min(self.threshold, threshold)
        for reel in (self.steps, self.waits, self.idle):
            reel.most = max(reel.most, most)

    def flush(self) -> None:
        """Move what has been stamped to typed arrays."""
        self.steps.flush()
        self.waits.flush()
        self.idle.flush()

    def cut(self, at: float) -> None:
        """Write down what there is of the step that is being executed."""
        if self.current()[1] is not None:
            self._cut(at)
            self.cuts.append(self.steps.rows() - 1)

    def find_ready(self) -> Iterator[tuple[int, float]]:
        """Give the tasks that wait for their turn now, and since when."""
        now = self.axis.now()
        for timer in list(self.loop._scheduled):
            due = timer.when()
            if self.axis.is_plain and due <= now and not timer.cancelled() and timer._args:
                for callback, _ in getattr(timer._args[0], "_callbacks", None) or ():
                    number = self.lanes.get(id(getattr(callback, "__self__", None)))
                    if number is not None:
                        yield number, due
        for handle in list(self.loop._ready):
            number = self.lanes.get(id(getattr(handle._callback, "__self__", None)))
            if number is not None and hasattr(handle, "_since"):
                yield number, handle._since

    def entry_of(self, task: Any) -> Entry | None:
        """Return the entry of a task that is alive, done or not."""
        number = self.lanes.get(id(task))
        return None if number is None else self.entries[number]

    def remove(self) -> None:
        """Take everything off the loop again; handles that are still queued are plain ones."""
        self.stop()
        self._replaced.undo()
        self.axis.forget(self._set_now)
        for timer in list(self.loop._scheduled):
            self._unmark(timer)
        self.lanes.clear()

    def _install(self) -> None:
        hooks = make_hooks(self)
        self._set_now = hooks.set_now
        self._unmark = hooks.unmark
        self.stop = hooks.stop
        self.current = hooks.current
        self._cut = hooks.cut
        self.adopt = hooks.adopt
        self.axis.tell(hooks.set_now)
        for owner, name, new in hooks.replacements:
            if hasattr(owner, name):
                self._replaced.put(owner, name, new)
        hooks.adopt_ready()


class Observer:
    """Whoever is told of what happens besides plain steps; nothing that it does may raise."""

    def joined(self, tap: Tap, entry: Entry, task: Any) -> None:
        """A task that was running already opens a recording."""

    def waited(self, tap: Tap, entry: Entry, task: Any, until: float) -> None:
        """A task that has waited for long is about to go on; it still stands where it waited."""

    def finished(self, tap: Tap, entry: Entry, task: Any, at: float) -> None:
        """A task has returned, raised or been cancelled."""

    def vanished(self, tap: Tap, entry: Entry, at: float) -> None:
        """A task has been garbage-collected before it was done."""

    def complained(self, tap: Tap, context: dict[str, Any]) -> None:
        """The loop's exception handler is about to be told something."""

    def trespassed(self, tap: Tap, callback: Any) -> None:
        """Another thread has put a callback on the loop, while that was idle, without a wake-up."""

    def handed_over(self, tap: Tap, call: Callable[[], Any]) -> Any:
        """Work goes to an executor by `call()`, whose future is to be returned."""
        return call()

    def failed(self, error: BaseException) -> None:
        """The recorder itself has failed: it has to end."""


class Hooks:
    """What `make_hooks` gives: the replacements, and ways to reach what they share."""

    set_now: Callable[[Callable[[], float]], None]
    stop: Callable[[], None]
    unmark: Callable[[Any], None]
    current: Callable[[], tuple[float, int | None]]
    cut: Callable[[float], None]
    adopt: Callable[[Any, Any], Entry]
    adopt_ready: Callable[[], None]
    replacements: list[tuple[Any, str, Any]]


def learners_line(depth: int) -> Line | None:
    """Return the learner's line that is being executed, `depth` frames up or further out."""
    frame = sys._getframe(depth)
    while frame is not None:
        if is_learners(frame.f_code.co_filename):
            return frame.f_code, frame.f_lineno or frame.f_code.co_firstlineno
        frame = frame.f_back  # type: ignore[assignment]
    return None


def _type_of_steps() -> Any:
    """Return the type of the callback by which a task asks for its next step.

    asyncio has no name for it; it is that of the callback which a new task gives to its loop.
    """
    seen: list[Any] = []

    class Loop:
        def call_soon(self, callback: Any, *_: Any, context: Any = None) -> None:
            seen.append(callback)

        def get_debug(self) -> bool:
            return False

        def is_running(self) -> bool:
            return False

        def call_exception_handler(self, _: Any) -> None:
            pass

    async def nothing() -> None:
        pass

    coroutine = nothing()
    loop: Any = Loop()
    task = asyncio.Task(coroutine, loop=loop)
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    coroutine.close()
    kind = type(seen[0])
    # The pure-Python task gives a bound method, and so would anybody else.
    return None if kind is types.MethodType else kind


def make_hooks(tap: Tap) -> Hooks:
    """Make the functions that stand in for the loop's own, around variables that they share.

    They are closures and not methods because they run at every step: a variable of a closure is
    read in a fraction of the time of an attribute.
    """
    loop = tap.loop
    ready = loop._ready
    append = ready.append
    observer = tap.observer
    entries = tap.entries
    lanes = tap.lanes
    lane_of = lanes.get
    scope_of = tap._scope_of
    axis = tap.axis
    step = tap.steps.fresh.extend
    idle_step = tap.idle.fresh.extend
    now = axis.now
    get_ident = threading.get_ident
    copy_context = contextvars.copy_context
    new = object.__new__
    STEP = _type_of_steps()  # noqa: N806
    original = {
        name: getattr(loop, name)
        for name in ("call_soon", "call_at", "call_soon_threadsafe", "create_task")
    }
    call_soon_before, call_at_before = original["call_soon"], original["call_at"]
    threadsafe_before, create_before = original["call_soon_threadsafe"], original["create_task"]
    select_before = loop._selector.select
    plain_run = events.Handle._run
    # Another's call_soon is called and its handle replaced; asyncio's own is done here at once.
    is_stock = (
        type(loop).call_soon is asyncio.BaseEventLoop.call_soon
        and "call_soon" not in vars(loop)
        and set(events.Handle.__slots__) == _HANDLE_SLOTS
    )

    slow = not is_stock
    stopped = False
    current: int | None = None  # the lane whose step is being executed
    since = 0.0  # since when it holds the loop; 0: nothing does
    began = ready_at = 0.0  # when that step began, and since when it was ready to
    running_task: Any = None  # whose step it is, while `running_handle` runs it
    running_handle: Any = None
    again = False  # that step has asked for another one
    last = 0.0  # when the last callback or select ended; 0: unknown
    due: float | None = None  # since when what is scheduled now has been ready
    idle = False
    idle_from = idle_to = 0.0
    strangers = 0
    ends: list[float] = []
    unsettled: int | None = None  # the task that opened the recording, in its first step
    safe_since: dict[int, float] = {}

    def set_now(other: Callable[[], float]) -> None:
        nonlocal now, last
        now, last = other, 0.0

    def fail(error: BaseException) -> None:
        stop()
        observer.failed(error)

    def stop() -> None:
        nonlocal slow, stopped, running_task
        slow = stopped = True
        running_task = None
        lanes.clear()

    def state() -> tuple[float, int | None]:
        return since, current

    # Tasks

    def register(task: Any, entry: Entry, coroutine: Any) -> None:
        entry.ref = ref = _TaskRef(task, forget)
        ref.ident = ident = id(task)
        ref.number = lanes[ident] = entry.number
        try:
            entry.coroutine = coroutine.__qualname__
        except AttributeError:
            entry.coroutine = type(coroutine).__qualname__

    def forget(ref: _TaskRef) -> None:
        if lanes.get(ref.ident) == ref.number:
            del lanes[ref.ident]
            entry = entries[ref.number]
            if not entry.outcome:
                try:
                    observer.vanished(tap, entry, now())
                except Exception as error:
                    fail(error)

    def enter(scope: Any, parent: int | None, at: float) -> Entry:
        number = len(entries)
        entry = Entry("task", number, scope, None if parent is None else entries[parent], at)
        entry.loop = tap
        entries.append(entry)
        ends.append(at)
        return entry

    def adopt(task: Any, scope: Any) -> Entry:
        """Take in the running task, which opens a recording in the midst of one of its steps."""
        nonlocal unsettled, current, since, began, ready_at
        number = lane_of(id(task))
        if number is None:
            entry = enter(scope, None, now())
            entry.opener = True
            register(task, entry, task.get_coro())
            observer.joined(tap, entry, task)
            unsettled = current = entry.number
            since = began = ready_at = entry.spawned
        else:
            entry = entries[number]
        return entry

    def cut(at: float) -> None:
        """Write down what there is of the step that is being executed."""
        nonlocal began, ready_at
        if current is not None and not stopped:
            step((current, ready_at, began, at))
            ends[current] = began = ready_at = at

    def settle(at: float) -> None:
        """End the step in which a recording was opened: something else has begun."""
        nonlocal unsettled, current, since
        if current == unsettled:
            cut(at)
            current, since = None, 0.0
        unsettled = None

    def see(handle: Any, task: Any) -> int | None:
        """Take in a task of whose making nobody has told; None: it isn't one of ours."""
        if stopped or not hasattr(task, "get_coro"):
            return None
        scope = scope_of(handle._context)
        if scope is None or task.done():
            return None
        entry = enter(scope, handle._parent, handle._since or now())
        register(task, entry, task.get_coro())
        return entry.number

    def find_lane(handle: Any) -> int | None:
        """Return the lane of the task whose step a handle is; None: it isn't one of ours."""
        task = getattr(handle._callback, "__self__", None)
        number = lane_of(id(task))
        if number is None:
            try:
                number = see(handle, task)
            except Exception as error:
                fail(error)
        handle._lane, handle._task = number, task
        return number

    def step_around(start: float) -> Any:
        """Return the step that another one interrupts: a loop runs inside a loop."""
        if unsettled is not None:
            settle(start)
            return None
        return current, began, ready_at, running_task, running_handle

    def finish(number: int, task: Any, at: float) -> None:
        try:
            observer.finished(tap, entries[number], task, at)
        except Exception as error:
            fail(error)

    # Steps

    class Handle(events.Handle):
        __slots__ = ("_lane", "_parent", "_since", "_task")

        def _run(self) -> None:
            nonlocal current, since, began, ready_at, running_task, running_handle, again, last
            number = self._lane
            if number is None or stopped:
                number = find_lane(self)
                if number is None:
                    return run_other(self)
            # What ran before on this loop has just ended: one look at the clock is for both.
            start = last or now()
            outer = None if current is None else step_around(start)
            callback = self._callback
            task = running_task = self._task
            running_handle = self
            current = number
            again = False
            ready_at = self._since
            if not ready_at:
                ready_at = ends[number]
            elif ready_at - ends[number] > SHORTEST_WAIT:
                try:
                    observer.waited(tap, entries[number], task, ready_at)
                except Exception as error:
                    fail(error)
            since = began = start
            try:
                if self._args:
                    self._context.run(callback, *self._args)
                else:
                    self._context.run(callback)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                complain(self, error)
            finally:
                last = end = now()
                step((number, ready_at, began, end))
                ends[number] = end
                if outer is None:
                    current = running_task = running_handle = None
                    since = 0.0
                else:
                    current, began, ready_at, running_task, running_handle = outer
                    since, again = end, False
                if not again and task.done():
                    finish(number, task, end)

    class TimerHandle(events.TimerHandle):
        __slots__ = ()

        def _run(self) -> None:
            nonlocal due
            when = self._when if axis.is_plain else axis.due(self._when, self._context)
            # An idle loop wakes a little late by itself: that isn't the fault of a task.
            due = idle_to if idle_from < when <= idle_to else min(when, now())
            try:
                run_other(self)
            finally:
                due = None

    class SafeHandle(type_of_safe_handle()):  # type: ignore[misc]
        __slots__ = ()

        def _run(self) -> None:
            nonlocal due
            at = safe_since.pop(id(self), None)
            due = None if at is None else (idle_to if idle_from < at <= idle_to else at)
            try:
                run_other(self)
            finally:
                due = None

    runs: dict[type, Callable[[Any], None]] = {}
    for cls in (Handle, TimerHandle, SafeHandle):
        base = cls.__mro__[1]
        runs[cls] = base._run
        cls.__name__, cls.__qualname__ = base.__name__, base.__qualname__
        cls.__module__ = base.__module__

    def run_other(handle: Any) -> None:
        """Run a callback that is no task's step, as asyncio does."""
        nonlocal since, last
        run = runs[type(handle)]
        if stopped:
            return run(handle)
        start = last or now()
        if unsettled is not None:
            settle(start)
        outer, since = since, start
        callback = handle._callback
        try:
            run(handle)
        finally:
            last = end = now()
            since = end if outer else 0.0
            if end - start > tap.threshold:
                tap.holds.append((start, end, name_callback(callback)))
        return None

    def complain(handle: Any, error: BaseException) -> None:
        """Report an exception of a callback as asyncio does, with asyncio's own words."""
        shim = new(events.Handle)
        for name in ("_loop", "_callback", "_args", "_source_traceback"):
            setattr(shim, name, getattr(handle, name))
        shim._cancelled, shim._repr, shim._context = False, None, _Raising(error)
        plain_run(shim)

    # What stands in for the loop's own methods

    def call_soon(callback: Any, *args: Any, context: Any = None) -> Any:
        nonlocal again
        if type(callback) is STEP and callback.__self__ is running_task:
            # The running step gives way and asks for another one. Nobody else has its handle, so
            # it serves once more.
            handle = running_handle
            handle._callback = callback
            handle._args = args
            handle._since = 0.0
            again = True
            append(handle)
            return handle
        if slow or loop._closed or loop._debug:
            return call_soon_slowly(callback, *args, context=context)
        handle = new(Handle)
        handle._context = copy_context() if context is None else context
        handle._loop = loop
        handle._callback = callback
        handle._args = args
        handle._cancelled = False
        handle._repr = None
        handle._source_traceback = None
        handle._lane = None
        handle._parent = current
        handle._since = now() if due is None else due
        if idle and get_ident() != loop._thread_id:
            intrude(callback)
        append(handle)
        return handle

    def intrude(callback: Any) -> None:
        nonlocal strangers
        strangers += 1
        observer.trespassed(tap, callback)

    def call_soon_slowly(callback: Any, *args: Any, context: Any) -> Any:
        handle = call_soon_before(callback, *args, context=context)
        if handle._source_traceback:
            del handle._source_traceback[-1]
        if stopped or not ready or ready[-1] is not handle or type(handle) is not events.Handle:
            return handle
        ready[-1] = mine = marked(handle)
        if idle and get_ident() != loop._thread_id:
            intrude(callback)
        return mine

    def marked(handle: Any) -> Any:
        mine = new(Handle)
        for name in events.Handle.__slots__:
            if name != "__weakref__":
                setattr(mine, name, getattr(handle, name))
        mine._lane, mine._parent = None, current
        mine._since = now() if due is None else due
        return mine

    def call_at(when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        timer = call_at_before(when, callback, *args, context=context)
        if timer._source_traceback:
            del timer._source_traceback[-1]
        if not stopped and type(timer) is events.TimerHandle:
            timer.__class__ = TimerHandle
        return timer

    def unmark(timer: Any) -> None:
        if type(timer) is TimerHandle:
            timer.__class__ = events.TimerHandle

    def call_soon_threadsafe(callback: Any, *args: Any, context: Any = None) -> Any:
        at = now()
        handle = threadsafe_before(callback, *args, context=context)
        if handle._source_traceback:
            del handle._source_traceback[-1]
        if not stopped and type(handle) is SafeHandle.__mro__[1]:
            if len(safe_since) > 10_000:  # of handles that ran or were cancelled before we came
                safe_since.clear()
            safe_since[id(handle)] = at
            handle.__class__ = SafeHandle
        return handle

    def create_task(*args: Any, **kwargs: Any) -> Any:
        nonlocal current
        scope = None if stopped else scope_of(kwargs.get("context"))
        if scope is None:
            return _call(create_before, args, kwargs)
        start = now()
        entry = enter(scope, current, start)
        outer, current = current, entry.number
        try:
            task = _call(create_before, args, kwargs)
        except BaseException as error:
            if len(entries) == entry.number + 1:
                entries.pop()
                ends.pop()
            else:
                entry.scope = None
            error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
            raise
        finally:
            current = outer
        try:
            known = lane_of(id(task))
            if known is not None or not hasattr(task, "get_coro"):
                entry.scope = None  # a task factory gave something else, or has told us already
                return task
            if task._source_traceback:
                del task._source_traceback[-1]
            coroutine = args[0] if args else kwargs.get("coro")
            register(task, entry, coroutine)
            entry.line = learners_line(2)
            is_done = task.done()
            if is_done or getattr(coroutine, "cr_suspended", False):
                # It was started eagerly, inside the step of its parent.
                end = now()
                step((-1 - entry.number, start, start, end))
                ends[entry.number] = end
                if is_done:
                    finish(entry.number, task, end)
        except Exception as error:
            fail(error)
        return task

    def select(timeout: float | None = None) -> Any:
        nonlocal idle, idle_from, idle_to, strangers, last
        if stopped:
            return select_before(timeout)
        if timeout is not None and timeout <= 0:
            found = select_before(timeout)
            last = now()
            return found
        start = now()
        if unsettled is not None:
            settle(start)
        idle = True
        try:
            return wait(timeout)
        finally:
            idle = False
            strangers = 0
            idle_from, idle_to = start, now()
            last = idle_to
            idle_step((idle_from, idle_to))

    def wait(timeout: float | None) -> Any:
        end = None if timeout is None else real_monotonic() + timeout
        while True:
            left = HEARTBEAT if end is None else min(HEARTBEAT, end - real_monotonic())
            found = select_before(max(0.0, left))
            # An interrupt makes work ready without an event, and so does another thread that
            # should not: for that one the loop goes on sleeping, as it would without us.
            if found or len(ready) > strangers or (end is not None and real_monotonic() >= end):
                return found

    def call_exception_handler(context: dict[str, Any]) -> None:
        try:
            observer.complained(tap, context)
        except Exception as error:
            fail(error)
        exception_before(context)

    def run_in_executor(executor: Any, function: Any, *args: Any) -> Any:
        if stopped:
            return executor_before(executor, function, *args)
        try:
            return observer.handed_over(tap, lambda: executor_before(executor, function, *args))
        except BaseException as error:
            for _ in range(3):  # three frames of ours
                if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
                    error.__traceback__ = error.__traceback__.tb_next
            raise

    def adopt_ready() -> None:
        """Mark the first steps of tasks that were made before the loop was watched."""
        for place, handle in enumerate(list(ready)):
            task = getattr(handle._callback, "__self__", None)
            if type(handle) is events.Handle and hasattr(task, "get_coro"):
                ready[place] = marked(handle)

    exception_before, executor_before = loop.call_exception_handler, loop.run_in_executor

    hooks = Hooks()
    hooks.set_now, hooks.stop, hooks.unmark, hooks.current = set_now, stop, unmark, state
    hooks.cut, hooks.adopt, hooks.adopt_ready = cut, adopt, adopt_ready
    hooks.replacements = [
        (loop, "call_soon", call_soon),
        (loop, "call_at", call_at),
        (loop, "call_soon_threadsafe", call_soon_threadsafe),
        (loop, "create_task", create_task),
        (loop, "call_exception_handler", call_exception_handler),
        (loop, "run_in_executor", run_in_executor),
        (loop._selector, "select", select),
    ]
    return hooks


class _Raising:
    """A context in which every call raises the same."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def run(self, *_: Any) -> Any:
        raise self._error


def _call(function: Any, args: Any, kwargs: Any) -> Any:
    return function(*args, **kwargs)


def type_of_safe_handle() -> Any:
    """Return what `call_soon_threadsafe` makes: from Python 3.14 on it is a class of its own."""
    return getattr(events, "_ThreadSafeHandle", events.Handle)


def name_callback(callback: Any) -> str:
    """Return what a callback is called."""
    owner = getattr(callback, "__self__", None)
    if hasattr(owner, "get_coro"):
        return str(owner.get_name())
    return str(getattr(callback, "__qualname__", type(callback).__qualname__))
