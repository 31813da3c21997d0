"""Lesson 12, cancelling and timeouts: a connection that is always closed."""

import asyncio
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.checks.results import unfinished
from asyncteach.course.exercises import exercise


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
async def judge_connection(read_page: Any) -> Check:
    """Read quick pages, slow ones, one that fails and one that is called off."""
    verdict = await _read_quickly(read_page)
    for judge in (_read_slowly, _read_in_vain, _call_off):
        if not verdict.passed:
            break
        verdict = verdict.also(await judge(read_page))
    return verdict


async def _read_quickly(read_page: Any) -> Check:
    """Two pages that come in time; the second one so late that an alarm might ring in close()."""
    lines = {"news": _Connection("good news", 2), "sports": _Connection("we lost", 4.5)}

    async def main() -> Any:
        return [await read_page(lines.__getitem__, page) for page in lines]

    verdict = await check(main, virtual=True)
    waits = unfinished(verdict.value)
    verdict.that(
        verdict.value != [None, None],
        "what is read is returned",
        hint="both pages came in time, and None came back. Is there a return?",
        stronger="`return await connection.read()`, or keep the text and return it at the end.",
    ).result(
        ["good news", "we lost"],
        # Of a coroutine in a result the general hints know more.
        hint="" if waits else "a page that comes within 5 seconds is returned as it is.",
        stronger=""
        if waits
        else "only the reading has 5 seconds. What else stands inside your timeout?",
    )
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

    verdict = await check(main, virtual=True)
    texts = verdict.value if isinstance(verdict.value, list) else []
    (
        verdict.that(
            "a TimeoutError" not in texts,
            "a page that takes too long gives None, and no TimeoutError",
            hint="who catches the TimeoutError, and what is returned then?",
            stronger="`except TimeoutError:` belongs around the whole `async with` block.",
        )
        .that(
            verdict.recording.seconds < 20,
            "nobody reads on for longer than 5 seconds",
            hint="a page took 60 seconds, and read_page waited for all of it.",
            stronger="asyncio.timeout(5) is an alarm clock for whatever is awaited in its block.",
        )
        .result(
            [None, None],
            hint="a page that takes longer than 5 seconds gives None.",
            stronger="return None where the TimeoutError is caught.",
        )
        .that(
            not still_read,
            "the reading is stopped, and not only left alone",
            hint="read_page went away, and its read() went on.",
            stronger="a task that you don't wait for any more has to be cancelled.",
        )
    )
    return _closed(verdict, lines).took(
        seconds=12,
        hint="5 seconds to read and 1 to close: the two slow pages take 12 in all.",
        stronger="the alarm rings after 5 seconds; what is awaited besides read and close?",
    )


async def _read_in_vain(read_page: Any) -> Check:
    lines = {"attic": _Connection("", 1, ConnectionError("the line is dead"))}

    async def main() -> Any:
        try:
            return await read_page(lines.__getitem__, "attic")
        except ConnectionError:
            return "a ConnectionError"

    verdict = await check(main, virtual=True)
    verdict.that(
        verdict.value == "a ConnectionError",
        "an error of read() goes out to the caller",
        hint="read() raised a ConnectionError, and the caller never heard of it.",
        stronger="catch TimeoutError and nothing else.",
    )
    return _closed(verdict, lines)


async def _call_off(read_page: Any) -> Check:
    lines = {"novel": _Connection("once upon a time", 60)}
    ends: list[bool] = []

    async def main() -> None:
        reading = asyncio.create_task(read_page(lines.__getitem__, "novel"), name="read_page")
        await asyncio.sleep(3)
        reading.cancel()
        await asyncio.wait([reading])
        ends.append(reading.cancelled())

    verdict = await check(main, virtual=True)
    verdict.that(
        ends == [True],
        "read_page stays cancelled when somebody else cancels it",
        hint="read_page was cancelled, and ended as if nothing had been.",
        stronger="after `except TimeoutError` no other `except` is needed; a return in `finally` "
        "swallows everything.",
    )
    return _closed(verdict, lines)


def _closed(verdict: Check, lines: dict[str, _Connection]) -> Check:
    return verdict.that(
        all(line.closed for line in lines.values()),
        "every connection is closed",
        hint=_say_open(lines),
        stronger="`finally` is executed however the block above it is left; and close() has to "
        "be awaited, where no alarm rings.",
    ).that(
        all(line.closing == 1 for line in lines.values()),
        "every connection is closed only once",
        hint="some way through read_page comes past two close().",
        stronger="one close() in `finally` is enough for all the ways.",
    )


def _say_open(lines: dict[str, _Connection]) -> str:
    for page, line in lines.items():
        if line.closing and not line.closed:
            return f"the connection of the {page} page was broken off while it was closing."
        if not line.closed:
            return f"the connection of the {page} page was left open. Which way did it end?"
    return "who closes it, and when?"
