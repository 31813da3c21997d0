"""Where asyncio's loop is patched: attributes on one loop and its selector, put there by record().

`LoopPatch.install` lists them. They hand out handles of our own, which stamp each step of a task:
when it was ready, when it began and when it ended. What is patched in the process instead of on a
loop is in `process_patch`.
"""

import asyncio
import contextvars
import functools
import sys
import threading
import time
import types
import weakref
from asyncio import events
from collections.abc import Callable, Iterator
from functools import lru_cache
from heapq import heappush
from types import CodeType
from typing import Any, NamedTuple

from asyncteach.places import is_users
from asyncteach.recorder.scope import Extent, RecordingClock
from asyncteach.recorder.task_table import Entry, Line, StampBuffer, TaskTable
from asyncteach.replacements import Replacements, hide_frame

LATE = 0.002
"""Seconds by which a loop that is idle and well may wake too late."""
SHORTEST_WAIT = 0.001
"""Seconds of waiting from which on it is looked at what for: it costs some steps' worth."""
MOST_NOTED = 10_000

_Handle: Any = events.Handle
_TimerHandle: Any = events.TimerHandle
_SafeHandle: Any = getattr(events, "_ThreadSafeHandle", events.Handle)  # of its own from 3.14 on
_HANDLE_SLOTS = {
    *("_callback", "_args", "_cancelled", "_loop", "_source_traceback"),
    *("_repr", "__weakref__", "_context"),
}
_FUNCTION = types.FunctionType
_SPAWNERS = [
    function.__code__
    for function in (asyncio.create_task, asyncio.TaskGroup.create_task, asyncio.ensure_future)
]


# What is asked of asyncio


def running_loop() -> Any:
    """Return the loop that the calling thread runs, or None."""
    return asyncio._get_running_loop()


def context_of_runner(runner: Any) -> contextvars.Context:
    """Return the context in which a Runner runs what it is given."""
    context: contextvars.Context = runner._context
    return context


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


def task_of(callback: Any) -> Any:
    """Return the task whose step a callback is, else None: `task.cancel` is no step."""
    if getattr(callback, "__name__", None) in (None, "task_wakeup", "__step", "__wakeup"):
        task = getattr(callback, "__self__", None)
        if hasattr(task, "get_coro"):
            return task
    return None


def name_callback(callback: Any) -> str:
    """Return what a callback is called: a task that isn't recorded by its name."""
    while isinstance(callback, functools.partial):
        callback = callback.func
    owner = getattr(callback, "__self__", None)
    if owner is not None and hasattr(owner, "get_coro"):
        return str(owner.get_name())
    return str(getattr(callback, "__qualname__", type(callback).__qualname__))


def users_frame(frame: Any) -> Any:
    """Return the first frame of the user's, from this one outwards; None: there is none.

    Not beyond the loop: what runs the loop has not written the code that the loop calls.
    """
    while frame is not None:
        code = frame.f_code
        if is_users(code.co_filename):
            return frame
        if code.co_name == "_run" and code.co_filename in (events.__file__, __file__):
            return None
        frame = frame.f_back
    return None


@lru_cache(maxsize=256)
def _line(code: CodeType, line: int) -> Line:
    return code, line  # the same pair for the same line


def users_line(depth: int) -> Line | None:
    """Return the user's line that is being executed, `depth` frames up or further out."""
    frame = users_frame(sys._getframe(depth))
    return None if frame is None else _line(frame.f_code, frame.f_lineno or 0)


@functools.cache
def type_of_steps() -> Any:
    """Return the type of the callback by which a task asks for its next step.

    asyncio has no name for it. None: there are only tasks that are written in Python.
    """
    named = (kind for kind in object.__subclasses__() if kind.__name__ == "TaskStepMethWrapper")
    return next(named, None)


# Steps


class NewTask(NamedTuple):
    """A task that is being made, maybe an eager one that executes its first step meanwhile."""

    number: int
    coroutine: Any
    frame: Any


