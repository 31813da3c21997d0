"""Answers to the exercise of lesson 2."""

ANSWERS = {
    "breakfast": """
### awaits in a row | 540
-    return await asyncio.gather(brew("egg water", 240), brew("tea", 180), brew("toast", 120))
+    return [await brew("egg water", 240), await brew("tea", 180), await brew("toast", 120)]

### a forgotten await | coroutine
-    return await asyncio.gather(brew("egg water", 240), brew("tea", 180), brew("toast", 120))
+    return [brew("egg water", 240), brew("tea", 180), brew("toast", 120)]

### nothing returned | the result is None
-    return await asyncio.gather(brew("egg water", 240), brew("tea", 180), brew("toast", 120))
+    await asyncio.gather(brew("egg water", 240), brew("tea", 180), brew("toast", 120))

### quicker tea | for its own time
-    return await asyncio.gather(brew("egg water", 240), brew("tea", 180), brew("toast", 120))
+    return [await brew("egg water", 200), await brew("tea", 20), await brew("toast", 20)]

### as they come | in another order
-    return await asyncio.gather(brew("egg water", 240), brew("tea", 180), brew("toast", 120))
+    plans = [brew("egg water", 240), brew("tea", 180), brew("toast", 120)]
+    return [await plan for plan in asyncio.as_completed(plans)]

### a written result | some egg water for you
async def breakfast(brew):
    await asyncio.gather(brew("egg water", 240), brew("tea", 180), brew("toast", 120))
    return ["a pot of egg water", "a pot of tea", "a pot of toast"]

### no function at all | It's None
breakfast = None

### right
async def breakfast(brew):
    egg, tea, toast = await asyncio.gather(
        brew("egg water", 240), brew("tea", 180), brew("toast", 120)
    )
    return [egg, tea, toast]

### right
class Kitchen:
    async def __call__(self, brew):
        table = {}

        async def put(name, seconds):
            table[name] = await brew(name, seconds)

        await asyncio.gather(put("egg water", 240), put("tea", 180), put("toast", 120))
        return [table["egg water"], table["tea"], table["toast"]]


breakfast = Kitchen()

### right
breakfast = lambda brew: asyncio.gather(
    brew("egg water", 240), brew(name="tea", seconds=180), brew("toast", seconds=120)
)
""",
}
