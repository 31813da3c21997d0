"""Activities done by worker processes, each with a Python of its own."""

import contextlib
import io
import pickle
import queue
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import IO, Any

from asyncteach.activities import Activity
from asyncteach.formatting import clip
from asyncteach.runners.diary import Stretch
from asyncteach.runners.helpers import Helpers
from asyncteach.runners.python import say_no_room, start_python
from asyncteach.runners.worker import GREETING

MOST_WORKERS = 32
"""More activities than that wait until a worker is free."""

_WORKER = "asyncteach.runners.worker"


def check_picklable(activities: Iterable[Activity]) -> list[bytes]:
    """Return the activities as they are sent to another process, or raise TypeError."""
    __tracebackhide__ = True
    pickled = []
    for activity in activities:
        try:
            pickled.append(pickle.dumps(activity))
        except Exception as error:
            raise TypeError(
                f"{clip(activity.name, 60)!r} can't go to another process, because pickle can't "
                f"copy it ({clip(error, 80)}): make it with chore() or leisure(), or use "
                "run_in_threads, where nothing is copied."
            ) from None
    return pickled


class Crew:
    """Worker processes, up and waiting for orders: a block, after which all of them are gone."""

    def __init__(self, count: int) -> None:
        self._count = min(count, MOST_WORKERS)
        self._answers: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        self._workers: dict[int, subprocess.Popen[bytes]] = {}
        self._readers = Helpers()
        self._hiring = threading.Lock()
        self._is_over = False
        self._busy: dict[int, int] = {}
        self._offsets: list[int] = []
        self._errors: IO[bytes] = io.BytesIO()

    def __enter__(self) -> "Crew":
        try:
            self._errors = _open_file()
            began = time.perf_counter_ns()
            for number in range(self._count):
                self._readers.start(partial(self._employ, number))
            self._offsets = [0] * self._count
            for _ in range(self._count):
                number, (_, _, stamp) = self._next_answer([])
                now = time.perf_counter_ns()
                # One clock for all processes on the systems that we know; else set right by ours.
                self._offsets[number] = 0 if began <= stamp <= now else now - stamp
        except BaseException as error:
            self.__exit__()
            if "start new thread" in str(error):
                raise RuntimeError(say_no_room(error)) from None
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with self._hiring:
            self._is_over = True
        for worker in self._workers.values():
            worker.kill()
        for worker in self._workers.values():
            worker.wait()
        self._readers.join()
        for worker in self._workers.values():
            for pipe in (worker.stdin, worker.stdout):
                with contextlib.suppress(OSError):  # an order that nobody read
                    pipe.close()  # type: ignore[union-attr]
        self._errors.close()

    def do(
        self, activities: Sequence[Activity], pickled: Sequence[bytes], minute: float, start: int
    ) -> list[list[Stretch]]:
        """Have each activity done by whoever is free, and return what was when."""
        left = deque(range(len(activities)))
        stretches: list[list[Stretch]] = [[] for _ in activities]
        names = [clip(activity.name, 60) for activity in activities]
        free = deque(range(self._count))
        while left or self._busy:
            while free and left:
                worker = free.popleft()
                index = self._busy[worker] = left.popleft()
                self._order(worker, (index, pickled[index], minute, start - self._offsets[worker]))
            worker, (word, index, what) = self._next_answer(names)
            if word == "unknown":
                raise TypeError(
                    f"{names[index]!r} could not be unpacked in the other process "
                    f"({clip(what, 80)}): its class must be in a module that can be imported, not "
                    "in a notebook or script."
                )
            offset = self._offsets[worker]
            stretches[index] = [(state, a + offset, b + offset) for state, a, b in what]
            del self._busy[worker]
            free.append(worker)
        return stretches

    def _employ(self, number: int) -> None:
        """Start a worker and pass on what it says; None when it says no more.

        In a thread, where no interrupt lands: in the middle of Popen one would leave a process
        behind that nobody knows of.
        """
        with self._hiring:
            if self._is_over:
                return
            try:
                worker = start_python(_WORKER, (), output=subprocess.PIPE, errors=self._errors)
            except Exception as error:
                self._answers.put((number, error))
                return
            self._workers[number] = worker
        try:
            for answer in _answers(worker.stdout):  # type: ignore[arg-type]
                self._answers.put((number, answer))
        finally:
            self._answers.put((number, None))

    def _order(self, worker: int, order: tuple[int, bytes, float, int]) -> None:
        inbox = self._workers[worker].stdin
        with contextlib.suppress(OSError):  # it has died: its reader tells
            pickle.dump(order, inbox)  # type: ignore[arg-type]
            inbox.flush()  # type: ignore[union-attr]

    def _next_answer(self, names: Sequence[str]) -> tuple[int, Any]:
        number, answer = self._answers.get()
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            index = self._busy.get(number)
            raise RuntimeError(self._say_death(number, None if index is None else names[index]))
        return number, answer

    def _say_death(self, number: int, name: str | None) -> str:
        worker = self._workers[number]
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.wait(1)
        worker.kill()  # it may live and have nothing more to say
        code = worker.wait()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        when = f"while it did {name!r}" if name else "before it had anything to do"
        self._errors.seek(0)
        words = self._errors.read().decode(errors="replace").strip().splitlines()
        last = f" Its last words: {clip(words[-1], 120)}" if words else ""
        return (
            f"a worker process {how} {when}, so this run is lost: run it again, "
            f"with fewer activities if the machine is short of memory.{last}"
        )


def _open_file() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise RuntimeError(say_no_room(error)) from None


def _answers(pipe: IO[bytes]) -> Iterator[Any]:
    with contextlib.suppress(Exception):  # there is no end to what bytes cut off can raise
        while line := pipe.readline():
            if line.endswith(GREETING):
                break
        while True:
            yield pickle.load(pipe)
