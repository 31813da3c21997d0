"""Hints on exceptions, chosen by type and by the place where they were raised."""

import asyncio
import dis
import inspect
import os
import pickle
import sqlite3
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import NamedTuple

from asyncteach.checks.results import unfinished
from asyncteach.places import Place, is_users, place_of

Hints = tuple[str, str]
"""A hint, and a stronger one for the second try."""

_SENT: Hints = (
    "Another process gets a pickled copy; for a function that is only its name. Can it be "
    "imported there?",
    "A lambda, or a function that is defined in a cell, has no name that another process can "
    "import: pass a function of a module, and its arguments after it.",
)
_TYPES: tuple[tuple[tuple[type[BaseException], ...], Hints], ...] = (
    (
        (NameError,),
        (
            "Is the name spelled as where it is defined, and has that cell been run?",
            "The function gets its data as arguments: use their names.",
        ),
    ),
    (
        (TimeoutError,),
        (
            "A time limit has run out. Where should your code handle that?",
            "`asyncio.timeout` and `asyncio.wait_for` raise TimeoutError where the limit was set: "
            "catch it there, outside of the block.",
        ),
    ),
    (
        (asyncio.CancelledError,),
        (
            "What this line awaits was cancelled. Where should your code handle that?",
            "Awaiting a task that was cancelled raises CancelledError in the task that awaits it.",
        ),
    ),
    (
        (asyncio.InvalidStateError,),
        (
            "A future gets its result once, and has none before that. Which rule does this line "
            "break?",
            "`await task` waits until the task is done and gives its result; `done()` tells "
            "whether it is.",
        ),
    ),
    (
        (RecursionError,),
        (
            "A function calls itself again and again. When does that end?",
            "To repeat something, use a loop. And does that name still stand for the function "
            "that you mean, or for your own function with the same name?",
        ),
    ),
    (
        (SystemExit,),
        (
            "That ends the whole program, and the kernel with it. How does a function end?",
            "`return` ends a function, and `raise ValueError(...)` reports that something went "
            "wrong.",
        ),
    ),
    (
        (sqlite3.ProgrammingError,),
        (
            "A connection belongs to the thread that has opened it, and works until it is closed. "
            "In which thread does each of your calls run?",
            "Let one ordinary function open the connection, use it and close it, and run that "
            "function in a thread: `asyncio.to_thread(query, ...)`.",
        ),
    ),
    ((pickle.PicklingError, BrokenProcessPool), _SENT),
)

_WITH: Hints = (
    "There are two kinds of `with`. Which one does this object need?",
    "A lock or a timeout of asyncio needs `async with`, a lock of threading needs `with`. An async "
    "generator works with neither: wrap it in `aclosing(...)` from contextlib.",
)
_INSTRUCTIONS: dict[str, Hints] = {
    # What Python was doing in the user's line when it raised TypeError.
    "GET_AWAITABLE": (
        "Only a coroutine, a task or a future can be awaited. What comes after that `await`?",
        "`work` is a function, and `work()` calls it: that gives a coroutine only if it is an "
        "`async def`. An ordinary function does all its work during the call, and holds the loop "
        "meanwhile. A pool's future needs `asyncio.wrap_future(...)`.",
    ),
    "BEFORE_WITH": _WITH,
    "BEFORE_ASYNC_WITH": _WITH,
    "LOAD_SPECIAL": _WITH,  # from 3.14 on
    "GET_ITER": (
        "`for` can't loop over that. If its items arrive one by one and have to be awaited, it "
        "needs another kind of loop. Which one?",
        "`async for` goes through an async generator, `for` only through items that are there "
        "already.",
    ),
    "GET_AITER": (
        "`async for` can't loop over that. Are its items there already?",
        "`async for` goes through an async generator, `for` through a list.",
    ),
}
_HANDED: Hints = (
    "In that line asyncio needs a coroutine, a task or a future, and gets something else. What is "
    "it?",
    "`work` is a function, and `work()`, with brackets, gives the coroutine. `await work()`, or a "
    "call of an ordinary function, gives a result. `gather(*plans)` passes the items of a list one "
    "by one; `asyncio.wait` needs tasks, as `asyncio.create_task(work())` makes them.",
)
_IN_A_THREAD: Hints = (
    "The thread has to call a function. Does that line pass the function and its arguments, or "
    "does it call the function itself and pass the result?",
    "`asyncio.to_thread(work(1))` calls work at once and passes its result; "
    "`asyncio.to_thread(work, 1)` passes the function itself and its argument.",
)
_LOOP: Hints = (
    "A loop is running already: code that runs on it needs no second loop.",
    "`asyncio.run()` starts a loop, so it belongs outside of all coroutines; inside a coroutine, "
    "and in a notebook's cell, use `await`.",
)
_OTHER_LOOP: Hints = (
    "That object was made on one event loop and is used on another.",
    "Make locks, queues and tasks inside the coroutine that uses them.",
)
_ARGUMENTS: Hints = (
    "The function has to take the arguments of the given `def` line, in the same order.",
    "Compare your `def` line with the given one: change only the body.",
)
_NO_COROUTINE: Hints = (
    "The result of the call is awaited, so it has to be a coroutine. Is the function an "
    "`async def`, without a `yield` in it?",
    "An ordinary function does all its work during the call, and a function with a `yield` is a "
    "generator: only an `async def` without `yield` gives a coroutine.",
)
_OWN_RAISE: Hints = (
    "That is your own `raise`. When should your code get there, and what should happen then?",
    "Print the values that lead there before that line, and run both cells once more.",
)
_GROUPED: Hints = (
    "A TaskGroup raises a group of exceptions, and `except` doesn't look into a group. Which form "
    "of it does?",
    "`except* ValueError:` catches exceptions in a group; a plain `except ValueError:` around a "
    "TaskGroup never does.",
)
_ANY: Hints = (
    "Go to that line: which of its values isn't what you expect there?",
    "Print the values of that line before it, and run both cells once more.",
)


