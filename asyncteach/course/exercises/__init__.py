"""The exercises of the lessons: what is asked, and who judges an answer by what it does."""

import ast
import difflib
import functools
import importlib
import inspect
import pkgutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

Judge = TypeVar("Judge", bound=Callable[..., Awaitable[Any]])


@dataclass(frozen=True)
class Exercise:
    """One exercise of a lesson."""

    name: str
    lesson: int
    starter: str
    """The source of the cell that the learner changes, as it stands in the notebook."""
    task: str
    """What to do, in one sentence."""
    judge: Callable[..., Awaitable[Any]]
    """Runs an answer, its arguments, and returns a Check."""

    @property
    def arguments(self) -> list[str]:
        """The names of what the judge wants to see of an answer."""
        return list(inspect.signature(self.judge).parameters)

    @property
    def call(self) -> str:
        """How a cell asks for the check."""
        return f'check_answer("{self.name}", {", ".join(self.arguments)})'


_registry: dict[str, Exercise] = {}


def exercise(name: str, *, lesson: int, starter: str, task: str = "") -> Callable[[Judge], Judge]:
    """Make an exercise of an async function that judges its answer, and return that function.

    The judge's arguments are the answer: functions, classes or values. It runs them with tools of
    its own and returns a `Check`. `task` says in one sentence what to do; without it the first
    line of the judge's docstring does. Raises ValueError where the name is taken or the starter is
    no Python, TypeError where the judge is no async function.
    """
    ast.parse(starter)

    def register(judge: Judge) -> Judge:
        is_async: bool = inspect.iscoroutinefunction(judge)
        if not is_async:
            raise TypeError(f"the judge of {name!r} runs answers: define it with `async def`")
        other = _registry.get(name)
        if other and other.judge.__module__ != judge.__module__:
            raise ValueError(
                f"two exercises are called {name!r}, in lessons {other.lesson} and {lesson}: "
                "progress is kept by their names, so give one of them another"
            )
        what = task or (inspect.getdoc(judge) or "Change the cell above").splitlines()[0]
        _registry[name] = Exercise(name, lesson, starter, what.rstrip(".") + ".", judge)
        return judge

    return register


def all_exercises() -> list[Exercise]:
    """Return the exercises of all lessons, in their order."""
    _load_lessons()
    return sorted(_registry.values(), key=lambda one: one.lesson)


@functools.cache
def _load_lessons() -> None:
    for info in pkgutil.iter_modules(__path__):
        if info.name.startswith("lesson_"):
            importlib.import_module(f"{__name__}.{info.name}")


def find_exercise(name: str) -> Exercise:
    """Return the exercise of that name, or raise ValueError that tells the closest one."""
    __tracebackhide__ = True
    known = {one.name: one for one in all_exercises()}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name.lower(), known, 1, 0.5)
    # One word of a name is enough.
    near = near or [other for other in known if name and name.lower() in other.lower()]
    fix = f'is it "{near[0]}"?' if near else "the call in the notebook has its name."
    raise ValueError(f"There is no exercise {name!r}: {fix}")
