"""Activities sent to the workers of a Dask cluster, and watched until all of them are done."""

import asyncio
import contextlib
import sys
import time
import uuid
from dataclasses import dataclass
from typing import Any, NamedTuple

from asyncteach.formatting import clip, printable
from asyncteach.runners.diary import Plan, Stretch, perform
from asyncteach.story import Story

PATIENCE = 5.0
"""Seconds in which a cluster has to show that it is there."""

_LOOK = 0.25  # seconds from one look at the cluster to the next
_BACK_SOON = 15.0  # seconds in which a cluster without any worker may get new ones


class Start(NamedTuple):
    """That a worker has begun an activity, as it has noted with Dask's scheduler."""

    at: float
    key: str
    worker: str
    name: str


@dataclass
class Errands:
    """What was sent out, and what Dask has recorded of it, in seconds of its scheduler's clock."""

    keys: list[str]
    """What each activity is called there."""
    workers: int
    """How many workers there were at the beginning."""
    minute: float
    begun: float
    starts: list[Start]
    stream: dict[str, dict[str, Any]]
    """Dask's record of each that was done, by key: worker, thread, and from when to when."""
    stretches: dict[str, list[Stretch]]
    """What each did when, by key, in nanoseconds of a clock of its worker's own."""
    deaths: dict[str, float]
    """When each worker that died in mid-run was gone, by its address."""

    def minutes(self, at: float) -> float:
        """Return the story minutes until then since the activities were sent out."""
        return max(0.0, (at - self.begun) / self.minute)


def unpack_and_run(pickled: bytes, *arguments: Any) -> Any:
    """Call a function that was sent whole: workers need not have what it is imported from."""
    import pickle

    return pickle.loads(pickled)(*arguments)


# The scheduler unpacks what it passes on and packs it again. As a function of a notebook this one
# goes whole then too, and not as the name of something that every machine had to have.
unpack_and_run.__module__ = "__main__"


async def send_out(client: Any, story: Story, *, comes_back: bool) -> Errands:
    """Have a cluster do a story's activities, and return what Dask recorded of it.

    `comes_back` tells if a cluster that has lost all of its workers may get new ones.
    """
    workers = await _find_workers(client)
    topic = f"asyncteach-{uuid.uuid4().hex}"
    errand = _pack()
    keys = [f"{printable(one.name)}-{uuid.uuid4().hex}" for one in story.activities]
    await client.get_task_stream(count=1)  # it records from the first time on that it is asked
    await client.log_event(topic, {"key": None})
    futures = []
    for activity, key in zip(story.activities, keys, strict=True):
        order = tuple(map(tuple, activity.steps)), story.minute, topic, key
        futures.append(client.submit(unpack_and_run, errand, *order, key=key, pure=False))
    results = asyncio.gather(*map(_collect, futures))
    try:
        await _watch(client, results, _BACK_SOON if comes_back else 0.0)
        stretches = dict(zip(keys, results.result(), strict=True))
        return await _look_up(client, topic, stretches, workers, story.minute)
    except BaseException:
        results.cancel()
        await asyncio.gather(results, return_exceptions=True)
        # Nobody is to go on working for a run that has ended.
        with contextlib.suppress(Exception):
            async with asyncio.timeout(PATIENCE):
                await client.cancel(futures)
        raise


async def _find_workers(client: Any) -> int:
    """Return how many workers a cluster has, or say in one sentence why it can't be used."""
    try:
        async with asyncio.timeout(PATIENCE):  # wait_for() of Python 3.11 may lose a cancellation
            versions = await client.get_versions()
    except (OSError, TimeoutError):
        raise RuntimeError(
            f"this Dask cluster did not answer within {PATIENCE:.0f} seconds: look whether its "
            "scheduler and its workers are up."
        ) from None
    if not versions["workers"]:
        raise RuntimeError(
            "this Dask cluster has no workers: wait for them with client.wait_for_workers(1)."
        )
    own = "{}.{}".format(*sys.version_info)
    for address, about in versions["workers"].items():
        python = ".".join(about["host"]["python"].split(".")[:2])
        if python != own:
            raise RuntimeError(
                f"the Dask worker at {address} runs Python {python}, and this is Python {own}: "
                "use the same on both, or what is sent to it can't run there."
            )
    return len(versions["workers"])


