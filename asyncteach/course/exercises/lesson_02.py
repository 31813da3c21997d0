"""The exercise of lesson 2: three waits that overlap."""

import asyncio
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import as_list, exercise, grade_in_turn


@exercise(
    "breakfast",
    lesson=2,
    starter="""\
async def breakfast(brew):
    egg = await brew("egg water", 240)
    tea = await brew("tea", 180)
    toast = await brew("toast", 120)
    return [egg, tea, toast]
""",
    stronger="`asyncio.gather(...)` turns several coroutines into tasks; awaiting it returns the "
    "list of their results.",
)
async def grade_breakfast(breakfast: Any) -> Check:
    """Rewrite `breakfast` so that everything is on the table after 4 minutes."""
    return await grade_in_turn(_eat(breakfast, "a pot of {}"), _eat(breakfast, "some {} for you"))


async def _eat(breakfast: Any, text: str) -> Check:
    brewed: list[tuple[str, float]] = []

    async def brew(name: str, seconds: float) -> str:
        await asyncio.sleep(seconds)
        brewed.append((name, seconds))
        return text.format(name)

    async def eat() -> Any:
        return as_list(await breakfast(brew))

    verdict = await check(eat, virtual=True, name="breakfast")
    wanted = [("egg water", 240), ("tea", 180), ("toast", 120)]
    return (
        verdict.result([text.format(name) for name, _ in wanted])
        .that(
            sorted(brewed) == wanted,
            "each of the three was brewed once, and for its own time",
            hint="Egg, tea and toast take the time that they take: change only when each begins.",
        )
        .took(
            seconds=240,
            hint="What starts when? The tea needn't wait until the egg is done.",
        )
        .nothing_left_running()
    )
