"""Answers to the exercise of lesson 7."""

ANSWERS = {
    "keep the clock ticking": """
### a forgotten await | Is there an `await`?
-    return await loop.run_in_executor(pool, statistics.stdev, numbers)
+    return loop.run_in_executor(pool, statistics.stdev, numbers)

### something small for the pool | none of the work
-    return await loop.run_in_executor(pool, statistics.stdev, numbers)
+    await loop.run_in_executor(pool, abs, -1)
+    return await asyncio.to_thread(statistics.stdev, numbers)

### another mean | the result is [499.5
-    return await loop.run_in_executor(pool, statistics.stdev, numbers)
+    return await loop.run_in_executor(pool, statistics.mean, numbers)

### a function that can't travel | Not yet
-    return await loop.run_in_executor(pool, statistics.stdev, numbers)
+    return await loop.run_in_executor(pool, lambda: statistics.stdev(numbers))

### right
async def summarise(pool, numbers):
    return await asyncio.wrap_future(pool.submit(statistics.stdev, numbers))

### a thread of this process | none of the work
async def summarise(pool, numbers):
    return await asyncio.to_thread(statistics.stdev, numbers)

### a wait that blocks | held the loop
async def summarise(pool, numbers):
    return pool.submit(statistics.stdev, numbers).result()

### right
async def summarise(pool, numbers):
    loop = asyncio.get_running_loop()
    job = loop.run_in_executor(pool, statistics.stdev, numbers)
    while not job.done():
        await asyncio.sleep(0.01)
    return job.result()
""",
}
