"""Answers to the exercise of lesson 9."""

ANSWERS = {
    "the polite reader": """
### one after another, with all manners | the most were 1
async def fetch_all(client, urls):
    texts = []
    for url in urls:
        response = await client.get(url)
        while response.status_code == 429:
            await asyncio.sleep(int(response.headers["Retry-After"]))
            response = await client.get(url)
        texts.append(response.text)
    return texts

### everything at once | the most were 8
async def fetch_one(client, url):
    response = await client.get(url)
    while response.status_code == 429:
        await asyncio.sleep(int(response.headers["Retry-After"]))
        response = await client.get(url)
    return response.text


async def fetch_all(client, urls):
    return await asyncio.gather(*(fetch_one(client, url) for url in urls))

### a refusal taken for a page | refusal
async def fetch_one(client, url, limit):
    async with limit:
        response = await client.get(url)
    return response.text


async def fetch_all(client, urls):
    limit = asyncio.Semaphore(5)
    return await asyncio.gather(*(fetch_one(client, url, limit) for url in urls))

### a second, whatever the server says | before the time
-    while True:
-        async with limit:
+    async with limit:
+        response = await client.get(url)
+        while response.status_code == 429:
+            await asyncio.sleep(1)
-        if response.status_code != 429:
-            return response.text
-        await asyncio.sleep(int(response.headers["Retry-After"]))
+    return response.text

### a pause that holds the loop | held the loop
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

### a blocking client | `client`
async def fetch_one(url, limit):
    async with limit:
        return httpx2.get(url).text


async def fetch_all(client, urls):
    limit = asyncio.Semaphore(5)
    return await asyncio.gather(*(fetch_one(url, limit) for url in urls))

### in the order of their coming | another order
-    return await asyncio.gather(*(fetch_one(client, url, limit) for url in urls))
+    first = [fetch_one(client, url, limit) for url in urls]
+    return [await one for one in asyncio.as_completed(first)]

### a semaphore that is never released | stopped
async def fetch_one(client, url, limit):
    await limit.acquire()
    response = await client.get(url)
    return response.text


async def fetch_all(client, urls):
    limit = asyncio.Semaphore(5)
    return await asyncio.gather(*(fetch_one(client, url, limit) for url in urls))

### right
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

### right
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
}
