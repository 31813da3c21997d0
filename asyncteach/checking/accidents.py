"""Why an answer has no result: it raised, it had to be stopped, or it never became one."""

import asyncio
from types import TracebackType
from typing import Any

from asyncteach.checking.judgement import Judgement, Mark, no
from asyncteach.checking.running import Run
from asyncteach.labels import clip
from asyncteach.places import Place, is_learners, place_of
from asyncteach.tapes.tape import Tape
from asyncteach.teaching.findings import at
from asyncteach.watching.witness import say_error

_HINTS = (
    # What the message contains, a hint, and a stronger one. The first that fits is told.
    (
        ("object is not callable",),
        "Something is called that is no function. Has a function been called too early, and what "
        "it gave been handed on in its place?",
        "`later(work(1))` calls work at once and hands on what it gives; `later(work, 1)` hands "
        "on the function itself and its argument, so that it is called later.",
    ),
    (
        (
            "got <bound method",
            "got <function",
            *(f"object {kind} can't be used in 'await'" for kind in ("function", "method")),
            *(f"'{kind}' object can't be awaited" for kind in ("function", "method")),
        ),
        "That is a function itself, and not yet what it gives. Is something missing behind its "
        "name?",
        "`work` is the function; `work()`, with brackets, calls it and gives the coroutine that "
        "can be awaited, or made a task of.",
    ),
    (
        ("'coroutine'", "coroutine object", "'Task'", "'_asyncio.Task'", "'_asyncio.Future'"),
        "Something was used before it was there. Is there an `await`?",
        "Calling a coroutine function only makes a coroutine: `await` gives what it returns.",
    ),
    (
        ("object Future can't be used in 'await'", "'Future' object can't be awaited"),
        "That is a pool's own future, for which a thread can wait. What gives one for the loop?",
        "`loop.run_in_executor(...)` gives a future that can be awaited, and "
        "`asyncio.wrap_future(...)` makes one of a pool's.",
    ),
    (
        ("pickle",),
        "What another process is sent is pickled, and a function by its name only: where is yours "
        "from?",
        "A lambda, or a function that is defined in a cell, has no name that another process can "
        "import: send a function of a module, and its arguments after it.",
    ),
    (
        (
            "used in 'await' expression",
            "can't be awaited",
            "coroutine was expected",
            "awaitable is",
        ),
        "What is awaited, or handed to asyncio, has to be a coroutine, a task or a future. Which "
        "function gives none?",
        "An ordinary function has done all its work, and has held the loop for it, before anybody "
        "can await what it gave.",
    ),
    (
        ("running event loop", "already running"),
        "The loop is there already: what runs on it needs no loop of its own.",
        "`asyncio.run()` starts a loop, so it belongs outside of all coroutines; inside of one, "
        "and in a notebook's cell, there's `await`.",
    ),
    (
        ("is bound to a different event loop", "attached to a different loop"),
        "Something was made on one loop and is used on another.",
        "Make locks, queues and tasks inside the coroutine that uses them.",
    ),
    (
        ("cannot reuse already awaited coroutine",),
        "A coroutine object can be awaited once.",
        "Call the function again for each time it is to run, or keep a task: that can be awaited "
        "as often as you like.",
    ),
    (
        ("positional argument", "keyword argument"),
        "The function has to take the arguments that it was given with, in their order.",
        "Compare the line with `def` with the one that you were given: only what is inside is to "
        "be changed.",
    ),
    (
        ("NameError", "UnboundLocalError"),
        "Is that name spelled as where it is made, and has that cell been run?",
        "What the function needs comes in by its arguments: use their names.",
    ),
    (
        ("TimeoutError",),
        "A time limit has run out. Who was to deal with that?",
        "`asyncio.timeout` and `asyncio.wait_for` raise TimeoutError where the limit was set: "
        "that's the place to catch it, outside of the block.",
    ),
    (
        ("CancelledError",),
        "Somebody has cancelled what this awaits. Who was to deal with that?",
        "Awaiting a task that was cancelled raises CancelledError in who awaits it.",
    ),
)
_STOPPING = 0.25
_MOST = 8
_ANY = (
    "Go to that line: which of its values isn't what you expect there?",
    "Put a `print` of that line's values before it, and run both cells once more.",
)


