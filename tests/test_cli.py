"""The command line in processes of its own."""

import os
import subprocess
import sys

from asyncteach import __version__

COMMAND = [sys.executable, "-W", "error", "-m", "asyncteach"]


def test_python_m_asyncteach_is_the_same_command(tmp_path):
    done = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"asyncteach {__version__}\n")
    (tmp_path / "file").touch()
    done = subprocess.run([*COMMAND, "demo", str(tmp_path / "file")], capture_output=True)
    assert done.returncode == 1


def test_the_demo_runs_from_a_terminal(tmp_path):
    done = subprocess.run([*COMMAND, "demo"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == {"chores.png", "leisure.png"}


def test_a_name_that_the_terminal_cannot_print_is_no_error(tmp_path):
    done = subprocess.run(
        [*COMMAND, "notebooks", str(tmp_path / "Übung")],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\xdcbung" in done.stdout


def test_the_command_line_is_light_to_import():
    code = (
        "import sys, asyncteach.cli; "
        "print({'jupyterlab', 'IPython', 'pandas', 'matplotlib', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n"
