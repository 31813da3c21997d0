"""Answers to the exercise of lesson 2."""

from . import Answers

ANSWERS = {
    "breakfast": Answers(
        right=[
            """
async def breakfast(brew):
    egg, tea, toast = await asyncio.gather(
        brew("egg water", 240), brew("tea", 180), brew("toast", 120)
    )
    return [egg, tea, toast]
""",
            """
async def breakfast(brew):
    egg = asyncio.create_task(brew("egg water", 240))
    tea = asyncio.create_task(brew("tea", 180))
    toast = asyncio.create_task(brew("toast", 120))
    return [await egg, await tea, await toast]
""",
            """
async def breakfast(brew):
    async with asyncio.TaskGroup() as group:
        things = [("egg water", 240), ("tea", 180), ("toast", 120)]
        tasks = [group.create_task(brew(*thing)) for thing in things]
    return [task.result() for task in tasks]
""",
            """
async def breakfast(brew):
    tasks = [
        asyncio.ensure_future(brew(name, seconds))
        for name, seconds in {"egg water": 240, "tea": 180, "toast": 120}.items()
    ]
    await asyncio.wait(tasks)
    return tuple(task.result() for task in tasks)
""",
            """
class Kitchen:
    async def __call__(self, brew):
        table = {}

        async def put(name, seconds):
            table[name] = await brew(name, seconds)

        await asyncio.gather(put("egg water", 240), put("tea", 180), put("toast", 120))
        return [table["egg water"], table["tea"], table["toast"]]


breakfast = Kitchen()
""",
            """
breakfast = lambda brew: asyncio.gather(
    brew("egg water", 240), brew(name="tea", seconds=180), brew("toast", seconds=120)
)
""",
        ],
        wrong=[
            (
                "awaits in a row",
                """
async def breakfast(brew):
    tea = await brew("tea", 180)
    egg = await brew("egg water", 240)
    toast = await brew("toast", 120)
    return [egg, tea, toast]
""",
                "540",
            ),
            (
                "a forgotten await",
                """
async def breakfast(brew):
    egg = brew("egg water", 240)
    tea = brew("tea", 180)
    toast = brew("toast", 120)
    return [egg, tea, toast]
""",
                "coroutine",
            ),
            (
                "tasks in place of results",
                """
async def breakfast(brew):
    egg = asyncio.create_task(brew("egg water", 240))
    tea = asyncio.create_task(brew("tea", 180))
    toast = asyncio.create_task(brew("toast", 120))
    await egg
    return [egg, tea, toast]
""",
                "task",
            ),
            (
                "gather without await",
                """
async def breakfast(brew):
    return asyncio.gather(brew("egg water", 240), brew("tea", 180), brew("toast", 120))
""",
                "GatheringFuture",
            ),
            (
                "nothing returned",
                """
async def breakfast(brew):
    await asyncio.gather(brew("egg water", 240), brew("tea", 180), brew("toast", 120))
""",
                "nothing came back",
            ),
            (
                "a written result",
                """
async def breakfast(brew):
    await asyncio.gather(brew("egg water", 240), brew("tea", 180), brew("toast", 120))
    return ["a pot of egg water", "a pot of tea", "a pot of toast"]
""",
                "some egg water for you",
            ),
            (
                "tasks awaited as they are made",
                """
async def breakfast(brew):
    egg = await asyncio.create_task(brew("egg water", 240))
    tea = await asyncio.create_task(brew("tea", 180))
    toast = await asyncio.create_task(brew("toast", 120))
    return [egg, tea, toast]
""",
                "540",
            ),
            (
                "quicker tea",
                """
async def breakfast(brew):
    egg = await brew("egg water", 200)
    tea = await brew("tea", 20)
    toast = await brew("toast", 20)
    return [egg, tea, toast]
""",
                "for its own time",
            ),
            (
                "as they come",
                """
async def breakfast(brew):
    plans = [brew("egg water", 240), brew("tea", 180), brew("toast", 120)]
    return [await plan for plan in asyncio.as_completed(plans)]
""",
                "A hint: look at the return",
            ),
            (
                "asyncio.run inside",
                """
async def breakfast(brew):
    async def all_three():
        return await asyncio.gather(brew("egg water", 240), brew("tea", 180), brew("toast", 120))

    return asyncio.run(all_three())
""",
                "RuntimeError",
            ),
            (
                "a wait for what never comes",
                """
async def breakfast(brew):
    table = []
    task = asyncio.create_task(brew("tea", 180))
    while len(table) < 3:
        await asyncio.sleep(1)
    return table
""",
                "stopped",
            ),
            ("no function at all", "breakfast = None\n", "breakfast is None"),
            (
                "one thing after another handed on",
                """
async def breakfast(brew):
    yield await brew("egg water", 240)
    yield await brew("tea", 180)
    yield await brew("toast", 120)
""",
                "a `yield` in it",
            ),
            (
                "a list for gather",
                """
async def breakfast(brew):
    return await asyncio.gather([brew("egg water", 240), brew("tea", 180), brew("toast", 120)])
""",
                "Has a list been handed over",
            ),
            (
                "a result before it is there",
                """
async def breakfast(brew):
    egg = asyncio.create_task(brew("egg water", 240))
    tea = asyncio.create_task(brew("tea", 180))
    toast = asyncio.create_task(brew("toast", 120))
    return [egg.result(), tea.result(), toast.result()]
""",
                "asked for before it was there",
            ),
            (
                "a function that calls itself",
                """
async def breakfast(brew):
    return await breakfast(brew)
""",
                "calls itself again and again",
            ),
            (
                "an end for the whole program",
                """
async def breakfast(brew):
    raise SystemExit
""",
                "ends a whole program",
            ),
        ],
    )
}
