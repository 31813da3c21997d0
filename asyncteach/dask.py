"""Bigger than one machine: the same activities on the workers of a Dask cluster."""

import asyncio
import contextlib
import logging
import tempfile
import time
from collections.abc import Coroutine, Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from asyncteach.activities import Activity
from asyncteach.arguments import Awaitable
from asyncteach.formatting import count
from asyncteach.recording import READY, STATES, Recording
from asyncteach.runners.run import MINUTE, Clock, Scenario, find_loop
from asyncteach.runners.workers import (
    Interval,
    Plan,
    StateLog,
    count_cores,
    hidden_script,
)
from asyncteach.virtual_clock.clock import running_clock

if TYPE_CHECKING:
    from distributed import Client


def run_on_dask(
    activities: Iterable[Activity], client: "Client | None" = None, *,
    clock: Clock = "real", minute: float = MINUTE,
) -> "Recording | Coroutine[Any, Any, Recording]":  # fmt: skip
    """Do the activities on the workers of a Dask cluster, which may be any number of machines.

    Without a `client` it starts a cluster of its own on this machine, a worker process for each
    activity up to the number of cores (at least two), and leaves nothing of it behind. Your own
    `client` can name any other cluster, which is left as it was; asyncteach must be installed on
    its workers, and their clocks must agree. A worker does one activity on each of its threads, so
    a chore holds a thread although a machine does it.

    It is a plain call that returns the Recording. If an event loop is running, as in a notebook,
    or if the client is asynchronous, write `await run_on_dask(...)`. An interrupt or a
    cancellation ends the activities as well.

    The Recording is in story minutes since the activities were submitted: a row for each worker,
    and below it a row for each activity that it has done, which is *ready* until a worker begins.
    If a worker dies, another does its activities again, and the title shows how many were lost.
    If all workers die and no new one comes, the run waits, as Dask does.

    A story minute takes `minute` real seconds; `clock="virtual"` is refused. Raises TypeError or
    ValueError for wrong arguments, RuntimeError for a cluster that has no workers, and ImportError
    without Dask: `pip install "asyncteach[dask]"`.

    >>> from asyncteach import LEISURE
    >>> recording = run_on_dask(LEISURE)  # doctest: +SKIP
    >>> recording.title  # doctest: +SKIP
    'Leisure, on Dask (2 workers)'
    """
    scenario = Scenario(activities, clock=clock, minute=minute)
    if scenario.virtual or running_clock():
        raise ValueError(
            "run_on_dask needs real time, because other machines' clocks can't jump: leave out "
            'clock="virtual" and virtual_time(), or use run_in_processes.'
        )
    try:
        import distributed
    except ImportError as error:
        fix = 'pip install "asyncteach[dask]"'
        raise ImportError(f"run_on_dask needs Dask ({error}): type `{fix}`.") from error
    if client is None:
        work = _run_on_own_cluster(scenario)
        return Awaitable(work, "run_on_dask(...)") if find_loop() else asyncio.run(work)
    if not isinstance(client, distributed.Client):
        raise TypeError(
            f"client must be a Client of dask.distributed, not of type {type(client).__name__}: "
            "write run_on_dask(activities, Client(...)) with the cluster or its address inside."
        )
    made: Any = client  # it has types in some versions, and none in others
    work = _run_on_cluster(scenario, made)
    if made.asynchronous:
        return Awaitable(work, "run_on_dask(...)")
    recording: Recording = made.sync(lambda: work)
    return recording


