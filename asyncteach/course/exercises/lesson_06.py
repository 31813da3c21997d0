"""The exercise of lesson 6: ten thousand tasks that wait at once."""

import asyncio
import inspect
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import exercise, grade_in_turn


@exercise(
    "ten thousand at the gate",
    lesson=6,
    starter="""\
def hold(number, gate):
    return []  # change this line
""",
    stronger="Each task is made by an `asyncio.create_task` of its own, from a `gate.wait()` of "
    "its own; the list of them is what `hold` returns.",
)
async def grade_hold(hold: Any) -> Check:
    """Write `hold` so that it starts `number` tasks that wait for the gate, and returns them."""
    return await grade_in_turn(_open_gate(hold, 10), _open_gate(hold, 10_000))


async def _open_gate(hold: Any, number: int) -> Check:
    gate = asyncio.Event()
    early = late = 0
    tasks: list[Any] = []

    async def hold_them() -> Any:
        nonlocal early, late
        held = hold(number, gate)
        if inspect.iscoroutine(held):
            held = await held
        if isinstance(held, list | tuple | set):
            tasks.extend(one for one in set(held) if isinstance(one, asyncio.Task))
        await asyncio.sleep(60)
        early = sum(task.done() for task in tasks)
        gate.set()
        await asyncio.sleep(60)
        late = sum(not task.done() for task in tasks)
        return held

    verdict = await check(hold_them, virtual=True, name="hold")
    return (
        verdict.that(
            isinstance(verdict.value, list | tuple | set),
            "hold() has returned a list",
            hint="What does your function return? Look at its `return`.",
        )
        .that(
            len(tasks) == number,
            f"hold() has returned {number:,} different tasks",
            hint=f"Tasks in what it has returned: {len(tasks):,}. What makes a task of the "
            "coroutine of gate.wait()?",
        )
        .that(
            early == 0,
            "no task is through before the gate opens",
            hint=f"Through already: {early:,}. What does each of them wait for?",
        )
        .that(
            late == 0,
            "no task waits any more when the gate is open",
            hint=f"Still waiting: {late:,}. For what? hold() is given the gate that opens.",
        )
        .never_blocked(1)
        .nothing_left_running()
    )
