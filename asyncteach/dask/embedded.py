"""A Dask cluster of our own on this machine: a scheduler here, and workers in processes."""

import asyncio
import contextlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from asyncteach.formatting import clip
from asyncteach.runners.python import start_python

_LOCALHOST = "127.0.0.1"
_PATIENCE = 120.0  # seconds for all workers to be up: a busy machine takes long to import Dask


@contextlib.asynccontextmanager
async def open_cluster(count: int) -> AsyncIterator[Any]:
    """Give a client of a new cluster with so many workers; nothing of it is left after the block.

    The workers are started as `start_python` does it, not by multiprocessing as in Dask's own
    local cluster: a script needs no guard.
    """
    import dask.config
    from distributed import Client, Scheduler
    from tornado.ioloop import IOLoop

    folder = tempfile.mkdtemp(prefix="asyncteach-")
    workers: list[subprocess.Popen[bytes]] = []
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.enter_context(_quiet())
        loop = IOLoop.current()
        if not hasattr(loop, "profile"):
            stack.callback(vars(loop).pop, "profile", None)
        # A thread that watches the scheduler would stay for as long as the loop does.
        quiet = {"distributed.worker.profile.enabled": False}
        with dask.config.set({"temporary-directory": folder, **quiet}):
            scheduler = Scheduler(
                host=_LOCALHOST, dashboard=False, dashboard_address=f"{_LOCALHOST}:0"
            )
        stack.push_async_callback(scheduler.close)  # also if it is interrupted while it starts
        await scheduler
        stack.callback(_end, workers)
        for number in range(1, count + 1):
            workers.append(_start(scheduler.address, f"worker {number}", folder))
        await _until_all_are_up(scheduler, workers, folder)
        make: Any = Client  # it has types in some versions, and none in others
        client = make(scheduler.address, asynchronous=True, set_as_default=False)
        stack.push_async_callback(client.close)
        await client
        # Once more, to come first: without an await not even a second interrupt gets in between.
        stack.callback(_end, workers)
        yield client


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from logging that workers go: here that is what they do at the end."""
    handlers = logging.getLogger("distributed").handlers
    before = [(handler, handler.level) for handler in handlers]
    for handler in handlers:
        handler.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for handler, level in before:
            handler.setLevel(level)


def _start(address: str, name: str, folder: str) -> "subprocess.Popen[bytes]":
    with open(os.path.join(folder, f"{name}.log"), "wb") as log:
        arguments = (address, name, folder)
        return start_python(__name__, arguments, output=subprocess.DEVNULL, errors=log)


def _end(workers: list["subprocess.Popen[bytes]"]) -> None:
    for worker in workers:
        worker.kill()
    for worker in workers:
        worker.wait()
        worker.stdin.close()  # type: ignore[union-attr]
    workers.clear()


async def _until_all_are_up(
    scheduler: Any, workers: list["subprocess.Popen[bytes]"], folder: str
) -> None:
    end = time.monotonic() + _PATIENCE
    while len(scheduler.workers) < len(workers):
        for number, worker in enumerate(workers, 1):
            if worker.poll() is not None:
                raise RuntimeError(
                    f"a Dask worker ended with exit code {worker.returncode} before it had "
                    f"anything to do: run it again. Its last words: {_last_words(folder, number)}"
                )
        if time.monotonic() > end:
            raise RuntimeError(
                f"the Dask workers were not up after {_PATIENCE:.0f} seconds: run it again when "
                "the machine is less busy."
            )
        await asyncio.sleep(0.02)


def _last_words(folder: str, number: int) -> str:
    log = Path(folder, f"worker {number}.log").read_text(errors="replace")
    return clip((log.strip().splitlines() or ["none"])[-1], 120)


def work(address: str, name: str, folder: str) -> None:
    """Be a worker of the scheduler at that address: what the processes run.

    It ends at once when the process that started it does, however that ends.
    """
    import signal
    import threading

    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # who is interrupted ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    asyncio.run(_serve(address, name, folder))
    os._exit(0)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


async def _serve(address: str, name: str, folder: str) -> None:
    from distributed import Worker

    async with Worker(
        address,
        name=name,
        nthreads=1,
        host=_LOCALHOST,
        dashboard=False,
        dashboard_address=f"{_LOCALHOST}:0",
        local_directory=folder,
        memory_limit=0,  # none: what activities need is time
    ) as worker:
        await worker.finished()
