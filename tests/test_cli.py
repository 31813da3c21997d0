"""The command line in processes of its own."""

import os
import subprocess
import sys

COMMAND = [sys.executable, "-W", "error", "-m", "asyncteach"]


def test_the_demo_runs_from_a_terminal(tmp_path):
    done = subprocess.run([*COMMAND, "demo"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == {"chores.png", "leisure.png"}
    done = subprocess.run([*COMMAND, "demo", "chores.png"], cwd=tmp_path, capture_output=True)
    assert done.returncode == 1


def test_a_name_that_the_terminal_cannot_print_is_no_error(tmp_path):
    done = subprocess.run(
        [*COMMAND, "notebooks", str(tmp_path / "Übung")],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\xdcbung" in done.stdout
