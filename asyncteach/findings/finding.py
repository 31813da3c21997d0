"""One finding: what was observed, where, and what may be done about it."""

from collections.abc import Iterable
from dataclasses import dataclass

from asyncteach.labels import clip
from asyncteach.places import Place
from asyncteach.tapes.tape import Row


@dataclass(frozen=True)
class Finding:
    """One thing that a teacher would point at.

    `kind` is a word to look up or to test for, `task` the name of the task, `seconds` what it has
    cost, `file` and `line` the user's own line; `message` says what was observed, `fix` what to do.
    `delayed` names each task that was ready meanwhile and had to wait, with its seconds, the
    longest first; only what held the loop delays anything.
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
    kind: str, row: Row | None, seconds: float, place: Place | None, message: str, fix: str,
    delayed: Iterable[tuple[str, float]] = (),
) -> Finding:  # fmt: skip
    """Return a finding about a row at a place; either may be unknown."""
    return Finding(
        kind,
        row.name if row else None,
        seconds,
        place.file if place else None,
        place.line if place else None,
        message,
        fix,
        tuple(delayed),
    )


def speak(row: Row) -> str:
    """Return what a sentence calls a task: short, on one line."""
    return clip(row.label or row.name, 40)


def costliest_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings in order, each once."""
    return sorted(
        dict.fromkeys(findings), key=lambda f: (-f.seconds, f.file or "", f.line or 0, f.kind)
    )
