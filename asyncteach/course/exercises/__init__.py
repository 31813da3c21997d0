"""The exercises of the lessons: what is asked, and how an answer is graded by what it does."""

import ast
import difflib
import functools
import importlib
import inspect
import pkgutil
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from asyncteach.checks.check import Check, check
from asyncteach.formatting import article

Grader = TypeVar("Grader", bound=Callable[..., Awaitable[Any]])


@dataclass(frozen=True)
class Exercise:
    """One exercise of a lesson."""

    name: str
    lesson: int
    starter: str
    """The source of the cell that the learner changes, as it stands in the notebook."""
    task: str
    """What to do, in one sentence."""
    grader: Callable[..., Awaitable[Any]]
    """Runs an answer, its arguments, and returns a Check."""
    value: Any = None
    """What the starter makes, if the answer is neither a function nor a class."""

    @property
    def arguments(self) -> list[str]:
        """The names of what the grader needs of an answer."""
        return list(inspect.signature(self.grader).parameters)

    @property
    def call(self) -> str:
        """How a cell asks for the check."""
        return f'check_answer("{self.name}", {", ".join(self.arguments)})'


_registry: dict[str, Exercise] = {}


def exercise(
    name: str, *, lesson: int, starter: str, task: str = "", value: Any = None
) -> Callable[[Grader], Grader]:
    """Make an exercise of an async function that grades its answer, and return that function.

    The grader's arguments are the answer: functions, classes or values. It runs them with tools of
    its own and returns a `Check`. `task` says in one sentence what to do; without it the first
    line of the grader's docstring does. Raises ValueError where the name is taken, SyntaxError
    where the starter isn't Python, TypeError where the grader is no async function.
    """
    ast.parse(starter)

    def register(grader: Grader) -> Grader:
        is_async: bool = inspect.iscoroutinefunction(grader)
        if not is_async:
            raise TypeError(f"the grader of {name!r} runs answers: define it with `async def`")
        other = _registry.get(name)
        if other and other.grader.__module__ != grader.__module__:
            raise ValueError(
                f"two exercises are called {name!r}, in lessons {other.lesson} and {lesson}: "
                "progress is kept by their names, so give one of them another"
            )
        what = task or (inspect.getdoc(grader) or "Change the cell above").splitlines()[0]
        _registry[name] = Exercise(name, lesson, starter, what.rstrip(".") + ".", grader, value)
        return grader

    return register


def all_exercises() -> list[Exercise]:
    """Return the exercises of all lessons, in their order."""
    _load_lessons()
    return sorted(_registry.values(), key=lambda one: one.lesson)


@functools.cache
def _load_lessons() -> None:
    for info in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{info.name}")


def find_exercise(name: str) -> Exercise:
    """Return the exercise of that name, or raise ValueError with the closest one."""
    __tracebackhide__ = True
    known = {one.name: one for one in all_exercises()}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name.lower(), known, 1, 0.5)
    # One word of a name is enough.
    near = near or [other for other in known if name and name.lower() in other.lower()]
    fix = f'is it "{near[0]}"?' if near else "the call in the notebook has its name."
    raise ValueError(f"There is no exercise {name!r}: {fix}")


# What several graders do


async def grade_in_turn(*runs: Coroutine[Any, Any, Check]) -> Check:
    """Await one run of the answer after another until one fails, and join what they found."""
    verdict = await runs[0]
    for run in runs[1:]:
        if verdict.passed:
            verdict.also(await run)
        else:
            run.close()
    return verdict


async def failed(name: str, condition: str, *, hint: str, stronger: str) -> Check:
    """Return a Check that has failed without running anything."""

    async def do_nothing() -> None:
        pass

    verdict = await check(do_nothing, virtual=True, name=name)
    return verdict.that(False, condition, hint=hint, stronger=stronger)


def as_list(value: Any) -> Any:
    """Return a list for a tuple: where a list is asked for a tuple is as good."""
    return list(value) if isinstance(value, tuple) else value


def describe_kind(one: Any) -> str:
    """Return `None`, `3` or `a list`: what stands where something else is wanted."""
    if one is None or isinstance(one, bool | int | float):
        return repr(one)
    return article(type(one).__name__)
