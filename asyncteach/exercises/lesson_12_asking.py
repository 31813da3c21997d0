"""Lesson 12, cancelling and timeouts: somebody who asks again, and can be stopped."""

import asyncio
from typing import Any

from asyncteach.checks import Check, check
from asyncteach.exercises import exercise


@exercise(
    "ask again",
    lesson=12,
    starter="""\
async def ask_until_answered(ask):
    while True:
        try:
            return await ask()
        except BaseException:
            await asyncio.sleep(1)
""",
    task="Change `ask_until_answered` so that it can be cancelled at any moment",
)
async def judge_asking(ask_until_answered: Any) -> Check:
    """Let it be answered after some errors, then cancel it while it asks and while it pauses."""
    verdict = await _let_it_ask(ask_until_answered)
    for seconds in (1, 2.5):  # in the middle of an ask(), of a pause
        if verdict.passed:
            verdict = verdict.also(await _cancel_it(ask_until_answered, seconds))
    return verdict


async def _let_it_ask(ask_until_answered: Any) -> Check:
    errors = [ValueError("what?"), ConnectionError("no line"), TimeoutError("too late"), KeyError()]
    left = list(errors)
    gave_up: list[str] = []

    async def ask() -> str:
        await asyncio.sleep(2)
        if left:
            raise left.pop(0)
        return "forty-two"

    async def main() -> Any:
        try:
            return await ask_until_answered(ask)
        except Exception as error:
            if error not in errors:
                raise
            gave_up.append(type(error).__name__)

    verdict = await check(main, virtual=True)
    verdict.that(
        not gave_up,
        "it asks again after any error of ask()",
        hint=f"it gave up at a {''.join(gave_up)}.",
        stronger="`except Exception` catches every error of ask(), and no cancellation.",
    )
    return (
        verdict.result("forty-two")
        .took(
            seconds=14,
            hint="five times asking and four pauses of a second take 14 seconds.",
            stronger="after each error there is one `await asyncio.sleep(1)`, and then ask().",
        )
        .never_blocked(
            hint="while it pauses, others want to work.",
            stronger="a pause is `await asyncio.sleep(1)`.",
        )
        .nothing_left_running()
    )


async def _cancel_it(ask_until_answered: Any, seconds: float) -> Check:
    over: list[bool] = []
    ends: list[tuple[bool, bool, float]] = []

    async def ask() -> str:
        if over:
            return "enough"  # so that nobody goes on asking after the check
        await asyncio.sleep(2)
        raise ValueError("nobody there")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        asking = asyncio.create_task(ask_until_answered(ask), name="ask_until_answered")
        await asyncio.sleep(seconds)
        asking.cancel()
        cancelled = loop.time()
        await asyncio.wait([asking], timeout=30)
        ends.append((asking.done(), asking.cancelled(), loop.time() - cancelled))
        over.append(True)
        await asyncio.wait([asking], timeout=30)

    verdict = await check(main, virtual=True)
    done, cancelled, lasted = (ends or [(False, False, 0.0)])[0]
    return verdict.that(
        done,
        "it stops when it is cancelled",
        hint="30 seconds after cancel() it was still asking.",
        stronger="a CancelledError arrives at an await inside of `try`: which `except` catches it?",
    ).that(
        cancelled and lasted < 0.5,
        "it stops at once, and as cancelled",
        hint=f"it took {lasted:g} s to end, "
        + ("as cancelled." if cancelled else "as if nobody had cancelled it."),
        stronger="whoever catches a CancelledError has to `raise` it again, and at once.",
    )
