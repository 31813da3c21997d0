"""Guesses compared with what happened: which came true, and sentences about them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf, isnan

import numpy as np

from asyncteach.formatting import clip, join_words
from asyncteach.prediction.guesses import Guess, Span, check_known, format_amount
from asyncteach.recording import Recording
from asyncteach.trace import RUNNING

_EXACT = 0.01
_REAL = 0.05
"""A guess may be off by this share of the whole, in virtual and in real time."""

_NAMED = 3
"""At most so many missed guesses get a sentence of their own."""

TOTAL = "the whole"


@dataclass(frozen=True, slots=True)
class Hit:
    """One guess beside the fact, in the recording's unit."""

    name: str
    guess: Span
    fact: Span | None
    """None if the task never ended."""
    right: bool
    row: int | None = None
    """The row of the recording; None for the whole recording."""

    @property
    def off(self) -> float:
        """How much too late the guess is: at the end or at the start, whichever is further off."""
        assert self.fact is not None
        late = self.guess.end - self.fact.end
        if self.guess.start is None or self.fact.start is None:
            return late
        began = self.guess.start - self.fact.start
        return late if abs(late) >= abs(began) else began


@dataclass(frozen=True, slots=True)
class Rank:
    """One place of an order: the guessed event and the event that came."""

    number: int
    guess: str | None
    fact: str | None

    @property
    def right(self) -> bool:
        """Tell if the guess came true."""
        return self.guess == self.fact


def compare_times(guess: Guess, recording: Recording, within: float | None) -> list[Hit]:
    """Return each guessed time beside the recorded one."""
    trace = recording.trace
    factor = _factor(guess.unit, trace.unit)
    if within is None:  # virtual times are round numbers, real ones never are
        ends = trace.slices.end
        within = _EXACT if np.all(np.abs(ends - np.round(ends, 3)) < 1e-9) else _REAL
    slack = within * trace.duration + 1e-9
    hits = []
    if guess.total is not None:
        hits.append(_hit(TOTAL, Span(guess.total * factor), Span(trace.duration), slack))
    for name, span in guess.spans.items():
        row = find_row(recording, name)
        start = None if span.start is None else span.start * factor
        finished = trace.rows[row].finished
        fact = None if isnan(finished) else Span(finished, _start(recording, row))
        hits.append(_hit(name, Span(span.end * factor, start), fact, slack, row))
    return hits


def compare_seconds(guess: Guess, seconds: float, within: float | None) -> Hit:
    """Return the guessed total beside a measured time, both in seconds."""
    assert guess.total is not None
    own = Span(guess.total * _factor(guess.unit, "seconds"))
    return _hit(TOTAL, own, Span(seconds), (_REAL if within is None else within) * seconds)


def compare_order(guess: Sequence[str], events: Iterable[str]) -> list[Rank]:
    """Return for each place of an order the guessed event and the event that came."""
    came = list(events)
    size = max(len(guess), len(came))
    pairs = zip(*([*some, *[None] * (size - len(some))] for some in (guess, came)), strict=True)
    return [Rank(n, one, other) for n, (one, other) in enumerate(pairs, 1)]


def order_of(recording: Recording, names: Sequence[str]) -> list[str]:
    """Return the names in the order in which the events came: a name means the end of that task.

    Events at the same moment keep the guessed order.
    """
    times = []
    for number, name in enumerate(names):
        row, is_start = find_event(recording, name)
        at = _start(recording, row) if is_start else recording.trace.rows[row].finished
        times.append((inf if isnan(at) else at, number, name))
    return [name for _, _, name in sorted(times)]


def find_event(recording: Recording, name: str) -> tuple[int, bool]:
    """Return the row of an event, and whether it is the task's start, as in `start of tea`."""
    edge, _, rest = name.partition(" of ")
    known = {row.label for row in recording.trace.rows} | set(recording.names)
    is_edge = edge in ("start", "end") and bool(rest) and name not in known
    return find_row(recording, rest if is_edge else name), is_edge and edge == "start"


def find_row(recording: Recording, name: str) -> int:
    """Return the row of a task by its name or its label; raise ValueError if there is none."""
    rows = recording.trace.rows
    for names in ([row.name for row in rows], [row.label for row in rows]):
        if name in names:
            return names.index(name)
    check_known(
        name, [*(row.label or row.name for row in rows), *recording.names], "in this recording"
    )
    raise AssertionError(name)


