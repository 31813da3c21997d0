"""Run an answer with a deadline: it is stopped even if it hangs or holds the loop."""

import _thread
import asyncio
import contextlib
import contextvars
import ctypes
import functools
import gc
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from time import monotonic
from types import FrameType
from typing import Any

from asyncteach.formatting import at
from asyncteach.places import Place, is_users, place_of
from asyncteach.recorder.waits import describe
from asyncteach.recorder.watchdog import read_stack

TURN = 0.01
"""Real seconds between two looks whether the loop has answered."""

GRACE = 20
"""A loop that no step holds answers before this thread has had so many turns.

Turns, not seconds: where the computer gives the program no time, neither of the two has any.
"""

PAUSE = 0.1
"""Real seconds between two checks of the loop, and between two attempts to end tasks."""

LEFT_TASK = "One of its tasks can't be stopped: restart the kernel to end it."


class OutOfTime(BaseException):
    """Ends a step that holds the loop; `except Exception` doesn't catch it."""

    def __str__(self) -> str:
        return "this answer took too long, so it was stopped"


@dataclass(frozen=True)
class Ending:
    """How an answer ended."""

    value: Any = None
    error: BaseException | None = None
    stopped: bool = False
    """True if it was still running at the deadline."""
    held: bool = False
    """True if one of its steps held the loop then; otherwise all its tasks were waiting."""
    place: Place | None = None
    """A line of that step, or a line that waited."""
    left: str = ""
    """A sentence about what couldn't be stopped; usually empty."""


class AnswerContext:
    """The tasks of one run of an answer: they inherit this object in a context variable."""

    def __init__(self) -> None:
        self._outer = _current.get()

    def copy_context(self) -> contextvars.Context:
        """Return a copy of the caller's context for the answer's first task."""
        context = contextvars.copy_context()
        context.run(_current.set, self)
        return context

    def is_current(self) -> bool:
        """Tell if the running code belongs to the answer; works in a signal handler too."""
        return self._has(_current.get())

    def has_task(self, task: Any) -> bool:
        """Tell if a task belongs to the answer."""
        return self._has(_context_of(task).get(_current))

    def tasks(self, loop: asyncio.AbstractEventLoop) -> "list[asyncio.Task[Any]]":
        """Return the answer's tasks that aren't done."""
        return [task for task in asyncio.all_tasks(loop) if self.has_task(task)]

    def _has(self, other: "AnswerContext | None") -> bool:
        while other is not None and other is not self:
            other = other._outer
        return other is self


_current: "contextvars.ContextVar[AnswerContext | None]" = contextvars.ContextVar(
    "asyncteach_answer", default=None
)


def other_tasks() -> "list[asyncio.Task[Any]]":
    """Return the other tasks of the answer, without the current one."""
    context, loop = _current.get(), asyncio.get_running_loop()
    tasks = context.tasks(loop) if context is not None else []
    return [task for task in tasks if task is not asyncio.current_task()]


async def run_within(
    seconds: float, make: Callable[[], Awaitable[Any]], on_stop: Callable[[], Any] = lambda: None
) -> Ending:
    """Await what `make` returns, as a task on the running loop, for at most `seconds` real seconds.

    At the end, or at the deadline after calling `on_stop`, all unfinished tasks of the answer are
    cancelled. Tasks that catch that get another exception. A step that holds the loop gets one
    exception. If the answer catches that too, it can't be stopped, and a sentence is written to
    stderr. Threads go on. The seconds are real ones under `virtual_time()` too. If this coroutine
    is cancelled, for example by the stop button, the answer is stopped at once. An exception of
    the answer is returned in the Ending.
    """
    loop = asyncio.get_running_loop()
    context = AnswerContext()
    watchdog = _Watchdog(context, loop, seconds)
    cancelled = False
    with watchdog.on_duty():
        task = loop.create_task(_call(make, watchdog), context=context.copy_context())
        try:
            both: list[asyncio.Future[Any]] = [task, watchdog.tick]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            cancelled = True
        stopped = not task.done() or bool(watchdog.struck)
        place = watchdog.place
        if stopped:
            place = place or _find_wait(context.tasks(loop))
            on_stop()
        watchdog.hurry()
        left = await _end_tasks(context, watchdog)
    for one in filter(None, [task, *watchdog.struck]):
        if stopped or cancelled:
            _hush(one)
    if cancelled:
        raise asyncio.CancelledError
    if stopped:
        return Ending(stopped=True, held=watchdog.held, place=place, left=left)
    if task.cancelled():
        return Ending(error=asyncio.CancelledError())
    error = task.exception()
    return Ending(error=error) if error is not None else task.result()


