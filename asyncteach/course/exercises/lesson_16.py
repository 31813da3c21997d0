"""Lesson 16, testing: an inspector, a test that is judged by what it lets through."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from asyncteach.checks.check import Check
from asyncteach.course.exercises import exercise
from asyncteach.course.exercises.suspects import pass_good, stop_bad

Get = Callable[[str], Awaitable[Any]]


@exercise(
    "the inspector",
    lesson=16,
    starter="""\
async def test_fetch_all(fetch_all):
    async def get(page):
        return page.upper()

    assert await fetch_all(get, ["a", "b"]) == ["A", "B"]
""",
    task="Change `test_fetch_all` so that it passes for good ones and fails for every bad one",
)
async def judge_inspector(test_fetch_all: Any) -> Check:
    """Hand it good ones, which must pass, and bad ones, which must not."""
    verdict = await pass_good(test_fetch_all, (_with_group, _with_gather, _with_tasks))
    for bad, does, hint, stronger in _BAD_ONES:
        if not verdict.passed:
            break
        verdict = verdict.also(
            await stop_bad(test_fetch_all, bad, f"a fetch_all that {does}", hint, stronger)
        )
    return verdict


async def _with_group(get: Get, pages: Sequence[str]) -> list[Any]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_await(get(page))) for page in pages]
    return [task.result() for task in tasks]


async def _with_gather(get: Get, pages: Sequence[str]) -> list[Any]:
    return list(await asyncio.gather(*(get(page) for page in pages)))


async def _with_tasks(get: Get, pages: Sequence[str]) -> list[Any]:
    # The last one first: nobody has asked for an order of the calls.
    tasks = {page: asyncio.ensure_future(get(page)) for page in reversed(pages)}
    return [await tasks[page] for page in pages]


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


async def _in_turn(get: Get, pages: Sequence[str]) -> list[Any]:
    return [await get(page) for page in pages]


async def _as_they_come(get: Get, pages: Sequence[str]) -> list[Any]:
    return [await one for one in asyncio.as_completed([get(page) for page in pages])]


async def _twice(get: Get, pages: Sequence[str]) -> list[Any]:
    await asyncio.gather(*(get(page) for page in pages))
    return await _with_gather(get, pages)


async def _twice_at_once(get: Get, pages: Sequence[str]) -> list[Any]:
    return (await _with_gather(get, [*pages, *pages]))[: len(pages)]


async def _two_at_a_time(get: Get, pages: Sequence[str]) -> list[Any]:
    turn = asyncio.Semaphore(2)

    async def get_one(page: str) -> Any:
        async with turn:
            return await get(page)

    return await _with_gather(get_one, pages)


async def _without_the_last(get: Get, pages: Sequence[str]) -> list[Any]:
    return await _with_gather(get, pages[:-1])


async def _sorted(get: Get, pages: Sequence[str]) -> list[Any]:
    return sorted(await _with_gather(get, pages), key=str, reverse=True)


async def _with_a_leftover(get: Get, pages: Sequence[str]) -> list[Any]:
    found = await _with_gather(get, pages)
    _kept.append(asyncio.ensure_future(asyncio.sleep(1)))
    _kept[:-1] = []
    return found


_kept: list[Any] = []
"""So that the task that is left behind isn't lost before the test can see it."""

_BAD_ONES = (
    (
        _without_the_last,
        "leaves out the last page",
        "compare what comes back with what was asked for.",
        "without an `assert` a test looks and says nothing; is fetch_all(...) awaited?",
    ),
    (
        _in_turn,
        "fetches one page after another",
        "the fake is so fast that nobody can tell; how long should it take in all?",
        "let get() sleep for some seconds, and look how many went by: `virtual_time()`.",
    ),
    (
        _as_they_come,
        "returns the answers as they come",
        "all answers of the fake come at the same time, or in the order of the pages.",
        "let the first page take the longest.",
    ),
    (
        _sorted,
        "returns the answers in an order of its own",
        "is your order of the pages told from any other, the alphabet backwards for one?",
        "ask for the pages in an order that is neither the alphabet's nor its reverse.",
    ),
    (
        _twice,
        "fetches everything once more after all",
        "how often is get() called for a page?",
        "note each call in a list, and look at that list at the end.",
    ),
    (
        _twice_at_once,
        "fetches each page twice at the same time",
        "how often is get() called for a page?",
        "note each call in a list, and look at that list at the end.",
    ),
    (
        _two_at_a_time,
        "fetches two pages at a time and no more",
        "could two at a time be as quick with the pages of your test as all at the same time?",
        "ask for three pages or more, and let the two shortest take longer than the longest.",
    ),
    (
        _with_a_leftover,
        "leaves a task behind",
        "what still runs when fetch_all has returned?",
        "`check(recording).nothing_left_running()` tells, with an `assert` in front.",
    ),
)
