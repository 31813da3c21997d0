"""The conditions of a check: each judges a recording and describes what was observed."""

import re

import numpy as np

from asyncteach.checks.results import Judgement, Mark, no, when, yes
from asyncteach.domains import CODE, STORY
from asyncteach.findings import name_task
from asyncteach.formatting import at, called, clip, format_duration, format_time, join_words, spell
from asyncteach.intervals import sweep
from asyncteach.recording import Recording
from asyncteach.trace import READY, STATES, Block, TaskRecord, Trace

# Which tasks a name stands for, and when they were under way

_APART = re.compile(r" \(\d+\)$")
"""The number that a recording adds to the name of a second task with the same name."""
_NUMBER = re.compile(r"(?:\s*[-_#:. ]\s*)?\d+$")
_LEAST = 1e-3
"""The shortest overlap that counts: a task may go on for a moment after it lets another one in."""


def find_tasks(trace: Trace, name: str) -> list[int]:
    """Return the rows of the tasks with this name, or of `fetch-1` and `fetch-2` for `fetch`.

    If no task has that name, return the tasks of the coroutine function with that name.
    """
    names = [(row.name, row.label) for row in trace.rows]
    for number in (_APART, _NUMBER):
        shorter = [{*own, *(number.sub("", one) for one in own)} for own in names]
        if found := [n for n, own in enumerate(shorter) if name in own]:
            return found
    return [n for n, row in enumerate(trace.rows) if is_function(row.coroutine, name)]


def is_function(qualified: str, name: str) -> bool:
    """Return whether a qualified name, such as `Shop.serve`, belongs to a function of that name.

    >>> [is_function("main.<locals>.Shop.serve", n) for n in ("serve", "Shop.serve", "main")]
    [True, True, False]
    """
    return qualified == name or qualified.endswith(f".{name}")


def _judge_missing(trace: Trace, name: str) -> Judgement:
    """Return the judgement for a name that fits no task."""
    names = [repr(name_task(row)) for row in trace.rows if not row.was_there]
    others = f"only {join_words(names, 8)}" if names else "and no other task was started"
    return no(
        f"no task is called {clip(name, 40)!r}, {others}",
        "`asyncio.create_task(..., name=...)` gives a task its name. A coroutine that is "
        "awaited directly isn't a task: it runs inside the one that awaits it.",
    )


def lifetimes(trace: Trace) -> list[tuple[float, float]]:
    """Return when each task was under way: from its first step until it finished."""
    begun = trace.slices[trace.slices.state != STATES.index(READY)]
    starts = np.full(len(trace.rows), np.inf)
    np.minimum.at(starts, begun.task, begun.start)
    ends = np.array([row.finished for row in trace.rows])
    ends = np.where(np.isnan(ends), trace.duration, ends)
    return list(zip(np.minimum(starts, ends).tolist(), ends.tolist(), strict=True))


def _is_virtual(trace: Trace) -> bool:
    """Return whether no real time was measured: then times are exact."""
    return trace.domain is CODE and trace.head == "loop" and trace.is_virtual


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


# How long it took

_TOO_LONG = "What waited for something else to finish but could have run at the same time?"
_TOO_SHORT = (
    "Was all of the work done, and awaited to its end? A coroutine that is called without "
    "`await` doesn't run."
)


def judge_length(
    recording: Recording, condition: str, expected: float, within: float | None
) -> Judgement:
    """Judge whether it took the expected `minutes` or `seconds`, or `at_most_...` of them."""
    unit = condition.removeprefix("at_most_")
    took = recording.minutes if unit == "minutes" else recording.seconds
    # One unit of the condition, in the recording's own unit.
    scale = (60.0 if unit == "minutes" else 1.0) / recording.trace.domain.seconds
    early = late = (0.05 if within is None else within) * expected
    if within is None and not _is_virtual(recording.trace):
        # A real clock is never early, but a busy machine may be late.
        late = 0.25 * expected + (0 if recording.trace.domain is STORY else 0.05 / scale)
    own, wanted = format_time(took, unit), format_time(expected, unit)
    if took > expected + late + 1e-9:
        mark = Mark(expected * scale, took * scale, f"after {wanted}")
        most = "" if unit == condition else "at most "
        return no(f"it took {own}, expected {most}{wanted}", _TOO_LONG, mark)
    if unit == condition and took < expected - early - 1e-9:
        mark = Mark(took * scale, took * scale, f"done after {own}")
        return no(f"it took only {own}, expected {wanted}", _TOO_SHORT, mark)
    return yes(f"it took {own}")


# What held the loop

_BLOCK = (
    "While that line runs, no other task can. What does it wait for, and is there an `await`? "
    "`await asyncio.to_thread(...)` runs a call that has no async form."
)