async def _run_on_own_cluster(scenario: Scenario) -> Recording:
    """Start a cluster and do the activities there; leave nothing of it behind."""
    import dask.config
    from distributed import Client, LocalCluster

    make_cluster: Any = LocalCluster  # without types, as above
    make_client: Any = Client
    number = max(2, min(len(scenario.activities), count_cores()))
    with (
        tempfile.TemporaryDirectory(prefix="asyncteach-", ignore_cleanup_errors=True) as folder,
        # A thread that watches the scheduler would stay for as long as the loop does.
        dask.config.set(
            {"temporary-directory": folder, "distributed.worker.profile.enabled": False}
        ),
        hidden_script(),
    ):
        cluster = make_cluster(
            n_workers=number, threads_per_worker=1, memory_limit=0, local_directory=folder,
            dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL + 1, asynchronous=True,
        )  # fmt: skip
        start = asyncio.ensure_future(cluster)
        try:
            await asyncio.shield(start)
            async with make_client(cluster, asynchronous=True, set_as_default=False) as client:
                return await _run_on_cluster(scenario, client)
        finally:
            await asyncio.wait([start])  # only a cluster that has started can be closed
            await cluster.close()


async def _run_on_cluster(scenario: Scenario, client: Any) -> Recording:
    """Let a cluster do the activities, and return the recording of it and its workers."""
    workers = await client.run(_is_there)  # workers import this module before time counts
    if not workers:
        raise RuntimeError(
            "this Dask cluster has no workers: wait for them with client.wait_for_workers(1)."
        )
    scenario.start = time.time_ns()
    futures = [
        client.submit(_do_activity, tuple(map(tuple, activity.steps)), scenario.minute, pure=False)
        for activity in scenario.activities
    ]
    try:
        results = await client.gather(futures)
        lost = len(workers.keys() - (await client.run(_is_there)).keys())
    finally:
        with contextlib.suppress(Exception):  # the workers need not go on
            async with asyncio.timeout(5):
                await client.cancel(futures)
    how = f"on Dask ({count(len(workers), 'worker')}{f', {lost} lost' if lost else ''})"
    return make_recording(scenario, how, results)


def _is_there() -> bool:
    return True


def _do_activity(plan: Plan, minute: float) -> tuple[str, list[Interval]]:
    """Do one activity on a thread of a worker; return the worker and the intervals since 1970."""
    from distributed import get_worker

    worker: Any = get_worker()
    task = worker.state.tasks[worker.get_current_task()]

    def stopped() -> bool:
        # Dask can't end a thread. It marks a task that was cancelled, and a worker that ends.
        return task.state == "cancelled" or worker.status.name in ("closing", "closed", "failed")

    shift = time.time_ns() - time.perf_counter_ns()
    intervals = StateLog(stopped).perform(plan, minute)
    return worker.address, [(state, start + shift, end + shift) for state, start, end in intervals]


def make_recording(
    scenario: Scenario, how: str, results: Sequence[tuple[str, list[Interval]]]
) -> Recording:
    """Return a recording with a row for each worker and its activities below it."""
    start = scenario.start  # all of them are ready from then on
    intervals = [[(READY, start, own[0][1]), *own] for _, own in results]
    lanes: dict[str, list[int]] = {}
    for index, (worker, _) in enumerate(results):
        lanes.setdefault(worker, []).append(index)
    for lane in lanes.values():
        intervals.append(_foremost([one for index in lane for one in results[index][1]]))
    names = [f"worker {number}" for number in range(1, len(lanes) + 1)]
    recording = scenario.make_recording(how, intervals, head=None, workers=names)
    rows = recording.trace.rows
    for number, lane in enumerate(lanes.values(), len(results)):
        rows[number].kind = "worker"
        for index in lane:
            rows[index].parent = number
    return recording


def _foremost(intervals: Sequence[Interval]) -> list[Interval]:
    """Return the states of a worker: one of its threads may be running while another waits."""
    edges = [(start, 1, state) for state, start, _ in intervals]
    edges += [(end, -1, state) for state, _, end in intervals]
    found, depth = [], dict.fromkeys(STATES, 0)
    for (at, change, state), (after, _, _) in pairwise(sorted(edges)):
        depth[state] += change
        if after > at and any(depth.values()):
            found.append((next(one for one in STATES if depth[one]), at, after))
    return found
