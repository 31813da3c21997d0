"""Why an answer has no result: it raised, it had to be stopped, or it never became one."""

import asyncio
import inspect
from typing import Any

import numpy as np

from asyncteach.checks.error_hints import find_hints, find_line
from asyncteach.checks.results import Judgement, Mark, no, show
from asyncteach.checks.runner import Run
from asyncteach.formatting import at, clip, describe_error
from asyncteach.trace import Trace, Wait

_ROUND = 1000
"""Steps of one task, more than code has that doesn't go round in a loop."""
_MOST = 8
LEFT_THREAD = (
    "A thread that it has started goes on: a thread can't be stopped from outside, and ends by "
    "itself or with the kernel."
)


def judge_error(error: BaseException, trace: Trace) -> Judgement:
    """Return what to say about an exception of the answer."""
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
    # The task where it came from, if it was one of several.
    failed = [
        (row.finished, n)
        for n, row in enumerate(trace.rows)
        if row.outcome == f"raised {what}" and not row.was_there
    ]
    end, rows = (min(failed)[0], (min(failed)[1],)) if failed else (trace.duration, ())
    return no(clause, *hints, Mark(end, end, type(inner).__name__, rows))


def _innermost(error: BaseException) -> tuple[BaseException, bool]:
    """Return the first exception that isn't a group, and if it was in one."""
    inner = error
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    return inner, inner is not error


def judge_stop(deadline: float, run: Run, trace: Trace) -> Judgement:
    """Return what to say about an answer that was still going when its time was over."""
    waits = [] if run.held else _last_waits(trace)
    where = f"; it was{at(run.place)}" if run.place else ""
    clause = f"still going after {_seconds(deadline)}, so it was stopped{where}"
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
            "It never comes back from there, and never hands the thread back: a loop without an "
            "end, or a call that waits?",
            "If it waits for something that another task does, that task can't run as long as "
            "nothing is awaited there. And what should end a loop has to become true at some time.",
            *marks,
        )
    if _goes_round(trace):
        return no(
            clause,
            "It comes past there again and again, and goes on. What should end that loop, and does "
            "it ever become true?",
            "Looking again and again keeps all other tasks busy: to `await` the task, the event "
            "or the queue itself is enough, and goes on when it's time.",
            *marks,
        )
    return no(
        clause,
        "It waits there for something that never comes. What should bring it?",
        "What waits for an event, a queue or a lock goes on only if another task sets it, puts "
        "something in or lets go; and two that wait for each other wait for ever.",
        *marks,
    )


def _goes_round(trace: Trace) -> bool:
    """Tell if a task has had so many steps that it can only be going round in a loop."""
    steps = trace.slices.of("running").task
    return len(steps) > 0 and int(np.bincount(steps).max()) > _ROUND


def _longest_step(trace: Trace) -> list[Mark]:
    """Return the step that never came to an end by itself."""
    blocks = [block for block in trace.blocks if block.task is not None]
    longest = max(blocks, key=lambda block: block.end - block.start, default=None)
    if longest is None or longest.task is None:
        return []
    return [Mark(longest.start, longest.end, "", (longest.task,))]


def _last_waits(trace: Trace) -> list[Wait]:
    """Return what waited to the end."""
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
    """Return what to say where there is no answer."""
    what = "`...` stands where the answer should go" if answer is ... else "there is None"
    return no(
        f"there is no answer yet: {what}",
        "Fill it in, run that cell, and then this one again.",
        "Has the cell with your answer been run since you changed it?",
    )


def judge_kind(name: str, found: str, wanted: str) -> Judgement:
    """Return what to say if a name stands for something else than a function or a class."""
    return no(
        f"{name} is {found}, expected a {wanted}",
        f"What has the name {name} been given to, last of all? Run the cell with your answer, and "
        "then this one again.",
        f"The name has to stand for the {wanted} itself, as `def` or `class` makes it: whatever "
        f"`{name} = ...` gives it to later takes its place.",
    )


def judge_no_coroutine(value: Any, name: str) -> Judgement:
    """Return what to say if a function gave nothing that can be awaited."""
    if inspect.isasyncgen(value) or inspect.isgenerator(value):
        return no(
            f"{clip(name, 40)} gave a generator, which can't be awaited",
            "A function with a `yield` in it is a generator, and can't be awaited. Is one wanted?",
            "`return` hands back a result; `yield` hands on one thing after another, to a loop.",
        )
    return no(
        f"{clip(name, 40)} gave {show(value)}, which can't be awaited",
        "Is it an `async def`?",
        "A function that begins with `async def` gives a coroutine when it is called; an ordinary "
        "one has done everything by then, and held the loop for it.",
    )
