"""Worker threads, processes and interpreters, and the log of what each activity did when.

Worker processes and interpreters import this module, so it imports little: they start sooner, and
an interpreter of its own can't load NumPy.
"""

import contextlib
import contextvars
import math
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from asyncteach.states import READY, RUNNING, WAITING

if TYPE_CHECKING:
    from asyncteach.runners.scenario import Scenario

NS = 1_000_000_000

MOST_THREADS = 1000
"""With more activities than that, the others wait until a thread is free."""

MOST_WORKERS = 32
"""With more activities than that, the others wait until a process or an interpreter is free."""

Plan = Iterable[tuple[bool, float]]
"""The steps of an activity: whether each needs you, and its story minutes."""

Interval = tuple[str, int, int]
"""A state, its start and its end, in nanoseconds of `time.perf_counter_ns`."""

Kind = Literal["thread", "process", "interpreter"]

_GAP = 1_000_000
"""Attention looks at the clock every 5 us. A gap of more nanoseconds than this means that it was
not running: turns at the GIL are five times as long, and so are those at a processor."""

_NAP = 50_000_000  # nanoseconds after which a sleep looks whether it should end early

_POLL = 0.001

_Result = TypeVar("_Result")


class StateLog:
    """The intervals of one activity, noted at each change of its state."""

    def __init__(self) -> None:
        self.intervals: list[Interval] = []
        self._state: str | None = None
        self._since = 0

    def enter(self, state: str | None, *, since: int | None = None) -> int:
        """Be in another state (None: finished) from now on, or since the time given."""
        now = time.perf_counter_ns()
        at = now if since is None else max(self._since, min(since, now))
        if self._state is not None:
            self.intervals.append((self._state, self._since, at))
        self._state, self._since = state, at
        return at


def perform(plan: Plan, minute: float, stopped: Callable[[], bool]) -> list[Interval]:
    """Do the steps of a plan on this thread, a story minute in `minute` seconds.

    Returns when the activity was running, when it was waiting, and when it was ready: it wanted to
    go on, and the GIL or a processor was elsewhere. It ends early once `stopped()` is true.
    """
    log = StateLog()
    log.enter(RUNNING)
    for needs_you, minutes in plan:
        do = attend if needs_you else _wait
        do(round(minutes * minute * NS), log, stopped)
    log.enter(None)
    return log.intervals


def _wait(length: int, log: StateLog, stopped: Callable[[], bool]) -> None:
    """Sleep: a blocking call, which lets go of the GIL."""
    due = log.enter(WAITING) + length
    while (left := due - time.perf_counter_ns()) > 0 and not stopped():
        time.sleep(min(left, _NAP) / NS)
    # The machine was done on time. A thread that wakes a little late was not kept from running.
    late = time.perf_counter_ns() - due > _GAP
    log.enter(READY, since=due if late else None)
    log.enter(RUNNING)


def attend(length: int, log: StateLog, stopped: Callable[[], bool]) -> None:
    """Work for so much processor time, however long that takes; ready while it can't go on.

    Processor time, not time by the clock: two that share a core must not both finish early.
    """
    end = time.thread_time_ns() + length
    last = time.perf_counter_ns()
    while time.thread_time_ns() < end and not stopped():
        for _ in range(200):
            pass
        now = time.perf_counter_ns()
        if now - last > _GAP:
            log.enter(READY, since=last)
            log.enter(RUNNING, since=now)
        last = now


def has_gil() -> bool:
    """Return whether threads take turns at running Python code: not on a free-threaded Python."""
    return getattr(sys, "_is_gil_enabled", lambda: True)()


def count_cores() -> int:
    """Return how many processor cores this process may use at once.

    A container may have a share of the machine's cores, as on Binder; psutil doesn't see that.
    """
    if hasattr(os, "process_cpu_count"):
        cores = os.process_cpu_count() or 1
    elif hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):  # no such file, or no limit: "max 100000"
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, math.ceil(int(quota) / int(period)))
    return max(1, cores)


