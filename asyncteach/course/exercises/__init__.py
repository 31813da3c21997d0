"""The exercises of the lessons: what is asked, and how an answer is graded by what it does."""

import asyncio
import difflib
import functools
import importlib
import inspect
import math
import pkgutil
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from asyncteach.checks.check import Check, check
from asyncteach.checks.results import show
from asyncteach.course.server.behaviour import Request, Server

Grader = TypeVar("Grader", bound=Callable[..., Awaitable[Any]])


@dataclass(frozen=True)
class Exercise:
    """One exercise of a lesson."""

    name: str
    lesson: int
    starter: str
    """The source of the cell that the user changes, as it is in the notebook."""
    task: str
    """What to do, in one sentence."""
    stronger: str
    """A hint for the second try: what a right answer does."""
    grader: Callable[..., Awaitable[Any]]
    """Runs an answer, its argument, and returns a Check."""
    value: Any = None
    """What the starter cell makes, if the answer is neither a function nor a class."""

    @property
    def argument(self) -> str:
        """The name of the answer."""
        return next(iter(inspect.signature(self.grader).parameters))

    @property
    def call(self) -> str:
        """How a cell asks for the check."""
        return f'check_answer("{self.name}", {self.argument})'


_registry: dict[str, Exercise] = {}


def exercise(
    name: str, *, lesson: int, starter: str, stronger: str, value: Any = None
) -> Callable[[Grader], Grader]:
    """Turn an async function that grades an answer into an exercise, and return that function.

    The first line of the grader's docstring is the task. Its argument is the answer: a function, a
    class or a value. It runs that with tools of its own and returns a `Check`. From the second
    failed try on, `stronger` is shown below the hint of the condition that failed.
    """

    def register(grader: Grader) -> Grader:
        task = (grader.__doc__ or "").splitlines()[0]
        _registry[name] = Exercise(name, lesson, starter, task, stronger, grader, value)
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
    """Return the exercise of that name, or raise ValueError with the closest name."""
    __tracebackhide__ = True
    known = {one.name: one for one in all_exercises()}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name.lower(), known, 1, 0.5)
    # One word of a name is enough.
    near = near or [other for other in known if name and name.lower() in other.lower()]
    fix = f'is it "{near[0]}"?' if near else "copy it from the call in the notebook."
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


async def failed(name: str, condition: str, *, hint: str) -> Check:
    """Return a Check that has failed without running anything."""
    return (await check(asyncio.sleep(0), virtual=True, name=name)).that(
        False, condition, hint=hint
    )


async def end_of(
    call: Awaitable[Any], *errors: type[Exception], cancel_after: float = math.inf, name: str
) -> str:
    """Run a call as a task, cancel it after `cancel_after` seconds, and return how it ended.

    `returned 'rain'`, `was cancelled`, `still went on`, or for one of these errors, also
    in a group, `raised ValueError`. Other errors are raised.
    """

    async def run() -> Any:
        return await call

    task = asyncio.create_task(run(), name=name)
    await asyncio.wait([task], timeout=None if cancel_after == math.inf else cancel_after)
    if not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=30)
    if not task.done():
        return "still went on"
    if task.cancelled():
        return "was cancelled"
    end = ""
    try:
        end = f"returned {show(task.result())}"
    except* errors as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        end = f"raised {type(error).__name__}"
    return end


class AtOnce:
    """Counts how many blocks `with at_once:` are under way at the same time."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0

    def __enter__(self) -> None:
        self.now += 1
        self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        self.now -= 1


def find_retries(server: Server) -> Iterator[tuple[Request, float]]:
    """Yield each request that failed, with the seconds until its page was asked for again."""
    failed: dict[str, Request] = {}
    for request in server.log:
        if before := failed.pop(request.path, None):
            yield before, request.start - before.end
        if request.status != 200:
            failed[request.path] = request


def as_list(value: Any) -> Any:
    """Return a list for a tuple: if a list is asked for, a tuple is as good."""
    return list(value) if isinstance(value, tuple) else value
