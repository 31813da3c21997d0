"""The `%%timeline` magic.

The cell's code runs as it would without the magic: no line of it moves, and its syntax tree is
put into a `with` block that records. IPython shows what the cell shows and raises, as always; the
timeline follows when IPython reports that the cell has run.
"""

import argparse
import ast
import inspect
import keyword
from contextlib import ExitStack
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from asyncteach.arguments import check_number

_MAGIC = "%%timeline"

_SLOT = "__timeline__"
"""The name under which the cell's code finds the block and hands back its last value."""

_extensions: dict[int, "Extension"] = {}


def load_ipython_extension(shell: Any) -> None:
    """Add `%%timeline` to a notebook; `%load_ext asyncteach` calls this."""
    _extensions[id(shell)] = Extension(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Remove `%%timeline` again; `%unload_ext asyncteach` calls this."""
    _extensions.pop(id(shell)).remove()


@magic_arguments(_MAGIC[1:])
@argument("--threshold", type=float, default=0.05, help="report blocks longer than this (0.05 s)")
@argument("--width", type=float, default=9.0, help="width in inches, from 3 to 50 (9)")
@argument("--name", default="_timeline", help="the variable that keeps the recording (_timeline)")
@argument("--virtual", action="store_true", help="let time jump, as `with virtual_time():` does")
@argument("--no-picture", action="store_true", help="show the explanation only")
@argument("--no-text", action="store_true", help="show the picture only")
def timeline(line: str, cell: str) -> None:
    """Run a cell as usual, and show below it which tasks were running, ready and waiting.

    The code below that line runs as it would without it, `await` included. Below its output the
    cell shows a picture of its tasks and the text of `explain()`, even if the code fails or is
    interrupted. Tasks that other cells have started aren't shown.

    For example::

        %%timeline --threshold 0.1
        await asyncio.gather(fetch("news"), fetch("weather"))

    To record part of a cell, write `with record() as recording:`, and then `recording`.
    """
    raise _usage_error("it has to be the first line of the cell")


def _usage_error(reason: str) -> UsageError:
    """Return an error that IPython shows as one line, without a traceback."""
    return UsageError(f"{_MAGIC}: {reason}. `{_MAGIC}?` shows how to use it.")


def read_options(line: str) -> argparse.Namespace:
    """Return the options on a line `%%timeline ...`; raise UsageError if one is wrong."""
    words = line.partition("#")[0].strip().removeprefix(_MAGIC)
    try:
        options: argparse.Namespace = parse_argstring(timeline, words)
        check_number(options.threshold, "--threshold", unit="seconds", above=True)
        check_number(options.width, "--width", unit="inches", least=3, most=50, fix="leave it out")
        if not options.name.isidentifier() or keyword.iskeyword(options.name):
            raise ValueError(f"--name takes the name of a variable but got {options.name!r}")
    except (UsageError, ValueError) as error:
        raise _usage_error(str(error).removeprefix("argument ").rstrip(".")) from None
    return options


class Extension:
    """The extension of one IPython shell, and the block in which a cell's code runs."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._recording: Any = None
        shell.input_transformers_cleanup.append(quote_first_line)
        shell.ast_transformers.append(self)
        shell.events.register("post_run_cell", self.show)
        shell.register_magic_function(timeline, "cell", "timeline")

    def remove(self) -> None:
        """Leave the shell as it was."""
        self._shell.input_transformers_cleanup.remove(quote_first_line)
        self._shell.ast_transformers.remove(self)
        self._shell.events.unregister("post_run_cell", self.show)
        self._shell.magics_manager.magics["cell"].pop("timeline", None)

    def visit(self, module: ast.Module) -> ast.Module:
        """Put the code of a cell that started with `%%timeline` into the block that records."""
        match module:
            case ast.Module(body=[ast.Expr(value=ast.Constant(value=str(line))) as first, *code]):
                if line.split()[:1] != [_MAGIC]:
                    return module
            case _:
                return module
        # `from __future__ import ...` can't be in a block, nor can what comes before it.
        futures = [isinstance(n, ast.ImportFrom) and n.module == "__future__" for n in code]
        top = max((index for index, found in enumerate(futures, 1) if found), default=0)
        body = code[top:] or [ast.Pass()]
        self._options, self._last, last = read_options(line), None, body[-1]
        block = ast.With([ast.withitem(ast.Name(_SLOT, ast.Load()))], body)
        module.body = [*code[:top], ast.copy_location(block, first)]
        # IPython shows the last value after the block, so that the recording is over by then. If
        # it is set to show every value, it finds the expressions inside the block by itself.
        if isinstance(last, ast.Expr) and self._shell.ast_node_interactivity != "all":
            self._last = last.value
            store = ast.Assign([ast.Name(_SLOT, ast.Store())], last.value)
            body[-1] = ast.copy_location(store, last)
            module.body.append(ast.copy_location(ast.Expr(ast.Name(_SLOT, ast.Load())), last))
        self._shell.user_ns[_SLOT] = self
        return ast.fix_missing_locations(module)

    def __enter__(self) -> None:
        from asyncteach import record, virtual_time

        del self._shell.user_ns[_SLOT]
        self._code = inspect.currentframe().f_back.f_code  # type: ignore[union-attr]
        with ExitStack() as stack:
            if self._options.virtual:
                stack.enter_context(virtual_time())
            recorder = record(threshold=self._options.threshold, title="This cell")
            self._recording = stack.enter_context(recorder)
            self._stack = stack.pop_all()

    def __exit__(self, *exception: Any) -> None:
        from asyncteach.recorder.scope import open_session

        # A call at the cell's end whose coroutine is never awaited: Python can't warn about it,
        # since IPython keeps the coroutine in `Out`.
        value, session, last = self._shell.user_ns.get(_SLOT), open_session(), self._last
        is_new = inspect.iscoroutine(value) and inspect.getcoroutinestate(value) == "CORO_CREATED"
        if session and is_new and isinstance(last, ast.Call):
            session.note("never-awaited", None, (self._code, last.lineno), value.__qualname__)
        self._stack.__exit__(*exception)
        self._shell.user_ns[self._options.name] = self._recording

    def show(self, *_: object) -> None:
        """Show the picture and the explanation, below all that the cell has shown."""
        from asyncteach.timeline.figure import draw_timelines

        self._shell.user_ns.pop(_SLOT, None)
        recording, self._recording = self._recording, None
        if recording is None:
            return
        if not self._options.no_picture:
            picture, about = draw_timelines([recording], width=self._options.width)._repr_png_()
            bundle = {"image/png": picture, "text/plain": str(recording)}
            self._shell.display_pub.publish(bundle, {"image/png": about})
        if not self._options.no_text:
            print(recording.explain())


def quote_first_line(lines: list[str]) -> list[str]:
    """Turn the line `%%timeline` into a string: the cell is plain Python, and no line moves."""
    if not lines or lines[0].split()[:1] != [_MAGIC]:
        return lines
    from IPython.core import inputtransformer2

    cell_magic: Any = inputtransformer2.cell_magic
    read_options(lines[0])
    code = next((n for n, line in enumerate(lines) if n and line.strip()), None)
    if code is None:
        raise _usage_error("it shows what the code below it does, but there is none")
    # The next line may be another cell magic.
    return [f"{lines[0].strip()!r}\n", *lines[1:code], *cell_magic(lines[code:])]


# Without this, IPython in a terminal takes the first line alone for a complete cell.
quote_first_line.has_side_effects = True  # type: ignore[attr-defined]
