"""Answers to the exercise of lesson 9."""

ANSWERS = {
    "the polite reader": """
### one after another, with all manners | the most were 1
-    return await asyncio.gather(*(fetch_one(client, url, limit) for url in urls))
+    return [await fetch_one(client, url, limit) for url in urls]

### everything at once | the most were 8
-    limit = asyncio.Semaphore(5)
+    limit = asyncio.Semaphore(50)

### a refusal taken for a page | refusal
-        if response.status_code != 429:
-            return response.text
-        await asyncio.sleep(int(response.headers["Retry-After"]))
+        return response.text

### a second, whatever the server says | before the time
-        await asyncio.sleep(int(response.headers["Retry-After"]))
+        await asyncio.sleep(1)

### a pause that holds the loop | held the loop
-async def fetch_one(client, url, limit):
+import time
+
+
+async def fetch_one(client, url, limit):
-        await asyncio.sleep(int(response.headers["Retry-After"]))
+        time.sleep(int(response.headers["Retry-After"]))

### a blocking client | `client`
-            response = await client.get(url)
+            response = httpx2.get(url)

### in the order of their coming | another order
-    return await asyncio.gather(*(fetch_one(client, url, limit) for url in urls))
+    first = [fetch_one(client, url, limit) for url in urls]
+    return [await one for one in asyncio.as_completed(first)]

### a semaphore that is never released | stopped
-        async with limit:
-            response = await client.get(url)
+        await limit.acquire()
+        response = await client.get(url)

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
