"""Threads that no interrupt can tangle up."""

import _thread
import queue
from collections.abc import Callable


class Helpers:
    """Some threads, to be started and waited for.

    `threading.Thread` is started with an Event. An interrupt that lands inside that leaves it
    locked, and the new thread waits for it for ever. Here all is one call into C.
    """

    def __init__(self) -> None:
        self._over: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._started = 0

    def start(self, work: Callable[[], object]) -> None:
        """Start one more; RuntimeError if there can't be more threads."""

        def run() -> None:
            try:
                work()
            finally:
                self._over.put(None)

        _thread.start_new_thread(run, ())
        self._started += 1

    def join(self) -> None:
        """Wait until all are over."""
        while self._started:
            self._over.get()
            self._started -= 1
