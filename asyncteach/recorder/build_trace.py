"""From what was stamped to a trace: rows, slices, waits, blocks and events."""

import heapq
from collections.abc import Callable

import numpy as np

from asyncteach.places import place_of
from asyncteach.recorder.holding import describe_holds, find_holds
from asyncteach.recorder.roster import Roster
from asyncteach.recorder.scope import Marks, Session
from asyncteach.recorder.steps import Steps, read
from asyncteach.recorder.tap import Tap
from asyncteach.recorder.waitlist import WaitList
from asyncteach.trace import (
    READY,
    RUNNING,
    STATES,
    WAITING,
    Block,
    Event,
    Floats,
    Slices,
    Trace,
    Wait,
    make_slices,
)

_RUNNING, _READY, _WAITING = (STATES.index(state) for state in (RUNNING, READY, WAITING))

Part = tuple[int, int, float, float]
"""TaskRecord, state, start, end."""


def develop(session: Session) -> Trace:
    """Return the trace of a recording, as it is now or as it was when that ended.

    Waits and blocks are put into words when somebody looks, from compact columns.
    """
    roster = Roster(session)
    parts: list[Slices] = []
    idle: list[tuple[Floats, Floats]] = []
    later: list[Callable[[Slices], list[Block]]] = []
    waits: list[WaitList] = []
    dropped, cpu = 0, 0.0
    for loop, (tap, begin) in enumerate(session.taps.items()):
        end = session.end_of(tap)
        dropped += end.dropped - begin.dropped
        cpu += end.cpu - begin.cpu
        steps = Steps(tap, roster, begin.steps, end.steps)
        parts += [*steps.slices(), _tails(loop, roster, steps, end)]
        idle.append(_idle(tap, roster, steps, begin, end))
        notes = tap.observer.notes
        waits.append(WaitList(tap, roster, notes, steps, begin.waits, end.waits))
        later.append(_describe_later(tap, loop, roster, steps, begin))
    slices = _join([*parts, _jobs(roster)])
    if len(slices) > session.most:
        dropped += len(slices) - session.most
        slices = slices[: session.most]
    names = [f"loop {n + 1}" for n in range(len(idle))] if len(idle) > 1 else ["loop"]
    trace = Trace(roster.rows, slices, roster.duration, events=_events(roster), idle=idle)
    trace.loops = names[: len(idle)]
    trace.cpu = float("nan") if session.axis.virtual else cpu
    trace.dropped = dropped
    trace.threshold = session.threshold

    def find_waits() -> list[Wait]:
        return sorted((w for one in waits for w in one), key=lambda w: (w.start, w.task))

    def find_blocks() -> list[Block]:
        ready = slices.of(READY)
        return sorted((b for find in later for b in find(ready)), key=lambda block: block.start)

    trace.find_waits, trace.find_blocks = find_waits, find_blocks
    return trace


def _describe_later(
    tap: Tap, loop: int, roster: Roster, steps: Steps, begin: Marks
) -> Callable[[Slices], list[Block]]:
    holds = find_holds(tap, roster, steps, begin.holds)
    samples, rows = tap.samples, roster.rows
    # On a virtual clock what takes time takes no processor.
    looks = [] if roster.session.axis.virtual else tap.looks
    return lambda ready: describe_holds(
        holds, samples, looks, rows, loop, ready, roster.session.threshold
    )


def _idle(
    tap: Tap, roster: Roster, steps: Steps, begin: Marks, end: Marks
) -> tuple[Floats, Floats]:
    """Return when the loop was idle; on a virtual clock whenever it didn't execute anything."""
    if not roster.session.axis.virtual:
        table = read(tap.idle, begin.idle, end.idle)
        return roster.times(table[:, 0]), roster.times(table[:, 1])
    order = np.argsort(steps.start, kind="stable")
    start = np.append(steps.start[order], roster.duration)
    ended = np.insert(np.maximum.accumulate(steps.end[order]), 0, 0.0)
    some = start > ended
    return ended[some], start[some]


