"""The command line: what it copies, what it keeps, what it prints. No process is started."""

import importlib.util
import io
import os
import sys
from pathlib import Path

import pytest

from asyncteach import cli
from asyncteach.course.costs import measure_costs as costs_module

LESSONS = ("01-chores-and-leisure.ipynb", "02-together.ipynb")
COPIED = {*LESSONS}


@pytest.fixture
def lessons(tmp_path, monkeypatch):
    """Stand in for the lessons: two notebooks, and a file that is no lesson."""
    source = tmp_path / "lessons"
    source.mkdir()
    for name in (*LESSONS, "notes.txt"):
        (source / name).write_bytes(f"ours: {name}".encode())
    monkeypatch.setattr(cli, "find_notebooks", lambda: source)
    return source


@pytest.fixture
def launched(monkeypatch, lessons):
    """Collect JupyterLab's arguments, as an ordinary user."""
    calls = []
    monkeypatch.setattr(cli, "launch_lab", calls.append)
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    return calls


def files_in(folder):
    """Return every file below a folder."""
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}


def refusal(capsys, *argv, code=1):
    """Return the one sentence that a command ends with."""
    try:
        ended = cli.main(argv)
    except SystemExit as exit_:  # as argparse ends
        ended = exit_.code
    printed = capsys.readouterr().err
    assert ended == code
    assert printed.startswith("asyncteach: ")
    assert printed.count("\n") == 1
    return printed


def test_notebooks_are_copied_and_kept_byte_for_byte_once_they_are_there(lessons, tmp_path, capsys):
    target = tmp_path / "a b" / "mine"
    target.mkdir(parents=True)
    (target / LESSONS[0]).write_bytes(mine := b"my own answer \x00\xff\r\n")
    for kept in (f"{LESSONS[0]}:", "all 2:"):
        assert cli.main(["notebooks", str(target)]) == 0
        printed = capsys.readouterr().out
        assert printed.startswith(f"Your notebooks are in {target}\n")
        assert (f"copied  {LESSONS[1]}" in printed) == (kept != "all 2:")
        assert f"kept    {kept}" in printed
    assert files_in(target) == COPIED
    assert (target / LESSONS[0]).read_bytes() == mine
    assert (target / LESSONS[1]).read_bytes() == (lessons / LESSONS[1]).read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_a_link_is_neither_followed_nor_replaced(lessons, tmp_path):
    target, elsewhere = tmp_path / "mine", tmp_path / "precious"
    target.mkdir()
    elsewhere.write_text("precious")
    (target / LESSONS[0]).symlink_to(elsewhere)
    (target / LESSONS[1]).symlink_to(tmp_path / "nowhere")
    assert cli.main(["notebooks", str(target)]) == 0
    assert elsewhere.read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


def test_a_copy_that_is_broken_off_leaves_no_half_file(lessons, tmp_path, monkeypatch):
    class BrokenFile(io.FileIO):
        def write(self, _):
            raise KeyboardInterrupt

    def open_to_fail(path, mode="r", **options):
        return BrokenFile(path, mode) if mode == "xb" else opened(path, mode, **options)

    opened = Path.open
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", open_to_fail)
        assert cli.main(["notebooks", str(tmp_path / "mine")]) == 130
    assert files_in(tmp_path / "mine") == set()


@pytest.mark.parametrize("command", ["notebooks", "demo", "costs", "lab"])
@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_folder_that_is_a_file_is_refused(command, below, launched, tmp_path, capsys):
    file = tmp_path / "notes.txt"
    file.write_text("mine")
    assert "name a folder that you can write to" in refusal(capsys, command, str(file / below))
    assert file.read_text() == "mine"
    assert launched == []


def test_lessons_are_found_in_the_package_before_beside_it(tmp_path, monkeypatch, capsys):
    package = tmp_path.resolve() / "asyncteach"
    monkeypatch.setattr(cli, "__file__", str(package / "cli.py"))
    assert "pip install --force-reinstall" in refusal(capsys, "notebooks", str(tmp_path / "mine"))
    assert not (tmp_path / "mine").exists()
    for folder in (package.parent / "notebooks", package / "notebooks"):
        folder.mkdir(parents=True)
        (folder / LESSONS[0]).touch()
        assert cli.find_notebooks() == folder


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["teach"], "invalid choice: 'teach'"),
        (["notebooks"], "required: FOLDER"),
        (["notebooks", ""], "FOLDER is empty"),
        (["lab", "--port=9999"], "asyncteach lab -- --port=9999"),
        (["lab", "--port", "9999"], "asyncteach lab -- --port=9999"),
        (["--frobnicate"], "unexpected argument --frobnicate"),
        (["lab", "My", "Notebooks"], "in quotes"),
        (["demo", "here", "--", "--port=9999"], "unexpected argument --port=9999"),
    ],
)
def test_a_command_that_is_not_understood_names_the_fix(argv, words, capsys):
    assert words in refusal(capsys, *argv, code=2)


