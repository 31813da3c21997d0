"""From what was stamped to a trace: tasks, slices, waits, blocks and events."""

import heapq
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asyncteach.formatting import printable, tell_apart
from asyncteach.places import place_of
from asyncteach.recorder.loop_patch import LoopPatch
from asyncteach.recorder.scope import Extent, RecordingSession
from asyncteach.recorder.steps import Part, Steps, make_parts, read
from asyncteach.recorder.task_events import Note, is_unretrieved
from asyncteach.recorder.task_table import Entry, Line
from asyncteach.recorder.watchdog import Counters, Sample, measure, name_line
from asyncteach.trace import (
    READY,
    RUNNING,
    STATES,
    WAITING,
    Block,
    Event,
    Floats,
    Slices,
    TaskRecord,
    Trace,
    Wait,
)

_RUNNING, _READY, _WAITING = (STATES.index(state) for state in (RUNNING, READY, WAITING))
_AUTOMATIC = re.compile(r"Task-\d+")

SHORTEST_DELAY = 0.001
"""Seconds that a task must have been ready during a block to count as delayed by it."""


def build_trace(session: RecordingSession) -> Trace:
    """Return the trace of a recording, as it is now or as it was when that ended.

    Waits and blocks are put into words when something asks for them, from compact columns.
    """
    records = Records(session)
    parts: list[Slices] = []
    idle: list[tuple[Floats, Floats]] = []
    blocks: list[LoopBlocks] = []
    waits: list[LoopWaits] = []
    dropped, cpu = 0, 0.0
    for loop, (patch, begin) in enumerate(session.begins.items()):
        end = session.end_of(patch)
        dropped += end.dropped - begin.dropped
        cpu += end.cpu - begin.cpu
        steps = Steps(patch, records, begin.steps, end.steps)
        parts += [*steps.slices(), _tails(loop, records, steps, end)]
        idle.append(_idle(patch, records, steps, begin, end))
        waits.append(LoopWaits(patch, records, steps, begin.waits, end.waits))
        blocks.append(LoopBlocks(patch, loop, records, steps, begin.holds))
    slices = _join([*parts, _jobs(records)])
    if len(slices) > session.most:
        dropped += len(slices) - session.most
        slices = slices[: session.most]
    trace = Trace(records.rows, slices, records.duration, events=_events(records), idle=idle)
    trace.loops = [f"loop {n + 1}" for n in range(len(idle))] if len(idle) > 1 else ["loop"]
    trace.loops = trace.loops[: len(idle)]
    trace.cpu = float("nan") if session.clock.virtual else cpu
    trace.dropped = dropped
    trace.threshold = session.threshold

    def find_waits() -> list[Wait]:
        return sorted((w for one in waits for w in one), key=lambda w: (w.start, w.task))

    def find_blocks() -> list[Block]:
        ready = slices.of(READY)
        return sorted((b for one in blocks for b in one.describe(ready)), key=lambda b: b.start)

    trace.find_waits, trace.find_blocks = find_waits, find_blocks
    return trace


def _round(seconds: float) -> float:
    """Return the seconds to the nanosecond: what is shown adds up."""
    return round(seconds * 1e9) / 1e9 if seconds == seconds else seconds


