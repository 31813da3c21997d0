"""Build a trace from what was stamped: tasks, slices, waits, blocks and events."""

import heapq
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asyncteach.formatting import printable, tell_apart
from asyncteach.places import place_of
from asyncteach.recorder.loop_patch import LoopPatch
from asyncteach.recorder.scope import Extent, RecordingSession
from asyncteach.recorder.task_events import is_unretrieved
from asyncteach.recorder.task_table import Entry, Line, StampBuffer
from asyncteach.recorder.watchdog import measure, name_line
from asyncteach.states import READY, RUNNING, STATES, WAITING
from asyncteach.trace import Block, Event, Floats, Slices, TaskRecord, Trace, Wait, make_slices

_RUNNING, _READY, _WAITING = (STATES.index(state) for state in (RUNNING, READY, WAITING))
_AUTOMATIC = re.compile(r"Task-\d+")

SHORTEST_DELAY = 0.001
"""Seconds that a task must have been ready during a block to count as delayed by it."""

Part = tuple[int, int, float, float]
"""Task, state, start, end."""


def build_trace(session: RecordingSession) -> Trace:
    """Return the trace of a recording until now, or until its end.

    Waits and blocks are described only when they are needed, from compact columns.
    """
    records = Records(session)
    parts = [_jobs(records)]
    idle: list[tuple[Floats, Floats]] = []
    blocks: list[Callable[[Slices], Iterator[Block]]] = []
    waits: list[Callable[[], Iterable[Wait]]] = []
    dropped = 0
    for loop, (patch, begin) in enumerate(session.begins.items()):
        end = session.end_of(patch)
        dropped += end.dropped - begin.dropped
        steps = Steps(patch, records, begin, end)
        parts += [*steps.slices(), _tails(loop, records, steps, end)]
        idle.append(_idle(patch, records, steps, begin, end))
        waits.append(_waits(patch, records, begin, end))
        blocks.append(_blocks(patch, loop, records, steps, begin))
    columns = zip(*((part.task, part.state, part.start, part.end) for part in parts), strict=True)
    slices = Slices(*map(np.concatenate, columns))
    slices = slices[np.argsort(slices.start, kind="stable")[: session.most]]
    return Trace(
        *(records.rows, slices, records.duration),
        events=_events(records),
        idle=idle,
        loops=[f"loop {n + 1}" for n in range(len(idle))] if idle[1:] else ["loop"] * len(idle),
        is_virtual=session.clock.virtual,
        is_final=session.closed,
        dropped=dropped + sum(map(len, parts)) - len(slices),
        threshold=session.threshold,
        find_waits=lambda: sorted(
            chain(*(one() for one in waits)), key=lambda wait: (wait.start, wait.task)
        ),
        find_blocks=lambda: sorted(
            chain(*(one(slices.of(READY)) for one in blocks)), key=lambda block: block.start
        ),
    )


# Tasks


class Records:
    """The tasks and jobs of a recording, one row each, and its times, counted from its start."""

    def __init__(self, session: RecordingSession) -> None:
        self.session = session
        is_over = session.closed or session.failed
        self.start = session.opened
        self.duration = self.time(session.ended if is_over else session.clock.now())
        self._loops = {patch: index for index, patch in enumerate(session.begins)}
        self.numbers: dict[LoopPatch, NDArray[np.int32]] = {}
        """For each loop, the rows of its tasks by number; -1 for tasks of other recordings."""
        entries: list[Entry] = []
        for patch, begin in session.begins.items():
            if not is_over:
                patch.events.name_living()
            self.numbers[patch] = np.full(len(patch.tasks) + 1, -1, np.int32)
            early = [e.number for e in session.openers if e.patch is patch]
            numbers = [n for n in early if n < begin.entries]
            numbers += range(begin.entries, session.end_of(patch).entries)
            entries += filter(session.owns, map(patch.tasks.look_up, numbers))
        # What asyncio.run() does to tidy up is not the user's work.
        entries = [e for e in entries if not e.coroutine.startswith("BaseEventLoop.shutdown_")]
        entries = sorted([*entries, *session.jobs], key=lambda entry: entry.spawned)
        self.row_of: dict[Any, int] = {entry: index for index, entry in enumerate(entries)}
        for index, entry in enumerate(entries):
            if entry.kind == "task":
                self.numbers[entry.patch][entry.number] = index
        self.rows = [self._row(entry) for entry in entries]
        for name in ("name", "label"):
            names = tell_apart([getattr(row, name) for row in self.rows])
            for row, own in zip(self.rows, names, strict=True):
                setattr(row, name, own)
        self.spawned = np.array([row.spawned for row in self.rows] or [0.0])
        self.finished = np.array([row.finished for row in self.rows] or [0.0])

    def time(self, at: float) -> float:
        """Return the seconds since the recording began, in whole nanoseconds, which add up."""
        return round((at - self.start) * 1e9) / 1e9 if at == at else at

    def times(self, at: Any) -> Any:
        """Return the same for an array, limited to the recording."""
        result = at - self.start
        result *= 1e9
        np.rint(result, out=result)
        result /= 1e9
        return np.clip(result, 0.0, self.duration, out=result)

    def end(self, row: TaskRecord) -> float:
        """Return when a task or a job ended, or when the recording did if that came first."""
        return self.duration if np.isnan(row.finished) else row.finished

    def _row(self, entry: Entry) -> TaskRecord:
        is_done = bool(entry.outcome) and self.time(entry.finished) <= self.duration
        was_there = entry in self.session.openers
        coroutine = printable(entry.coroutine)
        short = coroutine.rpartition("<locals>.")[2]
        name = printable(entry.name) or short
        parent = self.row_of.get(entry.parent)
        if isinstance(entry.parent, int):
            parent = int(self.numbers[entry.patch][entry.parent])
        return TaskRecord(
            name,
            entry.label or (short if _AUTOMATIC.fullmatch(name) and short else name),
            coroutine,
            None if was_there or parent == -1 else parent,
            max(0.0, self.time(entry.spawned)),
            self.time(entry.finished) if is_done else float("nan"),
            entry.outcome if is_done else "still running",
            entry.kind,
            self._loops.get(entry.patch, 0),
            None if entry.line is None else place_of(*entry.line),
            was_there,
        )


