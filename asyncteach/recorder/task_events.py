"""What is noted beside the plain steps: names, outcomes, waits, and what goes wrong."""

import asyncio
import sys
import threading
import warnings
import weakref
from collections.abc import Callable
from types import CoroutineType
from typing import Any
from weakref import WeakKeyDictionary

from asyncteach.formatting import clip, describe_error
from asyncteach.places import is_users
from asyncteach.recorder.loop_patch import LoopPatch, name_callback, users_line
from asyncteach.recorder.task_table import Entry, Job, Line
from asyncteach.recorder.waits import Waiting, describe

Note = tuple[str, str, tuple[Line, ...], bool]
"""The kind of a wait, what is awaited, the user's lines, and if a library's call awaits it."""

started_at: WeakKeyDictionary[threading.Thread, Line | None] = WeakKeyDictionary()
"""The user's line that started each thread, while recording."""

lock_holders: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
"""For each asyncio.Lock a weak reference to the task that took it last."""

_SLEEP: Any = asyncio.sleep.__code__


class TaskEvents:
    """What one loop's patch tells: these things are rare, so they may take longer than a step."""

    def __init__(self, report: Callable[..., None], give_up: Callable[[BaseException], None]):
        self.notes: list[Note] = []
        self._known: dict[Note, int] = {}
        self._sleeps: dict[tuple[int, ...], tuple[int, tuple[int, ...], Any]] = {}
        """By where each coroutine of a chain stands: the note, and which of them are kept."""
        self._report = report
        self._give_up = give_up
        self.jobs: WeakKeyDictionary[Any, Entry] = WeakKeyDictionary()
        self._handing: list[Entry] = []
        self._threads: dict[tuple[Entry, str], Entry] = {}

    def joined(self, entry: Entry, task: Any) -> None:
        """A task that was running already opens a recording."""
        entry.name = task.get_name()
        code = getattr(task.get_coro(), "cr_code", None)
        if code is not None and not is_users(code.co_filename):
            entry.label = "this cell" if "IPython" in sys.modules else "this code"

    # Waits

    def waited(self, patch: LoopPatch, number: int, task: Any, until: float) -> None:
        """A task that has waited for long is about to go on; it still stands where it waited."""
        entry = patch.tasks.entry(number)
        if task._fut_waiter is None and not entry.trail and not has_begun(task):
            return  # it has waited for its first step only
        coroutine = task.get_coro()
        chain, position = _look_at_sleep(coroutine)
        known = self._sleeps.get(position)
        if chain and known is not None:
            note, kept, _ = known
            amount = float(chain[-1].cr_frame.f_locals["delay"])
            same = _follow(entry, [chain[one] for one in kept])
            patch.waits.fresh.extend((number, until, note, amount, same))
            if task.cancelling():
                self._look_at_cancellation(entry, self.notes[note][2])
            return
        waiting = describe(task, self.jobs.__contains__)
        kind, what, amount = self._name(patch, entry, task, until, waiting)
        lines = (kind, what, waiting.lines, len(waiting.coroutines) > len(waiting.lines))
        note = self._known.setdefault(lines, len(self.notes))
        if note == len(self.notes):
            self.notes.append(lines)
        same = _follow(entry, waiting.coroutines)
        patch.waits.fresh.extend((number, until, note, amount, same))
        if chain and kind == "sleep":
            places = [id(one) for one in chain]
            kept = tuple(places.index(id(one)) for one in waiting.coroutines)
            self._sleeps[position] = note, kept, [one.cr_code for one in chain]
        self._look_for_siblings(patch, entry, task, until, waiting.lines)
        if task.cancelling():
            self._look_at_cancellation(entry, waiting.lines)

    def _name(
        self, patch: LoopPatch, entry: Entry, task: Any, until: float, waiting: Waiting
    ) -> tuple[str, str, float]:
        """Return the kind of a wait, what is awaited, and a number: an amount, a task or a job."""
        kind, what, amount, target = waiting[:4]
        waker, woken = patch.wakers.pop(id(task), (None, 0.0)) if patch.wakers else (None, 0.0)
        if kind == "queue":
            self._look_at_queue(entry, target, until, waiting)
        elif kind == "lock":
            # One that it has got at last is held by no other task any more.
            future = task._fut_waiter
            got_it = future is not None and future.done() and not future.cancelled()
            holder = None if got_it else lock_holders.get(target, lambda: None)()
            number = None if holder is None else patch.tasks.number_of(holder)
            amount = -1.0 if number is None else float(number)
        elif kind == "thread":
            other = self.jobs.get(target)
            if other is not None and other.job is not None:
                kind, amount = other.kind, float(other.number)
                what = f"a {other.kind} ({other.name})"
                if not other.outcome:
                    other.job.abandoned = (until, entry)
        elif target is not None:
            number = patch.tasks.number_of(target)
            what = what.format(clip(target.get_name(), 60)) if number is None else what
            amount = -1.0 if number is None else float(number)
        elif waker is not None and woken == until and kind in ("future", "socket"):
            # Not an executor's: a thread of a library's, or of the user's own.
            kind, what = "thread", f"a thread ({waker})"
            amount = self._add_thread(patch, entry, until, waker, waiting.lines)
        return kind, what, amount

    def _look_at_cancellation(self, entry: Entry, lines: tuple[Line, ...]) -> None:
        entry.where_cancelled = lines[-1] if lines else None
        # Up to Python 3.12 a TaskGroup cancels the task that has opened it, and never takes that
        # back.
        entry.excused = sys.version_info < (3, 13) and any(
            "TaskGroup" in code.co_names for code, _ in lines
        )

    def _add_thread(
        self, patch: LoopPatch, entry: Entry, until: float, name: str, lines: tuple[Line, ...]
    ) -> float:
        """Keep all that a thread does for a task as one job; return its number."""
        start = patch.tasks.ends[entry.number]
        thread = self._threads.get((entry, name))
        if thread is None:
            thread = self._threads[entry, name] = Entry()
            thread.kind, thread.name, thread.coroutine = "thread", name, name
            thread.outcome, thread.scope, thread.parent = "returned", entry.scope, entry
            thread.patch, thread.job, thread.spawned = patch, Job(), start
            thread.line = lines[-1] if lines else entry.line
            thread.number = len(patch.jobs)
            patch.jobs.append(thread)
            if thread.scope is not None:
                thread.scope.add_job(thread)
        if thread.job is not None:
            thread.job.spans.append((start, until))
        thread.finished = until
        return float(thread.number)

    def _look_at_queue(self, entry: Entry, queue: Any, at: float, waiting: Waiting) -> None:
        """Note that `queue.join()` is given up though the queue is empty."""
        left = getattr(queue, "_unfinished_tasks", 0)
        if "worked off" in waiting.what and left and queue.empty():
            line = waiting.lines[-1] if waiting.lines else None
            self._report("join-unfinished", entry, line, str(left), at=at)

    def _look_for_siblings(
        self, patch: LoopPatch, entry: Entry, task: Any, at: float, lines: tuple[Line, ...]
    ) -> None:
        """Note that gather() passes on an error while others that it gathered still work."""
        future = task._fut_waiter
        children = getattr(future, "_children", None)
        if not children or not future.done() or future.cancelled():
            return
        error = future._exception
        if error is None:
            return
        left = [patch.tasks.entry_of(child) for child in children if not child.done()]
        others = tuple(other for other in left if other is not None)
        if others:
            line = lines[-1] if lines else None
            text = describe_error(error)
            self._report("siblings-ran-on", entry, line, text, at=at, others=others)

    # Ends

    def finished(self, entry: Entry, task: Any, at: float) -> None:
        """A task has ended, and not just returned."""
        entry.finished = at
        entry.trail = ()
        if task.cancelled():
            entry.outcome = "cancelled"
        elif task._exception is not None:
            entry.outcome = f"raised {describe_error(task._exception)}"
        else:
            entry.outcome = "returned"
            if task.cancelling() and not entry.excused:
                self._report("swallowed-cancellation", entry, entry.where_cancelled, "", at=at)

    def pending(self, patch: LoopPatch, session: Any) -> None:
        """Note what tasks that aren't done await when a recording ends, and which are gone."""
        running, begin = patch.state.current, session.begins[patch].entries
        early = [entry.number for entry in session.openers if entry.patch is patch]
        for number in (*early, *range(begin, len(patch.tasks))):
            if not patch.tasks.is_unfinished(number):
                continue
            task, entry = patch.tasks.task(number), patch.tasks.entry(number)
            if task is None:
                # Nothing has told when: asyncio doesn't complain of what gather() has made.
                entry.outcome, entry.finished = "garbage-collected", patch.tasks.ends[number]
            elif not task.done() and session.owns(entry):
                entry.name = task.get_name()
                if number != running and task._fut_waiter is not None:
                    at = session.ready.get(entry, session.ended)
                    self.waited(patch, number, task, at)

    def complained(self, patch: LoopPatch, context: dict[str, Any]) -> None:
        """The loop's exception handler is about to be told something."""
        if patch.state.stopped:
            return
        try:
            task = context.get("task") or context.get("future")
            entry = patch.tasks.entry_of(task, is_dying=True)
            message = str(context.get("message"))
            if entry is None or task is None:
                return
            if "exception was never retrieved" in message and entry.outcome.startswith("raised"):
                text = describe_error(context.get("exception"))
                self._report("exception-never-retrieved", entry, entry.line, text)
            elif "was destroyed" in message and not entry.outcome:
                entry.name = task.get_name()
                entry.finished, entry.outcome = patch.clock.now(), "garbage-collected"
                self._report("destroyed-pending", entry, entry.line, "")
        except Exception as error:
            self._give_up(error)

    # Threads

    def trespassed(self, patch: LoopPatch, callback: Any) -> None:
        """Another thread has put a callback on the loop, while that was idle, without waking it."""
        try:
            entry = patch.tasks.entry_of(getattr(callback, "__self__", None))
            line, text = users_line(4), name_callback(callback)
            thread: Any = getattr(threading, "_active", {}).get(threading.get_ident())
            if line is None and (method := asyncio_method(getattr(thread, "function", None))):
                line, text = started_at.get(thread), method  # of a Timer
            self._report("wrong-thread", entry, line, text)
        except Exception as error:
            self._give_up(error)

    def handed_over(self, patch: LoopPatch, call: Callable[[], Any]) -> Any:
        """Work goes to an executor by `call()`, whose future is to be returned."""
        before, self._handing = self._handing, []
        try:
            future = call()
            for entry in self._handing:
                self.jobs[future] = entry
                entry.number = len(patch.jobs)
                patch.jobs.append(entry)
        finally:
            self._handing = before
        return future

    def take_job(self, entry: Entry) -> None:
        """Take note of a job that an executor has just been given, maybe for a future."""
        self._handing.append(entry)

    def failed(self, error: BaseException) -> None:
        """The recorder itself has failed: it has to end."""
        self._give_up(error)


