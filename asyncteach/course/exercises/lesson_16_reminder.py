"""Lesson 16, testing: a flaky test of a reminder."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import exercise
from asyncteach.course.exercises.suspects import pass_good, stop_bad

Ring = Callable[[str], Any]


@exercise(
    "the reminder",
    lesson=16,
    starter="""\
async def test_reminder(remind):
    rung = []
    task = asyncio.create_task(remind(0.1, rung.append))
    await asyncio.sleep(0.05)
    assert rung == []
    await asyncio.sleep(0.06)
    assert rung == ["ring"]
    await task
""",
    task="Mend `test_reminder` so that it passes on a busy machine, and fails for a bad `remind`",
)
async def judge_reminder(test_reminder: Any) -> Check:
    """Hand it good ones, one of them on a busy machine, and bad ones."""
    verdict = await pass_good(test_reminder, (_remind, _remind_by_timer))
    if verdict.passed:
        verdict = verdict.also(await _pass_busy(test_reminder))
    for bad, does, hint, stronger in _BAD_REMINDERS:
        if not verdict.passed:
            break
        verdict = verdict.also(
            await stop_bad(test_reminder, bad, f"a remind that {does}", hint, stronger)
        )
    return verdict


async def _pass_busy(test: Any) -> Check:
    red: list[bool] = []

    async def main() -> None:
        try:
            await test(_remind_on_a_busy_machine)
        except AssertionError:
            red.append(True)

    return (await check(main)).that(
        not red,
        "it passes for a good remind on a busy machine",
        hint="the machine was busy for half a second with something else, and the test was red.",
        stronger="in `virtual_time()` a busy machine takes no time; and remind(...) is awaited.",
    )


async def _remind(seconds: float, ring: Ring) -> None:
    await asyncio.sleep(seconds)
    ring("ring")


async def _remind_by_timer(seconds: float, ring: Ring) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()
    ring("ring")


async def _remind_on_a_busy_machine(seconds: float, ring: Ring) -> None:
    await asyncio.sleep(seconds)
    await asyncio.to_thread(_be_busy)
    ring("ring")


def _be_busy() -> None:
    """Take half a second of real time, and none of a virtual clock's: a pause would take that."""
    one, other = socket.socketpair()
    with one, other, contextlib.suppress(TimeoutError):
        one.settimeout(0.5)
        one.recv(1)


async def _never(seconds: float, ring: Ring) -> None:
    await asyncio.sleep(seconds)


async def _early(seconds: float, ring: Ring) -> None:
    ring("ring")
    await asyncio.sleep(seconds)


async def _a_bit_early(seconds: float, ring: Ring) -> None:
    await asyncio.sleep(seconds * 0.8)
    ring("ring")
    await asyncio.sleep(seconds * 0.2)


async def _late(seconds: float, ring: Ring) -> None:
    await asyncio.sleep(seconds * 1.25)
    ring("ring")


async def _again(seconds: float, ring: Ring) -> None:
    await _remind(seconds, ring)
    ring("ring")


async def _in_other_words(seconds: float, ring: Ring) -> None:
    await asyncio.sleep(seconds)
    ring("")


_BAD_REMINDERS = (
    (
        _never,
        "never rings",
        "what has to be in `rung` at the end?",
        "without an `assert` a test looks and says nothing; is remind(...) awaited?",
    ),
    (
        _early,
        "rings at once",
        "when was it rung? Look before, or let the fake note the time.",
        "`ring` may be a function of yours that notes `clock.seconds`.",
    ),
    (
        _a_bit_early,
        "rings a bit early",
        "how close do you look? In virtual time a test may be exact.",
        "`ring` may be a function of yours that notes `clock.seconds`.",
    ),
    (
        _late,
        "rings too late",
        "when was it rung? Who waits for the end only doesn't notice that it came late.",
        "`ring` may be a function of yours that notes `clock.seconds`.",
    ),
    (
        _again,
        "rings twice",
        "how often was it rung?",
        "compare the whole list, and only when remind(...) has ended.",
    ),
    (
        _in_other_words,
        "rings with another word",
        "which word was `ring` called with?",
        "compare what is in the list with ['ring'], and not only its length.",
    ),
)
