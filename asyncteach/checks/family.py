"""Whose a task, a step or a thread is: the answer's that is being run, or anybody else's."""

import asyncio
import contextvars
import gc
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import thread as pool_module
from types import FrameType
from typing import Any

from asyncteach.places import Place, is_users, place_of
from asyncteach.recorder.waits import _chain, describe


class Family:
    """All that one run of an answer spawns: tasks inherit it, and so do threads of `to_thread`."""

    def __init__(self) -> None:
        self._outer = current_family.get()

    def is_current(self) -> bool:
        """Tell if the code that is being executed belongs to it; in a signal handler too."""
        return self._has(current_family.get())

    def context(self) -> contextvars.Context:
        """Return a copy of the caller's context for its first task."""
        context = contextvars.copy_context()
        context.run(current_family.set, self)
        return context

    def tasks(self, loop: asyncio.AbstractEventLoop) -> "list[asyncio.Task[Any]]":
        """Return its tasks that aren't done."""
        return [task for task in asyncio.all_tasks(loop) if self.has_task(task)]

    def has_task(self, task: Any) -> bool:
        """Tell if a task is one of it."""
        return self._has(context_of(task).get(current_family))

    def has_work(self, work: Any) -> bool:
        """Tell if a thread pool's work is a function that `asyncio.to_thread` has handed over."""
        work = getattr(work, "function", work)  # as it is handed over in virtual time
        context = getattr(getattr(work, "func", None), "__self__", None)
        return isinstance(context, contextvars.Context) and self._has(context.get(current_family))

    def _has(self, other: "Family | None") -> bool:
        while other is not None and other is not self:
            other = other._outer
        return other is self


current_family: "contextvars.ContextVar[Family | None]" = contextvars.ContextVar(
    "asyncteach_family", default=None
)


def context_of(task: Any) -> contextvars.Context:
    """Return the context in which a task's steps are run."""
    if hasattr(task, "get_context"):  # from 3.12 on
        context: contextvars.Context = task.get_context()
        return context
    # What a C task refers to begins with its context; those of its callbacks come later.
    kind = contextvars.Context
    found: Any = next((one for one in gc.get_referents(task) if isinstance(one, kind)), None)
    return getattr(task, "_context", None) or found or kind()


def frames_below(frame: FrameType | None) -> Iterator[FrameType]:
    """Go down a stack to where the event loop has called; nothing where it hasn't."""
    found: list[FrameType] = []
    while frame is not None:
        if frame.f_code.co_name == "_run" and frame.f_code.co_qualname.endswith("Handle._run"):
            yield from found
            return
        found.append(frame)
        frame = frame.f_back


def is_theirs(frame: FrameType) -> bool:
    """Tell if a frame is the user's: not a library's, and not what a library has generated."""
    name = str(frame.f_globals.get("__name__"))
    return is_users(frame.f_code.co_filename) and name.partition(".")[0] not in _GENERATING


_GENERATING = {"asyncteach", *sys.stdlib_module_names} - {"__main__"}


def find_line(frame: FrameType | None) -> Place | None:
    """Return the user's innermost line in the step that the event loop has called."""
    for one in frames_below(frame):
        if is_theirs(one):
            return place_of(one.f_code, one.f_lineno)
    return None


def find_wait(task: Any) -> Place | None:
    """Return the user's line at which a suspended task waits, or a task that it waits for."""
    seen = {task}

    def look(task: Any) -> Place | None:
        for below in awaited_tasks(task):
            # So many that wait for each other in a row are no user's.
            if below not in seen and len(seen) < 100:
                seen.add(below)
                if place := look(below):
                    return place
        lines = describe(task, lambda _: False).lines
        return place_of(*lines[-1]) if lines else None

    return look(task)


def awaited_tasks(task: Any) -> "list[asyncio.Task[Any]]":
    """Return the tasks that a suspended task waits for."""
    future = getattr(task, "_fut_waiter", None)
    found = [future, *(getattr(future, "_children", None) or ())]
    for _, frame, code in _chain(task.get_coro()):
        if frame is not None and code.co_qualname in ("TaskGroup.__aexit__", "TaskGroup._aexit"):
            found += getattr(frame.f_locals.get("self"), "_tasks", ())
        elif frame is not None and code.co_qualname == "_wait":
            found += frame.f_locals.get("fs", ())
    return [one for one in found if isinstance(one, asyncio.Task) and not one.done()]


def threads_at_work() -> dict[int, Any]:
    """Return what each thread does but this one: the work of a pool, or the thread itself."""
    threads: dict[int, Any] = {one.ident: one for one in threading.enumerate() if one.ident}
    threads.pop(threading.get_ident(), None)
    for ident, frame in sys._current_frames().items():
        if ident not in threads:
            continue
        work: Any = threads[ident]
        one: FrameType | None = frame
        while one is not None:
            if one.f_code.co_filename == pool_module.__file__:
                item: Any = one.f_locals.get("self")
                if hasattr(item, "fn") or hasattr(item, "task"):  # the latter from 3.14 on
                    work = getattr(item, "fn", None) or item.task[0]
                    break
                if one.f_code.co_name == "_worker":  # it waits for work
                    del threads[ident]
            one = one.f_back
        if ident in threads:
            threads[ident] = work
    return threads
