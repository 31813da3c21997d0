"""Answers to the exercise of lesson 3."""

from . import Answers

ANSWERS = {
    "the job": Answers(
        right=[
            """
async def job(fetch):
    page = await fetch("news")
    return page
""",
            """
def job(fetch):
    return fetch("news")
""",
            """
async def job(fetch):
    return await asyncio.create_task(fetch("news"))
""",
        ],
        wrong=[
            (
                "asyncio.run in a coroutine",
                """
async def job(fetch):
    return asyncio.run(fetch("news"))
""",
                "RuntimeError",
            ),
            (
                "a loop of its own",
                """
def job(fetch):
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(fetch("news"))
    finally:
        loop.close()
""",
                "RuntimeError",
            ),
            (
                "a forgotten await",
                """
async def job(fetch):
    return fetch("news")
""",
                "coroutine",
            ),
            (
                "nothing returned",
                """
async def job(fetch):
    await fetch("news")
""",
                "nothing came back",
            ),
            (
                "printed in place of returned",
                """
async def job(fetch):
    print(await fetch("news"))
""",
                "nothing came back",
            ),
            (
                "a written result",
                """
async def job(fetch):
    await fetch("news")
    return "the news page"
""",
                "all about news",
            ),
            (
                "a task that nobody waits for",
                """
async def job(fetch):
    task = asyncio.create_task(fetch("news"))
    return task
""",
                "task",
            ),
            (
                "no function that can be awaited",
                """
def job(fetch):
    return "the news page"
""",
                "Not yet",
            ),
            (
                "a spin until the task is done",
                """
async def job(fetch):
    task = asyncio.create_task(fetch("news"))
    while not task.done():
        pass
    return task.result()
""",
                "stopped",
            ),
        ],
    )
}