@pytest.mark.parametrize("name", ["asyncteach-notebooks", "Übung für Zoë", "$HOME 'x' 100%"])
def test_lab_opens_the_first_lesson_of_the_copy(name, tmp_path, launched, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["lab"] if name == "asyncteach-notebooks" else ["lab", name]) == 0
    options = [
        f"--ServerApp.root_dir={tmp_path / name}",
        f"--LabApp.default_url=/lab/tree/{LESSONS[0]}",
    ]
    assert launched == [["--ServerApp.ip=127.0.0.1", *options]]
    assert files_in(tmp_path / name) == COPIED


def test_what_follows_two_dashes_is_jupyterlabs(tmp_path, launched):
    theirs = ["--port=9999", "--", "-x", "--ServerApp.quit_button=False"]
    assert cli.main(["lab", str(tmp_path / "mine"), "--", *theirs]) == 0
    assert launched[0][3:] == theirs
    assert cli.main(["lab", str(tmp_path / "mine"), "--"]) == 0
    assert len(launched[1]) == 3


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (["--ip", "0.0.0.0"], "--ServerApp.ip"),
        (["--ServerApp.ip=::"], "--ServerApp.ip"),
        (["--sock=lab.sock"], "--ServerApp.ip"),
        (["--ServerApp.allow_root=False"], "--allow-root"),
        (["--notebook-dir=/"], "--ServerApp.root_dir"),
        (["--LabApp.default_url=/tree"], "--LabApp.default_url"),
    ],
)
def test_the_users_option_takes_the_place_of_ours(theirs, ours, tmp_path, launched, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    assert cli.main(["lab", str(tmp_path / "mine"), "--", *theirs]) == 0
    added = launched[0][: -len(theirs)]
    assert not [option for option in added if option.split("=")[0] == ours]
    assert launched[0][-len(theirs) :] == theirs


def test_root_gets_a_line_about_it_and_is_served(tmp_path, launched, capsys, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    assert cli.main(["lab", str(tmp_path / "mine")]) == 0
    assert launched[0][-1] == "--allow-root"
    assert "Running as root" in capsys.readouterr().out


def test_without_jupyterlab_the_command_to_type_is_named(tmp_path, launched, capsys, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert 'pip install "asyncteach[lab]"' in refusal(capsys, "lab", str(tmp_path / "mine"))
    assert not (tmp_path / "mine").exists()
    assert launched == []


def test_lab_runs_in_this_process_with_this_environments_kernel(monkeypatch):
    calls = []
    app = type("LabApp", (), {"launch_instance": lambda argv: calls.append(argv)})
    monkeypatch.setitem(sys.modules, "jupyterlab", type("Module", (), {}))
    monkeypatch.setitem(sys.modules, "jupyterlab.labapp", type("Module", (), {"LabApp": app}))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "/etc/mine")
    cli.launch_lab(["--no-browser"])
    assert calls == [["--no-browser"]]
    assert os.environ["JUPYTER_PREFER_ENV_PATH"] == "0"
    ours = str(Path(cli.__file__).parent / "jupyter")
    assert os.environ["JUPYTER_CONFIG_PATH"] == f"/etc/mine{os.pathsep}{ours}"


def test_the_demo_shows_when_async_helps_and_when_not(tmp_path, capsys):
    assert cli.main(["demo", str(tmp_path / "story")]) == 0
    printed = capsys.readouterr().out
    assert "The machines work side by side: 100 minutes in turn, 40 together." in printed
    assert "You do every minute yourself: 100 in turn, still 100 together." in printed
    for name in ("chores", "leisure"):
        path = tmp_path / "story" / f"{name}.png"
        assert str(path) in printed
        assert path.read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def measured(monkeypatch):
    """Stand in for the measurement, which takes half a minute; collect what it was asked for."""
    asked = []

    def run_jobs(seconds, most):
        asked.append((seconds, most))
        samples = {("start", "task", 1): [5.0], ("memory", "task", 1000): [1.4]}
        return samples, ["memory of thread (10,000): no room"]

    monkeypatch.setattr(costs_module, "run_jobs", run_jobs)
    return asked


def test_the_costs_are_printed_and_drawn(tmp_path, measured, capsys):
    assert cli.main(["costs", str(tmp_path / "mine")]) == 0
    printed, waiting = capsys.readouterr()
    assert "1.4 kB" in printed
    assert "memory of thread (10,000): no room" in printed
    assert printed.endswith(f"The picture: {tmp_path / 'mine' / 'costs.png'}\n")
    assert waiting == "Measuring for about half a minute.\n"
    assert measured == [(30, 10_000)]


def test_a_picture_replaces_an_earlier_one_of_ours_and_no_other(tmp_path, measured, capsys):
    photo = tmp_path / "costs.png"
    photo.write_bytes(b"a photo of mine")
    for printed in ("costs-2.png\n", "costs-2.png (in place of an earlier measurement's)\n"):
        assert cli.main(["costs", str(tmp_path)]) == 0
        assert capsys.readouterr().out.endswith(printed)
    assert photo.read_bytes() == b"a photo of mine"
    assert files_in(tmp_path) == {"costs.png", "costs-2.png"}
