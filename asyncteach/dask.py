"""Bigger than one machine: the same activities on the workers of a Dask cluster."""

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from asyncteach.activities import Activity
from asyncteach.domains import STORY
from asyncteach.formatting import clip, count, printable, tell_apart
from asyncteach.recording import Recording
from asyncteach.runners.awaitable import Awaitable
from asyncteach.runners.run import find_loop
from asyncteach.runners.scenario import MINUTE, Clock, Scenario
from asyncteach.runners.workers import NS, Interval, Plan, count_cores, perform
from asyncteach.trace import READY, RUNNING, STATES, WAITING, TaskRecord, Trace, make_slices
from asyncteach.virtual_clock.clock import running_clock

if TYPE_CHECKING:
    from distributed import Client

_STARTING = 120  # seconds for workers to start: a busy machine takes long to import Dask

_LOOK = 0.2  # seconds between two looks whether any worker of our own is alive

_FOREMOST = (RUNNING, READY, WAITING)  # of what a worker's threads do at one moment

Span = tuple[str, float, float]
"""A state, its start and its end, in story minutes since the activities were submitted."""


def run_on_dask(
    activities: Iterable[Activity], client: "Client | None" = None, *,
    clock: Clock = "real", minute: float = MINUTE,
) -> "Recording | Coroutine[Any, Any, Recording]":  # fmt: skip
    """Do the activities on the workers of a Dask cluster, which may be any number of machines.

    Without a `client` it starts a cluster of its own on this machine, a worker process for each
    activity up to the number of cores (at least two), and leaves nothing of it behind; this takes
    a second or two that do not count. A `client` of yours names any other cluster, which is left
    as it was; asyncteach must be installed on its workers. A worker does one activity on each of
    its threads, so a chore holds a thread although a machine does it.

    In a script it is a plain call that returns the Recording, and so it is with an ordinary client
    anywhere. Where an event loop is running, as in a notebook, write `await run_on_dask(...)`, and
    so with an asynchronous client. An interrupt or a cancellation ends the activities as well.

    The Recording is in story minutes since the activities were submitted: a row for each worker,
    *running* or *waiting* as its activities are, and below it a row for each activity that it has
    done. They are *ready* until a worker begins, known to a few milliseconds. If a worker dies,
    another does its activities again, and their outcome and the title say so. If all workers of
    your client's cluster die, the run waits for new ones, as Dask does; in a cluster of its own
    there are none to come, and it ends with RuntimeError.

    A story minute takes `minute` real seconds; `clock="virtual"` is refused. Raises TypeError or
    ValueError for wrong arguments; RuntimeError for a cluster that has no workers or loses its
    scheduler; ImportError without Dask: `pip install "asyncteach[dask]"`.

    >>> from asyncteach import LEISURE
    >>> recording = run_on_dask(LEISURE)  # doctest: +SKIP
    >>> recording.title  # doctest: +SKIP
    'Leisure, on Dask (2 workers)'
    """
    scenario = Scenario(activities, clock=clock, minute=minute)
    if scenario.virtual or running_clock():
        raise ValueError(
            "run_on_dask takes real time only, since other machines' clocks can't jump: leave out "
            'clock="virtual" and virtual_time(), or use run_in_processes.'
        )
    _check_dask()
    loop = find_loop()
    if client is None:
        work = _run_on_own_cluster(scenario)
        return Awaitable(work, "run_on_dask(...)") if loop else asyncio.run(work)
    if _check_client(client, loop) is loop:
        return Awaitable(_run_on_cluster(scenario, client), "run_on_dask(...)")
    made: Any = client  # it has types in some versions, and none in others
    recording: Recording = made.sync(_run_on_cluster, scenario, client)
    return recording


def _check_dask() -> None:
    __tracebackhide__ = True
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "run_on_dask needs Dask's distributed, which can't be imported here "
            f'({error}): pip install "asyncteach[dask]"'
        ) from error


def _check_client(
    client: Any, running: asyncio.AbstractEventLoop | None
) -> asyncio.AbstractEventLoop:
    """Return the loop of a client that can be used from here."""
    __tracebackhide__ = True
    from distributed import Client

    if not isinstance(client, Client):
        raise TypeError(
            f"client must be a Client of dask.distributed, not of type {type(client).__name__}: "
            "write run_on_dask(activities, Client(...)) with the cluster or its address inside."
        )
    home: Any = client.loop
    loop: asyncio.AbstractEventLoop = home.asyncio_loop
    if client.status == "running" and (loop is running or loop.is_running()):
        return loop
    raise RuntimeError(
        f"this client is not connected here (its status is {client.status!r}): make a new one with "
        "`Client(...)`, or in the coroutine that awaits run_on_dask with "
        "`await Client(..., asynchronous=True)`."
    )


