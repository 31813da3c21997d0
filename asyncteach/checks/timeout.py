"""Run an answer with a deadline: it is stopped even if it hangs or holds the loop."""

import _thread
import asyncio
import contextlib
import contextvars
import gc
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
"""Real seconds between two checks whether the loop has answered."""

GRACE = 20
"""A loop that no step holds answers before this thread has had this many turns.

Turns, not seconds: if the computer gives the program no time, neither of the two gets any.
"""

PAUSE = 0.1
"""Real seconds between two checks of the loop, and between two attempts to end tasks."""

_SIGNAL = getattr(signal, "SIGURG", signal.SIGINT)
"""Interrupts a step. SIGURG is ignored by default: if it comes late, nothing happens."""

_answers: contextvars.ContextVar[tuple[object, ...]] = contextvars.ContextVar(
    "asyncteach_answers", default=()
)
"""The watchdogs of the answers that a task belongs to: an answer may run others itself."""


class OutOfTime(BaseException):
    """Ends a step that holds the loop; `except Exception` doesn't catch it."""


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
    left: bool = False
    """True if a task couldn't be stopped."""


async def run_within(
    seconds: float, make: Callable[[], Awaitable[Any]], on_end: Callable[[], Any] = lambda: None
) -> Ending:
    """Await what `make` returns, as a task on the running loop, for at most `seconds` real seconds.

    At the end, or at the deadline, `on_end` is called and all unfinished tasks of the answer are
    cancelled, with what they gather. A task that catches that gets another exception, and so does
    a step that holds the loop. If the answer catches that too, or holds a loop outside of the main
    thread, it can't be stopped, and a message says so. Threads go on. The seconds are real ones
    under `virtual_time()` too. If this coroutine is cancelled, for example by the stop button, the
    answer is stopped at once; a step that holds the loop is stopped at the deadline. An exception
    of the answer is returned in the Ending.
    """
    loop = asyncio.get_running_loop()
    watchdog = _Watchdog(loop, seconds)
    context = contextvars.copy_context()
    context.run(_answers.set, (*_answers.get(), watchdog))
    cancelled = False
    with watchdog.on_duty():
        task = loop.create_task(_call(make), context=context)
        task.add_done_callback(_hush)
        both: list[asyncio.Future[Any]] = [task, watchdog.tick]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            cancelled = True
        stopped = not task.done() or bool(watchdog.struck)
        held = watchdog.place
        place = held or _find_wait(watchdog.tasks())
        on_end()
        left = await watchdog.end_tasks()
    if cancelled:
        raise asyncio.CancelledError
    if stopped:
        return Ending(None, None, True, held is not None, place, left)
    if task.cancelled():
        return Ending(error=asyncio.CancelledError())
    error = task.exception()
    return Ending(error=error) if error is not None else task.result()


async def _call(make: Callable[[], Awaitable[Any]]) -> Ending:
    try:
        return Ending(await make())
    except (SystemExit, KeyboardInterrupt) as error:  # they would end the loop and the kernel
        return Ending(error=error)


def _find_wait(tasks: "list[asyncio.Task[Any]]") -> Place | None:
    """Return the first of the user's lines that waits for anything but other tasks."""
    waits = [describe(task, lambda _: False) for task in tasks]
    lines = [one.lines[-1] for one in waits if one.lines and one.kind not in ("task", "tasks")]
    return min((place_of(*line) for line in lines), default=None)


def _hush(task: "asyncio.Task[Any]") -> None:
    """Retrieve the exception of a stopped task, or the loop would complain about it."""
    if not task.cancelled():
        task.exception()


def _context_of(task: Any) -> contextvars.Context:
    """Return the context in which a task's steps run."""
    if hasattr(task, "get_context"):  # from 3.12 on
        context: contextvars.Context = task.get_context()
        return context
    # A task refers to its own context first, then to those of its callbacks.
    found = (one for one in gc.get_referents(task) if isinstance(one, contextvars.Context))
    return next(found, contextvars.Context())


