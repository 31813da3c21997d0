"""The package as it is installed: light to import, complete, and in good style."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import asyncteach

ROOT = Path(__file__).parent.parent


def python(*arguments, **keywords):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, **keywords
    )


@pytest.mark.parametrize("then", ["", "asyncteach.run_in_turn(asyncteach.CHORES, clock='virtual')"])
def test_what_draws_or_serves_is_loaded_when_it_is_used(then):
    heavy = ["pandas", "matplotlib", "IPython", "nest_asyncio", "tornado", "httpx2", "distributed"]
    code = f"import asyncteach, asyncteach.cli, sys; {then}\nprint({{*{heavy}}} & {{*sys.modules}})"
    assert python("-c", code).stdout == "set()\n"


@pytest.mark.parametrize("name", asyncteach.__all__)
def test_every_public_name_is_there_and_documented(name):
    thing = getattr(asyncteach, name)
    assert name in dir(asyncteach)
    if callable(thing):
        assert thing.__doc__


def test_a_name_that_is_not_there_is_an_ordinary_error():
    with pytest.raises(AttributeError, match="no attribute 'run_twice'"):
        _ = asyncteach.run_twice


def test_the_wheel_carries_the_notebooks_and_works_without_the_repository(tmp_path):
    built = python("-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path), cwd=ROOT)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert f"-{asyncteach.__version__}-" in wheel.name
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    assert (site / "asyncteach" / "py.typed").exists()
    copied = python(
        "-c",
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "from asyncteach.cli import main\n"
        f"sys.exit(main(['notebooks', {str(tmp_path / 'lessons')!r}]))",
        cwd=tmp_path,
    )
    assert copied.returncode == 0, copied.stderr
    lessons = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert sorted(path.name for path in (tmp_path / "lessons").glob("*.ipynb")) == lessons


@pytest.mark.parametrize(
    "command",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]],
    ids=["lint", "format", "types"],
)
def test_the_code_is_in_good_style(command):
    checked = python("-m", *command, cwd=ROOT)
    assert checked.returncode == 0, checked.stdout + checked.stderr
