"""The handles of a loop under record: every step of a task is stamped, at hardly any cost.

The functions here are closures around shared variables, and not methods, because they run at
every step: a variable of a closure is read in a fraction of the time of an attribute.
"""

import asyncio
import contextvars
import sys
import threading
import types
from asyncio import events
from collections.abc import Callable
from typing import Any

from asyncteach.recorder.callbacks import (
    Raising,
    name_callback,
    task_of,
    type_of_steps,
    users_line,
)
from asyncteach.recorder.entry import Entry, Registry
from asyncteach.recorder.observer import Observer
from asyncteach.replacements import hide_frame

LATE = 0.002
"""Seconds by which a loop that is idle and well may wake too late."""
SHORTEST_WAIT = 0.001
"""Seconds of waiting from which on it is looked at what for: it costs some steps' worth."""

_Handle: Any = events.Handle
_TimerHandle: Any = events.TimerHandle
_SafeHandle: Any = getattr(events, "_ThreadSafeHandle", events.Handle)  # of its own from 3.14 on

FUNCTION = types.FunctionType
CAN_BE_EAGER = sys.version_info >= (3, 12)

_HANDLE_SLOTS = {
    *("_callback", "_args", "_cancelled", "_loop", "_source_traceback"),
    *("_repr", "__weakref__", "_context"),
}


class Stepper:
    """What `make_stepper` gives: functions that share its variables."""

    call_soon: Callable[..., Any]
    """Stands in for the loop's own, as do the next four."""
    call_at: Callable[..., Any]
    call_soon_threadsafe: Callable[..., Any]
    write_to_self: Callable[[], Any]
    create_task: Callable[..., Any]
    adopt: Callable[[Any, Any], Entry]
    """Take in the running task, which opens a recording in the midst of one of its steps."""
    adopt_ready: Callable[[], None]
    """Mark the first steps of tasks that were made before the loop was watched."""
    cut: Callable[[float], None]
    """Write down what there is of the step that is being executed."""
    current: Callable[[], tuple[float, int | None]]
    """Since when the loop is held (0: it isn't), and by the task of which number."""
    rest: Callable[[float], None]
    """Say that the loop begins to be idle."""
    wake: Callable[[float], None]
    """Say that it no longer is, or that it has looked for events without resting."""
    strangers: Callable[[], int]
    """How many callbacks another thread has put on the idle loop, without waking it."""
    set_now: Callable[[Callable[[], float]], None]
    stop: Callable[[], None]
    """Be as if nothing were here: handles that are still queued are plain ones."""
    unmark: Callable[[Any], None]
    """Give a timer that is still queued its own class back."""


