"""Why an answer has no result: it raised an exception, or it had to be stopped.

Hints on exceptions are chosen by type and by the place where they were raised, not by their text.
"""

import asyncio
import dis
import inspect
import os
import pickle
import sqlite3
from types import TracebackType

from asyncteach.checks.results import AWAIT_IT, Judgement, Mark, no, unfinished
from asyncteach.checks.runner import NotAwaitable
from asyncteach.checks.timeout import Ending
from asyncteach.findings import name_task
from asyncteach.formatting import at, clip, describe_error
from asyncteach.places import Place, is_users, place_of
from asyncteach.trace import Trace

_LEFT_TASK = ". One of its tasks can't be stopped: restart the kernel to end it"
_LEFT_THREAD = ". A thread that it started goes on: it ends by itself or with the kernel"

_HELD = (
    "That step never gives the thread back to the event loop. Is there an endless loop, or a "
    "call that waits? As long as nothing is awaited there, no other task can run."
)
_HUNG = (
    "It waits there, or looks there again and again, for something that never happens. What "
    "should make it happen: which task sets the event, puts an item in, or releases the lock?"
)
_PLAIN = (
    "The result of the call is awaited, so it has to be a coroutine. Is the function an `async "
    "def`, without a `yield` in it? An ordinary function does all its work during the call."
)
_PICKLED = (
    "Another process gets a pickled copy; for a function, that is only its name. A lambda, or a "
    "function that is defined in a cell, has no name that another process can import: pass a "
    "function of a module, and its arguments after it."
)
_TYPES: dict[type[BaseException], str] = {
    NameError: "Is the name spelled as in its definition, and has that cell been run?",
    TimeoutError: (
        "`asyncio.timeout` and `asyncio.wait_for` raise TimeoutError where the limit was set: "
        "catch it there, outside of the block."
    ),
    asyncio.CancelledError: (
        "What this line awaits was cancelled, and that raises CancelledError here too. Where "
        "should your code handle it?"
    ),
    sqlite3.ProgrammingError: (
        "A connection belongs to the thread that opened it, and works until it is closed. In "
        "which thread does each of your calls run?"
    ),
    pickle.PicklingError: _PICKLED,
}
_WITH = (
    "A lock or a timeout of asyncio needs `async with`, a lock of threading needs `with`. Which "
    "one does this object need?"
)
_INSTRUCTIONS = {
    # What Python was doing in the user's line when it raised TypeError.
    "GET_AWAITABLE": (
        "Only a coroutine, a task or a future can be awaited. What comes after that `await`? A "
        "call returns a coroutine only if the function is an `async def`."
    ),
    "BEFORE_WITH": _WITH,
    "BEFORE_ASYNC_WITH": _WITH,
    "LOAD_SPECIAL": _WITH,  # from 3.14 on
}
_HANDED = (
    "In that line asyncio needs a coroutine, a task or a future, but gets something else. "
    "`work` is a function; `work()`, with brackets, returns a coroutine; `await work()`, or a "
    "call of an ordinary function, returns a result. `asyncio.wait` needs tasks."
)
_IN_A_THREAD = (
    "The thread has to call a function. Does that line pass the function and its arguments, as "
    "in `asyncio.to_thread(work, 1)`, or does it call the function itself and pass the result?"
)
_LOOP = (
    "A loop is already running: inside a coroutine, and in a notebook cell, use `await` instead "
    "of `asyncio.run()`."
)
_ARGUMENTS = (
    "The function has to take the arguments of the given `def` line, in the same order: change "
    "only the body."
)
_GROUPED = (
    "A TaskGroup raises a group of exceptions, and `except` doesn't look into a group: `except* "
    "ValueError:` does."
)
_ANY = (
    "Go to that line: which of its values isn't what you expect there? Print them before it, "
    "and run both cells again."
)


def judge_failure(ending: Ending, name: str, deadline: float, trace: Trace) -> Judgement | None:
    """Return the judgement for an answer that was stopped or raised; None if it has a result."""
    if ending.stopped:
        return _judge_stop(ending, deadline, trace)
    if isinstance(ending.error, NotAwaitable):
        what = clip(repr(ending.error.value), 70)
        return no(f"{clip(name, 40)} returned {what}, which can't be awaited", _PLAIN)
    return _judge_error(ending.error, trace) if ending.error is not None else None


