"""The exercise of lesson 3: what stands in a notebook in place of `asyncio.run`."""

import asyncio
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import exercise


@exercise(
    "the job",
    lesson=3,
    starter="""\
def job(fetch):
    return asyncio.run(fetch("news"))
""",
)
async def judge_job(job: Any) -> Check:
    """Rewrite `job` so that it works in this notebook, where a cell awaits it."""
    verdict = await _do(job, "the {} page", 1)
    if verdict.passed:  # and with another page
        verdict.also(await _do(job, "all about {}", 3))
    return verdict


async def _do(job: Any, text: str, seconds: float) -> Check:
    fetched: list[str] = []

    async def fetch(page: str) -> str:
        await asyncio.sleep(seconds)
        fetched.append(page)
        return text.format(page)

    verdict = await check(lambda: job(fetch), virtual=True, name="job")
    return (
        verdict.result(
            text.format("news"),
            hint="what does fetch(...) give, and who carries it out and hands on its result?",
            stronger="`return` hands on what `await` has given; without `await` it's only a plan.",
        )
        .that(
            fetched == ["news"],
            "the news was fetched once",
            hint="how often is fetch(...) called, and with what?",
            stronger='one call is enough: fetch("news").',
        )
        .nothing_left_running()
    )
