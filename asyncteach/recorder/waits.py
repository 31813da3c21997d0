"""What a task awaits, in words, and at which of the user's lines."""

import asyncio
import gc
import os
from collections.abc import Callable
from types import AsyncGeneratorType, CodeType, CoroutineType, GeneratorType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from asyncteach.places import is_ours, is_users, name_library
from asyncteach.recorder.task_table import Line

_MOST_LINES = 20
_ASYNCIO = os.path.dirname(asyncio.__file__) + os.sep

# Where a coroutine of asyncio waits: what it is waiting for, and how to say so.
_KNOWN = {
    "Lock.acquire": ("lock", "a lock"),
    "Semaphore.acquire": ("semaphore", "a semaphore"),
    "BoundedSemaphore.acquire": ("semaphore", "a semaphore"),
    "Event.wait": ("event", "an event"),
    "Condition.wait": ("condition", "a condition"),
    "Barrier.wait": ("barrier", "a barrier"),
    "Queue.get": ("queue", "an item of a queue"),
    "Queue.put": ("queue", "room in a queue"),
    "Queue.join": ("queue", "a queue to be worked off"),
    "TaskGroup.__aexit__": ("tasks", "the tasks of its group"),
    "TaskGroup._aexit": ("tasks", "the tasks of its group"),
    "StreamReader._wait_for_data": ("socket", "data from a stream"),
    "FlowControlMixin._drain_helper": ("socket", "room in a stream"),
    "StreamReaderProtocol._drain_helper": ("socket", "room in a stream"),
    "BaseEventLoop._connect_sock": ("socket", "a connection"),
    "BaseEventLoop._create_connection_transport": ("socket", "a connection"),
    "BaseSelectorEventLoop._accept_connection2": ("socket", "a connection"),
    "BaseSelectorEventLoop.sock_recv": ("socket", "data from a socket"),
    "BaseSelectorEventLoop.sock_recv_into": ("socket", "data from a socket"),
    "BaseSelectorEventLoop.sock_recvfrom": ("socket", "data from a socket"),
    "BaseSelectorEventLoop.sock_sendall": ("socket", "room in a socket"),
    "BaseSelectorEventLoop.sock_sendto": ("socket", "room in a socket"),
    "BaseSelectorEventLoop.sock_connect": ("socket", "a connection"),
    "BaseSelectorEventLoop.sock_accept": ("socket", "a client to connect"),
    "Server.serve_forever": ("socket", "a client to connect"),
    "Server.wait_closed": ("socket", "its connections to end"),
    "BaseSubprocessTransport._wait": ("subprocess", "a subprocess to end"),
    "BaseSubprocessTransport._connect_pipes": ("subprocess", "a subprocess to start"),
    "_UnixSelectorEventLoop._make_subprocess_transport": ("subprocess", "a subprocess to start"),
    "_wait": ("tasks", "tasks"),
    "_cancel_and_wait": ("task", "a task that it cancelled"),
    "_AsCompletedIterator._wait_for_one": ("tasks", "the first of some tasks"),
    "as_completed.<locals>._wait_for_one": ("tasks", "the first of some tasks"),
}


# Whatever a coroutine of these waits for: their locks and futures are their own affair.
_NETWORK = {
    *(
        "aiohttp",
        "aiomysql",
        "aioredis",
        "anyio",
        "asyncpg",
        "asyncssh",
        "grpc",
        "httpcore",
        "httpx",
        "httpcore2",
        "httpx2",
    ),
    *("motor", "nats", "psycopg", "redis", "websockets"),
}
_HELD = ("lock", "queue")
_OUTSIDE = ("sleep", "socket", "subprocess", "thread", "process", "task", "tasks")

shielded: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
"""For each future that `asyncio.shield` has given a weak reference to the task behind it."""


class Waiting(NamedTuple):
    """What a task awaits: `what` has a `{}` for the amount or for the awaited task's name."""

    kind: str
    what: str
    amount: float
    target: Any
    """The awaited task, the future of a job, or the lock or queue that is waited at."""
    lines: tuple[Line, ...]
    coroutines: tuple[Any, ...]
    """The coroutine of each of the lines, and one more if the innermost awaits a library's."""


