"""Answers to the exercise of lesson 17."""

ANSWERS = {
    "the crawler": """
### right
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

### one page after another | several pages at the same time
-    workers = [asyncio.create_task(work()) for _ in range(most)]
+    workers = [asyncio.create_task(work()) for _ in range(1)]

### only the start page's own links | all 30 pages are there
-                for link in find_links(text):
+                for link in find_links(text) if path == start else []:

### pages visited twice | each page is fetched once
-                    if link not in known:
+                    if link not in pages:

### no second try | dropped
-    for attempt in range(5):
+    for attempt in range(1):

### a dropped connection ends it all | stopped ... work raised RemoteProtocolError
-        except (httpx2.HTTPError, TimeoutError):
+        except TimeoutError:

### whatever comes is a page | has the text of its page
-            if response.status_code == 200:
+            if response.status_code:

### no pause | there is a pause
-        await asyncio.sleep(pause)

### no timeout | stopped
-            response = await asyncio.wait_for(client.get(path), 1)
+            response = await client.get(path)

### no ear for Retry-After | as long as Retry-After says
-            pause = float(response.headers.get("Retry-After", pause))

### a swallowed cancellation | ends as cancelled
-        await queue.join()
+        await queue.join()
+    except BaseException:
+        pass

### a bare except around each request | it still went on
-        except (httpx2.HTTPError, TimeoutError):
+        except:

### workers that nobody stops | were left running
-        for worker in workers:
-            worker.cancel()
-        await asyncio.gather(*workers, return_exceptions=True)
+        pass

### a blocking client | seen no request
-            response = await asyncio.wait_for(client.get(path), 1)
+            response = httpx2.get(f"{client.base_url}{path}", verify=False)

### no word of how far it is | show is called
-            if show:
-                show(len(pages), len(known))

### right
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

### everything at once | never more than 10 requests open
-    pages, known, limit = {}, {start}, asyncio.Semaphore(most)
+    pages, known, limit = {}, {start}, asyncio.Semaphore(1000)
""",
}
