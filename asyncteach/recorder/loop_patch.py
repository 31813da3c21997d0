"""Patches of asyncio's loop: attributes that record() puts on one loop and its selector.

`LoopPatch.install` lists them. They hand out handles of our own, which stamp each step of a task:
when it was ready, when it began and when it ended. What is patched in the process instead of on a
loop is in `process_patch`.
"""

import asyncio
import contextvars
import functools
import sys
import threading
import types
import weakref
from asyncio import events
from asyncio.format_helpers import _format_callback_source as _format_callback
from collections.abc import Callable
from typing import Any

from asyncteach.recorder.scope import Extent, RecordingClock, open_session
from asyncteach.recorder.task_events import TaskEvents, name_callback, users_frame, users_line
from asyncteach.recorder.task_table import Entry, Line, StampBuffer, TaskTable
from asyncteach.replacements import Replacements, hide_frame

LATE = 0.002
"""Seconds by which an idle loop may wake late without anything being wrong."""
SHORTEST_WAIT = 0.001
"""The shortest wait, in seconds, whose reason the recorder looks up: that takes some time."""

_Handle: Any = events.Handle
_TimerHandle: Any = events.TimerHandle
_SafeHandle: Any = getattr(events, "_ThreadSafeHandle", events.Handle)  # its own from 3.14 on
_SLOTS = "_callback _args _cancelled _loop _source_traceback _repr __weakref__ _context"
_METHOD = types.MethodType
_SPAWN_DEPTH = 3 if sys.version_info < (3, 12) else 4  # from 3.12 on our create_task is in between
_CREATE_TASK = asyncio.create_task.__code__
# The type of the callback with which a task asks for its next step: asyncio has no name for it.
# None if all tasks are written in Python.
_STEP = next((k for k in object.__subclasses__() if k.__name__ == "TaskStepMethWrapper"), None)


def running_loop() -> Any:
    """Return the loop that the calling thread runs, or None."""
    return asyncio._get_running_loop()


def context_of_runner(runner: Any) -> Any:
    """Return the context in which a Runner runs its coroutines."""
    return runner._context


def check_loop(loop: object) -> str | None:
    """Return why a loop can't be watched, as one sentence, or None if it can."""
    name = f"{type(loop).__module__}.{type(loop).__qualname__}"
    parts = ("_ready", "_scheduled", "_selector", "_run_once")
    if isinstance(loop, asyncio.BaseEventLoop) and all(hasattr(loop, part) for part in parts):
        return None
    return (
        f"record() can't watch the event loop {name}: run your code on asyncio's own loop, as "
        "asyncio.run(main()) does when no other loop is installed."
    )


def task_of(callback: Any) -> Any:
    """Return the task whose step a callback is, or None: `task.cancel` isn't a step."""
    if getattr(callback, "__name__", None) in (None, "task_wakeup", "__step", "__wakeup"):
        task = getattr(callback, "__self__", None)
        if hasattr(task, "get_coro"):
            return task
    return None


def is_python_step(method: Any) -> bool:
    """Return whether a method is a step, not a wakeup, of a task that is written in Python."""
    return getattr(method, "__name__", "") == "__step" and task_of(method) is not None


# What the loop finds in its queue


class StepHandle(_Handle):  # type: ignore[misc]
    """A callback that is ready; if it is a task's step, it is stamped."""

    __slots__ = ("_number", "_patch", "_since", "_task")
    _number: Any
    _patch: "LoopPatch"
    _since: float
    """Since when it has been ready; 0: since its task's last step, or since it was spawned."""

    def _run(self) -> None:
        patch, number = self._patch, self._number
        if number is None and type(self._callback) is not types.FunctionType:
            self._task = task = task_of(self._callback)
            self._number = number = None if task is None else patch.tasks.numbers.get(id(task))
        if number is None or patch.stopped:
            patch.run_other(self, _Handle._run)
            return
        # What ran before on this loop has just ended: one reading of the clock serves both.
        start = patch.last or patch.now()
        outer = _NOTHING if patch.current is None else patch.interrupt(start)
        task, ready_at, ends = self._task, self._since, patch.tasks.ends
        if not ready_at:
            ready_at = ends[number]
        elif ready_at - ends[number] > SHORTEST_WAIT:
            patch.events.note_wait(number, task, ready_at)
        patch.current, patch.running, patch.since = number, self, start
        try:
            if self._args:
                self._context.run(self._callback, *self._args)
            else:
                self._context.run(self._callback)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # not from a coroutine: a task keeps those
            words = f"Exception in callback {_format_callback(self._callback, self._args)}"
            context = {"message": words, "exception": error, "handle": self}
            self._loop.call_exception_handler(context)
        finally:
            patch.last = end = patch.now()
            patch.stamp((number, ready_at, start, end))
            ends[number] = end
            again, patch.again = patch.again, False
            patch.current, patch.running = outer
            patch.since = 0.0 if patch.current is None else end
            if not again and task.done():
                if not patch.stopped:
                    patch.finish(number, task)
                # A traceback of the task leads to this frame, which must not lead back.
                self = task = outer = None  # type: ignore[assignment]