def describe(task: Any, is_job: Callable[[Any], bool]) -> Waiting:
    """Tell what a suspended task awaits; `is_job` knows the futures of threads and processes."""
    lines: list[Line] = []
    coroutines: list[Any] = []
    inner: list[tuple[CodeType, Any]] = []  # the frames of asyncio at the end of the chain
    library, outer = "", None
    for one, frame, code in chain_of(task.get_coro()):
        if code.co_filename.startswith(_ASYNCIO):
            inner.append((code, frame))
            continue
        inner = []
        if frame is not None and is_users(code.co_filename):
            lines.append((code, frame.f_lineno or code.co_firstlineno))
            coroutines.append(one)
            library, outer = "", None
        else:
            library = library or ("" if is_ours(code) else name_library(code.co_filename))
            outer = one if outer is None else outer
    what = _name(task, inner, is_job)
    if library and what[0] not in _OUTSIDE:
        kind = "socket" if library in _NETWORK else "future"
        words = "an answer" if library in _NETWORK else "something"
        what = (kind, f"{words} inside {library}", 0.0, None)
    if len(lines) > 2 * _MOST_LINES:  # a recursion
        del lines[_MOST_LINES:-_MOST_LINES], coroutines[_MOST_LINES:-_MOST_LINES]
    inside = () if outer is None else (outer,)
    return Waiting(*what, tuple(lines), (*coroutines, *inside))


def chain_of(one: Any) -> Any:
    """Go from a task's coroutine inwards, through coroutines, generators and what they hide."""
    for _ in range(10_000):
        if type(one) is CoroutineType:
            yield one, one.cr_frame, one.cr_code
            one = one.cr_await
        elif type(one) is GeneratorType:
            yield one, one.gi_frame, one.gi_code
            one = one.gi_yieldfrom
        elif type(one) is AsyncGeneratorType:
            yield one, one.ag_frame, one.ag_code
            one = one.ag_await
        elif type(one).__name__ in ("async_generator_asend", "async_generator_athrow"):
            one = _inside(one, AsyncGeneratorType)
        elif type(one).__name__ == "coroutine_wrapper":
            one = _inside(one, CoroutineType)
        elif hasattr(one, "cr_await") and hasattr(one, "cr_code"):  # another's coroutine object
            yield one, one.cr_frame, one.cr_code
            one = one.cr_await
        else:
            return


def _inside(one: Any, kind: type) -> Any:
    """Return what an iterator of the interpreter iterates over: it has no attribute for it."""
    return next((inner for inner in gc.get_referents(one) if type(inner) is kind), None)


def _name(
    task: Any, inner: list[tuple[CodeType, Any]], is_job: Callable[[Any], bool]
) -> tuple[str, str, float, Any]:
    future = getattr(task, "_fut_waiter", None)
    # From outside inwards: Queue.join waits for an Event of its own, but that's its affair.
    for code, frame in inner:
        name = code.co_qualname
        if frame is None:
            continue
        if name == "sleep" and isinstance(frame.f_locals.get("delay"), (int, float)):
            return "sleep", "a sleep of {} s", float(frame.f_locals["delay"]), None
        if name == "wait_for":
            inside = frame.f_locals.get("fut")  # behind a future of its own up to 3.11
            future = inside if asyncio.isfuture(inside) else future
        elif name in _KNOWN:
            kind, what = _KNOWN[name]
            if what == "data from a stream" and _is_pipe(frame):
                return "subprocess", "what a subprocess says", 0.0, None
            return kind, what, 0.0, frame.f_locals.get("self") if kind in _HELD else None
    if isinstance(future, asyncio.Task):
        return "task", "{}", 0.0, future
    children = getattr(future, "_children", None)
    if isinstance(children, (list, tuple, set)) and children:
        return "tasks", "{} tasks together", float(len(children)), None
    if future is not None and is_job(future):
        return "thread", "{}", 0.0, future
    task_behind = shielded[future]() if future in shielded else None
    if task_behind is not None:
        return "task", "{} (shielded)", 0.0, task_behind
    if inner:
        return "future", f"something inside {inner[-1][0].co_qualname}()", 0.0, None
    return "future", "a future", 0.0, None


def _is_pipe(frame: Any) -> bool:
    reader = frame.f_locals.get("self") if frame is not None else None
    transport = getattr(reader, "_transport", None)
    return "Pipe" in type(transport).__name__ or "Subprocess" in type(transport).__name__
