"""Hints on exceptions, by their type and by the place where they were raised."""

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
    "Another process gets a pickled copy, and of a function only its name: can it be imported "
    "there?",
    "A lambda, or a function that is defined in a cell, has no name that another process can "
    "import: send a function of a module, and its arguments after it.",
)
_TYPES: tuple[tuple[tuple[type[BaseException], ...], Hints], ...] = (
    (
        (NameError,),
        (
            "Is that name spelled as where it is made, and has that cell been run?",
            "What the function needs comes in by its arguments: use their names.",
        ),
    ),
    (
        (TimeoutError,),
        (
            "A time limit has run out. Where should that be dealt with?",
            "`asyncio.timeout` and `asyncio.wait_for` raise TimeoutError where the limit was set: "
            "that's the place to catch it, outside of the block.",
        ),
    ),
    (
        (asyncio.CancelledError,),
        (
            "What this awaits was cancelled. Where should that be dealt with?",
            "Awaiting a task that was cancelled raises CancelledError in the task that awaits it.",
        ),
    ),
    (
        (asyncio.InvalidStateError,),
        (
            "A future gets its result once, and has none before that. Which of the two happened "
            "there?",
            "`await task` waits until it is done, and gives its result; `done()` tells if it is.",
        ),
    ),
    (
        (RecursionError,),
        (
            "A function calls itself again and again. When does it come to an end?",
            "To do something again and again needs a loop. And is that name still the function "
            "that you mean, or your own one by the same name?",
        ),
    ),
    (
        (SystemExit,),
        (
            "That ends a whole program, and the kernel with it. How does a function come to its "
            "end?",
            "`return` ends a function, and `raise ValueError(...)` tells that something went "
            "wrong.",
        ),
    ),
    (
        (sqlite3.ProgrammingError,),
        (
            "A connection belongs to the thread that has opened it, and works until it is closed. "
            "In which thread does each of your calls run?",
            "Let one ordinary function open it, ask and close it, and hand that over as a whole: "
            "`asyncio.to_thread(visit, ...)`.",
        ),
    ),
    ((pickle.PicklingError, BrokenProcessPool), _SENT),
)

_WITH: Hints = (
    "There are two kinds of `with`. Which one does this thing want?",
    "What asyncio gives, a lock or a timeout, is entered with `async with`; a lock of threads with "
    "`with`. An async generator is entered with neither: `aclosing(...)` from contextlib makes a "
    "block of it.",
)
_INSTRUCTIONS: dict[str, Hints] = {
    # What Python was doing in the user's line when it raised TypeError.
    "GET_AWAITABLE": (
        "What is awaited has to be a coroutine, a task or a future. What stands behind that "
        "`await`?",
        "`work` is a function, and `work()` calls it: that gives a coroutine only if it is an "
        "`async def`. An ordinary function has done all its work by then, and has held the loop "
        "for it. A pool's future needs `asyncio.wrap_future(...)`.",
    ),
    "BEFORE_WITH": _WITH,
    "BEFORE_ASYNC_WITH": _WITH,
    "LOAD_SPECIAL": _WITH,  # from 3.14 on
    "GET_ITER": (
        "That can't be looped over with `for`. If it comes bit by bit, and has to be waited for, "
        "it needs another kind of loop. Which?",
        "`async for` goes through an async generator, `for` only through what is there already.",
    ),
    "GET_AITER": (
        "That can't be looped over with `async for`. Is it there already?",
        "`async for` goes through an async generator, `for` through a list.",
    ),
}
_HANDED: Hints = (
    "What is handed to asyncio in that line isn't what it wants: a coroutine, a task or a future. "
    "What is it?",
    "`work` is a function, and `work()`, with brackets, gives the coroutine. What stands behind an "
    "`await`, or comes from an ordinary function, is a result already. `gather(*plans)` hands over "
    "what is in a list, one by one; `asyncio.wait` wants tasks, as `asyncio.create_task(work())` "
    "makes them.",
)
_IN_A_THREAD: Hints = (
    "A thread calls what it is given. Is that a function, with its arguments after it, or was it "
    "called too early, and what it gave handed on in its place?",
    "`asyncio.to_thread(work(1))` calls work at once and hands on what it gives; "
    "`asyncio.to_thread(work, 1)` hands on the function itself and its argument.",
)
_LOOP: Hints = (
    "The loop is there already: what runs on it needs no loop of its own.",
    "`asyncio.run()` starts a loop, so it belongs outside of all coroutines; inside of one, and in "
    "a notebook's cell, there's `await`.",
)
_OTHER_LOOP: Hints = (
    "Something was made on one loop and is used on another.",
    "Make locks, queues and tasks inside the coroutine that uses them.",
)
_ARGUMENTS: Hints = (
    "The function has to take the arguments that it was given with, in their order.",
    "Compare the line with `def` with the one that you were given: only what is inside should "
    "change.",
)
_NO_COROUTINE: Hints = (
    "What the function gives is awaited, so it has to be a coroutine. Is it an `async def`, "
    "without a `yield` in it?",
    "An ordinary function has done all its work when it is called, and a function with a `yield` "
    "is a generator: only an `async def` with `return` gives what can be awaited.",
)
_OWN_RAISE: Hints = (
    "That is your own `raise`. When should it be reached, and what should happen then?",
    "Put a `print` of what decides about it before it, and run both cells once more.",
)
_GROUPED: Hints = (
    "A TaskGroup raises a group of what has failed in it, and `except` doesn't look into a group. "
    "Which form of it does?",
    "`except* ValueError:` catches what is in a group; around a TaskGroup the plain form never "
    "sees it.",
)
_ANY: Hints = (
    "Go to that line: which of its values isn't what you expect there?",
    "Put a `print` of that line's values before it, and run both cells once more.",
)


class _Raised(NamedTuple):
    """Where an exception was raised."""

    modules: list[str]
    """The files below the user's line, as `asyncio/tasks.py`; the innermost is the last."""
    instruction: str
    """What Python was doing there."""
    is_users: bool
    """It was raised in the user's line, not in a library that this calls."""
    line: Place | None
    """The innermost of the user's lines that it has come through."""
    unawaited: str
    """What in that line's function has not been awaited: `text is a coroutine ...`."""


def find_line(error: BaseException) -> Place | None:
    """Return the innermost of the user's lines that an exception has come through."""
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
    'Is that name spelled as where it is made, and has that cell been run?'
    """
    raised = _find_raise(error)
    for types, hints in _TYPES:
        if isinstance(error, types):
            return hints
    module = raised.modules[-1] if raised.modules else ""
    if module.startswith("multiprocessing/") or module == "futures/process.py":
        return _SENT
    if isinstance(error, TypeError):
        if raised.line is None:  # what runs the answer has called it, or awaited what it gave
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
