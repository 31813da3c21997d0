"""Activities done together, as tasks of one event loop."""

import asyncio
import contextvars
import threading
from collections.abc import Iterator
from itertools import islice
from numbers import Integral

from asyncteach.activities import Activity
from asyncteach.recording import Recording
from asyncteach.runners.diary import NS, Diary
from asyncteach.story import Story
from asyncteach.trace import READY, RUNNING, WAITING


async def gather_story(story: Story, at_once: int | None = None) -> Recording:
    """Do a story's activities together on the running loop, at most so many at once."""
    diaries = [Diary() for _ in story.activities]
    left = iter(list(zip(story.activities, diaries, strict=True)))
    with story.clock():
        story.run_on(asyncio.get_running_loop())
        story.begin()
        tasks = []
        for activity, diary in islice(left, at_once):
            diary.enter(READY)
            tasks.append(asyncio.create_task(_do(activity, story, diary, left)))
        try:
            await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise
    way = "together (asyncio.gather)"
    if at_once is not None:
        way += f", at most {at_once:,} at once"
    return story.tell(way, [diary.stretches for diary in diaries])


def check_at_once(at_once: object) -> int | None:
    """Return how many may be under way at once, or say in one sentence why it can't be that."""
    __tracebackhide__ = True
    if at_once is None:
        return None
    if isinstance(at_once, bool) or not isinstance(at_once, Integral):
        raise TypeError(
            f"at_once must be a whole number such as 2, not {at_once!r}: leave it out for all of "
            "them at once."
        )
    if at_once < 1:
        raise ValueError(
            f"at_once can't be {at_once}: at least one has to be under way, or nothing gets done."
        )
    return int(at_once)


async def _do(
    activity: Activity, story: Story, diary: Diary, left: Iterator[tuple[Activity, Diary]]
) -> None:
    """Do an activity, and then those that are left, one after the other."""
    await _attend_to(activity, story, diary)
    for later, its_diary in left:
        await _attend_to(later, story, its_diary)


async def _attend_to(activity: Activity, story: Story, diary: Diary) -> None:
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


def run_on_own_loop(story: Story, at_once: int | None = None) -> Recording:
    """Run the story together, in another thread where this one has a loop running already."""
    if asyncio._get_running_loop() is None:
        return asyncio.run(gather_story(story, at_once))
    results: list[Recording] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(asyncio.run(gather_story(story, at_once)))
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
