"""check_answer(), show_progress() and `asyncteach progress`: what they say, and what they keep."""

import asyncio
import inspect
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from asyncteach import check_answer, cli, show_progress
from asyncteach.course import grading, progress
from asyncteach.course.exercises import all_exercises

PRINTER = "the printer"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch, tmp_path):
    """A folder of its own, and nothing known of before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(progress, "_here", {})
    progress.report.cache_clear()
    monkeypatch.setattr(grading, "failed_tries", Counter())


async def serve(name, print_receipt):
    await asyncio.sleep(2)
    await asyncio.to_thread(print_receipt, name)


async def serve_blocking(name, print_receipt):
    await asyncio.sleep(2)
    print_receipt(name)


def ask(*answer):
    return asyncio.run(check_answer(PRINTER, *answer))


def kept():
    path = Path(progress.FILE)
    return json.loads(path.read_text())["exercises"] if path.exists() else None


# Asking


def test_a_right_answer_is_solved():
    verdict = ask(serve)
    assert verdict.passed
    assert str(verdict).endswith("All right.")
    assert kept() == {PRINTER: "solved"}
    assert os.listdir() == [progress.FILE]  # no temporary file is left


def test_a_wrong_answer_is_tried_and_what_was_solved_once_stays_solved():
    first, second = str(ask(serve_blocking)), str(ask(serve_blocking))
    assert first.startswith("Not yet: ")
    assert second.removeprefix(first).strip()  # the second time there is a stronger hint, too
    assert kept() == {PRINTER: "tried"}
    ask(serve)
    ask(serve_blocking)
    assert kept() == {PRINTER: "solved"}


def test_an_error_of_the_answer_and_one_of_another_kind_are_failed_checks():
    async def fail(name, print_receipt):
        raise ValueError("no paper")

    verdict = ask(fail)
    assert not verdict.passed
    assert f"no paper at test_answers.py:{fail.__code__.co_firstlineno + 1}" in str(verdict)
    assert "Not yet: " in str(ask(None))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("The Printer", serve), 'There is no exercise .* is it "the printer"?'),
        (("printer", serve), 'There is no exercise .* is it "the printer"?'),
        (("breakfst", serve), 'There is no exercise .* is it "breakfast"?'),
        (("", serve), "There is no exercise .* copy it from the call in the notebook"),
        ((serve, PRINTER), "takes the exercise's name first"),
        ((PRINTER,), r'needs serve: write `await check_answer\("the printer", serve\)`'),
        ((PRINTER, serve, serve), "needs serve: write"),
    ],
)
def test_a_wrong_call_gets_one_sentence(arguments, words):
    with pytest.raises((TypeError, ValueError), match=words) as error:
        check_answer(*arguments)
    assert "\n" not in str(error.value)


def test_a_coroutine_in_place_of_a_function_and_a_forgotten_await_coach():
    plan = serve("Ada", print)
    with pytest.raises(TypeError, match="without brackets after serve"):
        check_answer(PRINTER, plan)
    assert inspect.getcoroutinestate(plan) == inspect.CORO_CLOSED
    asked = check_answer(PRINTER, serve)
    assert "has not been awaited: write `await check_answer(" in repr(asked)
    with pytest.raises(AttributeError, match="`verdict = await check_answer"):
        asked.passed  # noqa: B018
    asked.close()


THREADS_THAT_GO_ON = """
import asyncio, contextlib, os
from asyncteach import check_answer
from asyncteach.checks import runner

run_within = runner.run_within
runner.run_within = lambda seconds, *args: run_within(0.5, *args)

SQL = "with recursive n(i) as (select 1 union all select i + 1 from n limit 30000) select i from n"

def ask(open_till, name):
    database = open_till(name)
    while True:
        with contextlib.suppress(BaseException):
            super(type(database), database).execute(SQL).fetchall()

async def count_sales(open_till, names):
    await asyncio.gather(*(asyncio.to_thread(ask, open_till, name) for name in names))