# Steps and slices


class Steps:
    """The steps of one loop's tasks in columns: which task, since when ready, start and end."""

    def __init__(self, patch: LoopPatch, records: Records, begin: Extent, end: Extent) -> None:
        table = _read(patch.steps, begin.steps, end.steps)
        if end.step is not None:
            table = np.vstack([table, end.step])
        numbers = table[:, 0].astype(np.int32)
        eager = numbers < 0
        numbers[eager] = -1 - numbers[eager]
        row = records.numbers[patch][numbers]
        if (row < 0).any():
            table, row, eager = table[row >= 0], row[row >= 0], eager[row >= 0]
        self.row: NDArray[np.int32] = row
        self.eager = eager
        """Whether the step ran inside a step of the task's parent."""
        self.raw = table[:, 2]
        """The start as it was stamped."""
        self.start: Floats = records.times(table[:, 2])
        self.end: Floats = records.times(table[:, 3])
        self.last = records.spawned.copy()
        """By row: when the last step ended, or when the task was spawned."""
        self.last[row] = self.end
        self.before = np.minimum(self._look_back(records.spawned), self.start)
        """When the task's step before this one ended, or when the task was spawned."""
        self.ready: Floats = np.clip(records.times(table[:, 1]), self.before, self.start)

    def _look_back(self, spawned: Floats) -> Floats:
        # NumPy sorts 16-bit whole numbers by counting, in linear time.
        is_small = len(self.row) and self.row.max() <= 0xFFFF
        order = np.argsort(self.row.astype(np.uint16) if is_small else self.row, kind="stable")
        row, before = self.row[order], np.roll(self.end[order], 1)
        first = row != np.roll(row, 1)
        first[:1] = True
        before[first] = spawned[row[first]]
        result = np.empty(len(row))
        result[order] = before
        return result

    def slices(self) -> list[Slices]:
        """Return the slices of each step: running, before that ready, and before that waiting."""
        running = self._slices(_RUNNING, self.start, self.end)
        # A step that begins before all earlier ones have ended is inside another step.
        if len(running) and (self.start[1:] < np.maximum.accumulate(self.end)[:-1]).any():
            running = _split_nested(running)
        parts = [
            self._slices(_WAITING, self.before, self.ready),
            self._slices(_READY, self.ready, self.start),
        ]
        return [running, *(part[part.end > part.start] for part in parts)]

    def _slices(self, state: int, start: Floats, end: Floats) -> Slices:
        return Slices(self.row, np.full(len(self.row), state, np.int8), start, end)


def _read(buffer: StampBuffer, begin: int, end: int) -> Floats:
    """Return rows of a buffer as a table."""
    return np.frombuffer(buffer.read(begin, end)).reshape(-1, buffer.columns)


def _make_parts(parts: Iterable[Part]) -> Slices:
    """Return the parts as slices; an empty one is kept only if it is of a running task."""
    some = [part for part in parts if part[3] > part[2] or part[1] == _RUNNING]
    return make_slices(*(zip(*some, strict=True) if some else ((), (), (), ())))


