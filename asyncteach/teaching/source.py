"""The learner's source, as far as it can be read: which function a line is in, what it calls."""

import ast
import linecache
from collections.abc import Iterator
from functools import lru_cache

from asyncteach.places import Place

Function = ast.FunctionDef | ast.AsyncFunctionDef
Scope = Function | ast.Module
LOOPS = (ast.For, ast.AsyncFor, ast.While)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def walk_own(node: ast.AST) -> Iterator[ast.AST]:
    """Give what is inside a node and runs with it: not what nested functions and classes hold."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, (*_FUNCTIONS, ast.Lambda, ast.ClassDef)):
            yield from walk_own(child)


def covers(node: ast.stmt | ast.expr, line: int) -> bool:
    """Tell if the node's text includes that line."""
    return node.lineno <= line <= (node.end_lineno or node.lineno)


class Source:
    """One file or one cell, parsed."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.parents = {
            child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)
        }
        self.functions = [node for node in ast.walk(tree) if isinstance(node, _FUNCTIONS)]
        self.imports: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for name in node.names:
                    top = name.name if name.asname else name.name.partition(".")[0]
                    self.imports[name.asname or top] = top
            elif isinstance(node, ast.ImportFrom):
                for name in node.names:
                    self.imports[name.asname or name.name] = f"{node.module}.{name.name}"

    def scope(self, place: Place) -> Scope | None:
        """Return the function that the place is in; None where the text doesn't match it.

        A file may have been edited since: then it isn't the text that ran.
        """
        names = [part for part in place.function.split(".") if not part.startswith("<")]
        if not names:
            return self.tree
        found = [
            node for node in self.functions if node.name == names[-1] and covers(node, place.line)
        ]
        # The innermost starts last.
        return max(found, key=lambda node: node.lineno, default=None)

    def statement(self, place: Place) -> ast.stmt | None:
        """Return the innermost statement of the place's own function at its line."""
        if (scope := self.scope(place)) is None:
            return None
        found = [n for n in walk_own(scope) if isinstance(n, ast.stmt) and covers(n, place.line)]
        return max(found, key=lambda node: (node.lineno, node.col_offset), default=None)

    def calls(self, place: Place) -> list[str]:
        """Return the full names of what the place's statement calls at its line by itself.

        What it awaits is asyncio's to call: `await process.communicate()` holds nothing up.
        """
        statement = self.statement(place)
        if statement is None:
            return []
        nodes = [statement, *walk_own(statement)]
        awaited: set[ast.AST] = set()
        for node in nodes:
            if isinstance(node, ast.Await):
                awaited.update(ast.walk(node))
            elif isinstance(node, ast.AsyncFor):
                awaited.update(ast.walk(node.iter))
            elif isinstance(node, ast.AsyncWith):
                awaited.update(part for item in node.items for part in ast.walk(item))
        calls = [
            node
            for node in nodes
            if isinstance(node, ast.Call) and covers(node, place.line) and node not in awaited
        ]
        return [self.name(call.func) for call in calls]

    def name(self, node: ast.expr) -> str:
        """Return the dotted name as if nothing were renamed by imports: `time.sleep`.

        What a method is called on may be any expression: `.read` then.
        """
        if isinstance(node, ast.Name):
            return self.imports.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            return f"{self.name(node.value)}.{node.attr}"
        if isinstance(node, ast.Call):
            return f"{self.name(node.func)}()"
        return ""

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """Give what encloses the node, from the inside out, as far as its function."""
        while (parent := self.parents.get(node)) is not None:
            yield parent
            if isinstance(parent, (*_FUNCTIONS, ast.Lambda, ast.ClassDef)):
                return
            node = parent

    def awaited(self, place: Place, function: str) -> list[ast.Await]:
        """Return the awaits at the place's line that await a call of a function of that name."""
        if (statement := self.statement(place)) is None:
            return []
        return [
            node
            for node in walk_own(statement)
            if isinstance(node, ast.Await)
            and covers(node, place.line)
            and isinstance(node.value, ast.Call)
            and self.name(node.value.func).rpartition(".")[2] == function
        ]

    def in_loop(self, node: ast.AST) -> bool:
        """Tell if a loop or a comprehension of its own function goes round the node."""
        return any(isinstance(outer, (*LOOPS, *COMPREHENSIONS)) for outer in self.around(node))


