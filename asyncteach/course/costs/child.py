"""A child process that measures: it does one job, and prints each finding as a line of JSON.

A finding is a kind of cost, of what, with how many, and the amount, or a text that says why there
is none.
"""

import asyncio
import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from multiprocessing import get_context
from time import perf_counter, process_time
from typing import NamedTuple

Finding = tuple[str, str, int, float | str]

ROUND = 0.003
"""Seconds: so short that most rounds fit between two interruptions by other programs."""

FEWEST = 5
"""At least so many rounds are played, even if the time is up."""

BUSY = (0, 1, 4)
"""Numbers of threads that calculate while the lateness of a loop is measured."""

NAP, NAPS = 0.005, 12
SHARERS, WORK = 10, 0.05  # threads that share work, and the seconds of it at least


Play = Callable[[int], object]
"""Repeats the measured operation so many times."""


class Subject(NamedTuple):
    """An operation to measure; `prepare` sets it up and returns its Play."""

    what: str
    number: int
    prepare: Callable[[], Play]
    least: int = 1  # and always a multiple of it
    others: Callable[[], float] = float
    """Processor time so far of the other processes that it needs."""


def main() -> None:
    """Do the job that is named on the command line, then end."""
    job, options = json.loads(sys.argv[1])
    for finding in JOBS[job](**options):
        print(json.dumps(finding), flush=True)  # what is printed is kept if this process dies
    print(json.dumps("done"), flush=True)
    os._exit(0)  # some threads wait forever


def play_rounds(kind: str, subjects: list[Subject], seconds: float) -> Iterator[Finding]:
    """Play short rounds of all in turn, so that a disturbance affects all of them.

    On Linux all of it stays on one processor. Then a hand-over really is a switch: between two
    processors it takes longer or shorter, by a factor of up to ten, as the system happens to place
    both sides. And the processor's time is counted, without the turns of other programs. Elsewhere
    it is the time that passes.
    """
    is_on_one = hasattr(os, "sched_setaffinity")
    if is_on_one:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    def time_round(play: Callable[[int], object], subject: Subject, count: int) -> float:
        def read() -> float:
            return process_time() + subject.others() if is_on_one else perf_counter()

        began = read()
        play(count)
        return read() - began

    end = perf_counter() + seconds
    ready = []
    for subject in subjects:
        try:
            play, count = subject.prepare(), subject.least
            # These rounds warm up. The shortest of three counts, or an interruption would look
            # like slow work.
            while min(time_round(play, subject, count) for _ in range(3)) < ROUND / 2:
                count *= 2
            ready.append((subject, play, count))
        except (RuntimeError, OSError, MemoryError) as error:
            yield kind, subject.what, subject.number, refused(error)
    rounds = 0
    while ready and (rounds < FEWEST or perf_counter() < end):
        for subject, play, count in ready:
            took = time_round(play, subject, count) / count
            yield kind, subject.what, subject.number, took * 1e6
        rounds += 1


def refused(error: BaseException) -> str:
    """Return a sentence about an error of the machine."""
    return f"this machine refused: {error or type(error).__name__}"


def measure_switching(seconds: float, number: int) -> Iterator[Finding]:
    """Measure every way to hand over, in rings of two and of `number` tasks or threads."""
    loop = asyncio.new_event_loop()
    pipe = Pipe()
    subjects = [
        Subject("send to a generator", 1, prepare_generator),
        Subject("sleep(0) between tasks", 100, lambda: prepare_sleepers(loop, 100)),
        Subject("Event between tasks", 2, lambda: prepare_events(loop, 2)),
        Subject("Event between tasks", number, lambda: prepare_events(loop, number)),
        Subject("Lock between threads", 2, lambda: prepare_locks(2)),
        Subject("Lock between threads", number, lambda: prepare_locks(number)),
        Subject("pipe between processes", 2, pipe.prepare, least=2, others=pipe.read_time),
        Subject("to_thread and back", 1, lambda: prepare_to_thread(loop)),
    ]
    return play_rounds("switch", subjects, seconds)


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
    # `tasks` is used here, because a task without a reference may be garbage-collected.
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


