"""A lesson as its writing rules see it: cells with their lines, headings, prose and calls."""

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"

RUNS = {
    "compare", "explore", "record", "record_threads", "run_in_interpreters", "run_in_processes",
    "run_in_threads", "run_in_turn", "run_on_dask", "run_together",
}  # fmt: skip
"""What an experiment calls: it lets something happen that can be looked at."""


@dataclass(frozen=True)
class Cell:
    """One cell of a notebook."""

    id: str
    kind: str
    source: str
    tags: tuple[str, ...] = ()
    outputs: tuple[dict[str, Any], ...] = field(default=(), repr=False)
    count: int | None = None
    metadata: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def is_code(self) -> bool:
        return self.kind == "code"

    @property
    def lines(self) -> int:
        """How many lines of code it has: no blank ones, and an import that is wrapped as one."""
        whole = sum(bool(line.strip()) for line in self.source.splitlines())
        if self.id != "imports":
            return whole
        return whole - sum((node.end_lineno or 0) - node.lineno for node in self.tree().body)

    @property
    def python(self) -> str:
        """Its source without magics, line for line."""
        lines = self.source.splitlines()
        return "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in lines)

    def tree(self) -> ast.Module:
        return ast.parse(self.python)

    def calls(self) -> set[str]:
        """Return the names of the functions that it calls."""
        return {
            call.func.id if isinstance(call.func, ast.Name) else call.func.attr
            for call in ast.walk(self.tree())
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name | ast.Attribute)
        }

    @property
    def is_experiment(self) -> bool:
        """Return whether it shows something: it needs a prediction and an explanation."""
        if not self.is_code or "again" in self.tags:
            return False
        if self.id.startswith(("exercise", "progress", "predict", "imports", "define-")):
            return False
        is_magic = self.source.startswith("%%timeline")
        return is_magic or "experiment" in self.tags or bool(self.calls() & RUNS)

    def comments(self) -> list[str]:
        """Return its comments and docstrings."""
        found = []
        for token in tokenize.generate_tokens(io.StringIO(self.python).readline):
            if token.type == tokenize.COMMENT:
                found.append(token.string.lstrip("# "))
        for node in ast.walk(self.tree()):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.append(ast.get_docstring(node) or "")
        return [text for text in found if text]

    def headings(self) -> list[tuple[int, str]]:
        """Return its headings as (level, text), without what looks like one in a block of code."""
        prose = re.sub(r"^```.*?^```", "", self.source, flags=re.M | re.S)
        return [(len(m[1]), m[2].strip()) for m in re.finditer(r"^(#+) +(.+)$", prose, re.M)]

    def prose(self) -> str:
        """Return its words: no code, no addresses, no tags."""
        text = re.sub(r"^```.*?^```", " ", self.source, flags=re.M | re.S)
        text = re.sub(r"``.+?``|`[^`]+`", " ", text)
        text = re.sub(r"<(code|kbd|pre)>.*?</\1>", " ", text, flags=re.S)
        text = re.sub(r"<[^>]+>", " ", text)
        text = re.sub(r"\[\d\d-[\w-]+\]\([^)]*\)", " ", text)  # a lesson's name is no prose
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r" \1 ", text)
        return re.sub(r"https?://\S+", " ", text)

    def links(self) -> list[tuple[str, str]]:
        """Return its links and pictures as (text, target)."""
        prose = re.sub(r"^```.*?^```", "", self.source, flags=re.M | re.S)
        found = re.findall(r"\[([^\]]*)\]\(([^)\s]+)[^)]*\)", prose)
        return found + [("", target) for target in re.findall(r'(?:href|src)="([^"]+)"', prose)]


@dataclass(frozen=True)
class Lesson:
    """A notebook."""

    path: Path
    cells: tuple[Cell, ...]
    metadata: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def number(self) -> int | None:
        """The number of a lesson; None for the map and for what teachers read."""
        digits = self.path.name[:2]
        return int(digits) if digits.isdigit() and digits != "00" else None

    @property
    def code(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.is_code]

    @property
    def words(self) -> list[Cell]:
        return [cell for cell in self.cells if not cell.is_code]

    def cell(self, name: str) -> Cell | None:
        return next((cell for cell in self.cells if cell.id == name), None)


def read_lesson(path: Path) -> Lesson:
    """Read a notebook from its file."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cells = [
        Cell(
            cell.get("id", ""),
            cell["cell_type"],
            "".join(cell["source"]),
            tuple(cell["metadata"].get("tags", ())),
            tuple(cell.get("outputs", ())),
            cell.get("execution_count"),
            cell["metadata"],
        )
        for cell in notebook["cells"]
    ]
    return Lesson(path, tuple(cells), notebook)


def texts_of(cell: Cell) -> Iterator[str]:
    """Return what a reader sees of a cell's outputs, as text."""
    for output in cell.outputs:
        yield "".join(output.get("text", ()))
        yield "".join(output.get("data", {}).get("text/plain", ()))
