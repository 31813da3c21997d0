"""What Dask has recorded of a run, told as a recording: a lane a worker, its activities below."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from asyncteach.activities import Activity
from asyncteach.dask.errands import Errands, Start
from asyncteach.domains import STORY
from asyncteach.formatting import printable, tell_apart
from asyncteach.runners.diary import NS
from asyncteach.trace import READY, RUNNING, STATES, WAITING, TaskRecord, Trace, make_slices

Span = tuple[str, float, float]
"""A state, and from when to when, in story minutes since the activities were sent out."""

_FOREMOST = (RUNNING, READY, WAITING)  # of what a worker's threads do at one moment


@dataclass
class Attempt:
    """One activity on one worker, which has finished it or died with it."""

    activity: int
    worker: str
    spans: list[Span]
    lost: bool = False
    outcome: str = "returned"


def make_trace(activities: Sequence[Activity], errands: Errands) -> Trace:
    """Return a row for each worker that had anything to do, and under it one for each attempt.

    All times are of the scheduler's clock, by which Dask sets those of its workers right.
    """
    attempts = [*_find_lost(activities, errands), *_find_done(errands)]
    names = _name_workers(errands, {attempt.worker for attempt in attempts})
    _say_outcomes(attempts, names)
    own = tell_apart([printable(activity.name) for activity in activities])
    end = max(attempt.spans[-1][2] for attempt in attempts)
    rows: list[TaskRecord] = []
    spans: list[list[Span]] = []
    for worker in sorted(names, key=lambda address: _natural(names[address])):
        mine = sorted((one for one in attempts if one.worker == worker), key=_begin)
        died = worker in errands.deaths
        gone = errands.minutes(errands.deaths[worker]) if died else end
        outcome = "died" if died else "returned"
        parent = len(rows)
        rows.append(
            TaskRecord(names[worker], spawned=0.0, finished=gone, outcome=outcome, kind="worker")
        )
        spans.append(_foremost([attempt.spans for attempt in mine]))
        for one in mine:
            name = own[one.activity] + (" (lost)" if one.lost else "")
            first, last = one.spans[0][1], one.spans[-1][2]
            rows.append(TaskRecord(name, "", "", parent, first, last, one.outcome))
            spans.append(one.spans)
    for row, name in zip(rows, tell_apart([row.name for row in rows]), strict=True):
        row.name = row.label = name
    flat = [(n, STATES.index(state), a, b) for n, row in enumerate(spans) for state, a, b in row]
    return Trace(
        rows, make_slices(*zip(*flat, strict=True)).ordered(), end, domain=STORY, head=None
    )


def _find_lost(activities: Sequence[Activity], errands: Errands) -> Iterator[Attempt]:
    """Give the attempts that their workers took along when they died, as they began."""
    for index, key in enumerate(errands.keys):
        sent = 0.0
        for start, following in pairwise(one for one in errands.starts if one.key == key):
            at = errands.minutes(start.at)
            gone = min(errands.deaths.get(start.worker, following.at), following.at)
            until = max(at, errands.minutes(gone))
            plan = _planned(activities[index], at, until)
            yield Attempt(index, start.worker, [(READY, sent, at), *plan], lost=True)
            sent = until


def _find_done(errands: Errands) -> Iterator[Attempt]:
    """Give the attempts that came to an end, as they began."""
    last = {start.key: start for start in errands.starts}
    sent = dict.fromkeys(errands.keys, 0.0)
    for start, following in pairwise(sorted(errands.starts, key=lambda one: one.key)):
        if start.key == following.key:
            sent[start.key] = errands.minutes(errands.deaths.get(start.worker, following.at))
    free: dict[tuple[str, int], float] = {}
    for begun, key in sorted((_begun(errands, key, last[key]), key) for key in errands.keys):
        record = errands.stream.get(key, {"worker": last[key].worker, "thread": 0})
        thread = record["worker"], record["thread"]
        # Dask learns by how much two clocks differ from messages, which take a moment or two: by
        # as much may tasks that followed each other seem to overlap.
        at = max(errands.minutes(begun), sent[key], free.get(thread, 0.0))
        stretches, scale = errands.stretches[key], errands.minute * NS
        base = stretches[0][1]
        spans = [(one, at + (a - base) / scale, at + (b - base) / scale) for one, a, b in stretches]
        spans[0] = (READY, sent[key], spans[0][2])
        free[thread] = spans[-1][2]
        yield Attempt(errands.keys.index(key), thread[0], spans)


def _begun(errands: Errands, key: str, start: Start) -> float:
    """Return when an activity began, in the scheduler's time: by Dask's record, else by our note.

    Dask keeps the records of its last hundred thousand tasks.
    """
    records = errands.stream.get(key, {}).get("startstops", ())
    return max((one["start"] for one in records if one["action"] == "compute"), default=start.at)


def _say_outcomes(attempts: Sequence[Attempt], names: dict[str, str]) -> None:
    died: dict[int, str] = {}
    for attempt in attempts:
        if attempt.lost:
            died[attempt.activity] = f"{names[attempt.worker]} died"
            attempt.outcome = f"lost: {died[attempt.activity]}"
        elif attempt.activity in died:
            attempt.outcome = f"returned (ran again: {died[attempt.activity]})"


def _planned(activity: Activity, at: float, until: float) -> list[Span]:
    """Return what an activity did until its worker died: that took its diary along."""
    spans: list[Span] = []
    for needs_you, minutes in activity.steps:
        spans.append((RUNNING if needs_you else WAITING, at, at := min(until, at + minutes)))
    spans[-1] = (*spans[-1][:2], until)  # it took longer than planned, or it would have finished
    return spans


def _begin(attempt: Attempt) -> float:
    return attempt.spans[0][2]


def _foremost(threads: Iterable[Sequence[Span]]) -> list[Span]:
    """Return what a worker does: one of its threads may be running while another one waits."""
    changes: list[tuple[float, int, str]] = []
    for spans in threads:
        for state, start, end in spans[1:]:  # before, it was ready in a queue
            if end > start:
                changes += [(start, 1, state), (end, -1, state)]
    depth = dict.fromkeys(STATES, 0)
    found: list[Span] = []
    last = 0.0
    for at, change, state in sorted(changes):
        now = next((one for one in _FOREMOST if depth[one]), None)
        if now and at > last:
            if found and found[-1][0] == now and found[-1][2] == last:
                last = found.pop()[1]
            found.append((now, last, at))
        depth[state] += change
        last = at
    return found


def _name_workers(errands: Errands, addresses: Iterable[str]) -> dict[str, str]:
    """Return what to call each worker: its own name, unless that is its address or a number."""
    given = {start.worker: start.name for start in errands.starts}
    named: dict[str, str] = {}
    for number, address in enumerate(sorted(addresses), 1):
        name = printable(given.get(address, address))
        if "://" in name:
            name = f"worker {number}"
        named[address] = f"worker {name}" if name.isdigit() else name
    return dict(zip(named, tell_apart(list(named.values())), strict=True))


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]
