"""The exercises of lesson 12: a connection that is closed, and asking until cancelled."""

import asyncio
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import exercise, grade_in_turn


class _Connection:
    """A connection that notes what is done with it."""

    def __init__(self, text: str, seconds: float, error: Exception | None = None) -> None:
        self.text = text
        self.seconds = seconds
        self.error = error
        self.reading = 0
        self.closing = 0
        self.closed = 0

    async def read(self) -> str:
        self.reading += 1
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.reading -= 1
        if self.error:
            raise self.error
        return self.text

    async def close(self) -> None:
        self.closing += 1
        await asyncio.sleep(1)
        self.closed += 1


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
    task="Change `read_page` so that it gives up after 5 seconds and always closes the connection",
)
async def grade_connection(read_page: Any) -> Check:
    """Read quick pages, slow ones, one that fails and one that is cancelled."""
    return await grade_in_turn(
        _read_quickly(read_page),
        _read_slowly(read_page),
        _read_in_vain(read_page),
        _cancel_reading(read_page),
    )


async def _read_quickly(read_page: Any) -> Check:
    """Two pages that come in time; the second so late that a timeout might end in close()."""
    lines = {"news": _Connection("good news", 2), "sports": _Connection("we lost", 4.5)}

    async def main() -> Any:
        return [await read_page(lines.__getitem__, page) for page in lines]

    verdict = await check(main, virtual=True, name="read_page")
    verdict.that(
        verdict.value != ["good news", None],
        "a page that comes within 5 seconds is returned",
        hint="a page came after 4.5 seconds, and None was returned.",
        stronger="only the reading has 5 seconds. What else stands inside your timeout?",
    ).result(["good news", "we lost"])
    return _closed(verdict, lines)


async def _read_slowly(read_page: Any) -> Check:
    lines = {"weather": _Connection("rain", 60), "chess": _Connection("mate", 5.5)}
    still_read: list[str] = []

    async def main() -> Any:
        texts = []
        for page in lines:
            try:
                texts.append(await read_page(lines.__getitem__, page))
            except TimeoutError:
                texts.append("a TimeoutError")
            still_read.extend(name for name in lines if lines[name].reading)
        return texts

    verdict = await check(main, virtual=True, name="read_page")
    texts = verdict.value if isinstance(verdict.value, list) else []
    (
        verdict.that(
            "a TimeoutError" not in texts,
            "a page that takes too long gives None, and no TimeoutError",
            hint="what catches the TimeoutError, and what is returned then?",
            stronger="`except TimeoutError:` belongs around the whole `async with` block.",
        )
        .that(
            verdict.recording.seconds < 20,
            "no page is read for longer than 5 seconds",
            hint="a page took 60 seconds, and read_page waited for all of it.",
            stronger="asyncio.timeout(5) ends whatever is awaited in its block after 5 seconds.",
        )
        .result(
            [None, None],
            hint="a page that takes longer than 5 seconds gives None.",
            stronger="return None where the TimeoutError is caught.",
        )
        .that(
            not still_read,
            "the reading is stopped, and not only left alone",
            hint="read_page returned, and its read() went on.",
            stronger="a task that you don't wait for any more has to be cancelled.",
        )
    )
    return _closed(verdict, lines).took(seconds=12)


async def _read_in_vain(read_page: Any) -> Check:
    lines = {"attic": _Connection("", 1, ConnectionError("the line is dead"))}

    async def main() -> Any:
        try:
            return await read_page(lines.__getitem__, "attic")
        except ConnectionError:
            return "a ConnectionError"

    verdict = await check(main, virtual=True, name="read_page")
    verdict.that(
        verdict.value == "a ConnectionError",
        "an error of read() reaches the caller",
        hint="read() raised a ConnectionError, and read_page didn't.",
        stronger="catch TimeoutError and nothing else.",
    )
    return _closed(verdict, lines)


async def _cancel_reading(read_page: Any) -> Check:
    lines = {"novel": _Connection("once upon a time", 60)}

    async def main() -> bool:
        reading = asyncio.create_task(read_page(lines.__getitem__, "novel"), name="read_page")
        await asyncio.sleep(3)
        reading.cancel()
        await asyncio.wait([reading])
        return reading.cancelled()

    verdict = await check(main, virtual=True, name="read_page")
    verdict.that(
        verdict.value is True,
        "read_page ends as cancelled when it is cancelled",
        hint="read_page was cancelled, and ended as if nothing had happened.",
        stronger="after `except TimeoutError` no other `except` is needed; a return in `finally` "
        "swallows everything.",
    )
    return _closed(verdict, lines)


