"""The exercises of lesson 11: some of several fail, and the first of several is enough."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.checks.results import unfinished
from asyncteach.course.exercises import exercise

_Ask = Callable[[], Awaitable[Any]]


@exercise(
    "what worked",
    lesson=11,
    starter="""\
async def ask_all(sources):
    return {name: await ask() for name, ask in sources.items()}
""",
)
async def judge_ask_all(ask_all: Any) -> Check:
    """Write `ask_all`, which asks all at the same time and returns the answers that came."""
    verdict = await _ask(ask_all, {"news": 3, "weather": 1, "sports": 4}, {"weather": 1})
    if verdict.passed:  # the last fails at last, the first has nothing to say, and None is right
        verdict.also(
            await _ask(
                ask_all, {"a": 2, "b": 1, "c": 2, "d": 5}, {"d": 5, "b": 1}, says={"c": None}
            )
        )
    if verdict.passed:
        verdict.also(await _ask(ask_all, {"e": 1, "f": 2}, {"e": 1, "f": 2}))
    return verdict


async def _ask(
    ask_all: Any,
    seconds: dict[str, float],
    failing: dict[str, float],
    says: dict[str, Any] | None = None,
) -> Check:
    says = says or {}
    asked: list[str] = []

    def source(name: str) -> _Ask:
        async def ask() -> Any:
            asked.append(name)
            await asyncio.sleep(seconds[name])
            if name in failing:
                raise ConnectionError(f"{name} does not answer")
            return says.get(name, f"the answer of {name}")

        return ask

    raised_at: list[float] = []

    async def main() -> Any:
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            return await ask_all({name: source(name) for name in seconds})
        except (ConnectionError, ExceptionGroup):
            raised_at.append(clock() - began)

    expected = {name: says.get(name, f"the answer of {name}") for name in seconds}
    expected = {name: answer for name, answer in expected.items() if name not in failing}
    verdict = await check(main, virtual=True, name="what worked")
    value = verdict.value
    among = isinstance(value, dict) and any(isinstance(v, Exception) for v in value.values())
    return (
        verdict.that(
            not raised_at,
            "the error of one source leaves the others alone",
            hint="Which way of starting lets the others go on, and puts errors with the results?",
            stronger="Look at gather's return_exceptions, or let each task catch its own error.",
            start=min(raised_at, default=None),
            end=min(raised_at, default=None),
        )
        .that(
            not among,
            "those that failed are left out",
            hint="An error is no answer. Errors stand among the results: which are which?",
            stronger="Take over a result only if it is not an instance of Exception.",
        )
        .result(expected, **_hints(value, expected))
        .that(
            sorted(asked) == sorted(seconds),
            "every source is asked once",
            hint="Call each function of the dict once.",
            stronger="`ask()` makes a plan: make one of each, and no second one.",
        )
        .took(
            seconds=max(seconds.values()),
            hint="All are to be asked at the same time: who waits for whom?",
            stronger="Make all the tasks first, and wait for them only then.",
        )
        .nothing_left_running()
    )


def _hints(value: Any, expected: dict[str, Any]) -> dict[str, str]:
    """Return hints on who is missing in a dict, or shouldn't be there; the general ones if none."""
    if not isinstance(value, dict) or unfinished(value):
        return {}
    more = [name for name in value if name not in expected]
    less = [name for name in expected if name not in value]
    if more:
        return {
            "hint": f"{more[0]!r} has failed, and is there all the same. What tells you of a "
            "failure?",
            "stronger": "Those that fail have no place in the dict, not even with None or a text.",
        }
    if less and expected[less[0]] is None:
        return {
            "hint": f"{less[0]!r} has answered, with None, and is missing. What do you take for a "
            "failure?",
            "stronger": "Any answer is an answer, None as well: only an exception is a failure.",
        }
    if less:
        return {
            "hint": f"{less[0]!r} has answered, and its answer is missing. Who is waited for, and "
            "what becomes of the answers when another one fails?",
            "stronger": "Wait for all of them, and deal with each failure by itself.",
        }
    return {}


@exercise(
    "the fastest mirror",
    lesson=11,
    starter="""\
async def ask_fastest(mirrors): ...
""",
)
async def judge_ask_fastest(ask_fastest: Any) -> Check:
    """Write `ask_fastest`, which returns the first answer that comes and cancels the others."""
    verdict = await _race(ask_fastest, [3, 2, 5], failing=[])
    if verdict.passed:  # the fastest of all fails
        verdict.also(await _race(ask_fastest, [4, 1, 2.5, 6], failing=[1]))
    if verdict.passed:  # two fail, and one of them later than the answer
        verdict.also(await _race(ask_fastest, [3, 0.5, 2, 1], failing=[1, 2]))
    if verdict.passed:
        verdict.also(await _race(ask_fastest, [1, 2], failing=[0, 1]))
    return verdict


async def _race(ask_fastest: Any, seconds: list[float], failing: list[int]) -> Check:
    started: list[int] = []
    ended: list[int] = []
    there: list[list[int]] = []
    returned_at: list[float] = []

    def mirror(number: int) -> _Ask:
        async def ask() -> str:
            started.append(number)
            try:
                await asyncio.sleep(seconds[number])
                if number in failing:
                    raise ConnectionError(f"mirror {number} does not answer")
                return f"the file, from mirror {number}"
            finally:
                ended.append(number)

        return ask

    async def main() -> Any:
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            return await ask_fastest([mirror(number) for number in range(len(seconds))])
        except (ConnectionError, ExceptionGroup) as error:
            return error
        except Exception as error:
            if len(failing) == len(seconds):  # whichever you like
                return error
            raise
        finally:
            there.append(sorted(set(started) - set(ended)))
            returned_at.append(clock() - began)

    verdict = await check(main, virtual=True, name="the fastest mirror")
    working = [number for number in range(len(seconds)) if number not in failing]
    if not working:
        return verdict.that(
            isinstance(verdict.value, Exception),
            "an error is raised if every mirror fails",
            hint="What happens after your loop, when nobody had an answer?",
            stronger="Keep the error that you have caught, and raise it at the end.",
        ).nothing_left_running()
    best, *slower = sorted(working, key=lambda number: seconds[number])
    return (
        verdict.that(
            not isinstance(verdict.value, Exception),
            "a mirror that fails doesn't end the race",
            hint="An error is no answer: who may still have one?",
            stronger="Catch the error of each one where you await it, and wait for the next.",
            start=min(returned_at, default=None),
            end=min(returned_at, default=None),
        )
        .that(
            verdict.value not in [f"the file, from mirror {number}" for number in slower],
            "the answer is the one that comes first",
            hint="If all are asked at once, which of the good answers is there first?",
            stronger="Start a task for each mirror before you await one; then take the first that "
            "is done and has not failed.",
        )
        .result(f"the file, from mirror {best}")
        .that(
            sorted(started) == list(range(len(seconds))),
            "every mirror is asked once",
            hint="Start all of them before you wait for one.",
            stronger="Make a task of each mirror; awaiting that task twice asks it only once.",
        )
        .took(
            seconds=seconds[best],
            hint="When the answer is there nobody needs the others: whom do you still wait for?",
            stronger="`as_completed`, or `wait` with FIRST_COMPLETED, comes back at the first one.",
        )
        .that(
            there == [[]],
            "the others have ended when it returns",
            hint="Who still works for you when you have your answer?",
            stronger="`cancel()` only asks for it: await the cancelled tasks, too.",
            start=min(returned_at, default=None),
            end=min(returned_at, default=None),
        )
        .nothing_left_running()
    )
