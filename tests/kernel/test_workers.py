"""Threads and processes in a notebook: defined in cells, interrupted, left alone."""

import os
import signal
import sys
import textwrap
import time

import psutil
import pytest

from .harness import faults, live_kernel, run_all

posix = pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals there")

BEFORE = """
    import psutil, signal, threading
    from asyncteach import CHORES, LEISURE, chore, compare, leisure
    from asyncteach import run_in_processes, run_in_threads

    def touched():
        children = psutil.Process().children(recursive=True)
        workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
        return threading.active_count(), workers, signal.getsignal(signal.SIGINT)
"""


def cells(*sources):
    return [textwrap.dedent(source).strip() for source in (BEFORE, *sources)]


def wait_for_workers(pid, number):
    for _ in range(6000):
        found = psutil.Process(pid).children(recursive=True)
        if len(found) > number:  # multiprocessing keeps one more, a tracker
            return found
        time.sleep(0.01)
    raise AssertionError(f"{number} workers didn't start within a minute")


def test_all_ways_run_in_queued_cells():
    """Also with what is defined in the notebook, and beside a top-level await."""
    runs = run_all(
        cells(
            "before = touched()",
            """
            mine = [leisure("mine", 20), chore("yours", 30, start=2)]
            print(run_in_threads(mine, minute=0.001).names)
            print(run_in_processes(mine, minute=0.001).names)
            """,
            """
            import asyncio
            await asyncio.sleep(0)
            print(list(compare(CHORES, minute=0.001).index[:4]))
            """,
            "print(touched() == before)",
        )
    )
    assert faults(runs) == []
    names = "['mine', 'yours']\n"
    assert [run.stdout for run in runs[2:]] == [
        2 * names,
        "['in turn', 'together', 'threads', 'processes']\n",
        "True\n",
    ]


@posix
@pytest.mark.parametrize("way", ["run_in_threads", "run_in_processes"])
def test_an_interrupt_ends_them_and_the_kernel_lives_on(way):
    source = f"""
        print("started", flush=True)
        {way}([leisure("think", 60), chore("sleep", 60)], minute=60)
        """
    with live_kernel() as kernel:
        before, after = cells(source)
        assert kernel.run(before).status == "ok"
        assert kernel.run("before = touched()").status == "ok"
        run = kernel.run(after, interrupt_at="started")
        assert run.error is not None, run
        assert run.error.ename == "KeyboardInterrupt"
        assert kernel.run("print(touched() == before)").stdout == "True\n"


@posix
def test_a_kernel_that_is_killed_leaves_no_worker():
    with live_kernel() as kernel:
        assert kernel.run(textwrap.dedent(BEFORE)).status == "ok"
        pid = int(kernel.run("import os; print(os.getpid())").stdout)
        kernel.send("run_in_processes([leisure('think', 60), chore('sleep', 60)], minute=60)")
        workers = wait_for_workers(pid, 2)
        os.kill(pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(workers, timeout=60)
        assert alive == []
