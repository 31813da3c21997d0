"""A learner's answer to an exercise: open, or run and graded by what it does."""

import inspect
import linecache
from collections.abc import Coroutine
from typing import Any

from asyncteach.arguments import Awaitable
from asyncteach.checks.check import Check, check
from asyncteach.course import progress
from asyncteach.course.exercises import Exercise, describe_kind, failed, find_exercise
from asyncteach.places import is_users

__all__ = ["check_answer"]


def check_answer(name: str, *answer: Any) -> Coroutine[Any, Any, Any]:
    """Run your answer to an exercise and check what it does: `await check_answer(name, answer)`.

    `name` is the name of the exercise, and the answer is what you have written: functions without
    brackets, classes or values. They run on the notebook's own loop, perhaps several times; an
    answer that hangs or never ends is stopped. Returns a `Check`, which shows itself at the end of
    a cell: `All right.`, or what is missing with a hint, and a stronger hint at the second try. As
    long as the cell above is unchanged, the exercise is open. `show_progress()` lists the solved
    exercises. Raises ValueError for an unknown exercise and TypeError for wrong arguments.

    >>> import asyncio
    >>> asyncio.run(check_answer("the printer", ...))  # no answer yet
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
    return Awaitable(_grade(found, answer), found.call, "verdict")


class Open:
    """The result of `check_answer` as long as there is no answer."""

    passed = False

    def __init__(self, exercise: Exercise) -> None:
        self._exercise = exercise

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return f"Open: {self._exercise.name}. {self._exercise.task}"


def _check_arguments(exercise: Exercise, answer: tuple[Any, ...]) -> None:
    """Raise TypeError for arguments that can't be an answer."""
    __tracebackhide__ = True
    if len(answer) != len(exercise.arguments):
        wanted = " and ".join(exercise.arguments)
        raise TypeError(
            f'The exercise "{exercise.name}" needs {wanted}: write `await {exercise.call}`.'
        )
    for one, argument in zip(answer, exercise.arguments, strict=True):
        if inspect.iscoroutine(one):
            one.close()  # or Python would warn that it was never awaited
            raise TypeError(
                f"check_answer() runs {one.__name__} itself, perhaps several times: pass the "
                f"function, as in `await {exercise.call}`, without brackets after {argument}."
            )


async def _grade(exercise: Exercise, answer: tuple[Any, ...]) -> Any:
    if _is_open(exercise, answer):
        return Open(exercise)
    try:
        verdict = await _find_wrong_kind(exercise, answer)
        if verdict is None:
            verdict = await exercise.grader(*answer)
    except Exception as error:
        verdict = await _explain(error)
    if trouble := progress.keep(exercise.name, solved=bool(verdict)):
        print(trouble)
    return verdict


def _is_open(exercise: Exercise, answer: tuple[Any, ...]) -> bool:
    """Tell if there is nothing to grade: the cell as it was, or `...` in place of an answer."""
    if any(one is Ellipsis for one in answer):
        return True
    if exercise.value is not None:
        return list(answer) == [exercise.value]
    return any(_cell_of(one).strip() == exercise.starter.strip() for one in answer)


def _cell_of(one: Any) -> str:
    """Return the source of the cell that defines a function or class, or of its file."""
    for part in (one, *vars(one).values()) if isinstance(one, type) else (one,):
        code = getattr(inspect.unwrap(part) if callable(part) else part, "__code__", None)
        if inspect.iscode(code):
            return "".join(linecache.getlines(code.co_filename))
    return ""


async def _find_wrong_kind(exercise: Exercise, answer: tuple[Any, ...]) -> Check | None:
    """Return a failed Check if a function or class is wanted and the answer can't be called."""
    for name, one in zip(exercise.arguments, answer, strict=True):
        kind = "class" if f"class {name}:" in exercise.starter else "function"
        if not callable(one) and exercise.value is None:
            return await failed(
                exercise.name,
                f"{name} is a {kind}",
                hint=f"{name} is {describe_kind(one)}. Run the cell with your answer, and then "
                "this one again.",
                stronger=f"A later `{name} = ...` replaces the {kind} that you have defined.",
            )
    return None


async def _explain(error: Exception) -> Check:
    """Return the Check of an answer that raised outside of what its grader ran."""
    traceback = error.__traceback__
    while traceback and not is_users(traceback.tb_frame.f_code.co_filename):
        traceback = traceback.tb_next
    if traceback is None:  # the grader itself has failed
        raise error

    async def fail() -> None:
        raise error

    return await check(fail)
