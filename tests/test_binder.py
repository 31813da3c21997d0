"""Binder gets what it needs: its own tool accepts the files, and their steps run lesson 1."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LESSON = ROOT / "notebooks" / "01-chores-and-leisure.ipynb"
VERSION = (ROOT / "binder" / "runtime.txt").read_text().strip().removeprefix("python-")


def run(*command, **keywords):
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, **keywords
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_repo2docker_accepts_the_binder_folder():
    tool = shutil.which("jupyter-repo2docker", path=Path(sys.executable).parent)
    if tool is None:
        pytest.skip("no jupyter-repo2docker on this platform")
    plan = run(tool, "--no-build", "--debug", ".")
    assert f"conda environment for python={VERSION}" in plan
    assert "binder/requirements.txt" in plan


def test_the_badge_opens_the_map_of_the_course():
    readme = (ROOT / "README.md").read_text()
    assert "urlpath=lab/tree/notebooks/00-start-here.ipynb" in readme
    assert (ROOT / "notebooks" / "00-start-here.ipynb").exists()


@pytest.mark.full
def test_the_steps_of_binder_run_lesson_1_in_a_fresh_environment(tmp_path):
    if not os.environ.get("CI"):
        pytest.skip("set CI=1 to build Binder's environment, which takes a minute")
    python = shutil.which(f"python{VERSION}")
    if python is None:
        pytest.skip(f"no python{VERSION}, the one that Binder takes")
    run(python, "-m", "venv", tmp_path)
    own = tmp_path / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    # What the image brings along, then what binder/requirements.txt adds, from the repository.
    run(own, "-m", "pip", "install", "-q", "ipykernel==7.0.1", "nbclient")
    run(own, "-m", "pip", "install", "-q", "-r", "binder/requirements.txt")
    execute = (
        "import sys, nbformat, nbclient\n"
        "book = nbformat.read(sys.argv[1], 4)\n"
        "nbclient.NotebookClient(book, kernel_name='python3').execute()\n"
        "print(sum(cell.cell_type == 'code' for cell in book.cells), 'cells')"
    )
    environment = {**os.environ, "JUPYTER_PREFER_ENV_PATH": "1"}
    assert "cells" in run(own, "-c", execute, str(LESSON), env=environment)