def _pack() -> bytes:
    import cloudpickle  # type: ignore[import-untyped]

    modules = [sys.modules[function.__module__] for function in (run_errand, perform)]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        pickled: bytes = cloudpickle.dumps(run_errand)
        return pickled
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def run_errand(plan: Plan, minute: float, topic: str, key: str) -> list[Stretch]:
    """Do one activity: this is what runs on a worker, on one of its threads."""
    import time

    from distributed import get_worker

    worker = get_worker()
    note = {"key": key, "worker": worker.address, "name": str(worker.name)}
    worker.log_event(topic, note)  # it is there even if this worker dies
    task = worker.state.tasks[key]

    def stopped() -> bool:
        # Dask can't end a thread. It marks a task that was cancelled, and a worker that is to end.
        return task.state == "cancelled" or worker.status.name in ("closing", "closed", "failed")

    return perform(plan, minute, time.perf_counter_ns(), stopped)


async def _collect(future: Any) -> list[Stretch]:
    from distributed import CancelledError

    try:
        stretches: list[Stretch] = await future
    except (CancelledError, asyncio.CancelledError):  # which of them depends on its version
        task = asyncio.current_task()
        if task and task.cancelling():
            raise
        raise _Lost from None  # it is Dask that gave up
    # From here on it is safe, whatever happens to the worker that has done it.
    future.release()
    return stretches


class _Lost(Exception):
    """Dask has dropped the activity."""


async def _watch(client: Any, results: "asyncio.Future[Any]", patience: float) -> None:
    """Wait for all results, as long as there is anybody who could bring them."""
    from distributed import KilledWorker

    deserted = 0.0
    while True:
        await asyncio.wait([results], timeout=_LOOK)
        if results.done():
            break
        now = time.monotonic()
        workers: Any = None
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                workers = await client.nthreads()
        if client.status != "running":
            raise _say_dropped()
        if workers is None or len(workers):
            deserted = 0.0
        elif now - (deserted := deserted or now) >= patience:
            raise RuntimeError(
                "all workers of the Dask cluster are gone, so this run is lost: run it again, "
                "with workers that stay."
            )
    try:
        results.result()
    except _Lost:
        raise _say_dropped() from None
    except KilledWorker as error:
        name = clip(str(error.task).rpartition("-")[0], 60)
        raise RuntimeError(
            f"{name!r} was given to {error.allowed_failures + 1} Dask workers and each of them "
            "died, so this run is lost: see in their logs why, and run it again."
        ) from None
    except Exception as error:
        raise RuntimeError(
            f"a Dask worker could not do its activity ({type(error).__name__}: "
            f"{clip(error, 120)}): look whether its Dask is of the same version as here."
        ) from error


def _say_dropped() -> RuntimeError:
    return RuntimeError(
        "the Dask cluster has dropped this run, because its scheduler is gone or was restarted: "
        "run it again, with a new client if the cluster is a new one."
    )


async def _look_up(
    client: Any, topic: str, stretches: dict[str, list[Stretch]], workers: int, minute: float
) -> Errands:
    """Ask Dask for what it has recorded of a run that is done."""
    (begun, _), *notes = await client.get_events(topic)
    starts = [Start(at, **note) for at, note in notes]
    # A second earlier: the clocks of workers are set right by guessing how long messages take.
    records = await client.get_task_stream(start=begun - 1)
    stream = {record["key"]: record for record in records if record["key"] in stretches}
    done = {(key, record["worker"]) for key, record in stream.items()}
    deaths: dict[str, float] = {}
    for worker in {start.worker for start in starts if (start.key, start.worker) not in done}:
        for at, note in await client.get_events(worker):
            if at >= begun and note.get("action") == "remove-worker":
                deaths[worker] = at
    return Errands(list(stretches), workers, minute, begun, starts, stream, stretches, deaths)
