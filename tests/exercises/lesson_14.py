"""Answers to the exercises of lesson 14."""

ANSWERS = {
    "a stream of items": """
### everything is fetched first | It went page 1, page 2, page 3, bread
-    page = 1
+    everything, page = [], 1
-        for item in items:
-            yield item
+        everything += items
+    for item in everything:
+        yield item

### a list | async for
-    page = 1
+    everything, page = [], 1
-        for item in items:
-            yield item
+        everything += items
+    return everything

### whole pages | the result is [['bread', 'butter']
-        for item in items:
-            yield item
+        yield items

### an empty page ends it | the result is ['a']
-        items, page = await fetch(page)
+        items, page = await fetch(page)
+        if not items:
+            return

### the pages counted | there is no page 2
-        items, page = await fetch(page)
+        items, following = await fetch(page)
-            yield item
+            yield item
+        page = following and page + 1

### the next page fetched ahead | only when its first item is asked for
async def read_items(fetch):
    items, page = await fetch(1)
    while page:
        following = asyncio.create_task(fetch(page))
        for item in items:
            yield item
        items, page = await following
    for item in items:
        yield item

### on and on behind the last page | there is no page None
-    while page is not None:
+    while True:

### right
async def read_pages(fetch):
    page = 1
    while page:
        items, page = await fetch(page)
        yield items


async def read_items(fetch):
    async for items in read_pages(fetch):
        for item in items:
            yield item

### right
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
    "the first that fits": """
### read to its end | need no more
-        async for item in stream:
-            if fits(item):
-                return item
-    return None
+        found = [item async for item in stream if fits(item)]
+    return found[0] if found else None

### another stream is closed | opened once
-    async with aclosing(open_stream()) as stream:
-        async for item in stream:
+    async with aclosing(open_stream()):
+        async for item in open_stream():

### closed by a task, some day | Not yet
-    async with aclosing(open_stream()) as stream:
+    stream = open_stream()
+    try:
-    return None
+    finally:
+        asyncio.create_task(stream.aclose())

### the error is swallowed | but don't catch
-            if fits(item):
-                return item
+            try:
+                if fits(item):
+                    return item
+            except Exception:
+                return None

### right
async def find_first(open_stream, fits):
    found = None
    async with aclosing(open_stream()) as stream:
        async for item in stream:
            if fits(item):
                found = item
                break
    return found

### closed only if all goes well | closed when it fails
-    found = None
-    async with aclosing(open_stream()) as stream:
-        async for item in stream:
-            if fits(item):
-                found = item
-                break
+    found, stream = None, open_stream()
+    async for item in stream:
+        if fits(item):
+            found = item
+            break
+    await stream.aclose()

### what is found is nothing to an if | What is 0 to an `if`?
-    return found
+    return found or None

### right
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
}