def run_beside(work: Callable[[], _Result], stop: Callable[[], object]) -> _Result:
    """Call `work` in a thread of its own; if this thread is interrupted, `stop` it and wait.

    The interrupt lands where this thread waits, and never in the middle of starting a worker.
    """
    over: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            over.put((work(), None))
        except BaseException as error:
            over.put((None, error))

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,))
    try:
        thread.start()
        result, error = over.get()
    except BaseException:
        stop()
        if thread.ident is not None:
            over.get()  # join() doesn't wait again once it was interrupted, before Python 3.13
            thread.join()
        raise
    thread.join()
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]


def run_in_pool(scenario: "Scenario", kind: Kind, count: int) -> list[list[Interval]]:
    """Do each activity in one of `count` workers, and return the intervals of each activity.

    Workers and this thread share a few bytes: one for each worker, which it sets once it is there;
    then one that lets all of them begin, and one that makes them end early.
    """
    board: Any = memoryview(bytearray(count + 2))
    context = multiprocessing.get_context("spawn")
    if kind == "process":
        board = context.RawArray("b", count + 2)

    def make_pool() -> Executor:
        if kind == "process":
            from concurrent.futures import ProcessPoolExecutor

            return ProcessPoolExecutor(count, context, _begin_process, (board,))
        if kind == "interpreter":
            from concurrent.futures import (  # type: ignore[attr-defined]  # Python 3.14 brought it
                InterpreterPoolExecutor,
            )

            return InterpreterPoolExecutor(count)  # type: ignore[no-any-return]
        return ThreadPoolExecutor(count)

    def stop() -> None:
        board[-2] = board[-1] = True

    # Plain tuples: a worker need not import what an Activity needs.
    plans: Any = [tuple(map(tuple, activity.steps)) for activity in scenario.activities]

    def work() -> list[list[Interval]]:
        with make_pool() as pool:
            try:
                if kind == "process" and hasattr(signal, "pthread_sigmask"):
                    # A notebook's stop button interrupts its processes too. Those that start now
                    # have this thread's mask.
                    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
                with hidden_script():
                    shared = None if kind == "process" else board
                    futures = [
                        pool.submit(_take_part, shared, index, plan, scenario.minute)
                        for index, plan in enumerate(plans)
                    ]
                while not all(board[:count]) and not any(future.done() for future in futures):
                    time.sleep(_POLL)
                scenario.begin()
                board[-2] = True
                return [future.result() for future in futures]
            finally:
                stop()

    try:
        found = run_beside(work, stop)
    except BrokenExecutor:
        raise RuntimeError(
            f"a worker {kind} died before all activities were done: run it again, with fewer "
            "activities if the machine is short of memory."
        ) from None
    except (OSError, RuntimeError) as error:
        other = "run_together, which needs one thread" if kind == "thread" else "run_in_threads"
        raise RuntimeError(
            f"this machine can't start {count:,} worker {kind}{'es' if kind == 'process' else 's'} "
            f"({error}): give fewer activities, or use {other}."
        ) from None
    start = scenario.start  # all of them are ready from then on
    return [[(READY, start, max(start, own[0][1])), *own] for own in found]


def _take_part(board: Any, index: int, plan: Plan, minute: float) -> list[Interval]:
    """Do one activity in a worker, from the moment on that all workers are there."""
    board = _board if board is None else board
    if index < len(board) - 2:
        board[index] = True
    while not board[-2]:
        time.sleep(len(board) * _POLL / 10)  # a thousand that look often would look all the time
    return perform(plan, minute, lambda: bool(board[-1]))


_board: Any = None  # in a worker process


def _begin_process(board: Any) -> None:
    """Prepare a worker process: interrupts are for its parent, and it ends when its parent does."""
    global _board
    _board = board
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent: Any = multiprocessing.parent_process()

    def end_with_parent() -> None:
        parent.join()
        os._exit(0)

    threading.Thread(target=end_with_parent, daemon=True).start()


@contextlib.contextmanager
def hidden_script() -> Iterator[None]:
    """Keep processes that are started meanwhile from running the user's script again.

    Multiprocessing does that where a script has no `if __name__ == "__main__":`.
    """
    main: Any = vars(sys.modules["__main__"])
    hidden = {name: main[name] for name in ("__file__", "__spec__") if main.get(name)}
    main.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        main.update(hidden)