async def _run_on_own_cluster(scenario: Scenario) -> Recording:
    number = max(2, min(len(scenario.activities), count_cores()))
    async with _open_cluster(number) as (client, workers):
        run = asyncio.create_task(_run_on_cluster(scenario, client))
        try:
            while not run.done() and _any_alive(workers):
                await asyncio.wait([run], timeout=_LOOK)
        finally:
            run.cancel()
            await asyncio.wait([run])
        if (run.cancelled() or run.exception()) and not _any_alive(workers):
            raise RuntimeError(
                f"{count(number, 'Dask worker')} began this run and all of them have died, so its "
                "activities can't be finished: look whether the system ended them, as it does when "
                "memory is short, and run it again."
            )
        return run.result()


def _any_alive(processes: Sequence["subprocess.Popen[bytes]"]) -> bool:
    return any(process.poll() is None for process in processes)


@contextlib.asynccontextmanager
async def _open_cluster(
    number: int,
) -> AsyncIterator[tuple[Any, Sequence["subprocess.Popen[bytes]"]]]:
    """Give a client of a new cluster, of which nothing is left afterwards, and its workers.

    The workers are started by Dask's command line. Its LocalCluster would run a script again that
    has no guard, and an interrupt while it starts would leave processes behind.
    """
    import dask.config
    from distributed import Client, Scheduler
    from distributed.utils import silence_logging_cmgr

    processes: list[subprocess.Popen[bytes]] = []

    def end() -> None:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()

    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="asyncteach-", ignore_cleanup_errors=True)
        )
        stack.enter_context(silence_logging_cmgr(logging.CRITICAL + 1))
        # A thread that watches the scheduler would stay for as long as the loop does.
        config = {"temporary-directory": folder, "distributed.worker.profile.enabled": False}
        with dask.config.set(config):
            scheduler = Scheduler(
                host="127.0.0.1", dashboard=False, dashboard_address="127.0.0.1:0"
            )
        stack.push_async_callback(scheduler.close)  # also if it is interrupted while it starts
        await scheduler
        stack.callback(end)
        for index in range(number):
            options = ["--no-nanny", "--no-dashboard", "--host=127.0.0.1", "--nthreads=1"]
            options += [f"--name={index + 1}", "--memory-limit=0", f"--local-directory={folder}"]
            processes.append(_start_worker([*options, "--death-timeout=30"], scheduler))
        due = time.monotonic() + _STARTING
        while len(scheduler.workers) < number:
            if time.monotonic() > due or any(one.poll() is not None for one in processes):
                raise RuntimeError(
                    "a Dask worker did not start: look whether this works, and run it again: "
                    f"{sys.executable} -m distributed.cli.dask_worker --version"
                )
            await asyncio.sleep(0.02)
        make: Any = Client  # it has types in some versions, and none in others
        client = make(scheduler.address, asynchronous=True, set_as_default=False)
        yield await stack.enter_async_context(client), processes
        end()  # before the client and the scheduler wait for them


def _start_worker(options: list[str], scheduler: Any) -> "subprocess.Popen[bytes]":
    """Start a worker, which ends when its scheduler, or its parent, does."""
    path = os.environ.get("PYTHONPATH", ""), str(Path(__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "distributed.cli.dask_worker", *options, scheduler.address],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,  # an interrupt is for this process alone
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))},
    )  # fmt: skip


async def _run_on_cluster(scenario: Scenario, client: Any) -> Recording:
    """Have a cluster do the activities, and return what it and its workers noted."""
    from distributed import CancelledError, KilledWorker

    topic = f"asyncteach-{uuid.uuid4().hex}"
    futures: list[Any] = []
    try:
        number = len(await client.run(_is_there))  # workers import this module before time counts
        if not number:
            raise RuntimeError(
                "this Dask cluster has no workers: wait for them with client.wait_for_workers(1)."
            )
        await client.log_event(topic, ("", "", ""))
        for index, activity in enumerate(scenario.activities):
            arguments = tuple(map(tuple, activity.steps)), scenario.minute, topic
            key = f"{printable(activity.name)}-{index}-{topic}"
            futures.append(client.submit(run_activity, *arguments, key, key=key, pure=False))
        intervals = await asyncio.gather(*(future.result() for future in futures))
        (begun, _), *events = await client.get_events(topic)
    except BaseException as error:
        with contextlib.suppress(Exception):  # the workers need not go on
            async with asyncio.timeout(5):
                await client.cancel(futures)
        task = asyncio.current_task()
        if task and task.cancelling():
            raise asyncio.CancelledError from None
        if isinstance(error, KilledWorker):
            name = clip(str(error.task).rsplit("-", 3)[0], 60)
            raise RuntimeError(
                f"{name!r} was given to {count(error.allowed_failures + 1, 'Dask worker')} and "
                "each of them died: see in their logs why, and run it again."
            ) from None
        if isinstance(error, OSError | CancelledError | asyncio.CancelledError):
            raise RuntimeError(
                "the Dask cluster has dropped this run, because its scheduler is gone or was "
                "restarted: run it again, with a new client if the cluster is a new one."
            ) from None
        if isinstance(error, ImportError):
            raise RuntimeError(
                f"a Dask worker can't import asyncteach ({clip(error, 120)}): install it on all "
                "workers, with the same versions of Python and Dask as here."
            ) from None
        raise
    starts = [Start(at, *note) for at, note in events]
    keys = [future.key for future in futures]
    trace, died = make_trace(scenario, begun, starts, dict(zip(keys, intervals, strict=True)))
    how = f"on Dask ({count(number, 'worker')}{f', {died} died' if died else ''})"
    return Recording.from_trace(scenario.title(how), trace)


