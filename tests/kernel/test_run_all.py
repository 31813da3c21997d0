"""Run All on the notebooks and on cells that go wrong: all is queued at once, as in JupyterLab."""

import os
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import ipykernel
import pytest

from .harness import CellRun, code_cells, faults, live_kernel

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))

LONGEST = 60.0
"""A lesson that hasn't ended after so many seconds is too long for a class."""

# What can work in nbval and yet fail if all cells are queued, or leave something in the kernel.
DELICATE = re.compile(r'"(enable_asyncio_run\(|%%timeline|explore\(|replay\()')


# Cells that look at what goes on in a kernel before a lesson and after it.
LOOK = '''
def _look():
    """Return what is going on, each with words for it."""
    import asyncio, gc, os, pathlib, tempfile, threading
    import psutil

    gc.collect()
    found = {}

    def where(task):
        coroutine = task.get_coro()
        code = getattr(coroutine, "cr_code", None) or getattr(coroutine, "gi_code", None)
        return code.co_filename if code else ""

    machinery = ("ipykernel", "IPython", "tornado", "zmq", "jupyter_client")
    current = asyncio.current_task()
    for task in asyncio.all_tasks():
        # A cell's file is called ipykernel_1234/....py.
        parts = pathlib.PurePath(where(task)).parts
        if task is not current and not set(parts) & set(machinery):
            found["task", id(task)] = f"the task {task.get_name()}: {task.get_coro()}"
    loop = asyncio.get_running_loop()
    executor = getattr(loop, "_default_executor", None)
    # The loop keeps its threads for the next to_thread(); idle they do no harm.
    kept = executor._threads if executor else set()
    if executor and executor._idle_semaphore._value < len(kept):
        found["job"] = "a thread of the loop's executor is at work"
    for thread in threading.enumerate():
        # pyzmq starts one when it sends the first figure, and Dask keeps one for all clusters.
        is_theirs = type(thread).__module__.partition(".")[0] in machinery
        if thread not in kept and not is_theirs and not thread.name.startswith("Dask-Offload"):
            found["thread", thread.ident] = f"the thread {thread.name}"
    me = psutil.Process()
    for child in me.children(recursive=True):
        try:
            line = " ".join(child.cmdline()) or child.status()
        except psutil.Error:
            continue
        # What multiprocessing starts once it keeps until Python ends.
        if "resource_tracker" not in line and "forkserver" not in line:
            found["process", child.pid] = f"the process {child.pid}: {line[:100]}"
    for one in me.net_connections(kind="inet"):
        address = [f"{end.ip}:{end.port}" for end in (one.laddr, one.raddr) if end]
        found["socket", one.fd, *address] = f"a socket, {one.status}: {' to '.join(address)}"
    for folder in (tempfile.gettempdir(), os.getcwd()):
        for path in pathlib.Path(folder).rglob("*"):
            found["file", str(path)] = f"the file {path}"
    return found
'''
BEFORE = f"{LOOK}\n_before = _look()"

AFTER = """
import asyncio
for _ in range({patience}):  # what is being closed may take a moment
    _left = {{key: words for key, words in _look().items() if key not in _before}}
    if not _left:
        break
    await asyncio.sleep(0.1)
print("\\n".join(_left.values()))
"""


def notebook(path):
    marks = () if DELICATE.search(path.read_text(encoding="utf-8")) else pytest.mark.full
    return pytest.param(path, id=path.name, marks=marks)