_NOTHING: Any = None, None


class RecordedTimer(_TimerHandle):  # type: ignore[misc]
    """A timer: what it makes ready counts as ready since the timer was due."""

    __slots__ = ()
    patch: "LoopPatch"
    """Set by the class that is made for each loop: any timer can change to it, and back."""

    def _run(self) -> None:
        patch, clock = self.patch, self.patch.clock
        when = self._when if clock.is_plain else clock.due(self._when, self._context)
        patch.run_other(self, _TimerHandle._run, patch.ready_since(when))


class RecordedPost(_SafeHandle):  # type: ignore[misc]
    """A callback from another thread: what it makes ready counts as ready since it was sent."""

    __slots__ = ("_at", "_patch")

    def _run(self) -> None:
        self._patch.run_other(self, _SafeHandle._run, self._patch.ready_since(self._at))


_KINDS = {StepHandle: _Handle, RecordedTimer: _TimerHandle, RecordedPost: _SafeHandle}
for _own, _plain in _KINDS.items():
    _own.__name__ = _own.__qualname__ = _plain.__name__
    _own.__module__ = _plain.__module__


def _make_call_soon(patch: "LoopPatch", loop: Any) -> Callable[..., Any]:
    """Return a replacement of `loop.call_soon`: a closure, since it is called for every step."""
    append, new, step_type = loop._ready.append, object.__new__, _STEP
    copy_context, get_ident = contextvars.copy_context, threading.get_ident

    def call_soon(callback: Any, *args: Any, context: Any = None) -> Any:
        task = number = None
        kind = type(callback)
        if kind is step_type or (kind is _METHOD and is_python_step(callback)):
            task, handle = callback.__self__, patch.running
            if handle is not None and task is handle._task:
                # The running step yields and asks for another one. Nothing else has its handle,
                # so the handle can be used again.
                handle._callback = callback
                handle._args = args
                handle._since = 0.0
                patch.again = True
                append(handle)
                return handle
            number = patch.begin_task(task, context)
        if patch.is_slow or loop._closed or loop._debug:
            return patch.call_soon_slowly(callback, args, context, number)
        handle = new(StepHandle)
        handle._context = copy_context() if context is None else context
        handle._loop = loop
        handle._callback = callback
        handle._args = args
        handle._cancelled = False
        handle._repr = None
        handle._source_traceback = None
        handle._patch = patch
        handle._number = number
        handle._task = task
        handle._since = 0.0 if number is not None else patch.due or patch.now()
        is_stranger = patch.is_idle and get_ident() != loop._thread_id
        append(handle)
        if is_stranger:
            patch.events.trespassed(callback)
        return handle

    return call_soon