def judge_error(error: BaseException, tape: Tape) -> Judgement:
    """Return what to say about an exception of the answer."""
    inner, group = _innermost(error)
    what = say_error(inner)
    if isinstance(inner, asyncio.CancelledError):
        clause = f"your code was cancelled and let CancelledError out{at(find_line(inner))}"
    else:
        clause = f"your code raised {what}{at(find_line(inner))}"
    if group:
        clause += f" (in an {type(error).__name__}, as a TaskGroup raises it)"
    text = f"{type(inner).__name__}: {what}"
    found = next((hints for words, *hints in _HINTS if any(w in text for w in words)), _ANY)
    # The task where it came from, if it was one of several.
    failed = [
        (row.finished, n)
        for n, row in enumerate(tape.rows)
        if row.outcome == f"raised {what}" and not row.was_there
    ]
    end, rows = (min(failed)[0], (min(failed)[1],)) if failed else (tape.duration, ())
    return no(clause, found[0], found[1], Mark(end, end, type(inner).__name__, rows))


def _innermost(error: BaseException) -> tuple[BaseException, bool]:
    """Return the first exception that isn't a group, and if it was in one."""
    inner = error
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    return inner, inner is not error


def find_line(error: BaseException) -> Place | None:
    """Return the innermost of the learner's lines that an exception has come through."""
    found = None
    traceback: TracebackType | None = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if is_learners(code.co_filename):
            found = place_of(code, traceback.tb_lineno)
        traceback = traceback.tb_next
    return found


def judge_stop(deadline: float, run: Run, tape: Tape) -> Judgement:
    """Return what to say about an answer that was still going when its time was over."""
    where = f"; it was{at(run.place)}" if run.place else ""
    clause = f"still going after {_seconds(deadline)}, so it was stopped{where}"
    if run.left:
        clause += f". {run.left.rstrip('.')}"
    marks = _longest_step(tape) if run.how == "spun" else _last_waits(tape)
    label = f"stopped{at(run.place)}"
    marks = marks or [Mark(tape.duration, tape.duration, "")]
    marks[0] = marks[0]._replace(label=label)
    if run.how == "spun":
        return no(
            clause,
            "It never comes back from there, and never hands the thread back: a loop without an "
            "end, or a call that waits?",
            "If it waits for something that another task does, that task can't run as long as "
            "nothing is awaited there. And what is to end a loop has to become true at some time.",
            *marks,
        )
    return no(
        clause,
        "It waits there for something that never comes. Who was to bring it?",
        "What waits for an event, a queue or a lock goes on only if another task sets it, puts "
        "something in or lets go; and two that wait for each other wait for ever.",
        *marks,
    )


def _longest_step(tape: Tape) -> list[Mark]:
    """Return the step that never came to an end by itself."""
    blocks = [block for block in tape.blocks if block.task is not None]
    longest = max(blocks, key=lambda block: block.end - block.start, default=None)
    if longest is None or longest.task is None:
        return []
    return [Mark(longest.start, longest.end, "", (longest.task,))]


def _last_waits(tape: Tape) -> list[Mark]:
    """Return what waited to the end, or almost: who is stopped ends a little before."""
    last = {wait.task: wait for wait in tape.waits}
    return [
        Mark(wait.start, wait.end, "", (row,))
        for row, wait in last.items()
        if wait.end >= tape.duration - _STOPPING
        and wait.kind not in ("task", "tasks")
        and (not tape.rows[row].was_there or len(tape.rows) == 1)
    ][:_MOST]


def _seconds(amount: float) -> str:
    return "1 second" if amount == 1 else f"{amount:g} seconds"


def judge_nothing(answer: Any) -> Judgement:
    """Return what to say where there is no answer."""
    what = "`...` stands where the answer is to go" if answer is ... else "there is None"
    return no(
        f"there is no answer yet: {what}",
        "Fill it in, run that cell, and then this one again.",
        "Has the cell with your answer been run since you changed it?",
    )


def judge_no_coroutine(value: Any, name: str) -> Judgement:
    """Return what to say if a function gave nothing that can be awaited."""
    from asyncteach.checking.results import show

    return no(
        f"{clip(name, 40)} gave {show(value)}, which can't be awaited",
        "Is it an `async def`?",
        "A function that begins with `async def` gives a coroutine when it is called; an ordinary "
        "one has done everything by then, and held the loop for it.",
    )
