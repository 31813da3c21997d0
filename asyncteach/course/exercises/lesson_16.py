"""The exercises of lesson 16: tests that are graded by what they let through."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.checks.failures import find_line
from asyncteach.course.exercises import exercise, grade_in_turn
from asyncteach.formatting import at

Get = Callable[[str], Awaitable[Any]]
Ring = Callable[[str], Any]


async def _accept(test: Any, *good_ones: Any, which: str = "good ones") -> Check:
    """Judge whether the test passes for all of them."""

    async def main() -> str:
        for good in good_ones:
            try:
                await test(good)
            except AssertionError as error:
                return f"an AssertionError was raised{at(find_line(error))}"
        return ""

    # Any other error has failed the check already.
    verdict = await check(main, name=getattr(test, "__name__", "the test"))
    return verdict.that(
        not verdict.value,
        f"it passes for {which}",
        hint=f"{verdict.value}. Does that line ask for more than the "
        "task does, such as an order of the calls, or a machine that is never busy?",
    )


async def _reject(test: Any, bad: Any, hint: str) -> Check:
    """Judge whether the test fails for a bad one, with any exception; its name says what is bad."""

    async def main() -> bool:
        try:
            await test(bad)
        except Exception:
            return True
        return False

    verdict = await check(main, name=getattr(test, "__name__", "the test"))
    return verdict.that(
        verdict.value is True, f"it stops one that {bad.__name__.replace('_', ' ')}", hint=hint
    )


# Of fetch_all(): good ones and bad ones


async def _fetch_together(get: Get, pages: Sequence[str]) -> list[Any]:
    return list(await asyncio.gather(*(get(page) for page in pages)))


async def _fetch_the_last_one_first(get: Get, pages: Sequence[str]) -> list[Any]:
    async with asyncio.TaskGroup() as group:
        tasks = {page: group.create_task(_await(get(page))) for page in reversed(pages)}
    return [tasks[page].result() for page in pages]


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


async def leaves_out_the_last_page(get: Get, pages: Sequence[str]) -> list[Any]:
    return await _fetch_together(get, pages[:-1])


async def fetches_one_page_after_another(get: Get, pages: Sequence[str]) -> list[Any]:
    return [await get(page) for page in pages]


async def returns_the_answers_as_they_come(get: Get, pages: Sequence[str]) -> list[Any]:
    return [await one for one in asyncio.as_completed([get(page) for page in pages])]


async def fetches_each_page_twice_at_the_same_time(get: Get, pages: Sequence[str]) -> list[Any]:
    return (await _fetch_together(get, [*pages, *pages]))[: len(pages)]


async def fetches_two_pages_at_a_time_and_no_more(get: Get, pages: Sequence[str]) -> list[Any]:
    turn = asyncio.Semaphore(2)

    async def get_one(page: str) -> Any:
        async with turn:
            return await get(page)

    return await _fetch_together(get_one, pages)


async def leaves_a_task_behind(get: Get, pages: Sequence[str]) -> list[Any]:
    found = await _fetch_together(get, pages)
    _kept[:] = [asyncio.ensure_future(asyncio.sleep(1))]
    return found


_kept: list[Any] = []
"""So that the task that is left behind isn't lost before the test can see it."""


@exercise(
    "the inspector",
    lesson=16,
    starter="""\
async def test_fetch_all(fetch_all):
    async def get(page):
        return page.upper()

    assert await fetch_all(get, ["a", "b"]) == ["A", "B"]
""",
    stronger="In `virtual_time()` and `record()`, let three pages take different times, the first "
    "the longest and the others together longer; note each call; assert the result, the calls, how "
    "long it took, and `check(recording).nothing_left_running()`.",
)
async def grade_inspector(test_fetch_all: Any) -> Check:
    """Change `test_fetch_all` so that it passes for good ones and fails for every bad one."""
    hints = {
        leaves_out_the_last_page: "Compare what comes back with what was asked for, in an "
        "`assert`. And is fetch_all(...) awaited?",
        fetches_one_page_after_another: "The fake is so fast that no difference shows; how long "
        "should it take in all?",
        returns_the_answers_as_they_come: "All answers of the fake come at the same time, or in "
        "the order of the pages.",
        fetches_each_page_twice_at_the_same_time: "How often is get() called for a page?",
        fetches_two_pages_at_a_time_and_no_more: "Could two at a time be as quick with the pages "
        "of your test as all at the same time?",
        leaves_a_task_behind: "What still runs when fetch_all has returned?",
    }
    return await grade_in_turn(
        _accept(test_fetch_all, _fetch_together, _fetch_the_last_one_first),
        *(_reject(test_fetch_all, bad, hint) for bad, hint in hints.items()),
    )


# Of remind(): good ones and bad ones


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
    """Take some real time, and no virtual time as a sleep would."""
    one, other = socket.socketpair()
    with one, other, contextlib.suppress(TimeoutError):
        one.settimeout(0.3)
        one.recv(1)


async def never_rings(seconds: float, ring: Ring) -> None:
    await asyncio.sleep(seconds)


async def rings_a_bit_early(seconds: float, ring: Ring) -> None:
    await _remind(seconds * 0.8, ring)
    await asyncio.sleep(seconds * 0.2)


async def rings_too_late(seconds: float, ring: Ring) -> None:
    await _remind(seconds * 1.25, ring)


async def rings_twice(seconds: float, ring: Ring) -> None:
    await _remind(seconds, ring)
    ring("ring")


async def rings_with_another_word(seconds: float, ring: Ring) -> None:
    await _remind(seconds, lambda _: ring(""))


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
    stronger="In `virtual_time()` a busy machine takes no time, and a test may be exact: await "
    "remind(...) with a `ring` of yours that notes the word and `clock.seconds`, and compare the "
    "whole list.",
)
async def grade_reminder(test_reminder: Any) -> Check:
    """Mend `test_reminder` so that it passes on a busy machine, and fails for a bad `remind`."""
    hints = {
        never_rings: "What has to be in `rung` at the end? And is remind(...) awaited?",
        rings_a_bit_early: "How close do you look? In virtual time a test may be exact.",
        rings_too_late: "When was it rung? A test that only waits for the end doesn't notice.",
        rings_twice: "How often was it rung, until remind(...) has ended?",
        rings_with_another_word: "Which word was `ring` called with?",
    }
    return await grade_in_turn(
        _accept(test_reminder, _remind, _remind_by_timer),
        _accept(test_reminder, _remind_on_a_busy_machine, which="a good one on a busy machine"),
        *(_reject(test_reminder, bad, hint) for bad, hint in hints.items()),
    )
