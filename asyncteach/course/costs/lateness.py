"""Lateness: how late an event loop wakes up beside threads that only calculate (the convoy)."""

import asyncio
import sys
import threading
from time import perf_counter

from asyncteach.course.costs.child import Tell

BUSY = (0, 1, 4)
"""So many threads calculate beside the loop."""

_NAP = 0.005
_NAPS = 12  # before the next number of threads has its turn
_FEWEST = 2


def measure(tell: Tell, seconds: float) -> None:
    """Tell how many milliseconds late a loop wakes beside so many threads, in turn."""
    tell("fact", "switch interval", sys.getswitchinterval())
    end = perf_counter() + seconds
    played = 0
    while played < _FEWEST or perf_counter() < end:
        for number in BUSY:
            for late in _wake_beside(number):
                tell("sample", "lateness", "loop beside busy threads", number, late * 1000)
        played += 1


def _wake_beside(number: int) -> list[float]:
    """Return how late the loop woke, each time, in seconds."""
    going = True

    def calculate() -> None:
        while going:
            pass

    threads = [threading.Thread(target=calculate) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        return asyncio.run(_nap())
    finally:
        going = False
        for thread in threads:
            thread.join()


async def _nap() -> list[float]:
    late = []
    for _ in range(_NAPS):
        due = perf_counter() + _NAP
        await asyncio.sleep(_NAP)
        late.append(max(1e-6, perf_counter() - due))
    return late
