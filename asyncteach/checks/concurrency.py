"""Which tasks ran at the same time: the tasks that a name stands for, and when they worked."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from asyncteach.checks.results import Judgement, Mark, no, when, yes
from asyncteach.domains import CODE
from asyncteach.findings import name_task
from asyncteach.formatting import clip, join_words, spell
from asyncteach.intervals import sweep
from asyncteach.recording import Recording
from asyncteach.trace import READY, RUNNING, STATES, Trace, Wait

# Names

_APART = re.compile(r" \(\d+\)$")
"""The number that a recording adds to the name of a second task with the same name."""
_NUMBER = re.compile(r"(?:\s*[-_#:. ]\s*)?\d+$")


def find_tasks(trace: Trace, name: str) -> list[int]:
    """Return the rows of the tasks with this name, or of `fetch-1` and `fetch-2` for `fetch`.

    If no task has that name, return the tasks of the coroutine function with that name.
    """
    names = [
        {_APART.sub("", text) for text in (row.name, row.label)} | {row.name, row.label}
        for row in trace.rows
    ]
    return (
        [n for n, own in enumerate(names) if name in own]
        or [n for n, own in enumerate(names) if name in {_NUMBER.sub("", text) for text in own}]
        or [n for n, row in enumerate(trace.rows) if is_function(row.coroutine, name)]
    )


def is_function(qualified: str, name: str) -> bool:
    """Tell if a qualified name, such as `Shop.serve`, belongs to a function of that name.

    >>> [is_function("main.<locals>.Shop.serve", n) for n in ("serve", "Shop.serve", "main")]
    [True, True, False]
    """
    return bool(name) and (
        qualified == name or qualified.endswith((f".{name}", f".<locals>.{name}"))
    )


def judge_missing(trace: Trace, name: str) -> Judgement:
    """Return the judgement for a name that fits no task."""
    name = clip(name, 40)
    if trace.head == "you":
        return no(f"no task is called {name!r}: {describe_tasks(trace)}", "Compare the names.")
    named = f"`asyncio.create_task(..., name={name!r})` gives a task its name."
    if _find_calls(trace, name):
        return no(
            f"{name}() was awaited inside another task, so it isn't a task of its own: "
            f"{describe_tasks(trace)}",
            "A coroutine that is awaited directly runs inside the task that awaits it.",
            f"Only tasks can run at the same time: {named}",
        )
    return no(
        f"no task is called {name!r}: {describe_tasks(trace)}",
        f"Compare the names. {named}",
        "Was it started at all, and under that name?",
    )


def describe_tasks(trace: Trace) -> str:
    """Return a clause that names the tasks."""
    names = [repr(name_task(row)) for row in trace.rows if not row.was_there]
    if not names:
        return "there is no task but the one that ran the code"
    return (
        f"the only task is {names[0]}"
        if len(names) == 1
        else (f"the tasks are {join_words(names, 8)}")
    )


# When a task was under way, or a call of a coroutine function inside a task

TURN = ("lock", "semaphore", "queue", "condition")
"""The kinds of waits that don't count as work: the task waits for its turn."""

MAYBE = ("event", "barrier")
"""The kinds of waits that may be waits for its turn."""

_VIRTUAL, _REAL = 1e-9, 1e-3


class Stretch(NamedTuple):
    """From when to when one task, or one call inside it, was under way."""

    row: int
    start: float
    end: float


def is_virtual(trace: Trace) -> bool:
    """Tell if no real time was measured: then times are exact."""
    return trace.domain is CODE and trace.head == "loop" and bool(np.isnan(trace.cpu))


def shortest(trace: Trace) -> float:
    """Return the shortest overlap that counts."""
    return _VIRTUAL if is_virtual(trace) else _REAL


def lifetime(trace: Trace, row: int) -> Stretch:
    """Return when a task was under way: from its first step until it finished."""
    return lifetimes(trace, [row])[0]


def lifetimes(trace: Trace, rows: Iterable[int]) -> list[Stretch]:
    """Return the lifetimes of several tasks."""
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
    """Return the tasks that have started no other tasks: they do the work."""
    rows = trace.rows
    tasks = [n for n, row in enumerate(rows) if row.kind == "task"] or list(range(len(rows)))
    parents = {rows[n].parent for n in tasks}
    return [n for n in tasks if n not in parents and not rows[n].was_there]


def find_work(trace: Trace, name: str, *, maybe: bool) -> list[Stretch]:
    """Return when tasks of that name, or calls of a coroutine function of that name, were at work.

    A task with such a call counts while the call lasts, any other task for its whole lifetime.
    Waiting at a semaphore, a lock or a queue doesn't count. With `maybe`, waits that may be waits
    for its turn count as work.
    """
    called = _find_calls(trace, name)
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
    # A lock that the user has written is made of futures.
    pauses += () if maybe else ("future",)
    for life in lifetimes(trace, rows):
        # A task that waits for another counted task does no work itself.
        kinds = (*pauses, "task", "tasks") if life.row in above else pauses
        turns = [(w.start, w.end) for w in waits.get(life.row, ()) if w.kind in kinds]
        found += _subtract(life, turns, steps)
    return found


