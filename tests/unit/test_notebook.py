"""%%timeline in an IPython shell of this process, against the same cell without it."""

import asyncio
import builtins
import re
import sys

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from asyncteach.notebook.magic import quote_first_line, read_options
from asyncteach.places import name_cell

QUIET = "%%timeline --no-picture --no-text"


@pytest.fixture(scope="module")
def bare_shell():
    """A shell without the extension; afterwards Python is as it was."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "__main__", sys.modules["__main__"])
        patch.setattr(sys, "displayhook", sys.displayhook)
        patch.delenv("VIRTUAL_ENV", raising=False)  # IPython warns of another one than its own
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
    "await": "import asyncio\nawait asyncio.sleep(0, 'slept')",
    "prints": "for n in range(3):\n    print(n)",
    "several values": "1\n2\n3",
    "a line magic": "%pwd\nhere = %pwd\nlen(here) > 0",
    "future import": "from __future__ import annotations\ndef f(x: y): pass\nf.__annotations__",
    "docstring and future import": "'a script'\nfrom __future__ import annotations\n5",
    "names": "sorted(name for name in globals() if 'timeline' in name)",
    "names inside": "def names():\n    return '__timeline__' in globals()\nnames()",
    "error": "1\n1/0\n2",
    "error in a function": "def f():\n    raise ValueError('no')\n\nf()",
    "error after await": "import asyncio\nawait asyncio.sleep(0)\nint('x')",
    "error in a task": (
        "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    raise KeyError('k')\n"
        "await asyncio.gather(f(), f())"
    ),
    "interrupted": "raise KeyboardInterrupt",
    "syntax error": "x = 1\ny = (",
    "return": "return 5",
}


# The same in a shell that is set to show every value.
SHOWN = ["assignment", "several values", "prints", "await", "error", "value"]


def outcome(shell, capsys, cell):
    """Return all that a person could see of a cell, and what it has left in the namespace."""
    before = set(shell.user_ns)
    capsys.readouterr()
    result = run(shell, cell)
    seen = capsys.readouterr()
    error = result.error_before_exec or result.error_in_exec
    left = {name: shell.user_ns.pop(name) for name in shell.user_ns.keys() - before}
    names = {
        name: simple(value)
        for name, value in sorted(left.items())
        if not re.fullmatch(r"_+i*\d*|_timeline|_exit_code", name)
    }
    value = shell.user_ns["Out"].pop(result.execution_count, None)
    parts = (type(error), error, seen.out, seen.err, names, simple(value))
    return [plain(part) for part in parts]


def simple(value):
    """Return what is alike in two runs of a cell: not every value has a text that is."""
    return value if isinstance(value, int | str | list | tuple | None) else type(value)


def plain(thing):
    """Return the text of something without what must differ: names of files, and first lines."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(thing))
    text = re.sub(r"(<ipython-input|(In|Out) ?\[)[-\w]+[\]>]|0x[0-9a-f]+", "...", text)
    return re.sub(r" +1 ('%%timeline.*|#)\n", "", text)


@pytest.mark.parametrize(
    ("name", "shown"),
    [*((name, "last_expr") for name in CELLS), *((name, "all") for name in SHOWN)],
)
def test_a_cell_does_what_it_does_without(shell, capsys, name, shown):
    """The same output, value, names, and the same error with its traceback to the line."""
    shell.ast_node_interactivity = shown
    # A comment stands for the first line, so that the others have the same number.
    without = outcome(shell, capsys, f"#\n{CELLS[name]}")
    shell.run_line_magic("load_ext", "asyncteach")
    assert outcome(shell, capsys, f"{QUIET}\n{CELLS[name]}") == without


def test_other_cells_are_left_alone(loaded):
    """A magic of a similar name, one further down, a string: none of them is ours."""
    for first in ("x = 1", "%%timelines", "%%timeit", "# %%timeline", "'%%time'", "%timeline"):
        lines = [f"{first}\n", "%%timeline\n"]
        assert quote_first_line(lines) == lines
    assert run(loaded, "'%%times'\n5").result == 5


def test_no_line_moves():
    """The first line becomes a string, and the others stay where they are."""
    lines = ["%%timeline --name x  # a note\n", "\n", "# a comment\n", "await f()\n"]
    quoted = quote_first_line(lines)
    assert quoted[1:] == lines[1:]
    assert compile(quoted[0], "cell", "eval")


# What it records


def recording_of(shell, cell, options=""):
    run(shell, f"{QUIET} {options}\n{cell}")
    return shell.user_ns["_timeline"]


def test_the_recording_is_of_the_cell_and_not_of_showing_its_value(loaded):
    cell = (
        "import time\nclass Slow:\n    def __repr__(self):\n        return f'{time.sleep(0.1)}'\n"
    )
    assert recording_of(loaded, f"{cell}Slow()").blocked().empty
    recording = recording_of(loaded, "import asyncio\nawait asyncio.sleep(30)", "--virtual")
    assert recording.seconds == 30
    assert recording.title == "This cell"


def test_the_threshold_decides_what_is_reported_and_the_variable_keeps_the_recording(loaded):
    cell = "import asyncio, time\nasync def f():\n    time.sleep(0.4)\nawait f()"
    for threshold, name, blocks in (("0.3", "short", 1), ("0.5", "long", 0)):
        before = set(loaded.user_ns)
        run(loaded, f"{QUIET} --virtual --threshold {threshold} --name {name}\n{cell}")
        assert len(loaded.user_ns[name].blocked()) == blocks
        left = {name for name in loaded.user_ns.keys() - before if not re.match(r"_+i*\d*$", name)}
        assert left <= {name, "asyncio", "time", "f"}


