"""The `%%timeline` magic.

The cell's code runs as it would without the magic: no line of it moves, and its syntax tree is
put into a `with` block that records. IPython shows what the cell shows and raises, as always; the
timeline follows when IPython says that the cell is over.
"""

import argparse
import ast
import inspect
import keyword
import math
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

_MAGIC = "%%timeline"

_SLOT = "__timeline__"
"""The name that hands the block to the cell's code, and the last value back: then it is gone."""

_extensions: dict[int, "Extension"] = {}


def load_ipython_extension(shell: Any) -> None:
    """Give a notebook `%%timeline`: what `%load_ext asyncteach` calls."""
    if id(shell) not in _extensions:
        _extensions[id(shell)] = Extension(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take `%%timeline` away again: what `%unload_ext asyncteach` calls."""
    extension = _extensions.pop(id(shell), None)
    if extension is not None:
        extension.remove()


@magic_arguments(_MAGIC[1:])
@argument(
    "--threshold", metavar="SECONDS", type=float, default=0.05,
    help="report what holds the event loop for longer than that (0.05)",
)  # fmt: skip
@argument(
    "--width", metavar="INCHES", type=float, default=9.0,
    help="how wide the picture is, from 3 to 50 (9)",
)  # fmt: skip
@argument(
    "--name", metavar="VARIABLE", default="_timeline",
    help="the variable that keeps the recording (_timeline)",
)  # fmt: skip
@argument("--virtual", action="store_true", help="let time jump, as `with virtual_time():` does")
@argument("--no-picture", action="store_true", help="show the explanation only")
@argument("--no-text", action="store_true", help="show the picture only")
def timeline(line: str, cell: str) -> None:
    """Run a cell as usual, and show below it which tasks were running, ready and waiting.

    The code below that line runs as it would without it, `await` included. Below its output the
    cell shows a picture of its tasks and the text of `explain()`, also if the code fails or is
    interrupted. Tasks that other cells have started aren't shown.

    For example::

        %%timeline --threshold 0.1
        await asyncio.gather(fetch("news"), fetch("weather"))

    For a part of a cell write `with record() as recording:`, and then `recording`.
    """
    raise _usage_error("it has to be the first line of the cell")


def _usage_error(reason: str) -> UsageError:
    """Return what IPython shows as one line, without a traceback."""
    return UsageError(f"{_MAGIC}: {reason}. `{_MAGIC}?` shows how to use it.")


def read_options(line: str) -> argparse.Namespace:
    """Return the options on a line `%%timeline ...`; raise UsageError, in a sentence."""
    words = line.partition("#")[0].strip().removeprefix(_MAGIC)
    try:
        options: argparse.Namespace = parse_argstring(timeline, words)
    except (UsageError, ValueError) as error:  # ValueError: a quotation mark without its partner
        raise _usage_error(str(error).removeprefix("argument ")) from None
    if not 0 < options.threshold < math.inf:
        raise _usage_error(f"--threshold takes seconds, more than 0, not {options.threshold:g}")
    if not 3 <= options.width <= 50:
        raise _usage_error(f"--width takes inches, from 3 to 50, not {options.width:g}")
    if not options.name.isidentifier() or keyword.iskeyword(options.name):
        raise _usage_error(f"--name takes the name of a variable, not {options.name!r}")
    return options


class Extension:
    """The extension of one IPython shell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._finished: list[CellTimeline] = []
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
        cell = CellTimeline(self._shell, read_options(line), self._finished)
        block = ast.With([ast.withitem(ast.Name(_SLOT, ast.Load()))], body)
        module.body = [*code[:top], ast.copy_location(block, first)]
        last = body[-1]
        # IPython shows the last value after the block, so that the recording is over by then. If
        # it is set to show every value, it finds the expressions inside the block by itself.
        if isinstance(last, ast.Expr) and self._shell.ast_node_interactivity != "all":
            cell.last = last.value
            body[-1] = ast.copy_location(
                ast.Assign([ast.Name(_SLOT, ast.Store())], last.value), last
            )
            shown = ast.Expr(ast.Name(_SLOT, ast.Load()))
            module.body.append(ast.copy_location(shown, last))
        self._shell.user_ns[_SLOT] = cell
        return ast.fix_missing_locations(module)

    def show(self, *_: object) -> None:
        """Show the timelines of the cells that are over now."""
        self._shell.user_ns.pop(_SLOT, None)
        while self._finished:
            self._finished.pop(0).show()


class CellTimeline:
    """The block in which a cell's code runs, and what is shown afterwards."""

    last: ast.expr | None = None
    """The expression on the cell's last line."""

    def __init__(
        self, shell: Any, options: argparse.Namespace, finished: "list[CellTimeline]"
    ) -> None:
        self._names = shell.user_ns
        self._publish = shell.display_pub.publish
        self._options = options
        self._finished = finished

    def __enter__(self) -> None:
        from asyncteach import record, virtual_time

        del self._names[_SLOT]
        self._code = inspect.currentframe().f_back.f_code  # type: ignore[union-attr]
        with ExitStack() as stack:
            if self._options.virtual:
                stack.enter_context(virtual_time())
            recorder = record(threshold=self._options.threshold, title="This cell")
            self._recording = stack.enter_context(recorder)
            self._stack = stack.pop_all()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._note_missing_await()
        self._stack.__exit__(kind, error, traceback)
        self._names[self._options.name] = self._recording
        self._finished.append(self)

    def show(self) -> None:
        """Show the picture and the explanation, below all that the cell has shown."""
        from asyncteach.timeline.figure import draw_timelines

        recording, options = self._recording, self._options
        try:
            if not options.no_picture:
                png, about = draw_timelines([recording], width=options.width)._repr_png_()
                bundle = {"image/png": png, "text/plain": str(recording)}
                self._publish(bundle, {"image/png": about})
        finally:
            if not options.no_text:
                print(recording.explain())

    def _note_missing_await(self) -> None:
        """Note a call at the cell's end whose coroutine is never awaited: Python can't warn of it.

        IPython keeps the coroutine in `Out`, so it is never collected.
        """
        from asyncteach.recorder.scope import open_session

        value, session = self._names.get(_SLOT), open_session()
        if session is None or not (isinstance(self.last, ast.Call) and inspect.iscoroutine(value)):
            return
        if inspect.getcoroutinestate(value) == inspect.CORO_CREATED:
            line = (self._code, self.last.lineno)
            session.note("never-awaited", None, line, value.__qualname__)


def quote_first_line(lines: list[str]) -> list[str]:
    """Make a string of the line `%%timeline`: so the cell is plain Python, and no line moves."""
    if not lines or lines[0].split()[:1] != [_MAGIC]:
        return lines
    from IPython.core import inputtransformer2

    cell_magic: Any = inputtransformer2.cell_magic
    read_options(lines[0])
    code = next((n for n, line in enumerate(lines) if n and line.strip()), None)
    if code is None:
        raise _usage_error("it shows what the code below it does, and there is none")
    # The cell may go on with another cell's magic.
    return [f"{lines[0].strip()!r}\n", *lines[1:code], *cell_magic(lines[code:])]


# Without it, IPython in a terminal takes the first line alone for a complete cell.
quote_first_line.has_side_effects = True  # type: ignore[attr-defined]
