"""What belongs to notebooks alone: the `%%timeline` magic, and the names of cells.

A cell that starts with `%%timeline` is run as the cell that it is: its text keeps its lines, and
its syntax tree is put into a `with record():`. What it shows and raises is shown by IPython, as
always; the timeline comes below, once IPython says that the cell is over.
"""

import argparse
import ast
import inspect
import math
import shlex
import sys
from contextlib import ExitStack
from types import TracebackType
from typing import Any, NoReturn

_MAGIC = "%%timeline"
_SLOT = "__timeline__"
"""The name that the cell's code calls us by, and then its last value: gone when it is over."""

_extensions: dict[int, "Extension"] = {}


def name_cell(path: str) -> str | None:
    """Return `In [7]` for the file name under which IPython has compiled a cell, else None."""
    shell = sys.modules["IPython"].get_ipython()
    names = getattr(getattr(shell, "compile", None), "_filename_map", {})
    count = names.get(path)
    return None if count is None else f"In [{count}]"


def load_ipython_extension(shell: Any) -> None:
    """Give a notebook `%%timeline`: `%load_ext asyncteach` calls this."""
    if id(shell) not in _extensions:
        _extensions[id(shell)] = extension = Extension(shell)
        extension.install()


def unload_ipython_extension(shell: Any) -> None:
    """Take `%%timeline` away again: `%unload_ext asyncteach` calls this."""
    extension = _extensions.pop(id(shell), None)
    if extension is not None:
        extension.remove()


def timeline(line: str, cell: str) -> None:
    """Run a cell as always and show its timeline below: who was running, ready and waiting.

    ::

        %%timeline [--threshold SECONDS] [--width INCHES] [--name VARIABLE]
                   [--virtual] [--no-picture] [--no-text]

    The cell's code, `await` included, runs as it would without the first line. Below its output
    come the picture of its tasks and what `explain()` says of them, also if it failed or was
    interrupted. Tasks of other cells are not in it.

    --threshold SECONDS  name the line that holds the event loop for longer than that (0.05)
    --width INCHES       how wide the picture is, from 3 to 50 (9)
    --name VARIABLE      keep the recording in that variable; without it, it is in `_timeline`
    --virtual            let time jump instead of pass, as `with virtual_time():` does
    --no-picture         show the explanation alone
    --no-text            show the picture alone

    For example::

        %%timeline --threshold 0.1
        await asyncio.gather(fetch("news"), fetch("weather"))

    For a part of a cell write `with record() as recording:` and look at `recording`.
    """
    raise _usage_error(f"{_MAGIC} can't be called, it has to be the first line of a cell.")


class Options(argparse.Namespace):
    """What stands behind `%%timeline` on its line."""

    threshold: float
    width: float
    name: str
    virtual: bool
    no_picture: bool
    no_text: bool


def read_options(line: str) -> Options:
    """Return the options of a `%%timeline` line; a UsageError of one sentence if they are wrong."""
    try:
        words = shlex.split(line, comments=True)[1:]
    except ValueError as error:
        raise _usage_error(f"{_MAGIC}: there is {str(error).lower()}.") from None
    return _make_parser().parse_args(words, Options())


