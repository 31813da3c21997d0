"""Conditions about what is under way at the same moment."""

from typing import Any

from asyncteach.checks.judgement import Judgement, Mark, no, when, yes
from asyncteach.checks.tasknames import find_tasks, say_missing, say_tasks, speak
from asyncteach.checks.underway import (
    Stretch,
    find_work,
    is_inside,
    least,
    leaves,
    lifetimes,
    most_at_once,
)
from asyncteach.formatting import join_words, spell
from asyncteach.recording import Recording

_OVERLAP = (
    "Who could be under way while another one waits? Look at what has to end before the next one "
    "begins.",
    "`await` waits on the spot until it is done. What is to overlap has to be started first, all "
    "of it, and awaited after that.",
)


def judge_overlap(recording: Recording, names: tuple[str, ...]) -> Judgement:
    """Judge if all of those tasks were under way at the same moment; no names: all leaves."""
    trace = recording.trace
    rows: list[int] = []
    for name in names:
        found = find_tasks(trace, name)
        if not found:
            return no(*say_missing(trace, name, inside=is_inside(trace, name)))
        rows += [row for row in found if row not in rows]
    if not names:
        rows = leaves(trace)
    lives = lifetimes(trace, rows)
    if not names:
        # One that never had to wait and took no time can't overlap with anything.
        lives = [one for one in lives if one.end - one.start > least(trace, recording.unit)]
    if len(lives) < 2:
        return no(
            f"there aren't two tasks that could overlap: {say_tasks(trace)}",
            "Awaiting a coroutine makes no task of it: it runs inside the task that awaits it.",
            "`asyncio.create_task`, `asyncio.gather` and `asyncio.TaskGroup` make tasks.",
        )
    early = min(lives, key=lambda one: one.start)
    for late in sorted(lives, key=lambda one: one.start):
        if early.end - late.start <= least(trace, recording.unit) and early.row != late.row:
            return _apart(recording, early, late)
        early = min(early, late, key=lambda one: one.end)
    together = join_words([speak(trace.rows[one.row]) for one in lives], 6)
    return yes(f"{together} were under way at the same time")


def _apart(recording: Recording, early: Stretch, late: Stretch) -> Judgement:
    trace, unit = recording.trace, recording.unit
    first, second = speak(trace.rows[early.row]), speak(trace.rows[late.row])
    at = when(late.start, unit)
    clause = f"{second} began only when {first} was over, {at}"
    if late.end - late.start <= least(trace, unit):
        clause = f"{second} never had to wait, so it was under way for a moment only, {at}"
    elif early.end - early.start <= least(trace, unit):
        clause = f"{first} never had to wait, so it was over before {second} was under way"
    return no(
        clause,
        *_OVERLAP,
        Mark(early.start, early.end, "", (early.row,)),
        Mark(late.start, late.end, f"begins {at}", (late.row,)),
    )


def judge_most(recording: Recording, limit: int, name: str) -> Judgement:
    """Judge if never more than so many were at work."""
    trace = recording.trace
    work = find_work(trace, name, maybe=False)
    if not work and not find_tasks(trace, name):
        return no(*say_missing(trace, name))
    count, start, end, rows = most_at_once(work, least(trace, recording.unit))
    if count <= limit:
        return yes(f"never more than {_times(count, name)} under way at once")
    return no(
        f"{_times(count, name)} under way at once, {when(start, recording.unit)}, and at most "
        f"{spell(limit)} may be",
        "Each has to wait for its turn before it begins. Who lets it in, and who makes room when "
        "it is done?",
        "A semaphore lets so many in and makes the others wait; so does a fixed number of workers "
        "that share one queue. It has to be one and the same for all of them, and around all that "
        "is limited.",
        Mark(start, end, f"{count} at once", tuple(sorted(rows))),
    )


def judge_least(recording: Recording, limit: int, name: str) -> Judgement:
    """Judge if at some moment that many were at work."""
    trace = recording.trace
    work = find_work(trace, name, maybe=True)
    if not work and not find_tasks(trace, name):
        return no(*say_missing(trace, name))
    count, start, end, rows = most_at_once(work, least(trace, recording.unit))
    if count >= limit:
        return yes(f"{_times(count, name)} under way at once")
    return no(
        f"there was never a moment with {spell(limit)} of {name} under way: {spell(count)} "
        f"{'was' if count == 1 else 'were'} the most",
        "Is the next one started before the one before it is done? And does nothing hold them "
        "back?",
        "`await` waits on the spot; and a semaphore, a lock or a queue lets in no more than it was "
        "made for.",
        Mark(start, end, f"{count} at most", tuple(sorted(rows))),
    )


def _times(count: int, name: str) -> str:
    return f"{spell(count)} of {name} {'was' if count == 1 else 'were'}"


def _find_mark(
    recording: Recording, task: str | None, start: float | None, end: float | None
) -> list[Mark]:
    """Return the mark for a place that somebody has named; a name that isn't there is no place."""
    trace = recording.trace
    rows = find_tasks(trace, task) if task is not None else []
    if not rows and start is None and end is None:
        return []
    lives = lifetimes(trace, rows)
    low = min((one.start for one in lives), default=0.0) if start is None else float(start)
    high = max((one.end for one in lives), default=trace.duration) if end is None else float(end)
    return [Mark(low, max(low, high), "here", tuple(rows))]


def judge_that(
    recording: Recording, condition: Any, sentence: str, task: str | None,
    start: float | None, end: float | None,
) -> Judgement:  # fmt: skip
    """Judge what somebody else has found out, or a function that finds it out."""
    clause = sentence.strip().rstrip(".")
    why = ""
    if callable(condition):
        try:
            condition = condition()
        except Exception as error:
            condition, why = False, f" ({type(error).__name__})"
    if condition:
        return yes(clause)
    marks = _find_mark(recording, task, start, end)
    return no(f"it isn't true yet that {clause}{why}", "", "", *marks)