async def main():
    print(await check_answer("the tills", count_sales))
    await asyncio.sleep(0.5)
    print("alive", flush=True)
    os._exit(0)  # the threads never end

asyncio.run(main())
"""


def test_a_database_that_a_thread_still_uses_is_left_open(tmp_path):
    """Closing it would crash the process."""
    command = [sys.executable, "-c", THREADS_THAT_GO_ON]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert "stopped" in ran.stdout
    assert ran.stdout.endswith("alive\n")


def test_every_exercise_says_in_one_sentence_what_to_do():
    for one in all_exercises():
        assert re.fullmatch(r"(?!.*\. ).*\.", one.task), one.name


# What is kept and shown


def test_progress_is_shown_by_lessons(capsys):
    show_progress(4)
    assert capsys.readouterr().out == "Lesson 4: 0 of 1 solved\n  open    the printer\n"
    ask(serve_blocking)
    show_progress(4)
    assert capsys.readouterr().out == "Lesson 4: 0 of 1 solved\n  tried   the printer\n"
    ask(serve)
    show_progress(4)
    assert capsys.readouterr().out == "Lesson 4: 1 of 1 solved\n  solved  the printer\n"
    show_progress()
    shown = capsys.readouterr().out
    assert shown.count("Lesson ") == len({one.lesson for one in all_exercises()})
    assert all(one.name in shown for one in all_exercises())


def test_what_another_process_has_kept_is_known_and_not_lost(monkeypatch, capsys):
    ask(serve)
    monkeypatch.setattr(progress, "_here", {})
    progress.keep("breakfast", solved=False)
    assert kept() == {PRINTER: "solved", "breakfast": "tried"}
    show_progress(4)
    assert "solved  the printer" in capsys.readouterr().out


def test_a_lesson_without_exercises_is_told(capsys):
    with pytest.raises(ValueError, match="Lesson 99 has no exercises: there are some in"):
        show_progress(99)


@pytest.mark.parametrize("content", ["{", "[]", '{"exercises": 3}', "\x00\xff"])
def test_a_broken_file_is_kept_and_told_once(content, capsys):
    Path(progress.FILE).write_text(content)
    ask(serve)
    said = capsys.readouterr().out
    assert "delete it to begin again" in said
    assert "until the kernel is restarted" in said
    ask(serve)
    assert capsys.readouterr().out == ""
    assert Path(progress.FILE).read_text() == content
    show_progress(4)
    assert "solved  the printer" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_told_once(monkeypatch, capsys):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_text", refuse)
    ask(serve)
    said = capsys.readouterr().out
    assert "can't be written to" in said
    assert "Permission denied" in said
    ask(serve)
    assert capsys.readouterr().out == ""
    assert os.listdir() == []


# The command


def run(capsys, *argv):
    code = cli.main(["progress", *argv])
    seen = capsys.readouterr()
    return code, seen.out, seen.err


def test_the_command_shows_all_lessons(capsys):
    code, out, _ = run(capsys)
    assert code == 0
    assert "No exercise has been tried" in out
    assert os.listdir() == []
    ask(serve)
    code, out, err = run(capsys)
    assert (code, err) == (0, "")
    assert "solved  the printer" in out
    assert f"All lessons: 1 of {len(all_exercises())} solved" in out


def test_the_command_finds_the_usual_folder(capsys):
    ask(serve)
    folder = Path("asyncteach-notebooks")
    folder.mkdir()
    Path(progress.FILE).rename(folder / progress.FILE)
    assert "All lessons: 1 of" in run(capsys)[1]
    assert "All lessons: 1 of" in run(capsys, str(folder))[1]


@pytest.mark.parametrize("content", ["{", None])
def test_the_command_refuses_in_one_sentence(content, capsys):
    if content is not None:
        Path(progress.FILE).write_text(content)
    code, _, err = run(capsys, *([] if content else ["nowhere"]))
    assert code == 1
    assert err.startswith("asyncteach: ")
    assert err.count("\n") == 1