def longest() -> float:
    """Return those seconds, more of them where other programs have a share of the processors."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return LONGEST * max(1.0, (load + 1) / (os.cpu_count() or 1))


def with_temporary(folder):
    """Return an environment whose temporary files are in that folder."""
    return {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))}


@pytest.mark.parametrize("notebook", [notebook(path) for path in NOTEBOOKS])
def test_every_cell_of_a_notebook_runs_and_leaves_nothing_behind(notebook, tmp_path):
    """Run All reaches the end: no cell lost, none failed unless it is tagged to, none skipped.

    After it there is no task, thread, process, socket or file that wasn't there before.
    """
    folder, temporary = tmp_path / "notebooks", tmp_path / "temporary"
    folder.mkdir()
    temporary.mkdir()
    shutil.copy(notebook, folder)
    sources, must_raise = code_cells(notebook)
    with live_kernel(cwd=folder, env=with_temporary(temporary)) as kernel:
        before = kernel.run(BEFORE, hidden=True)
        assert before.status == "ok", before.error
        runs = kernel.run_all(sources, may_raise=must_raise, timeout=longest())
        assert faults(runs, must_raise) == []
        after = kernel.run(AFTER.format(patience=50), hidden=True)
    assert after.status == "ok", after.error
    assert after.stdout.strip() == ""


# A cell, what is said of what it leaves, and a cell that clears it away.
LEFT = [
    ("import asyncio; keep = asyncio.create_task(asyncio.sleep(99))", "the task Task-",
     "keep.cancel()"),
    ("import threading; event = threading.Event(); thread = threading.Thread(target=event.wait, "
     "daemon=True, name='lost'); thread.start()", "the thread lost", "event.set(); thread.join()"),
    ("import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', "
     "'import time; time.sleep(99)'])", "the process", "p.kill(); p.wait()"),
    ("import socket; s = socket.create_server(('127.0.0.1', 0))", "a socket, LISTEN", "s.close()"),
    ("open('notes.txt', 'w').close()", "the file", "import os; os.remove('notes.txt')"),
    # The loop keeps its threads for later, which is no fault.
    ("import asyncio; await asyncio.to_thread(int)", "", ""),
    ("job = asyncio.get_running_loop().run_in_executor(None, event.clear() or event.wait)",
     "a thread of the loop's executor is at work", "event.set(); await job"),
]  # fmt: skip


def test_what_is_left_behind_is_found(tmp_path):
    """Whatever a lesson may forget is named; then it is cleared away, and nothing is found."""
    with live_kernel(cwd=tmp_path, env=with_temporary(tmp_path)) as kernel:
        kernel.run(BEFORE)
        for cell, words, clear in LEFT:
            assert kernel.run(cell).error is None
            found = kernel.run(AFTER.format(patience=1)).stdout.strip()
            assert words in found
            assert bool(found) == bool(words)
            assert kernel.run(clear).error is None
        assert kernel.run(AFTER.format(patience=50)).stdout.strip() == ""


ERROR = SimpleNamespace(traceback="line 1: division by zero")


@pytest.mark.parametrize(
    ("changes", "must_raise", "fault"),
    [
        ({}, False, ""),
        ({"status": "error", "error": ERROR}, False, "failed:\nline 1: division by zero"),
        ({"status": "error", "error": ERROR}, True, ""),
        ({}, True, "is tagged raises-exception and raised nothing"),
        ({"stderr": "Exception Group Traceback (most recent call last)"}, False, "failed:\nExcept"),
        ({"status": "aborted"}, False, "never ran: a cell before it failed"),
        ({"status": None}, False, "was lost: the kernel never answered it"),
        ({"execution_count": 2}, False, "has the execution count 2"),
    ],
)
def test_faults_are_found(changes, must_raise, fault):
    run = CellRun("1 + 1", **{"status": "ok", "execution_count": 1} | changes)
    assert [fault in found for found in faults([run], {0} if must_raise else ())] == [True] * bool(
        fault
    )


def test_clean_cells_have_no_faults_and_cells_that_a_dead_kernel_leaves_are_lost():
    """When the kernel dies, the cells behind are lost, and that is known before the deadline."""
    cells = ["import sys; print(sys.executable)", "print('two', file=sys.stderr)", "1 + 2"]
    with live_kernel() as kernel:
        runs = kernel.run_all(cells)
        lost = kernel.run_all(["import os; os._exit(1)", "print('never')"])
    assert faults(runs) == []
    assert (runs[0].stdout, runs[1].stderr) == (f"{sys.executable}\n", "two\n")
    assert runs[2].displays == [{"text/plain": "3"}]
    assert [run.lost for run in lost] == [True, True]


@pytest.mark.skipif(ipykernel.version_info[:2] < (7, 1), reason="it loses no cell")
def test_the_cells_that_nest_asyncio_loses_are_found():
    """The case that nbclient can't see: cells queued behind a patched asyncio.run()."""
    apply = "import asyncio, nest_asyncio; nest_asyncio.apply()"
    with live_kernel() as kernel:
        # Lost is lost: the deadline only says when to stop waiting.
        runs = kernel.run_all([apply, "asyncio.run(asyncio.sleep(0.3))", "1", "2"], timeout=4)
    assert runs[-1].lost
