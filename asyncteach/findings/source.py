"""The user's source, as far as it can be read: which function a line is in, and what it names."""

import ast
import linecache
import sys
from collections.abc import Iterator
from functools import lru_cache

from asyncteach.places import Place

Function = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def walk_own(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is inside a node and runs with it: not what nested functions and classes hold."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
            yield from walk_own(child)


def covers(node: ast.stmt | ast.expr, line: int) -> bool:
    """Return whether the node's text includes that line."""
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def names_in(node: ast.AST) -> set[str]:
    """Return all names that a node reads or binds."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def root_of(node: ast.AST) -> str:
    """Return the name at the beginning of `name.attribute[key]`, empty if there is none."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def stores(node: ast.AST) -> bool:
    """Return whether a name, an attribute or an item is bound or deleted there, not read."""
    return isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del))


class Source:
    """One file or one cell, parsed."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.parents = {
            child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)
        }
        self.functions = [node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)]
        self.bound = {
            node.arg if isinstance(node, ast.arg) else node.id
            for node in ast.walk(tree)
            if isinstance(node, ast.arg) or (isinstance(node, ast.Name) and stores(node))
        }
        self.imports: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                module = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
                for name in node.names:
                    whole = name.name if name.asname or module else name.name.partition(".")[0]
                    self.imports[name.asname or whole] = f"{module}{whole}"

    def scope(self, place: Place) -> Function | ast.Module | None:
        """Return the function that the place is in; None if the text doesn't match it.

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
        """Return the full names of what the place's statement calls at its line.

        What it awaits is left out: `await process.communicate()` doesn't hold the loop.
        """
        if (statement := self.statement(place)) is None:
            return []
        nodes = [statement, *walk_own(statement)]
        awaited = {part for n in nodes if isinstance(n, ast.Await) for part in ast.walk(n)}
        names = [
            ast.unparse(node.func).partition(".")
            for node in nodes
            if isinstance(node, ast.Call) and covers(node, place.line) and node not in awaited
        ]
        return [f"{self.imports.get(root, root)}{dot}{rest}" for root, dot, rest in names]

    def is_module(self, name: str) -> bool:
        """Return whether the name is a module's; another cell may have imported it."""
        return name in self.imports or (name in sys.modules and name not in self.bound)

    def touched(self, function: Function) -> set[str]:
        """Return the names from around a function whose objects it may change.

        It may change each object whose attributes it uses, its methods above all.
        """
        nodes = list(walk_own(function))
        own = {node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)}
        own |= {node.id for node in nodes if isinstance(node, ast.Name) and stores(node)}
        used = {root_of(n) for n in nodes if isinstance(n, ast.Attribute) or stores(n)}
        rebound = [n.names for n in nodes if isinstance(n, (ast.Global, ast.Nonlocal))]
        found = (used - own - {""}).union(*rebound)
        return {name for name in found if not self.is_module(name)}


def pauses(function: Function) -> bool:
    """Return whether the function, or what iterates it, may give the loop back."""
    return any(
        isinstance(node, (ast.Await, ast.AsyncFor, ast.AsyncWith, ast.Yield))
        or (isinstance(node, ast.comprehension) and node.is_async)
        for node in walk_own(function)
    )


@lru_cache(maxsize=64)
def _read(path: str) -> Source | None:
    text = "".join(linecache.getlines(path))
    try:
        return Source(ast.parse(text)) if text else None
    except (SyntaxError, ValueError, RecursionError, MemoryError, SystemError):
        # The last one is CPython's own, for text that is nested too deep on a deep stack.
        return None


def read_source(place: Place) -> Source | None:
    """Return the source that a place is in; None if it can't be read."""
    return _read(place.path or place.file)


def look_again() -> None:
    """Forget the files that were read: they may have changed since."""
    linecache.checkcache()
    _read.cache_clear()


def line_of(place: Place) -> str:
    """Return the text of that line, without indentation."""
    return linecache.getline(place.path or place.file, place.line).strip()
