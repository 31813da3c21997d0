"""record() in a real kernel: the cell's own tasks, the right line, and everything put back."""

import ast

import pytest

from .watching import needs_signals, run, value

# One line of a helper blocks for 300 ms; 100 ms into it the timer of another task is due.
PROGRAM = """
    def parse():
        time.sleep(0.3)

    async def rude():
        await asyncio.sleep(0.1)
        parse()

    async def patient():
        try:
            await asyncio.sleep(30)
        finally:
            time.sleep(0.06)

    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(rude(), name="rude")
            group.create_task(fetch("news", 0.2), name="victim")
            waiting = group.create_task(patient(), name="patient")
            await asyncio.sleep(0.5)
            waiting.cancel()

    with record() as recording:
        {start}
"""
PARSE, HANDLER = 2, 12
LOOK = """
tasks = recording.tasks().set_index("task")
first = recording.blocked().iloc[0]
last = recording.blocked().iloc[-1]
print([
    [(row.task, row.file, row.line, row.function, row.delayed) for row in recording.blocked().itertuples()],
    tasks.outcome[["rude", "victim", "patient"]].tolist(),
    float(tasks.ready["victim"] / first.seconds),
    float(tasks.running["patient"] / last.seconds),
    [str(name) for name in tasks.coroutine[1:]],
])
"""  # noqa: E501


@pytest.mark.parametrize("nested", [False, True], ids=["top-level await", "asyncio.run"])
def test_the_line_that_blocks_and_whom_it_delays(kernel, nested):
    """The right line of the right cell; the victim is ready for two thirds of the block."""
    kernel.run("enable_asyncio_run()" if nested else "None")
    try:
        start = "asyncio.run(main())" if nested else "await main()"
        cell = run(kernel, PROGRAM.format(start=start))
        assert cell.status == "ok", cell.error
    finally:
        kernel.run("disable_asyncio_run()" if nested else "None")
    looked = kernel.run(LOOK)
    assert looked.status == "ok", looked.error
    blocked, outcomes, late, handling, coroutines = ast.literal_eval(looked.stdout)
    name = f"In [{cell.execution_count}]"
    assert blocked == [
        ("rude", name, PARSE, "parse", ["victim"]),
        ("patient", name, HANDLER, "patient", []),
    ]
    assert outcomes == ["returned", "returned", "cancelled"]
    assert 0.4 < late < 0.95
    assert 0.9 < handling < 1.1  # the handler of the cancellation is shown running
    assert coroutines == ["main"] * nested + ["rude", "fetch", "patient"]


def test_a_helper_of_another_cell_is_named_after_that_cell(kernel):
    helper = run(kernel, "def helper():\n    time.sleep(0.2)")
    run(kernel, "with record() as recording:\n    await fetch('a')\n    helper()")
    assert value(kernel, "recording.blocked()[['file', 'line']].values.tolist()") == (
        f"[['In [{helper.execution_count}]', 2]]"
    )


def test_only_the_cells_own_tasks_are_seen(kernel):
    """Neither the kernel's, nor what an earlier cell has left running, nor a later cell's."""
    run(
        kernel,
        """
        async def tick():
            while True:
                await asyncio.sleep(0.005)
        ticking = asyncio.create_task(tick())
        """,
    )
    kernel.run_all(
        [
            "with record() as one:\n    await asyncio.gather(fetch('a', 0.1), fetch('b'))",
            "await fetch('outside')",
            "with record() as two:\n    later = asyncio.create_task(tick())\n    await fetch()",
            "await fetch('after')",
        ]
    )
    seen = "[list(recording.tasks()['coroutine'])[1:] for recording in (one, two)]"
    assert value(kernel, seen) == "[['fetch', 'fetch'], ['tick']]"
    run(kernel, "ticking.cancel(); later.cancel()")


@needs_signals
def test_an_interrupt_ends_the_recording(kernel):
    """What there was by then is recorded."""
    cell = (
        "with record() as recording:\n    print('started', flush=True)\n"
        "    while True:\n        await asyncio.sleep(0.01)"
    )
    interrupted = kernel.run(cell, interrupt_at="started", timeout=25)
    assert interrupted.error.ename == "CancelledError"
    assert "asyncteach" not in interrupted.error.traceback
    assert value(kernel, "recording.seconds < 20") == "True"
