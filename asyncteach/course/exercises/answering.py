"""Whether an exercise has an answer yet: by the source of its cell, not by what it says."""

import ast
import contextlib
import inspect
import linecache
import sys
from collections.abc import Iterator
from types import CodeType
from typing import Any

from asyncteach.checks.results import exercise_name
from asyncteach.course.exercises import Exercise


@contextlib.contextmanager
def name_exercise(name: str) -> Iterator[None]:
    """Let the checks of the block know whose they are: tries are counted by it."""
    token = exercise_name.set(name)
    try:
        yield
    finally:
        exercise_name.reset(token)


class Open:
    """What `check_answer` gives back as long as there is no answer."""

    passed = False

    def __init__(self, exercise: Exercise) -> None:
        self._exercise = exercise

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return f"Open: {self._exercise.name}. {self._exercise.task}"


def is_open(exercise: Exercise, answer: tuple[Any, ...]) -> bool:
    """Tell if there is nothing to judge: the starter as it was, or `...` in its place."""
    if any(one is Ellipsis for one in answer):
        return True
    starter = _plain(exercise.starter)
    names = _names(starter)
    for cell in [*_definitions(answer), *reversed(_cells())]:
        with contextlib.suppress(SyntaxError):
            code = _plain(cell)
            if names & _names(code):
                return ast.dump(code) == ast.dump(starter) or _is_stub(code, names)
    return _has_its_values(exercise, answer)


def _definitions(answer: tuple[Any, ...]) -> Iterator[str]:
    """Give the sources of the cells that define the answer's functions and classes.

    They are there in kernels that keep no history, too: nbval's has none.
    """
    for one in answer:
        inside = list(vars(one).values()) if isinstance(one, type) else []
        for part in (one, *inside):
            code = getattr(inspect.unwrap(part) if callable(part) else part, "__code__", None)
            if isinstance(code, CodeType):
                yield "".join(linecache.getlines(code.co_filename))
                break


def _has_its_values(exercise: Exercise, answer: tuple[Any, ...]) -> bool:
    """Tell if an answer that is data, not code, is what the starter makes."""
    names = _notebook_names()
    try:
        exec(exercise.starter, names)
        return all(
            not callable(one) and one == names.get(name)
            for name, one in zip(exercise.arguments, answer, strict=True)
        )
    except Exception:
        return False


def _cells() -> list[str]:
    """Return the sources of the notebook's cells that have been run, in their order."""
    return list(_notebook_names().get("In", []))


def _notebook_names() -> dict[str, Any]:
    """Return a copy of the names in the notebook."""
    shell: Any = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return dict(shell.user_ns) if shell is not None else {}


def _plain(source: str) -> ast.Module:
    """Parse a cell; a magic in its first line changes nothing of what is answered."""
    lines = source.strip().splitlines()
    while lines and lines[0].lstrip("'\"").startswith("%%"):
        del lines[0]
    return ast.parse("\n".join(lines))


def _names(code: ast.Module) -> set[str]:
    """Return the names that a cell gives something to, outside of functions and classes."""
    found = set()
    for node in code.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
            case ast.ClassDef(name=name):
                found.add(name)
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                inside = (n for n in ast.walk(node) if isinstance(n, ast.Name))
                found |= {n.id for n in inside if isinstance(n.ctx, ast.Store)}
    return found


def _is_stub(code: ast.Module, names: set[str]) -> bool:
    """Tell if each function of the answer has `...` for its whole body still."""
    bodies = [
        node.body
        for node in code.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in names
    ]
    return bool(bodies) and all(_is_dots(body) for body in bodies)


def _is_dots(body: list[ast.stmt]) -> bool:
    match [n for n in body if not _is_text(n)]:
        case [ast.Expr(value=ast.Constant(value=value))]:
            return value is Ellipsis
    return False


def _is_text(node: ast.stmt) -> bool:
    match node:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
    return False
