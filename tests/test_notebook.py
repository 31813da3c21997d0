"""%%timeline in an IPython shell of this process, against the same cell without it."""

import asyncio
import builtins
import re
import sys

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import asyncteach
from asyncteach.notebook import name_cell, quote_first_line
from asyncteach.options import read_options

QUIET = "%%timeline --no-picture --no-text"


@pytest.fixture
def shell(monkeypatch):
    """A shell that starts with no cell run; afterwards Python is as it was."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    monkeypatch.setattr(sys, "displayhook", sys.displayhook)
    for name in ("exit", "quit"):
        monkeypatch.setattr(builtins, name, getattr(builtins, name))
    config = Config({"HistoryManager": {"hist_file": ":memory:"}})
    shell = InteractiveShell.instance(config=config)
    shell.loop_runner = asyncio.run
    yield shell
    asyncteach.unload_ipython_extension(shell)
    shell.restore_sys_module_state()
    shell.history_manager.end_session()
    InteractiveShell.clear_instance()


@pytest.fixture
def loaded(shell):
    shell.run_line_magic("load_ext", "asyncteach")
    return shell


def run(shell, cell):
    """Run a cell as a notebook does, and return what became of it."""
    return shell.run_cell(cell, store_history=True)


# The cell stays what it is

CELLS = {
    "value": "1 + 1",
    "assignment": "x = 3",
    "value of an assignment": "x = 3\nx",
    "await": "import asyncio\nawait asyncio.sleep(0, 'slept')",
    "await and assignment": "import asyncio\nx = await asyncio.sleep(0, 5)\ny = x + 1",
    "async with and for": (
        "import asyncio\nasync def count():\n    yield 1\n    yield 2\n"
        "async with asyncio.timeout(5):\n    seen = [n async for n in count()]\nseen"
    ),
    "quiet": "1 + 1;",
    "nothing to show": "None",
    "prints": "for n in range(3):\n    print(n)",
    "expression in a block": "if True:\n    1 + 1",
    "several values": "1\n2\n3",
    "a line magic": "%pwd\nhere = %pwd\nlen(here) > 0",
    "a shell command": "out = !echo hello\nout[0]",
    "future import": "from __future__ import annotations\ndef f(x: nowhere): pass\nf.__annotations__",
    "only a future import": "from __future__ import annotations",
    "docstring": "'a first string'\n5",
    "names": "sorted(name for name in globals() if 'timeline' in name)",
    "names inside": "def names():\n    return '__timeline__' in globals()\nnames()",
    "walrus": "(z := 4)",
    "delete": "x = 1\ndel x",
    "lambda": "f = lambda: 1\nf.__name__, f()",
    "class": "class A:\n    x = 1\nA.x, A.__module__",
    "comment at the end": "7  # seven",
    "blank lines": "\n\n7\n\n",
    "error": "1\n1/0\n2",
    "error in a function": "def f():\n    raise ValueError('no')\n\nf()",
    "error in the last value": "x = 1\nx.nothing",
    "error after await": "import asyncio\nawait asyncio.sleep(0)\nint('x')",
    "error in a task": (
        "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    raise KeyError('k')\n"
        "await asyncio.gather(f(), f())"
    ),
    "error with a cause": "try:\n    1/0\nexcept ZeroDivisionError as e:\n    raise OSError from e",
    "error over several lines": "(1 +\n 2 +\n None)",
    "group": "raise ExceptionGroup('both', [ValueError('one')])",
    "cancelled": "import asyncio\nraise asyncio.CancelledError",
    "interrupted": "raise KeyboardInterrupt",
    "system exit": "raise SystemExit(3)",
    "broken repr": "class B:\n    def __repr__(self):\n        return 1/0\nB()",
    "syntax error": "x = 1\ny = (",
    "syntax error at the start": "x = = 1",
    "indentation": "x = 1\n  y = 2",
    "return": "return 5",
}


def outcome(shell, capsys, cell):
    """Return all that a person could see of a cell, and what is left in the namespace."""
    shell.reset()
    capsys.readouterr()
    result = run(shell, cell)
    seen = capsys.readouterr()
    error = result.error_before_exec or result.error_in_exec
    names = {
        name: value if isinstance(value, int | str | list | tuple) else type(value)
        for name, value in shell.user_ns.items()
        if not re.fullmatch(r"_i*\d*|_+|_timeline|In|Out|_dh|_oh|_ih|_exit_code", name)
    }
    outputs = {n: v if isinstance(v, int | str | tuple | list) else type(v) for n, v in
               shell.user_ns["Out"].items()}  # fmt: skip
    return type(error), str(error), seen.out, seen.err, names, outputs


def plain(text):
    """Take from a traceback what must differ: the name of the file, and the first line."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(text))
    text = re.sub(r"<ipython-input-\d+-\w+>|0x[0-9a-f]+", "...", text)
    return re.sub(r" +1 '?%%timeline.*\n| +1 #\n", "", text)


@pytest.mark.filterwarnings("ignore:To exit")
@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
@pytest.mark.parametrize("shown", ["last_expr", "last_expr_or_assign", "all", "none"])
def test_a_cell_shows_leaves_and_raises_what_it_does_without(shell, capsys, cell, shown):
    """The same output, values, names, and traceback to the line."""
    shell.ast_node_interactivity = shown
    # A comment in the place of the magic: every line has the number that it has below it.
    without = outcome(shell, capsys, f"#\n{cell}")
    shell.run_line_magic("load_ext", "asyncteach")
    with_timeline = outcome(shell, capsys, f"{QUIET}\n{cell}")
    assert [plain(part) for part in with_timeline] == [plain(part) for part in without]