class _Watchdog:
    """A thread that notices the deadline, and from then on ends every step that holds the loop.

    It uses `_thread` directly, which a virtual clock doesn't replace.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self.tick: asyncio.Future[None] = loop.create_future()
        """Done when the time is over and the loop has answered."""
        self.place: Place | None = None
        """The line that held the loop when the time was over."""
        self.struck: list[Any] = []
        """The tasks whose steps got an exception; None for a callback."""
        self._loop = loop
        self._deadline = monotonic() + seconds
        self._thread = threading.get_ident()
        self._is_main = threading.current_thread() is threading.main_thread()
        self._is_answered = self._is_over = self._is_striking = False
        self._strikes = 0
        self._wake = _thread.allocate_lock()
        self._alive = _thread.allocate_lock()

    @contextlib.contextmanager
    def on_duty(self) -> Iterator[None]:
        """Watch during the block."""
        before = signal.getsignal(_SIGNAL)

        def handle(number: int, frame: FrameType | None) -> None:
            if self._is_striking:
                self._is_striking = False
                if self._may_strike(frame):
                    raise OutOfTime
            elif callable(before):  # another watchdog's, or the stop button
                before(number, frame)

        if self._is_main:
            signal.signal(_SIGNAL, handle)
        _thread.start_new_thread(self._watch, ())
        try:
            yield
        finally:
            self._is_over = True
            self._rouse()
            with self._alive:  # wait until the thread has ended
                pass
            if self._is_main:
                signal.signal(_SIGNAL, before)

    def tasks(self) -> "list[asyncio.Task[Any]]":
        """Return the answer's tasks that aren't done."""
        tasks = asyncio.all_tasks(self._loop)
        return [task for task in tasks if self in _context_of(task).get(_answers, ())]

    async def end_tasks(self) -> bool:
        """End the answer's tasks that are left; return whether any can't be ended."""
        self._deadline = 0.0
        self._rouse()
        for attempt in range(6):
            tasks = self.tasks()
            for task in tasks if attempt in (0, 3) else ():
                task.add_done_callback(_hush)
                if attempt == 3:  # the task catches its cancellation
                    with contextlib.suppress(BaseException):
                        task.get_coro().throw(OutOfTime())
                gather: Any = getattr(task, "_fut_waiter", None)
                if set(getattr(gather, "_children", None) or ()) <= set(tasks):
                    task.cancel()
                else:  # it would pass the cancellation on to tasks of the kernel
                    asyncio.Future.cancel(gather)
            for _ in range(5):  # most end at once
                await asyncio.sleep(0)
            if not self.tasks():
                return False
            self.tick = self._loop.create_future()
            await self.tick  # some real time, whatever the loop's clock is
        return True

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
                    self._loop.call_soon_threadsafe(self._answer, context=contextvars.Context())
                except RuntimeError:  # it is closed
                    return
                turns = 0
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
        """Interrupt the step that holds the loop: a signal wakes `time.sleep` and locks too."""
        self._strikes += 1
        stack = read_stack(sys._current_frames().get(self._thread))
        place = next((place_of(*one) for one in stack if is_users(one[0].co_filename)), None)
        if not self.struck:
            self.place = place
        if self._is_main:
            self._is_striking = True
            if hasattr(signal, "pthread_kill"):
                signal.pthread_kill(self._thread, _SIGNAL)
            else:
                _thread.interrupt_main(_SIGNAL)
        if turns == 10 * GRACE and (self.struck or not self._is_main):
            sys.stderr.write(f"This answer can't be stopped{at(place)}: restart the kernel.\n")

    def _may_strike(self, frame: FrameType | None) -> bool:
        """Return whether a step gets an exception now: once, and not in library code.

        A library call that never returns gets it after a while, the recorder never.
        """
        task = asyncio.current_task(self._loop)
        users = [is_users(code.co_filename) for code, _ in read_stack(frame)]
        if self not in _answers.get() or task in self.struck or not any(users):
            return False
        if may := users[0] or self._strikes % 10 == 0:
            self.struck.append(task)
            if task is not None:
                task.add_done_callback(_hush)
        return may
