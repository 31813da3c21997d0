"""The exercise of lesson 7: work that computes, done by other processes while the loop is free."""

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import exercise, grade_in_turn


class _CountingPool(ProcessPoolExecutor):
    """A pool that knows what it was given to do."""

    def __init__(self) -> None:
        super().__init__(2, mp_context=multiprocessing.get_context("spawn"))
        self.jobs: list[Future[Any]] = []

    def submit(self, *args: Any, **keywords: Any) -> "Future[Any]":
        self.jobs.append(super().submit(*args, **keywords))
        return self.jobs[-1]


@exercise(
    "keep the clock ticking",
    lesson=7,
    starter="""\
async def summarise(pool, numbers):
    return statistics.stdev(numbers)
""",
)
async def grade_summarise(summarise: Any) -> Check:
    """Change `summarise` so that the clock ticks and this process has none of the work."""
    return await grade_in_turn(
        _ask(summarise, [range(1000), range(5000)]),
        _ask(summarise, [range(1_500_000), range(1_500_001)]),
    )


async def _ask(summarise: Any, reports: list[Sequence[int]]) -> Check:
    started = time.process_time()
    wanted = [statistics.stdev(numbers) for numbers in reports]
    work = time.process_time() - started
    spent = 0.0
    pool = _CountingPool()

    async def office() -> Any:
        nonlocal spent
        await asyncio.gather(*(asyncio.wrap_future(pool.submit(abs, n)) for n in (-1, -2)))
        pool.jobs.clear()
        started = time.process_time()
        found = await asyncio.gather(*(summarise(pool, numbers) for numbers in reports))
        spent = time.process_time() - started
        return found

    try:
        verdict = await check(office, deadline=30, name="summarise")
    finally:
        # A forgotten job gets its result, so that no error is reported when it is thrown away.
        await asyncio.to_thread(wait, pool.jobs, 10)
        processes = list((pool._processes or {}).values())
        manager: Any = getattr(pool, "_executor_manager_thread", None)
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()
            process.join(10)
        if manager is not None:
            await asyncio.to_thread(manager.join, 10)
    verdict.result(
        wanted,
        hint="that isn't what stdev says. Is there a return, and an await?",
        stronger="what run_in_executor gives has to be awaited, and what comes of it returned.",
    )
    if work < 0.1:  # which process has done so little can't be seen
        return verdict
    return (
        verdict.never_blocked(
            max(0.25, work / 4),
            hint="the loop was held, and the clock stood still. What computes on it?",
            stronger="the loop is free only while you await: hand the work to the pool, and await "
            "what you get for it.",
        )
        .that(
            spent < work / 2,
            "this process has had none of the work",
            hint=f"the clock ticks, but this process has computed for {spent:.2g} s.",
            stronger="give the pool the function that takes long, and not one that is done in "
            "no time.",
        )
        .nothing_left_running()
    )
