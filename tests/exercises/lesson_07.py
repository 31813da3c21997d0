"""Answers to the exercise of lesson 7."""

from . import read_answers

ANSWERS = {
    "keep the clock ticking": read_answers(
        """
### right
async def summarise(pool, numbers):
    return await asyncio.wrap_future(pool.submit(statistics.stdev, numbers))

### right
async def summarise(pool, numbers):
    loop = asyncio.get_running_loop()
    job = loop.run_in_executor(pool, statistics.stdev, numbers)
    while not job.done():
        await asyncio.sleep(0.01)
    return job.result()

### a thread of this process | none of the work
async def summarise(pool, numbers):
    return await asyncio.to_thread(statistics.stdev, numbers)

### called before it is handed over | TypeError
async def summarise(pool, numbers):
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(pool, statistics.stdev(numbers))

### a wait that blocks | held the loop
async def summarise(pool, numbers):
    return pool.submit(statistics.stdev, numbers).result()

### a forgotten await | Is there a return, and an await?
async def summarise(pool, numbers):
    loop = asyncio.get_running_loop()
    return loop.run_in_executor(pool, statistics.stdev, numbers)

### something small for the pool | none of the work
async def summarise(pool, numbers):
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(pool, abs, -1)
    return await asyncio.to_thread(statistics.stdev, numbers)

### another mean | isn't what stdev says
async def summarise(pool, numbers):
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(pool, statistics.mean, numbers)

### a function that can't travel | Not yet
async def summarise(pool, numbers):
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(pool, lambda: statistics.stdev(numbers))
"""
    ),
}