def may_compute(place: Place) -> bool:
    """Tell if the line may take long by itself; where it can't be read, it may.

    What a library does under an await isn't the line's own, and a plain `return page` that seems
    to take long was interrupted, by the garbage collector say.
    """
    if (source := read_source(place)) is None:
        return True
    if (statement := source.statement(place)) is None:
        return False
    nodes = [statement, *walk_own(statement)]
    if any(isinstance(node, ast.Await) and covers(node, place.line) for node in nodes):
        return False
    works = (ast.Call, ast.BinOp, ast.Compare, ast.Subscript, ast.AugAssign, ast.Import)
    hard = any(isinstance(node, (*works, ast.ImportFrom, *COMPREHENSIONS)) for node in nodes)
    return hard or source.in_loop(statement)


def pauses(scope: Scope) -> bool:
    """Tell if the function has a point at which it may give the loop back."""
    return any(
        isinstance(node, (ast.Await, ast.AsyncFor, ast.AsyncWith))
        or (isinstance(node, ast.comprehension) and node.is_async)
        for node in walk_own(scope)
    )


def runs_forever(scope: Scope) -> bool:
    """Tell if the function holds a loop that is meant to go on until somebody cancels it."""
    return any(
        isinstance(node, ast.AsyncFor)
        or (isinstance(node, ast.While) and not isinstance(node.test, ast.Compare))
        for node in walk_own(scope)
    )


@lru_cache(maxsize=64)
def _parse(text: str) -> Source | None:
    try:
        return Source(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError, SystemError):
        # The last one is CPython's own, for text that is nested too deep on a deep stack.
        return None


@lru_cache(maxsize=64)
def _read(path: str) -> Source | None:
    lines = linecache.getlines(path)
    return _parse("".join(lines)) if lines else None


def read_source(place: Place) -> Source | None:
    """Return the source that a place is in; None where it can't be read."""
    return _read(place.path or place.file)


def look_again() -> None:
    """Forget what files may have been changed since they were read."""
    linecache.checkcache()
    _read.cache_clear()


def line_of(place: Place) -> str:
    """Return the text of that line, without indentation."""
    return linecache.getline(place.path or place.file, place.line).strip()


def find_call(place: Place, function: str) -> Place:
    """Return where a function is called without `await`, if that is clear; else the place itself.

    That a coroutine was dropped is noticed only when the variable that held it has gone.
    """
    source, name = read_source(place), function.rpartition(".")[2]
    if source is None or name in [call.rpartition(".")[2] for call in source.calls(place)]:
        return place
    lines = {
        node.lineno
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call)
        and source.name(node.func).rpartition(".")[2] == name
        and isinstance(source.parents.get(node), (ast.Expr, ast.Assign, ast.Return))
    }
    return place._replace(line=lines.pop()) if len(lines) == 1 else place


def catches_cancelled(place: Place) -> bool:
    """Tell if something around the line, in its own function, catches a CancelledError."""
    source = read_source(place)
    statement = source.statement(place) if source else None
    if source is None or statement is None:
        return False
    for outer in source.around(statement):
        caught: list[ast.expr | None] = []
        if isinstance(outer, ast.Try):
            caught = [handler.type for handler in outer.handlers]
            if any(isinstance(node, (ast.Return, ast.Break)) for node in outer.finalbody):
                return True
        elif isinstance(outer, (ast.With, ast.AsyncWith)):
            for call in (item.context_expr for item in outer.items):
                if isinstance(call, ast.Call) and source.name(call.func).endswith("suppress"):
                    caught += call.args
        parts = [part for one in caught for part in getattr(one, "elts", [one])]
        names = ["" if part is None else source.name(part) for part in parts]
        if any(name.endswith(("CancelledError", "BaseException")) or not name for name in names):
            return True
    return False