class StepState:
    """What the handles of one loop share: whose step is executed, and since when."""

    __slots__ = (
        *("again", "began", "clock", "current", "due", "ends", "idle", "idle_from", "idle_to"),
        *("is_slow", "last", "loop", "making", "now", "patch", "posts", "ready_at"),
        *(
            "running_handle",
            "running_task",
            "scope_of",
            "since",
            "stamp",
            "stopped",
            "tasks",
            "unsettled",
        ),
    )

    def __init__(self, patch: "LoopPatch", loop: Any) -> None:
        self.patch, self.loop, self.clock = patch, loop, patch.clock
        self.tasks, self.scope_of = patch.tasks, patch.scope_of
        self.ends = patch.tasks.ends
        self.stamp = patch.steps.fresh.extend
        self.now = patch.clock.now
        self.stopped = False
        self.is_slow = False
        """Whether the `call_soon` that was there makes the handles: it is not asyncio's own."""
        self.current: int | None = None
        """The number of the task whose step is being executed."""
        self.since = 0.0
        """Since when it, or a callback, holds the loop; 0: nothing does."""
        self.began = self.ready_at = 0.0
        """When that step began, and since when it was ready to."""
        self.running_task: Any = None
        self.running_handle: Any = None
        self.again = False
        """Whether that step has asked for another one."""
        self.last = 0.0
        """When the last callback or select ended; 0: unknown."""
        self.due: float | None = None
        """Since when that which is scheduled now has been ready."""
        self.idle = False
        self.idle_from = self.idle_to = 0.0
        self.unsettled: int | None = None
        """The task that has opened the recording, in its first step."""
        self.making: NewTask | None = None
        self.posts: dict[int, tuple[float, str | None]] = {}
        """For handles from other threads when they were put on the loop, and by which thread."""

    # Tasks

    def begin_task(self, task: Any, context: Any) -> int | None:
        """Know a task that asks for its first step; None: it belongs to no recording."""
        tasks, new = self.tasks, self.making
        if id(task) in tasks.numbers and (known := tasks.number_of(task)) is not None:
            return known
        if new is not None and new.coroutine is task.get_coro():
            return tasks.fill(new.number, task, new.coroutine, new.frame)
        scope = self.scope_of(context)
        if scope is None:
            return None
        if len(self.ends) >= self.patch.steps.most:
            self.patch.steps.dropped += 1  # it has no lane, and no step of it is kept
            return None
        # Each frame that is looked at costs: of those that only spawn for others there are three.
        depth = 4 if sys._getframe(3).f_code in _SPAWNERS else 2
        frame = users_frame(sys._getframe(depth))
        return tasks.add(task, scope, self.current, frame, self.now())

    def find(self, handle: Any) -> int | None:
        """Return the number of the task whose step a handle is; None: it isn't one of ours."""
        task = task_of(handle._callback)
        if task is None or self.stopped:
            return None
        try:
            number = self.tasks.number_of(task)
            if number is None and not task.done():
                # Nothing has told us that it was made, as by the Task that is written in Python.
                scope = self.patch.scope_of(handle._context)
                if scope is not None and len(self.ends) < self.patch.steps.most:
                    at = handle._since or self.now()
                    number = self.tasks.add(task, scope, handle._parent, None, at)
        except Exception as error:
            self.fail(error)
            return None
        handle._number, handle._task = number, task
        return number

    def note_wait(self, number: int, task: Any, until: float) -> None:
        """Note what a task has waited for."""
        try:
            self.patch.events.waited(self.patch, number, task, until)
        except Exception as error:
            self.fail(error)

    def finish(self, number: int, task: Any, at: float) -> None:
        """Note how a task has ended; of most it is enough to know that they have."""
        tasks = self.tasks
        try:
            tasks.finish(number, task.get_name())
            is_failed = task._exception is not None or task.cancelled() or task.cancelling()
            if is_failed or (tasks.entries and number in tasks.entries):
                self.patch.events.finished(tasks.entry(number), task, at)
        except Exception as error:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """End all recording: something in the recorder itself has failed."""
        self.patch.stop()
        self.patch.events.failed(error)

    # The step in which a recording is opened or ends is stamped in parts

    def adopt(self, task: Any, scope: Any) -> Entry:
        """Take in the running task, which opens a recording in the midst of one of its steps."""
        number = self.tasks.number_of(task)
        if number is None:
            if self.unsettled is not None:
                self.settle(self.now())
            self.since = self.began = self.ready_at = at = self.now()
            number = self.tasks.add(task, scope, None, None, at)
            self.unsettled = self.current = number
            self.patch.events.joined(self.tasks.entry(number), task)
        return self.tasks.entry(number)

    def cut(self, at: float) -> None:
        """Write down what there is of the step that is being executed."""
        if self.current is not None and not self.stopped:
            self.stamp((self.current, self.ready_at, self.began, at))
            self.ends[self.current] = self.began = self.ready_at = at

    def settle(self, at: float) -> None:
        """End the step in which a recording was opened: something else has begun."""
        if self.current == self.unsettled:
            self.cut(at)
            self.current, self.since = None, 0.0
        self.unsettled = None

    # The loop around the steps

    def run_other(self, handle: Any, run: Callable[[Any], None]) -> None:
        """Run a callback that is no task's step, as asyncio does."""
        if self.stopped:
            run(handle)
            return
        start = self.last or self.now()
        if self.unsettled is not None:
            self.settle(start)
        outer, self.since = self.since, start
        callback = handle._callback
        try:
            run(handle)
        except BaseException as error:
            hide_frame(error)
            hide_frame(error)  # and that of asyncio's own _run: the caller stands for it
            raise
        finally:
            self.last = end = self.now()
            self.since = end if outer else 0.0
            if end - start > self.patch.threshold:
                self.patch.holds.append((start, end, name_callback(callback)))
            handle = callback = None  # as asyncio does: a traceback may lead to this frame

    def rest(self, at: float) -> None:
        """Say that the loop begins to be idle."""
        if self.unsettled is not None:
            self.settle(at)
        self.idle, self.idle_from = True, at

    def wake(self, at: float) -> None:
        """Say that it no longer is, or that it has looked for events without resting."""
        if self.unsettled is not None:
            self.settle(at)  # before a virtual clock that was opened in that step jumps
        self.last = at if self.clock.is_plain else 0.0  # a virtual clock may jump after this
        if self.idle:
            self.idle, self.idle_to = False, at

    def was_idle(self, since: float) -> bool:
        """Tell if the loop rested when something became ready, and woke up for it in time.

        An idle loop wakes a little late by itself, but not by milliseconds: then another thread
        had the GIL, or other programs the processor.
        """
        return self.idle_from < since <= self.idle_to < since + LATE

    def set_now(self, now: Callable[[], float]) -> None:
        """Go by another time."""
        self.now, self.last = now, 0.0


