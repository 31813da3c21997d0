"""Run All: every cell of every notebook is queued at once, as JupyterLab does it."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from .harness import code_cells, faults, live_kernel, run_all
from .leftovers import AFTER, BEFORE

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))

LONGEST = 60.0
"""A lesson that hasn't ended after so many seconds is too long for a class."""


def longest() -> float:
    """Return those seconds, more of them where other programs have a share of the processors."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return LONGEST * max(1.0, (load + 1) / (os.cpu_count() or 1))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_every_cell_of_a_notebook_runs_and_leaves_nothing_behind(notebook, tmp_path):
    """Run All reaches the end: no cell lost, none failed unless it is tagged to, none skipped.

    After it there is no task, thread, process, socket or file that wasn't there before.
    """
    folder, temporary = tmp_path / "notebooks", tmp_path / "temporary"
    folder.mkdir()
    temporary.mkdir()
    shutil.copy(notebook, folder)
    sources, must_raise = code_cells(notebook)
    env = {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))}
    with live_kernel(cwd=folder, env=env) as kernel:
        before = kernel.run(BEFORE, hidden=True)
        assert before.status == "ok", before.error
        runs = kernel.run_all(sources, may_raise=must_raise, timeout=longest())
        assert faults(runs, must_raise) == []
        after = kernel.run(AFTER, hidden=True)
    assert after.status == "ok", after.error
    assert after.stdout.strip() == ""


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("import asyncio; keep = asyncio.create_task(asyncio.sleep(99))", "the task Task-"),
        ("import threading; threading.Thread(target=threading.Event().wait, daemon=True, "
         "name='lost').start()", "the thread lost"),
        ("import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', "
         "'import time; time.sleep(99)'])", "the process"),
        ("import socket; s = socket.create_server(('127.0.0.1', 0))", "a socket, LISTEN"),
        ("import tempfile; f, name = tempfile.mkstemp(suffix='.lost')", "the file"),
        ("open('notes.txt', 'w').close()", "the file"),
        ("import asyncio; await asyncio.to_thread(int)", ""),
        ("import asyncio, time; asyncio.get_running_loop().run_in_executor(None, time.sleep, 30)",
         "a thread of the loop's executor is at work"),
    ],
)  # fmt: skip
def test_what_is_left_behind_is_found(cell, words, tmp_path):
    """Whatever a lesson may forget is named; threads that the loop keeps for later are no fault."""
    env = {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(tmp_path))}
    with live_kernel(cwd=tmp_path, env=env) as kernel:
        kernel.run(BEFORE, hidden=True)
        runs = kernel.run_all([cell])
        assert faults(runs) == []
        after = kernel.run(AFTER, hidden=True)
        kernel.run("p.kill(); p.wait()" if "Popen" in cell else "", hidden=True)
    assert after.status == "ok", after.error
    assert words in after.stdout
    assert bool(words) == bool(after.stdout.strip())


def test_clean_cells_have_no_faults():
    """Cells that just work bring their output, their value and their count."""
    runs = run_all(["print('one')", "import sys; print('two', file=sys.stderr)", "1 + 2"])
    assert faults(runs) == []
    assert [run.execution_count for run in runs] == [1, 2, 3]
    assert (runs[0].stdout, runs[1].stderr) == ("one\n", "two\n")
    assert runs[2].displays == [{"text/plain": "3"}]


def test_the_kernel_is_the_python_that_runs_the_tests():
    """What the tests say is about this Python and no other."""
    (run,) = run_all(["import sys; print(sys.executable)"])
    assert run.stdout.strip() == sys.executable


def test_an_error_is_found():
    """A cell that raises is a fault, and so is the cell that never ran because of it."""
    runs = run_all(["1", "1 / 0", "2"])
    failed, aborted = faults(runs)
    assert failed.startswith("cell 2 ('1 / 0') failed")
    assert "ZeroDivisionError: division by zero" in failed
    assert aborted == "cell 3 ('2') never ran: a cell before it failed"


def test_an_exception_group_is_found():
    """An ExceptionGroup is a fault, although all its traceback goes to stderr."""
    (fault,) = faults(run_all(["raise ExceptionGroup('both', [ValueError('one')])"]))
    assert "Exception Group Traceback" in fault
    assert "ValueError: one" in fault


def test_an_exception_group_that_is_only_printed_is_found():
    """A traceback of an ExceptionGroup in stderr is a fault without any error of the cell."""
    source = (
        "import traceback\n"
        "try:\n    raise ExceptionGroup('both', [ValueError()])\n"
        "except ExceptionGroup:\n    traceback.print_exc()"
    )
    (run,) = run_all([source])
    assert run.status == "ok"
    assert len(faults([run])) == 1


def test_a_cell_that_must_raise():
    """A cell tagged as raising doesn't stop the others, and is a fault if it raises nothing."""
    runs = run_all(["1 / 0", "print('after')"], may_raise={0})
    assert faults(runs, must_raise={0}) == []
    assert faults(runs, must_raise={0, 1}) == [
        "cell 2 (\"print('after')\") is tagged raises-exception and raised nothing"
    ]


def test_cells_that_a_dead_kernel_leaves_are_lost():
    """When the kernel dies, the cells behind are lost, and nobody waits for the deadline."""
    with live_kernel() as kernel:
        # An answer that is still on its way dies with the kernel, too.
        alive = kernel.run("print('alive')")
        runs = [alive, *kernel.run_all(["import os; os._exit(1)", "print('never')"])]
    assert [run.lost for run in runs] == [False, True, True]
    assert faults(runs)[-1] == (
        "cell 3 (\"print('never')\") was lost: the kernel never answered it"
    )


def test_a_skipped_count_is_found():
    """Execution counts that are not 1, 2, 3 are a fault."""
    runs = run_all(["get_ipython().execution_count += 1", "1"])
    assert faults(runs)[-1] == "cell 2 ('1') has the execution count 3"


def test_the_cells_that_nest_asyncio_loses_are_found():
    """The case that nbclient can't see: cells queued behind a patched asyncio.run()."""
    ipykernel = pytest.importorskip("ipykernel")
    if ipykernel.version_info[:2] < (7, 1):
        pytest.skip("this ipykernel runs every cell in a context of its own, so none is lost")
    apply = "import asyncio, nest_asyncio; nest_asyncio.apply()"
    # Lost is lost: the deadline only says when to stop waiting.
    runs = run_all([apply, "asyncio.run(asyncio.sleep(0.3))", "1", "2"], timeout=4)
    assert runs[-1].lost


def test_code_cells_are_those_that_run_all_sends(tmp_path):
    """Prose and blank cells are not sent, and the tag says which cells must raise."""
    path = tmp_path / "lesson.ipynb"
    path.write_text(
        """{"cells": [
            {"cell_type": "markdown", "source": ["# Title"]},
            {"cell_type": "code", "metadata": {}, "source": ["x = 1\\n", "x"]},
            {"cell_type": "code", "metadata": {}, "source": []},
            {"cell_type": "code", "metadata": {"tags": ["raises-exception"]}, "source": "1 / 0"}
        ]}""",
        encoding="utf-8",
    )
    assert code_cells(path) == (["x = 1\nx", "1 / 0"], {1})
