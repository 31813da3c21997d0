"""A user's answer to an exercise: open, or run and graded by what it does."""

import inspect
import linecache
from collections import Counter
from collections.abc import Coroutine
from typing import Any

from asyncteach.arguments import Awaitable
from asyncteach.checks.check import check
from asyncteach.checks.failures import find_line
from asyncteach.checks.results import show
from asyncteach.course import progress
from asyncteach.course.exercises import Exercise, failed, find_exercise

__all__ = ["check_answer"]

failed_tries: Counter[str] = Counter()
"""How often the answer to each exercise was wrong in this process."""


def check_answer(name: str, *answer: Any) -> Coroutine[Any, Any, Any]:
    """Run your answer to an exercise and check what it does: `await check_answer(name, answer)`.

    `name` is the name of the exercise, and the answer is what you wrote: a function without
    brackets, a class or a value. It runs on the notebook's own loop, perhaps several times; an
    answer that hangs is stopped. Returns a `Check`, which shows itself at the end of a cell:
    `All right.`, or what is missing with a hint, and a stronger hint from the second try on. While
    the cell above is unchanged, the exercise is open. `show_progress()` lists solved exercises.
    Raises ValueError for an unknown exercise and TypeError for wrong arguments.

    >>> import asyncio
    >>> asyncio.run(check_answer("the printer", ...))  # no answer yet
    Open: the printer. Change `serve` so that everybody has a receipt after 5 seconds.
    """
    __tracebackhide__ = True
    if not isinstance(name, str):
        raise TypeError(
            "check_answer() takes the exercise's name first and then your answer, as in "
            f'`await check_answer("the printer", serve)`, but got {type(name).__name__} first.'
        )
    exercise = find_exercise(name)
    if len(answer) != 1:
        raise TypeError(
            f'The exercise "{name}" needs {exercise.argument}: write `await {exercise.call}`.'
        )
    if inspect.iscoroutine(answer[0]):
        answer[0].close()  # otherwise Python would warn that it was never awaited
        raise TypeError(
            f"check_answer() runs {answer[0].__name__} itself, perhaps several times: pass the "
            f"function, as in `await {exercise.call}`, without brackets after {exercise.argument}."
        )
    return Awaitable(_grade(exercise, answer[0]), exercise.call, "verdict")


class Open:
    """The result of `check_answer` as long as there is no answer."""

    passed = False

    def __init__(self, exercise: Exercise) -> None:
        self._exercise = exercise

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return f"Open: {self._exercise.name}. {self._exercise.task}"


async def _grade(exercise: Exercise, answer: Any) -> Any:
    if _is_open(exercise, answer):
        return Open(exercise)
    try:
        if callable(answer) or exercise.value is not None:
            verdict = await exercise.grader(answer)
        else:
            name, is_class = exercise.argument, exercise.starter.startswith("class")
            verdict = await failed(
                exercise.name,
                f"{name} is a {'class' if is_class else 'function'}",
                hint=f"It's {show(answer)}. Run the cell with your answer, then this one again.",
            )
    except Exception as error:
        if find_line(error) is None:
            raise  # the grader itself has failed
        verdict = await check(_fail(error), name=exercise.name)
    failed_tries[exercise.name] += not verdict
    if not verdict and failed_tries[exercise.name] > 1:
        verdict.add_hint(f"A stronger hint: {exercise.stronger}")
    progress.keep(exercise.name, solved=bool(verdict))
    return verdict


async def _fail(error: Exception) -> None:
    raise error


def _is_open(exercise: Exercise, answer: Any) -> bool:
    """Return whether there is nothing to grade: the cell as it was, or `...` as the answer."""
    if answer is ... or exercise.value is not None:
        return answer is ... or bool(answer == exercise.value)
    # The source of the cell that defines a function, or the methods of a class
    for part in (answer, *vars(answer).values()) if isinstance(answer, type) else (answer,):
        code = getattr(inspect.unwrap(part) if callable(part) else part, "__code__", None)
        if inspect.iscode(code):
            cell = "".join(linecache.getlines(code.co_filename))
            return cell.strip() == exercise.starter.strip()
    return False
