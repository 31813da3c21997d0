"""The library in cells of a real kernel, which it leaves as it was."""

import re
from pathlib import Path

import pytest

from .harness import cells_of, code_cells, live_kernel, needs_signals, run_all

BEFORE = """
%load_ext asyncteach
import asyncio, psutil, threading, time
from concurrent.futures import ThreadPoolExecutor
from asyncteach import *

real = [time.sleep]  # a plain name would be made virtual too

async def fetch(name="page", seconds=0.01):
    await asyncio.sleep(seconds)
    return name

def parse():
    time.sleep(0.3)

async def tick():
    while True:
        await asyncio.sleep(0.005)

def command(process):
    "Return the command of a process; nothing if it has ended meanwhile."
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""

def touched():
    "Return what may have been replaced, threads, and processes that work."
    loop, children = asyncio.get_running_loop(), psutil.Process().children(recursive=True)
    # pyzmq has threads of another type, and a loop keeps its own.
    threads = [t for t in threading.enumerate() if type(t) is threading.Thread]
    return (
        {**vars(loop), **dict.fromkeys(("_ready", "_scheduled", "_timer_cancelled_count"))},
        vars(loop._selector).keys(), type(loop), asyncio.BaseEventLoop.run_forever,
        time.sleep, time.time, time.monotonic, threading.Thread.start, ThreadPoolExecutor.submit,
        [thread for thread in threads if not thread.name.startswith("asyncio_")],
        [child for child in children if "spawn_main" in command(child)],
    )

await asyncio.to_thread(int)  # a loop makes its executor when the first thread is needed
before = touched()
"""
PICTURE = ["image/png", "text/plain"]


@pytest.fixture(scope="module")
def one_kernel():
    with live_kernel() as kernel:
        run = kernel.run(BEFORE)
        assert run.status == "ok", run.error
        yield kernel


@pytest.fixture
def kernel(one_kernel):
    """One kernel for all; after each test it is as it was."""
    yield one_kernel
    assert one_kernel.value("touched() == before") == "True"


def test_a_cell_with_await(kernel):
    """Prints, value, assignment and Out as always; below them the picture and the explanation."""
    run = kernel.run(
        "%%timeline --width 6\nprint('started')\n"
        "news, weather = await asyncio.gather(fetch('news'), fetch('weather'))\nnews"
    )
    assert run.status == "ok"
    shown, picture = run.displays
    assert shown["text/plain"] == "'news'"
    assert sorted(picture) == PICTURE
    assert picture["text/plain"].startswith("This cell: ")
    assert "fetch (2)" in picture["text/plain"]
    assert run.stdout.startswith("started\n")
    assert "3 tasks" in run.stdout
    assert kernel.value(f"weather, Out[{run.execution_count}]") == "('weather', 'news')"


def test_an_error_is_shown_once_with_the_lines_of_the_cell(kernel):
    """The traceback is the user's own, and the timeline comes although it failed."""
    run = kernel.run(
        "%%timeline\nasync def main():\n    await fetch('news')\n    return 1 / 0\n\nawait main()"
    )
    assert run.status == "error"
    assert run.error.ename == "ZeroDivisionError"
    cell = f"Cell In[{run.execution_count}]"
    assert f"{cell}, line 6\n" in run.error.traceback
    assert f"{cell}, line 4, in main()\n" in run.error.traceback
    assert "asyncteach" not in run.error.traceback
    assert [sorted(display) for display in run.displays] == [PICTURE]
    assert run.stderr == ""
    group = kernel.run("%%timeline\nraise ExceptionGroup('both', [ValueError('sold out')])")
    assert "ValueError: sold out" in group.stderr
    assert "asyncteach/" not in group.stderr
    assert group.stderr.count("Exception Group Traceback") == 1


@needs_signals
@pytest.mark.parametrize(
    ("first", "wait"),
    [
        # On an idle loop ipykernel's interrupt waits for the next event, as in a plain cell.
        ("%%timeline", "while True:\n    await asyncio.sleep(0.01)"),
        ("%%timeline", "time.sleep(30)"),
        ("%%timeline --virtual", "await asyncio.to_thread(real[0], 3)"),
        # The thread really works, so the clock stands and the cell really waits.
        ("", "with virtual_time():\n    await asyncio.to_thread(real[0], 3)"),
    ],
    ids=["an await", "a blocking call", "virtual time", "without a timeline"],
)
def test_an_interrupted_cell_is_shown(kernel, first, wait):
    """Its error is the usual one, and the timeline of what was comes below."""
    cell = f"{first}\nprint('started', flush=True)\n{wait}"
    run = kernel.run(cell, interrupt_at="started", timeout=25)
    assert run.error.ename in ("CancelledError", "KeyboardInterrupt")
    assert f"Cell In[{run.execution_count}], line " in run.error.traceback
    assert [sorted(display) for display in run.displays] == [PICTURE] * bool(first)


