"""What a teacher would point at: one finding is one thing."""

from collections.abc import Iterable
from dataclasses import dataclass

from asyncteach.labels import clip
from asyncteach.places import Place
from asyncteach.tapes.tape import Row


@dataclass(frozen=True)
class Finding:
    """One thing that a teacher would point at.

    `kind` is a word to look up or to test for, `task` the name of the task, `seconds` what it has
    cost, `file` and `line` the learner's own line; `message` says what happened, `fix` what to do.
    """

    kind: str
    task: str | None
    seconds: float
    file: str | None
    line: int | None
    message: str
    fix: str


def finding(
    kind: str, row: Row | None, seconds: float, place: Place | None, message: str, fix: str
) -> Finding:
    """Return a finding about a row at a place; either may be unknown."""
    return Finding(
        kind,
        row.name if row else None,
        seconds,
        place.file if place else None,
        place.line if place else None,
        message,
        fix,
    )


def speak(row: Row) -> str:
    """Return what a sentence calls a task: short, on one line."""
    return clip(row.label or row.name, 40)


def at(place: Place | None) -> str:
    """Return ` at lesson.py:3`, or nothing where the line isn't known."""
    return f" at {place}" if place else ""


def ancestors(rows: list[Row], index: int) -> list[int]:
    """Return the row's parent, its parent's parent and so on."""
    found: list[int] = []
    parent = rows[index].parent
    while parent is not None and parent not in found:
        found.append(parent)
        parent = rows[parent].parent
    return found


def told_once(findings: Iterable[Finding]) -> list[Finding]:
    """Return them costliest first, each once."""
    return sorted(
        dict.fromkeys(findings), key=lambda f: (-f.seconds, f.file or "", f.line or 0, f.kind)
    )
