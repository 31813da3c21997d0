"""The exercise of lesson 4: a blocking call that has to leave the event loop."""

import asyncio
import time
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import exercise, grade_in_turn


@exercise(
    "the printer",
    lesson=4,
    starter="""\
async def serve(name, print_receipt):
    await asyncio.sleep(2)
    print_receipt(name)
""",
    stronger="A thread has to make the call that blocks, and `serve` has to await that thread.",
)
async def grade_printer(serve: Any) -> Check:
    """Change `serve` so that everybody has a receipt after 5 seconds."""
    return await grade_in_turn(
        _open_shop(serve, ["Ada", "Bo", "Cy"], 3),
        _open_shop(serve, ["Dee", "Eve", "Flo"], 4),
    )


async def _open_shop(serve: Any, customers: list[str], seconds: int) -> Check:
    receipts: list[str] = []

    def print_receipt(name: str) -> None:
        time.sleep(seconds)
        receipts.append(name)

    async def open_shop() -> list[str]:
        await asyncio.gather(*(serve(name, print_receipt) for name in customers))
        return sorted(receipts)

    verdict = await check(open_shop, virtual=True)
    return (
        verdict.never_blocked(
            hint="Who is ready, and since when? Think of the old disk of this lesson."
        )
        .that(
            verdict.value == sorted(customers),
            "everybody has one receipt",
            hint=f"There are receipts for {', '.join(verdict.value or []) or 'none of them'}: does "
            "each customer wait for the call that prints?",
        )
        .took(seconds=2 + seconds)
        .nothing_left_running()
    )
