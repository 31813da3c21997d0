"""Answers to the exercise of lesson 3."""

ANSWERS = {
    "the job": """
### asyncio.run in a coroutine | RuntimeError
async def job(fetch):
    return asyncio.run(fetch("news"))

### a forgotten await | coroutine
async def job(fetch):
    return fetch("news")

### nothing returned | the result is None
async def job(fetch):
    await fetch("news")

### a written result | all about news
async def job(fetch):
    await fetch("news")
    return "the news page"

### right
async def job(fetch):
    page = await fetch("news")
    return page

### right
def job(fetch):
    return fetch("news")

### no function that can be awaited | Not yet
def job(fetch):
    return "the news page"

### right
async def job(fetch):
    return await asyncio.create_task(fetch("news"))
""",
}
