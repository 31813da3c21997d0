"""A worker process: it does the activities that it is sent, and ends with whom it works for.

It imports next to nothing, so it is up soon.
"""

import contextlib
import os
import pickle
import queue
import signal
import sys
import threading
import time
from typing import Any, BinaryIO

import asyncteach.activities  # noqa: F401  (what unpacking needs is loaded before the clock runs)
from asyncteach.runners.diary import perform

GREETING = b"\0asyncteach\n"
"""What comes before the first answer: until then others may have printed something."""


def work() -> None:
    """Take orders from standard input and answer on standard output until there are no more."""
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # who is interrupted ends its workers
    outbox = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what an activity's class may print must not come between the answers
    orders: queue.SimpleQueue[tuple[int, bytes, float, int]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, orders), daemon=True).start()
    outbox.write(GREETING)
    _answer(outbox, ("here", 0, time.perf_counter_ns()))
    while True:
        index, pickled, minute, queued = orders.get()
        try:
            activity = pickle.loads(pickled)
        except Exception as error:
            _answer(outbox, ("unknown", index, f"{type(error).__name__}: {error}"))
            continue
        _answer(outbox, ("done", index, perform(activity.steps, minute, queued, lambda: False)))


def _listen(inbox: BinaryIO, orders: "queue.SimpleQueue[Any]") -> None:
    """Pass orders on, and end this process at once when nobody is left to give any."""
    try:
        while True:
            orders.put(pickle.load(inbox))
    finally:
        os._exit(0)


def _answer(outbox: BinaryIO, answer: tuple[str, int, Any]) -> None:
    try:
        pickle.dump(answer, outbox)
        outbox.flush()
    except OSError:
        os._exit(0)
