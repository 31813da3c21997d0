"""Answers to the exercise of lesson 2."""

ANSWERS = {
    "breakfast": """
### awaits in a row | 540
async def breakfast(brew):
    tea = await brew("tea", 180)
    egg = await brew("egg water", 240)
    toast = await brew("toast", 120)
    return [egg, tea, toast]

### a forgotten await | coroutine
async def breakfast(brew):
    egg = brew("egg water", 240)
    tea = brew("tea", 180)
    toast = brew("toast", 120)
    return [egg, tea, toast]

### nothing returned | the result is None
async def breakfast(brew):
    await asyncio.gather(brew("egg water", 240), brew("tea", 180), brew("toast", 120))

### a written result | some egg water for you
async def breakfast(brew):
    await asyncio.gather(brew("egg water", 240), brew("tea", 180), brew("toast", 120))
    return ["a pot of egg water", "a pot of tea", "a pot of toast"]

### quicker tea | for its own time
async def breakfast(brew):
    egg = await brew("egg water", 200)
    tea = await brew("tea", 20)
    toast = await brew("toast", 20)
    return [egg, tea, toast]

### as they come | in another order
async def breakfast(brew):
    plans = [brew("egg water", 240), brew("tea", 180), brew("toast", 120)]
    return [await plan for plan in asyncio.as_completed(plans)]

### no function at all | breakfast is None
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
