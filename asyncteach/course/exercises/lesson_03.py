"""The exercise of lesson 3: what to write in a notebook instead of `asyncio.run`."""

import asyncio
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import exercise, grade_in_turn


@exercise(
    "the job",
    lesson=3,
    starter="""\
def job(fetch):
    return asyncio.run(fetch("news"))
""",
    stronger="An `async def` can `await fetch(...)`, and `return` passes on the result.",
)
async def grade_job(job: Any) -> Check:
    """Rewrite `job` so that it works in this notebook, where a cell awaits it."""
    return await grade_in_turn(_do(job, "the {} page", 1), _do(job, "all about {}", 3))


async def _do(job: Any, text: str, seconds: float) -> Check:
    async def fetch(page: str) -> str:
        await asyncio.sleep(seconds)
        return text.format(page)

    verdict = await check(lambda: job(fetch), virtual=True, name="job")
    return verdict.result(text.format("news")).nothing_left_running()
