"""The exercise of lesson 7: work that computes, done by other processes while the loop is free."""

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import exercise, grade_in_turn


@exercise(
    "keep the clock ticking",
    lesson=7,
    starter="""\
async def summarise(pool, numbers):
    return statistics.stdev(numbers)
""",
    stronger="`loop.run_in_executor(pool, function, numbers)` hands the function itself to the "
    "pool; await what that gives, and return the result.",
)
async def grade_summarise(summarise: Any) -> Check:
    """Change `summarise` so that the clock ticks and this process has none of the work."""
    pool = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
    try:
        # Both processes have started before anything is measured.
        await asyncio.gather(*(asyncio.wrap_future(pool.submit(abs, n)) for n in (-1, -2)))
        return await grade_in_turn(
            _ask(summarise, pool, [range(1000), range(5000)]),
            _ask(summarise, pool, [range(1_500_000), range(1_500_001)]),
        )
    finally:
        await asyncio.to_thread(pool.shutdown)


async def _ask(summarise: Any, pool: ProcessPoolExecutor, reports: list[Sequence[int]]) -> Check:
    started = time.process_time()
    wanted = [statistics.stdev(numbers) for numbers in reports]
    work = time.process_time() - started
    spent = 0.0

    async def office() -> Any:
        nonlocal spent
        started = time.process_time()
        found = await asyncio.gather(*(summarise(pool, numbers) for numbers in reports))
        spent = time.process_time() - started
        return found

    verdict = await check(office, deadline=30, name="summarise")
    verdict.result(wanted)
    if work < 0.1:  # too little to see which process has done it
        return verdict
    return (
        verdict.never_blocked(
            max(0.25, work / 4),
            hint="The loop was held, and the clock stood still. What computes on it?",
        )
        .that(
            spent < work / 2,
            "this process has had none of the work",
            hint=f"The clock ticks, but this process has computed for {spent:.2g} s.",
        )
        .nothing_left_running()
    )
