"""Threads, processes and interpreters in real time: what they do, and what they leave behind."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from itertools import pairwise

import psutil
import pytest

from asyncteach import (
    CHORES,
    LEISURE,
    chore,
    compare,
    leisure,
    run_in_interpreters,
    run_in_processes,
    run_in_threads,
    run_in_turn,
    run_together,
)
from asyncteach.intervals import covered
from asyncteach.runners.workers import count_cores, has_gil

MINUTE = 0.002
WORKERS = [run_in_threads, run_in_processes]
WORKERS += [run_in_interpreters] * (sys.version_info >= (3, 14))
posix = pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals there")
each_kind = pytest.mark.parametrize("run", WORKERS)


def rows(recording, state):
    frame = recording.to_frame()
    return [tuple(row) for row in frame[frame["state"] == state].itertuples(index=False)]


def overlap(recording):
    """Return how many minutes two or more activities were running at once."""
    running = recording.trace.slices.of("running")
    return covered(running.start, running.end, least=2)


def children(of=None):
    """Return the workers of a process; multiprocessing keeps its tracker until Python ends."""
    found = psutil.Process(of).children(recursive=True)
    with contextlib.suppress(psutil.Error):
        return [one for one in found if "spawn_main" in " ".join(one.cmdline())]
    return children(of)


def wait_for_workers(of=None):
    while len(found := children(of)) < 2:
        time.sleep(0.01)
    return found


def test_the_story_in_real_time_has_the_same_shape():
    in_turn = run_in_turn(CHORES, minute=MINUTE)
    chores = asyncio.run(run_together(CHORES, minute=MINUTE))
    before = time.thread_time()
    leisure_time = asyncio.run(run_together(LEISURE, minute=MINUTE))
    assert time.thread_time() - before >= 95 * MINUTE  # attention is CPU work
    assert chores.minutes < in_turn.minutes / 1.5
    assert leisure_time.minutes > 2 * max(a.minutes for a in LEISURE)
    # More than a hundred minutes pass where other programs have the processor too.
    assert leisure_time.attention == pytest.approx(100, rel=0.1)


@each_kind
def test_waiting_overlaps_and_nothing_is_left(run):
    async def main():  # it is a plain call where a loop is running
        return run([*CHORES, leisure("jog", 20)], minute=MINUTE)

    before = set(threading.enumerate())
    recording = asyncio.run(main())
    assert set(threading.enumerate()) == before
    assert children() == []
    waiting = rows(recording, "waiting")
    assert max(start for _, _, start, _ in waiting) < min(end for _, _, _, end in waiting)
    tasks = recording.tasks()
    total = tasks["running"] + tasks["ready"] + tasks["waiting"]
    assert list(total) == pytest.approx(list(tasks["finished"] - tasks["spawned"]), abs=1e-6)
    assert set(tasks["spawned"]) == {0}
    assert list(tasks["waiting"])[:3] == pytest.approx([40, 30, 30], rel=0.2)


@pytest.mark.skipif(not has_gil(), reason="this Python has no GIL")
def test_two_threads_never_run_at_once():
    recording = run_in_threads(LEISURE, minute=MINUTE)
    assert recording.minutes > 95
    assert recording.attention == pytest.approx(100, rel=0.2)
    assert overlap(recording) < 0.05 * recording.minutes
    order = [task for task, *_ in rows(recording, "running")]
    assert sum(a != b for a, b in pairwise(order)) > 10
    assert recording.lanes()[0][0] == "the GIL"


@pytest.mark.skipif(count_cores() < 2, reason="one core can't do two things at once")
@pytest.mark.parametrize("run", WORKERS[1:])
def test_two_processes_run_at_once(run):
    recording = run(LEISURE, minute=5 * MINUTE)
    # Where programs wait for each core, ours may get one core in all.
    assert overlap(recording) > 0 or os.getloadavg()[0] > 1.5 * count_cores()
    assert recording.attention == pytest.approx(100, rel=0.2)
    assert recording.lanes()[0][0] == "watch tv"


def test_more_activities_than_workers_take_turns(monkeypatch):
    monkeypatch.setattr("asyncteach.runners.run.MOST_WORKERS", 2)
    recording = run_in_processes([chore(f"nap {n}", 10) for n in range(5)], minute=MINUTE)
    assert recording.title == "Chores, in 2 processes"
    assert list(recording.tasks()["waiting"]) == pytest.approx([10] * 5, rel=3)
    assert recording.minutes > 25


@posix
def test_a_worker_that_dies_is_reported_at_once():
    """Long before the minutes that the run would have taken."""
    killer = threading.Thread(target=lambda: wait_for_workers()[0].kill())
    killer.start()
    with pytest.raises(RuntimeError, match="a worker process died before all activities were done"):
        run_in_processes([chore("sleep", 1), chore("sleep on", 1)], minute=60)
    killer.join()
    assert children() == []


SCRIPT = """
import psutil, random, signal, sys, threading, time
import asyncteach
from asyncteach import LEISURE, chore, leisure, run_in_processes, run_in_threads

