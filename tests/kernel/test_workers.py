"""Threads and processes in a notebook: defined in cells, interrupted, left alone."""

import os
import signal
import textwrap
import time

import psutil
import pytest

from .harness import live_kernel, needs_signals

BEFORE = """
import asyncio, os, psutil, signal, threading
from asyncteach import CHORES, LEISURE, chore, compare, leisure, run_in_processes, run_in_threads

def touched():
    children = psutil.Process().children(recursive=True)
    workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    return threading.active_count(), workers, signal.getsignal(signal.SIGINT)

before = touched()
"""


@pytest.fixture(scope="module")
def one_kernel():
    with live_kernel() as kernel:
        assert kernel.run(BEFORE).status == "ok"
        yield kernel


@pytest.fixture
def kernel(one_kernel):
    """One kernel for all; after each test it has the threads and processes that it had."""
    yield one_kernel
    assert one_kernel.value("touched() == before") == "True"


def test_all_ways_run_in_queued_cells(kernel):
    """Also with what is defined in the notebook, and beside a top-level await."""
    defined = """
        mine = [leisure("mine", 20), chore("yours", 30, start=2)]
        print(run_in_threads(mine, minute=0.001).names)
        print(run_in_processes(mine, minute=0.001).names)
        """
    compared = "await asyncio.sleep(0)\nprint(list(compare(CHORES, minute=0.001).index[:4]))"
    runs = kernel.run_all([textwrap.dedent(defined).strip(), compared])
    assert [run.stdout for run in runs] == [
        2 * "['mine', 'yours']\n",
        "['in turn', 'together', 'threads', 'processes']\n",
    ]


@needs_signals
@pytest.mark.parametrize("way", ["run_in_threads", "run_in_processes"])
def test_an_interrupt_ends_them_and_the_kernel_lives_on(kernel, way):
    cell = f"print('started', flush=True)\n{way}([leisure('a', 60), chore('b', 60)], minute=60)"
    run = kernel.run(cell, interrupt_at="started")
    assert run.error is not None, run
    assert run.error.ename == "KeyboardInterrupt"


@needs_signals
def test_a_kernel_that_is_killed_leaves_no_worker():
    with live_kernel() as kernel:
        assert kernel.run(BEFORE).status == "ok"
        pid = int(kernel.value("os.getpid()"))
        kernel.send("run_in_processes([leisure('think', 60), chore('sleep', 60)], minute=60)")
        for _ in range(6000):
            workers = psutil.Process(pid).children(recursive=True)
            if len(workers) > 2:  # multiprocessing keeps one more, a tracker
                break
            time.sleep(0.01)
        else:
            pytest.fail("the workers didn't start within a minute")
        os.kill(pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(workers, timeout=60)
        assert alive == []