def judge_blocks(trace: Trace, seconds: float) -> Judgement:
    """Judge whether no step held the loop for longer than `seconds`."""
    long = [block for block in trace.blocks if _is_to_blame(trace, block, seconds)]
    if not long:
        limit = format_duration(seconds, rough=True)
        return yes(f"the loop was never held for longer than {limit}")
    block = max(long, key=lambda block: block.end - block.start)
    length = format_duration(block.end - block.start)
    name = block.name if block.task is None else name_task(trace.rows[block.task])
    function = called(block.place.function) if block.place else ""
    clause = f"{function or name} held the loop for {length}{at(block.place)}"
    late = [name_task(trace.rows[row]) for row, _ in block.delayed]
    clause += f", and {join_words(late)} {_were(len(late))} delayed by it" if late else ""
    rows = () if block.task is None else (block.task,)
    return no(clause, _BLOCK, Mark(block.start, block.end, f"{length}{at(block.place)}", rows))


def _is_to_blame(trace: Trace, block: Block, seconds: float) -> bool:
    """Return whether the step itself held the loop, and not a busy machine."""
    if block.end - block.start - block.lost <= seconds + 1e-9:
        return False
    if _is_virtual(trace):  # such a clock stands still while code computes
        return block.task is not None
    # A computation while no other task could run delays none.
    is_idle = not block.busy >= 0.5
    is_late = any(late > 0.5 * seconds for _, late in block.delayed)
    return block.place is not None and (is_idle or is_late)


# How many at the same time

_NO_OVERLAP = (
    "Which of them could run while another one waits? To overlap, all tasks have to be started "
    "before any of them is awaited."
)
_TOO_MANY = (
    "A semaphore lets a fixed number in and makes the others wait; so does a fixed number of "
    "workers that share one queue. All have to use the same one, around all the work that "
    "should be limited."
)
_TURN = ("lock", "semaphore", "queue", "condition", "event", "barrier")
"""The kinds of waits that don't count as work: the task waits for its turn."""


def judge_overlap(trace: Trace, names: tuple[str, ...]) -> Judgement:
    """Judge whether the named tasks, or all that do the work, were under way at the same moment."""
    lives = lifetimes(trace)
    rows: list[int] = []
    for name in names:
        if not (found := find_tasks(trace, name)):
            return _judge_missing(trace, name)
        rows += [row for row in found if row not in rows]
    if not names:
        # A task that took no time can't overlap with any other.
        parents = {row.parent for row in trace.rows}
        leaves = [n for n, row in enumerate(trace.rows) if n not in parents and not row.was_there]
        rows = [row for row in leaves if lives[row][1] - lives[row][0] > _LEAST]
    if len(rows) < 2:
        return no("there are no two tasks that could overlap", _NO_OVERLAP)
    first = min(rows, key=lambda row: lives[row][1])
    later = [row for row in rows if row != first and lives[row][0] >= lives[first][1] - _LEAST]
    if not later:
        together = join_words([name_task(trace.rows[row]) for row in rows], 6)
        return yes(f"{together} were under way at the same time")
    second = min(later, key=lambda row: lives[row][0])
    start = when(lives[second][0], trace.unit)
    early, late = (name_task(trace.rows[row]) for row in (first, second))
    return no(
        f"{late} began only when {early} was done, {start}",
        _NO_OVERLAP,
        Mark(*lives[first], "", (first,)),
        Mark(*lives[second], f"begins {start}", (second,)),
    )


def judge_most(trace: Trace, limit: int, name: str) -> Judgement:
    """Judge whether at most `limit` were ever at work at the same time."""
    work = [one for one in _find_work(trace, name) if one[1] - one[0] > _LEAST]
    if not work and not find_tasks(trace, name):
        return _judge_missing(trace, name)
    times, depth = sweep([start for start, _, _ in work], [end - _LEAST for _, end, _ in work])
    number = int(depth.max(initial=0))
    clause = f"{spell(number)} of {name} {_were(number)} under way at the same time"
    if number <= limit:
        return yes(f"never more than {clause}")
    start = float(times[depth.argmax()])
    active = [one for one in work if one[0] <= start < one[1] - _LEAST]
    rows = tuple(sorted({row for _, _, row in active}))
    return no(
        f"{clause}, {when(start, trace.unit)}, expected at most {spell(limit)}",
        _TOO_MANY,
        Mark(start, min(end for _, end, _ in active), f"{number} at once", rows),
    )


def _find_work(trace: Trace, name: str) -> list[tuple[float, float, int]]:
    """Return when tasks of that name, or calls of a coroutine function of that name, were at work.

    That is when they waited for anything but their turn: on one loop only one more can be running.
    A task with such a call counts only during the call. A job in a thread counts until it ends.
    """
    calls = [
        wait for wait in trace.waits if any(is_function(p.function, name) for p in wait.places)
    ]
    rows = set(find_tasks(trace, name)) - {wait.task for wait in calls}
    waits = calls + [wait for wait in trace.waits if wait.task in rows]
    lives, rows = lifetimes(trace), rows - {wait.task for wait in waits}
    return [(wait.start, wait.end, wait.task) for wait in waits if wait.kind not in _TURN] + [
        (*lives[row], row) for row in rows
    ]


# How tasks ended, and in which order