def _find_wait(tasks: "list[asyncio.Task[Any]]") -> Place | None:
    """Return the first of the user's lines that waits for anything but other tasks."""
    waits = [describe(task, lambda _: False) for task in tasks]
    lines = [one.lines[-1] for one in waits if one.lines and one.kind not in ("task", "tasks")]
    return min((place_of(*line) for line in lines), default=None)


async def _call(make: Callable[[], Awaitable[Any]], watchdog: "_Watchdog") -> Ending:
    try:
        return Ending(await make())
    except (SystemExit, KeyboardInterrupt) as error:  # they would end the loop and the kernel
        if watchdog.is_interrupted:
            raise
        return Ending(error=error)


async def _end_tasks(context: AnswerContext, watchdog: "_Watchdog") -> str:
    """End the answer's tasks that are left; return a sentence if any can't be ended."""
    for attempt in range(7):
        tasks = context.tasks(watchdog.loop)
        if not tasks:
            return ""
        for task in tasks:
            task.add_done_callback(_hush, context=contextvars.Context())
            if attempt == 4:  # the task catches its cancellation
                with contextlib.suppress(BaseException):
                    _context_of(task).run(task.get_coro().throw, OutOfTime())
        if attempt in (0, 3, 4):
            _cancel(tasks, context)
        for _ in range(5):  # most end at once
            await asyncio.sleep(0)
        if context.tasks(watchdog.loop):
            await watchdog.next_tick()
    return LEFT_TASK


def _cancel(tasks: list[Any], context: AnswerContext) -> None:
    """Cancel these tasks, but no task outside the answer.

    A `gather` passes a cancellation on to all its children, and they may belong to the kernel.
    """
    gathers = []
    for task in tasks:
        children = getattr(task._fut_waiter, "_children", None) or ()
        if not all(context.has_task(one) for one in children if isinstance(one, asyncio.Task)):
            gathers.append(task._fut_waiter)
    for gather in gathers:
        asyncio.Future.cancel(gather)  # its own `cancel` would pass it on
    for task in tasks if not gathers else ():
        task.cancel()


def _hush(task: "asyncio.Task[Any]") -> None:
    """Retrieve the exception of a stopped task, or the loop would complain about it."""
    if task.done() and not task.cancelled():
        task.exception()