class Records:
    """The tasks and jobs of a recording, a row each, and the times that they are told in."""

    def __init__(self, session: RecordingSession) -> None:
        self.session = session
        is_over = session.closed or session.failed
        ended = session.ended if is_over else session.clock.now()
        self.start, self.duration = session.opened, _round(ended - session.opened)
        self._loops = {patch: index for index, patch in enumerate(session.begins)}
        entries = self._find()
        self.row_of = {entry: index for index, entry in enumerate(entries)}
        self.numbers: dict[LoopPatch, NDArray[np.int32]] = {}
        """For each loop the rows of its tasks by number, -1 for those of others."""
        for patch in session.begins:
            self.numbers[patch] = np.full(len(patch.tasks) + 1, -1, np.int32)
        for entry, index in self.row_of.items():
            if entry.job is None:
                self.numbers[entry.patch][entry.number] = index
        self.rows = [self._row(entry) for entry in entries]
        for row, name in zip(self.rows, _apart([row.name for row in self.rows]), strict=True):
            row.name = name
        for row, name in zip(self.rows, _apart([row.label for row in self.rows]), strict=True):
            row.label = name
        self.spawned = np.array([row.spawned for row in self.rows] or [0.0])
        self.finished = np.array([row.finished for row in self.rows] or [0.0])

    def time(self, at: float) -> float:
        """Return when that was, in whole nanoseconds since the recording began."""
        return _round(at - self.start)

    def times(self, at: Any) -> Any:
        """Return the same for an array, within the recording."""
        result = at - self.start
        result *= 1e9
        np.rint(result, out=result)
        result /= 1e9
        if len(result) and (result.min() < 0.0 or result.max() > self.duration):
            np.clip(result, 0.0, self.duration, out=result)
        return result

    def row(self, entry: Entry | None) -> int | None:
        """Return the row of an entry; None: it isn't part of the recording."""
        return None if entry is None else self.row_of.get(entry)

    def end(self, row: TaskRecord) -> float:
        """Return when a task or a job ended, or the recording before it."""
        return self.duration if np.isnan(row.finished) else row.finished

    def _find(self) -> list[Entry]:
        session = self.session
        entries: list[Entry] = []
        for patch, begin in session.begins.items():
            early = [e.number for e in session.openers if e.patch is patch]
            numbers = [n for n in early if n < begin.entries]
            numbers += range(begin.entries, session.end_of(patch).entries)
            found = map(patch.tasks.look_up, numbers)
            entries += [entry for entry in found if entry is not None and session.owns(entry)]
        # How asyncio.run() tidies up is not the user's work.
        entries = [e for e in entries if not e.coroutine.startswith("BaseEventLoop.shutdown_")]
        return sorted([*entries, *session.jobs], key=lambda entry: entry.spawned)

    def _row(self, entry: Entry) -> TaskRecord:
        is_done = bool(entry.outcome) and self.time(entry.finished) <= self.duration
        was_there = entry in self.session.openers
        coroutine = printable(entry.coroutine)
        short = coroutine.rpartition("<locals>.")[2]
        name = printable(entry.name) or short
        return TaskRecord(
            name,
            entry.label or (short if _AUTOMATIC.fullmatch(name) and short else name),
            coroutine,
            None if was_there else self._parent(entry),
            max(0.0, self.time(entry.spawned)),
            self.time(entry.finished) if is_done else float("nan"),
            entry.outcome if is_done else "still running",
            entry.kind,
            self._loops.get(entry.patch, 0),
            None if entry.line is None else place_of(*entry.line),
            was_there,
        )

    def _parent(self, entry: Entry) -> int | None:
        if not isinstance(entry.parent, int):
            return self.row(entry.parent)
        number = int(self.numbers[entry.patch][entry.parent])
        return number if number >= 0 else None


def _apart(names: list[str]) -> list[str]:
    return names if len(set(names)) == len(names) else tell_apart(names)


# Slices


def _idle(
    patch: LoopPatch, records: Records, steps: Steps, begin: Extent, end: Extent
) -> tuple[Floats, Floats]:
    """Return when the loop was idle; on a virtual clock whenever it didn't execute anything."""
    if not records.session.clock.virtual:
        table = read(patch.idle, begin.idle, end.idle)
        return records.times(table[:, 0]), records.times(table[:, 1])
    order = np.argsort(steps.start, kind="stable")
    start = np.append(steps.start[order], records.duration)
    ended = np.insert(np.maximum.accumulate(steps.end[order]), 0, 0.0)
    some = start > ended
    return ended[some], start[some]


def _tails(loop: int, records: Records, steps: Steps, end: Extent) -> Slices:
    """Return what follows the last step of tasks that were still there."""
    limit = float(steps.end.max()) if end.dropped and len(steps.end) else records.duration
    since = {records.row(e): records.time(at) for e, at in records.session.ready.items()}
    parts: list[Part] = []
    ends = np.where(np.isnan(records.finished), records.duration, records.finished)
    until = np.minimum(ends, limit)
    for number in np.flatnonzero(until > steps.last).tolist() if records.rows else ():
        row = records.rows[number]
        if row.kind != "task" or row.loop != loop:
            continue
        start, stop = float(steps.last[number]), float(until[number])
        turn = stop
        if number in since and np.isnan(row.finished):
            turn = min(max(since[number], start), stop)
        parts += [(number, _WAITING, start, turn), (number, _READY, turn, stop)]
    return make_parts(parts)


def _jobs(records: Records) -> Slices:
    """Return the slices of work in threads and processes: ready until one of them is free.

    When a worker process begins a job isn't known here: it can't before one is free.
    """
    parts: list[Part] = []
    busy: dict[tuple[int, int], list[float]] = {}  # until when each worker of a pool is
    for entry in sorted(records.session.jobs, key=lambda entry: entry.spawned):
        number, job = records.row_of[entry], entry.job
        if job is None:
            continue
        row = records.rows[number]
        end = records.end(row)
        started = records.time(job.started)
        if job.pool is not None and row.outcome != "cancelled":
            workers = busy.setdefault(job.pool, [0.0] * job.pool[1])
            started = max(started, heapq.heappop(workers))
            heapq.heappush(workers, end)
        has_begun = started <= end
        begin = max(started, row.spawned) if has_begun else end
        parts.append((number, _READY, row.spawned, begin))
        at = begin
        for start, stop in job.spans:
            start, stop = records.time(start), min(records.time(stop), end)
            parts += [(number, _WAITING, at, start), (number, _RUNNING, start, stop)]
            at = stop
        if has_begun and not job.spans:
            parts.append((number, _RUNNING, begin, end))
    return make_parts(parts)


