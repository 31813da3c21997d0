"""The exercise of lesson 1: what the thread turns to first."""

from typing import Any

from asyncteach.activities import CHORES, LEISURE, Activity
from asyncteach.checks.check import Check, check
from asyncteach.checks.results import show
from asyncteach.course.exercises import exercise, failed
from asyncteach.runners.run import run_together


@exercise(
    "six things to do",
    lesson=1,
    starter="tonight = LEISURE + CHORES  # change this line\n",
    stronger="The chores need you for a moment only, to press a button: when is the best time for "
    "that?",
    value=LEISURE + CHORES,
)
async def grade_evening(tonight: Any) -> Check:
    """Change the order of `tonight` so that all six take 100 minutes."""
    is_list = isinstance(tonight, list | tuple) and len(tonight) > 0
    if not is_list or not all(isinstance(one, Activity) for one in tonight):
        return await failed(
            "tonight",
            "tonight is a list of activities",
            hint=f"It's {show(tonight)}. `+` joins two lists; a comma makes a list of two lists, "
            "and `sort()` and `reverse()` return None.",
        )
    return (
        check(await run_together(tonight, clock="virtual"), name="tonight")
        .that(
            sorted(tonight, key=str) == sorted(CHORES + LEISURE, key=str),
            "each of the six is in tonight once, as it was",
            hint="Only the order may change: what is missing, new, or there twice?",
        )
        .took(
            minutes=100,
            hint="See the hatched bars: what is ready for long, and what keeps it from running?",
        )
    )
