"""The runners: you alone, you with the event loop, threads, processes, interpreters."""

import asyncio
import sys
import time
from collections.abc import Coroutine, Iterable, Iterator
from itertools import islice
from typing import Any

from asyncteach.activities import Activity
from asyncteach.arguments import check_whole
from asyncteach.formatting import count
from asyncteach.recording import READY, RUNNING, WAITING, Recording
from asyncteach.runners.awaitable import Awaitable
from asyncteach.runners.scenario import MINUTE, Clock, Scenario
from asyncteach.runners.schedule import CORES, work_out
from asyncteach.runners.workers import (
    MOST_THREADS,
    MOST_WORKERS,
    NS,
    Kind,
    StateLog,
    has_gil,
    run_beside,
    run_in_pool,
)
from asyncteach.virtual_clock.clock import running_clock

HAS_INTERPRETERS = sys.version_info >= (3, 14)


def run_in_turn(
    activities: Iterable[Activity], *, clock: Clock = "real", minute: float = MINUTE
) -> Recording:
    """Do the activities one after another, as code without asyncio does; return the Recording.

    A plain call that holds its thread to the end: machine time is `time.sleep`, attention is CPU
    work. With `clock="real"` a story minute takes `minute` real seconds, with `clock="virtual"`
    no time at all. Raises TypeError or ValueError for wrong arguments.

    >>> from asyncteach import CHORES
    >>> run_in_turn(CHORES, clock="virtual").minutes
    100.0
    """
    scenario = Scenario(activities, clock=clock, minute=minute)
    logs = []
    with scenario.clock():
        scenario.begin()
        for activity in scenario.activities:
            log = StateLog()
            logs.append(log)
            log.enter(RUNNING)
            for needs_you, minutes in activity.steps:
                if needs_you:
                    scenario.attend(minutes, log)
                else:
                    log.enter(WAITING)
                    time.sleep(minutes * scenario.minute)
                    log.enter(RUNNING)
            log.enter(None)
    return scenario.make_recording("one after another", [log.intervals for log in logs])


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
    Raises TypeError or ValueError for wrong arguments.

    >>> import asyncio
    >>> from asyncteach import CHORES
    >>> asyncio.run(run_together(CHORES, clock="virtual")).minutes
    40.0
    >>> asyncio.run(run_together(CHORES, clock="virtual", at_once=2)).minutes
    60.0
    """
    scenario = Scenario(activities, clock=clock, minute=minute)
    if at_once is not None:
        at_once = check_whole(at_once, "at_once", fix="leave it out for all of them at once")
    return Awaitable(_gather(scenario, at_once), "run_together(...)")


async def _gather(scenario: Scenario, at_once: int | None) -> Recording:
    """Do the activities together on the running loop, at most so many at once."""
    logs = [StateLog() for _ in scenario.activities]
    left = iter(list(zip(scenario.activities, logs, strict=True)))
    with scenario.clock():
        scenario.run_on(asyncio.get_running_loop())
        scenario.begin()
        tasks = []
        for activity, log in islice(left, at_once):
            log.enter(READY)
            tasks.append(asyncio.create_task(_do(activity, scenario, log, left)))
        try:
            await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise
    how = "together (asyncio.gather)"
    if at_once is not None:
        how += f", at most {at_once:,} at once"
    return scenario.make_recording(how, [log.intervals for log in logs])


async def _do(
    activity: Activity, scenario: Scenario, log: StateLog, left: Iterator[tuple[Activity, StateLog]]
) -> None:
    """Do an activity, and then those that are left, one after the other."""
    await _do_one(activity, scenario, log)
    for later, its_log in left:
        await _do_one(later, scenario, its_log)


async def _do_one(activity: Activity, scenario: Scenario, log: StateLog) -> None:
    log.enter(RUNNING)
    for needs_you, minutes in activity.steps:
        if needs_you:
            scenario.attend(minutes, log)
        else:
            seconds = minutes * scenario.minute
            began = log.enter(WAITING)
            await asyncio.sleep(seconds)
            # The machine was done on time, whenever the loop came back to it.
            log.enter(READY, since=began + round(seconds * NS))
            log.enter(RUNNING)
    log.enter(None)


def run_on_own_loop(scenario: Scenario, at_once: int | None = None) -> Recording:
    """Do the activities together, in another thread where this one has a running loop."""

    def work() -> Recording:
        return asyncio.run(_gather(scenario, at_once))

    return run_beside(work, scenario.stop) if find_loop() else work()


def find_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that is running in this thread, if there is one."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


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
    of a minute long, and are the same on every machine. Raises TypeError or ValueError for wrong
    arguments, RuntimeError where so many threads can't be started.

    >>> from asyncteach import CHORES, LEISURE
    >>> run_in_threads(CHORES, clock="virtual").minutes
    40.0
    >>> run_in_threads(LEISURE, clock="virtual").minutes
    100.0
    """
    return _run_in_workers("thread", Scenario(activities, clock=clock, minute=minute))


def run_in_processes(
    activities: Iterable[Activity], *, clock: Clock = "real", minute: float = MINUTE
) -> Recording:
    """Do each activity in a process of its own, all at once, and return the Recording.

    A plain call, in notebooks and scripts alike, that holds its thread until all are done; a
    script needs no `if __name__ == "__main__":`. Each process has a Python of its own, with a GIL
    of its own, so attention runs at once on as many cores as there are: an activity is *ready*
    while it wants a core that another program has. The processes are started anew for each run
    and are gone after it; the Recording begins when they are up, since what starting costs is
    measured by `measure_costs`. More than 32 activities share 32 processes.

    With `clock="real"` a story minute takes `minute` real seconds. With `clock="virtual"` no
    process is started: what two cores would do is worked out, the same on every machine. Raises
    TypeError or ValueError for wrong arguments, RuntimeError if a process dies or can't start.

    >>> from asyncteach import LEISURE
    >>> run_in_processes(LEISURE, clock="virtual").minutes
    55.0
    """
    return _run_in_workers("process", Scenario(activities, clock=clock, minute=minute))


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
    scenario = Scenario(activities, clock=clock, minute=minute)
    if not HAS_INTERPRETERS:
        raise RuntimeError(
            "run_in_interpreters needs Python 3.14 or later, and this is "
            f"{sys.version_info.major}.{sys.version_info.minor}: use run_in_processes, where each "
            "process has an interpreter of its own too."
        )
    return _run_in_workers("interpreter", scenario)


def _run_in_workers(kind: Kind, scenario: Scenario) -> Recording:
    most = MOST_THREADS if kind == "thread" else MOST_WORKERS
    number = min(len(scenario.activities), most)
    how = f"in {count(number, kind, 'processes' if kind == 'process' else '')}"
    is_virtual = scenario.virtual or running_clock()
    head = "the GIL" if kind == "thread" and (is_virtual or has_gil()) else None
    if not is_virtual:
        return scenario.make_recording(how, run_in_pool(scenario, kind, number), head=head)
    plans = [activity.steps for activity in scenario.activities]
    servers = 1 if kind == "thread" else CORES
    intervals = work_out(plans, servers, scenario.minute, at_once=most)
    if running_clock():  # the block's virtual time passes too
        time.sleep(max(end for own in intervals for _, _, end in own) / NS)
    return scenario.make_recording(how, intervals, head=head)