class _Raised(NamedTuple):
    """Where an exception was raised."""

    modules: list[str]
    """The files below the user's line, as `asyncio/tasks.py`; the innermost is the last."""
    instruction: str
    """What Python was doing there."""
    is_users: bool
    """True if the user's line raised it, not a library that this line calls."""
    line: Place | None
    """The innermost of the user's lines in its traceback."""
    unawaited: str
    """A coroutine in that line's function that was not awaited: `text is a coroutine ...`."""


def find_line(error: BaseException) -> Place | None:
    """Return the innermost of the user's lines in the traceback of an exception."""
    return _find_raise(error).line


def _find_raise(error: BaseException) -> _Raised:
    traceback: TracebackType | None = error.__traceback__
    modules: list[str] = []
    instruction = unawaited = ""
    line, is_own = None, False
    while traceback is not None:
        frame = traceback.tb_frame
        code = frame.f_code
        modules.append("/".join(code.co_filename.split(os.sep)[-2:]))
        instruction = dis.opname[code.co_code[traceback.tb_lasti]]
        is_own = is_users(code.co_filename)
        if is_own:
            modules.clear()
            line = place_of(code, traceback.tb_lineno)
            unawaited = next(
                (
                    f"{name} is {unfinished(value)}"
                    for name, value in frame.f_locals.items()
                    if inspect.iscoroutine(value)
                    and inspect.getcoroutinestate(value) == "CORO_CREATED"
                ),
                "",
            )
        traceback = traceback.tb_next
    return _Raised(modules, instruction, is_own, line, unawaited)


def find_hints(error: BaseException, *, group: bool = False) -> Hints:
    """Return a hint and a stronger one; `group` tells if it came in an ExceptionGroup.

    >>> find_hints(NameError("name 'asincio' is not defined"))[0]
    'Is the name spelled as where it is defined, and has that cell been run?'
    """
    raised = _find_raise(error)
    for types, hints in _TYPES:
        if isinstance(error, types):
            return hints
    module = raised.modules[-1] if raised.modules else ""
    if module.startswith("multiprocessing/") or module == "futures/process.py":
        return _SENT
    if isinstance(error, TypeError):
        if raised.line is None:  # the call of the answer failed, or awaiting its result
            return _NO_COROUTINE if raised.instruction == "GET_AWAITABLE" else _ARGUMENTS
        if raised.is_users and raised.instruction in _INSTRUCTIONS:
            return _INSTRUCTIONS[raised.instruction]
    missing = getattr(error, "obj", None) if isinstance(error, AttributeError) else None
    if raised.unawaited or inspect.iscoroutine(missing):
        what = raised.unawaited or f"that is {unfinished(missing)}"
        return (
            f"{what}. Is there an `await`?",
            "Calling a coroutine function only makes a coroutine: `await` gives what it returns.",
        )
    if isinstance(error, TypeError | AttributeError):
        if module == "futures/thread.py" or module.startswith("virtual_clock/"):
            return _IN_A_THREAD
        if module.startswith("asyncio/"):
            return _HANDED
    if isinstance(error, RuntimeError):
        if module in ("asyncio/runners.py", "asyncio/base_events.py"):
            return _LOOP
        if module == "asyncio/mixins.py":
            return _OTHER_LOOP
    if raised.is_users and raised.instruction == "RAISE_VARARGS":
        return _OWN_RAISE
    return _GROUPED if group else _ANY
