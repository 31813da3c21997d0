"""What the tests of recordings in a kernel share: one kernel, which each leaves as it was."""

import sys
import textwrap

import pytest

from .harness import CellRun, LiveKernel, live_kernel

START = """
%load_ext asyncteach
import asyncio, sys, threading, time
from asyncteach import disable_asyncio_run, enable_asyncio_run, record

async def fetch(name, seconds=0.01):
    await asyncio.sleep(seconds)
    return name

def kinds(recording):
    return [one.kind for one in recording.findings]

def touched():
    "Return what a recording may have replaced, and whoever watches."
    loop = asyncio.get_running_loop()
    return (
        {**vars(loop), **dict.fromkeys(("_ready", "_scheduled", "_timer_cancelled_count"))},
        vars(loop._selector).keys(), type(loop), asyncio.BaseEventLoop.run_forever,
        [thread.name for thread in threading.enumerate() if "asyncteach" in thread.name],
    )
"""

needs_signals = pytest.mark.skipif(
    sys.platform == "win32", reason="an interrupt is no signal there"
)


@pytest.fixture(scope="module")
def kernel():
    """One kernel for all tests of a module."""
    with live_kernel() as kernel:
        assert kernel.run(START).status == "ok"
        # A loop's threads are made when the first is needed.
        assert kernel.run("await asyncio.to_thread(int)\nbefore = touched()").status == "ok"
        yield kernel


@pytest.fixture(autouse=True)
def nothing_is_left(kernel):
    """After each test the loop has what it had, and nobody watches."""
    yield
    run = kernel.run("print(touched() == before)")
    assert run.stdout == "True\n", run.error


def run(kernel: LiveKernel, cell: str, **options) -> CellRun:
    """Run a cell that is written as an indented block."""
    return kernel.run(textwrap.dedent(cell).strip(), **options)


def value(kernel: LiveKernel, expression: str) -> str:
    """Return what an expression is, in a cell of its own."""
    run = kernel.run(expression)
    assert run.status == "ok", run.error
    return run.displays[0]["text/plain"]
