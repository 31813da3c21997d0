"""Lesson 12, cancelling and timeouts: somebody who asks again, and can be stopped."""

import asyncio
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import exercise

_PATIENCE = 100
"""Virtual seconds; an answer comes after 14."""


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
    asked = 0

    async def ask() -> str:
        nonlocal asked
        asked += 1
        await asyncio.sleep(2)
        if left:
            raise left.pop(0)
        return "forty-two"

    async def main() -> Any:
        limit = asyncio.timeout(_PATIENCE)
        try:
            async with limit:
                return await ask_until_answered(ask)
        except Exception as error:
            if limit.expired() and error not in errors:
                return "never"
            if error not in errors:
                raise
            gave_up.append(type(error).__name__)

    verdict = await check(main, virtual=True)
    verdict.that(
        not gave_up,
        "it asks again after any error of ask()",
        hint=f"it gave up at a {''.join(gave_up)}.",
        stronger="`except Exception` catches every error of ask(), and no cancellation.",
    ).that(
        verdict.value != "never",
        "it comes back when ask() has an answer",
        hint=f"in {_PATIENCE} seconds ask() was called {_times(asked)}, and it never came back.",
        stronger="your `except` catches mistakes in your own lines, too: what happens in the line "
        "of `try` if you let it through?",
    ).that(
        verdict.value is not None or asked > len(errors),
        "it asks until there is an answer",
        hint=f"ask() was called {_times(asked)}, and there was an error each time.",
        stronger="nobody has said how often it takes: what ends your loop, beside an answer?",
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
    asking_still: list[str] = []
    at_it: list[str] = []

    async def ask() -> str:
        if over:
            return "enough"  # so that nobody goes on asking after the check
        at_it.append("ask")
        try:
            await asyncio.sleep(2)
        finally:
            at_it.pop()
        raise ValueError("nobody there")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        asking = asyncio.create_task(ask_until_answered(ask), name="ask_until_answered")
        await asyncio.sleep(seconds)
        asking.cancel()
        cancelled = loop.time()
        await asyncio.wait([asking], timeout=30)
        ends.append((asking.done(), asking.cancelled(), loop.time() - cancelled))
        asking_still.extend(at_it)
        over.append(True)
        await asyncio.wait([asking], timeout=30)

    verdict = await check(main, virtual=True)
    done, cancelled, lasted = (ends or [(False, False, 0.0)])[0]
    return (
        verdict.that(
            done,
            "it stops when it is cancelled",
            hint="30 seconds after cancel() it was still asking.",
            stronger="a CancelledError arrives at an await inside of `try`: which `except` "
            "catches it?",
        )
        .that(
            cancelled and lasted < 0.5,
            "it stops at once, and as cancelled",
            hint=f"it ended as cancelled, but {lasted:g} s after cancel()."
            if cancelled
            else "it ended, but as if nobody had cancelled it: so whoever did can't tell.",
            stronger="whoever catches a CancelledError has to `raise` it again, and at once.",
        )
        .that(
            not asking_still,
            "the ask() that was under way is stopped, too",
            hint="it stopped, and its ask() went on although nobody waits for the answer.",
            stronger="a cancellation reaches what is awaited directly, as in `await ask()`; what "
            "is shielded or a task of its own has to be cancelled by you.",
        )
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
