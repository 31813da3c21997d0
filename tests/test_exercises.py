"""Every exercise accepts right answers and no wrong ones, in cells as a notebook runs them.

What is tried is in `tests/exercises/`.
"""

import asyncio
import builtins
import gc
import importlib
import pkgutil
import re
import signal
import sys
import threading
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import exercises as tried
import pytest
from IPython.core.interactiveshell import InteractiveShell
from lesson import NOTEBOOKS, read_lesson
from traitlets.config import Config

from asyncteach.course import grading, progress
from asyncteach.course.exercises import all_exercises, find_exercise, lesson_05

EXERCISES = {one.name: one for one in all_exercises()}
SHORT = 0.6
"""Real seconds until an answer that hangs or spins is stopped: ten are for people."""


# The cells of a lesson


@dataclass
class Exercise:
    """What a lesson's notebook has for one exercise."""

    before: list[str]
    """The cells whose names an answer may use."""
    starter: str
    check: str
    solution: str


def read_exercise(name: str) -> Exercise:
    (path,) = NOTEBOOKS.glob(f"{find_exercise(name).lesson:02d}-*.ipynb")
    cells = {cell.id: cell for cell in read_lesson(path).cells}
    (check,) = [key for key, cell in cells.items() if f'check_answer("{name}"' in cell.source]
    stem = check.removesuffix("-check")
    setup = [key for key, cell in cells.items() if "exercise-setup" in cell.tags]
    folded = cells[f"{stem}-solution"].source.partition("The solution</summary>")[2]
    fence = re.search(r"^```python\n(.*?)^```", folded, re.M | re.S)
    assert fence, f"the solution of {name!r} has no ```python block"
    before = [cells[key].source for key in ("imports", *setup)]
    return Exercise(before, cells[f"{stem}-answer"].source, cells[check].source, fence[1])


ANSWERS = {
    name: tried.read_answers(text, read_exercise(name).solution)
    for info in pkgutil.iter_modules(tried.__path__)
    for name, text in importlib.import_module(f"exercises.{info.name}").ANSWERS.items()
}
RIGHT = [(name, n) for name, one in ANSWERS.items() for n in range(len(one.right))]
WRONG = [(name, n) for name, one in ANSWERS.items() for n in range(len(one.wrong))]


class Notebook:
    """A shell whose cells run on one event loop, as in a kernel."""

    def __init__(self, shell: InteractiveShell, runner: asyncio.Runner) -> None:
        self._shell = shell
        self._runner = runner

    def run(self, source: str) -> Any:
        """Run a cell and return its value; what it raises is raised."""
        cell = self._shell.transform_cell(source)
        run = self._shell.run_cell_async(source, store_history=True, transformed_cell=cell)
        result = self._runner.run(run)
        result.raise_error()
        return result.result

    def left_behind(self) -> list[Any]:
        """Return the tasks that are still under way between two cells."""

        async def look() -> list[Any]:
            await asyncio.sleep(0)
            return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

        return self._runner.run(look())


@pytest.fixture(scope="module")
def shell():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "__main__", sys.modules["__main__"])
        patch.setattr(sys, "displayhook", sys.displayhook)
        patch.delenv("VIRTUAL_ENV", raising=False)  # IPython warns of another one than its own
        for name in ("exit", "quit"):
            patch.setattr(builtins, name, getattr(builtins, name))
        config = Config({"HistoryManager": {"hist_file": ":memory:"}})
        shell = InteractiveShell.instance(config=config)
        # What a cell gives back is kept; its picture is not looked at.
        patch.setattr(shell.displayhook, "compute_format_data", lambda _: ({}, {}))
        gc.collect()
        gc.freeze()  # or each test's collection goes through all modules
        yield shell
        gc.unfreeze()
        shell.restore_sys_module_state()
        shell.history_manager.end_session()
        InteractiveShell.clear_instance()


