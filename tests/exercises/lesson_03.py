"""Answers to the exercise of lesson 3."""

from . import read_answers

ANSWERS = {
    "the job": read_answers(
        """
### right
async def job(fetch):
    page = await fetch("news")
    return page

### right
def job(fetch):
    return fetch("news")

### right
async def job(fetch):
    return await asyncio.create_task(fetch("news"))

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

### a task that nobody waits for | task
async def job(fetch):
    task = asyncio.create_task(fetch("news"))
    return task

### no function that can be awaited | Not yet
def job(fetch):
    return "the news page"

### a spin until the task is done | stopped
async def job(fetch):
    task = asyncio.create_task(fetch("news"))
    while not task.done():
        pass
    return task.result()
"""
    ),
}
