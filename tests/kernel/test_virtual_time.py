"""Virtual time on the loop of a real, running kernel."""

from .harness import faults, live_kernel, run_all

BOOK_KEEPING = """
import asyncio, threading, time
from concurrent.futures import ThreadPoolExecutor
from asyncteach import CHORES, disable_asyncio_run, enable_asyncio_run, run_together, virtual_time

def touched():
    loop = asyncio.get_running_loop()
    names = "call_at", "run_in_executor", "_run_once", "_add_reader", "_add_writer"
    return (
        [name for name in names if name in vars(loop)],
        "select" in vars(loop._selector),
        time.sleep, time.time, time.monotonic, time.perf_counter,
        threading.Thread.start, ThreadPoolExecutor.submit, asyncio.BaseEventLoop.run_forever,
    )

before = touched()
"""


def test_cells_in_virtual_time_leave_the_kernel_as_it_was():
    cells = {
        BOOK_KEEPING: "",
        "with virtual_time() as clock:\n"
        "    await asyncio.gather(asyncio.to_thread(time.sleep, 600), asyncio.sleep(300))\n"
        "print(clock.seconds, touched() == before)": "600.0 True",
        "print((await run_together(CHORES, clock='virtual')).minutes)": "40.0",
        "enable_asyncio_run()": "asyncio.run() now works",
        "with virtual_time() as clock:\n"
        "    asyncio.run(asyncio.sleep(600))\n"
        "    await asyncio.sleep(600)\n"
        "print(clock.seconds)": "1200.0",
        "disable_asyncio_run()": "asyncio.run() is Python's own again",
        "await asyncio.sleep(0.01)\nprint(touched() == before)": "True",
    }
    runs = run_all(list(cells))
    assert faults(runs, must_raise=[]) == []
    for run, expected in zip(runs, cells.values(), strict=True):
        assert run.stdout.startswith(expected)


def test_an_interrupt_in_virtual_time_leaves_the_kernel_as_it_was():
    with live_kernel() as kernel:
        assert kernel.run(BOOK_KEEPING).error is None
        # The thread really works, so the clock stands and the cell really waits.
        interrupted = kernel.run(
            "real = [time.sleep]  # a plain name would be made virtual too\n"
            "with virtual_time():\n"
            "    print('waiting', flush=True)\n"
            "    await asyncio.gather(asyncio.sleep(60), asyncio.to_thread(real[0], 5))",
            interrupt_at="waiting",
        )
        assert interrupted.error is not None
        after = kernel.run("print(touched() == before)")
        assert after.stdout.strip() == "True"
