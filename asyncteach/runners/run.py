"""The runners: you alone, you with the event loop, threads, processes, interpreters."""

import asyncio
import contextlib
import functools
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Literal, TypeVar

from asyncteach.activities import Activity, check_activities
from asyncteach.arguments import Awaitable, check_number, check_whole, check_word
from asyncteach.formatting import count, printable, tell_apart
from asyncteach.recording import READY, RUNNING, WAITING, Recording
from asyncteach.runners.workers import (
    MOST_WORKERS,
    NS,
    Interval,
    Kind,
    StateLog,
    has_gil,
    run_beside,
    run_in_pool,
)
from asyncteach.virtual_clock.clock import running_clock
from asyncteach.virtual_clock.virtual_time import virtual_time

Clock = Literal["real", "virtual"]

MINUTE = 0.02
"""Real seconds that a story minute takes by default."""

HAS_INTERPRETERS = sys.version_info >= (3, 14)

CORES = 2
"""How many processor cores the machine has in virtual time."""

TURN = 0.25
"""Story minutes that a thread keeps the GIL, or a process a core, while others are ready: at the
usual 20 ms for a minute these are the 5 ms of `sys.getswitchinterval()`."""

_Result = TypeVar("_Result")


class Scenario:
    """One run of some activities: its clock, and the recording that it becomes."""

    def __init__(self, activities: Iterable[Activity], *, clock: Clock, minute: float) -> None:
        __tracebackhide__ = True
        self.activities = check_activities(activities)
        self.virtual = check_word(clock, "clock", ["real", "virtual"]) == "virtual"
        fix = f'leave it at {MINUTE}, or pass clock="virtual"'
        check_number(minute, "minute", unit="seconds", least=1e-6, most=60, fix=fix)
        self.minute = 60.0 if self.virtual else float(minute)
        self.start = 0
        self.cancel: Callable[[], object] = lambda: None
        self._stopped = False

    def clock(self) -> contextlib.AbstractContextManager[Any]:
        """Return the block in which its minutes pass."""
        return virtual_time() if self.virtual else contextlib.nullcontext()

    def new_log(self) -> StateLog:
        """Return a log for one of its activities."""
        return StateLog(lambda: self._stopped, virtual=bool(running_clock()))

    def stop(self) -> None:
        """End the run early, from another thread."""
        self._stopped = True
        with contextlib.suppress(RuntimeError):  # its loop has just closed
            self.cancel()

    def make_recording(
        self, how: str, intervals: Iterable[Iterable[Interval]], *,
        head: str | None = "you", workers: Sequence[str] = (),
    ) -> Recording:  # fmt: skip
        """Return a recording in story minutes: a row for each activity, then for each worker."""
        own = [all(step.needs_you for step in activity.steps) for activity in self.activities]
        what = "Leisure" if all(own) else "Chores and leisure" if any(own) else "Chores"
        names = [printable(activity.name) for activity in self.activities]
        recording = Recording(f"{what}, {how}", tell_apart([*names, *workers]), head=head)
        length = self.minute * NS
        for index, slices in enumerate(intervals):
            for state, *times in slices:
                # Whole nanoseconds divided once: virtual minutes come out exact.
                start, end = ((moment - self.start) / length for moment in times)
                recording.add(index, state, start, end)
        return recording


def run_in_turn(
    activities: Iterable[Activity], *, clock: Clock = "real", minute: float = MINUTE
) -> Recording:
    """Do the activities one after another, as code without asyncio does; return the Recording.

    A plain call that holds its thread until the end: machine time is `time.sleep`, attention is CPU
    work. With `clock="real"` a story minute takes `minute` real seconds, with `clock="virtual"`
    no time at all. Raises TypeError or ValueError for wrong arguments.

    >>> from asyncteach import CHORES
    >>> run_in_turn(CHORES, clock="virtual").minutes
    100.0
    """
    scenario = Scenario(activities, clock=clock, minute=minute)
    with scenario.clock():
        scenario.start = time.perf_counter_ns()
        intervals = [
            scenario.new_log().perform(activity.steps, scenario.minute)
            for activity in scenario.activities
        ]
    return scenario.make_recording("one after another", intervals)


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
    most two are under way: each of the others begins, in order, when one before it is done.
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
    return Awaitable(_run_together(scenario, at_once), "run_together(...)")


async def _run_together(scenario: Scenario, at_once: int | None) -> Recording:
    limit = "" if at_once is None else f", at most {at_once:,} at once"
    intervals = await _gather(scenario, at_once, _do_on_loop)
    return scenario.make_recording(f"together (asyncio.gather){limit}", intervals)


