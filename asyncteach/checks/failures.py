"""Why an answer has no result: it raised, it had to be stopped, or there is no answer yet."""

import asyncio
import inspect
from typing import Any

import numpy as np

from asyncteach.checks.error_hints import find_hints, find_line
from asyncteach.checks.results import Judgement, Mark, no, show
from asyncteach.checks.runner import Run
from asyncteach.findings import name_task
from asyncteach.formatting import at, clip, describe_error
from asyncteach.trace import Trace, Wait

_ROUND = 1000
"""A task with more steps than this goes round in a loop."""
_MOST = 8
LEFT_THREAD = (
    "A thread that it started is still running: a thread can't be stopped from outside. It ends by "
    "itself or with the kernel."
)


def judge_error(error: BaseException, trace: Trace) -> Judgement:
    """Return the judgement for an exception of the answer."""
    inner, group = _innermost(error)
    what = describe_error(inner)
    where = at(find_line(inner) or find_line(error))
    if isinstance(inner, asyncio.CancelledError):
        clause = f"your code was cancelled and let CancelledError out{where}"
    else:
        clause = f"your code raised {what.rstrip('.')}{where}"
    if group:
        clause += f" (in an {type(error).__name__}, as a TaskGroup raises it)"
    hints = find_hints(inner, group=group)
    # The task that raised it, if there were several.
    failed = [
        (row.finished, n)
        for n, row in enumerate(trace.rows)
        if row.outcome == f"raised {what}" and not row.was_there
    ]
    end, rows = (min(failed)[0], (min(failed)[1],)) if failed else (trace.duration, ())
    return no(clause, *hints, Mark(end, end, type(inner).__name__, rows))


def _innermost(error: BaseException) -> tuple[BaseException, bool]:
    """Return the first exception that isn't a group, and whether it was in one."""
    inner = error
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    return inner, inner is not error


def judge_stop(deadline: float, run: Run, trace: Trace) -> Judgement:
    """Return the judgement for an answer that was still running at the deadline."""
    waits = [] if run.held else _last_waits(trace)
    where = f"; it was{at(run.place)}" if run.place else ""
    clause = f"still going after {_seconds(deadline)}, so it was stopped{where}"
    # What waits for the work of a task that has failed waits for ever.
    rows = (row for row in trace.rows if row.outcome.startswith("raised ") and not row.was_there)
    if row := next(rows, None):
        clause += f"; {name_task(row)} {row.outcome.rstrip('.')}"
    if run.left:
        clause += f". {run.left.rstrip('.')}"
    elif any(row.kind == "thread" and row.outcome == "still running" for row in trace.rows):
        clause += f". {LEFT_THREAD.rstrip('.')}"
    marks = [Mark(one.start, one.end, "", (one.task,)) for one in waits] or _longest_step(trace)
    label = f"stopped{at(run.place)}"
    marks = marks or [Mark(trace.duration, trace.duration, "")]
    marks[0] = marks[0]._replace(label=label)
    if run.held:
        return no(
            clause,
            "That step never ends and never gives the thread back to the event loop. Is there an "
            "endless loop, or a call that waits?",
            "If it waits for something that another task does: that task can't run as long as "
            "nothing is awaited there. And a loop ends only if its condition changes.",
            *marks,
        )
    if _goes_round(trace):
        return no(
            clause,
            "It goes through that line again and again. Which condition should end the loop, and "
            "is it ever met?",
            "A loop that checks again and again takes time from all other tasks. `await` the "
            "task, the event or the queue itself: then the code goes on as soon as it can.",
            *marks,
        )
    return no(
        clause,
        "It waits there for something that never happens. What should make it happen?",
        "A task that waits for an event, a queue or a lock goes on only if another task sets the "
        "event, puts an item in, or releases the lock. Two tasks that wait for each other wait "
        "forever.",
        *marks,
    )


def _goes_round(trace: Trace) -> bool:
    """Tell if a task has had so many steps that it can only be going round in a loop."""
    steps = trace.slices.of("running").task
    return len(steps) > 0 and int(np.bincount(steps).max()) > _ROUND


def _longest_step(trace: Trace) -> list[Mark]:
    """Return a mark on the longest step: the one that never ended by itself."""
    blocks = [block for block in trace.blocks if block.task is not None]
    longest = max(blocks, key=lambda block: block.end - block.start, default=None)
    if longest is None or longest.task is None:
        return []
    return [Mark(longest.start, longest.end, "", (longest.task,))]


def _last_waits(trace: Trace) -> list[Wait]:
    """Return the waits that lasted until the end."""
    last = {wait.task: wait for wait in trace.waits}
    return [
        wait
        for row, wait in last.items()
        if wait.end >= trace.duration - 1e-3
        and wait.kind not in ("task", "tasks")
        and (not trace.rows[row].was_there or len(trace.rows) == 1)
    ][:_MOST]


def _seconds(amount: float) -> str:
    return "1 second" if amount == 1 else f"{amount:g} seconds"


def judge_nothing(answer: Any) -> Judgement:
    """Return the judgement for a missing answer."""
    what = "`...` stands where the answer should go" if answer is ... else "there is None"
    return no(
        f"there is no answer yet: {what}",
        "Fill it in, run that cell, and then this one again.",
        "Has the cell with your answer been run since you changed it?",
    )


def judge_kind(name: str, found: str, wanted: str) -> Judgement:
    """Return the judgement for a name that isn't a function or a class."""
    return no(
        f"{name} is {found}, expected a {wanted}",
        f"What was the last thing assigned to {name}? Run the cell with your answer, and then this "
        "one again.",
        f"The name has to stand for the {wanted} itself, as `def` or `class` makes it: a later "
        f"`{name} = ...` replaces it.",
    )


def judge_no_coroutine(value: Any, name: str) -> Judgement:
    """Return the judgement for a function whose result can't be awaited."""
    if inspect.isasyncgen(value) or inspect.isgenerator(value):
        return no(
            f"{clip(name, 40)} returned a generator, which can't be awaited",
            "A function with a `yield` in it is a generator, and can't be awaited. Do you need the "
            "`yield`?",
            "`return` gives one result; `yield` gives one value after another, to a loop.",
        )
    return no(
        f"{clip(name, 40)} returned {show(value)}, which can't be awaited",
        "Is it an `async def`?",
        "A call of an `async def` function gives a coroutine. An ordinary function does all its "
        "work during the call, and holds the loop meanwhile.",
    )
