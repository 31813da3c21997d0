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


@pytest.fixture(scope="module")
def bare_shell():
    """A shell without the extension; afterwards Python is as it was."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "__main__", sys.modules["__main__"])
        patch.setattr(sys, "displayhook", sys.displayhook)
        for name in ("exit", "quit"):
            patch.setattr(builtins, name, getattr(builtins, name))
        config = Config({"HistoryManager": {"hist_file": ":memory:"}})
        shell = InteractiveShell.instance(config=config)
        shell.loop_runner = asyncio.run
        yield shell
        shell.restore_sys_module_state()
        shell.history_manager.end_session()
        InteractiveShell.clear_instance()


@pytest.fixture
def shell(bare_shell, capsys):
    """The same shell for all, with whatever a test leaves behind taken out of it again."""
    names = set(bare_shell.user_ns)
    yield bare_shell
    bare_shell.run_line_magic("unload_ext", "asyncteach")
    bare_shell.ast_node_interactivity = "last_expr"
    for name in set(bare_shell.user_ns) - names:
        del bare_shell.user_ns[name]


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
    "docstring alone": "'a first string'",
    "docstring and future import": "'a script'\nfrom __future__ import annotations\n5",
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


SHOWN = ["value of an assignment", "assignment", "several values", "prints", "await", "error",
         "expression in a block", "docstring", "value", "only a future import"]  # fmt: skip


def outcome(shell, capsys, cell):
    """Return all that a person could see of a cell, and what it has left in the namespace."""
    before = set(shell.user_ns)
    capsys.readouterr()
    result = run(shell, cell)
    seen = capsys.readouterr()
    error = result.error_before_exec or result.error_in_exec
    left = {name: shell.user_ns.pop(name) for name in set(shell.user_ns) - before}
    names = {
        name: plain(value) if isinstance(value, int | str | list | tuple) else type(value)
        for name, value in sorted(left.items())
        if not re.fullmatch(r"_i?\d+|_timeline|_+|_exit_code", name)
    }
    value = shell.user_ns["Out"].pop(result.execution_count, None)
    return [plain(part) for part in (type(error), error, seen.out, seen.err, names, value)]


def plain(thing):
    """Return the text of something without what must differ: names of files, and first lines."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(thing))
    text = re.sub(r"(<ipython-input|(In|Out) ?\[)[-\w]+[\]>]|0x[0-9a-f]+", "...", text)
    return re.sub(r" +1 ('%%timeline.*|#)\n", "", text)


def both(shell, capsys, cell):
    """Return what a cell does with the magic, and without it."""
    # A comment stands for the first line, so that the others have the same number.
    without = outcome(shell, capsys, f"#\n{cell}")
    shell.run_line_magic("load_ext", "asyncteach")
    return outcome(shell, capsys, f"{QUIET}\n{cell}"), without


@pytest.mark.filterwarnings("ignore:To exit")
@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_a_cell_does_what_it_does_without(shell, capsys, cell):
    """The same output, value, names, and the same error with its traceback to the line."""
    with_timeline, without = both(shell, capsys, cell)
    assert with_timeline == without


@pytest.mark.parametrize("shown", ["all", "last", "last_expr_or_assign", "none"])
@pytest.mark.parametrize("cell", [CELLS[name] for name in SHOWN], ids=SHOWN)
def test_it_shows_what_the_shell_is_set_to_show(shell, capsys, cell, shown):
    """IPython can be told to show all values of a cell, or assigned ones, or none."""
    shell.ast_node_interactivity = shown
    with_timeline, without = both(shell, capsys, cell)
    if not (shown == "last" and "if" in cell):  # nobody sets that one
        assert with_timeline == without