def _is_there() -> bool:
    return True


def run_activity(plan: Plan, minute: float, topic: str, key: str) -> list[Interval]:
    """Do one activity: this is what runs on a worker, on one of its threads."""
    from distributed import get_worker

    worker: Any = get_worker()
    # The scheduler keeps this note even if the worker dies.
    worker.log_event(topic, (key, worker.address, str(worker.name)))
    task = worker.state.tasks[key]

    def stopped() -> bool:
        # Dask can't end a thread. It marks a task that was cancelled, and a worker that ends.
        return task.state == "cancelled" or worker.status.name in ("closing", "closed", "failed")

    return perform(plan, minute, stopped)


class Start(NamedTuple):
    """The note of a worker that it has begun an activity, at that time of the scheduler's clock."""

    at: float
    key: str
    worker: str
    name: str


def make_trace(
    scenario: Scenario, begun: float, starts: Sequence[Start], intervals: dict[str, list[Interval]]
) -> tuple[Trace, int]:
    """Return a row for each worker with its activities below it, and how many workers died.

    All times are of the scheduler's clock. A worker's clock differs from it by what the fastest of
    its notes says: the others took longer to arrive.
    """
    done = {start.key: start for start in starts}
    died = {start.key: start.worker for start in starts if done[start.key] != start}
    names = _name_workers(starts)
    behind: dict[str, float] = {}
    for start in done.values():
        late = start.at - begun - intervals[start.key][0][1] / NS
        behind[start.worker] = min(late, behind.get(start.worker, late))
    rows: dict[str, list[tuple[TaskRecord, list[Span]]]] = {worker: [] for worker in behind}
    own = tell_apart([printable(activity.name) for activity in scenario.activities])
    for name, (key, noted) in zip(own, intervals.items(), strict=True):
        worker = done[key].worker

        def minutes(at: int, worker: str = worker) -> float:
            return max(0.0, (at / NS + behind[worker]) / scenario.minute)

        spans = [(state, minutes(start), minutes(end)) for state, start, end in noted]
        spans.insert(0, (READY, 0.0, spans[0][1]))
        again = f" (ran again: {names[died[key]]} died)" if key in died else ""
        record = TaskRecord(name, spawned=0.0, finished=spans[-1][2], outcome=f"returned{again}")
        rows[worker].append((record, spans))
    end = max(record.finished for own in rows.values() for record, _ in own)
    records: list[TaskRecord] = []
    flat: list[tuple[int, int, float, float]] = []
    for worker, under in rows.items():
        under.sort(key=lambda row: row[1][0][2])
        parent = len(records)
        head = TaskRecord(names[worker], spawned=0.0, finished=end, outcome="returned")
        head.kind = "worker"
        for record, spans in [(head, _foremost([spans for _, spans in under])), *under]:
            record.parent = None if record is head else parent
            flat += [(len(records), STATES.index(state), a, b) for state, a, b in spans]
            records.append(record)
    for record, name in zip(records, tell_apart([one.name for one in records]), strict=True):
        record.name = record.label = name
    slices = make_slices(*zip(*flat, strict=True)).ordered()
    return Trace(records, slices, end, domain=STORY, head=None), len(set(died.values()))


def _name_workers(starts: Iterable[Start]) -> dict[str, str]:
    """Return what to call each worker: its own name, unless that is its address or a number."""
    names: dict[str, str] = {}
    for start in starts:
        if start.worker not in names:
            is_number = "://" in start.name or start.name.isdigit()
            names[start.worker] = f"worker {len(names) + 1}" if is_number else printable(start.name)
    return dict(zip(names, tell_apart(list(names.values())), strict=True))


def _foremost(threads: Iterable[Sequence[Span]]) -> list[Span]:
    """Return what a worker does: one of its threads may be running while another one waits."""
    changes: list[tuple[float, int, str]] = []
    for spans in threads:
        for state, start, end in spans[1:]:  # before, it was ready in a queue
            if end > start:
                changes += [(start, 1, state), (end, -1, state)]
    depth = dict.fromkeys(STATES, 0)
    found: list[Span] = []
    last = 0.0
    for at, change, state in sorted(changes):
        now = next((one for one in _FOREMOST if depth[one]), None)
        if now and at > last:
            if found and found[-1][0] == now and found[-1][2] == last:
                last = found.pop()[1]
            found.append((now, last, at))
        depth[state] += change
        last = at
    return found
