"""What a task awaits, and at which of the user's lines."""

import asyncio
import gc
import os
from collections.abc import Callable, Iterator
from types import AsyncGeneratorType, CodeType, CoroutineType, GeneratorType
from typing import Any, NamedTuple

from asyncteach.places import is_ours, is_users, name_library
from asyncteach.recorder.task_table import Line

_MOST_LINES = 20
_ASYNCIO = os.path.dirname(asyncio.__file__) + os.sep

# How the names of asyncio's coroutines begin, and what each of them waits for.
_KNOWN = (
    ("Lock.acquire", "lock", "a lock"),
    (("Semaphore.acquire", "BoundedSemaphore.acquire"), "semaphore", "a semaphore"),
    ("Event.wait", "event", "an event"),
    ("Condition.wait", "condition", "a condition"),
    ("Barrier.wait", "barrier", "a barrier"),
    ("Queue.get", "queue", "an item from a queue"),
    ("Queue.put", "queue", "room in a queue"),
    ("Queue.join", "queue", "all items of a queue to be done"),
    (("TaskGroup.__aexit__", "TaskGroup._aexit"), "tasks", "the tasks of its group"),
    ("_cancel_and_wait", "task", "a task that it cancelled"),
    (("_wait", "_AsComp", "as_completed"), "tasks", "tasks"),
    ("StreamReader._wait_for_data", "socket", "data from a stream"),
    (("FlowControlMixin._drain", "StreamReaderProtocol._drain"), "socket", "room in a stream"),
    ("BaseSelectorEventLoop.sock_recv", "socket", "data from a socket"),
    ("BaseSelectorEventLoop.sock_send", "socket", "room in a socket"),
    (("BaseSelectorEventLoop.", "BaseEventLoop._c", "Server."), "socket", "a connection"),
    (("BaseSubprocessTransport.", "_UnixSelectorEventLoop._make_"), "subprocess", "a subprocess"),
)
_OUTSIDE = ("sleep", "socket", "subprocess", "thread", "process", "task", "tasks")


class Waiting(NamedTuple):
    """What a task awaits: `what` has a `{}` for the amount or for the awaited task's name."""

    kind: str
    what: str
    amount: float
    target: Any
    """The awaited task, the future of a job, or the lock or queue."""
    lines: tuple[Line, ...]
    coroutines: tuple[Any, ...]
    """The coroutine of each line, and one more if the innermost awaits a library's."""


def describe(task: Any, is_job: Callable[[Any], bool]) -> Waiting:
    """Return what a suspended task awaits; `is_job` detects futures of threads and processes."""
    own: list[tuple[Line, Any]] = []
    inner: list[tuple[str, Any]] = []  # the frames of asyncio at the end of the chain
    library, outer = "", None
    for one, frame, code in _chain_of(task.get_coro()):
        if code.co_filename.startswith(_ASYNCIO):
            inner.append((code.co_qualname, frame))
            continue
        inner = []
        if frame is not None and is_users(code.co_filename):
            own.append(((code, frame.f_lineno or code.co_firstlineno), one))
            library, outer = "", None
        else:
            library = library or ("" if is_ours(code) else name_library(code.co_filename))
            outer = one if outer is None else outer
    what = _name(task, inner, is_job)
    if library and what[0] not in _OUTSIDE:
        what = ("socket", f"something inside {library}", 0.0, None)  # its locks are internal
    if len(own) > 2 * _MOST_LINES:  # a recursion
        del own[_MOST_LINES:-_MOST_LINES]
    lines, coroutines = (tuple(part) for part in zip(*own, strict=True)) if own else ((), ())
    return Waiting(*what, lines, coroutines if outer is None else (*coroutines, outer))


def _chain_of(one: Any) -> Iterator[tuple[Any, Any, CodeType]]:
    """Yield a task's coroutine and those that it awaits, inwards, each with frame and code."""
    for _ in range(10_000):
        if type(one) is GeneratorType:
            yield one, one.gi_frame, one.gi_code
            one = one.gi_yieldfrom
        elif type(one) is AsyncGeneratorType:
            yield one, one.ag_frame, one.ag_code
            one = one.ag_await
        elif type(one).__name__ in _WRAPPERS:
            # The interpreter's own iterators have no attribute for what they iterate over.
            inside = gc.get_referents(one)
            one = next((two for two in inside if type(two) is _WRAPPERS[type(one).__name__]), None)
        elif hasattr(one, "cr_await") and hasattr(one, "cr_code"):  # Cython's, too
            yield one, one.cr_frame, one.cr_code
            one = one.cr_await
        else:
            return


_WRAPPERS = {
    "async_generator_asend": AsyncGeneratorType,
    "async_generator_athrow": AsyncGeneratorType,
    "coroutine_wrapper": CoroutineType,
}


def _name(
    task: Any, inner: list[tuple[str, Any]], is_job: Callable[[Any], bool]
) -> tuple[str, str, float, Any]:
    future = getattr(task, "_fut_waiter", None)
    # From the outside inwards: Queue.join waits for an Event of its own, which is internal.
    for name, frame in inner:
        names = {} if frame is None else frame.f_locals
        if name == "sleep" and isinstance(names.get("delay"), (int, float)):
            return "sleep", "a sleep of {} s", float(names["delay"]), None
        if name == "wait_for" and asyncio.isfuture(names.get("fut")):
            future = names["fut"]  # behind a future of its own up to 3.11
        for begins, kind, what in _KNOWN:
            if name.startswith(begins):
                owner = names.get("self")
                if "Pipe" in type(getattr(owner, "_transport", None)).__name__:
                    kind, what = "subprocess", "output of a subprocess"
                return kind, what, 0.0, owner if kind in ("lock", "queue") else None
    if isinstance(future, asyncio.Task):
        return "task", "{}", 0.0, future
    if children := getattr(future, "_children", None):
        return "tasks", "{} tasks together", float(len(children)), None
    if future is not None and is_job(future):
        return "thread", "{}", 0.0, future
    if inner:
        return "future", f"something inside {inner[-1][0]}()", 0.0, None
    return "future", "a future", 0.0, None