async def _gather(
    scenario: Scenario, at_once: int | None, do: Callable[..., Coroutine[Any, Any, None]]
) -> list[list[Interval]]:
    """Do the activities as tasks, at most `at_once` at a time; return the intervals of each."""
    slots = asyncio.Semaphore(at_once or len(scenario.activities))

    async def work(activity: Activity, log: StateLog) -> None:
        async with slots:
            await do(activity, scenario.minute, log)

    with scenario.clock():
        loop, this = asyncio.get_running_loop(), asyncio.current_task()
        if this:
            scenario.cancel = functools.partial(loop.call_soon_threadsafe, this.cancel)
        scenario.start = time.perf_counter_ns()
        logs = [scenario.new_log() for _ in scenario.activities]
        for log in logs[:at_once]:
            log.enter(READY)
        pairs = zip(scenario.activities, logs, strict=True)
        tasks = [loop.create_task(work(activity, log)) for activity, log in pairs]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:  # an interrupt arrives in one of them
                task.cancel()
    return [log.intervals for log in logs]


async def _do_on_loop(activity: Activity, minute: float, log: StateLog) -> None:
    """Do an activity on the event loop, which its attention holds."""
    log.enter(RUNNING)
    for needs_you, minutes in activity.steps:
        length = round(minutes * minute * NS)
        if needs_you:
            log.attend(length)
        else:
            due = log.enter(WAITING) + length
            await asyncio.sleep(length / NS)
            log.enter(READY, since=due)  # the machine was done on time, even if the loop was late
            log.enter(RUNNING)
    log.enter(None)


def run_on_own_loop(scenario: Scenario, at_once: int | None = None) -> Recording:
    """Do the activities together, in another thread if an event loop is running in this one."""
    return _run(scenario, _run_together(scenario, at_once))


def _run(scenario: Scenario, main: Coroutine[Any, Any, _Result]) -> _Result:
    if find_loop():
        return run_beside(lambda: asyncio.run(main), scenario.stop)
    return asyncio.run(main)


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
    releases the GIL, so it overlaps. Attention is CPU work: it is *running* while its thread has
    the GIL and *ready* while another one has it, so threads take turns, as long as
    `sys.getswitchinterval()` each, and save nothing. On a free-threaded Python they really run at
    once, up to the number of cores.

    With `clock="real"` a story minute takes `minute` real seconds. With `clock="virtual"` no thread
    is started: their turns are simulated, a quarter of a minute long. Raises TypeError or
    ValueError for wrong arguments, RuntimeError if that many threads can't be started.

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

    A plain call, in notebooks and scripts alike; a script needs no `if __name__ == "__main__":`.
    Each process has a Python of its own, with a GIL of its own, so attention runs at once on as
    many cores as there are: an activity is *ready* while another program has its core. The
    processes are gone after the run; the Recording begins when all of them have started, since
    `measure_costs` measures what that takes. More than 32 activities share 32 processes.

    With `clock="real"` a story minute takes `minute` real seconds. With `clock="virtual"` no
    process is started: what two cores would do is simulated. Raises TypeError or ValueError for
    wrong arguments, RuntimeError if a process dies.

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
    run at once as processes do, and are cheaper to start. Keywords and errors are those of
    `run_in_processes`. Raises RuntimeError before Python 3.14.

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
    number = len(scenario.activities)
    if kind != "thread":
        number = min(number, MOST_WORKERS)
    how = f"in {count(number, kind, 'processes' if kind == 'process' else '')}"
    is_virtual = scenario.virtual or running_clock()
    head = "the GIL" if kind == "thread" and (is_virtual or has_gil()) else None
    if is_virtual:
        cores = asyncio.Semaphore(1 if kind == "thread" else CORES)
        simulate = functools.partial(_simulate_worker, cores=cores)
        found = _run(scenario, _gather(scenario, number, simulate))
    else:
        plans = [activity.steps for activity in scenario.activities]
        scenario.start, found = run_in_pool(plans, scenario.minute, kind, number)
    start = scenario.start  # all of them are ready from then on
    intervals = [[(READY, start, own[0][1]), *own] for own in found]
    return scenario.make_recording(how, intervals, head=head)


async def _simulate_worker(
    activity: Activity, minute: float, log: StateLog, *, cores: asyncio.Semaphore
) -> None:
    """Do an activity as a worker would: its attention takes turns at a core, or at the GIL."""

    async def attend(minutes: float) -> None:
        while True:
            log.enter(READY)
            async with cores:  # the activity that has been ready for longest is next
                log.enter(RUNNING)
                await asyncio.sleep(min(TURN, minutes) * minute)
            minutes -= TURN
            if minutes <= 0:
                break

    attention = 0.0
    for needs_you, minutes in activity.steps:
        if needs_you:
            attention += minutes
        else:
            await attend(attention)  # a moment, if it is 0
            attention = 0.0
            log.enter(WAITING)
            await asyncio.sleep(minutes * minute)
    await attend(attention)
    log.enter(None)
