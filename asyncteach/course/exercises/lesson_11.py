"""The exercises of lesson 11: some of several fail, and the first of several is enough."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.checks.results import unfinished
from asyncteach.course.exercises import AtOnce, exercise, grade_in_turn

_Ask = Callable[[], Awaitable[Any]]


@exercise(
    "what worked",
    lesson=11,
    starter="""\
async def ask_all(sources):
    return {name: await ask() for name, ask in sources.items()}
""",
    stronger="`gather(..., return_exceptions=True)` lets the others go on and puts the errors with "
    "the results; leave out what is an instance of Exception, and nothing else.",
)
async def grade_ask_all(ask_all: Any) -> Check:
    """Write `ask_all`, which asks all at the same time and returns the answers that came."""
    return await grade_in_turn(
        _ask(ask_all, {"news": 3, "weather": 1, "sports": 4}, failing=["weather"]),
        _ask(ask_all, {"a": 2, "b": 1, "c": 2, "d": 5}, failing=["d", "b"]),
        _ask(ask_all, {"e": 1, "f": 2}, failing=["e", "f"]),
    )


async def _ask(ask_all: Any, seconds: dict[str, float], *, failing: list[str]) -> Check:
    # None is an answer.
    answers = {name: None if name == "c" else f"the answer of {name}" for name in seconds}
    raised: list[Exception] = []

    def source(name: str) -> _Ask:
        async def ask() -> Any:
            await asyncio.sleep(seconds[name])
            if name in failing:
                raise ConnectionError(f"{name} does not answer")
            return answers[name]

        return ask

    async def main() -> Any:
        try:
            return await ask_all({name: source(name) for name in seconds})
        except (ConnectionError, ExceptionGroup) as error:
            raised.append(error)

    verdict = await check(main, virtual=True, name="ask_all")
    good = {name: answer for name, answer in answers.items() if name not in failing}
    # For answers that aren't there yet, result() has a better hint.
    is_done = isinstance(verdict.value, dict) and not unfinished(verdict.value)
    found = verdict.value if is_done else good
    more = [name for name in failing if name in found]
    less = [f"{name}, which answered {good[name]!r}" for name in good if name not in found]
    return (
        verdict.that(
            not raised,
            "the error of one source leaves the others alone",
            hint="Which way of starting lets the others go on, and puts errors with the results?",
        )
        .that(
            not more,
            "those that failed are left out",
            hint=f"In it, and failed: {', '.join(more)}. How can you tell a failure?",
        )
        .that(not less, "every answer that came is there", hint=f"Missing: {', '.join(less)}.")
        .result(good)
        .took(seconds=max(seconds.values()))
        .nothing_left_running()
    )


@exercise(
    "the fastest mirror",
    lesson=11,
    starter="""\
async def ask_fastest(mirrors): ...
""",
    stronger="Start a task for each mirror, await them as they are done, and catch each one's "
    "error there; at the end cancel the others and await them too, or raise the last error.",
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


async def _race(ask_fastest: Any, seconds: list[float], *, failing: list[int]) -> Check:
    working = [number for number in range(len(seconds)) if number not in failing]
    asked = AtOnce()
    still_asked = 0

    def mirror(number: int) -> _Ask:
        async def ask() -> str:
            with asked:
                await asyncio.sleep(seconds[number])
                if number in failing:
                    raise ConnectionError(f"mirror {number} does not answer")
                return f"the file, from mirror {number}"

        return ask

    async def main() -> Any:
        nonlocal still_asked
        try:
            return await ask_fastest([mirror(number) for number in range(len(seconds))])
        except Exception as error:
            if working and not isinstance(error, ConnectionError | ExceptionGroup):
                raise
            return error
        finally:
            still_asked = asked.now

    verdict = await check(main, virtual=True, name="the fastest mirror")
    is_error = isinstance(verdict.value, Exception)
    if not working:
        return verdict.that(
            is_error,
            "an error is raised if every mirror fails",
            hint="What happens after your loop, when no mirror had an answer?",
        ).nothing_left_running()
    best, *slower = sorted(working, key=lambda number: seconds[number])
    return (
        verdict.that(
            not is_error,
            "a mirror that fails doesn't end the race",
            hint="An error is no answer: which mirrors may still have one?",
        )
        .that(
            verdict.value not in [f"the file, from mirror {number}" for number in slower],
            "the answer is the one that comes first",
            hint="If all are asked at once, which of the good answers is there first?",
        )
        .result(f"the file, from mirror {best}")
        .took(seconds=seconds[best])
        .that(
            not still_asked,
            "the others have ended when it returns",
            hint=f"Still at work when it returned: {still_asked}. `cancel()` only asks for it.",
        )
        .nothing_left_running()
    )
