"""The exercises of lesson 11: some of several fail, and the first of several is enough."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.checks.results import unfinished
from asyncteach.course.exercises import exercise, grade_in_turn

_Ask = Callable[[], Awaitable[Any]]


@exercise(
    "what worked",
    lesson=11,
    starter="""\
async def ask_all(sources):
    return {name: await ask() for name, ask in sources.items()}
""",
)
async def grade_ask_all(ask_all: Any) -> Check:
    """Write `ask_all`, which asks all at the same time and returns the answers that came."""
    return await grade_in_turn(
        _ask(ask_all, {"news": 3, "weather": 1, "sports": 4}, failing=["weather"]),
        # The last fails at last, and None is an answer.
        _ask(ask_all, {"a": 2, "b": 1, "c": 2, "d": 5}, failing=["d", "b"], silent="c"),
        _ask(ask_all, {"e": 1, "f": 2}, failing=["e", "f"]),
    )


async def _ask(
    ask_all: Any, seconds: dict[str, float], *, failing: list[str], silent: str = ""
) -> Check:
    answers = {name: None if name == silent else f"the answer of {name}" for name in seconds}
    raised_at: float | None = None

    def source(name: str) -> _Ask:
        async def ask() -> Any:
            await asyncio.sleep(seconds[name])
            if name in failing:
                raise ConnectionError(f"{name} does not answer")
            return answers[name]

        return ask

    async def main() -> Any:
        nonlocal raised_at
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            return await ask_all({name: source(name) for name in seconds})
        except (ConnectionError, ExceptionGroup):
            raised_at = clock() - began

    verdict = await check(main, virtual=True, name="ask_all")
    value = verdict.value
    # Of answers that aren't there yet the general hints know more.
    is_done = isinstance(value, dict) and not unfinished(value)
    more = [name for name in failing if is_done and name in value]
    less = [name for name in seconds if is_done and name not in {**value, **dict.fromkeys(failing)}]
    nothing = ", with None" if less and answers[less[0]] is None else ""
    return (
        verdict.that(
            raised_at is None,
            "the error of one source leaves the others alone",
            hint="Which way of starting lets the others go on, and puts errors with the results?",
            stronger="Look at gather's return_exceptions, or let each task catch its own error.",
            start=raised_at,
            end=raised_at,
        )
        .that(
            not more,
            "those that failed are left out",
            hint=f"{more[0]!r} failed and is there. How can you tell a failure?" if more else "",
            stronger="Take over a result only if it is not an instance of Exception. A failure has "
            "no place in the dict, not even with None or a text.",
        )
        .that(
            not less,
            "every answer that came is there",
            hint=f"{less[0]!r} has answered{nothing}, and is missing." if less else "",
            stronger="Wait for all of them, and deal with each failure by itself: only an "
            "exception is a failure, and None is an answer.",
        )
        .result({name: answer for name, answer in answers.items() if name not in failing})
        .took(seconds=max(seconds.values()))
        .nothing_left_running()
    )


@exercise(
    "the fastest mirror",
    lesson=11,
    starter="""\
async def ask_fastest(mirrors): ...
""",
)
async def grade_ask_fastest(ask_fastest: Any) -> Check:
    """Write `ask_fastest`, which returns the first answer that comes and cancels the others."""
    return await grade_in_turn(
        _race(ask_fastest, [3, 2, 5], failing=[]),
        _race(ask_fastest, [4, 1, 2.5, 6], failing=[1]),  # the fastest of all fails
        # Two fail, and one of them later than the answer.
        _race(ask_fastest, [3, 0.5, 2, 1], failing=[1, 2]),
        _race(ask_fastest, [1, 2], failing=[0, 1]),
    )


class _Mirrors:
    """Mirrors that take so many seconds, some of which fail, and what is done with them."""

    def __init__(self, seconds: list[float], failing: list[int]) -> None:
        self.seconds = seconds
        self.failing = failing
        self.started: list[int] = []
        self.still_at_work: list[int] = []
        """Those that hadn't ended when ask_fastest was over."""
        self.over_at: float | None = None
        self._ended: list[int] = []

    def mirror(self, number: int) -> _Ask:
        async def ask() -> str:
            self.started.append(number)
            try:
                await asyncio.sleep(self.seconds[number])
                if number in self.failing:
                    raise ConnectionError(f"mirror {number} does not answer")
                return f"the file, from mirror {number}"
            finally:
                self._ended.append(number)

        return ask

    async def run(self, ask_fastest: Any) -> Any:
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            return await ask_fastest([self.mirror(number) for number in range(len(self.seconds))])
        except (ConnectionError, ExceptionGroup) as error:
            return error
        except Exception as error:
            if len(self.failing) == len(self.seconds):  # any error is as good
                return error
            raise
        finally:
            self.still_at_work = sorted(set(self.started) - set(self._ended))
            self.over_at = clock() - began


async def _race(ask_fastest: Any, seconds: list[float], *, failing: list[int]) -> Check:
    mirrors = _Mirrors(seconds, failing)
    verdict = await check(lambda: mirrors.run(ask_fastest), virtual=True, name="the fastest mirror")
    is_error = isinstance(verdict.value, Exception)
    working = [number for number in range(len(seconds)) if number not in failing]
    if not working:
        return verdict.that(
            is_error,
            "an error is raised if every mirror fails",
            hint="What happens after your loop, when no mirror had an answer?",
            stronger="Keep the error that you have caught, and raise it at the end.",
        ).nothing_left_running()
    best, *slower = sorted(working, key=lambda number: seconds[number])
    return (
        verdict.that(
            not is_error,
            "a mirror that fails doesn't end the race",
            hint="An error is no answer: which mirrors may still have one?",
            stronger="Catch the error of each one where you await it, and wait for the next.",
            start=mirrors.over_at,
            end=mirrors.over_at,
        )
        .that(
            verdict.value not in [f"the file, from mirror {number}" for number in slower],
            "the answer is the one that comes first",
            hint="If all are asked at once, which of the good answers is there first?",
            stronger="Start a task for each mirror before you await one; then take the first that "
            "is done and has not failed.",
        )
        .result(f"the file, from mirror {best}")
        .took(seconds=seconds[best])
        .that(
            not mirrors.still_at_work,
            "the others have ended when it returns",
            hint=f"mirrors {mirrors.still_at_work} were still at work when it returned.",
            stronger="`cancel()` only asks for it: await the cancelled tasks, too.",
            start=mirrors.over_at,
            end=mirrors.over_at,
        )
        .nothing_left_running()
    )
