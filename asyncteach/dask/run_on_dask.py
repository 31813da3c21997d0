"""Bigger than one machine: the same activities on the workers of a Dask cluster."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from asyncteach.activities import Activity
from asyncteach.dask.embedded import open_cluster
from asyncteach.dask.errands import PATIENCE, send_out
from asyncteach.dask.ledger import make_trace
from asyncteach.recording import Recording
from asyncteach.runners.awaitable import Awaitable
from asyncteach.runners.machine import count_cores
from asyncteach.story import MINUTE, Clock, Story
from asyncteach.virtual_clock.clock import running_clock

if TYPE_CHECKING:
    from distributed import Client

_T = TypeVar("_T")

_CALL = "run_on_dask(...)"


def run_on_dask(
    activities: Iterable[Activity], client: "Client | None" = None, *,
    clock: Clock = "real", minute: float = MINUTE,
) -> "Recording | Coroutine[Any, Any, Recording]":  # fmt: skip
    """Do the activities on the workers of a Dask cluster, which may be any number of machines.

    Without a `client` it starts a cluster of its own on this machine, a worker process for each
    activity up to the number of cores (at least two), and leaves nothing of it behind; this takes
    a second or two that do not count. A `client` of yours names any other cluster, which is left
    as it was; asyncteach need not be installed there. A worker does one activity on each of its
    threads, so a chore holds a thread although a machine does it.

    In a script it is a plain call that returns the Recording, and so it is with an ordinary client
    anywhere. Where an event loop is running, as in a notebook, write `await run_on_dask(...)`, and
    so with an asynchronous client. An interrupt or a cancellation ends the activities as well.

    The Recording is in story minutes since the activities were sent out: a row for each worker
    that had something to do, *running* or *waiting* as its activities are, and below it a row for
    each of them. They are *ready* until a worker begins. When they began is Dask's own record, in
    the time of its scheduler, by which it corrects the clocks of other machines to a few
    milliseconds. If a worker dies, Dask gives what it had to another: a row whose name ends in
    "(lost)" shows what is known of the first attempt, the plan of the activity up to that moment.

    A story minute takes `minute` real seconds; `clock="virtual"` is refused. Raises TypeError or
    ValueError, one sentence each, for what can't be done; RuntimeError for a cluster that doesn't
    answer within five seconds, has no workers, or loses all of them; ImportError without Dask:
    `pip install "asyncteach[dask]"`.

    >>> from asyncteach import LEISURE
    >>> recording = run_on_dask(LEISURE)  # doctest: +SKIP
    >>> recording.title  # doctest: +SKIP
    'Leisure, on Dask (2 workers)'
    """
    story = Story(activities, clock=clock, minute=minute)
    if story.virtual or running_clock():
        raise ValueError(
            "the clocks of other processes and machines can't be made to jump: leave "
            'clock="virtual" and virtual_time() away, or use run_in_processes.'
        )
    _check_dask()
    running = asyncio._get_running_loop()
    if client is None:
        work = _on_own_cluster(story)
        return asyncio.run(work) if running is None else Awaitable(work, _CALL)
    loop = _find_loop(client, running)
    if loop is running:
        return Awaitable(_on_cluster(story, client), _CALL)
    return _wait_for(lambda: _on_cluster(story, client), loop)


async def _on_own_cluster(story: Story) -> Recording:
    count = max(2, min(len(story.activities), count_cores()))
    async with open_cluster(count) as client:
        return await _on_cluster(story, client, comes_back=False)


async def _on_cluster(story: Story, client: Any, *, comes_back: bool = True) -> Recording:
    errands = await send_out(client, story, comes_back=comes_back)
    workers = f"{errands.workers} worker{'s' if errands.workers > 1 else ''}"
    trace = make_trace(story.activities, errands)
    title = story.tell(f"on Dask ({workers})", []).title
    return Recording.from_trace(title, trace)


def _check_dask() -> None:
    __tracebackhide__ = True
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "run_on_dask needs Dask's distributed, which can't be imported here "
            f'({error}): pip install "asyncteach[dask]"'
        ) from error


def _find_loop(client: Any, running: asyncio.AbstractEventLoop | None) -> asyncio.AbstractEventLoop:
    """Return the loop that a client lives on, or say in one sentence why it can't be used."""
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
    if client.asynchronous and client.status in ("running", "newly-created"):
        raise RuntimeError(
            "this client is asynchronous and its event loop isn't running here: write "
            "`client = await Client(..., asynchronous=True)` and `await run_on_dask(..., client)` "
            "in one coroutine, or make an ordinary Client(...)."
        )
    raise RuntimeError(
        f"this client is not connected to a Dask cluster (its status is {client.status!r}): "
        "make a new one with Client(...)."
    )


def _wait_for(make: Callable[[], Coroutine[Any, Any, _T]], loop: asyncio.AbstractEventLoop) -> _T:
    """Run a coroutine on another thread's loop; if this one is interrupted it ends first."""
    over = threading.Event()

    async def work() -> _T:
        try:
            return await make()
        finally:
            over.set()

    future = asyncio.run_coroutine_threadsafe(work(), loop)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        with contextlib.suppress(KeyboardInterrupt):  # a second one: don't wait any longer
            over.wait(PATIENCE)
        raise