def _join(parts: list[Slices]) -> Slices:
    start = np.concatenate([part.start for part in parts])
    order = np.argsort(start, kind="stable")
    return Slices(
        np.concatenate([part.task for part in parts])[order],
        np.concatenate([part.state for part in parts])[order],
        start[order],
        np.concatenate([part.end for part in parts])[order],
    )


# Waits


class LoopWaits:
    """Columns: who waited from when to when, for what, and how far in it is the call before."""

    def __init__(
        self, patch: LoopPatch, records: Records, steps: Steps, begin: int, end: int
    ) -> None:
        table = read(patch.waits, begin, end)
        row = records.numbers[patch][table[:, 0].astype(np.int64)]
        table, row = table[row >= 0], row[row >= 0]
        self._rows, self._numbers = records.rows, records.numbers[patch]
        self._notes: list[Note] = patch.events.notes
        self._jobs = [records.row(entry) for entry in patch.jobs]
        # By name, since an entry would keep all that its loop has stamped.
        self._strangers = {
            number: entry.name
            for number in np.flatnonzero(self._numbers[:-1] < 0).tolist()
            if (entry := patch.tasks.look_up(number)) is not None
        }
        self._row = row
        self._end: Floats = records.times(table[:, 1])
        self._start = self._find_starts(steps)
        self._note = table[:, 2].astype(np.int32)
        self._amount = table[:, 3].copy()
        self._same = table[:, 4].astype(np.int16)

    def _find_starts(self, steps: Steps) -> Floats:
        """Return when each wait began: when the step before the one that ended it did."""
        long = steps.ready > steps.before
        row, ready, before = steps.row[long], steps.ready[long], steps.before[long]
        # Row and end as one whole number, to look them up in a sorted list.
        times, rank = np.unique(np.concatenate([self._end, ready]), return_inverse=True)
        wanted = self._row.astype(np.int64) * len(times) + rank[: len(self._end)]
        known = row.astype(np.int64) * len(times) + rank[len(self._end) :]
        order = np.argsort(known)
        # A wait that nothing has ended began with the task's last step.
        start: Floats = steps.last[self._row]
        if len(order):
            place = np.minimum(np.searchsorted(known[order], wanted), len(order) - 1)
            found = known[order][place] == wanted
            start[found] = before[order][place][found]
        return start

    def __iter__(self) -> Iterator[Wait]:
        serial = 0
        calls: dict[int, list[int]] = {}
        result: dict[tuple[int, float], Wait] = {}
        columns: tuple[NDArray[np.generic], ...] = (
            *(self._row, self._start, self._end),
            *(self._note, self._amount, self._same),
        )
        for row, start, end, note, amount, same in zip(*(c.tolist() for c in columns), strict=True):
            kind, what, lines, is_library = self._notes[note]
            own = calls.setdefault(row, [])
            del own[same:]
            while len(own) < len(lines) + is_library:
                serial += 1
                own.append(serial)
            if end > start:
                what, target = self._describe(kind, what, amount)
                places = tuple(place_of(*line) for line in lines)
                # One that an inner recording has seen the beginning of comes twice.
                wait = Wait(row, start, end, kind, what, places, tuple(own), target)
                known = result.get((row, start))
                if known is None or known.end <= end:
                    result[row, start] = wait
        yield from result.values()

    def _describe(self, kind: str, what: str, amount: float) -> tuple[str, int | None]:
        if kind == "sleep":
            return what.format(f"{amount:g}"), None
        if kind == "tasks":
            return what.format(f"{int(amount):,}"), None
        if kind not in ("task", "lock", "thread", "process") or amount < 0:
            return what, None
        if kind in ("thread", "process"):
            return what, self._jobs[int(amount)]
        row = int(self._numbers[int(amount)])
        if row < 0:
            name = self._strangers.get(int(amount)) or "a task"
            return (what.format(name) if kind == "task" else what), None
        label = self._rows[row].label
        return (what.format(label) if kind == "task" else f"{what} that {label} holds"), row


# Blocks


class Hold(NamedTuple):
    """A stretch in which a loop was held: by a task of that row, or by a callback."""

    row: int | None
    who: str
    start: float
    end: float
    key: float
    """By which its samples are found."""