@pytest.mark.parametrize(
    ("options", "last", "order"),
    [
        ("", "'val'", ["mine", "'val'", "#", "1 task"]),
        ("--no-picture", "1 / 0", ["mine", "ZeroDivisionError", "1 task"]),
        ("--no-text", "'val'", ["mine", "'val'", "#"]),
    ],
)
def test_the_timeline_comes_below_the_output_and_once(loaded, capsys, options, last, order):
    cell = f"import asyncio\nprint('mine')\nawait asyncio.sleep(0)\n{last}"
    run(loaded, f"%%timeline --virtual {options}\n{cell}")
    run(loaded, "print('the next cell')")
    out = capsys.readouterr().out
    places = [out.find(words) for words in order]
    assert places == sorted(places)
    assert places[0] >= 0
    assert (out.count("1 task"), "#" in out) == ("1 task" in order, "#" in order)
    assert out.endswith("the next cell\n")


@pytest.mark.parametrize(
    ("last", "lines"),
    # Looking at a coroutine that an earlier line made is meant.
    [("fetch()", [6]), ("plan", []), ("await plan", []), ("ended()", [])],
)
def test_a_call_without_await_at_the_end_is_reported(loaded, last, lines):
    """Python can't warn of it, since Out keeps it; explain() names the call and the fix."""
    cell = (
        "async def fetch(): pass\nplan = fetch()\ndef ended():\n    plan.close()\n    return plan\n"
    )
    findings = recording_of(loaded, cell.replace("\n    return", "; return") + last).findings
    assert [(one.kind, one.line) for one in findings] == [("never-awaited", n) for n in lines]
    assert all("`await fetch(" in one.fix for one in findings)
    loaded.user_ns["plan"].close()
    if lines:
        loaded.user_ns["Out"].pop(loaded.execution_count - 1).close()


# With other magics


@pytest.mark.parametrize("first", ["%%timeline\n\n%%time", "%%time\n%%timeline"])
def test_it_can_be_stacked_with_other_magics(loaded, capsys, first):
    result = run(loaded, f"{first}\nx = 5\nx")
    assert result.success
    assert result.result == loaded.user_ns["x"] == 5
    out = capsys.readouterr().out
    assert "Wall time" in out
    assert "This cell" in out


# Wrong options


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--thresold 3\n5", "unrecognized arguments: --thresold 3"),
        ("slow\n5", "unrecognized arguments: slow"),
        ("--threshold\n5", "--threshold: expected one argument"),
        ("--threshold fast\n5", "--threshold: invalid float value: 'fast'"),
        ("--threshold 0\n5", "--threshold takes a number of seconds, more than 0, but got 0.0"),
        ("--threshold nan\n5", "--threshold takes a finite number of seconds but got nan"),
        ("--width 51\n5", "--width takes a number of inches, from 3 to 50, but got 51.0"),
        ("--name class\n5", "--name takes the name of a variable but got 'class'"),
        ("--virtual=yes\n5", "--virtual: ignored explicit argument 'yes'"),
        ("--name 'x\n5", "No closing quotation"),
        ("", "it shows what the code below it does, but there is none"),
        ("--virtual\n\n   \n", "it shows what the code below it does, but there is none"),
    ],
)
def test_a_wrong_line_gets_a_sentence_and_the_cell_is_not_run(loaded, capsys, line, words):
    result = run(loaded, f"%%timeline {line}")
    assert isinstance(result.error_before_exec, UsageError)
    assert result.result is None
    seen = "".join(capsys.readouterr())
    assert words in seen
    assert seen.strip().count("\n") == 0
    assert "`%%timeline?`" in seen


def test_the_magic_itself_says_where_it_belongs(loaded):
    with pytest.raises(UsageError, match="the first line of the cell"):
        loaded.run_cell_magic("timeline", "", "5")


def test_the_help_tells_every_option(loaded, monkeypatch):
    pages = []
    monkeypatch.setattr("IPython.core.page.page", pages.append)
    run(loaded, "%%timeline?")
    text = pages[0]["text/plain"]
    for option in vars(read_options("%%timeline  # all as usual")):
        assert f"--{option.replace('_', '-')} " in text


def test_a_terminal_waits_for_the_code(loaded):
    """The first line alone isn't a whole cell; a blank line ends it."""
    check = loaded.input_transformer_manager.check_complete
    assert check("%%timeline --width 5")[0] == "incomplete"
    assert check("%%timeline\nx = 5\n\n")[0] == "complete"


# Coming and going


def parts(shell):
    """Return all that an extension can add to a shell."""
    return (
        [*shell.input_transformers_cleanup],
        [*shell.ast_transformers],
        {name: [*callbacks] for name, callbacks in shell.events.callbacks.items()},
        {kind: {**magics} for kind, magics in shell.magics_manager.magics.items()},
    )


def test_unloading_leaves_the_shell_as_it_was(shell, capsys):
    """However often it was loaded."""
    before = parts(shell)
    for command in ("load_ext", "load_ext", "reload_ext"):
        shell.run_line_magic(command, "asyncteach")
    assert run(shell, f"{QUIET}\n5").result == 5
    shell.run_line_magic("unload_ext", "asyncteach")
    assert parts(shell) == before
    run(shell, "%%timeline\n5")
    assert "Cell magic `%%timeline` not found" in "".join(capsys.readouterr())


def test_a_cell_is_named_without_the_extension(shell):
    """A recording names lines as the cell shows them, in any shell."""
    run(shell, "import sys\npath = sys._getframe().f_code.co_filename")
    assert name_cell(shell.user_ns["path"]) == f"In [{shell.execution_count - 1}]"
    assert name_cell(__file__) is None