def make_stepper(
    tap: Any, loop: Any, observer: Observer, scope_of: Callable[[Any], Any]
) -> Stepper:
    """Make the functions for one loop, around variables that they share."""
    ready = loop._ready
    append = ready.append
    registry: Registry = tap.registry
    entries, ends, numbers = registry.entries, registry.ends, registry.numbers
    axis = tap.axis
    step = tap.steps.fresh.extend
    now = axis.now
    get_ident = threading.get_ident
    copy_context = contextvars.copy_context
    new: Any = object.__new__
    step_type = type_of_steps()
    call_soon_before, call_at_before = tap.before("call_soon"), tap.before("call_at")
    threadsafe_before = tap.before("call_soon_threadsafe")
    write_before = tap.before("_write_to_self")
    create_before = tap.before("create_task")
    # Another's call_soon is called and its handle replaced; what asyncio's own does is done here.
    slow = not (
        type(loop).call_soon is asyncio.BaseEventLoop.call_soon
        and "call_soon" not in vars(loop)
        and set(events.Handle.__slots__) == _HANDLE_SLOTS
    )

    stopped = False
    current: int | None = None  # the number of the task whose step is being executed
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
    unsettled: int | None = None  # the task that opened the recording, in its first step
    safe_since: dict[int, tuple[float, str | None]] = {}
    posting: dict[int, tuple[Any, float]] = {}  # what each thread is just handing to the loop
    wakers: dict[int, tuple[str, float]] = tap.wakers
    threads: dict[int, Any] = getattr(threading, "_active", {})

    # Tasks

    def create_task(*args: Any, **kwargs: Any) -> Any:
        nonlocal current
        scope = None if stopped else scope_of(kwargs.get("context"))
        parent, at = current, now()
        if scope is not None and len(ends) >= tap.steps.most:
            tap.steps.dropped += 1  # a task too many has no lane, and no step of it is kept
            scope = None
        if scope is not None:
            current = number = len(ends)
            ends.append(at)
            entries.append(None)
        try:
            task = create_before(*args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            raise
        finally:
            current = parent
        if scope is None:
            return task
        try:
            if id(task) in numbers or not hasattr(task, "get_coro"):
                return task  # of a task factory that gave something else, or has told us already
            if loop._debug and task._source_traceback:
                del task._source_traceback[-1]
            coroutine = args[0] if args else kwargs.get("coro")
            entry = registry.add(number, task, coroutine, scope, parent, at)
            entry.line = users_line(2)
            if kwargs and kwargs.get("name"):
                entry.name = str(kwargs["name"])
            if CAN_BE_EAGER:
                is_done = task.done()
                if is_done or getattr(coroutine, "cr_suspended", False):
                    # It was started eagerly, inside the step of its parent.
                    ends[number] = end = now()
                    step((-1 - number, at, at, end))
                    if is_done:
                        finish(number, task, end)
        except Exception as error:
            fail(error)
        return task

    def find(handle: Any) -> int | None:
        """Return the number of the task whose step a handle is; None: it isn't one of ours."""
        task = task_of(handle._callback)
        number = None if task is None else numbers.get(id(task))
        if number is None and task is not None and not stopped:
            try:
                number = see(handle, task)
            except Exception as error:
                fail(error)
        handle._number, handle._task = number, task
        return number

    def see(handle: Any, task: Any) -> int | None:
        """Take in a task of whose making nobody has told, as by `asyncio.Task(...)`."""
        scope = scope_of(handle._context)
        if scope is None or task.done() or len(ends) >= tap.steps.most:
            return None
        at = handle._since or now()
        number = registry.reserve(at)
        registry.add(number, task, task.get_coro(), scope, handle._parent, at)
        return number

    def look(number: int, task: Any, until: float) -> None:
        """Note what a task has waited for."""
        try:
            observer.waited(tap, entries[number], task, until)  # type: ignore[arg-type]
        except Exception as error:
            fail(error)

    def leave(outer: Any) -> None:
        """Be as before a step that an interrupt has not let begin."""
        nonlocal current, since, began, ready_at, running_task, running_handle
        if outer is None:
            current = running_task = running_handle = None
            since = 0.0
        else:
            current, began, ready_at, running_task, running_handle = outer

    def finish(number: int, task: Any, at: float) -> None:
        try:
            observer.finished(tap, entries[number], task, at)  # type: ignore[arg-type]
        except Exception as error:
            fail(error)

    def adopt(task: Any, scope: Any) -> Entry:
        nonlocal unsettled, current, since, began, ready_at
        entry = registry.of(task)
        if entry is None:
            if unsettled is not None:
                settle(now())
            since = began = ready_at = now()
            unsettled = current = number = registry.reserve(since)
            entry = registry.add(number, task, task.get_coro(), scope, None, since)
            try:
                observer.joined(tap, entry, task)
            except Exception as error:
                fail(error)
        return entry

    # Steps

    def cut(at: float) -> None:
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

    def step_around(start: float) -> Any:
        """Return the step that another one interrupts: a loop runs inside a loop."""
        if unsettled is not None:
            settle(start)
            return None
        return current, began, ready_at, running_task, running_handle

    class Handle(_Handle):  # type: ignore[misc]
        __slots__ = ("_number", "_parent", "_since", "_task")

        def _run(self) -> None:
            nonlocal current, since, began, ready_at, running_task, running_handle, again, last
            outer = None
            try:
                number = self._number
                if number is None or stopped:
                    number = None if type(self._callback) is FUNCTION else find(self)
                if number is not None:
                    # What ran before on this loop has just ended: one look at the clock for both.
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
                        look(number, task, ready_at)
                    since = began = start
            except BaseException:  # an interrupt: the step must not be lost
                if running_handle is self:
                    leave(outer)
                ready.appendleft(self)
                raise
            if number is None:
                return run_other(self)
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
                    # A traceback of the task leads to this frame, which must not lead back.
                    self = callback = task = None  # type: ignore[assignment]

    class TimerHandle(_TimerHandle):  # type: ignore[misc]
        __slots__ = ()

        def _run(self) -> None:
            nonlocal due
            try:
                when = self._when if axis.is_plain else axis.due(self._when, self._context)
                # An idle loop wakes a little late by itself, but not by milliseconds: then another
                # thread had the GIL, or other programs the processor.
                is_idle = idle_from < when <= idle_to < when + LATE
                due = idle_to if is_idle else min(when, now())
            except BaseException:
                ready.appendleft(self)
                raise
            try:
                run_other(self)
            finally:
                due = None

    class SafeHandle(_SafeHandle):  # type: ignore[misc]
        __slots__ = ()

        def _run(self) -> None:
            nonlocal due
            at, waker = safe_since.pop(id(self), (None, None))
            due = idle_to if at is not None and idle_from < at <= idle_to < at + LATE else at
            before = len(ready)
            try:
                run_other(self)
            finally:
                if waker is not None and due is not None:
                    note_waker(before, waker, due)
                due = None

    runs: dict[type, Callable[[Any], None]] = {}
    for cls, base in ((Handle, _Handle), (TimerHandle, _TimerHandle), (SafeHandle, _SafeHandle)):
        cls.__name__, cls.__qualname__, cls.__module__ = (
            base.__name__,
            base.__qualname__,
            base.__module__,
        )
        runs[cls] = base._run

    def run_other(handle: Any) -> None:
        """Run a callback that is no task's step, as asyncio does."""
        nonlocal since, last
        run = runs[type(handle)]
        if stopped:
            return run(handle)
        try:
            start = last or now()
            if unsettled is not None:
                settle(start)
            outer, since = since, start
            callback = handle._callback
        except BaseException:
            ready.appendleft(handle)
            raise
        try:
            run(handle)
        except BaseException as error:
            hide_frame(error)
            hide_frame(error)  # and that of asyncio's own _run: the caller stands for it
            raise
        finally:
            last = end = now()
            since = end if outer else 0.0
            if end - start > tap.threshold:
                tap.holds.append((start, end, name_callback(callback)))
            handle = callback = None  # as asyncio does: a traceback may lead to this frame
        return None

    def complain(handle: Any, error: BaseException) -> None:
        """Report an exception of a step as asyncio does, with asyncio's own words."""
        shim = new(_Handle)
        for name in ("_loop", "_callback", "_args", "_source_traceback"):
            setattr(shim, name, getattr(handle, name))
        shim._cancelled, shim._repr, shim._context = False, None, Raising(error)
        _Handle._run(shim)

    # What stands in for the loop's own methods

    def call_soon(callback: Any, *args: Any, context: Any = None) -> Any:
        nonlocal again, strangers
        if type(callback) is step_type and callback.__self__ is running_task:
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
        handle._number = None
        handle._parent = current
        handle._since = now() if due is None else due
        is_stranger = idle and get_ident() != loop._thread_id
        strangers += is_stranger
        append(handle)
        if is_stranger:
            observer.trespassed(tap, callback)
        return handle

    def call_soon_slowly(callback: Any, *args: Any, context: Any) -> Any:
        nonlocal strangers
        handle = call_soon_before(callback, *args, context=context)
        if handle._source_traceback:
            del handle._source_traceback[-2:]  # this function and call_soon
        if stopped or not ready or ready[-1] is not handle or type(handle) is not _Handle:
            return handle
        ready[-1] = mine = mark(handle)
        if idle and get_ident() != loop._thread_id:
            strangers += 1
            observer.trespassed(tap, callback)
        return mine

    def mark(handle: Any) -> Any:
        mine = new(Handle)
        for name in _HANDLE_SLOTS - {"__weakref__"}:
            setattr(mine, name, getattr(handle, name))
        mine._number, mine._parent = None, current
        mine._since = now() if due is None else due
        return mine

    def adopt_ready() -> None:
        for place, handle in enumerate(list(ready)):
            if type(handle) is _Handle and task_of(handle._callback) is not None:
                ready[place] = mark(handle)

    def call_at(when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        timer = call_at_before(when, callback, *args, context=context)
        if timer._source_traceback:
            del timer._source_traceback[-1]
        if not stopped and type(timer) is _TimerHandle:
            timer.__class__ = TimerHandle
        return timer

    def unmark(timer: Any) -> None:
        if type(timer) is TimerHandle:
            timer.__class__ = _TimerHandle

    def call_soon_threadsafe(callback: Any, *args: Any, context: Any = None) -> Any:
        at, ident = now(), get_ident()
        posting[ident] = callback, at
        try:
            handle = threadsafe_before(callback, *args, context=context)
        finally:
            posting.pop(ident, None)
        if handle._source_traceback:
            del handle._source_traceback[-1]
        if not stopped and type(handle) is _SafeHandle:
            note_post(handle, at)
        return handle

    def write_to_self() -> Any:
        """Mark what this thread has just put on the loop, before the loop wakes up and runs it."""
        callback, at = posting.get(get_ident(), (None, 0.0))
        if callback is not None and not stopped:
            try:
                for place in range(len(ready) - 1, max(len(ready) - 9, -1), -1):
                    handle = ready[place]
                    if type(handle) is _SafeHandle and handle._callback is callback:
                        note_post(handle, at)
                        break
            except IndexError:
                pass  # the loop was awake and has run it
        return write_before()

    def note_post(handle: Any, at: float) -> None:
        if len(safe_since) > 10_000:  # of handles that ran or were cancelled before we came
            safe_since.clear()
        thread = None if get_ident() == loop._thread_id else threads.get(get_ident())
        safe_since[id(handle)] = at, thread and thread.name
        handle.__class__ = SafeHandle

    def note_waker(before: int, thread: str, at: float) -> None:
        """Note which thread has made tasks ready, by what it has put on the loop."""
        if len(wakers) > 10_000:  # of waits too short to be looked at
            wakers.clear()
        try:
            for place in range(before, len(ready)):
                task = task_of(ready[place]._callback)
                if task is not None:
                    wakers[id(task)] = thread, at
        except Exception as error:
            fail(error)

    # The loop around the steps

    def rest(at: float) -> None:
        nonlocal idle, idle_from
        if unsettled is not None:
            settle(at)
        idle, idle_from = True, at

    def wake(at: float) -> None:
        nonlocal idle, idle_to, strangers, last
        if unsettled is not None:
            settle(at)  # before a virtual clock that was opened in that step jumps
        last = at if axis.is_plain else 0.0  # a virtual clock may jump after this
        if idle:
            idle, idle_to, strangers = False, at, 0

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
        numbers.clear()

    stepper = Stepper()
    stepper.call_soon, stepper.call_at = call_soon, call_at
    stepper.call_soon_threadsafe, stepper.create_task = call_soon_threadsafe, create_task
    stepper.write_to_self = write_to_self
    stepper.adopt, stepper.adopt_ready = adopt, adopt_ready
    stepper.cut, stepper.current = cut, lambda: (since, current)
    stepper.rest, stepper.wake, stepper.strangers = rest, wake, lambda: strangers
    stepper.set_now, stepper.stop, stepper.unmark = set_now, stop, unmark
    return stepper
