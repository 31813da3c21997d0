"""Activities done together, as tasks of one event loop."""

import asyncio
import contextvars
import threading

from asyncteach.activities import Activity
from asyncteach.recording import Recording
from asyncteach.states import READY, RUNNING, WAITING
from asyncteach.story import Story
from asyncteach.ways.diary import NS, Diary


async def gather_story(story: Story) -> Recording:
    """Do a story's activities together on the running loop."""
    diaries = []
    with story.clock():
        story.run_on(asyncio.get_running_loop())
        story.begin()
        tasks = []
        for activity in story.activities:
            diary = Diary()
            diaries.append(diary)
            diary.enter(READY)
            tasks.append(asyncio.create_task(_do(activity, story, diary)))
        try:
            await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise
    return story.tell("together (asyncio.gather)", [diary.stretches for diary in diaries])


async def _do(activity: Activity, story: Story, diary: Diary) -> None:
    diary.enter(RUNNING)
    for needs_you, minutes in activity.steps:
        if needs_you:
            story.attend(minutes, diary)
        else:
            seconds = minutes * story.minute
            began = diary.enter(WAITING)
            await asyncio.sleep(seconds)
            # The machine was done on time, whenever the loop came back to it.
            diary.enter(READY, since=began + round(seconds * NS))
            diary.enter(RUNNING)
    diary.enter(None)


def run_on_own_loop(story: Story) -> Recording:
    """Run the story together, in another thread where this one has a loop running already."""
    if asyncio._get_running_loop() is None:
        return asyncio.run(gather_story(story))
    results: list[Recording] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(asyncio.run(gather_story(story)))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(
        target=contextvars.copy_context().run, args=(work,), name="asyncteach-compare"
    )
    thread.start()
    try:
        thread.join()
    except BaseException:  # an interrupt: don't leave the thread behind
        story.give_up()
        thread.join()
        raise
    if errors:
        raise errors[0]
    return results[0]
