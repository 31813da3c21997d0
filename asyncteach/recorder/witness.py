"""What is noted beside the plain steps: names, outcomes, waits, and what goes wrong."""

import asyncio
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from asyncteach.formatting import clip, printable
from asyncteach.places import is_users
from asyncteach.recorder.callbacks import name_callback, users_line
from asyncteach.recorder.entry import Entry, Job
from asyncteach.recorder.observer import Observer
from asyncteach.recorder.tap import Tap
from asyncteach.recorder.waits import Line, describe

Note = tuple[str, str, tuple[Line, ...], bool]
"""The kind of a wait, what is awaited, the user's lines, and if a library's call awaits it."""

started_at: WeakKeyDictionary[threading.Thread, Line | None] = WeakKeyDictionary()
"""The user's line that started each thread, while recording."""

lock_holders: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
"""For each asyncio.Lock a weak reference to the task that took it last."""


class Witness(Observer):
    """The observer of one tap."""

    def __init__(self, report: Callable[..., None], give_up: Callable[[BaseException], None]):
        self.notes: list[Note] = []
        self._known: dict[Note, int] = {}
        self._report = report
        self._give_up = give_up
        self.jobs: WeakKeyDictionary[Any, Entry] = WeakKeyDictionary()
        self._handing: list[Entry] = []
        self._threads: dict[tuple[Entry, str], Entry] = {}

    def joined(self, tap: Tap, entry: Entry, task: Any) -> None:
        entry.name = task.get_name()
        code = getattr(task.get_coro(), "cr_code", None)
        if code is not None and not is_users(code.co_filename):
            entry.label = "this cell" if "IPython" in sys.modules else "this code"

    def waited(self, tap: Tap, entry: Entry, task: Any, until: float) -> None:
        if task._fut_waiter is None and not entry.trail and not has_begun(task):
            return  # it has waited for its first step only
        waiting = describe(task, self.jobs.__contains__)
        kind, what, amount = waiting.kind, waiting.what, waiting.amount
        target = waiting.target
        waker, woken = tap.wakers.pop(id(task), (None, 0.0))
        if kind == "queue":
            self._look_at_queue(entry, target, until, waiting)
        elif kind == "lock":
            # One that it has got at last is held by no other task any more.
            future = task._fut_waiter
            got_it = future is not None and future.done() and not future.cancelled()
            holder = None if got_it else lock_holders.get(target, lambda: None)()
            other = None if holder is None else tap.entry_of(holder)
            amount = -1.0 if other is None else float(other.number)
        elif target is not None:
            other = self.jobs.get(target) if kind == "thread" else tap.entry_of(target)
            if other is None:
                what = what.format(clip(target.get_name(), 60)) if kind == "task" else what
                amount = -1.0
            elif kind == "thread":
                kind, amount = other.kind, float(other.ident)
                what = f"a {other.kind} ({other.name})"
                entry.job = other
                if not other.outcome:
                    other.job.abandoned = (until, entry)
            else:
                amount = float(other.number)
        elif waker is not None and woken == until and kind in ("future", "socket"):
            # Not an executor's: a thread of a library's, or of the user's own.
            kind, what = "thread", f"a thread ({waker})"
            amount = self._add_thread(tap, entry, task, until, waker, waiting.lines)
        note = (kind, what, waiting.lines, len(waiting.coroutines) > len(waiting.lines))
        number = self._known.get(note)
        if number is None:
            number = self._known[note] = len(self.notes)
            self.notes.append(note)
        same = 0
        for reference, coroutine in zip(entry.trail, waiting.coroutines, strict=False):
            if reference() is not coroutine:
                break
            same += 1
        entry.trail = (
            *entry.trail[:same],
            *(refer(coroutine) for coroutine in waiting.coroutines[same:]),
        )
        tap.waits.fresh.extend((entry.number, until, number, amount, same))
        self._look_for_siblings(tap, entry, task, until, waiting.lines)
        if task.cancelling():
            entry.where_cancelled = waiting.lines[-1] if waiting.lines else None
            # Up to Python 3.12 a TaskGroup cancels the task that has opened it, and never takes
            # that back.
            codes = [code for code, _ in waiting.lines]
            entry.excused = sys.version_info < (3, 13) and any(
                "TaskGroup" in code.co_names for code in codes
            )

    def _add_thread(
        self, tap: Tap, entry: Entry, task: Any, until: float, name: str, lines: tuple[Line, ...]
    ) -> float:
        """Keep all that a thread does for a task as one job; return its number."""
        start = tap.registry.ends[entry.number]
        job = self._threads.get((entry, name))
        if job is None:
            job = self._threads[entry, name] = Entry(task)
            job.kind, job.name, job.coroutine, job.outcome = "thread", name, name, "returned"
            job.scope, job.parent, job.tap, job.job = entry.scope, entry, tap, Job()
            job.spawned = job.job.started = start
            job.line = lines[-1] if lines else entry.line
            job.ident = len(tap.jobs)
            tap.jobs.append(job)
            if job.scope is not None:
                job.scope.add_job(job)
        job.finished = until
        job.job.spans.append((start, until))
        return float(job.ident)

    def _look_at_queue(self, entry: Entry, queue: Any, at: float, waiting: Any) -> None:
        """Note that `queue.join()` is given up though the queue is empty."""
        left = getattr(queue, "_unfinished_tasks", 0)
        if "worked off" in waiting.what and left and queue.empty():
            line = waiting.lines[-1] if waiting.lines else None
            self._report("join-unfinished", entry, at, line, str(left))

    def _look_for_siblings(
        self, tap: Tap, entry: Entry, task: Any, at: float, lines: tuple[Line, ...]
    ) -> None:
        """Note that gather() passes on an error while others that it gathered still work."""
        future = task._fut_waiter
        children = getattr(future, "_children", None)
        if not children or not future.done() or future.cancelled():
            return
        error = future._exception
        if error is None:
            return
        left = [tap.entry_of(child) for child in children if not child.done()]
        others = tuple(other for other in left if other is not None)
        if others:
            line = lines[-1] if lines else None
            self._report("siblings-ran-on", entry, at, line, say_error(error), others=others)

    def finished(self, tap: Tap, entry: Entry, task: Any, at: float) -> None:
        entry.name = task.get_name()
        entry.finished = at
        if entry.trail:
            entry.trail = ()
        if task.cancelled():
            entry.outcome = "cancelled"
        elif task._exception is not None:
            entry.outcome = f"raised {say_error(task._exception)}"
        else:
            entry.outcome = "returned"
            if task.cancelling() and not entry.excused:
                line = entry.where_cancelled
                self._report("swallowed-cancellation", entry, at, line, "")

    def vanished(self, tap: Tap, entry: Entry, at: float) -> None:
        entry.finished = at
        entry.outcome = "garbage-collected"
        self._report("destroyed-pending", entry, at, entry.line, "")

    def complained(self, tap: Tap, context: dict[str, Any]) -> None:
        task = context.get("task") or context.get("future")
        entry = tap.entry_of(task)
        message = str(context.get("message"))
        if entry is None or task is None:
            return
        if hasattr(task, "get_name"):
            entry.name = task.get_name()
        at = tap.axis.now()
        if "exception was never retrieved" in message:
            text = say_error(context.get("exception"))
            self._report("exception-never-retrieved", entry, at, entry.line, text)

    def trespassed(self, tap: Tap, callback: Any) -> None:
        try:
            entry = tap.entry_of(getattr(callback, "__self__", None))
            line, text = users_line(3), name_callback(callback)
            thread: Any = getattr(threading, "_active", {}).get(threading.get_ident())
            if line is None and (method := asyncio_method(getattr(thread, "function", None))):
                line, text = started_at.get(thread), method  # of a Timer
            self._report("wrong-thread", entry, tap.axis.now(), line, text, tap=tap)
        except Exception as error:
            self._give_up(error)

    def handed_over(self, tap: Tap, call: Callable[[], Any]) -> Any:
        before = self._handing
        self._handing = []
        try:
            future = call()
            for entry in self._handing:
                self.jobs[future] = entry
                entry.ident = len(tap.jobs)
                tap.jobs.append(entry)
        finally:
            self._handing = before
        return future

    def take_job(self, entry: Entry) -> None:
        """Take note of a job that an executor has just been given, maybe for a future."""
        self._handing.append(entry)

    def failed(self, error: BaseException) -> None:
        self._give_up(error)


def asyncio_method(function: Any) -> str | None:
    """Return the name of a method of an asyncio object that belongs to a loop's thread, or None."""
    owner = getattr(function, "__self__", None)
    return f"{type(owner).__name__}.{function.__name__}()" if isinstance(owner, _BOUND) else None


_BOUND = (
    *(asyncio.Future, asyncio.Lock, asyncio.Event, asyncio.Condition, asyncio.Semaphore),
    *(asyncio.Barrier, asyncio.Queue),
)


def has_begun(task: Any) -> bool:
    """Tell if a task's coroutine has had its first step."""
    return bool(getattr(task.get_coro(), "cr_suspended", True))


def say_error(error: Any) -> str:
    """Return an exception as its last line of a traceback: `ValueError: no such price`."""
    name = type(error).__name__
    try:
        text = printable(error)
    except Exception:  # a user's own __str__ may be what is wrong
        text = ""
    return f"{name}: {clip(text, 200)}" if text else name


def refer(coroutine: Any) -> Callable[[], Any]:
    """Return a weak reference, or a stand-in that never finds its object again."""
    try:
        return weakref.ref(coroutine)
    except TypeError:
        return lambda: None
