"""Answers to the exercise of lesson 9."""

from . import Answers

ANSWERS = {
    "the polite reader": Answers(
        right=[
            """
async def fetch_all(client, urls):
    texts = {}
    queue = asyncio.Queue()
    for url in urls:
        queue.put_nowait(url)

    async def work():
        while not queue.empty():
            url = queue.get_nowait()
            response = await client.get(url)
            while response.status_code == 429:
                await asyncio.sleep(float(response.headers["retry-after"]))
                response = await client.get(url)
            texts[url] = response.text

    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(work())
    return [texts[url] for url in urls]
""",
            """
limit = asyncio.Semaphore(4)


async def fetch_one(client, url):
    async with limit:
        response = await client.get(url)
    if response.status_code == 429:
        await asyncio.sleep(1.5 * float(response.headers["Retry-After"]))
        return await fetch_one(client, url)
    response.raise_for_status()
    return response.text


async def fetch_all(client, urls):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(fetch_one(client, url)) for url in urls]
    return tuple(task.result() for task in tasks)
""",
            """
async def fetch_all(client, urls):
    texts = {}
    left = list(urls)
    while left:
        part, left = left[:5], left[5:]
        answers = await asyncio.gather(*map(client.get, part))
        refused = [u for u, answer in zip(part, answers) if answer.status_code == 429]
        texts |= {u: answer.text for u, answer in zip(part, answers)}
        if refused:
            waits = [int(a.headers["Retry-After"]) for a in answers if a.status_code == 429]
            await asyncio.sleep(max(waits))
            left = refused + left
    return [texts[url] for url in urls]
""",
        ],
        wrong=[
            (
                "one after another, with all manners",
                """
async def fetch_all(client, urls):
    texts = []
    for url in urls:
        response = await client.get(url)
        while response.status_code == 429:
            await asyncio.sleep(int(response.headers["Retry-After"]))
            response = await client.get(url)
        texts.append(response.text)
    return texts
""",
                "several requests",
            ),
            (
                "everything at once",
                """
async def fetch_one(client, url):
    response = await client.get(url)
    while response.status_code == 429:
        await asyncio.sleep(int(response.headers["Retry-After"]))
        response = await client.get(url)
    return response.text


async def fetch_all(client, urls):
    return await asyncio.gather(*(fetch_one(client, url) for url in urls))
""",
                "at most 5 requests",
            ),
            (
                "a semaphore for each page",
                """
async def fetch_one(client, url):
    async with asyncio.Semaphore(5):
        response = await client.get(url)
    return response.text


async def fetch_all(client, urls):
    return await asyncio.gather(*(fetch_one(client, url) for url in urls))
""",
                "all tasks use the same one",
            ),
            (
                "a refusal taken for a page",
                """
async def fetch_one(client, url, limit):
    async with limit:
        response = await client.get(url)
    return response.text


async def fetch_all(client, urls):
    limit = asyncio.Semaphore(5)
    return await asyncio.gather(*(fetch_one(client, url, limit) for url in urls))
""",
                "refusal",
            ),
            (
                "asking again at once",
                """
async def fetch_one(client, url, limit):
    async with limit:
        response = await client.get(url)
        while response.status_code == 429:
            await asyncio.sleep(0.1)
            response = await client.get(url)
    return response.text


async def fetch_all(client, urls):
    limit = asyncio.Semaphore(5)
    return await asyncio.gather(*(fetch_one(client, url, limit) for url in urls))
""",
                "before the time",
            ),
            (
                "a second, whatever the server says",
                """
async def fetch_one(client, url, limit):
    async with limit:
        response = await client.get(url)
        while response.status_code == 429:
            await asyncio.sleep(1)
            response = await client.get(url)
    return response.text


async def fetch_all(client, urls):
    limit = asyncio.Semaphore(5)
    return await asyncio.gather(*(fetch_one(client, url, limit) for url in urls))
""",
                "before the time",
            ),
            (
                "a pause that holds the loop",
                """
import time


async def fetch_one(client, url, limit):
    async with limit:
        response = await client.get(url)
    if response.status_code == 429:
        time.sleep(int(response.headers["Retry-After"]))
        return await fetch_one(client, url, limit)
    return response.text


async def fetch_all(client, urls):
    limit = asyncio.Semaphore(5)
    return await asyncio.gather(*(fetch_one(client, url, limit) for url in urls))
""",
                "held the loop",
            ),
            (
                "a blocking client",
                """
async def fetch_one(url, limit):
    async with limit:
        return httpx.get(url).text


async def fetch_all(client, urls):
    limit = asyncio.Semaphore(5)
    return await asyncio.gather(*(fetch_one(url, limit) for url in urls))
""",
                "held the loop",
            ),
            (
                "in the order of their coming",
                """
async def fetch_one(client, url, limit):
    while True:
        async with limit:
            response = await client.get(url)
        if response.status_code != 429:
            return response.text
        await asyncio.sleep(int(response.headers["Retry-After"]))


async def fetch_all(client, urls):
    limit = asyncio.Semaphore(5)
    first = [fetch_one(client, url, limit) for url in urls]
    return [await one for one in asyncio.as_completed(first)]
""",
                "another order",
            ),
            (
                "nothing returned",
                """
async def fetch_one(client, url, limit):
    async with limit:
        return (await client.get(url)).text


async def fetch_all(client, urls):
    limit = asyncio.Semaphore(5)
    await asyncio.gather(*(fetch_one(client, url, limit) for url in urls))
""",
                "return",
            ),
            (
                "a forgotten await",
                """
async def fetch_one(client, url, limit):
    async with limit:
        response = client.get(url)
        return response.text


async def fetch_all(client, urls):
    limit = asyncio.Semaphore(5)
    return await asyncio.gather(*(fetch_one(client, url, limit) for url in urls))
""",
                "AttributeError",
            ),
            (
                "an error for every 429",
                """
async def fetch_one(client, url, limit):
    async with limit:
        response = await client.get(url)
        return response.raise_for_status().text


async def fetch_all(client, urls):
    limit = asyncio.Semaphore(5)
    return await asyncio.gather(*(fetch_one(client, url, limit) for url in urls))
""",
                "HTTPStatusError",
            ),
            (
                "refused pages are left out",
                """
async def fetch_one(client, url, limit):
    async with limit:
        response = await client.get(url)
    return response.text if response.status_code == 200 else None


async def fetch_all(client, urls):
    limit = asyncio.Semaphore(5)
    texts = await asyncio.gather(*(fetch_one(client, url, limit) for url in urls))
    return [text for text in texts if text]
""",
                "result",
            ),
            (
                "a semaphore that is never released",
                """
async def fetch_one(client, url, limit):
    await limit.acquire()
    response = await client.get(url)
    return response.text


async def fetch_all(client, urls):
    limit = asyncio.Semaphore(5)
    return await asyncio.gather(*(fetch_one(client, url, limit) for url in urls))
""",
                "stopped",
            ),
        ],
    )
}
