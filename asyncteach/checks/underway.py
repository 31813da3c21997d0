"""When something was under way: a task, or a call of a coroutine function inside of one."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from asyncteach.checks.tasknames import find_tasks, is_function
from asyncteach.trace import READY, RUNNING, STATES, Trace, Wait

TURN = ("lock", "semaphore", "queue", "condition")
"""The kinds of waits in which nobody is at work: it isn't its turn."""

MAYBE = ("event", "barrier")
"""Those in which it may be so: who is let in by an Event, and who meets others there."""

_VIRTUAL, _REAL = 1e-9, 1e-3


class Stretch(NamedTuple):
    """From when to when one task, or one call inside it, was under way."""

    row: int
    start: float
    end: float


def is_virtual(trace: Trace, unit: str) -> bool:
    """Tell if no real time was measured: then times are exact."""
    return unit == "seconds" and trace.head == "loop" and bool(np.isnan(trace.cpu))


def least(trace: Trace, unit: str) -> float:
    """Return how long two must be under way together to count as so."""
    return _VIRTUAL if is_virtual(trace, unit) else _REAL


def lifetime(trace: Trace, row: int) -> Stretch:
    """Return when a task was under way: from its first step until it finished."""
    return lifetimes(trace, [row])[0]


def lifetimes(trace: Trace, rows: Iterable[int]) -> list[Stretch]:
    """Return the same for several."""
    begun = trace.slices[trace.slices.state != STATES.index(READY)]
    starts = np.full(len(trace.rows), np.inf)
    np.minimum.at(starts, begun.task, begun.start)
    found = []
    for row in rows:
        one = trace.rows[row]
        end = one.finished if one.finished == one.finished else trace.duration
        found.append(Stretch(row, min(float(starts[row]), end), end))
    return found


def leaves(trace: Trace) -> list[int]:
    """Return the tasks that do the work: those that have started no others."""
    rows = trace.rows
    tasks = [n for n, row in enumerate(rows) if row.kind == "task"] or list(range(len(rows)))
    parents = {rows[n].parent for n in tasks}
    return [n for n in tasks if n not in parents and not rows[n].was_there]


def find_work(trace: Trace, name: str, *, maybe: bool) -> list[Stretch]:
    """Return when tasks of that name, or calls of a coroutine function of that name, were at work.

    A task that has such a call counts as long as that lasts, else all its life; but not when it
    waits for its turn, at a semaphore, a lock or a queue. `maybe` tells if waits that may be for
    one's turn count as work.
    """
    called = _calls(trace, name)
    inside = {stretch.row for stretch in called}
    named = [n for n, row in enumerate(trace.rows) if is_function(row.coroutine, name)]
    rows = [n for n in dict.fromkeys([*find_tasks(trace, name), *named]) if n not in inside]
    above = {parent for row in [*rows, *inside] for parent in trace.ancestors(row)}
    pauses: tuple[str, ...] = TURN if maybe else (*TURN, *MAYBE)
    waits: dict[int, list[Wait]] = {}
    for wait in trace.waits:
        waits.setdefault(wait.task, []).append(wait)
    steps = _steps(trace)
    found: list[Stretch] = []
    for call in called:
        turns = [(w.start, w.end) for w in waits[call.row] if w.kind in pauses]
        found += _subtract(call, turns, steps)
    # A lock of one's own is made of futures.
    pauses += () if maybe else ("future",)
    for life in lifetimes(trace, rows):
        # Who waits for a task that is counted itself does nothing meanwhile.
        kinds = (*pauses, "task", "tasks") if life.row in above else pauses
        turns = [(w.start, w.end) for w in waits.get(life.row, ()) if w.kind in kinds]
        found += _subtract(life, turns, steps)
    return found


def is_inside(trace: Trace, name: str) -> bool:
    """Tell if a coroutine function of that name was awaited somewhere inside a task."""
    return bool(_calls(trace, name))


def _calls(trace: Trace, name: str) -> list[Stretch]:
    found: dict[tuple[int, int], Stretch] = {}
    for wait in trace.waits:
        for place, call in zip(wait.places, wait.calls, strict=False):
            if is_function(place.function, name):
                known = found.get((wait.task, call))
                start = known.start if known else wait.start
                found[wait.task, call] = Stretch(wait.task, start, wait.end)
                break
    return list(found.values())


def _steps(trace: Trace) -> Callable[[int, float], float]:
    """Return what finds the first step of a row from some moment on."""
    running = trace.slices.of(RUNNING)
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