signal.signal(signal.SIGINT, signal.default_int_handler)
"""


def start_script(body, **keywords):
    """Start a script; its own lines follow on standard input."""
    process = subprocess.Popen(
        [sys.executable, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, **keywords,
    )  # fmt: skip
    return process, SCRIPT + textwrap.dedent(body)


def run_script(body):
    process, source = start_script(body)
    return process.communicate(source, timeout=120)


@pytest.mark.parametrize("how", ["a file", "-c", "standard input", "-m"])
def test_a_script_needs_no_main_guard(tmp_path, how):
    source = SCRIPT + "print('once')\nprint(run_in_processes(LEISURE, minute=0.001).minutes > 40)"
    (tmp_path / "script.py").write_text(source)
    arguments = {"a file": ["script.py"], "-c": ["-c", source], "-m": ["-m", "script"]}
    command = [sys.executable, "-W", "error", *arguments.get(how, ["-"])]
    ran = subprocess.run(command, input=source, cwd=tmp_path, capture_output=True, text=True, check=False)  # fmt: skip  # noqa: E501
    assert (ran.stdout, ran.stderr) == ("once\nTrue\n", "")


@posix
def test_workers_end_with_their_parent():
    process, source = start_script("run_in_processes([leisure('think', 1)] * 2, minute=60)")
    with process:
        process.stdin.write(source)
        process.stdin.close()
        workers = wait_for_workers(process.pid)
        process.kill()
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert alive == []


@posix
@pytest.mark.parametrize("to", ["the process", "its group"])
@each_kind
def test_an_interrupt_ends_all_of_it(run, to):
    """While workers start and once they work; a notebook's stop button interrupts the group."""
    send = "os.killpg(0, 2)" if to == "its group" else "os.kill(os.getpid(), 2)"
    out, err = run_script(
        f"""
        import os
        os.setpgrp()
        for delay in (0.05, 0.15, 1):
            threading.Timer(delay, lambda: {send}).start()
            try:
                asyncteach.{run.__name__}([chore("sleep", 1), leisure("think", 1)], minute=60)
            except KeyboardInterrupt:
                left = [p for p in psutil.Process().children() if "spawn_main" in str(p.cmdline())]
                print(threading.enumerate() == [threading.main_thread()], left)
        """
    )
    assert (out, err) == ("True []\n" * 3, "")


@posix
def test_an_interrupt_of_compare_leaves_no_thread_behind():
    async def main():
        before = set(threading.enumerate())
        timer = threading.Timer(0.2, signal.pthread_kill, [threading.get_ident(), signal.SIGINT])
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            compare([chore("wait", 100)], ways=["together"], minute=1)
        timer.join()
        assert set(threading.enumerate()) == before

    loop = asyncio.new_event_loop()  # asyncio.run() makes something else of the first interrupt
    loop.run_until_complete(main())
    loop.close()
