"""Handing over: what it costs to go on in another generator, task, thread or process."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator

from asyncteach.course.costs.child import Tell
from asyncteach.course.costs.rounds import Play, Player, play_in_turn

_ECHO = "import os\nwhile byte := os.read(0, 1): os.write(1, byte)"


def measure(tell: Tell, seconds: float, tasks: int, threads: int, on_one: bool) -> None:
    """Measure every way to hand over, with so many tasks and so many threads at most."""
    loop = asyncio.new_event_loop()
    kind, pipe = "switch", _Pipe()
    players = [
        Player(kind, "send to a generator", 1, _prepare_generator),
        Player(kind, "sleep(0) between tasks", 100, _sleepers(loop, 100)),
        *(
            Player(kind, "Event between tasks", number, _events(loop, number))
            for number in sorted({2, tasks})
        ),
        *(
            Player(kind, "Lock between threads", number, _locks(number))
            for number in sorted({2, threads})
        ),
        Player(kind, "pipe between processes", 2, pipe.prepare, least=2, others=pipe.read),
        Player(kind, "to_thread and back", 1, _to_thread(loop)),
    ]
    play_in_turn(players, seconds, tell, on_one=on_one)


def _prepare_generator() -> Play:
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


def _sleepers(loop: asyncio.AbstractEventLoop, number: int) -> Callable[[], Play]:
    """Tasks that let each other go on, one step each in turn."""

    def prepare() -> Play:
        gate = asyncio.Event()
        left = 0
        done: asyncio.Future[None]

        async def step() -> None:
            nonlocal left
            while True:
                await gate.wait()
                while left > 0:
                    left -= 1
                    if not left:
                        gate.clear()
                        done.set_result(None)
                    await asyncio.sleep(0)

        async def main(count: int) -> None:
            nonlocal left, done
            left, done = count, loop.create_future()
            gate.set()
            await done

        tasks = [loop.create_task(step()) for _ in range(number)]

        def play(count: int) -> None:
            assert tasks  # a task that nobody holds may be lost
            loop.run_until_complete(main(count))

        return play

    return prepare


def _events(loop: asyncio.AbstractEventLoop, number: int) -> Callable[[], Play]:
    """Tasks in a ring, each of which waits for its Event and then sets the next one's."""

    def prepare() -> Play:
        events = [asyncio.Event() for _ in range(number)]
        left = place = 0
        done: asyncio.Future[None]

        async def hand_on(own: int) -> None:
            nonlocal left, place
            mine, after = events[own], events[(own + 1) % number]
            while True:
                await mine.wait()
                mine.clear()
                left -= 1
                if left:
                    after.set()
                else:
                    place = (own + 1) % number
                    done.set_result(None)

        async def main(count: int) -> None:
            nonlocal left, done
            left, done = count, loop.create_future()
            events[place].set()
            await done

        ring = [loop.create_task(hand_on(own)) for own in range(number)]

        def play(count: int) -> None:
            assert ring  # a task that nobody holds may be lost
            loop.run_until_complete(main(count))

        play(number)
        return play

    return prepare


def _locks(number: int) -> Callable[[], Play]:
    """Threads in a ring, each of which waits for its Lock and then releases the next one's."""

    def prepare() -> Play:
        locks = [threading.Lock() for _ in range(number)]
        left = place = 0
        done = threading.Lock()

        def hand_on(own: int) -> None:
            nonlocal left, place
            mine, after = locks[own], locks[(own + 1) % number]
            while True:
                mine.acquire()
                left -= 1
                if left:
                    after.release()
                else:
                    place = (own + 1) % number
                    done.release()

        def play(count: int) -> None:
            nonlocal left
            left = count
            locks[place].release()
            done.acquire()

        for lock in (done, *locks):
            lock.acquire()
        for own in range(number):
            threading.Thread(target=hand_on, args=(own,), daemon=True).start()
        play(number)
        return play

    return prepare


class _Pipe:
    """A byte goes to another process and comes back: two hand-overs."""

    def prepare(self) -> Play:
        command = [sys.executable, "-I", "-S", "-c", _ECHO]
        echo = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        assert echo.stdin is not None
        assert echo.stdout is not None
        self._echo = echo  # the pipes live as long as it does
        to, back = echo.stdin.fileno(), echo.stdout.fileno()

        def play(count: int) -> None:
            for _ in range(count // 2):
                os.write(to, b".")
                if not os.read(back, 1):
                    raise OSError("the other process has ended")

        play(2)
        return play

    def read(self) -> float:
        """Return the processor time of the other process, by its clock (Linux)."""
        return time.clock_gettime(~self._echo.pid << 3 | 2)


def _to_thread(loop: asyncio.AbstractEventLoop) -> Callable[[], Play]:
    async def main(count: int) -> None:
        for _ in range(count):
            await asyncio.to_thread(int)

    return lambda: lambda count: loop.run_until_complete(main(count))
