"""What belongs to notebooks alone: the `%%timeline` magic, and the names of cells.

A cell that starts with `%%timeline` stays the cell that it is: no line of it moves, and its syntax
tree is put into a `with` block that records. What it shows and raises is shown by IPython, as
always; its timeline follows when IPython says that the cell is over.
"""

import ast
import inspect
import sys
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from asyncteach.notebook.options import MAGIC, Options, read_options, usage_error

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


def timeline(line: str, cell: str) -> None:
    """Run a cell as always, and show below it who was running, ready and waiting.

    ::

        %%timeline [--threshold SECONDS] [--width INCHES] [--name VARIABLE]
                   [--virtual] [--no-picture] [--no-text]

    The code below that line runs as it would without it, `await` included. Below its output come
    the picture of its tasks and what `explain()` says about them, also if it fails or is
    interrupted. Tasks that other cells have started are not in it.

    --threshold SECONDS  report what holds the event loop for longer than that (0.05)
    --width INCHES       how wide the picture is, from 3 to 50 (9)
    --name VARIABLE      the variable that keeps the recording (_timeline)
    --virtual            let time jump instead of pass, as `with virtual_time():` does
    --no-picture         show the explanation only
    --no-text            show the picture only

    For example::

        %%timeline --threshold 0.1
        await asyncio.gather(fetch("news"), fetch("weather"))

    For a part of a cell write `with record() as recording:`, and then `recording`.
    """
    raise usage_error(f"{MAGIC} has to be the first line of the cell.")


class Extension:
    """What one IPython shell has been given."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._over: list[CellTimeline] = []
        self._before = shell.magics_manager.magics["cell"].get("timeline")
        shell.input_transformers_cleanup.append(quote_first_line)
        shell.ast_transformers.append(self)
        shell.events.register("post_run_cell", self.show)
        shell.register_magic_function(timeline, "cell", "timeline")

    def remove(self) -> None:
        """Leave the shell as it was."""
        self._shell.input_transformers_cleanup.remove(quote_first_line)
        self._shell.ast_transformers.remove(self)
        self._shell.events.unregister("post_run_cell", self.show)
        magics = self._shell.magics_manager.magics["cell"]
        del magics["timeline"]
        if self._before is not None:
            magics["timeline"] = self._before

    def visit(self, module: ast.Module) -> ast.Module:
        """Put the code of a cell that started with `%%timeline` into the block that records."""
        line = _quoted_line(module)
        if line is None:
            return module
        first, *code = module.body
        top = _length_of_top(code)
        body = code[top:] or [ast.Pass()]
        cell = CellTimeline(self._shell, read_options(line), self._over)
        block = ast.With([ast.withitem(ast.Name(_SLOT, ast.Load()))], body)
        module.body = [*code[:top], ast.copy_location(block, first)]
        # What IPython shows is computed in the block and shown after it, when nobody records.
        # Where it shows every expression, it finds them inside the block by itself.
        if self._shell.ast_node_interactivity != "all":
            cell.last, shown = _take_last(body, self._shell.ast_node_interactivity)
            module.body.append(ast.copy_location(ast.Expr(shown), body[-1]))
        self._shell.user_ns[_SLOT] = cell
        return ast.fix_missing_locations(module)

    def show(self, *_: object) -> None:
        """Show the timelines of what is over now."""
        self._shell.user_ns.pop(_SLOT, None)
        while self._over:
            self._over.pop(0).show()


class CellTimeline:
    """The block in which a cell's code runs, and what is shown afterwards."""

    last: ast.expr | None = None

    def __init__(self, shell: Any, options: Options, over: "list[CellTimeline]") -> None:
        self._names = shell.user_ns
        self._publish = shell.display_pub.publish
        self._options = options
        self._over = over
        self._stack = ExitStack()

    def __enter__(self) -> None:
        from IPython.core.error import UsageError

        from asyncteach import record, virtual_time

        del self._names[_SLOT]
        self._code = sys._getframe(1).f_code
        try:
            if self._options.virtual:
                self._stack.enter_context(virtual_time())
            recorder = record(threshold=self._options.threshold, title="This cell")
            self._recording = self._stack.enter_context(recorder)
        except RuntimeError as error:  # a loop that isn't asyncio's own
            self._stack.close()
            raise UsageError(str(error)) from None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._note_missing_await()
        self._stack.__exit__(kind, error, traceback)
        self._names[self._options.name] = self._recording
        self._over.append(self)

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
        """Note a call at the cell's end whose coroutine nobody runs: Python can't warn of it."""
        from asyncteach.recorder.scope import RawEvent, open_session

        value, session = self._names.get(_SLOT), open_session()
        if session is None or not (isinstance(self.last, ast.Call) and inspect.iscoroutine(value)):
            return
        if inspect.getcoroutinestate(value) == inspect.CORO_CREATED:
            line = (self._code, self.last.lineno)
            at = session.axis.now()
            session.note(RawEvent("never-awaited", None, at, line, value.__qualname__))


def quote_first_line(lines: list[str]) -> list[str]:
    """Make a string of the line `%%timeline`: so the cell is plain Python, and no line moves."""
    if not lines or lines[0].split()[:1] != [MAGIC]:
        return lines
    from IPython.core import inputtransformer2

    cell_magic: Any = inputtransformer2.cell_magic
    read_options(lines[0])
    code = next((n for n, line in enumerate(lines) if n and line.strip()), None)
    if code is None:
        raise usage_error(f"{MAGIC} shows what the code below it does, and there is none.")
    # The cell may go on with another cell's magic.
    return [f"{lines[0].strip()!r}\n", *lines[1:code], *cell_magic(lines[code:])]


# In a terminal IPython would else take the first line alone for a cell that is complete.
quote_first_line.has_side_effects = True  # type: ignore[attr-defined]


def _quoted_line(module: ast.AST) -> str | None:
    match module:
        case ast.Module(body=[ast.Expr(value=ast.Constant(value=str(line))), *_]):
            return line if line.split()[:1] == [MAGIC] else None
    return None


def _length_of_top(code: list[ast.stmt]) -> int:
    """Return how many statements can't go into a block: a docstring and `__future__` imports."""
    top = 0
    for node in code:
        match node:
            case ast.ImportFrom(module="__future__"):
                pass
            case ast.Expr(value=ast.Constant(value=str())) if top == 0 and len(code) > 1:
                pass
            case _:
                break
        top += 1
    return top


def _take_last(body: list[ast.stmt], interactivity: str) -> tuple[ast.expr | None, ast.expr]:
    """Let the block keep its last value; return the last expression and what gives that value."""
    match body[-1]:
        case ast.Expr(value=value) as last:
            slot = ast.Name(_SLOT, ast.Store())
            body[-1] = ast.copy_location(ast.Assign([slot], value), last)
            return value, ast.Name(_SLOT, ast.Load())
        case (
            ast.Assign(targets=[ast.Name(id=name)])
            | ast.AnnAssign(target=ast.Name(id=name))
            | ast.AugAssign(target=ast.Name(id=name))
        ) if interactivity == "last_expr_or_assign":
            return None, ast.Name(name, ast.Load())
    return None, ast.Constant(None)