def _find_calls(trace: Trace, name: str) -> list[Stretch]:
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
    """Return a function that finds the first step of a row after a given time."""
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
            # Its turn begins when it runs: until then another task may still have its turn.
            start = max(start, step_after(whole.row, end))
    if whole.end > start:
        yield Stretch(whole.row, start, whole.end)


def most_at_once(stretches: list[Stretch], least: float) -> tuple[int, float, float, set[int]]:
    """Return the largest number at once, when that first began and ended, and the rows."""
    long = [one for one in stretches if one.end - one.start > least]
    if not long:
        return 0, 0.0, 0.0, set()
    times, depth = sweep([one.start for one in long], [one.end - least for one in long])
    at = float(times[depth.argmax()])
    active = [one for one in long if one.start <= at < one.end - least]
    return len(active), at, min(one.end for one in active), {one.row for one in active}


# Judgements

_OVERLAP = (
    "Which of them could run while another one waits? Look at what has to end before the next one "
    "begins.",
    "`await` waits right there until the result is ready. To overlap, tasks have to be started "
    "first, all of them, and awaited after that.",
)


def judge_overlap(recording: Recording, names: tuple[str, ...]) -> Judgement:
    """Judge if the named tasks, or all leaves, were under way at the same moment."""
    trace, short = recording.trace, shortest(recording.trace)
    rows: list[int] = [] if names else leaves(trace)
    for name in names:
        found = find_tasks(trace, name)
        if not found:
            return judge_missing(trace, name)
        rows += [row for row in found if row not in rows]
    lives = lifetimes(trace, rows)
    if not names:
        # A task that took no time can't overlap with any other.
        lives = [one for one in lives if one.end - one.start > short]
    if len(lives) < 2:
        return no(
            f"there are no two tasks that could overlap: {describe_tasks(trace)}",
            "Awaiting a coroutine doesn't make it a task: it runs inside the task that awaits it.",
            "`asyncio.create_task`, `asyncio.gather` and `asyncio.TaskGroup` make tasks.",
        )
    early = min(lives, key=lambda one: one.start)
    for late in sorted(lives, key=lambda one: one.start):
        if early.end - late.start <= short and early.row != late.row:
            return _judge_apart(trace, early, late)
        early = min(early, late, key=lambda one: one.end)
    together = join_words([name_task(trace.rows[one.row]) for one in lives], 6)
    return yes(f"{together} were under way at the same time")


def _judge_apart(trace: Trace, early: Stretch, late: Stretch) -> Judgement:
    first, second = (name_task(trace.rows[one.row]) for one in (early, late))
    at = when(late.start, trace.unit)
    clause = f"{second} began only when {first} was over, {at}"
    if late.end - late.start <= shortest(trace):
        clause = f"{second} never had to wait, so it was under way for a moment only, {at}"
    elif early.end - early.start <= shortest(trace):
        clause = f"{first} never had to wait, so it was over before {second} was under way"
    return no(
        clause,
        *_OVERLAP,
        Mark(early.start, early.end, "", (early.row,)),
        Mark(late.start, late.end, f"begins {at}", (late.row,)),
    )


def judge_most(recording: Recording, limit: int, name: str) -> Judgement:
    """Judge if at most `limit` were ever at work at once."""
    trace = recording.trace
    work = find_work(trace, name, maybe=False)
    if not work and not find_tasks(trace, name):
        return judge_missing(trace, name)
    count, start, end, rows = most_at_once(work, shortest(trace))
    if count <= limit:
        return yes(f"never more than {_times(count, name)} under way at once")
    return no(
        f"{_times(count, name)} under way at once, {when(start, trace.unit)}, expected at most "
        f"{spell(limit)}",
        "Each has to wait for its turn before it begins. What lets it in, and what makes room when "
        "it is done?",
        "A semaphore lets a fixed number in and makes the others wait. So does a fixed number of "
        "workers that share one queue. All of them have to use the same semaphore, around all the "
        "work that should be limited.",
        Mark(start, end, f"{count} at once", tuple(sorted(rows))),
    )


def judge_least(recording: Recording, limit: int, name: str) -> Judgement:
    """Judge if at some moment at least `limit` were at work."""
    trace = recording.trace
    work = find_work(trace, name, maybe=True)
    if not work and not find_tasks(trace, name):
        return judge_missing(trace, name)
    count, start, end, rows = most_at_once(work, shortest(trace))
    if count >= limit:
        return yes(f"{_times(count, name)} under way at once")
    return no(
        f"there was never a moment with {spell(limit)} of {name} under way: {spell(count)} "
        f"{'was' if count == 1 else 'were'} the most",
        "Is the next one started before the one before it is done? And does anything hold them "
        "back?",
        "`await` waits right there for the result, and a semaphore, a lock or a queue limits how "
        "many can go on.",
        Mark(start, end, f"{count} at most", tuple(sorted(rows))),
    )


def _times(count: int, name: str) -> str:
    return f"{spell(count)} of {name} {'was' if count == 1 else 'were'}"
