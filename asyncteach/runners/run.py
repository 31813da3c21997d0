"""Who does the activities: you alone, you with the event loop, threads, processes."""

import sys
import time
from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any

from asyncteach.activities import Activity
from asyncteach.recording import RUNNING, WAITING, Recording
from asyncteach.runners.awaitable import Awaitable
from asyncteach.runners.diary import NS, Diary
from asyncteach.runners.loop import check_at_once, gather_story
from asyncteach.runners.machine import has_gil
from asyncteach.runners.processes import MOST_WORKERS, Crew, check_picklable
from asyncteach.runners.schedule import CORES, work_out
from asyncteach.runners.threads import (
    MOST_THREADS,
    do_in_threads,
    in_own_interpreters,
    in_this_interpreter,
)
from asyncteach.story import MINUTE, Clock, Story
from asyncteach.virtual_clock.clock import running_clock

if TYPE_CHECKING:
    pass

HAS_INTERPRETERS = sys.version_info >= (3, 14)


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
    story = Story(activities, clock=clock, minute=minute)
    diaries = []
    with story.clock():
        story.begin()
        for activity in story.activities:
            diary = Diary()
            diaries.append(diary)
            diary.enter(RUNNING)
            for needs_you, minutes in activity.steps:
                if needs_you:
                    story.attend(minutes, diary)
                else:
                    diary.enter(WAITING)
                    time.sleep(minutes * story.minute)
                    diary.enter(RUNNING)
            diary.enter(None)
    return story.tell("one after another", [diary.stretches for diary in diaries])


def run_together(
    activities: Iterable[Activity],
    *,
    clock: Clock = "real",
    minute: float = MINUTE,
    at_once: int | None = None,
) -> "Coroutine[Any, Any, Recording]":
    """Do the activities together with `asyncio.gather` on the running loop: `await` it.

    Machine time is `await asyncio.sleep`, so the loop turns to another activity meanwhile;
    attention is CPU work that holds the loop. Returns the Recording. With `clock="real"` a story
    minute takes `minute` real seconds, with `clock="virtual"` no time at all. With `at_once=2` at
    most two are under way: each of the others is begun, in order, when one before it is done.
    Raises TypeError or ValueError, one sentence each, for what can't be done.

    >>> import asyncio
    >>> from asyncteach import CHORES
    >>> asyncio.run(run_together(CHORES, clock="virtual")).minutes
    40.0
    >>> asyncio.run(run_together(CHORES, clock="virtual", at_once=2)).minutes
    60.0
    """
    story = Story(activities, clock=clock, minute=minute)
    return Awaitable(gather_story(story, check_at_once(at_once)), "run_together(...)")


def run_in_threads(
    activities: Iterable[Activity], *, clock: Clock = "real", minute: float = MINUTE
) -> Recording:
    """Do each activity in a thread of its own, all at once, and return the Recording.

    A plain call that holds its own thread until all are done. Machine time is `time.sleep`, which
    lets go of the GIL, so it overlaps. Attention is CPU work: it is *running* while its thread has
    the GIL and *ready* while it wants it, so threads take turns, as long as
    `sys.getswitchinterval()` each, and save nothing. On a free-threaded Python they really run at
    once, up to the number of cores.

    With `clock="real"` a story minute takes `minute` real seconds, and what you see is what the
    threads did. With `clock="virtual"` no thread is started: their turns are worked out, a quarter
    of a minute long, and are the same on every machine. Raises TypeError or ValueError, one
    sentence each, for what can't be done, RuntimeError where so many threads can't be had.

    >>> from asyncteach import CHORES, LEISURE
    >>> run_in_threads(CHORES, clock="virtual").minutes
    40.0
    >>> run_in_threads(LEISURE, clock="virtual").minutes
    100.0
    """
    story = Story(activities, clock=clock, minute=minute)
    way = f"in {_count(story, 'thread', MOST_THREADS)}"
    if story.virtual or running_clock():
        return _worked_out(story, way, servers=1, at_once=MOST_THREADS, head="the GIL")
    stretches = do_in_threads(story, in_this_interpreter(story), MOST_THREADS)
    return story.tell(way, stretches, head="the GIL" if has_gil() else None)


def run_in_processes(
    activities: Iterable[Activity], *, clock: Clock = "real", minute: float = MINUTE
) -> Recording:
    """Do each activity in a process of its own, all at once, and return the Recording.

    A plain call, in notebooks and scripts alike, that holds its thread until all are done. Each
    process has a Python of its own, with a GIL of its own, so attention runs at once on as many
    cores as there are: *ready* is who wants a core that somebody else has. The processes are
    started anew for each run and are gone after it; the Recording begins when they are up, since
    what starting costs is measured by `measure_costs`. More than 32 activities share 32 processes.

    With `clock="real"` a story minute takes `minute` real seconds. With `clock="virtual"` no
    process is started: what two cores would do is worked out, the same on every machine. Raises
    TypeError or ValueError, one sentence each, for what can't be done, also for an activity that
    can't be copied to another process; RuntimeError if a process dies.

    >>> from asyncteach import LEISURE
    >>> run_in_processes(LEISURE, clock="virtual").minutes
    55.0
    """
    story = Story(activities, clock=clock, minute=minute)
    way = f"in {_count(story, 'process', MOST_WORKERS)}"
    if story.virtual or running_clock():
        return _worked_out(story, way, servers=CORES, at_once=MOST_WORKERS)
    pickled = check_picklable(story.activities)
    with Crew(len(story.activities)) as crew:
        story.begin()
        stretches = crew.do(story.activities, pickled, story.minute, story.start)
    return story.tell(way, stretches, head=None)


def run_in_interpreters(
    activities: Iterable[Activity], *, clock: Clock = "real", minute: float = MINUTE
) -> Recording:
    """Do each activity in a thread with an interpreter of its own, and return the Recording.

    From Python 3.14 on one process can hold several interpreters, each with a GIL of its own: they
    run at once as processes do, and are cheaper to start. The interpreters are made anew for each
    run and closed after it; the Recording begins when they are there.

    Keywords and errors are those of `run_in_processes`. Raises RuntimeError before Python 3.14.

    >>> from asyncteach import LEISURE
    >>> if sys.version_info >= (3, 14):
    ...     recording = run_in_interpreters(LEISURE, clock="virtual")
    """
    story = Story(activities, clock=clock, minute=minute)
    if not HAS_INTERPRETERS:
        raise RuntimeError(
            "run_in_interpreters needs Python 3.14 or later, and this is "
            f"{sys.version_info.major}.{sys.version_info.minor}: use run_in_processes, where each "
            "process has an interpreter of its own too."
        )
    way = f"in {_count(story, 'interpreter', MOST_WORKERS)}"
    if story.virtual or running_clock():
        return _worked_out(story, way, servers=CORES, at_once=MOST_WORKERS)
    stretches = do_in_threads(story, in_own_interpreters(story), MOST_WORKERS)
    return story.tell(way, stretches, head=None)


def _worked_out(
    story: Story, way: str, *, servers: int, at_once: int, head: str | None = None
) -> Recording:
    plans = [activity.steps for activity in story.activities]
    stretches = work_out(plans, servers, story.minute, at_once=at_once)
    if running_clock():  # somebody's virtual time passes as it would have
        last = max(end for own in stretches for _, _, end in own)
        time.sleep(last / NS)
    return story.tell(way, stretches, head=head)


def _count(story: Story, noun: str, most: int) -> str:
    number = min(len(story.activities), most)
    if number == 1:
        return f"one {noun}"
    return f"{number:,} {noun}{'es' if noun.endswith('s') else 's'}"