def _judge_stop(ending: Ending, deadline: float, trace: Trace) -> Judgement:
    limit = "1 second" if deadline == 1 else f"{deadline:g} seconds"
    clause = f"still going after {limit}, so it was stopped"
    clause += f"; it was{at(ending.place)}" if ending.place else ""
    # What waits for the work of a failed task waits forever.
    failed = [row for row in trace.rows if row.outcome.startswith("raised ") and not row.was_there]
    failed = [row for row in failed if "OutOfTime" not in row.outcome]  # that stopped it
    clause += "".join(f"; {name_task(row)} {row.outcome.rstrip('.')}" for row in failed[:1])
    if ending.left:
        clause += _LEFT_TASK
    elif any(row.kind == "thread" and row.outcome == "still running" for row in trace.rows):
        clause += _LEFT_THREAD
    last = {wait.task: wait for wait in trace.waits if wait.kind not in ("task", "tasks")}
    waits = [wait for wait in last.values() if wait.end >= trace.duration - 1e-3]
    blocks = sorted(trace.blocks, key=lambda block: block.start - block.end)
    seen = blocks[:1] if ending.held else waits[:8]
    marks = [Mark(one.start, one.end, "", (one.task or 0,)) for one in seen]
    marks = marks or [Mark(trace.duration, trace.duration, "")]
    marks[0] = marks[0]._replace(label=f"stopped{at(ending.place)}")
    return no(clause, _HELD if ending.held else _HUNG, *marks)


def _judge_error(error: BaseException, trace: Trace) -> Judgement:
    inner = error
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    what, where = describe_error(inner), at(find_line(inner) or find_line(error))
    clause = f"your code raised {what.rstrip('.')}{where}"
    if inner is not error:
        clause += f" (in an {type(error).__name__}, as a TaskGroup raises it)"
    # The task that raised it first, if there were several.
    failed = [
        (row.finished, number)
        for number, row in enumerate(trace.rows)
        if row.outcome == f"raised {what}" and not row.was_there
    ]
    end, *rows = min(failed, default=(trace.duration,))
    mark = Mark(end, end, type(inner).__name__, tuple(map(int, rows)))
    return no(clause, _find_hint(inner, is_grouped=inner is not error), mark)


def find_line(error: BaseException) -> Place | None:
    """Return the user's innermost line in the traceback of an exception."""
    users = [one for one in _entries_of(error) if is_users(one.tb_frame.f_code.co_filename)]
    return place_of(users[-1].tb_frame.f_code, users[-1].tb_lineno) if users else None


def _entries_of(error: BaseException) -> list[TracebackType]:
    entries, one = [], error.__traceback__
    while one is not None:
        entries.append(one)
        one = one.tb_next
    return entries


def _find_hint(error: BaseException, *, is_grouped: bool) -> str:
    for kind, hint in _TYPES.items():
        if isinstance(error, kind):
            return hint
    module = instruction = ""  # of the innermost line; no module if it is the user's
    frame = None  # of the user's innermost line
    for one in _entries_of(error):
        code = one.tb_frame.f_code
        module = "/".join(code.co_filename.split(os.sep)[-2:])
        instruction = dis.opname[code.co_code[one.tb_lasti]]
        if is_users(code.co_filename):
            module, frame = "", one.tb_frame
    if module.startswith("multiprocessing/") or module == "futures/process.py":
        return _PICKLED
    if isinstance(error, TypeError) and frame is None:  # the call of the answer failed
        return _PLAIN if instruction == "GET_AWAITABLE" else _ARGUMENTS
    if isinstance(error, TypeError) and not module and instruction in _INSTRUCTIONS:
        return _INSTRUCTIONS[instruction]
    for name, value in frame.f_locals.items() if frame else ():
        if inspect.iscoroutine(value) and inspect.getcoroutinestate(value) == inspect.CORO_CREATED:
            return f"{name} is {unfinished(value)}. {AWAIT_IT}"
    if isinstance(error, TypeError | AttributeError):
        if module == "futures/thread.py" or module.startswith("virtual_clock/"):
            return _IN_A_THREAD
        if module.startswith("asyncio/"):
            return _HANDED
    if isinstance(error, RuntimeError) and module in (
        "asyncio/runners.py",
        "asyncio/base_events.py",
    ):
        return _LOOP
    return _GROUPED if is_grouped else _ANY