def _look_at_sleep(coroutine: Any) -> tuple[list[Any], tuple[int, ...]]:
    """Return the coroutines from a task's own to `asyncio.sleep()`, and where each stands.

    Most waits are sleeps, and most of them at a place that was seen before. Others: an empty list.
    """
    chain: list[Any] = []
    position: list[int] = []
    while type(coroutine) is CoroutineType:
        code, frame = coroutine.cr_code, coroutine.cr_frame
        chain.append(coroutine)
        if code is _SLEEP:
            return chain, tuple(position)
        if frame is None:
            break
        position += (id(code), frame.f_lasti)
        coroutine = coroutine.cr_await
    return [], ()


def _follow(entry: Entry, coroutines: Any) -> int:
    """Keep the coroutines of a task's wait; return how many are those of its last one, too."""
    same = 0
    for reference, coroutine in zip(entry.trail, coroutines, strict=False):
        if reference() is not coroutine:
            break
        same += 1
    if same < len(coroutines) or same < len(entry.trail):
        entry.trail = (*entry.trail[:same], *(_refer(one) for one in coroutines[same:]))
    return same


def _refer(coroutine: Any) -> Callable[[], Any]:
    """Return a weak reference, or a stand-in that never finds its object again."""
    try:
        return weakref.ref(coroutine)
    except TypeError:
        return lambda: None


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


def is_unretrieved(task: Any) -> bool:
    """Tell if nothing has asked for the exception of a task that has failed."""
    return task is not None and bool(task._log_traceback)


def warn(text: str, *, depth: int) -> None:
    """Warn; where warnings are errors, print the words, so that recorded code never gets one."""
    try:
        warnings.warn(text, RuntimeWarning, stacklevel=depth + 1)
    except RuntimeWarning:
        print(f"RuntimeWarning: {text}", file=sys.stderr)
