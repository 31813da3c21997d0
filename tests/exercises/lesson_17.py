"""Answers to the exercise of lesson 17.

A good crawler is written once, and each mistake is one change in it: the crawler would be rejected
for nothing else. One is written in another way altogether.
"""

from . import Answers

GOOD = """
async def get_page(client, path):
    for attempt in range(5):
        pause = 0.1 * 2**attempt
        try:
            response = await asyncio.wait_for(client.get(path), 1)
            if response.status_code == 200:
                return response.text
            pause = float(response.headers.get("Retry-After", pause))
        except (httpx2.HTTPError, TimeoutError):
            pass
        await asyncio.sleep(pause)


async def crawl(client, start, most=10, show=None):
    pages, known, queue = {}, {start}, asyncio.Queue()
    queue.put_nowait(start)

    async def work():
        while True:
            path = await queue.get()
            text = await get_page(client, path)
            if text is not None:
                pages[path] = text
                for link in find_links(text):
                    if link not in known:
                        known.add(link)
                        queue.put_nowait(link)
            if show:
                show(len(pages), len(known))
            queue.task_done()

    workers = [asyncio.create_task(work()) for _ in range(most)]
    try:
        await queue.join()
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return pages
"""

STOP = """\
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
"""

SEMAPHORE = """
async def crawl(client, start, most=10, show=None):
    pages, known, limit = {}, {start}, asyncio.Semaphore(most)

    async def get_page(path):
        for attempt in range(1, 6):
            pause = attempt / 8
            try:
                async with limit, asyncio.timeout(1):
                    response = await client.get(path)
                response.raise_for_status()
                return response.text
            except httpx2.HTTPStatusError as error:
                pause = float(error.response.headers.get("Retry-After", pause))
            except (httpx2.TransportError, TimeoutError):
                pass
            await asyncio.sleep(pause)
        return None

    async def visit(path):
        text = await get_page(path)
        if text is not None:
            pages[path] = text
            for link in set(find_links(text)) - known:
                known.add(link)
                group.create_task(visit(link))
        if show is not None:
            show(len(pages), len(known))

    async with asyncio.TaskGroup() as group:
        group.create_task(visit(start))
    return pages
"""


def change(*pairs: tuple[str, str]) -> str:
    """Return the good crawler with changes."""
    source = GOOD
    for old, new in pairs:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    return source


ANSWERS = {
    "the crawler": Answers(
        right=[GOOD, SEMAPHORE],
        wrong=[
            (
                "everything at once",
                SEMAPHORE.replace("asyncio.Semaphore(most)", "asyncio.Semaphore(1000)"),
                "never more than 10 requests open",
            ),
            (
                "one page after another",
                change(("range(most)", "range(1)")),
                "several pages at the same time",
            ),
            (
                "only the start page's own links",
                change(
                    (
                        "                for link in find_links(text):",
                        "                for link in find_links(text) if path == start else []:",
                    )
                ),
                "all 30 pages are there",
            ),
            (
                "pages visited twice",
                change(
                    (
                        "                    if link not in known:",
                        "                    if link not in pages:",
                    )
                ),
                "each page is got once",
            ),
            (
                "no second try",
                change(("range(5)", "range(1)")),
                "dropped",
            ),
            (
                "a dropped connection ends it all",
                change(("(httpx2.HTTPError, TimeoutError)", "TimeoutError")),
                "it had to be stopped since work",
            ),
            (
                "whatever comes is a page",
                change(("response.status_code == 200", "response.status_code")),
                "has the text of its page",
            ),
            (
                "no pause",
                change(("        await asyncio.sleep(pause)\n", "")),
                "there is a pause",
            ),
            (
                "no timeout",
                change(("await asyncio.wait_for(client.get(path), 1)", "await client.get(path)")),
                "stopped",
            ),
            (
                "no ear for Retry-After",
                change(
                    ('            pause = float(response.headers.get("Retry-After", pause))\n', "")
                ),
                "as long as Retry-After says",
            ),
            (
                "a swallowed cancellation",
                change(
                    ("    finally:\n", "    except BaseException:\n        pass\n    finally:\n")
                ),
                "it ends as cancelled",
            ),
            (
                "a bare except around each request",
                change(("        except (httpx2.HTTPError, TimeoutError):", "        except:")),
                "within a second when it is cancelled",
            ),
            (
                "workers that nobody stops",
                change((STOP, "        pass\n")),
                "were left running",
            ),
            (
                "a blocking client",
                change(
                    (
                        "await asyncio.wait_for(client.get(path), 1)",
                        'httpx2.get(f"{client.base_url}{path}", verify=False)',
                    )
                ),
                "seen no request",
            ),
            (
                "no word of how far it is",
                change(
                    ("            if show:\n                show(len(pages), len(known))\n", "")
                ),
                "show is called",
            ),
        ],
    )
}