def measure_starting(seconds: float) -> Iterator[Finding]:
    """Measure the start and the end of one that does nothing."""
    subjects = [
        Subject("task", 1, lambda: prepare_tasks(asyncio.new_event_loop())),
        Subject("thread", 1, lambda: start_threads),
        Subject("forked process", 1, lambda: fork_processes, others=read_ended_time),
        Subject("spawned process", 1, lambda: spawn_processes, others=read_ended_time),
    ]
    if not hasattr(os, "fork"):
        del subjects[2]
    return play_rounds("start", subjects, seconds)


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


def measure_lateness(seconds: float) -> Iterator[Finding]:
    """Measure how late a loop wakes up beside threads that only calculate (the convoy effect)."""
    end = perf_counter() + seconds
    rounds = 0
    while rounds < 2 or perf_counter() < end:
        for number in BUSY:
            for late in wake_beside(number):
                yield "lateness", "loop beside busy threads", number, late * 1000
        rounds += 1


def wake_beside(number: int) -> list[float]:
    """Return how many seconds late a loop woke, each time."""
    going = True

    def calculate() -> None:
        while going:
            pass

    async def nap() -> list[float]:
        late = []
        for _ in range(NAPS):
            due = perf_counter() + NAP
            await asyncio.sleep(NAP)
            late.append(max(1e-6, perf_counter() - due))
        return late

    threads = [threading.Thread(target=calculate) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        return asyncio.run(nap())
    finally:
        going = False
        for thread in threads:
            thread.join()


def measure_preemption(seconds: float) -> Iterator[Finding]:
    """Measure how much more processor time the same work takes in ten threads than in one."""

    def count(steps: int) -> None:
        for _ in range(steps):
            pass

    def time_work(number: int) -> float:
        share = work // number
        threads = [threading.Thread(target=count, args=(share,)) for _ in range(number)]
        began = process_time()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return process_time() - began

    work = 20_000
    while time_work(1) < WORK:  # ten turns at the usual switch interval
        work *= 2
    end = perf_counter() + seconds
    rounds = 0
    while rounds < FEWEST or perf_counter() < end:
        alone = time_work(1)
        yield "preemption", "work shared by threads", SHARERS, time_work(SHARERS) / alone
        rounds += 1


def measure_memory(what: str, number: int) -> Iterator[Finding]:
    """Measure the resident kilobytes (1,000 bytes) of each of so many that wait."""
    hold = {"task": hold_tasks, "thread": hold_threads, "process": hold_process}[what]
    try:
        yield "memory", what, number, max(0.0, hold(number)) / number / 1000
    except (RuntimeError, OSError, MemoryError) as error:
        yield "memory", what, number, refused(error)


def read_memory(process: int | None = None) -> int:
    """Return the resident bytes of a process, of this one if none is given."""
    import psutil

    return int(psutil.Process(process).memory_info().rss)


def hold_tasks(number: int) -> float:
    async def hold() -> None:
        await asyncio.sleep(3600)

    async def main() -> float:
        first = [asyncio.create_task(hold()) for _ in range(100)]  # warm up
        await asyncio.sleep(0)
        before = read_memory()
        tasks = [asyncio.create_task(hold()) for _ in range(number)]
        await asyncio.sleep(0)
        growth = read_memory() - before
        for task in first + tasks:
            task.cancel()
        return growth

    return asyncio.run(main())


def hold_threads(number: int) -> float:
    gate = threading.Lock()
    gate.acquire()
    before = math.nan
    for thread in range(number + 10):
        if thread == 10:  # the first ones warm up
            before = read_memory()
        threading.Thread(target=gate.acquire, daemon=True).start()
    return read_memory() - before


def hold_process(number: int) -> float:
    assert number == 1
    command = [sys.executable, "-I", "-S", "-c", "print(flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as idle:
        assert idle.stdout is not None
        idle.stdout.readline()
        memory = read_memory(idle.pid)
        idle.kill()
    return memory


JOBS: dict[str, Callable[..., Iterator[Finding]]] = {
    "memory": measure_memory,
    "switch": measure_switching,
    "start": measure_starting,
    "lateness": measure_lateness,
    "preemption": measure_preemption,
}
