"""The course is on top of the library, imports have no circles, and names are there once."""

import ast
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import asyncteach

ROOT = Path(asyncteach.__file__).parent
PATHS = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in ROOT.rglob("*.py")
}


def imports_of(path):
    """The modules of the package that a file imports, in functions too, but not for types alone."""
    found, nodes = set(), [ast.parse(path.read_text(encoding="utf-8"))]
    while nodes:
        node = nodes.pop()
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                nodes += node.orelse
                continue
            case ast.Import():
                found |= {alias.name for alias in node.names}
            case ast.ImportFrom(module=str(module), level=0):
                found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
        nodes += ast.iter_child_nodes(node)
    return found & PATHS.keys()


GRAPH = {name: imports_of(path) - {name} for name, path in PATHS.items()}


def test_the_library_knows_nothing_of_the_course():
    """But for the public names, which are imported lazily, and the command line."""
    course = {name for name in PATHS if name.startswith("asyncteach.course")}
    allowed = course | {"asyncteach", "asyncteach.cli"}
    assert {
        name: own & course for name, own in GRAPH.items() if name not in allowed and own & course
    } == {}


def test_there_is_no_circle_of_imports():
    TopologicalSorter(GRAPH).prepare()  # raises CycleError, which names them


def test_no_module_and_no_class_has_the_name_of_another():
    names = Counter(path.name for path in PATHS.values() if path.name != "__init__.py")
    for path in PATHS.values():
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        names.update(node.name for node in nodes if isinstance(node, ast.ClassDef))
    assert [name for name, number in names.items() if number > 1] == []