def _split_nested(running: Slices) -> Slices:
    """Split running slices so that none overlap: an inner step interrupts the one around it.

    Steps are nested with eager tasks, and where a loop runs inside itself. Meanwhile the outer task
    is ready to go on. A step that takes no time interrupts nothing.
    """
    # Of two that began and ended together, the outer one was stamped later.
    order = np.lexsort((-np.arange(len(running)), -running.end, running.start))
    ordered = (running.task[order], running.start[order], running.end[order])
    parts: list[Part] = []
    stack: list[tuple[int, float, float]] = []  # task, since when it runs, end
    rows = zip(*(column.tolist() for column in ordered), strict=True)
    for task, start, end in [*rows, (-1, float("inf"), float("nan"))]:
        if start == end:
            parts.append((task, _RUNNING, start, end))
            continue
        while stack and stack[-1][2] <= start:
            inner, since, finish = stack.pop()
            parts.append((inner, _RUNNING, since, max(since, finish)))
            if stack:
                outer, since, stop = stack.pop()
                parts.append((outer, _READY, since, finish))
                stack.append((outer, finish, stop))
        if stack:
            outer, since, stop = stack.pop()
            if start > since:
                parts.append((outer, _RUNNING, since, start))
            stack.append((outer, start, stop))
            end = min(end, stop)
        stack.append((task, start, end))
    return _make_parts(parts)


def _idle(
    patch: LoopPatch, records: Records, steps: Steps, begin: Extent, end: Extent
) -> tuple[Floats, Floats]:
    """Return when the loop was idle; on a virtual clock, that is whenever it ran nothing."""
    if not records.session.clock.virtual:
        table = _read(patch.idle, begin.idle, end.idle)
        return records.times(table[:, 0]), records.times(table[:, 1])
    order = np.argsort(steps.start, kind="stable")
    start = np.append(steps.start[order], records.duration)
    ended = np.insert(np.maximum.accumulate(steps.end[order]), 0, 0.0)
    return ended[start > ended], start[start > ended]


def _tails(loop: int, records: Records, steps: Steps, end: Extent) -> Slices:
    """Return the slice after the last step of each task that hadn't finished by then."""
    rows = records.rows
    limit = float(steps.end.max()) if end.dropped and len(steps.end) else records.duration
    until = np.fmin(records.finished, limit)
    ours = np.array([row.kind == "task" and row.loop == loop for row in rows] or [False])
    some = np.flatnonzero(ours & (until > steps.last))
    # A task without a step has been ready since it was spawned.
    has_begun = np.bincount(steps.row, minlength=len(rows))[some] > 0
    state = np.where(has_begun, _WAITING, _READY).astype(np.int8)
    return Slices(some.astype(np.int32), state, steps.last[some], until[some])


def _jobs(records: Records) -> Slices:
    """Return the slices of jobs in threads and processes: ready until a worker is free.

    This process can't see when a worker process begins a job: it counts from when one is free.
    """
    parts: list[Part] = []
    busy: dict[tuple[int, int], list[float]] = {}  # until when each worker of a pool is busy
    for entry in sorted(records.session.jobs, key=lambda entry: entry.spawned):
        number = records.row_of[entry]
        row = records.rows[number]
        end, started = records.end(row), records.time(entry.started)
        if entry.pool is not None and row.outcome != "cancelled":
            workers = busy.setdefault(entry.pool, [0.0] * entry.pool[1])
            started = max(started, heapq.heappop(workers))
            heapq.heappush(workers, end)
        begin = max(started, row.spawned) if started <= end else end
        parts.append((number, _READY, row.spawned, begin))
        if started <= end:
            parts.append((number, _RUNNING, begin, end))
    return _make_parts(parts)


# Waits


def _waits(
    patch: LoopPatch, records: Records, begin: Extent, end: Extent
) -> Callable[[], Iterable[Wait]]:
    """Return a function that makes the waits of one loop; it keeps columns, not the stamps."""
    table = _read(patch.waits, begin.waits, end.waits)
    numbers, rows, notes = records.numbers[patch], records.rows, patch.events.notes
    jobs = [records.row_of.get(entry) for entry in patch.events.jobs]
    row = numbers[table[:, 0].astype(np.int64)]
    table, row = table[row >= 0], row[row >= 0]
    columns: tuple[NDArray[np.generic], ...] = (
        *(row, records.times(table[:, 1]), records.times(table[:, 2])),
        *(table[:, 3].astype(np.int32), table[:, 4].copy(), table[:, 5].astype(np.int16)),
    )

    def describe(kind: str, what: str, amount: float) -> tuple[str, int | None]:
        if kind in ("sleep", "tasks"):
            return what.format(f"{amount:g}" if kind == "sleep" else f"{int(amount):,}"), None
        if kind not in ("task", "lock", "thread", "process") or amount < 0:
            return what, None
        if kind in ("thread", "process"):
            return what, jobs[int(amount)]
        target = int(numbers[int(amount)])
        label = rows[target].label if target >= 0 else "a task"
        what = what.format(label) if kind == "task" else f"{what} that {label} holds"
        return what, target if target >= 0 else None

    def find() -> Iterable[Wait]:
        serial = 0
        calls: dict[int, list[int]] = {}
        result: dict[tuple[int, float], Wait] = {}
        for row, start, end, note, amount, same in zip(*(c.tolist() for c in columns), strict=True):
            kind, what, lines, is_library = notes[note]
            own = calls.setdefault(row, [])
            del own[same:]
            while len(own) < len(lines) + is_library:
                serial += 1
                own.append(serial)
            if end > start:
                what, target = describe(kind, what, amount)
                places = tuple(place_of(*line) for line in lines)
                # A wait that went on when an inner recording ended is noted twice.
                result[row, start] = Wait(row, start, end, kind, what, places, tuple(own), target)
        return result.values()

    return find


