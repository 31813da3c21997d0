"""Virtual time on the loop of a real, running kernel."""

from .harness import faults, run_all

BOOK_KEEPING = """
import asyncio, threading, time
from concurrent.futures import ThreadPoolExecutor
from asyncteach import CHORES, run_together, virtual_time

def touched():
    loop = asyncio.get_running_loop()
    names = "call_at", "run_in_executor", "_add_reader", "_add_writer", "time"
    return (
        [name for name in names if name in vars(loop)],
        "select" in vars(loop._selector),
        time.sleep, time.time, time.monotonic, time.perf_counter,
        threading.Thread.start, ThreadPoolExecutor.submit, asyncio.BaseEventLoop.run_forever,
    )

before = touched()
"""


def test_cells_in_virtual_time_leave_the_kernel_as_it_was():
    cells = [
        BOOK_KEEPING,
        "with virtual_time() as clock:\n"
        "    await asyncio.sleep(40 * 60)\n"
        "print(clock.seconds, touched() == before)",
        "with virtual_time() as clock:\n"
        "    await asyncio.gather(asyncio.to_thread(time.sleep, 600), asyncio.sleep(300))\n"
        "print(clock.seconds, touched() == before)",
        "print((await run_together(CHORES, clock='virtual')).minutes)",
        "await asyncio.sleep(0.01)\nprint(touched() == before)",
    ]
    runs = run_all(cells)
    assert faults(runs, must_raise=[]) == []
    assert [run.stdout.strip() for run in runs[1:]] == [
        "2400.0 True",
        "600.0 True",
        "40.0",
        "True",
    ]


def test_virtual_time_works_under_a_nested_asyncio_run():
    runs = run_all(
        [
            BOOK_KEEPING + "from asyncteach import disable_asyncio_run, enable_asyncio_run\n",
            "enable_asyncio_run()",
            "with virtual_time() as clock:\n"
            "    asyncio.run(asyncio.sleep(600))\n"
            "    await asyncio.sleep(600)\n"
            "print(clock.seconds)",
            "disable_asyncio_run()",
            "print(touched() == before)",
        ]
    )
    assert faults(runs, must_raise=[]) == []
    assert runs[2].stdout.strip() == "1200.0"
    assert runs[4].stdout.strip() == "True"
