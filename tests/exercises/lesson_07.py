"""Answers to the exercise of lesson 7."""

from . import Answers

ANSWERS = {
    "keep the clock ticking": Answers(
        right=[
            """
async def summarise(pool, numbers):
    return await asyncio.wrap_future(pool.submit(statistics.stdev, numbers))
""",
            """
async def summarise(pool, numbers):
    loop = asyncio.get_running_loop()
    job = loop.run_in_executor(pool, statistics.stdev, numbers)
    while not job.done():
        await asyncio.sleep(0.01)
    return job.result()
""",
        ],
        wrong=[
            (
                "a thread of this process",
                """
async def summarise(pool, numbers):
    return await asyncio.to_thread(statistics.stdev, numbers)
""",
                "the pool has had something to do",
            ),
            (
                "no pool but a thread",
                """
async def summarise(pool, numbers):
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, statistics.stdev, numbers)
""",
                "the pool has had something to do",
            ),
            (
                "called before it is handed over",
                """
async def summarise(pool, numbers):
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(pool, statistics.stdev(numbers))
""",
                "TypeError",
            ),
            (
                "a wait that blocks",
                """
async def summarise(pool, numbers):
    return pool.submit(statistics.stdev, numbers).result()
""",
                "held the loop",
            ),
            (
                "a forgotten await",
                """
async def summarise(pool, numbers):
    loop = asyncio.get_running_loop()
    return loop.run_in_executor(pool, statistics.stdev, numbers)
""",
                "Is there a return, and an await?",
            ),
            (
                "nothing returned",
                """
async def summarise(pool, numbers):
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(pool, statistics.stdev, numbers)
""",
                "Is there a return, and an await?",
            ),
            (
                "only a chance for the others",
                """
async def summarise(pool, numbers):
    await asyncio.sleep(0)
    return statistics.stdev(numbers)
""",
                "held the loop",
            ),
            (
                "something small for the pool",
                """
async def summarise(pool, numbers):
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(pool, abs, -1)
    return await asyncio.to_thread(statistics.stdev, numbers)
""",
                "none of the work",
            ),
            (
                "another mean",
                """
async def summarise(pool, numbers):
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(pool, statistics.mean, numbers)
""",
                "isn't what stdev says",
            ),
            (
                "a function that can't travel",
                """
async def summarise(pool, numbers):
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(pool, lambda: statistics.stdev(numbers))
""",
                "Not yet",
            ),
        ],
    )
}