def _tails(loop: int, roster: Roster, steps: Steps, end: Marks) -> Slices:
    """Return what follows the last step of tasks that were still there."""
    limit = float(steps.end.max()) if end.dropped and len(steps.end) else roster.duration
    since = {roster.row_of.get(e): roster.time(at) for e, at in roster.session.ready.items()}
    parts: list[Part] = []
    until = np.minimum(np.where(np.isnan(roster.finished), roster.duration, roster.finished), limit)
    for number in np.flatnonzero(until > steps.last).tolist() if roster.rows else ():
        row = roster.rows[number]
        if row.kind != "task" or row.loop != loop:
            continue
        start, stop = float(steps.last[number]), float(until[number])
        turn = stop
        if number in since and np.isnan(row.finished):
            turn = min(max(since[number], start), stop)
        parts += [(number, _WAITING, start, turn), (number, _READY, turn, stop)]
    return _make([part for part in parts if part[3] > part[2]])


def _jobs(roster: Roster) -> Slices:
    """Return the slices of work in threads and processes: ready until one of them is free.

    When a worker process begins a job isn't known here: it can't before one is free.
    """
    parts: list[Part] = []
    busy: dict[tuple[int, int], list[float]] = {}  # until when each worker of a pool is
    for entry in sorted(roster.session.jobs, key=lambda entry: entry.spawned):
        number = roster.row_of[entry]
        row = roster.rows[number]
        end = roster.duration if np.isnan(row.finished) else row.finished
        started = roster.time(entry.job.started)
        if (pool := entry.job.pool) is not None and row.outcome != "cancelled":
            workers = busy.setdefault(pool, [0.0] * pool[1])
            started = max(started, heapq.heappop(workers))
            heapq.heappush(workers, end)
        has_begun = started <= end
        begin = max(started, row.spawned) if has_begun else end
        if begin > row.spawned:
            parts.append((number, _READY, row.spawned, begin))
        at = begin
        for start, stop in entry.job.spans:
            start, stop = roster.time(start), min(roster.time(stop), end)
            parts += [(number, _WAITING, at, start)] if start > at else []
            parts += [(number, _RUNNING, start, stop)] if stop > start else []
            at = stop
        if has_begun and not entry.job.spans:
            parts.append((number, _RUNNING, begin, end))
    return _make(parts)


def _make(parts: list[Part]) -> Slices:
    task, state, start, end = zip(*parts, strict=True) if parts else ((), (), (), ())
    return make_slices(task, state, start, end)


def _join(parts: list[Slices]) -> Slices:
    start = np.concatenate([part.start for part in parts])
    order = np.argsort(start, kind="stable")
    return Slices(
        np.concatenate([part.task for part in parts])[order],
        np.concatenate([part.state for part in parts])[order],
        start[order],
        np.concatenate([part.end for part in parts])[order],
    )


def _events(roster: Roster) -> list[Event]:
    events = []
    told = set()
    for kind, entry, at, line, text, seconds, others in roster.session.events:
        if kind == "exception-never-retrieved":
            told.add(entry)
        rows = (roster.row_of.get(other) for other in others)
        events.append(
            Event(
                kind,
                None if entry is None else roster.row_of.get(entry),
                min(roster.time(at), roster.duration),
                None if line is None else place_of(*line),
                text,
                seconds,
                tuple(row for row in rows if row is not None),
            )
        )
    for entry, index in roster.row_of.items():
        row = roster.rows[index]
        if entry.kind == "task" and row.outcome.startswith("raised") and entry not in told:
            task = entry()
            if task is not None and task._log_traceback:
                kind, text = "exception-never-retrieved", row.outcome.removeprefix("raised ")
                events.append(Event(kind, index, row.finished, row.place, text))
        if entry.kind != "task" and entry.job.abandoned:
            at, waiter = entry.job.abandoned
            end = roster.duration if np.isnan(row.finished) else row.finished
            seconds = end - roster.time(at)
            is_left = np.isnan(row.finished) and roster.time(at) < roster.duration
            if seconds > 0.001 or is_left:
                found = roster.row_of.get(waiter)
                events.append(
                    Event(
                        "thread-outlived",
                        *(found, roster.time(at), row.place, row.label, seconds, (index,)),
                    )
                )
    for tap in roster.session.taps:
        most = tap.connections
        if most.most:
            found = None if most.entry is None else roster.row_of.get(most.entry)
            place = None if most.line is None else place_of(*most.line)
            at = min(roster.time(most.at), roster.duration)
            events.append(Event("connections", found, at, place, str(most.most)))
    return sorted(events, key=lambda event: event.at)
