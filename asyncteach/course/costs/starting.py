"""Starting: what it costs to start something that does nothing, and to wait for its end."""

import asyncio
import os
import sys
import threading
from importlib import import_module
from multiprocessing import get_context

from asyncteach.course.costs.child import Tell
from asyncteach.course.costs.rounds import Play, Player, play_in_turn


def measure(tell: Tell, seconds: float, on_one: bool) -> None:
    """Measure the start and the end of each, one at a time."""
    players = [
        Player("start", "task", 1, _prepare_task),
        Player("start", "thread", 1, _prepare_thread),
        Player("start", "spawned process", 1, _prepare_spawn, others=_read_ended),
    ]
    if hasattr(os, "fork"):
        players.insert(2, Player("start", "forked process", 1, _prepare_fork, others=_read_ended))
    else:
        tell("left out", "start", "forked process", 1, "this system has no fork")
    if sys.version_info >= (3, 14):
        players.insert(2, Player("start", "interpreter", 1, _prepare_interpreter))
    else:
        why = f"Python has had concurrent.interpreters since 3.14, and this is {_version()}"
        tell("left out", "start", "interpreter", 1, why)
    play_in_turn(players, seconds, tell, on_one=on_one)


def _version() -> str:
    return ".".join(map(str, sys.version_info[:2]))


def _read_ended() -> float:
    """Return the processor time of the processes that have ended."""
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def do_nothing() -> None:
    """Do nothing, in a thread or in another process."""


def _prepare_task() -> Play:
    loop = asyncio.new_event_loop()

    async def nothing() -> None:
        pass

    async def main(count: int) -> None:
        for _ in range(count):
            await loop.create_task(nothing())

    return lambda count: loop.run_until_complete(main(count))


def _prepare_thread() -> Play:
    def play(count: int) -> None:
        for _ in range(count):
            thread = threading.Thread(target=do_nothing)
            thread.start()
            thread.join()

    return play


def _prepare_fork() -> Play:
    def play(count: int) -> None:
        for _ in range(count):
            if not (process := os.fork()):
                os._exit(0)
            os.waitpid(process, 0)

    return play


def _prepare_spawn() -> Play:
    context = get_context("spawn")

    def play(count: int) -> None:
        for _ in range(count):
            process = context.Process(target=do_nothing)
            process.start()
            process.join()
            if process.exitcode:
                raise OSError(f"the process ended with exit code {process.exitcode}")

    return play


def _prepare_interpreter() -> Play:
    interpreters = import_module("concurrent.interpreters")

    def play(count: int) -> None:
        for _ in range(count):
            interpreter = interpreters.create()
            interpreter.exec("pass")
            interpreter.close()

    return play