class LoopBlocks:
    """What held one loop for too long, at which line, and which tasks were ready meanwhile."""

    def __init__(
        self, patch: LoopPatch, loop: int, records: Records, steps: Steps, callbacks: int
    ) -> None:
        self._loop, self._rows, self._start = loop, records.rows, records.start
        self._threshold = threshold = records.session.threshold
        self._samples: dict[float, list[Sample]] = patch.samples
        # On a virtual clock what takes time takes no processor.
        self._looks: list[Counters] = [] if records.session.clock.virtual else patch.looks
        self._holds: list[Hold] = []
        long = (steps.end - steps.start > threshold) & ~steps.eager
        for one in np.flatnonzero(long).tolist():
            row = int(steps.row[one])
            for start, end, key in self._pieces(steps, one):
                if end - start > threshold:
                    self._holds.append(Hold(row, records.rows[row].label, start, end, key))
        for began, ended, who in patch.holds[callbacks:]:
            start, end = records.time(began), min(records.time(ended), records.duration)
            if 0 <= start <= records.duration and end - start > threshold:
                self._holds.append(Hold(None, who, start, end, began))

    def _pieces(self, steps: Steps, one: int) -> Iterator[tuple[float, float, float]]:
        """Give the stretches of a step in which no loop inside the loop went round."""
        since, end, key = float(steps.start[one]), float(steps.end[one]), float(steps.raw[one])
        inside = (steps.start > since) & (steps.end < end) & ~steps.eager
        pairs = zip(steps.start[inside].tolist(), steps.end[inside].tolist(), strict=True)
        for begin, finish in pairs:
            yield since, begin, key
            since = finish
            near = [(abs(sample - self._start - since), sample) for sample in self._samples]
            key = min(near, default=(0.0, 0.0))[1]
        yield since, end, key

    def describe(self, ready: Slices) -> Iterator[Block]:
        """Give the blocks; `ready`: all slices of tasks that were ready."""
        loops = np.array([row.loop for row in self._rows] or [0])
        ready = ready[loops[ready.task] == self._loop]
        for row, who, start, end, key in self._holds:
            late = np.minimum(ready.end, end) - np.maximum(ready.start, start)
            some = (late > SHORTEST_DELAY) & (ready.task != (-1 if row is None else row))
            delayed: dict[int, float] = {}
            for task, seconds in zip(ready.task[some].tolist(), late[some].tolist(), strict=True):
                delayed[task] = delayed.get(task, 0.0) + seconds
            place, places, doing, others = name_line(self._samples.get(key, []))
            if row is None and not delayed and place is None:
                continue  # work of others, for which no task had to wait
            worst = tuple(sorted(delayed.items(), key=lambda one: -one[1]))
            times = (start + self._start, end + self._start)
            effort = measure(self._looks, *times, self._threshold)
            # On a virtual clock a line is seen once for each sleep, however long that is.
            also = others if self._looks else ()
            what = (place, places, doing, worst, effort.busy, effort.lost, also, effort.unseen)
            yield Block(row, who, start, end, *what)


# Events


def _events(records: Records) -> list[Event]:
    session, events = records.session, []
    told = {one.entry for one in session.events if one.kind == "exception-never-retrieved"}
    for raw in session.events:
        others = [records.row(other) for other in raw.others]
        at = min(records.time(raw.at), records.duration)
        found = tuple(row for row in others if row is not None)
        events.append(
            _event(raw.kind, records.row(raw.entry), at, raw.line, raw.text, others=found)
        )
    for entry, index in records.row_of.items():
        row = records.rows[index]
        if entry.job is None and row.outcome.startswith("raised") and entry not in told:
            if is_unretrieved(entry.patch.tasks.task(entry.number)):
                kind, text = "exception-never-retrieved", row.outcome.removeprefix("raised ")
                events.append(_event(kind, index, row.finished, entry.line, text))
        elif entry.job is not None and entry.job.abandoned:
            at, waiter = records.time(entry.job.abandoned[0]), entry.job.abandoned[1]
            seconds = records.end(row) - at
            if seconds > 0.001 or (np.isnan(row.finished) and at < records.duration):
                what = ("thread-outlived", records.row(waiter), at, entry.line, row.label)
                events.append(_event(*what, seconds, (index,)))
    for patch in session.begins:
        most = patch.connections
        if most.most:
            at = min(records.time(most.at), records.duration)
            found_row = records.row(most.entry)
            events.append(_event("connections", found_row, at, most.line, str(most.most)))
    return sorted(events, key=lambda event: event.at)


def _event(
    kind: str, row: int | None, at: float, line: Line | None, text: str,
    seconds: float = 0.0, others: tuple[int, ...] = (),
) -> Event:  # fmt: skip
    place = None if line is None else place_of(*line)
    return Event(kind, row, at, place, text, seconds, others)
