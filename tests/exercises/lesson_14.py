"""Answers to the exercises of lesson 14."""

from . import Answers

ANSWERS = {
    "a stream of items": Answers(
        right=[
            """
async def read_items(fetch):
    items, next_page = await fetch(1)
    while True:
        for item in items:
            yield item
        if next_page is None:
            return
        items, next_page = await fetch(next_page)
""",
            """
async def read_pages(fetch):
    page = 1
    while page:
        items, page = await fetch(page)
        yield items


async def read_items(fetch):
    async for items in read_pages(fetch):
        for item in items:
            yield item
""",
            """
class ItemStream:
    def __init__(self, fetch):
        self.fetch, self.page, self.items = fetch, 1, []

    def __aiter__(self):
        return self

    async def __anext__(self):
        while not self.items:
            if self.page is None:
                raise StopAsyncIteration
            self.items, self.page = await self.fetch(self.page)
        return self.items.pop(0)


def read_items(fetch):
    return ItemStream(fetch)
""",
        ],
        wrong=[
            (
                "one page more",
                """
async def read_items(fetch):
    items, next_page = await fetch(1)
    for item in items:
        yield item
    items, next_page = await fetch(next_page)
    for item in items:
        yield item
""",
                "again and again",
            ),
            (
                "the last page is left out",
                """
async def read_items(fetch):
    items, next_page = await fetch(1)
    while next_page is not None:
        for item in items:
            yield item
        items, next_page = await fetch(next_page)
""",
                "again and again",
            ),
            (
                "everything is fetched first",
                """
async def read_items(fetch):
    everything, page = [], 1
    while page is not None:
        items, page = await fetch(page)
        everything += items
    for item in everything:
        yield item
""",
                "before the first item",
            ),
            (
                "a list",
                """
async def read_items(fetch):
    everything, page = [], 1
    while page is not None:
        items, page = await fetch(page)
        everything += items
    return everything
""",
                "async for",
            ),
            (
                "whole pages",
                """
async def read_items(fetch):
    page = 1
    while page is not None:
        items, page = await fetch(page)
        yield items
""",
                "A whole page came at once",
            ),
            (
                "no await",
                """
async def read_items(fetch):
    page = 1
    while page is not None:
        items, page = fetch(page)
        for item in items:
            yield item
""",
                "await",
            ),
            (
                "an empty page ends it",
                """
async def read_items(fetch):
    items, page = await fetch(1)
    while items:
        for item in items:
            yield item
        if page is None:
            return
        items, page = await fetch(page)
""",
                "again and again",
            ),
            (
                "the pages counted",
                """
async def read_items(fetch):
    page = 1
    while True:
        items, following = await fetch(page)
        for item in items:
            yield item
        if following is None:
            return
        page += 1
""",
                "number of the next page",
            ),
            (
                "the same page for ever",
                """
async def read_items(fetch):
    items, page = await fetch(1)
    while page is not None:
        for item in items:
            yield item
        items, _ = await fetch(page)
""",
                "Not yet",
            ),
            (
                "fetched again for each item",
                """
async def read_items(fetch):
    page = 1
    while page is not None:
        for number in range(len((await fetch(page))[0])):
            yield (await fetch(page))[0][number]
        page = (await fetch(page))[1]
""",
                "fetched only when",
            ),
            (
                "one page ahead",
                """
async def read_items(fetch):
    items, page = await fetch(1)
    while True:
        if page is not None:
            following, next_page = await fetch(page)
        for item in items:
            yield item
        if page is None:
            return
        items, page = following, next_page
""",
                "before the first item",
            ),
            (
                "the notebook's own items",
                """
async def read_items(fetch):
    await fetch(1)
    for item in ["bread", "butter"]:
        yield item
""",
                "Not yet",
            ),
            (
                "never an item",
                """
async def read_items(fetch):
    await asyncio.Event().wait()
    yield
""",
                "stopped",
            ),
            (
                "the next page fetched ahead",
                """
async def read_items(fetch):
    items, page = await fetch(1)
    while page:
        following = asyncio.create_task(fetch(page))
        for item in items:
            yield item
        items, page = await following
    for item in items:
        yield item
""",
                "only when its first item is asked for",
            ),
            (
                "on and on behind the last page",
                """
async def read_items(fetch):
    page = 1
    while True:
        items, page = await fetch(page)
        for item in items:
            yield item
""",
                "no page that there isn't",
            ),
            (
                "the first page for ever",
                """
async def read_items(fetch):
    while True:
        items, page = await fetch(1)
    yield items
""",
                "the next one is to be fetched",
            ),
        ],
    ),
    "the first that fits": Answers(
        right=[
            """
async def find_first(open_stream, fits):
    stream = open_stream()
    try:
        async for item in stream:
            if fits(item):
                return item
    finally:
        await stream.aclose()
""",
            """
async def find_first(open_stream, fits):
    found = None
    async with aclosing(open_stream()) as stream:
        async for item in stream:
            if fits(item):
                found = item
                break
    return found
""",
            """
@asynccontextmanager
async def opened(open_stream):
    stream = open_stream()
    try:
        yield stream
    finally:
        await stream.aclose()


async def find_first(open_stream, fits):
    async with opened(open_stream) as stream:
        return await anext((item async for item in stream if fits(item)), None)
""",
        ],
        wrong=[
            (
                "left in the middle by break",
                """
async def find_first(open_stream, fits):
    found = None
    async for item in open_stream():
        if fits(item):
            found = item
            break
    return found
""",
                "who closes it",
            ),
            (
                "read to its end",
                """
async def find_first(open_stream, fits):
    found = [item async for item in open_stream() if fits(item)]
    return found[0] if found else None
""",
                "need no more",
            ),
            (
                "closed only if all goes well",
                """
async def find_first(open_stream, fits):
    stream = open_stream()
    found = None
    async for item in stream:
        if fits(item):
            found = item
            break
    await stream.aclose()
    return found
""",
                "closed when it fails",
            ),
            (
                "another stream is closed",
                """
async def find_first(open_stream, fits):
    async with aclosing(open_stream()):
        async for item in open_stream():
            if fits(item):
                return item
""",
                "opened once",
            ),
            (
                "aclose without await",
                """
async def find_first(open_stream, fits):
    stream = open_stream()
    try:
        async for item in stream:
            if fits(item):
                return item
    finally:
        stream.aclose()
""",
                "who closes it",
            ),
            (
                "closed by a task, some day",
                """
async def find_first(open_stream, fits):
    stream = open_stream()
    try:
        async for item in stream:
            if fits(item):
                return item
    finally:
        asyncio.create_task(stream.aclose())
""",
                "Not yet",
            ),
            (
                "the error is swallowed",
                """
async def find_first(open_stream, fits):
    async with aclosing(open_stream()) as stream:
        async for item in stream:
            try:
                if fits(item):
                    return item
            except Exception:
                return None
""",
                "don't catch",
            ),
            (
                "nothing returned",
                """
async def find_first(open_stream, fits):
    async with aclosing(open_stream()) as stream:
        async for item in stream:
            if fits(item):
                break
""",
                "return",
            ),
            (
                "whatever is something to an if",
                """
async def find_first(open_stream, fits):
    found = None
    async with aclosing(open_stream()) as stream:
        async for item in stream:
            if fits(item) and not found:
                found = item
            if found:
                break
    return found
""",
                "Not yet",
            ),
            (
                "looks at the second only",
                """
async def find_first(open_stream, fits):
    async with aclosing(open_stream()) as stream:
        await anext(stream)
        async for item in stream:
            if fits(item):
                return item
""",
                "Not yet",
            ),
            (
                "an ordinary for",
                """
async def find_first(open_stream, fits):
    async with aclosing(open_stream()) as stream:
        for item in stream:
            if fits(item):
                return item
""",
                "TypeError",
            ),
            (
                "the notebook's own answer",
                """
async def find_first(open_stream, fits):
    async with aclosing(open_stream()) as stream:
        return [await anext(stream) for _ in range(3)][-1]
""",
                "Not yet",
            ),
            (
                "what is found is nothing to an if",
                """
async def find_first(open_stream, fits):
    found = None
    async with aclosing(open_stream()) as stream:
        async for item in stream:
            if fits(item):
                found = item
                break
    return found or None
""",
                "0 fits, and None came back",
            ),
            (
                "a stream taken for a block",
                """
async def find_first(open_stream, fits):
    async with open_stream() as stream:
        async for item in stream:
            if fits(item):
                return item
""",
                "no block that closes itself",
            ),
            (
                "for in place of async for",
                """
async def find_first(open_stream, fits):
    for item in open_stream():
        if fits(item):
            return item
""",
                "another kind of loop",
            ),
        ],
    ),
}
