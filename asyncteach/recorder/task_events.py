"""What is noted in addition to the steps: outcomes, waits, and what goes wrong."""

import asyncio
import functools
import sys
import weakref
from types import CoroutineType
from typing import Any
from weakref import WeakKeyDictionary

from asyncteach.formatting import clip, describe_error
from asyncteach.places import is_users
from asyncteach.recorder.task_table import Entry, Line
from asyncteach.recorder.waits import Waiting, describe

Note = tuple[str, str, tuple[Line, ...], bool]
"""The kind of a wait, what is awaited, the user's lines, and whether a library call awaits it."""

lock_holders: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
"""For each asyncio.Lock, a weak reference to the task that took it last."""

_SLEEP: Any = asyncio.sleep.__code__
_LOOP_PATCH = __file__.replace("task_events", "loop_patch")  # on the stack of every step


class TaskEvents:
    """What is noted on one loop: it is rare, so it may cost more than stamping a step."""

    def __init__(self, patch: Any, registry: Any) -> None:
        self._patch, self._report = patch, registry.report
        self.notes: list[Note] = []
        self._known: dict[Note, int] = {}
        self._sleeps: dict[tuple[int, ...], int] = {}
        """The note of each sleep, by the position of each of the user's coroutines above it."""
        self.trails: dict[int, tuple[Any, ...]] = {}
        """For each task, weak references to the coroutines of its last wait."""
        self.jobs: list[Entry] = []
        """Jobs that the loop's tasks have handed to threads and processes."""
        self.job_of: WeakKeyDictionary[Any, Entry] = WeakKeyDictionary()
        """The job of each future that `run_in_executor()` has returned."""
        self.handed_over: Entry | None = None

    def joined(self, entry: Entry, task: Any) -> None:
        """Note a task that was already running when it opened a recording."""
        entry.name = task.get_name()
        code = getattr(task.get_coro(), "cr_code", None)
        if code is not None and not is_users(code.co_filename):
            entry.label = "this cell" if "IPython" in sys.modules else "this code"

    def take_job(self, entry: Entry) -> None:
        """Keep a job that has just been given to an executor, maybe by `run_in_executor()`."""
        entry.number = len(self.jobs)
        self.jobs.append(entry)
        self.handed_over = entry

    # Waits

    def note_wait(self, number: int, task: Any, until: float) -> None:
        """Note what a task has waited for, if that can be known."""
        try:
            self.waited(number, task, until)
        except Exception as error:
            self._patch.give_up(error)

    def waited(self, number: int, task: Any, until: float) -> None:
        """Note what a task has waited for: it is still at the line where it waited."""
        coroutines: Any
        chain, position = _look_at_sleep(task.get_coro())
        note = self._sleeps.get(position) if chain else None
        if note is not None:
            amount, coroutines = float(chain[-1].cr_frame.f_locals["delay"]), chain[:-1]
        else:
            waiting = describe(task, self.job_of.__contains__)
            kind, what, amount = self._name(number, task, until, waiting)
            coroutines = waiting.coroutines
            new: Note = (kind, what, waiting.lines, len(coroutines) > len(waiting.lines))
            note = self._known.setdefault(new, len(self.notes))
            if note == len(self.notes):
                self.notes.append(new)
            if kind == "sleep" and len(coroutines) == len(chain) - 1:  # all others are the user's
                self._sleeps[position] = note
            self._look_for_siblings(number, task._fut_waiter, until, waiting.lines)
        trail, same = self.trails.get(number, ()), 0
        for reference, coroutine in zip(trail, coroutines, strict=False):
            if reference() is not coroutine:
                break
            same += 1
        if not same == len(trail) == len(coroutines):
            self.trails[number] = (*trail[:same], *map(weakref.ref, coroutines[same:]))
        start = self._patch.tasks.ends[number]
        self._patch.waits.fresh.extend((number, start, until, note, amount, same))
        if task.cancelling():
            lines = self.notes[note][2]
            self._patch.tasks.entry(number).where_cancelled = lines[-1] if lines else None

    def _name(
        self, number: int, task: Any, until: float, waiting: Waiting
    ) -> tuple[str, str, float]:
        """Return the kind of a wait, what is awaited, and a number: an amount, a task or a job."""
        kind, what, amount, target = waiting[:4]
        if kind == "queue":
            left = getattr(target, "_unfinished_tasks", 0)
            if "to be done" in what and left and target.empty():  # there is nothing left to take
                self._note("join-unfinished", number, waiting.lines, str(left), until)
        elif kind == "lock":
            # A lock that the task now has is no longer held by another one.
            future = task._fut_waiter
            got_it = future is not None and future.done() and not future.cancelled()
            amount = self._number(None if got_it else lock_holders.get(target, lambda: None)())
        elif kind == "thread":
            job = self.job_of.get(target)
            if job is not None:
                kind, what, amount = job.kind, f"a {job.kind} ({job.name})", float(job.number)
                if not job.outcome:
                    job.abandoned = (until, self._patch.tasks.entry(number))
        elif target is not None:
            amount = self._number(target)
            what = what.format(clip(target.get_name(), 60)) if amount < 0 else what
        return kind, what, amount

    def _number(self, task: Any) -> float:
        """Return the number of a task for a column, or -1 if it has none."""
        number = self._patch.tasks.number_of(task)
        return -1.0 if number is None else float(number)

    def _look_for_siblings(self, number: int, future: Any, at: float, lines: Any) -> None:
        """Note that gather() passes on an error while other tasks that it gathered go on."""
        children = getattr(future, "_children", None)
        if children and future.done() and not future.cancelled() and future._exception:
            left = [self._patch.tasks.entry_of(child) for child in children if not child.done()]
            if others := tuple(other for other in left if other is not None):
                text = describe_error(future._exception)
                self._note("siblings-ran-on", number, lines, text, at, others)

    def _note(
        self, kind: str, number: int, lines: Any, text: str, at: float, others: Any = ()
    ) -> None:
        line = lines[-1] if lines else None
        self._report(kind, self._patch.tasks.entry(number), line, text, at=at, others=others)

    # Ends

    def finished(self, number: int, task: Any) -> None:
        """Note how a task that didn't simply return has ended."""
        entry = self._patch.tasks.entry(number)
        if task.cancelled():
            entry.outcome = "cancelled"
        elif task._exception is not None:
            entry.outcome = f"raised {describe_error(task._exception)}"
            entry.failed = weakref.ref(task)
        elif (line := entry.where_cancelled) and not _is_never_uncancelled(line):
            self._report("swallowed-cancellation", entry, line, "", at=self._patch.last)

    def name_living(self) -> dict[int, Any]:
        """Note the names of the tasks that aren't done, and return those tasks by number."""
        loop, living = self._patch.loop, {}
        for task in asyncio.all_tasks(loop) if loop is not None else ():
            if (entry := self._patch.tasks.entry_of(task)) is not None:
                entry.name, living[entry.number] = task.get_name(), task
        return living

    def pending(self, session: Any) -> None:
        """When a recording ends, note what its unfinished tasks await, and which tasks are gone."""
        patch, tasks, living = self._patch, self._patch.tasks, self.name_living()
        early = [entry.number for entry in session.openers if entry.patch is patch]
        for number in (*early, *range(session.begins[patch].entries, len(tasks))):
            if not tasks.is_unfinished(number):
                continue
            entry, task = tasks.entry(number), living.get(number)
            if task is None:
                # It isn't known when: asyncio doesn't complain about tasks that gather() made.
                entry.outcome, entry.finished = "garbage-collected", tasks.ends[number]
            elif number != patch.current and task._fut_waiter is not None and session.owns(entry):
                self.waited(number, task, session.ended)

    def complained(self, context: dict[str, Any]) -> None:
        """Look at what the loop's exception handler is about to get."""
        if self._patch.stopped:
            return
        try:
            task: Any = context.get("task") or context.get("future")
            entry, message = self._patch.tasks.entry_of(task), str(context.get("message"))
            if entry is None:
                return
            if "exception was never retrieved" in message and entry.outcome.startswith("raised"):
                text = describe_error(context.get("exception"))
                self._report("exception-never-retrieved", entry, entry.line, text)
            elif "was destroyed" in message and not entry.outcome:
                entry.name = task.get_name()
                entry.finished, entry.outcome = self._patch.now(), "garbage-collected"
                self._report("destroyed-pending", entry, entry.line, "")
        except Exception as error:
            self._patch.give_up(error)

    # Threads

    def trespassed(self, callback: Any) -> None:
        """Note that another thread has put a callback on the idle loop without waking it."""
        try:
            entry = self._patch.tasks.entry_of(getattr(callback, "__self__", None))
            self._report("wrong-thread", entry, users_line(3), name_callback(callback))
        except Exception as error:
            self._patch.give_up(error)


