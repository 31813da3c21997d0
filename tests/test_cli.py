"""The command line: what it copies, what it keeps, what it says."""

import errno
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from asyncteach import __version__, cli, files

LESSONS = ("01-chores-and-leisure.ipynb", "02-together.ipynb")
needs_posix = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX system")


@pytest.fixture
def lessons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in for the lessons: two notebooks, a data file, and what nobody should get."""
    source = tmp_path / "lessons"
    for name in (*LESSONS, "data/prices.csv", ".hidden", "__pycache__/helper.pyc"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(f"ours: {name}".encode())
    for name in (".ipynb_checkpoints/01-chores-and-leisure.ipynb", "data/.ipynb_checkpoints/a"):
        (source / name).parent.mkdir(parents=True)
        (source / name).write_bytes(b"old")
    monkeypatch.setattr(cli, "find_notebooks", lambda: source)
    return source


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch, lessons: Path) -> list[list[str]]:
    """Collect JupyterLab's arguments, on an ordinary user's machine with a display."""
    calls: list[list[str]] = []
    monkeypatch.setattr(cli, "launch_lab", calls.append)
    monkeypatch.setattr(cli, "can_open_browser", lambda: True)
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    return calls


def files_in(folder: Path) -> set[str]:
    """Return every file below a folder, temporary ones included."""
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}


def refusal(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 1) -> str:
    """Return the one sentence that a command ends with."""
    try:
        ended = cli.main(argv)
    except SystemExit as exit_:  # as argparse ends
        ended = exit_.code  # type: ignore[assignment]
    said = capsys.readouterr().err
    assert ended == code
    assert said.startswith("asyncteach: ")
    assert said.count("\n") == 1
    return said


# Copying


def test_notebooks_are_copied_with_what_they_need(
    lessons: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The copy holds every lesson and its data, and neither hidden files nor caches."""
    target = tmp_path / "a b" / "mine"
    assert cli.main(["notebooks", str(target)]) == 0
    assert files_in(target) == {*LESSONS, "data/prices.csv"}
    assert (target / LESSONS[0]).read_bytes() == (lessons / LESSONS[0]).read_bytes()
    said = capsys.readouterr().out
    assert str(target) in said
    assert all(f"copied  {name}" in said for name in LESSONS)


