"""When something was under way: a task, or a call of a coroutine function inside of one."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from asyncteach.checking.tasknames import find_tasks, is_function
from asyncteach.tapes.tape import READY, RUNNING, STATES, Tape

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
    return lifetimes(tape, [row])[0]


def lifetimes(tape: Tape, rows: Iterable[int]) -> list[Stretch]:
    """Return the same for several."""
    begun = tape.slices[tape.slices.state != STATES.index(READY)]
    starts = np.full(len(tape.rows), np.inf)
    np.minimum.at(starts, begun.task, begun.start)
    found = []
    for row in rows:
        one = tape.rows[row]
        end = one.finished if one.finished == one.finished else tape.duration
        found.append(Stretch(row, min(float(starts[row]), end), end))
    return found


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
    whole = lifetimes(tape, rows)
    turns, steps = _turns(tape), _steps(tape)
    return [
        part
        for stretch in [*whole, *called]
        for part in _subtract(stretch, turns.get(stretch.row, ()), steps)
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


def _steps(tape: Tape) -> Callable[[int, float], float]:
    """Return what finds the first step of a row from some moment on."""
    running = tape.slices.of(RUNNING)
    running = running[np.argsort(running.task, kind="stable")]  # each row's stay in order

    def find(row: int, at: float) -> float:
        low, high = np.searchsorted(running.task, [row, row + 1])
        own = running.start[low:high]
        index = int(np.searchsorted(own, at - _VIRTUAL))
        return float(own[index]) if index < len(own) else at

    return find


def _subtract(
    whole: Stretch,
    turns: Iterable[tuple[float, float]],
    step_after: Callable[[int, float], float],
) -> Iterator[Stretch]:
    start = whole.start
    for begin, end in sorted(turns):
        if end > whole.start and begin < whole.end:
            if begin > start:
                yield Stretch(whole.row, start, begin)
            # Whose turn it is has it when it runs: before, somebody else may still have it.
            start = max(start, step_after(whole.row, end))
    if whole.end > start:
        yield Stretch(whole.row, start, whole.end)


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
