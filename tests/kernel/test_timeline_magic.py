"""%%timeline in a real kernel: the cell as always, and its timeline below."""

import json
import re
from pathlib import Path

import pytest

from .harness import code_cells, faults, live_kernel, run_all
from .watching import needs_signals, run, value

PICTURE = ["image/png", "text/plain"]


def test_a_cell_with_await(kernel):
    """Prints, value, assignment and Out as always; below them the picture and the explanation."""
    run_ = run(
        kernel,
        """
        %%timeline --width 6
        print("started")
        news, weather = await asyncio.gather(fetch("news"), fetch("weather"))
        news
        """,
    )
    assert run_.status == "ok"
    shown, picture = run_.displays
    assert shown["text/plain"] == "'news'"
    assert sorted(picture) == PICTURE
    assert picture["text/plain"].startswith("This cell: ")
    assert "fetch (2)" in picture["text/plain"]
    assert run_.stdout.startswith("started\n")
    assert "3 tasks" in run_.stdout
    assert value(kernel, f"weather, Out[{run_.execution_count}]") == "('weather', 'news')"


def test_an_error_is_shown_once_with_the_lines_of_the_cell(kernel):
    """The traceback is the user's own, and the timeline comes although it failed."""
    run_ = run(
        kernel,
        """
        %%timeline
        async def main():
            await fetch("news")
            return 1 / 0

        await main()
        """,
    )
    assert run_.status == "error"
    assert run_.error.ename == "ZeroDivisionError"
    cell = f"Cell In[{run_.execution_count}]"
    assert f"{cell}, line 6\n" in run_.error.traceback
    assert f"{cell}, line 4, in main()\n" in run_.error.traceback
    assert "asyncteach" not in run_.error.traceback
    assert [sorted(display) for display in run_.displays] == [PICTURE]
    assert "1 task" in run_.stdout
    assert run_.stderr == ""


def test_an_exception_group_is_shown_as_always(kernel):
    run_ = run(
        kernel,
        """
        %%timeline
        async def fail():
            raise ValueError("sold out")

        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
        """,
    )
    assert "ValueError: sold out" in run_.stderr
    assert "asyncteach/" not in run_.stderr
    assert run_.stderr.count("Exception Group Traceback") == 1
    assert [sorted(display) for display in run_.displays] == [PICTURE]


@needs_signals
@pytest.mark.parametrize(
    ("options", "wait"),
    [
        # On an idle loop ipykernel's interrupt waits for the next event, as in a plain cell.
        ("", "while True:\n    await asyncio.sleep(0.01)"),
        ("", "time.sleep(30)"),
        ("--virtual", "await asyncio.to_thread(real[0], 3)"),
    ],
    ids=["an await", "a blocking call", "virtual time"],
)
def test_an_interrupted_cell_is_shown(kernel, options, wait):
    """Its error is the usual one, and the timeline of what was comes below."""
    kernel.run("real = [time.sleep]  # a plain name would be made virtual too")
    cell = f"%%timeline {options}\nprint('started', flush=True)\n{wait}"
    run_ = kernel.run(cell, interrupt_at="started", timeout=25)
    assert run_.error.ename in ("CancelledError", "KeyboardInterrupt")
    assert f"Cell In[{run_.execution_count}], line " in run_.error.traceback
    assert [sorted(display) for display in run_.displays] == [PICTURE]


def test_lines_are_named_as_the_cell_shows_them(kernel):
    """The line that blocks, in the table and in the sentence, with the count of the cell."""
    run_ = run(
        kernel,
        """
        %%timeline --no-picture
        def parse():
            time.sleep(0.3)

        async def rude():
            await asyncio.sleep(0.05)
            parse()

        await asyncio.gather(rude(), fetch("news", 0.15))
        """,
    )
    place = f"In [{run_.execution_count}], line 3"
    # On a busy machine it takes longer than the 0.3 s of the sleep.
    caller = f"In [{run_.execution_count}], line 7"
    said = re.escape(f" at {place}, called by rude() at {caller}: this delayed fetch by ")
    assert re.search(rf"parse\(\) held the loop for [\d.]+ s{said}", run_.stdout), run_.stdout
    (file, line) = eval(value(kernel, "_timeline.blocked()[['file', 'line']].values[0].tolist()"))
    assert f"{file}, line {line}" == place


