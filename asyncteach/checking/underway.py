"""When something was under way: a task, or a call of a coroutine function inside of one."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from asyncteach.checking.tasknames import find_tasks, is_function
from asyncteach.tapes.tape import READY, RUNNING, STATES, Floats, Tape

TURN = ("lock", "semaphore", "queue", "condition", "event", "barrier")
"""The kinds of waits in which a task is not at work: it waits for its turn."""

_VIRTUAL, _REAL = 1e-9, 1e-3


class Stretch(NamedTuple):
    """From when to when one task, or one call inside it, was under way."""

    row: int
    start: float
    end: float


def is_virtual(tape: Tape, unit: str) -> bool:
    """Tell if no real time was measured: then times are exact."""
    return unit == "seconds" and tape.head == "loop" and bool(np.isnan(tape.cpu))


def least(tape: Tape, unit: str) -> float:
    """Return how long two must be under way together to count as so."""
    return _VIRTUAL if is_virtual(tape, unit) else _REAL


def lifetime(tape: Tape, row: int) -> Stretch:
    """Return when a task was under way: from its first step until it finished."""
    own = tape.slices[tape.slices.task == row]
    begun = own[own.state != STATES.index(READY)]
    one = tape.rows[row]
    end = one.finished if one.finished == one.finished else tape.duration
    start = float(begun.start.min()) if len(begun) else end
    return Stretch(row, start, max(start, end))


def leaves(tape: Tape) -> list[int]:
    """Return the tasks that do the work: those that have started no others."""
    rows = tape.rows
    tasks = [n for n, row in enumerate(rows) if row.kind == "task"] or list(range(len(rows)))
    parents = {rows[n].parent for n in tasks}
    return [n for n in tasks if n not in parents and not rows[n].was_there]


def find_work(tape: Tape, name: str) -> list[Stretch]:
    """Return when tasks of that name, or calls of a coroutine function of that name, were at work.

    A task that has such a call counts as long as that lasts, else all its life. What it waits for
    its turn, at a semaphore, a lock or a queue, doesn't count.
    """
    called = _calls(tape, name)
    inside = {stretch.row for stretch in called}
    named = [n for n, row in enumerate(tape.rows) if is_function(row.coroutine, name)]
    rows = [n for n in dict.fromkeys([*find_tasks(tape, name), *named]) if n not in inside]
    whole = [lifetime(tape, row) for row in rows]
    turns = _turns(tape)
    return [
        part
        for stretch in [*whole, *called]
        for part in _subtract(tape, stretch, turns.get(stretch.row, ()))
    ]


def is_inside(tape: Tape, name: str) -> bool:
    """Tell if a coroutine function of that name was awaited somewhere inside a task."""
    return bool(_calls(tape, name))


def _calls(tape: Tape, name: str) -> list[Stretch]:
    found: dict[tuple[int, int], Stretch] = {}
    for wait in tape.waits:
        for place, call in zip(wait.places, wait.calls, strict=False):
            if is_function(place.function, name):
                known = found.get((wait.task, call))
                start = known.start if known else wait.start
                found[wait.task, call] = Stretch(wait.task, start, wait.end)
                break
    return list(found.values())


def _turns(tape: Tape) -> dict[int, list[tuple[float, float]]]:
    found: dict[int, list[tuple[float, float]]] = {}
    for wait in tape.waits:
        if wait.kind in TURN:
            found.setdefault(wait.task, []).append((wait.start, wait.end))
    return found


def _subtract(
    tape: Tape, whole: Stretch, turns: Iterable[tuple[float, float]]
) -> Iterable[Stretch]:
    start = whole.start
    inside = [turn for turn in turns if turn[1] > whole.start and turn[0] < whole.end]
    if inside:
        slices = tape.slices[tape.slices.task == whole.row]
        steps = slices.of(RUNNING).start
        for begin, end in sorted(inside):
            if begin > start:
                yield Stretch(whole.row, start, begin)
            # Whose turn it is has it when it runs: before, somebody else may still have it.
            start = max(start, _next(steps, end))
    if whole.end > start:
        yield Stretch(whole.row, start, whole.end)


def _next(steps: Floats, at: float) -> float:
    index = int(np.searchsorted(steps, at - _VIRTUAL))
    return float(steps[index]) if index < len(steps) else at


def most_at_once(stretches: list[Stretch], least: float) -> tuple[int, float, float, set[int]]:
    """Return how many there were at most, from when to when first, and of which rows."""
    long = [one for one in stretches if one.end - one.start > least]
    events = sorted(
        [(one.start, 1, n) for n, one in enumerate(long)]
        + [(one.end - least, 0, n) for n, one in enumerate(long)]
    )
    active: set[int] = set()
    best: tuple[int, float, float, set[int]] = (0, 0.0, 0.0, set())
    for at, begins, number in events:
        if not begins:
            active.discard(number)
            continue
        active.add(number)
        if len(active) > best[0]:
            until = min(long[n].end for n in active)
            best = (len(active), at, until, {long[n].row for n in active})
    return best
