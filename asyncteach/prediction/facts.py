"""What really happened to the things that were guessed, and which guesses came true."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np

from asyncteach.prediction.guesses import Guess, Span, check_known
from asyncteach.recording import Recording
from asyncteach.trace import RUNNING, TaskRecord

_EXACT = 0.01
_REAL = 0.05
"""Which part of the whole a guess may be off, in virtual and in real time."""

TOTAL = "the whole"


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that was guessed, beside what it really was, in the recording's unit."""

    name: str
    guess: Span
    fact: Span | None
    """None: it never came to an end."""
    right: bool
    row: int | None = None
    """The row of the recording; None: the whole of it."""

    @property
    def off(self) -> float:
        """How much too late the guess is for the end, or for the beginning if only that is off."""
        assert self.fact is not None
        late = self.guess.end - self.fact.end
        if self.guess.start is None or self.fact.start is None:
            return late
        began = self.guess.start - self.fact.start
        return late if abs(late) >= abs(began) else began


@dataclass(frozen=True, slots=True)
class Place:
    """One place of an order: what was guessed to come there, and what came."""

    number: int
    guess: str | None
    fact: str | None

    @property
    def right(self) -> bool:
        """Tell if the guess came true."""
        return self.guess == self.fact


def compare_times(guess: Guess, recording: Recording, within: float | None) -> list[Hit]:
    """Return each guessed time beside what it was."""
    factor = _factor(guess.unit, recording.unit)
    duration = recording.trace.duration
    slack = _slack(recording, within)
    hits = []
    if guess.total is not None:
        hits.append(_hit(TOTAL, Span(guess.total * factor), Span(duration), slack))
    for name, span in guess.spans.items():
        row = find_row(recording, name)
        start = None if span.start is None else span.start * factor
        own = Span(span.end * factor, start)
        hits.append(_hit(name, own, _fact(recording, row), slack, row))
    return hits


def compare_seconds(guess: Guess, seconds: float, within: float | None) -> Hit:
    """Return the guessed total beside a measured time, both in seconds."""
    assert guess.total is not None
    own = Span(guess.total * _factor(guess.unit, "seconds"))
    slack = (_REAL if within is None else within) * seconds
    return _hit(TOTAL, own, Span(seconds), slack)


def compare_order(guess: Sequence[str], events: Iterable[str]) -> list[Place]:
    """Return each place of an order: what was guessed to come there, and what came."""
    came = list(events)
    size = max(len(guess), len(came))
    return [
        Place(n + 1, guess[n] if n < len(guess) else None, came[n] if n < len(came) else None)
        for n in range(size)
    ]


def order_of(recording: Recording, names: Sequence[str]) -> list[str]:
    """Return the names in the order in which it came: a name stands for a task's end.

    Of what happened at the same moment the order is as guessed: nobody can tell it.
    """
    times = []
    for number, name in enumerate(names):
        first, _, rest = name.partition(" of ")
        known = [row.label for row in recording.trace.rows] + recording.names
        is_edge = first in ("start", "end") and rest and name not in known
        row = find_row(recording, rest if is_edge else name)
        if is_edge and first == "start":
            at = _start(recording, row)
        else:
            at = recording.trace.rows[row].finished
        times.append((float("inf") if isnan(at) else at, number, name))
    return [name for _, _, name in sorted(times)]


def find_row(recording: Recording, name: str) -> int:
    """Return the row of a task by its name or its label; raise ValueError if there is none."""
    rows = recording.trace.rows
    for key in ("name", "label"):
        for number, row in enumerate(rows):
            if getattr(row, key) == name:
                return number
    labels = [row.label or row.name for row in rows]
    check_known(name, [*labels, *recording.names], "in this recording")
    raise AssertionError(name)


def leaves(rows: Sequence[TaskRecord]) -> list[int]:
    """Return the rows that have spawned nobody: those that do the work."""
    parents = {row.parent for row in rows}
    return [n for n, row in enumerate(rows) if n not in parents and not row.was_there]


def _hit(name: str, guess: Span, fact: Span | None, slack: float, row: int | None = None) -> Hit:
    right = fact is not None and abs(guess.end - fact.end) <= slack
    if right and guess.start is not None and fact is not None and fact.start is not None:
        right = abs(guess.start - fact.start) <= slack
    return Hit(name, guess, fact, right, row)


def _fact(recording: Recording, row: int) -> Span | None:
    end = recording.trace.rows[row].finished
    return None if isnan(end) else Span(end, _start(recording, row))


def _start(recording: Recording, row: int) -> float:
    """Return when a task first ran; in the story all are there from the start, and wait for you."""
    slices = recording.trace.slices
    ran = slices.of(RUNNING)
    own = ran.start[ran.task == row]
    return float(own[0]) if len(own) else recording.trace.rows[row].spawned


def _factor(guessed: str | None, real: str) -> float:
    if guessed is None or guessed == real:
        return 1.0
    return 60.0 if real == "seconds" else 1 / 60


def _slack(recording: Recording, within: float | None) -> float:
    if within is None:
        within = _EXACT if _is_exact(recording) else _REAL
    return within * recording.trace.duration + 1e-9


def _is_exact(recording: Recording) -> bool:
    """Tell if time was virtual: then it stands on round numbers, as a real clock never does."""
    ends = recording.trace.slices.end
    return bool(np.all(np.abs(ends - np.round(ends, 3)) < 1e-9))
