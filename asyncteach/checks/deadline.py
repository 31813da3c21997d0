"""Run an answer for so many seconds and no longer, whatever it does."""

import _thread
import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from asyncteach.checks.family import Family, threads_at_work
from asyncteach.checks.interruption import Effort, raise_in_thread
from asyncteach.checks.watch import GRACE, Watch, hush
from asyncteach.places import Place

LEFT_THREAD = (
    "A thread that it has started goes on: a thread can't be stopped from outside, and ends by "
    "itself or with the kernel."
)


@dataclass(frozen=True)
class Outcome:
    """What became of an answer."""

    value: Any = None
    error: BaseException | None = None
    stopped: bool = False
    """It was still going at the deadline."""
    place: Place | None = None
    """Where it was then: the `await` at which it hung, or a line of those over which it spun."""
    how: str = ""
    """`hung` at an `await`, or `spun` without ever coming to one."""
    left: str = ""
    """A sentence on what couldn't be stopped; mostly nothing."""


async def run_within(seconds: float, make: Callable[[], Awaitable[Any]]) -> Outcome:
    """Await what `make` gives, as a task on the running loop, for so many real seconds at most.

    At its end, or at the deadline, whatever it has spawned and left running is stopped too, first
    by a cancellation, then by exceptions that only a thread in a C function can resist. The loop
    goes on. Real seconds count under `virtual_time()` too. Whoever cancels this (the stop button)
    has the answer stopped at once. An exception of the answer is in the outcome, not raised.
    """
    loop = asyncio.get_running_loop()
    family = Family()
    before = threads_at_work()
    watch = Watch(family, loop, seconds)
    cancelled = False
    with watch.on_duty():
        task = loop.create_task(_call(make, watch), context=family.context())
        watch.begin(task)
        while not task.done() or watch.is_stopping():
            try:
                await watch.ended(task)
            except asyncio.CancelledError:
                cancelled = True
                watch.hurry()
    left = watch.left or (_stop_threads(family, before, loop) if watch.stopped else "")
    if watch.stopped or cancelled:
        hush(task)
    if cancelled:
        raise asyncio.CancelledError
    if watch.stopped:
        return Outcome(stopped=True, place=watch.place, how=watch.how, left=left)
    if task.cancelled():
        return Outcome(error=asyncio.CancelledError())
    error = task.exception()
    if error is not None:
        return Outcome(error=error)
    value = task.result()
    return Outcome(error=value.error) if isinstance(value, _Exit) else Outcome(value)


@dataclass(frozen=True)
class _Exit:
    error: BaseException


async def _call(make: Callable[[], Awaitable[Any]], watch: Watch) -> Any:
    try:
        return await make()
    except (SystemExit, KeyboardInterrupt) as error:  # it would end the loop and the kernel with it
        if watch.is_interrupted:
            raise
        return _Exit(error)


def _stop_threads(family: Family, before: dict[int, Any], loop: Any) -> str:
    """Interrupt threads that still work for the family; return a sentence if any goes on."""
    new = {n: work for n, work in threads_at_work().items() if before.get(n) is not work}
    efforts = {ident: Effort(ident) for ident, work in new.items() if family.has_work(work)}
    pause = _thread.allocate_lock()
    pause.acquire()
    for _ in range(10):
        at_work = threads_at_work()
        if not any(at_work.get(ident) is work for ident, work in new.items()):
            return ""
        pause.acquire(timeout=GRACE / 10)
        for ident, effort in efforts.items():
            if effort.is_growing():
                raise_in_thread(ident)
    _spare_pool(loop, set(new))
    return LEFT_THREAD


def _spare_pool(loop: Any, stuck: set[int]) -> None:
    """Let the loop have a new pool for `to_thread`: some threads of the old one never come back."""
    pool = getattr(loop, "_default_executor", None)
    if not isinstance(pool, ThreadPoolExecutor) or pool._thread_name_prefix != "asyncio":
        return  # somebody's own
    if stuck & {thread.ident for thread in pool._threads}:
        loop._default_executor = None
        pool.shutdown(wait=False)  # it ends what it has been given