def test_other_cells_are_not_in_it(kernel):
    """Neither the kernel's own tasks nor what an earlier cell has left running."""
    kernel.run(
        "async def tick():\n    while True:\n        await asyncio.sleep(0.005)\n"
        "ticking = asyncio.create_task(tick(), name='tick')"
    )
    run_ = run(kernel, "%%timeline --no-picture\nawait asyncio.gather(fetch('news', 0.1))")
    assert run_.status == "ok"
    assert value(kernel, "list(_timeline.tasks()['coroutine'])[1:]") == "['fetch']"
    kernel.run("ticking.cancel()")


def test_cells_queued_at_once(kernel):
    """Run All: each timeline stands in its own cell and shows that cell's tasks."""
    cells = [
        "%%timeline --no-picture --name one\nawait asyncio.gather(fetch('a'), fetch('b'))",
        "%%timeline --no-picture --name two\n5",
        "%%timeline --no-picture --name three --virtual\nawait fetch('c', 3600)",
        "len(one.tasks()), len(two.tasks()), three.seconds",
    ]
    runs = kernel.run_all(cells)
    assert [run.status for run in runs] == ["ok"] * 4
    assert ["Added up" in run.stdout for run in runs] == [True, True, True, False]
    assert runs[3].displays[0]["text/plain"] == "(3, 1, 3600.0)"


def test_asyncio_run_in_the_cell(kernel):
    """A pasted script, with asyncio.run() enabled: its tasks are seen, and so is what blocks."""
    script = """
        %%timeline --no-picture --name pasted
        async def rude():
            await asyncio.sleep(0.05)
            time.sleep(0.3)

        async def main():
            await asyncio.gather(rude(), fetch("news", 0.15))

        asyncio.run(main())
        """
    kernel.run("enable_asyncio_run()")
    try:
        run_ = run(kernel, script)
    finally:
        kernel.run("disable_asyncio_run()")
    assert run_.status == "ok"
    said = re.escape(f" at In [{run_.execution_count}], line 4")
    assert re.search(rf"rude\(\) held the loop for [\d.]+ s{said}", run_.stdout), run_.stdout
    assert value(kernel, "list(pasted.tasks()['coroutine'])[1:]") == "['main', 'rude', 'fetch']"


def test_a_fresh_kernel_runs_all_of_it():
    """Queued behind each other with the extension's loading first, as a notebook has it."""
    cells = [
        "%load_ext asyncteach",
        "%%timeline\nimport asyncio\nawait asyncio.sleep(0.01, 'slept')",
        "%reload_ext asyncteach",
        "%%timeline\n_",
        "%unload_ext asyncteach",
        "1 + 1",
    ]
    with live_kernel() as kernel:
        runs = kernel.run_all(cells)
    assert faults(runs) == []
    assert [len(run.displays) for run in runs] == [0, 2, 0, 2, 0, 1]
    assert runs[3].displays[0]["text/plain"] == "'slept'"


def test_the_lesson_names_the_line_that_blocks():
    """What its cell prints is what is stored, with the number of the cell that its text names."""
    path = Path(__file__).parents[2] / "notebooks" / "04-what-the-loop-does.ipynb"
    cells = {cell["id"]: cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]}
    cell = cells["broken-timeline"]
    (stored,) = [output["text"] for output in cell["outputs"] if output["output_type"] == "stream"]
    source, count = "".join(cell["source"]), cells["define-save"]["execution_count"]
    runs = run_all(code_cells(path)[0][: cell["execution_count"]])
    assert runs[-1].source == source
    assert runs[-1].stdout == "".join(stored)
    assert f"In [{count}], line 2" in runs[-1].stdout
    assert f"`In [{count}]`" in "".join(cells["explain-blocked"]["source"])