def _is_never_uncancelled(line: Line) -> bool:
    """Return whether a TaskGroup is used that cancels its own task and doesn't undo that."""
    return sys.version_info < (3, 13) and "TaskGroup" in line[0].co_names


def _look_at_sleep(coroutine: Any) -> tuple[list[Any], tuple[int, ...]]:
    """Return the coroutines from a task's own to `asyncio.sleep()`, and the position of each.

    Most waits are sleeps, mostly at a place that was seen before. For others the list is empty.
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


def name_callback(callback: Any) -> str:
    """Return the name of a callback, or of the unrecorded task whose step it is."""
    while isinstance(callback, functools.partial):
        callback = callback.func
    owner = getattr(callback, "__self__", None)
    if owner is not None and hasattr(owner, "get_coro"):
        return str(owner.get_name())
    return str(getattr(callback, "__qualname__", type(callback).__qualname__))


def is_unretrieved(entry: Entry) -> bool:
    """Return whether a task that still exists has failed and its error was never retrieved."""
    task = entry.failed and entry.failed()
    return task is not None and bool(task._log_traceback)


def users_frame(frame: Any) -> Any:
    """Return the user's innermost frame, from this one outwards, or None.

    The search ends at the loop: the code that runs a loop didn't write what the loop calls.
    """
    while frame is not None:
        code = frame.f_code
        if is_users(code.co_filename):
            return frame
        if code.co_name == "_run" and code.co_filename in (asyncio.events.__file__, _LOOP_PATCH):
            return None
        frame = frame.f_back
    return None


def users_line(depth: int) -> Line | None:
    """Return the user's line that is being executed, `depth` frames up or further out."""
    frame = users_frame(sys._getframe(depth))
    return None if frame is None else (frame.f_code, frame.f_lineno or 0)