def test_an_edited_notebook_is_kept_byte_for_byte(
    lessons: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A learner's file stays as it is, even an empty one, while missing ones come."""
    target = tmp_path / "mine"
    target.mkdir()
    mine = b"my own answer \x00\xff\r\n"
    (target / LESSONS[0]).write_bytes(mine)
    (target / LESSONS[1]).touch()
    assert cli.main(["notebooks", str(target)]) == 0
    assert (target / LESSONS[0]).read_bytes() == mine
    assert (target / LESSONS[1]).read_bytes() == b""
    said = capsys.readouterr().out
    assert f"kept    {LESSONS[0]}, {LESSONS[1]}:" in said
    assert cli.main(["notebooks", str(target)]) == 0
    assert (target / LESSONS[0]).read_bytes() == mine
    assert "kept    all 3:" in capsys.readouterr().out


@needs_posix
@pytest.mark.usefixtures("lessons")
def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """What a link points to is neither overwritten nor made, be the link sound or broken."""
    target = tmp_path / "mine"
    target.mkdir()
    elsewhere = tmp_path / "precious"
    elsewhere.write_text("precious")
    (target / LESSONS[0]).symlink_to(elsewhere)
    (target / LESSONS[1]).symlink_to(tmp_path / "nowhere")
    assert cli.main(["notebooks", str(target)]) == 0
    assert elsewhere.read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


def test_a_copy_inside_the_lessons_does_not_hold_itself(lessons: Path) -> None:
    """A target inside the lessons' folder is no lesson, the second time neither."""
    for _ in range(2):
        assert cli.main(["notebooks", str(lessons / "mine")]) == 0
        assert files_in(lessons / "mine") == {*LESSONS, "data/prices.csv"}
    before = files_in(lessons)
    assert cli.main(["notebooks", str(lessons)]) == 0
    assert files_in(lessons) == before


@pytest.mark.usefixtures("lessons")
def test_an_interrupted_copy_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the middle of a file leaves nothing that would later be kept."""

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupt)
        assert cli.main(["notebooks", str(tmp_path / "mine")]) == 130
    assert files_in(tmp_path / "mine") == set()
    assert cli.main(["notebooks", str(tmp_path / "mine")]) == 0
    assert (tmp_path / "mine" / LESSONS[0]).read_bytes().startswith(b"ours")


@pytest.mark.usefixtures("lessons")
def test_a_file_system_without_hard_links_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where files can't be linked they are renamed, and a taken name still stays."""

    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", no_links)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / LESSONS[0]).write_text("mine")
    assert cli.main(["notebooks", str(tmp_path / "mine")]) == 0
    assert files_in(tmp_path / "mine") == {*LESSONS, "data/prices.csv"}
    assert files.write_new(tmp_path / "mine" / LESSONS[0], b"ours") is False
    assert (tmp_path / "mine" / LESSONS[0]).read_text() == "mine"


@pytest.mark.usefixtures("lessons")
def test_a_file_that_appears_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that someone saves while we copy is theirs."""
    target = tmp_path / "mine"
    sync = os.fsync

    def appear(number: int) -> None:
        sync(number)
        (target / LESSONS[0]).write_text("theirs")

    monkeypatch.setattr(os, "fsync", appear)
    assert cli.main(["notebooks", str(target)]) == 0
    assert (target / LESSONS[0]).read_text() == "theirs"
    assert files_in(target) == {*LESSONS, "data/prices.csv"}


@pytest.mark.parametrize("name", ["a b", "Übung für Zoë", "<b>&amp;", "$HOME 'x'", "100%"])
@pytest.mark.usefixtures("lessons")
def test_a_folder_may_have_any_name(
    name: str, tmp_path: Path, launched: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spaces, letters of any language and markup reach JupyterLab as they were typed."""
    if os.name == "nt" and "<" in name:
        pytest.skip("no such name on Windows")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["lab", name]) == 0
    assert files_in(tmp_path / name) == {*LESSONS, "data/prices.csv"}
    assert f"--ServerApp.root_dir={tmp_path / name}" in launched[0]


def test_a_name_that_the_terminal_cannot_print_is_no_error(lessons: Path, tmp_path: Path) -> None:
    """An ASCII terminal shows escapes instead of a traceback."""
    code = (
        "import pathlib, sys; from asyncteach import cli; "
        "cli.find_notebooks = lambda: pathlib.Path(sys.argv[1]); "
        "sys.exit(cli.main(['notebooks', sys.argv[2]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(lessons), str(tmp_path / "Übung")],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\xdcbung" in done.stdout


# Refusals


@pytest.mark.usefixtures("lessons")
def test_a_folder_that_is_a_file_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence says that the name is a file's, and the file stays as it was."""
    file = tmp_path / "notes.txt"
    file.write_text("mine")
    assert "a file: name a folder" in refusal(capsys, "notebooks", str(file))
    assert "a file: name a folder" in refusal(capsys, "notebooks", str(file / "deeper"))
    assert file.read_text() == "mine"


@pytest.mark.usefixtures("lessons")
def test_a_folder_that_cannot_be_written_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence names the path and the system's reason."""

    def refuse(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    read = Path.open
    target = tmp_path / "mine"
    target.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda *a, **k: (refuse if "xb" in a else read)(*a, **k))
        said = refusal(capsys, "notebooks", str(target))
    assert str(target) in said
    assert "Permission denied" in said
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refuse)
        assert "Permission denied" in refusal(capsys, "notebooks", str(target))
    assert files_in(target) == set()


