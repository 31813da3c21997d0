"""A thread that keeps real time while an answer runs, and what it does when that is over."""

import _thread
import asyncio
import contextlib
import contextvars
import functools
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from asyncteach.checks.ambush import OutOfTime
from asyncteach.checks.family import Family, awaited_tasks, context_of, find_line, find_wait
from asyncteach.checks.interruption import Interruption
from asyncteach.places import Place, is_users
from asyncteach.recorder.waits import _chain
from asyncteach.virtual_clock.lookout import real_monotonic

GRACE = 0.2
"""Real seconds in which a loop that isn't held answers."""

PAUSE = 0.1
"""Real seconds between two attempts to end what is suspended."""

CANCELLING = 4
"""Attempts with a cancellation before it comes to worse; only the first and last cancel."""

MOST_ATTEMPTS = 40

STRIKE = 0.01
"""Real seconds between two interruptions of a step."""

LEFT_TASK = "A task of it can't be stopped: restart the kernel to be rid of it."


def hush(task: "asyncio.Task[Any]") -> None:
    """Take note of what a stopped task has raised, or the loop would complain of it."""
    if task.done() and not task.cancelled():
        task.exception()


class Watch:
    """A thread that keeps real time, and what it has done on the loop and to the loop.

    It is a bare thread with bare locks, which no virtual clock and no interrupt can touch.
    """

    def __init__(self, family: Family, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self.stopped = False
        self.place: Place | None = None
        self.how = ""
        self.left = ""
        self.is_interrupted = False
        """Somebody has pressed the stop button, or Ctrl-C."""
        self._family = family
        self._loop = loop
        self._thread = threading.get_ident()
        self._deadline = real_monotonic() + seconds
        self._interruption = Interruption(family, loop)
        self._task: asyncio.Task[Any] | None = None
        self._changed = asyncio.Event()
        self._attempts = 0
        self._answered = 0
        self._over = False
        self._is_nested = False
        self._wake = _thread.allocate_lock()
        self._alive = _thread.allocate_lock()

    @contextlib.contextmanager
    def on_duty(self) -> Iterator[None]:
        """Watch during the block, and leave nothing of it."""
        with _heed_interrupts(self._interrupt):
            self._interruption.install()
            try:
                yield
            finally:
                self._over = True
                self._rouse()
                with self._alive:  # until its thread has ended
                    pass
                self._interruption.remove()

    def begin(self, task: "asyncio.Task[Any]") -> None:
        """Watch over that task and what it spawns."""
        self._task = task
        task.add_done_callback(self._note_end, context=contextvars.Context())
        _thread.start_new_thread(self._watch, ())

    async def ended(self, task: "asyncio.Task[Any]") -> None:
        """Wait until the task is done, and nobody of its family is left."""
        self._changed.clear()
        if task.done() and not self.is_stopping():
            return
        await self._changed.wait()

    def is_stopping(self) -> bool:
        """Tell if somebody of the family is there still, who can be stopped."""
        return not self.left and bool(self._family.tasks(self._loop))

    def hurry(self) -> None:
        """Let it be over at once; called on the loop's thread, in a signal handler too."""
        self._deadline = 0.0
        self._rouse()

    def _interrupt(self) -> None:
        self.is_interrupted = True
        self.hurry()

    def _note_end(self, _: Any) -> None:
        self._changed.set()
        if self.is_stopping():
            self.hurry()  # what was left running

    def _note_stopped(self, task: "asyncio.Task[Any]") -> None:
        hush(task)
        self._changed.set()

    # In the thread

    def _rouse(self) -> None:
        with contextlib.suppress(RuntimeError):
            self._wake.release()

    def _rest(self, seconds: float) -> None:
        self._wake.acquire(timeout=max(0.0, seconds))

    def _watch(self) -> None:
        with self._alive:
            while not self._over and (left := self._deadline - real_monotonic()) > 0:
                self._rest(min(left, 3600.0))
            asked = 0
            while not self._over:
                asked += 1
                if not self._ask(asked):
                    return
                self._stop_step(asked)
                if not self._over:
                    self._rest(PAUSE)

    def _ask(self, asked: int) -> bool:
        """Let the loop end what is suspended; False if it is closed."""
        self._is_nested = False
        try:
            self._loop.call_soon_threadsafe(
                self._stop_suspended, asked, context=contextvars.Context()
            )
        except RuntimeError:
            return False
        return True

    def _stop_step(self, asked: int) -> None:
        """Wait for the loop's answer, and strike for as long as a step keeps it from answering."""
        since = real_monotonic()
        while not self._over and self._answered < asked:
            if real_monotonic() - since < GRACE:
                self._rest(GRACE / 4)
                continue
            if not self.how:
                frame = sys._current_frames().get(self._thread)
                self.place, self.how = find_line(frame), "spun"
            self._interruption.strike()
            self._rest(STRIKE)
            if self._is_nested and not self._ask(asked):
                return

    # On the loop

    def _stop_suspended(self, asked: int) -> None:
        """End the tasks that are left, one way after another."""
        tasks = self._family.tasks(self._loop)
        if any(getattr(task.get_coro(), "cr_running", False) for task in tasks):
            self._is_nested = True  # a step of it runs the loop, as a patched asyncio.run() does
            return
        self._interruption.disarm()
        self._answered = asked
        if self._task is not None and not self._task.done() and not self.stopped:
            self.stopped = True
            if not self.how:
                self.place, self.how = find_wait(self._task), "hung"
        elif self._interruption.hits:
            self.stopped = True
        self._attempts += 1
        if not tasks or self._attempts > MOST_ATTEMPTS:
            self.left = LEFT_TASK if tasks else ""
            self._changed.set()
            self._over = True
        for task in tasks:
            task.add_done_callback(self._note_stopped, context=contextvars.Context())
        if not self._leave_strangers(tasks):
            for task in tasks:
                # Whoever waits for others hears of their end.
                if self._attempts > CANCELLING and not awaited_tasks(task):
                    self._throw(task)
                if self._attempts == 1 or self._attempts >= CANCELLING:
                    task.cancel()
        self._rouse()

    def _leave_strangers(self, tasks: "list[asyncio.Task[Any]]") -> bool:
        """End a `gather` of tasks that aren't the family's, and tell if there was any.

        A cancellation would go on to them, and they may be the kernel's own.
        """
        found = False
        for task in tasks:
            waiter: Any = getattr(task, "_fut_waiter", None)
            children = getattr(waiter, "_children", None) or ()
            under_way = [c for c in children if isinstance(c, asyncio.Task) and not c.done()]
            if not all(map(self._family.has_task, under_way)):
                found |= asyncio.Future.cancel(waiter)  # not a gather's own, which passes it on
        return found

    def _throw(self, task: Any) -> None:
        """Raise OutOfTime where a task is suspended, behind the back of its cancellation."""
        coroutine = task.get_coro()
        if coroutine is None or getattr(coroutine, "cr_running", False):
            return
        if self._attempts > CANCELLING + 1:  # the first is let alone with its `finally`
            frames = [one for _, one, code in _chain(coroutine) if is_users(code.co_filename)]
            self._interruption.arm([one for one in frames if one is not None])
        with contextlib.suppress(BaseException):
            context_of(task).run(coroutine.throw, OutOfTime())
        self._interruption.disarm()


@contextlib.contextmanager
def _heed_interrupts(heed: Callable[[], None]) -> Iterator[None]:
    """Call `heed` when the stop button or Ctrl-C is pressed, beside what it does anyway."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return

    @functools.wraps(before)
    def handle(number: int, frame: Any) -> Any:
        heed()
        return before(number, frame)

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is handle:
            signal.signal(signal.SIGINT, before)
