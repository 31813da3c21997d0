"""A learner's answer to an exercise: open, or run and judged by what it does."""

import inspect
from collections.abc import Coroutine
from typing import Any

from asyncteach.course import progress
from asyncteach.course.exercises import Exercise, find_exercise
from asyncteach.course.exercises.answering import Open, is_open, name_exercise
from asyncteach.course.exercises.kinds import find_wrong_kind
from asyncteach.runners.awaitable import Awaitable

__all__ = ["check_answer"]


def check_answer(name: str, *answer: Any) -> Coroutine[Any, Any, Any]:
    """Run your answer to an exercise, and say whether it does what is asked. Await it in its cell.

    `name` is the exercise's, and the answer is what you have written: functions without brackets,
    classes or values. They are run on the notebook's own loop, as often as it takes; an answer
    that hangs or spins is stopped. Gives back a `Check`, which shows itself at the end of a cell:
    `All right.`, or what is missing and a hint, a stronger one at the second try. As long as the
    cell above is unchanged it says that the exercise is open. `show_progress()` tells what is
    solved. Raises ValueError for a name that no exercise has, TypeError for a call that can't be
    meant so.

    >>> import asyncio
    >>> asyncio.run(check_answer("the printer", ...))  # nothing is written yet
    Open: the printer. Change `serve` so that everybody has a receipt after 5 seconds.
    """
    __tracebackhide__ = True
    if not isinstance(name, str):
        raise TypeError(
            "check_answer() takes the exercise's name first and then your answer, as in "
            f'`await check_answer("the printer", serve)`, and got {type(name).__name__} first.'
        )
    found = find_exercise(name)
    _check_arguments(found, answer)
    return Awaitable(_judge(found, answer), found.call, "verdict")


def _check_arguments(exercise: Exercise, answer: tuple[Any, ...]) -> None:
    """Raise TypeError, in one sentence, for what can't be an answer."""
    __tracebackhide__ = True
    try:
        inspect.signature(exercise.judge).bind(*answer)
    except TypeError:
        wanted = " and ".join(exercise.arguments)
        raise TypeError(
            f'The exercise "{exercise.name}" wants to see {wanted}: write `await {exercise.call}`.'
        ) from None
    for one, argument in zip(answer, exercise.arguments, strict=False):
        if inspect.iscoroutine(one):
            one.close()  # nobody will ever run it
            raise TypeError(
                f"check_answer() runs {one.__name__} itself, several times perhaps: pass the "
                f"function, as in `await {exercise.call}`, without brackets behind {argument}."
            )


async def _judge(exercise: Exercise, answer: tuple[Any, ...]) -> Any:
    if is_open(exercise, answer):
        return Open(exercise)
    with name_exercise(exercise.name):
        try:
            verdict = find_wrong_kind(exercise, answer)
            if verdict is None:
                verdict = await exercise.judge(*answer)
        except Exception as error:
            verdict = await _told(error, exercise)
    if trouble := progress.keep(exercise.name, solved=bool(verdict)):
        print(trouble)
    return verdict


async def _told(error: Exception, exercise: Exercise) -> Any:
    """Return the Check of an answer that has raised outside of what its judge has run."""
    from asyncteach.checks.check import check
    from asyncteach.places import is_users

    traceback = error.__traceback__
    while traceback and not is_users(traceback.tb_frame.f_code.co_filename):
        traceback = traceback.tb_next
    if traceback is None:  # the mistake is the judge's
        raise error

    async def fail() -> None:
        raise error

    return await check(fail)
