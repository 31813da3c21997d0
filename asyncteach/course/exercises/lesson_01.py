"""The exercise of lesson 1: what the thread turns to first."""

from typing import Any

from asyncteach.activities import CHORES, LEISURE, Activity
from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import exercise
from asyncteach.formatting import article
from asyncteach.runners.run import run_together


@exercise(
    "six things to do",
    lesson=1,
    starter="tonight = LEISURE + CHORES  # change this line\n",
    task="Change the order of `tonight` so that all six take 100 minutes",
)
async def judge_evening(tonight: Any) -> Check:
    """Do everything together, in the order of the list, and look when all is done."""

    async def look() -> Any:
        return tonight

    found = await check(look, virtual=True, name="tonight")
    found.that(
        isinstance(tonight, list | tuple),
        "tonight is a list",
        hint=f"it's {_say(tonight)}. What does + make of two collections, and where is that kept?",
        stronger="it has to hold the activities themselves, one after another, as each of the two "
        "that you have does.",
    ).that(
        lambda: all(isinstance(one, Activity) for one in tonight) and len(tonight) > 0,
        "each thing in tonight is one of the activities",
        hint="you need nothing but CHORES and LEISURE: what else is in your list?",
        stronger="a collection inside another isn't flat: two are joined with +, not with a comma.",
    )
    if not found:
        return found
    evening = await run_together(tonight, clock="virtual")
    return (
        check(evening, name="tonight")
        .that(
            sorted(tonight, key=str) == sorted(CHORES + LEISURE, key=str),
            "each of the six is in tonight once, as it was",
            hint="only the order is to be changed: what is missing, new, or there twice?",
            stronger="count them in the timeline: three chores and three pastimes.",
        )
        .took(
            minutes=100,
            hint="look at the hatched bars: who is ready for long, and what keeps it from running?",
            stronger="the chores need you for a moment only, to press a button: when is the best "
            "time for that?",
        )
    )


def _say(tonight: Any) -> str:
    if tonight is None:
        return "None, as what changes a list in its place gives back"
    return article(type(tonight).__name__)
