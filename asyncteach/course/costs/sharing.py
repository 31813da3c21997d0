"""Sharing: what it costs that threads are interrupted, so that each has its turn."""

import threading
from time import perf_counter, process_time

from asyncteach.course.costs.child import Tell
from asyncteach.course.costs.rounds import FEWEST

THREADS = 10
_LASTS = 0.1  # seconds of work: twenty turns at the usual switch interval


def measure(tell: Tell, seconds: float) -> None:
    """Tell how much longer the same work takes in ten threads than in one, in processor time."""
    work = 20_000
    while (alone := _time(1, work)) < _LASTS / 2:
        work *= 2
    end = perf_counter() + seconds
    played = 0
    while played < FEWEST or perf_counter() < end:
        alone = _time(1, work)
        tell(
            "sample", "preemption", "work shared by threads", THREADS, _time(THREADS, work) / alone
        )
        played += 1


def _time(number: int, work: int) -> float:
    """Return the processor time of work that so many threads share."""
    threads = [threading.Thread(target=_count, args=(work // number,)) for _ in range(number)]
    began = process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return process_time() - began


def _count(steps: int) -> None:
    for _ in range(steps):
        pass
