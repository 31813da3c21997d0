"""What a recording says, in a teacher's sentences."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncteach.recording import Recording


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


def find(recording: "Recording") -> list[Finding]:
    """Return what is wrong, the costliest first."""
    return []


def explain(recording: "Recording") -> str:
    """Return the findings as plain sentences, or what went well."""
    return ""
