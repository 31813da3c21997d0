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
)
async def grade_hold(hold: Any) -> Check:
    """Write `hold` so that it starts `number` tasks that wait for the gate, and returns them."""
    return await grade_in_turn(_open_gate(hold, 10), _open_gate(hold, 10_000))


async def _open_gate(hold: Any, number: int) -> Check:
    gate = asyncio.Event()
    early = late = 0
    tasks: list[Any] = []
    held: Any = None

    async def hold_them() -> None:
        nonlocal early, late, held
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

    verdict = await check(hold_them, virtual=True, name="hold")
    return (
        verdict.that(
            isinstance(held, list | tuple | set),
            "hold() has returned a list",
            hint="what does your function give back? Look at its return.",
            stronger="the caller needs all the tasks: collect them in a list and return that.",
        )
        .that(
            len(tasks) == number,
            f"hold() has returned {number:,} different tasks{_but(number, len(tasks))}",
            hint="gate.wait() gives a coroutine that nothing runs yet. What makes a task of it?",
            stronger="each task needs a call of gate.wait() of its own, and asyncio.create_task "
            "around it.",
        )
        .that(
            early == 0,
            f"no task is through before the gate opens{_but(0, early)}",
            hint="what does each of your tasks wait for?",
            stronger="each of them has to await gate.wait(), and nothing else lets it go on.",
        )
        .that(
            late == 0,
            f"no task waits any more when the gate is open{_but(0, late)}",
            hint="what do they wait for still?",
            stronger="the gate is the one that hold() is given: no other is ever opened.",
        )
        .never_blocked(1)
        .nothing_left_running()
    )


def _but(wanted: int, found: int) -> str:
    return "" if found == wanted else f" (here it's {found:,})"