class _Watchdog:
    """A thread that notices the deadline, and from then on ends every step that holds the loop.

    It uses `_thread` directly, which a virtual clock doesn't replace.
    """

    def __init__(
        self, context: AnswerContext, loop: asyncio.AbstractEventLoop, seconds: float
    ) -> None:
        self.loop = loop
        self.tick: asyncio.Future[None] = loop.create_future()
        """Done when the time is over and the loop has answered."""
        self.held = False
        self.place: Place | None = None
        self.struck: list[Any] = []
        """The tasks whose steps got an exception; None for a callback."""
        self.is_interrupted = False
        self._context = context
        self._thread = threading.get_ident()
        self._deadline = monotonic() + seconds
        self._is_answered = False
        self._is_over = False
        self._new = 0  # where the tasks begin that got one since the last answer of the loop
        self._strikes = 0
        self._has_said = False
        self._signal = 0
        self._wake = _thread.allocate_lock()
        self._alive = _thread.allocate_lock()

    @contextlib.contextmanager
    def on_duty(self) -> Iterator[None]:
        """Watch during the block."""
        with _replace_handlers(self._interrupt, self._handle) as self._signal:
            _thread.start_new_thread(self._watch, ())
            try:
                yield
            finally:
                self._is_over = True
                self._rouse()
                with self._alive:  # wait until the thread has ended
                    pass

    def hurry(self) -> None:
        """End the time limit now."""
        self._deadline = 0.0
        self._rouse()

    async def next_tick(self) -> None:
        """Wait for the next answer of the loop, in real time."""
        self.tick = self.loop.create_future()
        await self.tick

    def _interrupt(self) -> None:
        """Note that the stop button, or Ctrl-C, was pressed."""
        self.is_interrupted = True
        self.hurry()

    def _rouse(self) -> None:
        with contextlib.suppress(RuntimeError):
            self._wake.release()

    def _watch(self) -> None:
        with self._alive:
            while not self._is_over and (left := self._deadline - monotonic()) > 0:
                self._wake.acquire(timeout=min(left, 3600.0))
            while not self._is_over:
                self._is_answered = False
                try:
                    self.loop.call_soon_threadsafe(self._answer, context=contextvars.Context())
                except RuntimeError:  # it is closed
                    return
                turns, self._new = 0, len(self.struck)
                while not self._is_over and not self._is_answered:
                    turns += not self._wake.acquire(timeout=TURN)
                    if turns > GRACE:
                        self._strike(turns)
                if not self._is_over:
                    self._wake.acquire(timeout=PAUSE)

    def _answer(self) -> None:
        """Answer on the loop: no step holds it."""
        self._is_answered = True
        if not self.tick.done():
            self.tick.set_result(None)

    def _strike(self, turns: int) -> None:
        """Raise an exception in the step that holds the loop, if it is the answer's."""
        self._strikes += 1
        frame = sys._current_frames().get(self._thread)
        lines = (place_of(*line) for line in read_stack(frame) if is_users(line[0].co_filename))
        place = next(lines, None)
        if not self.tick.done() and not self.struck:
            self.held, self.place = True, place
        if self._signal:
            signal.pthread_kill(self._thread, self._signal)
        else:
            task = asyncio.current_task(self.loop)
            if task and self._context.has_task(task) and self._may_strike(task, frame):
                raise_in_thread(self._thread)
        if self.struck[self._new :] and turns > 10 * GRACE and not self._has_said:
            self._has_said = True
            sys.stderr.write(
                f"This answer can't be stopped: it catches every exception and goes on{at(place)}. "
                "Restart the kernel to end it.\n"
            )

    def _handle(self, frame: FrameType | None) -> None:
        """Raise the exception on the main thread: a signal interrupts `time.sleep` and locks."""
        if self._context.is_current() and self._may_strike(asyncio.current_task(), frame):
            raise OutOfTime

    def _may_strike(self, task: Any, frame: FrameType | None) -> bool:
        """Tell if a step gets an exception now, and note it: once, and not in library code.

        A library call that never returns gets it after a while, the recorder never.
        """
        users = [is_users(code.co_filename) for code, _ in read_stack(frame)]
        if task in self.struck[self._new :] or not any(users):
            return False
        if may := users[0] or self._strikes % 10 == 0:
            self.struck.append(task)
        return may


@contextlib.contextmanager
def _replace_handlers(
    interrupt: Callable[[], None], strike: Callable[[FrameType | None], None]
) -> Iterator[int]:
    """Yield the number of a signal that calls `strike`, or 0 if there is none.

    SIGINT, from the stop button or Ctrl-C, calls `interrupt` before its usual handler.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield 0
        return

    @functools.wraps(before)
    def handle(number: int, frame: Any) -> Any:
        interrupt()
        return before(number, frame)

    # SIGURG is ignored by default: if it comes late, nothing happens.
    number = signal.SIGURG if os.name == "posix" else 0
    number = number if number and signal.getsignal(number) == signal.SIG_DFL else 0
    if number:
        signal.signal(number, lambda _, frame: strike(frame))
    signal.signal(signal.SIGINT, handle)
    try:
        yield number
    finally:
        if signal.getsignal(signal.SIGINT) is handle:
            signal.signal(signal.SIGINT, before)
        if number:
            signal.signal(number, signal.SIG_DFL)


def _context_of(task: Any) -> contextvars.Context:
    """Return the context in which a task's steps run."""
    if hasattr(task, "get_context"):  # from 3.12 on
        context: contextvars.Context = task.get_context()
        return context
    # A task refers to its own context first, then to those of its callbacks.
    kind = contextvars.Context
    found = next((one for one in gc.get_referents(task) if isinstance(one, kind)), None)
    return (
        getattr(task, "_context", None) or found or kind()
    )  # `_context` in a task written in Python


def raise_in_thread(ident: int, error: type[BaseException] = OutOfTime) -> None:
    """Raise an exception in a thread as soon as it executes Python code again."""
    what = ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), what)
