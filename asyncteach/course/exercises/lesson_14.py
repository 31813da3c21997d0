"""The exercises of lesson 14: pages as one stream, and a stream that is closed on time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from inspect import isasyncgen, isawaitable
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import exercise, grade_in_turn

_Page = tuple[list[str], int | None]

_MOST = 50
"""Pages after which a stream counts as endless."""


class _EnoughError(Exception):
    """Pages are fetched without an end."""


@exercise(
    "a stream of items",
    lesson=14,
    starter="""\
async def read_items(fetch):
    page = await fetch(1)
    for item in page[0]:
        yield item
""",
)
async def grade_read_items(read_items: Any) -> Check:
    """Write the generator `read_items`, which yields the items of all pages, one by one."""
    shop: dict[int, _Page] = {
        1: (["bread", "butter"], 2),
        2: (["cheese"], 3),
        3: (["dates", "eggs", "figs"], None),
    }
    return await grade_in_turn(
        _read(read_items, shop),
        # An empty page in the middle, and numbers that aren't counted.
        _read(read_items, {1: (["a"], 7), 7: ([], 3), 3: (["b", "c"], None)}),
        _read(read_items, {1: ([], None)}),
    )


async def _read(read_items: Any, pages: dict[int, _Page]) -> Check:
    log: list[str] = []
    wrong: list[str] = []

    async def fetch(page: int) -> _Page:
        log.append(f"page {page}")
        if len(log) > _MOST:
            raise _EnoughError
        await asyncio.sleep(1)
        if page not in pages:
            wrong.append("no such page")
            return [], None
        items, following = pages[page]
        return list(items), following

    async def main() -> Any:
        stream = read_items(fetch)
        if not hasattr(stream, "__aiter__"):
            wrong.append("no stream")
            return await stream if isawaitable(stream) else stream
        found: list[Any] = []
        try:
            async for item in stream:
                log.append(item)
                found.append(item)
                if len(found) > 20:
                    break
                await asyncio.sleep(0.25)  # an answer that fetches ahead has the time for it
        except _EnoughError:
            pass
        finally:
            if isasyncgen(stream):
                await stream.aclose()
        return found

    verdict = await check(main, virtual=True, name="read_items")
    everything = [item for items, _ in pages.values() for item in items]
    expected = [one for page, (items, _) in pages.items() for one in (f"page {page}", *items)]
    return (
        verdict.that(
            "no stream" not in wrong,
            "read_items gives something that `async for` can go through",
            hint="What makes a generator of an `async def`?",
            stronger="Yield each item instead of collecting them in a list.",
        )
        .that(
            "no such page" not in wrong,
            "it fetches no page that there isn't",
            hint="The number of the next page comes with the page itself.",
            stronger="And after the last page that number is None: what ends your loop?",
        )
        .that(
            not isinstance(verdict.value, list)
            or not any(isinstance(item, list | tuple) for item in verdict.value),
            "it yields items, one by one",
            hint="A whole page came at once, as a list: what takes the items out of it?",
            stronger="`for item in items:`, and a `yield` for each.",
        )
        .result(
            everything,
            hint="After a page the next one is fetched: again and again, and until when?",
            stronger="A loop around the fetch, as long as there is a next page; it may be empty.",
        )
        .that(
            log == expected,
            "a page is fetched only when its first item is asked for",
            hint="What is fetched before the first item is handed over? And is any fetched twice?",
            stronger="Yield all items of one page before you fetch the next.",
        )
        .nothing_left_running()
    )


@exercise(
    "the first that fits",
    lesson=14,
    starter="""\
async def find_first(open_stream, fits):
    async for item in open_stream():
        if fits(item):
            return item
    return None
""",
)
async def grade_find_first(find_first: Any) -> Check:
    """Change `find_first` so that the stream is closed when it returns or fails."""
    words = ["pear", "plum", "fig", "kiwi", "date"]
    return await grade_in_turn(
        _find(find_first, words, lambda word: len(word) < 4, "fig", reads=3),
        _find(find_first, words, lambda word: word > "z", None, reads=5),
        # The first of all, and one that an `if` takes for nothing.
        _find(find_first, [0, 1, 2], lambda n: n < 1, 0, reads=1),
        _find(find_first, ["a", "b", 3, "d"], _is_upper, None, reads=3),
    )


def _is_upper(item: Any) -> bool:
    return bool(item.isupper())  # a number has no such method


async def _find(
    find_first: Any, items: list[Any], fits: Callable[[Any], bool], expected: Any, *, reads: int
) -> Check:
    fails = fits is _is_upper
    log: list[str] = []
    opened: list[Any] = []
    closed = 0
    left_at: float | None = None

    async def stream() -> AsyncIterator[Any]:
        log.append("open")
        try:
            for item in items:
                await asyncio.sleep(1)
                log.append("read")
                yield item
        finally:
            await asyncio.sleep(1)
            log.append("closed")

    def open_stream() -> AsyncIterator[Any]:
        opened.append(stream())  # held here too, or forgetting it would close it
        return opened[-1]  # type: ignore[no-any-return]

    async def main() -> Any:
        nonlocal closed, left_at
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            return await find_first(open_stream, fits)
        except AttributeError as error:
            if fails:
                return error
            raise
        finally:
            closed = log.count("closed")
            left_at = clock() - began
            for one in opened:
                await one.aclose()

    verdict = await check(main, virtual=True, name="find_first")
    if fails:
        verdict.that(
            isinstance(verdict.value, AttributeError),
            "an error of fits reaches the caller of find_first",
            hint="Close the stream, but don't catch the error.",
            stronger="`async with` and `finally` both let an error through.",
        )
    elif expected is not None and not expected and verdict.value is None:
        verdict.result(
            expected,
            hint=f"{expected!r} fits, and None came back. What is {expected!r} to an `if`?",
            stronger=f"`if found:` isn't true for {expected!r}, and `found or None` is None then.",
        )
    else:
        verdict.result(expected)
    return (
        verdict.that(
            log.count("open") == 1,
            "the stream is opened once",
            hint=f"open_stream() was called {log.count('open')} times. Keep what it gives you.",
            stronger="The one that you read is the one that has to be closed.",
        )
        .that(
            log.count("read") == reads,
            f"it reads {reads} of {len(items)} items",
            hint=f"it has read {log.count('read')}. Once you have found one you need no more.",
            stronger="Return from inside the loop.",
        )
        .that(
            closed == 1,
            "the stream is closed " + ("when it fails" if fails else "when it returns"),
            hint="`return` in the loop leaves the stream paused at its yield: what closes it?",
            stronger="`aclosing()` around the stream, or a `finally` that awaits its aclose().",
            start=left_at,
            end=left_at,
        )
        .nothing_left_running()
    )
