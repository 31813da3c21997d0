"""Answers that hang or spin in a cell of a real kernel: it lives on, and the next cells run."""

import sys

import pytest

from .harness import faults, live_kernel

IMPORTS = """
import asyncio, signal, sys, threading, time
from asyncteach import check_answer, show_progress
def touched():
    loop = asyncio.get_running_loop()
    handlers = [signal.getsignal(getattr(signal, n)) for n in ("SIGURG", "SIGWINCH")]
    return handlers, sys.gettrace(), loop.get_task_factory(), sorted(vars(loop))
before = touched()
await asyncio.sleep(0)
"""

ANSWERS = {
    "hangs": "    await asyncio.Event().wait()",
    "swallows its cancellation": """
    while True:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            pass""",
    "spins": """
    while True:
        pass""",
    "waits for a lock": """
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()""",
}
CHECK = 'await check_answer("the printer", serve)'


def define(body):
    return f"async def serve(name, print_receipt):\n{body.lstrip(chr(10))}"


@pytest.fixture
def kernel(tmp_path):
    with live_kernel(cwd=tmp_path) as kernel:
        kernel.run(HURRY)  # ten seconds are for people
        yield kernel


HURRY = """
import asyncteach.checks.runner as runner
whole = runner.run_within
async def shortly(seconds, make, on_stop):
    return await whole(min(seconds, 1.0), make, on_stop)
runner.run_within = shortly
"""


def test_run_all_goes_on_behind_answers_that_never_end(kernel):
    """All cells are queued; each check says what was stopped, and where."""
    cells = [IMPORTS]
    for body in ANSWERS.values():
        cells += [define(body), CHECK]
    cells += ["show_progress(4)", "print(touched() == before)"]
    runs = kernel.run_all(cells)
    shift = 1  # the fixture's cell
    for run in runs:
        run.execution_count = (run.execution_count or 0) - shift
    assert faults(runs) == []
    for number, name in enumerate(ANSWERS):
        said = runs[2 + 2 * number].displays[-1]["text/plain"]
        assert "stopped" in said, name
        assert "In [" in said, name
    assert runs[-2].stdout == "Lesson 4: 0 of 1 solved\n  tried   the printer\n"
    assert runs[-1].stdout == "True\n"


@pytest.mark.skipif(sys.platform == "win32", reason="interrupts are messages there")
@pytest.mark.parametrize("name", ["hangs", "spins"])
def test_the_stop_button_still_works(kernel, name):
    """What hangs doesn't wait for the deadline, a step that holds the loop does."""
    kernel.run(IMPORTS + ("runner.run_within = whole\n" if name == "hangs" else ""))
    body = ANSWERS[name].lstrip("\n")
    kernel.run(define(f"    print('under way', flush=True)\n{body}"))
    run = kernel.run(CHECK, interrupt_at="under way")
    assert run.error is not None
    assert run.error.ename in ("KeyboardInterrupt", "CancelledError")
    after = kernel.run("print(touched() == before)")
    assert after.stdout == "True\n", after.error
