"""Findings: what was observed in a recording, with numbers, and how to fix it."""

from collections.abc import Iterable
from dataclasses import dataclass

from asyncteach.formatting import clip
from asyncteach.places import Place
from asyncteach.trace import TaskRecord


@dataclass(frozen=True)
class Finding:
    """One problem that a teacher would point out.

    `kind` is a word to test for, `task` the name of the task, `seconds` the time that it cost,
    and `file` and `line` are the user's own line. `message` describes what was observed, `fix` what
    to do. `delayed` has the label of each task that was ready while the loop was held, with its
    delay in seconds, the longest first.
    """

    kind: str
    task: str | None
    seconds: float
    file: str | None
    line: int | None
    message: str
    fix: str
    delayed: tuple[tuple[str, float], ...] = ()


def finding(
    kind: str, row: TaskRecord | None, seconds: float, place: Place | None, message: str, fix: str,
    delayed: Iterable[tuple[str, float]] = (),
) -> Finding:  # fmt: skip
    """Return a finding about a row at a place; either may be unknown."""
    name = row.name if row else None
    file, line = (place.file, place.line) if place else (None, None)
    return Finding(kind, name, seconds, file, line, message, fix, tuple(delayed))


def name_task(row: TaskRecord | None) -> str:
    """Return the name of a task in sentences: short, on one line."""
    return clip(row.label or row.name, 40) if row else "A task"