def _hit(name: str, guess: Span, fact: Span | None, slack: float, row: int | None = None) -> Hit:
    right = fact is not None and abs(guess.end - fact.end) <= slack
    if right and guess.start is not None and fact is not None and fact.start is not None:
        right = abs(guess.start - fact.start) <= slack
    return Hit(name, guess, fact, right, row)


def _start(recording: Recording, row: int) -> float:
    """Return when a task first ran; in the story all exist from the start and wait for you."""
    ran = recording.trace.slices.of(RUNNING)
    own = ran.start[ran.task == row]
    return float(own[0]) if len(own) else recording.trace.rows[row].spawned


def _factor(guessed: str | None, real: str) -> float:
    if guessed is None or guessed == real:
        return 1.0
    return 60.0 if real == "seconds" else 1 / 60


# Sentences


def describe_hits(hits: Sequence[Hit], unit: str) -> str:
    """Return sentences about the right and the missed times."""
    total = [describe_total(hit, unit) for hit in hits if hit.row is None]
    tasks = [hit for hit in hits if hit.row is not None]
    if not tasks:
        return " ".join(total)
    missed = [hit for hit in tasks if not hit.right]
    words = [*total, _describe_right([hit for hit in tasks if hit.right], len(tasks), unit)]
    words += [_describe_missed(hit, unit) for hit in missed[:_NAMED]]
    if missed[_NAMED:]:
        words.append(f"Missed too: {_join([hit.name for hit in missed[_NAMED:]])}.")
    return " ".join(words)


def describe_total(hit: Hit, unit: str) -> str:
    """Return a sentence about the total: right, or by how much it is off."""
    assert hit.fact is not None
    guess, fact = format_amount(hit.guess.end, unit), format_amount(hit.fact.end, unit)
    if hit.right:
        if guess == fact:
            return f"Right: it took {fact}, as you guessed."
        return f"Right: you guessed {guess}, and it took {fact}."
    more = f"{format_amount(abs(hit.off), unit)} {'less' if hit.off > 0 else 'more'}"
    return f"Not quite: you guessed {guess} and it took {fact}, {more}."


def _describe_right(right: Sequence[Hit], count: int, unit: str) -> str:
    if not right:
        return "Not right this time." if count == 1 else f"None of the {count} is right this time."
    names = _join([hit.name for hit in right])
    if len(right) < count:
        return f"{len(right)} of {count} right: {names}."
    if count == 1 and right[0].fact is not None:
        return f"Right: {names} was done after {format_amount(right[0].fact.end, unit)}."
    return f"All {count} right: {names}." if count > 2 else f"Both right: {names}."


def _describe_missed(hit: Hit, unit: str) -> str:
    name, guess = clip(hit.name, 30), hit.guess.format(unit)
    if hit.fact is None:
        return f"{name} was still running at the end; you guessed {guess}."
    if hit.guess.start is not None:
        return f"{name} ran {hit.fact.format(unit)}; you guessed {guess}."
    off = f"{format_amount(abs(hit.off), unit)} {'earlier' if hit.off > 0 else 'later'}"
    return f"{name} was done after {format_amount(hit.fact.end, unit)}, {off} than you guessed."


def describe_order(places: Sequence[Rank]) -> str:
    """Return a sentence about the order: the real one, and what was right."""
    came = [place.fact for place in places if place.fact is not None]
    wrong = [place for place in places if not place.right]
    order = ", ".join(clip(name, 30) for name in came[:12]) + (", ..." if came[12:] else "")
    if not wrong:
        return f"Right: it was {order}, as you guessed."
    said = f"Not quite: it was {order or 'nothing at all'}."
    guessed = len([place for place in places if place.guess is not None])
    if guessed != len(came):
        return f"{said} You guessed {guessed}, and {len(came)} came."
    if len(wrong) == 2 and wrong[0].guess == wrong[1].fact and wrong[1].guess == wrong[0].fact:
        return f"{said} Only {wrong[0].fact} and {wrong[1].fact} are the other way round."
    right = [place.guess for place in places if place.right and place.guess is not None]
    if right:
        return f"{said} In the right place: {_join(right)}."
    return f"{said} You began with {wrong[0].guess}, and it began with {wrong[0].fact}."


def _join(names: Sequence[str]) -> str:
    return join_words([clip(name, 30) for name in names], 7)
