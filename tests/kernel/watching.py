"""What the tests of recordings in a kernel share."""

import sys
import textwrap

import pytest

from .harness import CellRun, LiveKernel

BEFORE = """
%load_ext asyncteach
import asyncio, sys, threading, time
from asyncteach import disable_asyncio_run, enable_asyncio_run, record

async def fetch(name="page", seconds=0.01):
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

await asyncio.to_thread(int)  # a loop makes its threads when the first is needed
before = touched()
"""

needs_signals = pytest.mark.skipif(
    sys.platform == "win32", reason="an interrupt is no signal there"
)


def run(kernel: LiveKernel, cell: str, **options) -> CellRun:
    """Run a cell that is written as an indented block."""
    return kernel.run(textwrap.dedent(cell).strip(), **options)


def value(kernel: LiveKernel, expression: str) -> str:
    """Return what an expression is, in a cell of its own."""
    run = kernel.run(expression)
    assert run.status == "ok", run.error
    return run.displays[0]["text/plain"]