@pytest.mark.parametrize("nested", [False, True], ids=["top-level await", "asyncio.run"])
def test_lines_are_named_as_the_cells_show_them(kernel, nested):
    """The line that blocks and the one that called it, each with the number of its own cell."""
    helper = kernel.run("def parse():\n    time.sleep(0.3)")
    kernel.run("enable_asyncio_run()" if nested else "None")
    try:
        run = kernel.run(
            "%%timeline --no-picture\nasync def rude():\n    await asyncio.sleep(0.05)\n"
            "    parse()\n\nasync def main():\n"
            "    await asyncio.gather(rude(), fetch('news', 0.15))\n\n"
            + ("asyncio.run(main())" if nested else "await main()")
        )
    finally:
        kernel.run("disable_asyncio_run()" if nested else "None")
    assert run.status == "ok", run.error
    place = f"In [{helper.execution_count}], line 2"
    # On a busy machine it takes longer than the 0.3 s of the sleep.
    caller = f"In [{run.execution_count}], line 4"
    said = re.escape(f" at {place}, called by rude() at {caller}: this delayed fetch by ")
    assert re.search(rf"parse\(\) held the loop for [\d.]+ s{said}", run.stdout), run.stdout
    table = "_timeline.blocked()[['file', 'line', 'delayed']].values.tolist()"
    file = place.partition(",")[0]
    assert kernel.value(table) == f"[['{file}', 2, ['fetch']]]"
    tasks = kernel.value("list(_timeline.tasks()['coroutine'])[1:]")
    assert tasks == str(["main"] * nested + ["rude", "fetch"])


def test_cells_queued_at_once_show_their_own_tasks(kernel):
    """Neither the kernel's tasks, nor what an earlier cell has left running, nor a later cell's."""
    cells = [
        "ticking = asyncio.create_task(tick())",
        "%%timeline --no-picture --name one\nawait asyncio.gather(fetch('a', 0.1), fetch('b'))",
        "with record() as two:\n    later = asyncio.create_task(tick())\n    await fetch()",
        "await fetch('after')",
        "%%timeline --no-picture --name three --virtual\nawait fetch('c', 3600)",
        "ticking.cancel(), later.cancel()",
        "[list(recording.tasks()['coroutine'])[1:] for recording in (one, two, three)]",
    ]
    runs = kernel.run_all(cells)
    assert [run.status for run in runs] == ["ok"] * len(cells)
    assert ["Added up" in run.stdout for run in runs] == [n in (1, 4) for n in range(len(cells))]
    assert runs[-1].displays[0]["text/plain"] == "[['fetch', 'fetch'], ['tick'], []]"
    assert kernel.value("three.seconds") == "3600.0"


def test_virtual_time_on_the_loop_of_the_kernel(kernel):
    cells = {
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
    }
    for run, expected in zip(kernel.run_all(list(cells)), cells.values(), strict=True):
        assert run.stdout.startswith(expected), run.error


def test_all_ways_of_running_activities(kernel):
    """Also with what is defined in the notebook, and beside a top-level await."""
    cells = [
        "mine = [leisure('mine', 20), chore('yours', 30, start=2)]",
        "run_in_threads(mine, minute=0.001).names, run_in_processes(mine, minute=0.001).names",
        "await asyncio.sleep(0)\nlist(compare(CHORES, minute=0.001).index[:4])",
    ]
    shown = [run.displays[0]["text/plain"] for run in kernel.run_all(cells)[1:]]
    names = "['mine', 'yours']"
    assert shown == [f"({names}, {names})", "['in turn', 'together', 'threads', 'processes']"]


@needs_signals
@pytest.mark.parametrize("way", ["run_in_threads", "run_in_processes"])
def test_an_interrupt_ends_the_workers(kernel, way):
    cell = f"print('started', flush=True)\n{way}([leisure('a', 60), chore('b', 60)], minute=60)"
    run = kernel.run(cell, interrupt_at="started")
    assert run.error is not None, run
    assert run.error.ename == "KeyboardInterrupt"


def test_the_lesson_names_the_line_that_blocks():
    """What its cell prints is what is stored, with the number of the cell that its text names."""
    path = Path(__file__).parents[2] / "notebooks" / "04-what-the-loop-does.ipynb"
    cells = cells_of(path)
    cell, count = cells["broken-timeline"], cells["define-save"]["execution_count"]
    (stored,) = [output["text"] for output in cell["outputs"] if output["output_type"] == "stream"]
    run = run_all(code_cells(path)[0][: cell["execution_count"]])[-1]
    assert run.source == "".join(cell["source"])
    assert run.stdout == "".join(stored)
    assert f"In [{count}], line 2" in run.stdout
    assert f"`In [{count}]`" in "".join(cells["explain-blocked"]["source"])