class Extension:
    """What one IPython shell has been given."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._over: list[CellTimeline] = []

    def install(self) -> None:
        """Put it all in place."""
        self._shell.input_transformers_cleanup.append(_quote_first_line)
        self._shell.ast_transformers.append(self)
        self._shell.events.register("post_run_cell", self.show)
        self._shell.register_magic_function(timeline, "cell", "timeline")

    def remove(self) -> None:
        """Leave the shell as it was."""
        self._shell.input_transformers_cleanup.remove(_quote_first_line)
        self._shell.ast_transformers.remove(self)
        self._shell.events.unregister("post_run_cell", self.show)
        del self._shell.magics_manager.magics["cell"]["timeline"]

    def visit(self, module: ast.Module) -> ast.Module:
        """Put the tree of a cell that starts with `%%timeline` into a `with` block."""
        if not (module.body and _is_magic(first := module.body[0])):
            return module
        place = sum(_is_future(node) for node in module.body[1:]) + 1
        body = module.body[place:]
        cell = CellTimeline(self._shell, read_options(first.value.value), self._over)
        after = []
        # IPython shows the expressions of a cell, most often the last one: that has to be done
        # when the recording is over. Where it shows all of them, it finds them in the block too.
        if self._shell.ast_node_interactivity != "all":
            after = [_take_last(body, cell, self._shell.ast_node_interactivity)]
        block = ast.With([ast.withitem(ast.Name(_SLOT, ast.Load()))], body)
        module.body = [*module.body[1:place], ast.copy_location(block, first), *after]
        self._shell.user_ns[_SLOT] = cell
        return ast.fix_missing_locations(module)

    def show(self, *_: object) -> None:
        """Show the timelines of the cell that is over now."""
        self._shell.user_ns.pop(_SLOT, None)
        while self._over:
            self._over.pop(0).show()


class CellTimeline:
    """The block that a cell's code is run in."""

    def __init__(self, shell: Any, options: Options, over: "list[CellTimeline]") -> None:
        self._shell = shell
        self._options = options
        self._over = over
        self._stack = ExitStack()
        self.last: ast.expr | None = None

    def __enter__(self) -> None:
        from asyncteach import record, virtual_time
        from asyncteach.places import name_file

        self._shell.user_ns.pop(_SLOT, None)
        self._code = sys._getframe(1).f_code
        title = name_file(self._code.co_filename)
        if self._options.virtual:
            self._stack.enter_context(virtual_time())
        recording = record(threshold=self._options.threshold, title=title)
        try:
            self._recording = self._stack.enter_context(recording)
        except RuntimeError as error:
            self._stack.close()
            raise _usage_error(str(error)) from None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._note_forgotten_await()
        self._stack.__exit__(kind, error, traceback)
        self._shell.user_ns[self._options.name] = self._recording
        self._over.append(self)

    def show(self) -> None:
        """Show the picture and the explanation, below all that the cell has shown."""
        from IPython.display import display

        from asyncteach.timeline import draw_timelines

        recording = self._recording
        try:
            if not self._options.no_picture:
                picture = draw_timelines([recording], width=self._options.width)
                png, about = picture._repr_png_()
                bundle = {"image/png": png, "text/plain": str(recording)}
                display(bundle, metadata={"image/png": about}, raw=True)
        finally:
            if not self._options.no_text:
                print(recording.explain())

    def _note_forgotten_await(self) -> None:
        """Take note if the cell ends in a call that made a coroutine, which IPython only shows."""
        from asyncteach.scope import RawRemark, open_session

        value = self._shell.user_ns.get(_SLOT)
        session = open_session()
        if not (session and isinstance(self.last, ast.Call) and inspect.iscoroutine(value)):
            return
        if inspect.getcoroutinestate(value) == inspect.CORO_CREATED:
            line = (self._code, self.last.lineno)
            at = session.axis.now()
            session.note(RawRemark("never-awaited", None, at, line, value.__qualname__))


def _quote_first_line(lines: list[str]) -> list[str]:
    """Make a string of a first line `%%timeline`: then the cell is Python, and no line moves."""
    if not lines or lines[0].split()[:1] != [_MAGIC]:
        return lines
    from IPython.core.inputtransformer2 import cell_magic

    read_options(lines[0])
    code = lines[1:]
    while code and not code[0].strip():
        code.pop(0)
    if not code:
        raise _usage_error(f"{_MAGIC} shows what the code below it does, and there is none.")
    if code[0].startswith("%%"):  # another magic has the rest of the cell
        code = cell_magic(code)
    blank = lines[1 : len(lines) - len(code)] if code is lines else []
    return [f"{lines[0].strip()!r}\n", *blank, *code]


# IPython would take a terminal's cell for complete that has no more than its first line.
_quote_first_line.has_side_effects = True  # type: ignore[attr-defined]


def _is_magic(node: ast.stmt) -> bool:
    value = node.value if isinstance(node, ast.Expr) else None
    text = value.value if isinstance(value, ast.Constant) else None
    return isinstance(text, str) and text.split()[:1] == [_MAGIC]


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _take_last(body: list[ast.stmt], cell: CellTimeline, shown: str) -> ast.Expr:
    """Let the block keep the value of its last expression, and return what shows it."""
    last = body[-1]
    value: ast.expr = ast.Constant(None)
    if isinstance(last, ast.Expr):
        cell.last = last.value
        body[-1] = ast.copy_location(ast.Assign([ast.Name(_SLOT, ast.Store())], last.value), last)
        value = ast.Name(_SLOT, ast.Load())
    elif shown == "last_expr_or_assign" and isinstance(last, ast.Assign | ast.AnnAssign):
        pass
    return ast.copy_location(ast.Expr(value), last)


def _make_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=_MAGIC, add_help=False, allow_abbrev=False)
    parser.add_argument("--threshold", type=_amount(0, math.inf), default=0.05)
    parser.add_argument("--width", type=_amount(3, 50), default=9.0)
    parser.add_argument("--name", type=_variable, default="_timeline")
    for flag in ("--virtual", "--no-picture", "--no-text"):
        parser.add_argument(flag, action="store_true")
    return parser


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _usage_error(f"{_MAGIC}: {message}. `{_MAGIC}?` tells its options.")
