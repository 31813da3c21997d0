"""Single statements: what they await, read, bind or change."""

import ast

from asyncteach.source import walk_own


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


def quiet(statement: ast.stmt) -> bool:
    """Tell if a statement without awaits only notes or prints something."""
    if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Pass, ast.Import)):
        return True
    if not isinstance(statement, ast.Expr):
        return False
    if isinstance(statement.value, ast.Constant):
        return True
    call = statement.value
    if not isinstance(call, ast.Call):
        return False
    if isinstance(call.func, ast.Name):
        return call.func.id == "print"
    notes = ("debug", "info", "warning", "error", "append", "add", "extend")
    return isinstance(call.func, ast.Attribute) and call.func.attr in notes
