"""The exercises of lesson 16: tests that are graded by what they let through."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.checks.error_hints import find_line
from asyncteach.course.exercises import exercise, grade_in_turn
from asyncteach.formatting import at

Get = Callable[[str], Awaitable[Any]]
Ring = Callable[[str], Any]


def _name(test: Any) -> str:
    return getattr(test, "__name__", "the test")


async def _pass_good(
    test: Any, good_ones: Sequence[Any], which: str = "good ones", why: str = ""
) -> Check:
    """Judge if the test passes for all of them; what it raises is reported."""
    red: list[str] = []

    async def main() -> None:
        for good in good_ones:
            try:
                await test(good)
            except AssertionError as error:
                red.append(at(find_line(error)))
                return

    # Whatever else it raises has failed already by now.
    return (await check(main, name=_name(test))).that(
        not red,
        f"it passes for {which}",
        hint=f"a good one raised an AssertionError{''.join(red)}. "
        + (why or "Does the task ask for what is compared there?"),
        stronger="Does that line ask for more than the task does, such as an order of the calls, "
        "or a machine that is never busy? In `virtual_time()` a busy machine takes no time.",
    )


async def _stop_bad(test: Any, bad: Any, what: str, hint: str, stronger: str) -> Check:
    """Judge if the test fails for a bad one, by whatever exception."""

    async def main() -> bool:
        try:
            await test(bad)
        except Exception:
            return True
        return False

    verdict = await check(main, name=_name(test))
    # Of a test that hangs for a bad one it can't be said that it lets it through.
    return verdict.that(verdict.value is True, f"it stops {what}", hint=hint, stronger=stronger)


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
async def grade_inspector(test_fetch_all: Any) -> Check:
    """Hand it good ones, which must pass, and bad ones, which must not."""
    return await grade_in_turn(
        _pass_good(test_fetch_all, (_with_group, _with_gather, _with_tasks)),
        *(
            _stop_bad(test_fetch_all, bad, f"a fetch_all that {does}", hint, stronger)
            for bad, does, hint, stronger in _BAD_ONES
        ),
    )


async def _with_group(get: Get, pages: Sequence[str]) -> list[Any]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_await(get(page))) for page in pages]
    return [task.result() for task in tasks]


async def _with_gather(get: Get, pages: Sequence[str]) -> list[Any]:
    return list(await asyncio.gather(*(get(page) for page in pages)))


async def _with_tasks(get: Get, pages: Sequence[str]) -> list[Any]:
    # The last one first: the task doesn't ask for an order of the calls.
    tasks = {page: asyncio.ensure_future(get(page)) for page in reversed(pages)}
    return [await tasks[page] for page in pages]


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


async def _in_turn(get: Get, pages: Sequence[str]) -> list[Any]:
    return [await get(page) for page in pages]


async def _as_they_come(get: Get, pages: Sequence[str]) -> list[Any]:
    return [await one for one in asyncio.as_completed([get(page) for page in pages])]


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
        "the fake is so fast that no difference shows; how long should it take in all?",
        "let get() sleep for some seconds, and look how many went by: `virtual_time()`.",
    ),
    (
        _as_they_come,
        "returns the answers as they come",
        "all answers of the fake come at the same time, or in the order of the pages.",
        "let the first page take the longest.",
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
async def grade_reminder(test_reminder: Any) -> Check:
    """Hand it good ones, one of them on a busy machine, and bad ones."""
    return await grade_in_turn(
        _pass_good(test_reminder, (_remind, _remind_by_timer)),
        _pass_good(
            test_reminder,
            (_remind_on_a_busy_machine,),
            "a good one on a busy machine",
            "The machine was busy with something else for a moment.",
        ),
        *(
            _stop_bad(test_reminder, bad, f"a remind that {does}", hint, stronger)
            for bad, does, hint, stronger in _BAD_REMINDERS
        ),
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
    """Take some real time, and none of a virtual clock's: a pause would take that."""
    one, other = socket.socketpair()
    with one, other, contextlib.suppress(TimeoutError):
        one.settimeout(0.3)
        one.recv(1)


async def _never(seconds: float, ring: Ring) -> None:
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
        _a_bit_early,
        "rings a bit early",
        "how close do you look? In virtual time a test may be exact.",
        "`ring` may be a function of yours that notes `clock.seconds`.",
    ),
    (
        _late,
        "rings too late",
        "when was it rung? A test that only waits for the end doesn't notice that it came late.",
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