# Blocks


def _blocks(
    patch: LoopPatch, loop: int, records: Records, steps: Steps, begin: Extent
) -> Callable[[Slices], Iterator[Block]]:
    """Return a function that makes the blocks of one loop from the slices of all ready tasks."""
    rows, threshold, origin = records.rows, records.session.threshold, records.start
    samples = patch.samples
    # What takes time on a virtual clock uses no processor.
    looks = [] if records.session.clock.virtual else patch.looks
    held: list[tuple[int | None, str, float, float, float]] = []  # the last: the samples' key
    for one in np.flatnonzero((steps.end - steps.start > threshold) & ~steps.eager).tolist():
        row, start, end = int(steps.row[one]), float(steps.start[one]), float(steps.end[one])
        # If a loop ran inside the step, nothing was held: the steps of that loop show more.
        if not ((steps.start > start) & (steps.end < end) & ~steps.eager).any():
            held.append((row, rows[row].label, start, end, float(steps.raw[one])))
    for began, ended, name in patch.holds[begin.holds :]:
        start, end = records.time(began), min(records.time(ended), records.duration)
        if 0 <= start <= records.duration and end - start > threshold:
            held.append((None, name, start, end, began))

    def find(ready: Slices) -> Iterator[Block]:
        ready = ready[np.array([row.loop for row in rows] or [0])[ready.task] == loop]
        for row, name, start, end, key in held:
            late = np.minimum(ready.end, end) - np.maximum(ready.start, start)
            some = (late > SHORTEST_DELAY) & (ready.task != (-1 if row is None else row))
            delayed: dict[int, float] = {}
            for task, seconds in zip(ready.task[some].tolist(), late[some].tolist(), strict=True):
                delayed[task] = delayed.get(task, 0.0) + seconds
            place, places, doing, others = name_line(samples.get(key, []))
            if row is None and not delayed and place is None:
                continue  # work of other code, which delayed no task
            worst = tuple(sorted(delayed.items(), key=lambda one: -one[1]))
            busy, lost, unseen = measure(looks, start + origin, end + origin, threshold)
            # On a virtual clock, a line is seen once for each sleep, however long that is.
            also = others if looks else ()
            what = (place, places, doing, worst, busy, lost, also, unseen)
            yield Block(row, name, start, end, *what)

    return find


# Events


def _events(records: Records) -> list[Event]:
    session, events = records.session, []

    def add(
        kind: str, entry: Entry | None, at: float, line: Line | None, text: str,
        seconds: float = 0.0, others: tuple[Entry, ...] = (),
    ) -> None:  # fmt: skip
        place = None if line is None else place_of(*line)
        rows = tuple(records.row_of[other] for other in others if other in records.row_of)
        at = min(records.time(at), records.duration)
        events.append(Event(kind, records.row_of.get(entry), at, place, text, seconds, rows))

    for raw in session.events:
        add(raw.kind, raw.entry, raw.at, raw.line, raw.text, others=raw.others)
    told = {one.entry for one in session.events if one.kind == "exception-never-retrieved"}
    for entry, index in records.row_of.items():
        row = records.rows[index]
        if row.outcome.startswith("raised") and is_unretrieved(entry) and entry not in told:
            text = row.outcome.removeprefix("raised ")
            add("exception-never-retrieved", entry, entry.finished, entry.line, text)
        elif entry.abandoned:
            since, waiter = entry.abandoned
            seconds = records.end(row) - records.time(since)
            if seconds > 0.001 or (np.isnan(row.finished) and seconds > 0):
                add("thread-outlived", waiter, since, entry.line, row.label, seconds, (entry,))
    for patch in session.begins:
        count, since, number, line = patch.most_sockets
        if count:
            opener = None if number is None else patch.tasks.entry(number)
            add("connections", opener, since, line or (opener and opener.line), str(count))
    return sorted(events, key=lambda event: event.at)
