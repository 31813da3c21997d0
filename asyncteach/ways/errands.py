"""Activities sent to the workers of a Dask cluster, and watched until all of them are done."""

import asyncio
import contextlib
import pickle
import sys
import time
import uuid
from dataclasses import dataclass
from typing import Any, NamedTuple

from asyncteach.labels import clip, printable
from asyncteach.story import Story
from asyncteach.ways.diary import Plan, Stretch, perform

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


class ByValue:
    """A function that is sent whole: the workers need not have what it is imported from."""

    def __init__(self, pickled: bytes) -> None:
        self._pickled = pickled

    def __reduce__(self) -> tuple[Any, ...]:
        return pickle.loads, (self._pickled,)

    def __call__(self, *arguments: Any) -> Any:
        return pickle.loads(self._pickled)(*arguments)


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
    futures = [
        client.submit(
            errand, tuple(map(tuple, one.steps)), story.minute, topic, key, key=key, pure=False
        )
        for one, key in zip(story.activities, keys, strict=True)
    ]
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
            await asyncio.wait_for(client.cancel(futures), PATIENCE)
        raise


async def _find_workers(client: Any) -> int:
    """Return how many workers a cluster has, or say in one sentence why it can't be used."""
    try:
        versions = await asyncio.wait_for(client.get_versions(), PATIENCE)
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


def _pack() -> ByValue:
    import cloudpickle  # type: ignore[import-untyped]

    modules = [sys.modules[function.__module__] for function in (run_errand, perform)]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        return ByValue(cloudpickle.dumps(run_errand))
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
    # Dask can't end a thread, but a task that was cancelled while it runs is marked as such.
    task = worker.state.tasks[key]
    return perform(plan, minute, time.perf_counter_ns(), lambda: task.state == "cancelled")


async def _collect(future: Any) -> list[Stretch]:
    try:
        stretches: list[Stretch] = await future
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task and task.cancelling():
            raise
        raise _Lost from None  # it is Dask that gave up
    # From here on it is safe, whatever happens to the worker that has done it.
    future.release()
    return stretches


class _Lost(Exception):
    """Dask's scheduler doesn't know of the activity any more."""


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
            workers = await asyncio.wait_for(client.nthreads(), PATIENCE)
        if client.status != "running":
            raise _say_scheduler_gone()
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
        raise _say_scheduler_gone() from None
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


def _say_scheduler_gone() -> RuntimeError:
    return RuntimeError(
        "the scheduler of the Dask cluster is gone, so this run is lost: start the cluster again "
        "and give run_on_dask a new client."
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
