"""Who does the activities: you alone in turn, or you with the event loop, together."""

import asyncio
import contextvars
import threading
import time
from collections.abc import Coroutine, Generator, Iterable
from typing import TYPE_CHECKING, Any

from asyncteach.activities import Activity, check_activities
from asyncteach.recording import READY, RUNNING, WAITING, Recording
from asyncteach.story import MINUTE, Clock, Lane, Story

if TYPE_CHECKING:
    from asyncteach.comparison import Comparison


_TOGETHER = "together (asyncio.gather)"


def run_in_turn(
    activities: Iterable[Activity], *, clock: Clock = "real", minute: float = MINUTE
) -> Recording:
    """Do the activities one after another, as code without asyncio does; return the Recording.

    A plain call that holds its thread to the end: machine time is `time.sleep`, attention is CPU
    work. With `clock="real"` a story minute takes `minute` real seconds, with `clock="virtual"`
    no time at all. Raises TypeError or ValueError, one sentence each, for what can't be done.

    >>> from asyncteach import CHORES
    >>> run_in_turn(CHORES, clock="virtual").minutes
    100.0
    """
    story = Story(activities, "one after another", clock=clock, minute=minute)
    with story.clock():
        story.begin()
        for index, activity in enumerate(story.activities):
            lane = Lane(story, index)
            lane.enter(RUNNING)
            for step in activity.steps:
                if step.needs_you:
                    story.attend(step.minutes)
                else:
                    lane.enter(WAITING)
                    time.sleep(step.minutes * story.minute)
                    lane.enter(RUNNING)
            lane.enter(None)
    return story.recording


def run_together(
    activities: Iterable[Activity], *, clock: Clock = "real", minute: float = MINUTE
) -> "Coroutine[Any, Any, Recording]":
    """Do the activities together with `asyncio.gather` on the running loop: `await` it.

    Machine time is `await asyncio.sleep`, so the loop turns to another activity meanwhile;
    attention is CPU work that holds the loop. Returns the Recording. With `clock="real"` a story
    minute takes `minute` real seconds, with `clock="virtual"` no time at all. Raises TypeError or
    ValueError, one sentence each, for what can't be done.

    >>> from asyncteach import CHORES
    >>> asyncio.run(run_together(CHORES, clock="virtual")).minutes
    40.0
    """
    story = Story(activities, _TOGETHER, clock=clock, minute=minute)
    return _Awaitable(_run_together(story), "run_together(...)")


async def _run_together(story: Story) -> Recording:
    with story.clock():
        story.run_on(asyncio.get_running_loop())
        story.begin()
        tasks = []
        for index, activity in enumerate(story.activities):
            lane = Lane(story, index)
            lane.enter(READY)
            tasks.append(asyncio.create_task(_do(activity, story, lane)))
        try:
            await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise
    return story.recording


async def _do(activity: Activity, story: Story, lane: Lane) -> None:
    lane.enter(RUNNING)
    for step in activity.steps:
        if step.needs_you:
            story.attend(step.minutes)
        else:
            began = lane.enter(WAITING)
            await asyncio.sleep(step.minutes * story.minute)
            # The machine was done on time, whenever the loop came back to it.
            lane.enter(READY, since=began + step.minutes)
            lane.enter(RUNNING)
    lane.enter(None)


def compare(
    activities: Iterable[Activity], *, clock: Clock = "real", minute: float = MINUTE
) -> "Comparison":
    """Do the same activities every way, and return a table with a figure of all of them.

    A plain call, in a notebook too: where a loop is running, the way that needs one gets a thread
    with a loop of its own. The table is a DataFrame with one row a way, "in turn" and "together",
    and the columns minutes, attention minutes (both of the story) and speed-up (over in turn);
    `.recordings` holds the Recording of each way and `.figure` draws them on one axis. Keywords
    and errors are those of `run_in_turn`.

    >>> from asyncteach import CHORES
    >>> print(compare(CHORES, clock="virtual"))
              minutes  attention minutes  speed-up
    way
    in turn     100.0                0.0       1.0
    together     40.0                0.0       2.5
    """
    from asyncteach.comparison import make_comparison

    ready = check_activities(activities)
    recordings = {"in turn": run_in_turn(ready, clock=clock, minute=minute)}
    story = Story(ready, _TOGETHER, clock=clock, minute=minute)
    recordings["together"] = _run_on_own_loop(story)
    return make_comparison(recordings)


def _run_on_own_loop(story: Story) -> Recording:
    """Run the story together, in another thread where this one has a loop running already."""
    if asyncio._get_running_loop() is None:
        return asyncio.run(_run_together(story))
    results: list[Recording] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(asyncio.run(_run_together(story)))
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


class _Awaitable(Coroutine[Any, Any, Recording]):
    """A coroutine that says what is missing when it is taken for its result."""

    def __init__(self, coroutine: Coroutine[Any, Any, Recording], call: str) -> None:
        # The name that "was never awaited" shows is the one that was called.
        names: Any = coroutine
        names.__name__ = names.__qualname__ = call.partition("(")[0]
        self._coroutine = coroutine
        self._call = call

    def send(self, value: Any) -> Any:
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, Recording]:
        return self._coroutine.__await__()

    def __repr__(self) -> str:
        return f"<{self._call} has not been awaited: write `await {self._call}`>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("_", "cr_", "gi_")):
            return getattr(self._coroutine, name)
        raise AttributeError(
            f"{self._call} gives a coroutine, which has no {name!r} yet: "
            f"write `recording = await {self._call}`, then `recording.{name}`."
        )