def test_an_installation_without_lessons_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence says what to type, and no empty folder is made."""
    monkeypatch.setattr(cli, "__file__", str(tmp_path / "asyncteach" / "cli.py"))
    assert "pip install --force-reinstall" in refusal(capsys, "notebooks", str(tmp_path / "mine"))
    assert not (tmp_path / "mine").exists()


def test_lessons_are_found_in_the_package_before_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wheel has them inside; a folder named notebooks beside it may be anyone's."""
    monkeypatch.setattr(cli, "__file__", str(tmp_path / "asyncteach" / "cli.py"))
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / LESSONS[0]).touch()
    assert cli.find_notebooks() == tmp_path.resolve() / "notebooks"
    (tmp_path / "asyncteach" / "notebooks").mkdir(parents=True)
    assert cli.find_notebooks() == tmp_path.resolve() / "notebooks"
    (tmp_path / "asyncteach" / "notebooks" / LESSONS[0]).touch()
    assert cli.find_notebooks() == tmp_path.resolve() / "asyncteach" / "notebooks"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["teach"], "invalid choice: 'teach'"),
        (["notebooks"], "required: FOLDER"),
        (["notebooks", ""], "FOLDER is empty"),
        (["lab", "--port=9999"], "asyncteach lab -- --port=9999"),
        (["lab", "--port", "9999"], "asyncteach lab -- --port=9999"),
        (["--frobnicate"], "--frobnicate is too much"),
        (["lab", "My", "Notebooks"], "between quotes"),
        (["demo", "here", "--", "--port=9999"], "--port=9999 is too much"),
    ],
)
def test_a_command_that_is_not_understood_names_the_fix(
    argv: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence, exit code 2, nothing done."""
    assert words in refusal(capsys, *argv, code=2)


# JupyterLab


def test_lab_opens_the_first_lesson_of_the_copy(
    tmp_path: Path, launched: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """JupyterLab gets the folder, the first lesson, the loopback, and keeps its own token."""
    target = tmp_path / "mine"
    assert cli.main(["lab", str(target)]) == 0
    assert launched == [
        [
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.root_dir={target}",
            f"--LabApp.default_url=/lab/tree/{LESSONS[0]}",
        ]
    ]
    assert files_in(target) == {*LESSONS, "data/prices.csv"}
    assert str(target) in capsys.readouterr().out


def test_lab_has_a_folder_of_its_own_by_default(
    tmp_path: Path,
    launched: list[list[str]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a folder the copy is made where you are, and the command says where."""
    monkeypatch.chdir(tmp_path)
    assert cli.main(["lab"]) == 0
    assert files_in(tmp_path / "asyncteach-notebooks") == {*LESSONS, "data/prices.csv"}
    assert str(tmp_path / "asyncteach-notebooks") in capsys.readouterr().out
    assert len(launched) == 1


def test_what_follows_two_dashes_is_jupyterlabs(tmp_path: Path, launched: list[list[str]]) -> None:
    """The learner's options are passed on last, in order, whatever they are."""
    theirs = ["--port=9999", "--", "-x", "--ServerApp.quit_button=False"]
    assert cli.main(["lab", str(tmp_path / "mine"), "--", *theirs]) == 0
    assert launched[0][-4:] == theirs
    assert cli.main(["lab", str(tmp_path / "mine"), "--"]) == 0
    assert len(launched[1]) == 3


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (["--ip=0.0.0.0"], "--ServerApp.ip"),
        (["--ip", "0.0.0.0"], "--ServerApp.ip"),
        (["--ServerApp.ip=::"], "--ServerApp.ip"),
        (["--sock=lab.sock"], "--ServerApp.ip"),
        (["--no-browser"], "--no-browser"),
        (["--browser=firefox"], "--no-browser"),
        (["--ServerApp.open_browser=True"], "--no-browser"),
        (["--allow-root"], "--allow-root"),
        (["--ServerApp.allow_root=False"], "--allow-root"),
        (["--notebook-dir=/"], "--ServerApp.root_dir"),
        (["--ServerApp.root_dir=/"], "--LabApp.default_url"),
        (["--LabApp.default_url=/tree"], "--LabApp.default_url"),
    ],
)
def test_the_learners_option_takes_the_place_of_ours(
    theirs: list[str],
    ours: str,
    tmp_path: Path,
    launched: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Jupyter refuses an option that is given twice, so ours is left out."""
    monkeypatch.setattr(cli, "can_open_browser", lambda: False)
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    assert cli.main(["lab", str(tmp_path / "mine"), "--", *theirs]) == 0
    added = launched[0][: -len(theirs)]
    assert not [option for option in added if option.split("=")[0] == ours]
    assert launched[0][-len(theirs) :] == theirs


def test_root_without_a_display_is_told_and_served(
    tmp_path: Path,
    launched: list[list[str]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a container there is a line about root, one about the browser, and JupyterLab."""
    monkeypatch.setattr(cli, "can_open_browser", lambda: False)
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    assert cli.main(["lab", str(tmp_path / "mine")]) == 0
    assert launched[0][-2:] == ["--no-browser", "--allow-root"]
    lines = capsys.readouterr().out.splitlines()
    assert sum("root" in line and "container" in line for line in lines) == 1
    assert sum("open the address below" in line for line in lines) == 1


def test_without_jupyterlab_the_command_to_type_is_named(
    tmp_path: Path,
    launched: list[list[str]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before anything is copied, one sentence says what to install."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    said = refusal(capsys, "lab", str(tmp_path / "mine"))
    assert 'pip install "asyncteach[lab]"' in said
    assert not (tmp_path / "mine").exists()
    assert launched == []


def test_lab_runs_in_this_process_with_this_environments_kernel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No second process is started, and the learner's own wish about kernels is left alone."""
    calls: list[list[str]] = []

    class Module:
        class LabApp:
            @staticmethod
            def launch_instance(argv: list[str]) -> None:
                calls.append([*argv, os.environ["JUPYTER_PREFER_ENV_PATH"]])

    monkeypatch.setitem(sys.modules, "jupyterlab.labapp", Module)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "jupyterlab", Module)  # type: ignore[arg-type]
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    cli.launch_lab(["--no-browser"])
    monkeypatch.delenv("JUPYTER_PREFER_ENV_PATH")
    cli.launch_lab([])
    monkeypatch.delenv("JUPYTER_PREFER_ENV_PATH")
    assert calls == [["--no-browser", "0"], ["1"]]


@pytest.mark.parametrize(
    ("platform", "environment", "found", "expected"),
    [
        ("linux", {}, True, False),
        ("linux", {"DISPLAY": ":0"}, True, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True, True),
        ("linux", {"DISPLAY": ":0"}, False, False),
        ("linux", {"DISPLAY": ":10", "SSH_CONNECTION": "a"}, True, False),
        ("linux", {"SSH_TTY": "/dev/pts/0", "BROWSER": "remote-helper"}, True, True),
        ("darwin", {}, True, True),
        ("darwin", {"SSH_CONNECTION": "a"}, True, False),
        ("win32", {}, True, True),
        ("win32", {}, False, False),
    ],
)
def test_a_browser_opens_only_where_it_is_seen(
    platform: str,
    environment: dict[str, str],
    found: bool,
    expected: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A display, no SSH, and a browser that Python can find: or one that BROWSER names."""

    def get() -> object:
        if not found:
            raise cli.webbrowser.Error
        return object()

    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION", "SSH_TTY"):
        monkeypatch.delenv(name, raising=False)
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr(cli.sys, "platform", platform)
    monkeypatch.setattr(cli.webbrowser, "get", get)
    assert cli.can_open_browser() is expected


# The demo


@pytest.fixture
def demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """Return a function that runs the demo in tmp_path/"story" and returns what it said."""

    def run() -> str:
        assert cli.main(["demo", str(tmp_path / "story")]) == 0
        return capsys.readouterr().out

    return run


def test_the_demo_shows_when_async_helps_and_when_not(
    demo: Callable[[], str], tmp_path: Path
) -> None:
    """The chores take 100 and 40 minutes, leisure 100 and 100, and each has its picture."""
    chores, leisure = demo().split("Leisure\n")
    minutes = [
        [float(line[len(way) :].split()[0]) for line in table.splitlines() if line.startswith(way)]
        for table in (chores, leisure)
        for way in ("in turn ", "together ")
    ]
    assert minutes == [[100.0], [40.0], [100.0], [100.0]]
    for name in ("chores", "leisure"):
        path = tmp_path / "story" / f"{name}.png"
        assert str(path) in chores + leisure
        assert path.read_bytes().startswith(b"\x89PNG")


def test_the_demo_replaces_its_own_pictures_and_no_others(
    demo: Callable[[], str], tmp_path: Path
) -> None:
    """A second demo replaces the first's pictures; a learner's picture keeps its name."""
    demo()
    (tmp_path / "story" / "leisure.png").write_bytes(b"a photo of mine")
    said = demo()
    assert "chores.png (in place of an earlier demo's)" in said
    assert "leisure-2.png\n" in said
    assert (tmp_path / "story" / "leisure.png").read_bytes() == b"a photo of mine"
    demo()
    assert files_in(tmp_path / "story") == {"chores.png", "leisure.png", "leisure-2.png"}


def test_the_demo_refuses_a_file_for_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence, before anything is drawn."""
    (tmp_path / "story").touch()
    assert "a file: name a folder" in refusal(capsys, "demo", str(tmp_path / "story"))


# The costs


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, int]]:
    """Stand in for the measurement, which takes half a minute; collect what it was asked for."""
    from asyncteach.course.costs import measure_costs as costs
    from asyncteach.course.costs.plan import Findings

    asked: list[tuple[float, int]] = []

    def measure(seconds: float, most: int, progress: Callable[[str], None]) -> Findings:
        asked.append((seconds, most))
        progress("memory, 100 tasks")
        found = Findings()
        found.samples = {("start", "task", 1): [5.0], ("memory", "task", 1000): [1.4]}
        found.left_out = {("start", "interpreter", 1): "not yet"}
        return found

    monkeypatch.setattr(costs, "measure", measure)
    return asked


def test_the_costs_are_printed_and_drawn(
    tmp_path: Path, measured: list[tuple[float, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    """A table, what was left out, a figure of its own name; no progress where nobody watches."""
    assert cli.main(["costs", str(tmp_path / "mine")]) == 0
    said, progress = capsys.readouterr()
    assert "1.4 kB" in said
    assert "start (interpreter): not yet" in said
    assert said.endswith(f"The picture: {tmp_path / 'mine' / 'costs.png'}\n")
    assert progress == ""
    assert measured == [(30, 10_000)]
    (tmp_path / "mine" / "costs-2.png").touch()
    assert cli.main(["costs", str(tmp_path / "mine")]) == 0
    assert "costs.png (in place of an earlier measurement's)" in capsys.readouterr().out
    assert files_in(tmp_path / "mine") == {"costs.png", "costs-2.png"}


@pytest.mark.usefixtures("measured")
def test_a_terminal_sees_what_is_being_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, which is wiped out before the result comes."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert cli.main(["costs", str(tmp_path)]) == 0
    lines = capsys.readouterr().err.split("\r")
    assert lines[1].rstrip() == "  measuring memory, 100 tasks ..."
    assert lines[-2].strip() == lines[-1] == ""


def test_the_costs_are_not_measured_for_a_file(
    tmp_path: Path, measured: list[tuple[float, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder is looked at first."""
    (tmp_path / "mine").touch()
    assert "a file: name a folder" in refusal(capsys, "costs", str(tmp_path / "mine"))
    assert measured == []


# The command itself


def test_the_command_alone_prints_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a subcommand all are listed."""
    assert cli.main([]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("lab", "notebooks", "demo", "costs"))


def test_python_m_asyncteach_is_the_same_command(tmp_path: Path) -> None:
    """`python -m asyncteach` knows its version, and its exit code is the command's."""
    command = [sys.executable, "-W", "error", "-m", "asyncteach"]
    done = subprocess.run([*command, "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"asyncteach {__version__}\n")
    (tmp_path / "file").touch()
    done = subprocess.run([*command, "demo", str(tmp_path / "file")], capture_output=True)
    assert done.returncode == 1


def test_the_demo_runs_from_a_terminal(tmp_path: Path) -> None:
    """A fresh interpreter in an empty folder prints the story and leaves two pictures."""
    command = [sys.executable, "-W", "error", "-m", "asyncteach", "demo"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert files_in(tmp_path) == {"chores.png", "leisure.png"}


def test_the_command_line_is_light_to_import() -> None:
    """Help and errors come without Jupyter, pandas or Matplotlib."""
    code = (
        "import sys, asyncteach.cli; "
        "print({'jupyterlab', 'IPython', 'pandas', 'matplotlib', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n"
