"""What is measured: ways to hand over to another task, thread or process, and to start one."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from multiprocessing import get_context
from typing import NamedTuple

Play = Callable[[int], object]
"""Does the thing to be measured so many times."""


class Subject(NamedTuple):
    """A thing to be measured, and what gets it ready and returns how it is played."""

    what: str
    number: int
    prepare: Callable[[], Play]
    least: int = 1  # and always a multiple of it
    others: Callable[[], float] = float
    """Processor time so far of the other processes that it needs."""


def switching_subjects(number: int) -> list[Subject]:
    """Return the ways to hand over; the rings are of two and of `number` tasks or threads."""
    loop = asyncio.new_event_loop()
    pipe = Pipe()
    return [
        Subject("send to a generator", 1, prepare_generator),
        Subject("sleep(0) between tasks", 100, lambda: prepare_sleepers(loop, 100)),
        Subject("Event between tasks", 2, lambda: prepare_events(loop, 2)),
        Subject("Event between tasks", number, lambda: prepare_events(loop, number)),
        Subject("Lock between threads", 2, lambda: prepare_locks(2)),
        Subject("Lock between threads", number, lambda: prepare_locks(number)),
        Subject("pipe between processes", 2, pipe.prepare, least=2, others=pipe.read_time),
        Subject("to_thread and back", 1, lambda: prepare_to_thread(loop)),
    ]


def prepare_generator() -> Play:
    def generate() -> Generator[None, None, None]:
        while True:
            yield

    generator = generate()
    generator.send(None)

    def play(count: int) -> None:
        send = generator.send
        for _ in range(count):
            send(None)

    return play


def prepare_sleepers(loop: asyncio.AbstractEventLoop, number: int) -> Play:
    """Start tasks that let each other go on, one step each in turn."""
    gate, finished, left = asyncio.Event(), asyncio.Event(), 0

    async def step() -> None:
        nonlocal left
        while True:
            await gate.wait()
            while left > 0:
                left -= 1
                if not left:
                    gate.clear()
                    finished.set()
                await asyncio.sleep(0)

    async def play_once(count: int) -> None:
        nonlocal left
        left = count
        finished.clear()
        gate.set()
        await finished.wait()

    tasks = [loop.create_task(step()) for _ in range(number)]
    # `tasks` is named here because a task that has no name may be lost.
    return lambda count: tasks and loop.run_until_complete(play_once(count))


def prepare_events(loop: asyncio.AbstractEventLoop, number: int) -> Play:
    """Start a ring of tasks, each of which waits for its Event and then sets the next one's."""
    events, finished = [asyncio.Event() for _ in range(number)], asyncio.Event()
    left = place = 0

    async def hand_on(own: int) -> None:
        nonlocal left
        while True:
            await events[own].wait()
            events[own].clear()
            left -= 1
            (events[(own + 1) % number] if left else finished).set()

    async def play_once(count: int) -> None:
        nonlocal left, place
        left = count
        finished.clear()
        events[place].set()
        await finished.wait()
        place = (place + count) % number

    ring = [loop.create_task(hand_on(own)) for own in range(number)]
    loop.run_until_complete(play_once(number))
    return lambda count: ring and loop.run_until_complete(play_once(count))


def prepare_locks(number: int) -> Play:
    """Start a ring of threads, each of which waits for its Lock and then releases the next's."""
    locks, finished = [threading.Lock() for _ in range(number)], threading.Lock()
    left = place = 0

    def hand_on(own: int) -> None:
        nonlocal left
        while True:
            locks[own].acquire()
            left -= 1
            (locks[(own + 1) % number] if left else finished).release()

    def play(count: int) -> None:
        nonlocal left, place
        left = count
        locks[place].release()
        finished.acquire()
        place = (place + count) % number

    for lock in (finished, *locks):
        lock.acquire()
    for own in range(number):
        threading.Thread(target=hand_on, args=(own,), daemon=True).start()
    play(number)
    return play


class Pipe:
    """A byte goes to another process and comes back: two hand-overs."""

    def prepare(self) -> Play:
        """Start the other process."""
        code = "import os\nwhile byte := os.read(0, 1): os.write(1, byte)"
        self._echo = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", code],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
        )  # fmt: skip
        assert self._echo.stdin is not None
        assert self._echo.stdout is not None
        to, back = self._echo.stdin.fileno(), self._echo.stdout.fileno()

        def play(count: int) -> None:
            for _ in range(count // 2):
                os.write(to, b".")
                if not os.read(back, 1):
                    raise OSError("the other process has ended")

        play(2)
        return play

    def read_time(self) -> float:
        """Return the processor time of the other process, by its clock (Linux)."""
        return time.clock_gettime(~self._echo.pid << 3 | 2)


def prepare_to_thread(loop: asyncio.AbstractEventLoop) -> Play:
    async def play_once(count: int) -> None:
        for _ in range(count):
            await asyncio.to_thread(int)

    return lambda count: loop.run_until_complete(play_once(count))


def starting_subjects() -> list[Subject]:
    """Return what can be started: its start and its end are measured, one at a time."""
    subjects = [
        Subject("task", 1, lambda: prepare_tasks(asyncio.new_event_loop())),
        Subject("thread", 1, lambda: start_threads),
        Subject("forked process", 1, lambda: fork_processes, others=read_ended_time),
        Subject("spawned process", 1, lambda: spawn_processes, others=read_ended_time),
    ]
    return [one for one in subjects if hasattr(os, "fork") or one.what != "forked process"]


def prepare_tasks(loop: asyncio.AbstractEventLoop) -> Play:
    async def nothing() -> None:
        pass

    async def start_tasks(count: int) -> None:
        for _ in range(count):
            await loop.create_task(nothing())

    return lambda count: loop.run_until_complete(start_tasks(count))


def do_nothing() -> None:
    """Do nothing, in a thread or in another process."""


def start_threads(count: int) -> None:
    for _ in range(count):
        thread = threading.Thread(target=do_nothing)
        thread.start()
        thread.join()


def fork_processes(count: int) -> None:
    for _ in range(count):
        if not (process := os.fork()):
            os._exit(0)
        os.waitpid(process, 0)


def spawn_processes(count: int) -> None:
    for _ in range(count):
        process = get_context("spawn").Process(target=do_nothing)
        process.start()
        process.join()
        if process.exitcode:
            raise OSError(f"the process ended with exit code {process.exitcode}")


def read_ended_time() -> float:
    """Return the processor time of the processes that have ended."""
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