class StepHandle(_Handle):  # type: ignore[misc]
    """A callback that is ready; if it is a task's step, it is stamped."""

    __slots__ = ("_number", "_parent", "_since", "_state", "_task")

    def _run(self) -> None:
        state = self._state
        number = self._number
        if number is None and type(self._callback) is not _FUNCTION:
            number = state.find(self)
        if number is None or state.stopped:
            state.run_other(self, _Handle._run)
            return
        # What ran before on this loop has just ended: one look at the clock for both.
        start = state.last or state.now()
        outer = None
        if state.unsettled is not None:
            state.settle(start)
        elif state.current is not None:  # a loop runs inside a loop
            outer = (
                *(state.current, state.began, state.ready_at),
                *(state.running_task, state.running_handle),
            )
        task, ready_at, ends = self._task, self._since, state.ends
        if not ready_at:
            ready_at = ends[number]
        elif ready_at - ends[number] > SHORTEST_WAIT:
            state.note_wait(number, task, ready_at)
        state.running_task, state.running_handle = task, self
        state.current, state.again, state.ready_at = number, False, ready_at
        state.since = state.began = start
        try:
            if self._args:
                self._context.run(self._callback, *self._args)
            else:
                self._context.run(self._callback)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            # asyncio reports it, in its own words.
            self._context: Any = _Raising(error)  # type: ignore[misc]
            _Handle._run(self)
        finally:
            state.last = end = state.now()
            state.stamp((number, state.ready_at, state.began, end))
            ends[number] = end
            if outer is None:
                state.current = state.running_task = state.running_handle = None
                state.since = 0.0
            else:
                state.current, state.began, state.ready_at, *running = outer
                state.running_task, state.running_handle = running
                state.since, state.again = end, False
            if not state.again and task.done():
                if not state.stopped:
                    state.finish(number, task, end)
                # A traceback of the task leads to this frame, which must not lead back.
                self = task = outer = None  # type: ignore[assignment]