@pytest.fixture
def notebook(shell, monkeypatch, tmp_path):
    """A notebook in a folder of its own, with nothing tried yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(progress, "_here", {})
    monkeypatch.setattr(grading, "failed_tries", Counter())
    names, handler = set(shell.user_ns), signal.getsignal(signal.SIGINT)
    with asyncio.Runner() as runner:
        yield Notebook(shell, runner)
    assert signal.getsignal(signal.SIGINT) is handler
    with warnings.catch_warnings():  # a forgotten await is reported when it's thrown away
        warnings.simplefilter("ignore")
        for name in set(shell.user_ns) - names:
            del shell.user_ns[name]
            # The shell has what each cell gave back in here too, with its recording.
            shell.user_ns_hidden.pop(name, None)
        # What cells gave back is kept by the shell, with its recording.
        shell.user_ns["_oh"].clear()
        shell.displayhook._ = shell.displayhook.__ = shell.displayhook.___ = ""
        gc.collect()


# What is tested


def test_every_exercise_is_tried():
    """At least two right answers beside the notebook's, and four wrong ones."""
    assert set(ANSWERS) == set(EXERCISES)
    for name, answers in ANSWERS.items():
        assert len(answers.right) >= 2, name
        assert len(answers.wrong) >= 4, name
        assert len({mistake for mistake, _, _ in answers.wrong}) == len(answers.wrong), name


@pytest.mark.parametrize("name", EXERCISES)
def test_an_unanswered_exercise_is_open(notebook, name):
    """Run All stays green, says what to do, and nothing counts as tried."""
    lesson = read_exercise(name)
    assert lesson.starter.strip() == EXERCISES[name].starter.strip()
    for cell in (*lesson.before, lesson.starter):
        notebook.run(cell)
    verdict = notebook.run(lesson.check)
    assert not verdict
    assert str(verdict) == f"Open: {name}. {EXERCISES[name].task}"
    assert not Path(progress.FILE).exists()


@pytest.mark.parametrize("name", EXERCISES)
def test_the_solution_in_the_notebook_is_right(notebook, name):
    lesson = read_exercise(name)
    accept(notebook, name, [*lesson.before, lesson.starter, lesson.solution])


@pytest.mark.parametrize(("name", "number"), RIGHT)
def test_a_right_answer_is_accepted(notebook, name, number):
    accept(notebook, name, [*read_exercise(name).before, ANSWERS[name].right[number]])


def accept(notebook, name, cells):
    """Run the cells and the check, which has to be content."""
    for cell in cells:
        notebook.run(cell)
    threads = set(threading.enumerate())
    verdict = notebook.run(read_exercise(name).check)
    assert verdict.passed, str(verdict)
    assert str(verdict).endswith("All right.")
    assert progress._read(Path(progress.FILE)) == ({name: progress.SOLVED}, "")
    assert notebook.left_behind() == []
    pools = "asyncio_", "ThreadPool"  # the loop's own pool stays open for the next job
    assert [t for t in set(threading.enumerate()) - threads if not t.name.startswith(pools)] == []


@pytest.mark.filterwarnings(
    "ignore::RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize(
    ("name", "number"), WRONG, ids=[f"{name}-{ANSWERS[name].wrong[n][0]}" for name, n in WRONG]
)
def test_a_wrong_answer_is_rejected_with_a_hint(notebook, monkeypatch, name, number):
    """The check says what is missing, and at the second try in other, plainer words."""
    mistake, source, words = ANSWERS[name].wrong[number]
    lesson = read_exercise(name)
    hangs = "stopped" in words or "all tickets" in words
    if hangs:
        hurry(monkeypatch)
    for cell in (*lesson.before, source):
        notebook.run(cell)
    first = str(notebook.run(lesson.check))
    assert "Not yet: " in first, f"{mistake} is accepted: {first}"
    assert "A hint: " in first
    assert re.search(".*".join(map(re.escape, words.split(" ... "))), first, re.I), first
    assert notebook.left_behind() == []
    if not hangs:  # a second try takes as long as the first
        assert str(notebook.run(lesson.check)) != first, f"the second hint is the first: {first}"
    assert progress._read(Path(progress.FILE)) == ({name: progress.TRIED}, "")


def hurry(monkeypatch):
    """Stop what never ends soon."""
    from asyncteach.checks import runner

    whole = runner.run_within

    async def run_shortly(seconds, make, on_stop):
        return await whole(min(seconds, SHORT), make, on_stop)

    monkeypatch.setattr(runner, "run_within", run_shortly)
    monkeypatch.setattr(lesson_05, "_PATIENCE", SHORT / 2)
