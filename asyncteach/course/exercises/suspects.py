"""Exercises whose answer is a test: it must let good code pass, and stop the bad."""

from collections.abc import Sequence
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.checks.error_hints import find_line
from asyncteach.formatting import at


async def pass_good(test: Any, good_ones: Sequence[Any]) -> Check:
    """Judge if the test passes for all of them; what it raises is told."""

    red: list[str] = []

    async def main() -> None:
        for good in good_ones:
            try:
                await test(good)
            except AssertionError as error:
                red.append(at(find_line(error)))
                return

    # Whatever else it raises has failed already by now.
    return (await check(main)).that(
        not red,
        "it passes for good ones",
        hint=f"a good one raised an AssertionError{''.join(red)}. Is it what the task asks for "
        "that is compared there?",
        stronger="Does that line ask for more than the task does, such as an order of the calls? "
        "Or does it compare with what your fake doesn't give?",
    )


async def stop_bad(test: Any, bad: Any, who: str, hint: str, stronger: str) -> Check:
    """Judge if the test fails for a bad one, by whatever exception."""

    async def main() -> bool:
        try:
            await test(bad)
        except Exception:
            return True
        return False

    verdict = await check(main)
    # Of a test that hangs for a bad one it can't be said that it lets it through.
    return verdict.that(verdict.value is True, f"it stops {who}", hint=hint, stronger=stronger)
