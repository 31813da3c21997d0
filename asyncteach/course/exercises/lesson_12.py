"""The exercises of lesson 12: a connection that is closed, and asking until cancelled."""

import asyncio
import math
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import AtOnce, end_of, exercise, grade_in_turn


@exercise(
    "the connection",
    lesson=12,
    starter="""\
async def read_page(connect, page):
    connection = connect(page)
    text = await connection.read()
    await connection.close()
    return text
""",
    stronger="`asyncio.timeout(5)` belongs around the reading alone, `except TimeoutError` and no "
    "other `except` around that, and one `await connection.close()` in a `finally` around it all.",
)
async def grade_connection(read_page: Any) -> Check:
    """Change `read_page` so that it gives up after 5 seconds and always closes the connection."""
    broken = ConnectionError("the line is dead")
    return await grade_in_turn(
        _read(read_page, _Connection("good news", 2), "returned 'good news'"),
        # It comes so late that a timeout might end in close().
        _read(
            read_page, _Connection("we lost", 4.5), "returned 'we lost'",
            "Only the reading has 5 seconds. What else stands inside your timeout?",
        ),
        _read(
            read_page, _Connection("rain", 60), "returned None",
            "What ends the reading after 5 seconds, and what is returned then?",
        ),
        _read(read_page, _Connection("mate", 5.5), "returned None"),
        _read(
            read_page, _Connection("", 1, broken), "raised ConnectionError",
            "read() raised that error, and no TimeoutError.",
        ),
        _read(
            read_page, _Connection("once upon a time", 60), "was cancelled",
            "What takes the cancellation for something else?", cancel_after=3,
        ),
    )  # fmt: skip


class _Connection:
    """A connection that notes what is done with it."""

    def __init__(self, text: str, seconds: float, error: Exception | None = None) -> None:
        self.text = text
        self.seconds = seconds
        self.error = error
        self.reading = AtOnce()
        self.closing = 0
        self.closed = 0

    async def read(self) -> str:
        with self.reading:
            await asyncio.sleep(self.seconds)
        if self.error:
            raise self.error
        return self.text

    async def close(self) -> None:
        self.closing += 1
        await asyncio.sleep(1)
        self.closed += 1


async def _read(
    read_page: Any,
    connection: _Connection,
    expected: str,
    hint: str = "",
    cancel_after: float = math.inf,
) -> Check:
    still_read = 0

    async def main() -> str:
        nonlocal still_read
        call = read_page({"the page": connection}.__getitem__, "the page")
        end = await end_of(
            call, TimeoutError, ConnectionError, cancel_after=cancel_after, name="read_page"
        )
        still_read = connection.reading.now
        return end

    verdict = await check(main, virtual=True, name="read_page")
    when = (
        f"when the page {'fails' if connection.error else 'comes'} after {connection.seconds:g} s"
    )
    if cancel_after < math.inf:
        when = "when it is cancelled"
    (
        verdict.that(
            verdict.value == expected,
            f"read_page {expected} {when}",
            hint=f"It {verdict.value}. {hint}",
        )
        .that(
            not still_read,
            "the reading is stopped, and not only left alone",
            hint=f"Its read() went on after read_page had ended {when}.",
        )
        .that(
            connection.closing == connection.closed == 1,
            "every connection is closed once",
            hint=f"Calls of close() {when}: {connection.closing}; closed: {connection.closed}.",
        )
    )
    return verdict.took(seconds=6) if expected == "returned None" else verdict


@exercise(
    "ask again",
    lesson=12,
    starter="""\
async def ask_until_answered(ask):
    while True:
        try:
            return await ask()
        except BaseException:
            await asyncio.sleep(1)
""",
    stronger="`except Exception` catches every error of ask(), and no CancelledError. Await "
    "`ask()` itself: what is shielded or a task of its own isn't cancelled with you.",
)
async def grade_asking(ask_until_answered: Any) -> Check:
    """Change `ask_until_answered` so that it can be cancelled at any moment."""
    return await grade_in_turn(
        _let_it_ask(ask_until_answered),
        _cancel_it(ask_until_answered, 1),  # in the middle of an ask()
        _cancel_it(ask_until_answered, 2.5),  # in the middle of a pause
    )


async def _let_it_ask(ask_until_answered: Any) -> Check:
    errors = [ValueError("what?"), ConnectionError("no line"), TimeoutError("too late"), KeyError()]
    kinds = [type(error) for error in errors]
    asked = 0

    async def ask() -> str:
        nonlocal asked
        asked += 1
        await asyncio.sleep(2)
        if errors:
            raise errors.pop(0)
        return "forty-two"

    async def main() -> str:
        call = ask_until_answered(ask)
        return await end_of(call, *kinds, cancel_after=100, name="ask_until_answered")

    verdict = await check(main, virtual=True, name="ask_until_answered")
    return (
        verdict.that(
            verdict.value == "returned 'forty-two'",
            "it asks again after any error of ask(), until there is an answer",
            hint=f"It {verdict.value} after {verdict.recording.seconds:g} s; calls of ask(): "
            f"{asked}. Which errors does your `except` catch, and what ends your loop?",
        )
        .took(
            seconds=14,
            hint="Five times asking and four pauses of a second take 14 seconds.",
        )
        .never_blocked()
        .nothing_left_running()
    )


async def _cancel_it(ask_until_answered: Any, seconds: float) -> Check:
    asking = AtOnce()
    asked = still_asked = 0

    async def ask() -> str:
        nonlocal asked
        asked += 1
        with asking:
            await asyncio.sleep(2)
        if asked > 5:
            return "enough"  # this ends what can't be cancelled
        raise ValueError("no answer")

    async def main() -> str:
        nonlocal still_asked
        call = ask_until_answered(ask)
        end = await end_of(call, cancel_after=seconds, name="ask_until_answered")
        still_asked = asking.now
        return end

    verdict = await check(main, virtual=True, name="ask_until_answered")
    lasted = verdict.recording.seconds - seconds
    return verdict.that(
        verdict.value == "was cancelled" and lasted < 0.5,
        "it ends at once, and as cancelled, when it is cancelled",
        hint=f"{lasted:g} s after cancel() it {verdict.value}. Which `except` catches a "
        "CancelledError?",
    ).that(
        not still_asked,
        "the ask() that was under way is stopped, too",
        hint="It stopped, and its ask() went on although nothing waits for the answer.",
    )