class _Raising:
    """A context in which every call raises the same."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def run(self, *_: Any) -> Any:
        raise self._error


class RecordedTimer(_TimerHandle):  # type: ignore[misc]
    """A timer that tells what it makes ready since when."""

    __slots__ = ()
    state: StepState
    """Of the class that is made for one loop."""

    def _run(self) -> None:
        state, clock = self.state, self.state.clock
        when = self._when if clock.is_plain else clock.due(self._when, self._context)
        state.due = state.idle_to if state.was_idle(when) else min(when, state.now())
        try:
            state.run_other(self, _TimerHandle._run)
        finally:
            state.due = None


class RecordedPost(_SafeHandle):  # type: ignore[misc]
    """A callback from another thread, which tells the same, and which thread it was."""

    __slots__ = ()
    state: StepState

    def _run(self) -> None:
        state = self.state
        at, thread = state.posts.pop(id(self), (None, None))
        state.due = due = state.idle_to if at is not None and state.was_idle(at) else at
        before = len(state.loop._ready)
        try:
            state.run_other(self, _SafeHandle._run)
        finally:
            state.due = None
            if thread is not None and due is not None and not state.stopped:
                state.patch.note_waker(before, thread, due)


for _own, _plain in (
    *((StepHandle, _Handle), (RecordedTimer, _TimerHandle), (RecordedPost, _SafeHandle)),
):
    _own.__name__, _own.__qualname__, _own.__module__ = (
        *(_plain.__name__, _plain.__qualname__, _plain.__module__),
    )


def _make_call_soon(
    loop: Any, state: StepState, slowly: Callable[..., Any], trespassed: Callable[[Any], None]
) -> Callable[..., Any]:
    """Make what stands in for `loop.call_soon`: a closure, since it is called for every step."""
    append, new, step_type = loop._ready.append, object.__new__, type_of_steps()
    copy_context, get_ident = contextvars.copy_context, threading.get_ident

    def call_soon(callback: Any, *args: Any, context: Any = None) -> Any:
        task = number = None
        if type(callback) is step_type:
            task = callback.__self__
            if task is state.running_task:
                # The running step gives way and asks for another one. Nothing else has its
                # handle, so it serves once more.
                handle = state.running_handle
                handle._callback = callback
                handle._args = args
                handle._since = 0.0
                state.again = True
                append(handle)
                return handle
            if not state.stopped:
                try:
                    number = state.begin_task(task, context)
                except Exception as error:
                    state.fail(error)
        if state.is_slow or loop._closed or loop._debug:
            return slowly(callback, *args, context=context)
        handle = new(StepHandle)
        handle._context = copy_context() if context is None else context
        handle._loop = loop
        handle._callback = callback
        handle._args = args
        handle._cancelled = False
        handle._repr = None
        handle._source_traceback = None
        handle._state = state
        handle._number = number
        handle._task = task
        handle._parent = state.current
        if number is not None:
            handle._since = 0.0  # a task's first step: since it was spawned
        else:
            handle._since = state.now() if state.due is None else state.due
        is_stranger = state.idle and get_ident() != loop._thread_id
        append(handle)
        if is_stranger:
            trespassed(callback)
        return handle

    return call_soon


class LoopPatch:
    """One event loop under record: what is put on it, and what has been stamped.

    All recordings that are open share it; which tasks belong to which is known from the scope that
    a task has inherited. `scope_of(context)` returns that scope, or None where none is open.
    """

    def __init__(
        self, loop: Any, clock: RecordingClock, scope_of: Callable[[Any], Any], observer: Any
    ) -> None:
        self.loop: Any = loop
        self.clock = clock
        self.scope_of = scope_of
        self.events = observer
        self.threshold = float("inf")
        self.tasks = TaskTable(self)
        self.steps = StampBuffer(4)  # task, ready since, start, end
        self.waits = StampBuffer(5)  # task, end, note, amount, how many coroutines are the same
        self.idle = StampBuffer(2)  # start, end
        self.jobs: list[Entry] = []  # that its tasks have handed to threads and processes
        self.wakers: dict[int, tuple[str, float]] = {}  # which thread woke a task, by its id
        self.connections = Connections()
        self.holds: list[tuple[float, float, str]] = []  # long callbacks that are no task's step
        self.samples: dict[float, list[Any]] = {}  # stacks, by when the step began
        self.looks: list[Any] = []  # of the watchdog, around long steps and where it was late
        self.native_id = 0  # of the thread that runs the loop, as the system knows it
        self.cuts: list[int] = []  # steps that are only the first part of one
        self.cpu = 0.0  # seconds of processor time of the thread that runs it
        self._cpu_start: tuple[int, float] | None = None
        self._replaced = Replacements()
        self.on_close: Callable[[LoopPatch], object] = lambda _: None
        # Where something else is in the place of asyncio's own, that is called and its handle
        # replaced; what asyncio's own does is done here.
        self._is_stock = {
            name: getattr(type(loop), name) is getattr(asyncio.BaseEventLoop, name)
            and name not in vars(loop)
            and set(_Handle.__slots__) == _HANDLE_SLOTS
            for name in ("call_soon", "call_at", "call_soon_threadsafe")
        }
        self.state = state = StepState(self, loop)
        state.is_slow = not self._is_stock["call_soon"]
        kind = {"__slots__": (), "state": state, "__module__": events.__name__}
        self._timer: Any = type("TimerHandle", (RecordedTimer,), dict(kind))
        self._post: Any = type(_SafeHandle.__name__, (RecordedPost,), dict(kind))

    def install(self) -> None:
        """Put everything in its place: all that is patched on a loop is in this list."""
        loop, selector = self.loop, self.loop._selector
        self._before: dict[str, Callable[..., Any]] = {
            name: self._replaced.take(loop if name != "select" else selector, name)
            for name in (
                *("call_soon", "call_at", "call_soon_threadsafe", "create_task", "select"),
                *("run_in_executor", "sock_connect", "close"),
            )
        }
        self.clock.tell(self.state.set_now)
        call_soon = _make_call_soon(loop, self.state, self._call_soon_slowly, self._trespassed)
        put = self._replaced.put
        put(loop, "call_soon", call_soon)
        put(loop, "call_at", self._call_at)
        put(loop, "call_soon_threadsafe", self._call_soon_threadsafe)
        if sys.version_info >= (3, 12):
            put(loop, "create_task", self._create_task)
        put(loop, "run_in_executor", self._run_in_executor)
        put(loop, "sock_connect", self._sock_connect)
        put(loop, "close", self._close)
        put(selector, "select", self._select)
        for place, handle in enumerate(list(loop._ready)):
            if type(handle) is _Handle and task_of(handle._callback) is not None:
                loop._ready[place] = self._mark(handle)  # of a task that was made before
        self.begin_thread()

    def remove(self) -> None:
        """Take everything off the loop again."""
        if self.loop is None:
            return
        self.stop()
        self._replaced.undo()
        self.clock.forget(self.state.set_now)
        for timer in list(self.loop._scheduled):
            if type(timer) is self._timer:
                timer.__class__ = _TimerHandle
        # What was stamped stays, maybe for long; the loop and all that was on it need not.
        self.state.current, self.state.since = None, 0.0
        self.loop = None

    def stop(self) -> None:
        """Stamp nothing any more: handles that are still queued do as asyncio's own."""
        state = self.state
        state.stopped = state.is_slow = True
        state.running_task = None
        self.tasks.numbers.clear()

    # What others ask

    def widen(self, threshold: float, most: int) -> None:
        """Serve one more recording, which asks for this much."""
        self.threshold = min(self.threshold, threshold)
        for buffer in (self.steps, self.waits, self.idle):
            buffer.most = max(buffer.most, most)

    def extent(self) -> Extent:
        """Return how much has been stamped up to now."""
        rows = (self.steps.rows(), self.waits.rows(), self.idle.rows(), len(self.holds))
        return Extent(*rows, len(self.tasks), self.steps.dropped, self.cpu)

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

    def thread_id(self) -> int:
        """Return which thread runs the loop; 0: none does."""
        loop = self.loop
        return 0 if loop is None else loop._thread_id or 0

    def flush(self) -> None:
        """Move what has been stamped to typed arrays."""
        for buffer in (self.steps, self.waits, self.idle):
            buffer.flush()

    def cut(self, at: float) -> None:
        """Write down what there is of the step that is being executed."""
        if self.state.current is not None:
            self.state.cut(at)
            self.cuts.append(self.steps.rows() - 1)

    def find_ready(self) -> Iterator[tuple[Entry, float]]:
        """Give the tasks that wait for their turn now, and since when."""
        now = self.clock.now()
        for timer in list(self.loop._scheduled):
            due = timer.when()
            if self.clock.is_plain and due <= now and not timer.cancelled() and timer._args:
                for callback, _ in getattr(timer._args[0], "_callbacks", None) or ():
                    entry = self.tasks.entry_of(task_of(callback))
                    if entry is not None:
                        yield entry, due
        for handle in list(self.loop._ready):
            entry = self.tasks.entry_of(task_of(handle._callback))
            since = getattr(handle, "_since", None)
            if entry is not None and since:
                yield entry, since

    def note_waker(self, before: int, thread: str, at: float) -> None:
        """Note which thread has made tasks ready, by what it has put on the loop."""
        if len(self.wakers) > MOST_NOTED:  # of waits too short to be looked at
            self.wakers.clear()
        for handle in list(self.loop._ready)[before:]:
            task = task_of(handle._callback)
            if task is not None:
                self.wakers[id(task)] = thread, at

    # What stands in for the loop's own methods

    def _call_soon_slowly(self, callback: Any, *args: Any, context: Any) -> Any:
        handle = self._before["call_soon"](callback, *args, context=context)
        ready = self.state.loop._ready
        if handle._source_traceback:
            del handle._source_traceback[-2:]  # this function and call_soon
        is_plain = ready and ready[-1] is handle and type(handle) is _Handle
        if self.state.stopped or not is_plain:
            return handle
        ready[-1] = mine = self._mark(handle)
        if self.state.idle and threading.get_ident() != self.loop._thread_id:
            self._trespassed(callback)
        return mine

    def _trespassed(self, callback: Any) -> None:
        self.events.trespassed(self, callback)

    def _mark(self, handle: Any) -> StepHandle:
        """Return a handle of ours for one of asyncio's."""
        mine = object.__new__(StepHandle)
        for name in _HANDLE_SLOTS - {"__weakref__"}:
            setattr(mine, name, getattr(handle, name))
        state = self.state
        mine._state, mine._number, mine._task, mine._parent = state, None, None, state.current
        mine._since = state.now() if state.due is None else state.due
        return mine

    def _call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        loop = self.loop
        if loop is not None and self._is_stock["call_at"] and not (loop._debug or loop._closed):
            if when is None:
                raise TypeError("when cannot be None")
            timer = self._timer(when, callback, args, loop, context)
            heappush(loop._scheduled, timer)
            timer._scheduled = True
            return timer
        timer = self._before["call_at"](when, callback, *args, context=context)
        if timer._source_traceback:
            del timer._source_traceback[-1]
        if not self.state.stopped and type(timer) is _TimerHandle:
            timer.__class__ = self._timer
        return timer

    def _call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:
        loop, state = self.loop, self.state
        at, ident = state.now(), threading.get_ident()
        thread = getattr(threading, "_active", {}).get(ident)
        is_own = loop is not None and ident == loop._thread_id
        name = None if thread is None or is_own else thread.name
        if len(state.posts) > MOST_NOTED:  # of handles that were cancelled
            state.posts.clear()
        is_stock = self._is_stock["call_soon_threadsafe"] and not state.stopped
        if is_stock and not (loop._debug or loop._closed):
            handle = self._post(callback, args, loop, context)
            state.posts[id(handle)] = at, name
            loop._ready.append(handle)
            loop._write_to_self()
            return handle
        handle = self._before["call_soon_threadsafe"](callback, *args, context=context)
        if handle._source_traceback:
            del handle._source_traceback[-1]
        if not state.stopped and type(handle) is _SafeHandle:
            state.posts[id(handle)] = at, name
            handle.__class__ = self._post
        return handle

    def _create_task(self, coro: Any, **kwargs: Any) -> Any:
        """Stamp the first step of an eager task, which is executed here, inside of its parent's."""
        state, scope = self.state, None
        if not state.stopped and (self.loop._task_factory or kwargs.get("eager_start")):
            scope = self.scope_of(kwargs.get("context"))
        if scope is None or len(state.ends) >= self.steps.most:
            return self._create_plainly(coro, kwargs)
        parent, at, frame = state.current, state.now(), users_frame(sys._getframe(1))
        number = state.current = self.tasks.add(None, scope, parent, None, at)
        state.making = NewTask(number, coro, frame)
        try:
            task = self._create_plainly(coro, kwargs)
        finally:
            state.current, state.making = parent, None
        try:
            if hasattr(task, "get_coro") and self.tasks.number_of(task) is None:
                self.tasks.fill(number, task, coro, frame)
            if self.tasks.task(number) is task and (
                task.done() or getattr(coro, "cr_suspended", False)
            ):
                state.ends[number] = end = state.now()
                state.stamp((-1 - number, at, at, end))
                if task.done():
                    state.finish(number, task, end)
        except Exception as error:
            state.fail(error)
        return task

    def _create_plainly(self, coro: Any, kwargs: dict[str, Any]) -> Any:
        task = self._before["create_task"](coro, **kwargs)
        if getattr(task, "_source_traceback", None):
            del task._source_traceback[-2:]  # this function and the one above
        return task

    def _select(self, timeout: float | None = None) -> Any:
        state, select, now = self.state, self._before["select"], self.clock.now
        if state.stopped:
            return select(timeout)
        if timeout is not None and timeout <= 0:
            found = select(timeout)
            state.wake(self.clock.now())
            return found
        start = now()
        state.rest(start)
        try:
            return select(timeout)
        finally:
            end = self.clock.now()
            state.wake(end)
            self.idle.fresh.extend((start, end))

    def _run_in_executor(self, executor: Any, function: Any, *args: Any) -> Any:
        hand_over = functools.partial(self._before["run_in_executor"], executor, function, *args)
        return hand_over() if self.state.stopped else self.events.handed_over(self, hand_over)

    def _sock_connect(self, sock: Any, address: Any) -> Any:
        if not self.state.stopped:
            try:
                number = self.state.current
                entry = None if number is None else self.tasks.entry(number)
                line = users_line(2) or (entry.line if entry is not None else None)
                self.connections.add(sock, self.clock.now(), line, entry)
            except Exception as error:
                self.state.fail(error)
        return self._before["sock_connect"](sock, address)

    def _close(self) -> None:
        self._before["close"]()
        self.on_close(self)


class Connections:
    """The sockets that connect to others, and how many of them were open at once."""

    def __init__(self) -> None:
        self._open: list[Any] = []
        self.most = 0
        self.at = 0.0
        """When there were most."""
        self.line: Line | None = None
        self.entry: Entry | None = None

    def add(self, sock: Any, at: float, line: Line | None, entry: Entry | None) -> None:
        """Count a socket that is about to connect."""
        self._open = [one for one in self._open if (known := one()) and known.fileno() != -1]
        self._open.append(weakref.ref(sock))
        if len(self._open) > self.most:
            self.most, self.at, self.line, self.entry = len(self._open), at, line, entry
