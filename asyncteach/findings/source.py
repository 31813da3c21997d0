"""The user's source, as far as it can be read: which function a line is in, and what it names."""

import ast
import linecache
import sys
from collections.abc import Iterator
from functools import cached_property, lru_cache

from asyncteach.places import Place

Function = ast.FunctionDef | ast.AsyncFunctionDef
Scope = Function | ast.Module
LOOPS = (ast.For, ast.AsyncFor, ast.While)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def walk_own(node: ast.AST) -> Iterator[ast.AST]:
    """Give what is inside a node and runs with it: not what nested functions and classes hold."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
            yield from walk_own(child)


def covers(node: ast.stmt | ast.expr, line: int) -> bool:
    """Tell if the node's text includes that line."""
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
    """Tell if a name, an attribute or an item is bound or deleted there, not read."""
    return isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del))


class Source:
    """One file or one cell, parsed."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.parents = {
            child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)
        }
        self.functions = [node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)]
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

    # What functions may share

    @cached_property
    def changing(self) -> set[str]:
        """Names that functions bind anew for others, or whose object they may change."""
        found = set()
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.Global, ast.Nonlocal)):
                found.update(node.names)
            elif isinstance(node, ast.Attribute) or (
                isinstance(node, ast.Subscript) and stores(node)
            ):
                found.add(root_of(node))
        # Where another cell has imported it, only the name tells that it is a module.
        return {*found, "open", "input"} - set(self.imports) - set(sys.modules)

    @lru_cache(maxsize=256)  # noqa: B019  # sources are few, and forgotten when files are read anew
    def shared(self, function: Function) -> frozenset[str]:
        """Return the names from around a function by which calls of it may change things.

        It counts what it uses itself and what the functions use that it calls.
        """
        found: set[str] = set()
        seen: set[Function] = set()
        left = [function]
        while left:
            one = left.pop()
            if one in seen:
                continue
            seen.add(one)
            names = [node for node in walk_own(one) if isinstance(node, ast.Name)]
            own = {node.id for node in names if stores(node)}
            own |= {node.arg for node in ast.walk(one.args) if isinstance(node, ast.arg)}
            rebound = [n for n in walk_own(one) if isinstance(n, (ast.Global, ast.Nonlocal))]
            found.update(*(node.names for node in rebound))
            outer = {node.id for node in names} - own
            called = [f for f in self.functions if f.name in outer]
            left += called
            found |= outer & self.changing - {f.name for f in called}
        return frozenset(found)


def pauses(scope: Scope) -> bool:
    """Tell if the function has a point at which it may give the loop back."""
    return any(
        isinstance(node, (ast.Await, ast.AsyncFor, ast.AsyncWith))
        or (isinstance(node, ast.comprehension) and node.is_async)
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
