"""Single statements: what they await, read, bind or change."""

import ast
import builtins

from asyncteach.teaching.source import walk_own


def awaits(node: ast.AST) -> list[ast.Await]:
    """Return the awaits of a statement, in the order of its text."""
    return [n for n in [node, *walk_own(node)] if isinstance(n, ast.Await)]


def stored(node: ast.AST) -> set[str]:
    """Return the names that a statement binds or may change: `x.append(...)` changes x."""
    names = {
        n.id for n in walk_own(node) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)
    }
    for part in walk_own(node):
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute):
            part = part.func
        if isinstance(part, (ast.Attribute, ast.Subscript)):
            root: ast.expr = part
            while isinstance(root, (ast.Attribute, ast.Subscript)):
                root = root.value
            stores = not isinstance(part.ctx, ast.Load) or isinstance(part, ast.Attribute)
            if isinstance(root, ast.Name) and stores:
                names.add(root.id)
    return names


def loaded(node: ast.AST) -> set[str]:
    """Return the names that a statement reads."""
    return {n.id for n in walk_own(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


_NOTES = ("debug", "info", "warning", "error", "append", "add", "extend")
_TEXTS = ("format", "join", "split", "strip", "lower", "upper", "replace")
_CLOCKS = ("time", "perf_counter", "monotonic")


def quiet(statement: ast.stmt) -> bool:
    """Tell if a statement without awaits only notes, prints or works something out."""
    if isinstance(statement, (ast.Pass, ast.Import)):
        return True
    if isinstance(statement, ast.If):
        return all(quiet(inner) for inner in [*statement.body, *statement.orelse])
    if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        calls = [node for node in walk_own(statement) if isinstance(node, ast.Call)]
        return all(_is_harmless(call) for call in calls)
    if not isinstance(statement, ast.Expr):
        return False
    call = statement.value
    if isinstance(call, ast.Call):
        return _called(call) in (*_NOTES, "print")
    return isinstance(call, ast.Constant)


def _is_harmless(call: ast.Call) -> bool:
    """Tell if a call gives a value and leaves everything as it was."""
    if isinstance(call.func, ast.Name) and call.func.id in vars(builtins):
        return call.func.id not in ("open", "input", "exec", "eval", "next", "setattr")
    return _called(call) in (*_TEXTS, *_CLOCKS)


def _called(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]
