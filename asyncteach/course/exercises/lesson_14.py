"""The exercises of lesson 14: pages as one stream, and a stream that is closed on time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from inspect import isawaitable
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import end_of, exercise, grade_in_turn

_Page = tuple[list[str], int | None]


@exercise(
    "a stream of items",
    lesson=14,
    starter="""\
async def read_items(fetch):
    page = await fetch(1)
    for item in page[0]:
        yield item
""",
    stronger="A loop around the fetch goes on as long as there is a next page, which may be empty, "
    "and yields all items of one page before it fetches the next.",
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
    is_stream = True

    async def fetch(page: int) -> _Page:
        if page not in pages:
            raise LookupError(f"there is no page {page}")
        if f"page {page}" in log:
            raise LookupError(f"page {page} was fetched already")
        log.append(f"page {page}")
        await asyncio.sleep(1)
        items, following = pages[page]
        return list(items), following

    async def main() -> Any:
        nonlocal is_stream
        stream = read_items(fetch)
        is_stream = hasattr(stream, "__aiter__")
        if not is_stream:
            return await stream if isawaitable(stream) else stream
        found = []
        async for item in stream:
            log.append(item)
            found.append(item)
            await asyncio.sleep(0.25)  # an answer that fetches ahead has the time for it
        return found

    verdict = await check(main, virtual=True, name="read_items")
    expected = [one for page, (items, _) in pages.items() for one in (f"page {page}", *items)]
    return (
        verdict.that(
            is_stream,
            "read_items gives something that `async for` can go through",
            hint="What makes a generator of an `async def`?",
        )
        .result([item for items, _ in pages.values() for item in items])
        .that(
            log == expected,
            "a page is fetched only when its first item is asked for",
            hint=f"It went {', '.join(map(str, log))}. What is fetched before the items of the "
            "page before it are handed over?",
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
    stronger="`async with aclosing(open_stream()) as stream:` closes the stream however the block "
    "is left, by `return` or by an error, which it lets through.",
)
async def grade_find_first(find_first: Any) -> Check:
    """Change `find_first` so that the stream is closed when it returns or fails."""
    words = ["pear", "plum", "fig", "kiwi", "date"]
    return await grade_in_turn(
        _find(find_first, words, lambda word: len(word) < 4, "returned 'fig'", reads=3),
        _find(find_first, words, lambda word: word > "z", "returned None", reads=5),
        # The first of all, and one that an `if` takes for nothing.
        _find(find_first, [0, 1, 2], lambda n: n < 1, "returned 0", reads=1),
        # A number has no such method.
        _find(find_first, ["a", 3, "d"], lambda s: s.isupper(), "raised AttributeError", reads=2),
    )


async def _find(
    find_first: Any, items: list[Any], fits: Callable[[Any], bool], expected: str, *, reads: int
) -> Check:
    errors = (AttributeError,) if expected.startswith("raised") else ()
    log: list[str] = []
    opened: list[Any] = []
    closed = 0

    async def stream() -> AsyncIterator[Any]:
        log.append("opened")
        try:
            for item in items:
                await asyncio.sleep(1)
                log.append("read")
                yield item
        finally:
            await asyncio.sleep(1)
            log.append("closed")

    def open_stream() -> Any:
        opened.append(stream())  # held here too, or forgetting it would close it
        return opened[-1]

    async def main() -> str:
        nonlocal closed
        try:
            return await end_of(find_first(open_stream, fits), *errors, name="find_first")
        finally:
            closed = log.count("closed")
            for one in opened:
                await one.aclose()

    verdict = await check(main, virtual=True, name="find_first")
    return (
        verdict.that(
            verdict.value == expected,
            f"find_first {expected}",
            hint=f"Of the items {', '.join(map(str, items))} it {verdict.value}. "
            + ("Close the stream, but don't catch the error." if errors else "")
            + ("What is 0 to an `if`?" if expected == "returned 0" else ""),
        )
        .that(
            log.count("opened") == 1,
            "the stream is opened once",
            hint=f"It was opened {log.count('opened')} times. Keep what open_stream() gives you: "
            "that is what has to be closed.",
        )
        .that(
            log.count("read") == reads,
            f"it reads {reads} of {len(items)} items",
            hint=f"It has read {log.count('read')}. Once you have found one you need no more.",
        )
        .that(
            closed == 1,
            "the stream is closed " + ("when it fails" if errors else "when it returns"),
            hint="`return` in the loop leaves the stream paused at its yield: what closes it?",
        )
        .nothing_left_running()
    )
