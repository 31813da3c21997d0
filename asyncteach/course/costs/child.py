"""A child process that measures: it does one job, and prints its findings as JSON.

A finding is the kind of cost, what was measured, how many of them, and the amount, or the reason
why there is none.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from time import perf_counter, process_time
from typing import Any, NamedTuple

Finding = tuple[str, str, int, float | str]

ROUND = 0.003
"""Seconds: so short that most rounds fit between two interruptions by other programs."""

FEWEST = 5
"""At least this many rounds are played, even if the time is up."""

BUSY = (0, 1, 4)
"""Numbers of threads that calculate while the lateness of a loop is measured."""

NAP, NAPS = 0.005, 6
SHARERS, WORK = 10, 0.05  # threads that share work, and at least how many seconds of it

loop = asyncio.new_event_loop()
held: list[Any] = []  # tasks that wait: without a reference they may be garbage-collected

Play = Callable[[int], object]
"""Repeats the measured operation that many times."""


class Subject(NamedTuple):
    """An operation to measure; `prepare` sets it up and returns its Play."""

    what: str
    number: int
    prepare: Callable[[], Play]
    others: Callable[[], float] = float
    """Returns the processor time that other processes have used for it so far."""


def main() -> None:
    """Do the job that the command line names, then end."""
    job, options = json.loads(sys.argv[1])
    print(json.dumps(list(JOBS[job](**options))), flush=True)
    os._exit(0)  # some threads wait forever


def play_rounds(kind: str, subjects: list[Subject], seconds: float) -> Iterator[Finding]:
    """Play short rounds of all in turn, so that a disturbance affects all of them.

    On Linux everything stays on one processor. Then a hand-over really is a switch: between two
    processors it may take ten times as long or a tenth, depending on where the system puts both
    sides. And only processor time counts, without the turns of other programs. Elsewhere it is the
    time that passes.
    """
    is_on_one = stay_on_one_processor()

    def read(subject: Subject) -> float:
        return process_time() + subject.others() if is_on_one else perf_counter()

    def time_round(subject: Subject, play: Play, count: int) -> float:
        began = read(subject)
        play(count)
        return read(subject) - began

    ready = []
    for subject in subjects:
        try:
            play, count = subject.prepare(), 1
            # These rounds warm up. The shortest of three counts, or an interruption would look
            # like slow work.
            while min(time_round(subject, play, count) for _ in range(3)) < ROUND / 2:
                count *= 2
            ready.append((subject, play, count))
        except (RuntimeError, OSError, AttributeError) as error:
            yield kind, subject.what, subject.number, f"this machine refused: {error}"
    for _ in repeat_for(seconds):
        for subject, play, count in ready:
            took = time_round(subject, play, count) / count
            yield kind, subject.what, subject.number, took * 1e6


def stay_on_one_processor() -> bool:
    """Keep this process, and those that it starts from now on, on one processor, if possible."""
    if not hasattr(os, "sched_setaffinity"):
        return False
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return True


def repeat_for(seconds: float) -> Iterator[int]:
    """Count rounds until the time is up."""
    end, rounds = perf_counter() + seconds, 0
    while rounds < FEWEST or perf_counter() < end:
        yield rounds
        rounds += 1


def measure_switching(seconds: float, number: int) -> Iterator[Finding]:
    """Measure all ways to hand over, in rings of two and of `number` tasks or threads."""
    stay_on_one_processor()  # the other process too
    echo, to, back = start_python("import os\nwhile byte := os.read(0, 1): os.write(1, byte)")

    def send_to_process(count: int) -> None:
        for _ in range(count // 2):  # the byte that comes back is a hand-over too
            os.write(to, b".")
            os.read(back, 1)

    def read_time() -> float:
        """Return the processor time of the other process, by its clock (Linux)."""
        return time.clock_gettime(~echo.pid << 3 | 2)

    subjects = [
        Subject("send to a generator", 1, lambda: send_to_generator),
        Subject("sleep(0) between tasks", 2, lambda: give_way),
        Subject("Event between tasks", 2, lambda: make_ring_of_tasks(2)),
        Subject("Event between tasks", number, lambda: make_ring_of_tasks(number)),
        Subject("Lock between threads", 2, lambda: make_ring_of_threads(2)),
        Subject("Lock between threads", number, lambda: make_ring_of_threads(number)),
        Subject("pipe between processes", 2, lambda: send_to_process, read_time),
        Subject("to_thread and back", 1, lambda: go_to_thread),
    ]
    return play_rounds("switch", subjects, seconds)


def send_to_generator(count: int) -> None:
    def generate() -> Iterator[None]:
        while True:
            yield

    resume = generate().__next__
    for _ in range(count):
        resume()


def give_way(count: int) -> None:
    async def sleep() -> None:
        for _ in range(count // 2):
            await asyncio.sleep(0)

    async def run() -> None:
        await asyncio.gather(sleep(), sleep())

    loop.run_until_complete(run())


def make_ring_of_tasks(number: int) -> Play:
    """Start tasks, each of which waits for its Event and then sets the next one's."""
    events, finished = [asyncio.Event() for _ in range(number)], asyncio.Event()
    left = place = 0

    async def hand_on(own: int) -> None:
        nonlocal left
        while True:
            await events[own].wait()
            events[own].clear()
            left -= 1
            (events[(own + 1) % number] if left else finished).set()

    async def play(count: int) -> None:
        nonlocal left, place
        left = count
        finished.clear()
        events[place].set()
        await finished.wait()
        place = (place + count) % number

    held.extend(loop.create_task(hand_on(own)) for own in range(number))
    loop.run_until_complete(play(number))
    return lambda count: loop.run_until_complete(play(count))