_OUTCOMES = {
    "cancelled": (
        "What asks it to stop, and when? If an `except` or a `finally` swallows the "
        "CancelledError, the task goes on, or ends as if it had returned."
    ),
    "returned": (
        "A task that fails or is cancelled never returns; one that is never awaited may not, "
        "either. What keeps it from finishing?"
    ),
    "raised": (
        "If a task catches an exception and doesn't raise it again, the task just returns. Does "
        "the error leave the task?"
    ),
}
_ORDER = (
    "Tasks that run at the same time end when their waits end. To finish after the first, the "
    "second has to wait for it: with an `await` of it, or with an Event."
)
_LEFT = "What awaits it? And what stops it when it is no longer needed?"


def judge_outcome(
    trace: Trace, name: str, wanted: str, error: type[BaseException] | None
) -> Judgement:
    """Judge whether all tasks of that name were cancelled, returned or raised."""
    rows = find_tasks(trace, name)
    if not rows:
        return _judge_missing(trace, name)
    kind = error.__name__ if error else ""
    known = _names_of(error) if error else set[str]()
    for index in rows:
        row = trace.rows[index]
        how, _, text = row.outcome.partition(" ")
        if how == wanted and (not error or text.partition(":")[0] in known):
            continue
        should = {"cancelled": "be cancelled", "returned": "return"}.get(
            wanted, f"raise {kind or 'an exception'}"
        )
        clause = f"{name_task(row)} {_describe_outcome(row)}, expected it to {should}"
        mark = Mark(*lifetimes(trace)[index], f"not {wanted} {kind}".strip(), (index,))
        return no(clause, _OUTCOMES[wanted], mark)
    names = join_words([name_task(trace.rows[row]) for row in rows], 6)
    verb = f"{_were(len(rows))} cancelled" if wanted == "cancelled" else wanted
    return yes(f"{names} {verb} {kind}".strip())


def _names_of(kind: type[BaseException]) -> set[str]:
    """Return the names of an exception and of all its subclasses."""
    return {kind.__name__}.union(*map(_names_of, type.__subclasses__(kind)))


def _describe_outcome(row: TaskRecord) -> str:
    """Return how a task ended, as the end of a sentence."""
    return {
        "cancelled": "was cancelled",
        "still running": "was still running at the end",
        "garbage-collected": "was lost before it was done, because no reference to it was kept",
    }.get(row.outcome, row.outcome)


def _never_ended(row: TaskRecord) -> bool:
    return row.outcome in ("still running", "garbage-collected") and not row.was_there


def judge_order(trace: Trace, names: tuple[str, ...]) -> Judgement:
    """Judge whether tasks finished in that order; those that finished together may come in any."""
    lives = lifetimes(trace)
    ends: list[tuple[float, int, str]] = []
    for name in names:
        rows = find_tasks(trace, name)
        if not rows:
            return _judge_missing(trace, name)
        for row in rows:
            record = trace.rows[row]
            if _never_ended(record):
                mark = Mark(*lives[row], "never over", (row,))
                clause = f"{name_task(record)} {_describe_outcome(record)}"
                return no(clause, _OUTCOMES["returned"], mark)
        ends.append((*max((lives[row][1], row) for row in rows), name))
        if len(ends) > 1 and ends[-1][0] < ends[-2][0] - 1e-9:
            (late, _, first), (early, _, second) = ends[-2:]
            return no(
                f"{second} was done {when(early, trace.unit)}, and {first} only "
                f"{when(late, trace.unit)}, expected the other way round",
                _ORDER,
                *(Mark(end, end, f"{name} was done", (row,)) for end, row, name in ends[-2:]),
            )
    return yes(f"{join_words(names, 8)} finished in this order")


def judge_rest(trace: Trace) -> Judgement:
    """Judge whether no task was left running."""
    left = [n for n, row in enumerate(trace.rows) if row.kind == "task" and _never_ended(row)]
    if not left:
        return yes("no task was left running")
    rows, lives = [trace.rows[n] for n in left], lifetimes(trace)
    is_lost = all(row.outcome == "garbage-collected" for row in rows)
    how = "lost before the end" if is_lost else "left running at the end"
    marks = [Mark(*lives[n], "" if n != left[0] else "still running", (n,)) for n in left[:8]]
    names = join_words([name_task(row) + at(row.place) for row in rows])
    return no(f"{names} {_were(len(left))} {how}", _LEFT, *marks)


def judge_that(
    trace: Trace, is_true: bool, sentence: str, task: str | None,
    start: float | None, end: float | None,
) -> Judgement:  # fmt: skip
    """Judge any condition; a task, or the time from `start` to `end`, is marked if it fails."""
    clause = sentence.strip().rstrip(".")
    if is_true:
        return yes(clause)
    rows = find_tasks(trace, task) if task is not None else []
    lives = lifetimes(trace)
    low = min((lives[row][0] for row in rows), default=0.0) if start is None else float(start)
    high = max((lives[row][1] for row in rows), default=trace.duration)
    high = high if end is None else float(end)
    has_place = bool(rows) or start is not None or end is not None
    marks = [Mark(low, max(low, high), "here", tuple(rows))] if has_place else []
    return no(f"it isn't true that {clause}", "", *marks)