def _closed(verdict: Check, lines: dict[str, _Connection]) -> Check:
    hint = ""
    for page, line in lines.items():
        if not line.closed:
            hint = f"the connection of the {page} page was " + (
                "cut off while it was closing."
                if line.closing
                else "left open. Which way did read_page end?"
            )
    return verdict.that(
        not hint,
        "every connection is closed",
        hint=hint,
        stronger="`finally` is executed however the block above it is left; and close() has to "
        "be awaited, outside of the timeout.",
    ).that(
        all(line.closing == 1 for line in lines.values()),
        "every connection is closed only once",
        hint="some way through read_page comes past two close().",
        stronger="one close() in `finally` is enough for all the ways.",
    )


_PATIENCE = 100
"""Virtual seconds; an answer comes after 14."""


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
    task="Change `ask_until_answered` so that it can be cancelled at any moment",
)
async def grade_asking(ask_until_answered: Any) -> Check:
    """Let it be answered after some errors, then cancel it while it asks and while it pauses."""
    return await grade_in_turn(
        _let_it_ask(ask_until_answered),
        _cancel_it(ask_until_answered, 1),  # in the middle of an ask()
        _cancel_it(ask_until_answered, 2.5),  # in the middle of a pause
    )


async def _let_it_ask(ask_until_answered: Any) -> Check:
    errors = [ValueError("what?"), ConnectionError("no line"), TimeoutError("too late"), KeyError()]
    left = list(errors)
    gave_up: list[str] = []
    asked = 0

    async def ask() -> str:
        nonlocal asked
        asked += 1
        await asyncio.sleep(2)
        if left:
            raise left.pop(0)
        return "forty-two"

    async def main() -> Any:
        limit = asyncio.timeout(_PATIENCE)
        try:
            async with limit:
                return await ask_until_answered(ask)
        except Exception as error:
            if limit.expired() and error not in errors:
                return "never"
            if error not in errors:
                raise
            gave_up.append(type(error).__name__)

    verdict = await check(main, virtual=True, name="ask_until_answered")
    calls = f"ask() was called {'once' if asked == 1 else f'{asked} times'}"
    return (
        verdict.that(
            not gave_up,
            "it asks again after any error of ask()",
            hint=f"it gave up at a {''.join(gave_up)}.",
            stronger="`except Exception` catches every error of ask(), and no cancellation.",
        )
        .that(
            verdict.value != "never",
            "it comes back when ask() has an answer",
            hint=f"in {_PATIENCE} seconds {calls}, and it never came back.",
            stronger="your `except` catches mistakes in your own lines, too: what happens in the "
            "line of `try` if you let it through?",
        )
        .that(
            verdict.value is not None or asked > len(errors),
            "it asks until there is an answer",
            hint=f"{calls}, and there was an error each time.",
            stronger="how often it takes isn't known: what ends your loop, beside an answer?",
        )
        .result("forty-two")
        .took(
            seconds=14,
            hint="five times asking and four pauses of a second take 14 seconds.",
            stronger="after each error there is one `await asyncio.sleep(1)`, and then ask().",
        )
        .never_blocked()
        .nothing_left_running()
    )


async def _cancel_it(ask_until_answered: Any, seconds: float) -> Check:
    ends: list[tuple[bool, bool, float]] = []
    is_over = False
    under_way = 0
    went_on = False

    async def ask() -> str:
        nonlocal under_way
        if is_over:
            return "enough"  # so that it doesn't go on asking after the check
        under_way += 1
        try:
            await asyncio.sleep(2)
        finally:
            under_way -= 1
        raise ValueError("no answer")

    async def main() -> None:
        nonlocal is_over, went_on
        loop = asyncio.get_running_loop()
        asking = asyncio.create_task(ask_until_answered(ask), name="ask_until_answered")
        await asyncio.sleep(seconds)
        asking.cancel()
        cancelled = loop.time()
        await asyncio.wait([asking], timeout=30)
        ends.append((asking.done(), asking.cancelled(), loop.time() - cancelled))
        went_on = bool(under_way)
        is_over = True
        await asyncio.wait([asking], timeout=30)

    verdict = await check(main, virtual=True, name="ask_until_answered")
    done, cancelled, lasted = (ends or [(False, False, 0.0)])[0]
    return (
        verdict.that(
            done,
            "it stops when it is cancelled",
            hint="30 seconds after cancel() it was still asking.",
            stronger="a CancelledError arrives at an await inside of `try`: which `except` "
            "catches it?",
        )
        .that(
            cancelled and lasted < 0.5,
            "it stops at once, and as cancelled",
            hint=f"it ended as cancelled, but {lasted:g} s after cancel()."
            if cancelled
            else "it was cancelled, and ended as if it had not been.",
            stronger="an `except` that catches a CancelledError has to `raise` it again, and at "
            "once.",
        )
        .that(
            not went_on,
            "the ask() that was under way is stopped, too",
            hint="it stopped, and its ask() went on although nothing waits for the answer.",
            stronger="a cancellation reaches what is awaited directly, as in `await ask()`; what "
            "is shielded or a task of its own has to be cancelled by you.",
        )
    )