class LoopPatch:
    """One recorded event loop: what is patched on it, the step that it executes, and the stamps.

    All open recordings share it: the context that a task has inherited shows which of them it
    belongs to.
    """

    def __init__(self, loop: Any, clock: RecordingClock, registry: Any) -> None:
        self.loop: Any = loop
        self.clock = clock
        self.scope_of: Callable[[Any], Any] = open_session
        self.give_up, self._on_close = registry.give_up, registry.remove
        self.threshold = float("inf")
        self.tasks = TaskTable(self)
        self.events = TaskEvents(self, registry)
        self.steps = StampBuffer(4)  # task, ready since, start, end
        self.waits = StampBuffer(6)  # task, start, end, note, amount, how many calls are the same
        self.idle = StampBuffer(2)  # start, end
        self.holds: list[tuple[float, float, str]] = []  # long callbacks that aren't a task's step
        self.samples: dict[float, list[Any]] = {}  # stacks, by when the step began
        self.looks: list[Any] = []  # the watchdog's, around long steps and where it was late
        self.thread_id = self.native_id = 0  # of the thread that runs the loop
        self._sockets: list[Any] = []  # weak references to those that have connected
        self.most_sockets: tuple[int, float, int | None, Line | None] = 0, 0.0, None, None
        self._replaced = Replacements()
        self._before: dict[str, Callable[..., Any]] = {}

        self.now = clock.now
        self.stamp = self.steps.fresh.extend
        self.stopped = False
        self.current: int | None = None  # the number of the task whose step is being executed
        self.running: StepHandle | None = None  # its handle, if it is one of ours
        self.again = False  # whether that step has asked for another one
        self.since = 0.0  # since when it, or a callback, has held the loop; 0: nothing does
        self.last = 0.0  # when the last callback or select ended; 0: unknown
        self.due = 0.0  # since when what is scheduled now has been ready; 0: since now
        self.is_idle = False
        self._idle_from = self._idle_to = 0.0
        self._opener: int | None = None  # the task that opens a recording, in that step
        self._spawner: Any = None  # the user's code that spawned the last task
        self._making: tuple[int, Any] | None = None  # the task that `create_task` is making

        # If other code has replaced these methods, its functions are called and their handles
        # replaced; what asyncio's own methods do is done here.
        self.is_slow = set(_Handle.__slots__) != set(_SLOTS.split()) or any(
            name in vars(loop) or getattr(type(loop), name) is not vars(asyncio.BaseEventLoop)[name]
            for name in ("call_soon", "call_soon_threadsafe")
        )
        names = {"__slots__": (), "patch": self, "__module__": events.__name__}
        self._timer: Any = type("TimerHandle", (RecordedTimer,), names)

    def install(self) -> None:
        """Patch the loop, once: everything that is patched on it is in this list."""
        if self._before:
            return
        loop = self.loop
        self.clock.followers.append(self._set_now)
        for owner, name, new in (
            (loop, "call_soon", _make_call_soon(self, loop)),
            (loop, "call_at", self._call_at),
            (loop, "call_soon_threadsafe", self._call_soon_threadsafe),
            (loop, "create_task", self._create_task),  # for eager tasks, which are new in 3.12
            (loop, "run_in_executor", self._run_in_executor),
            (loop, "sock_connect", self._sock_connect),
            (loop, "close", self._close),
            (loop._selector, "select", self._select),
        ):
            if name != "create_task" or sys.version_info >= (3, 12):
                self._replaced.put(owner, name, functools.partial(self._keep, name, new))
        for place, handle in enumerate(list(loop._ready)):
            task = task_of(handle._callback)
            scope = None if task is None else self.scope_of(handle._context)
            if scope is not None and type(handle) is _Handle:  # as in `asyncio.run(main())`
                number = self.tasks.add(task.get_coro(), scope, None, None, self.now())
                self.tasks.numbers[id(task)] = number
                loop._ready[place] = self._mark(handle, number)
        self.begin_thread()

    def _keep(self, name: str, new: Any, before: Callable[..., Any]) -> Any:
        self._before[name] = before
        return new

    def remove(self) -> None:
        """Remove all patches from the loop."""
        if self.loop is None:
            return
        self.stop()
        self._replaced.undo()
        self.clock.followers.remove(self._set_now)
        for timer in list(self.loop._scheduled):
            if type(timer) is self._timer:
                timer.__class__ = _TimerHandle
        # The stamps stay, maybe for long; the loop and all that was on it need not.
        self.current, self.since = None, 0.0
        self.loop = None

    def stop(self) -> None:
        """Stop stamping: handles that are still queued now behave like asyncio's own."""
        self.stopped = self.is_slow = True
        self.running = None
        self.tasks.numbers.clear()

    # For other modules

    def widen(self, threshold: float, most: int) -> None:
        """Serve one more recording, which needs this threshold and size."""
        self.threshold = min(self.threshold, threshold)
        for buffer in (self.steps, self.waits, self.idle):
            buffer.most = max(buffer.most, most)

    def extent(self) -> Extent:
        """Return how much has been stamped so far, and the step that is running."""
        rows = (self.steps.rows(), self.waits.rows(), self.idle.rows(), len(self.holds))
        step = None
        if self.current is not None and not self.stopped:
            before = self.tasks.ends[self.current]
            ready_at = (self.running and self.running._since) or before
            step = (self.current, ready_at, max(self.since, before), self.now())
        return Extent(*rows, len(self.tasks), self.steps.dropped, step)

    def begin_thread(self) -> None:
        """Note which thread runs the loop."""
        self.thread_id, self.native_id = threading.get_ident(), threading.get_native_id()

    def flush(self) -> None:
        """Move the stamps to typed arrays."""
        for buffer in (self.steps, self.waits, self.idle):
            buffer.flush()

    # Tasks

    def begin_task(self, task: Any, context: Any) -> int | None:
        """Return the number of a task that asks for its first step; None if it isn't recorded."""
        tasks, key = self.tasks, id(task)
        try:
            coroutine = task.get_coro()
            if self.stopped:
                return None
            if self._making is not None and self._making[1] is coroutine:
                tasks.numbers[key] = self._making[0]
                return self._making[0]
            if key in tasks.numbers and asyncio.current_task(self.loop) is task:
                return tasks.numbers[key]  # it was known before its first step ended
            scope = self.scope_of(context)
            if scope is None or len(tasks.ends) >= self.steps.most:
                self.steps.dropped += scope is not None  # it has no lane, its steps aren't kept
                tasks.numbers.pop(key, None)
                return None
            # Looking at a frame takes time.
            frame: Any = sys._getframe(_SPAWN_DEPTH if self.since else 2)
            frame = frame.f_back if frame.f_code is _CREATE_TASK else sys._getframe(2)
            if frame.f_code is not self._spawner:
                frame = users_frame(frame)
                self._spawner = frame and frame.f_code
            number = tasks.add(coroutine, scope, self.current, frame, self.now())
            tasks.numbers[key] = number
            return number
        except Exception as error:
            self.give_up(error)
            return None

    def finish(self, number: int, task: Any) -> None:
        """Note how a task has ended; for most tasks it is enough to note that they have."""
        try:
            self.tasks.finish(number, task.get_name())
            if self.events.trails:
                self.events.trails.pop(number, None)
            if task._exception is not None or task.cancelled() or task.cancelling():
                self.events.finished(number, task)
        except Exception as error:
            self.give_up(error)

    def adopt(self, task: Any, scope: Any) -> Entry:
        """Add the running task, which opens a recording in the middle of one of its steps."""
        if self._making is not None and self._making[1] is task.get_coro():
            self.tasks.numbers[id(task)] = self._making[0]  # in the first step of an eager task
        number = self.tasks.number_of(task)
        if number is None:
            at = self.now()
            self._settle(at)
            self.since = at
            number = self.tasks.add(task.get_coro(), scope, None, None, at)
            self.tasks.numbers[id(task)] = number
            self._opener = self.current = number
            self.events.joined(self.tasks.entry(number), task)
        return self.tasks.entry(number)

    # The loop around the steps

    def _settle(self, at: float) -> None:
        """End the step in which a recording was opened: no handle of ours ends it."""
        if self.current is not None and self.current == self._opener:
            self.stamp((self.current, self.since, self.since, at))
            self.tasks.ends[self.current] = at
            self.current, self.since = None, 0.0
        self._opener = None

    def interrupt(self, at: float) -> Any:
        """Return the running step, if any, in which a loop now begins another one."""
        self._settle(at)
        return self.current, self.running

    def run_other(self, handle: Any, run: Callable[[Any], None], due: float = 0.0) -> None:
        """Run a callback that isn't a step; what it makes ready counts as ready since `due`."""
        if self.stopped:
            run(handle)
            return
        start = self.last or self.now()
        if self.current is not None:
            self._settle(start)
        outer, self.since, self.due = self.since, start, due
        callback = handle._callback
        try:
            run(handle)
        except BaseException as error:
            hide_frame(error)
            hide_frame(error)  # and that of asyncio's own _run: the caller takes its place
            raise
        finally:
            self.due = 0.0
            self.last = end = self.now()
            self.since = end if outer else 0.0
            if end - start > self.threshold:
                self.holds.append((start, end, name_callback(callback)))
            handle = callback = None  # as asyncio does: a traceback may lead to this frame

    def ready_since(self, at: float) -> float:
        """Return since when something that became ready at that time counts as ready.

        An idle loop by itself wakes a little late, but not by milliseconds: then another thread
        had the GIL, or another program the processor.
        """
        if self._idle_from < at <= self._idle_to < at + LATE:
            return self._idle_to
        return min(at, self.last or self.now())

    def _set_now(self, now: Callable[[], float]) -> None:
        self.now, self.last = now, 0.0

    # What replaces the loop's own methods

    def call_soon_slowly(self, callback: Any, args: Any, context: Any, number: int | None) -> Any:
        """Do the work of `call_soon` in debug mode, or where other code has replaced it."""
        handle = self._before["call_soon"](callback, *args, context=context)
        if handle._source_traceback:
            del handle._source_traceback[-2:]  # this function and call_soon
        if self.stopped:
            return handle
        ready = self.loop._ready
        if ready and ready[-1] is handle and type(handle) is _Handle:
            ready[-1] = handle = self._mark(handle, number)
        return handle

    def _mark(self, handle: Any, number: int | None) -> StepHandle:
        """Return a handle of ours to replace one of asyncio's."""
        mine = StepHandle(handle._callback, handle._args, handle._loop, handle._context)
        mine._cancelled, mine._source_traceback = handle._cancelled, handle._source_traceback
        mine._patch, mine._number, mine._task = self, number, task_of(handle._callback)
        mine._since = 0.0 if number is not None else self.due or self.now()
        return mine

    def _call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        timer = self._before["call_at"](when, callback, *args, context=context)
        if timer._source_traceback:
            del timer._source_traceback[-1]
        if type(timer) is _TimerHandle and not self.stopped:
            timer.__class__ = self._timer
        return timer

    def _call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:
        loop = self.loop
        if self.is_slow or loop._closed:
            return self._before["call_soon_threadsafe"](callback, *args, context=context)
        if loop._debug:
            loop._check_callback(callback, "call_soon_threadsafe")
        handle = RecordedPost(callback, args, loop, context)
        if handle._source_traceback:
            del handle._source_traceback[-1]
        handle._patch, handle._at = self, self.now()
        loop._ready.append(handle)
        loop._write_to_self()
        return handle

    def _create_task(self, coro: Any, **kwargs: Any) -> Any:
        """Stamp the first step of an eager task, which runs here, inside its parent's step."""
        tasks, outer, number, task = self.tasks, (self.current, self._making), None, None
        if not self.stopped and (self.loop._task_factory or kwargs.get("eager_start")):
            scope, at = self.scope_of(kwargs.get("context")), self.now()
            if scope is not None and len(tasks) < self.steps.most:
                frame = users_frame(sys._getframe(1))
                self.current = number = tasks.add(coro, scope, self.current, frame, at)
                self._making = number, coro
        try:
            task = self._before["create_task"](coro, **kwargs)
        finally:
            if number is not None:
                self.current, self._making = outer
                if not hasattr(task, "get_coro"):
                    tasks.forget(number)
                    number = None
        if getattr(task, "_source_traceback", None):
            del task._source_traceback[-1]
        if number is not None:
            tasks.numbers[id(task)] = number
            if task.done() or getattr(coro, "cr_suspended", False):
                tasks.ends[number] = end = self.now()
                self.stamp((-1 - number, at, at, end))
            if task.done():
                self.finish(number, task)
        return task

    def _select(self, timeout: float | None = None) -> Any:
        select = self._before["select"]
        if self.stopped:
            return select(timeout)
        if self.current is not None:
            self._settle(self.now())  # before a virtual clock that was opened in that step jumps
        start = 0.0
        if timeout is None or timeout > 0:
            self._idle_from = start = self.now()
            self.is_idle = True
        try:
            return select(timeout)
        finally:
            end = self.now()
            self.last = end if self.clock.is_plain else 0.0  # a virtual clock may jump after this
            if start:
                self.is_idle, self._idle_to = False, end
                self.idle.fresh.extend((start, end))

    def _run_in_executor(self, executor: Any, function: Any, *args: Any) -> Any:
        self.events.handed_over = None
        future = self._before["run_in_executor"](executor, function, *args)
        if self.events.handed_over is not None:
            self.events.job_of[future], self.events.handed_over = self.events.handed_over, None
        return future

    def _sock_connect(self, sock: Any, address: Any) -> Any:
        if not self.stopped:
            self._sockets = [one for one in self._sockets if (s := one()) and s.fileno() != -1]
            self._sockets.append(weakref.ref(sock))
            if len(self._sockets) > self.most_sockets[0]:
                line = users_line(2)
                self.most_sockets = len(self._sockets), self.now(), self.current, line
        return self._before["sock_connect"](sock, address)

    def _close(self) -> None:
        self._before["close"]()
        self._on_close(self)
