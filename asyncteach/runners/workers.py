"""Worker threads, processes and interpreters, and the log of what each activity did when.

Worker processes and interpreters import this module, so it imports little: they start sooner, and
a subinterpreter can't load NumPy.
"""

import concurrent.futures
import contextlib
import contextvars
import functools
import math
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from asyncteach.states import READY, RUNNING, WAITING

NS = 1_000_000_000

MOST_WORKERS = 32
"""If there are more activities, the others wait until a process or an interpreter is free."""

Plan = Iterable[tuple[bool, float]]
"""The steps of an activity: whether each needs you, and its story minutes."""

Interval = tuple[str, int, int]
"""A state, its start and its end, in nanoseconds of `time.perf_counter_ns`."""

Kind = Literal["thread", "process", "interpreter"]

_GAP = 1_000_000
"""Attention looks at the clock every 5 us. After a gap of more nanoseconds than this, another
thread or another program was running: a turn at the GIL or a processor is five times as long."""

_NAP = 50_000_000  # nanoseconds after which a sleep checks whether it should end early

_POLL = 0.001

_Result = TypeVar("_Result")


class StateLog:
    """The intervals of one activity, noted at each change of its state while it does its steps."""

    def __init__(self, stopped: Callable[[], bool] = bool, *, virtual: bool = False) -> None:
        self.intervals: list[Interval] = []
        self._state: str | None = None
        self._since = 0
        self._stopped, self._virtual = stopped, virtual

    def enter(self, state: str | None, *, since: int | None = None) -> int:
        """Note a new state (None: finished), from now on or since a time; return that time."""
        now = time.perf_counter_ns()
        at = now if since is None else max(self._since, min(since, now))
        # A moment of running counts, a moment of another state doesn't.
        if self._state == RUNNING or (self._state and at > self._since):
            self.intervals.append((self._state, self._since, at))
        self._state, self._since = state, at
        if self.intervals and self.intervals[-1][::2] == (state, at):  # it goes on as before
            self._since = self.intervals.pop()[1]
        return at

    def perform(self, plan: Plan, minute: float) -> list[Interval]:
        """Do the steps of a plan on this thread, with `minute` seconds for a story minute.

        Returns when it was running, when it was waiting, and when it was ready: it could go on,
        but another thread had the GIL, or another program the processor.
        """
        self.enter(RUNNING)
        for needs_you, minutes in plan:
            (self.attend if needs_you else self._wait)(round(minutes * minute * NS))
        self.enter(None)
        return self.intervals

    def attend(self, length: int) -> None:
        """Work for `length` nanoseconds of processor time; note when others have the processor.

        It is processor time, not the time that passes, so that two that share a core take longer.
        """
        if self._virtual:
            time.sleep(length / NS)
            return
        end = time.thread_time_ns() + length
        last = time.perf_counter_ns()
        while time.thread_time_ns() < end and not self._stopped():
            for _ in range(200):
                pass
            now = time.perf_counter_ns()
            if now - last > _GAP:
                self.enter(READY, since=last)
                self.enter(RUNNING, since=now)
            last = now

    def _wait(self, length: int) -> None:
        """Sleep: a blocking call, which releases the GIL."""
        due = self.enter(WAITING) + length
        nap = length if self._virtual else _NAP
        while (left := due - time.perf_counter_ns()) > 0 and not self._stopped():
            time.sleep(min(left, nap) / NS)
        # A thread that wakes a little late was not kept from running.
        late = time.perf_counter_ns() - due > _GAP
        self.enter(READY, since=due if late else None)
        self.enter(RUNNING)


def has_gil() -> bool:
    """Return whether only one thread at a time can run Python code: not on free-threaded Python."""
    return getattr(sys, "_is_gil_enabled", lambda: True)()


def count_cores() -> int:
    """Return how many processor cores this process may use at once."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    share = math.inf
    with contextlib.suppress(OSError, ValueError):  # a container has a share, as on Binder
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        share = math.ceil(int(quota) / int(period))
    return int(max(1, min(cores or 1, share)))


def run_beside(work: Callable[[], _Result], stop: Callable[[], object]) -> _Result:
    """Call `work` in a thread of its own; if this thread is interrupted, `stop` it and wait.

    So an interrupt never arrives in the middle of starting a worker.
    """
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        try:
            return beside.submit(contextvars.copy_context().run, work).result()
        except BaseException:
            stop()
            raise


def run_in_pool(
    plans: Sequence[Plan], minute: float, kind: Kind, number: int
) -> tuple[int, list[list[Interval]]]:
    """Do each plan in one of `number` workers; return when they began, and the intervals of each.

    Workers and this thread share a few bytes, the board: a worker sets its own byte when it has
    started; then one more byte lets all of them begin, and the last one makes them end early.
    """
    board: Any = memoryview(bytearray(number + 2))
    make_pool: Callable[[], concurrent.futures.Executor]
    if kind == "process":
        context = multiprocessing.get_context("spawn")
        board = context.RawArray("b", number + 2)
        make_pool = functools.partial(
            concurrent.futures.ProcessPoolExecutor, number, context, _begin_process, (board,)
        )
    else:
        name = "ThreadPoolExecutor" if kind == "thread" else "InterpreterPoolExecutor"
        make_pool = functools.partial(getattr(concurrent.futures, name), number)

    def stop() -> None:
        board[-2] = board[-1] = True

    def work() -> tuple[int, list[list[Interval]]]:
        with make_pool() as pool:
            try:
                if hasattr(signal, "pthread_sigmask"):  # processes that start now have it too
                    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
                with hidden_script():
                    shared = None if kind == "process" else board
                    # Plain tuples: a worker need not import what a Step needs.
                    futures = [
                        pool.submit(_take_part, shared, index, tuple(map(tuple, plan)), minute)
                        for index, plan in enumerate(plans)
                    ]
                while not all(board[:number]) and not any(future.done() for future in futures):
                    time.sleep(_POLL)
                start = time.perf_counter_ns()
                board[-2] = True
                return start, [future.result() for future in futures]
            finally:
                stop()

    try:
        return run_beside(work, stop)
    except concurrent.futures.BrokenExecutor:
        raise RuntimeError(
            f"a worker {kind} died before all activities were done: run it again, with fewer "
            "activities if the machine is short of memory."
        ) from None


def _take_part(board: Any, index: int, plan: Any, minute: float) -> list[Interval]:
    """Do one activity in a worker, as soon as all workers have started."""
    board = _board if board is None else board
    if index < len(board) - 2:
        board[index] = True
    while not board[-2]:
        time.sleep(len(board) * _POLL / 10)  # a thousand that check often would do nothing else
    return StateLog(lambda: bool(board[-1])).perform(plan, minute)


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
    """Keep new processes from running the user's script again.

    Multiprocessing does that if a script has no `if __name__ == "__main__":`.
    """
    main: Any = vars(sys.modules["__main__"])
    hidden = {name: main[name] for name in ("__file__", "__spec__") if main.get(name)}
    main.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        main.update(hidden)
