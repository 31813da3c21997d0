"""Conditions about how tasks ended, in which order, and if they have."""

import re
from collections.abc import Iterable
from typing import Any

from asyncteach.checks.judgement import Judgement, Mark, no, when, yes
from asyncteach.checks.tasknames import find_tasks, say_missing, speak
from asyncteach.checks.underway import is_inside, lifetime, lifetimes
from asyncteach.formatting import at, join_words
from asyncteach.recording import Recording
from asyncteach.trace import TaskRecord, Trace

_HINTS = {
    "cancelled": (
        "Who asks it to stop, and when? And does it let itself be stopped?",
        "`task.cancel()` asks a task to stop: CancelledError is raised where it waits. An `except` "
        "or a `finally` that swallows it lets the task go on or end as if nothing had been.",
    ),
    "returned": (
        "What keeps it from reaching its end?",
        "A task that fails or is cancelled never returns; nor does one whose end nobody awaits.",
    ),
    "raised": (
        "Does the error come out of the task, or does somebody catch it before?",
        "An exception that is caught inside a task and not raised again stays there: from outside "
        "the task looks as if it had returned.",
    ),
}


def judge_outcome(recording: Recording, name: str, wanted: str, error: Any = None) -> Judgement:
    """Judge if all tasks of that name were cancelled, returned or raised."""
    trace = recording.trace
    rows = find_tasks(trace, name)
    if not rows:
        return no(*say_missing(trace, name, inside=is_inside(trace, name)))
    known = _names_of(error) if error is not None else None
    for index in rows:
        row = trace.rows[index]
        if _ended(row, wanted, known):
            continue
        if row.was_there and row.outcome == "still running" and wanted == "returned":
            continue  # who has opened the recording goes on after it
        what = f"raised {_say_errors(error)}" if wanted == "raised" and known else wanted
        should = {"cancelled": "be cancelled", "returned": "return"}.get(
            wanted, f"raise {_say_errors(error)}" if known else "raise an exception"
        )
        end = row.finished if row.finished == row.finished else trace.duration
        start = lifetime(trace, index).start
        return no(
            f"{speak(row)} {_say(row)} and was to {should}",
            *_HINTS[wanted],
            Mark(start, end, f"not {what}", (index,)),
        )
    verb = {"cancelled": "cancelled"}.get(wanted)
    names = join_words([speak(trace.rows[row]) for row in rows], 6)
    if verb:
        return yes(f"{names} {'was' if len(rows) == 1 else 'were'} {verb}")
    return yes(f"{names} {wanted}{f' {_say_errors(error)}' if known else ''}")


def _ended(row: TaskRecord, wanted: str, known: set[str] | None) -> bool:
    if wanted != "raised":
        return row.outcome == wanted
    kind = re.match(r"raised (\w+)", row.outcome)
    return kind is not None and (known is None or kind[1] in known)


def _names_of(error: Any) -> set[str]:
    """Return the names of those exceptions, and of all that are a kind of them."""
    left = list(error) if isinstance(error, tuple) else [error]
    found: set[type] = set()  # libraries have a ConnectionError of their own, too
    while left:
        kind = left.pop()
        if kind not in found:
            found.add(kind)
            left += type.__subclasses__(kind)
    return {kind.__name__ for kind in found}


def _say_errors(error: Any) -> str:
    kinds = error if isinstance(error, tuple) else (error,)
    return " or ".join(kind.__name__ for kind in kinds)


def _say(row: TaskRecord) -> str:
    """Return how a task ended, as what a sentence goes on with."""
    if row.outcome == "cancelled":
        return "was cancelled"
    if row.outcome == "still running":
        return "was still running when all was over"
    if row.outcome == "garbage-collected":
        return "was lost before it was done, since nobody held it"
    return row.outcome


def judge_order(recording: Recording, names: Iterable[str]) -> Judgement:
    """Judge if tasks finished, or events came, in that order; at the same time counts as so."""
    trace = recording.trace
    before: tuple[str, float, int] | None = None
    said = []
    for event in names:
        edge, name = _read_event(event)
        rows = find_tasks(trace, name)
        if not rows:
            return no(*say_missing(trace, name, inside=is_inside(trace, name)))
        lives = lifetimes(trace, rows)
        if edge == "start":
            at_time, row = min((life.start, life.row) for life in lives)
        else:
            at_time, row = max((life.end, life.row) for life in lives)
            unfinished = [r for r in rows if _never_ended(trace.rows[r])]
            if unfinished:
                row = unfinished[0]
                mark = Mark(lifetime(trace, row).start, trace.duration, "never over", (row,))
                return no(
                    f"{speak(trace.rows[row])} {_say(trace.rows[row])}", *_HINTS["returned"], mark
                )
        words = f"{name} {'began' if edge == 'start' else 'was done'}"
        if before is not None and at_time < before[1] - 1e-9:
            return _disorder(trace, recording.unit, before, (words, at_time, row))
        before = (words, at_time, row)
        said.append(words)
    return yes("first " + ", then ".join(said))


def _never_ended(row: TaskRecord) -> bool:
    return row.outcome in ("still running", "garbage-collected") and not row.was_there


def _disorder(
    trace: Trace, unit: str, first: tuple[str, float, int], second: tuple[str, float, int]
) -> Judgement:
    return no(
        f"{second[0]} {when(second[1], unit)}, and {first[0]} only "
        f"{when(first[1], unit)}: it was to be the other way round",
        "Who waits for whom? Look for what makes one of them go first.",
        "Tasks that are under way together end as their waits end. To have one after the other, "
        "something of the second has to wait for the first: an `await` of it, or an Event.",
        *(Mark(time, time, words, (row,)) for words, time, row in (first, second)),
    )


def _read_event(event: str) -> tuple[str, str]:
    """Return what of a task is meant: ("start", "a") for `start of a`."""
    for edge in ("start", "end"):
        if event.startswith(f"{edge} of "):
            return edge, event.removeprefix(f"{edge} of ")
    return "end", event


def judge_rest(recording: Recording) -> Judgement:
    """Judge if no task was left running."""
    trace = recording.trace
    left = [n for n, row in enumerate(trace.rows) if row.kind == "task" and _never_ended(row)]
    if not left:
        return yes("no task was left running")
    names = [speak(trace.rows[row]) + at(trace.rows[row].place) for row in left]
    lost = all(trace.rows[row].outcome == "garbage-collected" for row in left)
    how = "lost before done" if lost else "left running at the end"
    marks = [Mark(lifetime(trace, n).start, trace.duration, "", (n,)) for n in left[:8]]
    marks[0] = marks[0]._replace(label="still running")
    return no(
        f"{join_words(names)} {'was' if len(left) == 1 else 'were'} {how}",
        "Who awaits it? And who stops it when it is no longer needed?",
        "Each task that is started has to be awaited, or cancelled and then awaited, before its "
        "parent returns. A TaskGroup sees to that by itself.",
        *marks,
    )