def make_ring_of_threads(number: int) -> Play:
    """Start threads, each of which waits for its Lock and then releases the next one's."""
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


def start_python(code: str) -> tuple["subprocess.Popen[bytes]", int, int]:
    """Start a bare Python; return it, and the ends of the pipes to and from it."""
    command = [sys.executable, "-I", "-S", "-c", code]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    return child, child.stdin.fileno(), child.stdout.fileno()


def go_to_thread(count: int) -> None:
    async def run() -> None:
        for _ in range(count):
            await asyncio.to_thread(int)

    loop.run_until_complete(run())


def measure_starting(seconds: float) -> Iterator[Finding]:
    """Measure the start and the end of a task, thread or process that does nothing."""
    subjects = [
        Subject("task", 1, lambda: start_tasks),
        Subject("thread", 1, lambda: start_threads),
        Subject("forked process", 1, lambda: fork_processes, read_ended_time),
        Subject("spawned process", 1, lambda: spawn_processes, read_ended_time),
    ]
    return play_rounds("start", subjects, seconds)


def do_nothing() -> None:
    """Do nothing, in a thread or in another process."""


def start_tasks(count: int) -> None:
    async def nothing() -> None:
        pass

    async def run() -> None:
        for _ in range(count):
            await loop.create_task(nothing())

    loop.run_until_complete(run())


def start_threads(count: int) -> None:
    for _ in range(count):
        with running_threads(1, do_nothing):
            pass


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


@contextlib.contextmanager
def running_threads(number: int, work: Callable[..., object], *arguments: Any) -> Iterator[None]:
    """Start threads, and wait for their end when the block ends."""
    threads = [threading.Thread(target=work, args=arguments) for _ in range(number)]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join()


def measure_lateness(seconds: float) -> Iterator[Finding]:
    """Measure how late a loop wakes up while threads only calculate (the convoy effect)."""
    going = False

    def calculate() -> None:
        while going:
            pass

    async def nap() -> float:
        due = perf_counter() + NAP
        await asyncio.sleep(NAP)
        return max(1e-6, perf_counter() - due)

    for _ in repeat_for(seconds):
        for number in BUSY:
            going = True
            with running_threads(number, calculate):
                late = [loop.run_until_complete(nap()) for _ in range(NAPS)]
                going = False
            for one in late:
                yield "lateness", "loop beside busy threads", number, one * 1000


def measure_preemption(seconds: float) -> Iterator[Finding]:
    """Measure how much more processor time the same work takes in ten threads than in one."""

    def count(steps: int) -> None:
        for _ in range(steps):
            pass

    def time_work(number: int) -> float:
        began = process_time()
        with running_threads(number, count, work // number):
            pass
        return process_time() - began

    work = 20_000
    while time_work(1) < WORK:  # ten turns at the usual switch interval
        work *= 2
    for _ in repeat_for(seconds):
        alone = time_work(1)
        yield "preemption", "work shared by threads", SHARERS, time_work(SHARERS) / alone


def measure_memory(what: str, number: int) -> Iterator[Finding]:
    """Measure the resident kilobytes (1,000 bytes) of each of `number` that wait."""
    from psutil import Process

    if what == "process":
        idle, _, back = start_python("print(flush=True); input()")
        os.read(back, 1)
        taken = Process(idle.pid).memory_info().rss
        idle.kill()
    else:
        hold = hold_tasks if what == "task" else hold_threads
        hold(100)  # they warm up
        before = Process().memory_info().rss
        hold(number)
        taken = max(0, Process().memory_info().rss - before)
    yield "memory", what, number, taken / number / 1000


def hold_tasks(number: int) -> None:
    async def wait() -> None:
        await asyncio.sleep(3600)

    held.extend(loop.create_task(wait()) for _ in range(number))
    loop.run_until_complete(asyncio.sleep(0))


def hold_threads(number: int) -> None:
    gate = threading.Lock()
    gate.acquire()
    for _ in range(number):
        threading.Thread(target=gate.acquire, daemon=True).start()


JOBS: dict[str, Callable[..., Iterator[Finding]]] = {
    "memory": measure_memory,
    "switch": measure_switching,
    "start": measure_starting,
    "lateness": measure_lateness,
    "preemption": measure_preemption,
}
