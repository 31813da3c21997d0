"""Every example in a docstring and in the README runs and shows what it says."""

import ast
import asyncio
import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import asyncteach

ROOT = Path(__file__).parent.parent
MODULES = sorted(info.name for info in pkgutil.walk_packages(asyncteach.__path__, "asyncteach."))


@pytest.mark.parametrize("name", [name for name in MODULES if name != "asyncteach.__main__"])
def test_the_examples_of_the_docstrings_run(name):
    module = importlib.import_module(name)
    options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    result = doctest.testmod(module, optionflags=options)
    assert result.failed == 0


@pytest.mark.parametrize("name", [n for n in asyncteach.__all__ if n not in ("CHORES", "LEISURE")])
def test_every_public_name_has_an_example(name):
    assert ">>>" in getattr(asyncteach, name).__doc__


def test_the_examples_of_the_readme_run_in_order():
    examples = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    assert examples
    names = {"__name__": "readme"}
    for example in examples:
        code = compile(example, "README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        # With `await` on top it is a cell's, else it runs in a script, too.
        result = eval(code, names)
        if inspect.isawaitable(result):
            asyncio.run(finish(result))


async def finish(awaitable):
    await awaitable


def test_ci_calls_the_test_command_of_the_readme():
    readme = (ROOT / "README.md").read_text()
    (command,) = re.findall(r'^pip install -e "\.\[test\]" && pytest$', readme, re.M)
    assert command in (ROOT / ".ci" / "run").read_text().splitlines()
