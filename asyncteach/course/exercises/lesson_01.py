"""The exercise of lesson 1: what the thread turns to first."""

from typing import Any

from asyncteach.activities import CHORES, LEISURE, Activity
from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import describe_kind, exercise, failed
from asyncteach.runners.run import run_together


@exercise(
    "six things to do",
    lesson=1,
    starter="tonight = LEISURE + CHORES  # change this line\n",
    task="Change the order of `tonight` so that all six take 100 minutes",
    value=LEISURE + CHORES,
)
async def grade_evening(tonight: Any) -> Check:
    """Do everything together, in the order of the list, and look when all is done."""
    if not isinstance(tonight, list | tuple):
        why = ", as `sort()` and `reverse()` give back" if tonight is None else ""
        return await failed(
            "tonight",
            "tonight is a list",
            hint=f"it's {describe_kind(tonight)}{why}. What does + make of two lists?",
            stronger="it has to hold the activities themselves, one after another, as CHORES and "
            "LEISURE do.",
        )
    if not tonight or not all(isinstance(one, Activity) for one in tonight):
        return await failed(
            "tonight",
            "each thing in tonight is one of the activities",
            hint="you need nothing but CHORES and LEISURE: what else is in your list?",
            stronger="two lists are joined with +; a comma makes a list of two lists.",
        )
    evening = await run_together(tonight, clock="virtual")
    return (
        check(evening, name="tonight")
        .that(
            sorted(tonight, key=str) == sorted(CHORES + LEISURE, key=str),
            "each of the six is in tonight once, as it was",
            hint="only the order may change: what is missing, new, or there twice?",
            stronger="count them in the timeline: three chores and three pastimes.",
        )
        .took(
            minutes=100,
            hint="look at the hatched bars: who is ready for long, and what keeps it from running?",
            stronger="the chores need you for a moment only, to press a button: when is the best "
            "time for that?",
        )
    )
