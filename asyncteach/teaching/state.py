"""What two functions may share: names that one of them could change under the other."""

import ast
import builtins
from collections.abc import Iterator
from functools import lru_cache

from asyncteach.teaching.source import Function, Scope, Source, walk_own

_CLOCKS = ("time.time", "time.perf_counter", "time.monotonic")
# Methods that leave something in files and databases for others.
_OUTSIDE = {
    *("read_text", "read_bytes", "write_text", "write_bytes", "unlink", "mkdir", "rename"),
    *("execute", "executemany", "commit"),
}
# What a value can be handed to without being changed.
_HARMLESS = {
    *("asyncio.sleep", "print", "str", "repr", "int", "float", "len", "round", "format", "abs"),
}


def _bindings(scope: Scope, name: str) -> Iterator[ast.AST]:
    """Give what binds a name in a scope: assignments, definitions, parameters, imports."""
    if not isinstance(scope, ast.Module):
        arguments = scope.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        yield from (
            arg for arg in [*every, arguments.vararg, arguments.kwarg] if arg and arg.arg == name
        )
    outside = {
        n
        for node in walk_own(scope)
        if isinstance(node, (ast.Global, ast.Nonlocal))
        for n in node.names
    }
    if name in outside:
        return
    for node in walk_own(scope):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if node.name == name:
                yield node
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                if (alias.asname or alias.name.partition(".")[0]) == name:
                    yield node
        elif isinstance(node, ast.Name):
            if node.id == name and not isinstance(node.ctx, ast.Load):
                yield node
        elif isinstance(node, ast.ExceptHandler) and node.name == name:
            yield node


def _resolve(source: Source, name: str, scope: Scope) -> list[ast.AST]:
    """Return what binds the name, looking from the scope outwards."""
    place: ast.AST | None = scope
    while place is not None:
        if isinstance(place, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Module)) and (
            found := list(_bindings(place, name))
        ):
            return found
        place = source.parents.get(place)
    return []


def _literal(source: Source, node: ast.expr | None) -> bool:
    """Tell if an expression gives a value made from constants alone, or a reading of a clock."""
    if isinstance(node, ast.Constant):
        return True
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        return all(_literal(source, part) for part in node.elts)
    if isinstance(node, ast.Dict):
        return all(_literal(source, part) for part in [*node.keys, *node.values] if part)
    if isinstance(node, ast.UnaryOp):
        return _literal(source, node.operand)
    if isinstance(node, ast.BinOp):
        return _literal(source, node.left) and _literal(source, node.right)
    return isinstance(node, ast.Call) and source.name(node.func) in _CLOCKS


def immutable(source: Source, name: str, scope: Scope) -> bool:
    """Tell if a name stands for the same unchanging thing all the time."""
    found = _resolve(source, name, scope)
    if found and all(
        isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Import, ast.ImportFrom))
        for n in found
    ):
        return True
    if len(found) != 1:
        return False
    parent = source.parents.get(found[0])
    if not isinstance(parent, (ast.Assign, ast.AnnAssign)) or not _literal(source, parent.value):
        return False
    # It is one as long as nobody changes it.
    return not any(_changes(node, name) for node in ast.walk(source.tree))


def _changes(node: ast.AST, name: str) -> bool:
    """Tell if a node may change what the name stands for: `global x`, `x[0] = 1`, `x.append(1)`."""
    if isinstance(node, (ast.Global, ast.Nonlocal)):
        return name in node.names
    if not isinstance(node, (ast.Attribute, ast.Subscript)):
        return False
    reads = isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load)
    return isinstance(node.value, ast.Name) and node.value.id == name and not reads


@lru_cache(maxsize=256)
def state_of(source: Source, function: Function) -> frozenset[str]:
    """Return the names outside a function that it, or what it calls, uses and that may change."""
    found: set[str] = set()
    seen: set[ast.AST] = set()
    left: list[ast.AST] = [function]
    while left:
        node = left.pop()
        if node in seen:
            continue
        seen.add(node)
        found |= {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)} & _OUTSIDE
        for name in [n for n in ast.walk(node) if isinstance(n, ast.Name)]:
            scope = _scope_of(source, name)
            if any(_within(source, bound, node) for bound in _resolve(source, name.id, scope)):
                continue
            bindings = _resolve(source, name.id, scope)
            definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
            if bindings and all(isinstance(bound, definitions) for bound in bindings):
                left += bindings
                # A class may keep something for all.
                if isinstance(source.parents.get(name), ast.Attribute):
                    found.add(name.id)
            elif bindings:
                if not immutable(source, name.id, scope):
                    found.add(name.id)
            elif name.id in ("open", "input"):
                found.add(name.id)
            elif not hasattr(builtins, name.id) and not _is_called(source, name):
                # Another cell of the notebook has made it, nobody knows from what.
                found.add(name.id)
    return frozenset(found)


def _scope_of(source: Source, node: ast.AST) -> Scope:
    place: ast.AST | None = source.parents.get(node)
    while place is not None:
        if isinstance(place, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return place
        place = source.parents.get(place)
    return source.tree


def _within(source: Source, node: ast.AST, outer: ast.AST) -> bool:
    place: ast.AST | None = node
    while place is not None and place is not outer:
        place = source.parents.get(place)
    return place is not None and node is not outer


def _is_called(source: Source, name: ast.Name) -> bool:
    """Tell if the name is a function's that is called, or a module's that is looked into."""
    parent = source.parents.get(name)
    if isinstance(parent, ast.Call):
        return parent.func is name
    return isinstance(parent, ast.Attribute) and name.id in ("asyncio", "time", "random", "math")


def value_like(source: Source, function: Function, call: ast.Call, name: str) -> bool:
    """Tell if the function uses what it is handed under that name as a plain value only.

    It looks a user up by a number, say: then two calls with the same number don't meet.
    """
    parameters = [*function.args.posonlyargs, *function.args.args]
    places = [i for i, arg in enumerate(call.args) if isinstance(arg, ast.Name) and arg.id == name]
    if any(place >= len(parameters) for place in places):
        return False
    names = [parameters[place].arg for place in places]
    names += [
        keyword.arg or ""
        for keyword in call.keywords
        if isinstance(keyword.value, ast.Name) and keyword.value.id == name
    ]
    return all(_read_only(source, function, own) for own in names)


def _read_only(source: Source, function: Function, parameter: str) -> bool:
    made_from = (ast.FormattedValue, ast.BinOp, ast.Subscript, ast.Dict, ast.Tuple, ast.List)
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and node.id == parameter:
            parent = source.parents.get(node)
            if isinstance(parent, ast.Call) and source.name(parent.func) in _HARMLESS:
                continue
            if isinstance(parent, ast.Subscript) and parent.value is node:
                return False
            if not isinstance(parent, (*made_from, ast.Compare, ast.Return, ast.If)):
                return False
    return True
