"""From what was stamped to a tape: slices, rows, waits, blocks and remarks in seconds."""

import re
from collections import Counter
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asyncteach.entry import Entry
from asyncteach.labels import printable, tell_apart
from asyncteach.nested import split_nested
from asyncteach.places import Place, is_learners, place_of
from asyncteach.reel import Reel
from asyncteach.scope import Session, mark
from asyncteach.tap import Tap
from asyncteach.tape import READY, RUNNING, STATES, WAITING, Block, Remark, Row, Slices, Tape, Wait
from asyncteach.waits import Line
from asyncteach.watchdog import Sample

_AUTOMATIC = re.compile(r"Task-\d+")
_COROUTINE = 0x80 | 0x200  # CO_COROUTINE, CO_ASYNC_GENERATOR

_SHORTEST_DELAY = 0.001
"""Seconds that a task must have been ready during a block to count as delayed by it."""

_RUNNING, _READY, _WAITING = (STATES.index(state) for state in (RUNNING, READY, WAITING))


class Developer:
    """Makes the tape of one recording, as it is now or as it was when that ended."""

    def __init__(self, session: Session) -> None:
        self.session = session
        is_over = session.closed or session.failed
        ended = session.ended if is_over else session.axis.now()
        self.start, self.duration = session.opened, _whole(ended - session.opened)
        self.rows: list[Row] = []
        self.row_of: dict[Entry, int] = {}
        self.numbers: dict[Tap, NDArray[np.int64]] = {}  # for each entry of a tap its row, or -1
        self.steps: dict[Tap, Steps] = {}

    def develop(self) -> Tape:
        """Return the tape; waits and blocks are worked out when somebody looks."""
        session = self.session
        self._list_rows()
        parts: list[Slices] = []
        dropped = 0
        cpu = 0.0
        idle = []
        for tap, begin in session.taps.items():
            end = session.ends.get(tap) or mark(tap)
            dropped += end.dropped - begin.dropped
            cpu += end.cpu - begin.cpu
            self.steps[tap] = steps = self._steps(tap, begin.steps, end.steps)
            parts += [*self._slices(tap, steps)]
            stretches = self._clip(_table(tap.idle, begin.idle, end.idle))
            idle.append((stretches[:, 0], stretches[:, 1]))
        parts.append(self._jobs())
        slices = _join(parts)
        if len(slices) > session.most:
            dropped += len(slices) - session.most
            slices = slices[: session.most]
        loops = [f"loop {n + 1}" for n in range(len(idle))] if len(idle) > 1 else ["loop"]
        tape = Tape(
            self.rows,
            slices,
            self.duration,
            idle=idle,
            loops=loops[: len(idle)],
            cpu=float("nan") if session.axis.virtual else cpu,
            dropped=dropped,
            threshold=session.threshold,
        )
        tape.find_waits = partial(self._waits, tape)
        tape.find_blocks = partial(self._blocks, tape)
        tape.remarks = self._remarks()
        return tape

    # Rows

    def _list_rows(self) -> None:
        session = self.session
        found: list[Entry | None] = []
        for tap, begin in session.taps.items():
            end = session.ends.get(tap) or mark(tap)
            early = [e for e in session.openers if e.tap is tap and e.number < begin.entries]
            found += [*early, *tap.registry.entries[begin.entries : end.entries]]
        entries = [e for e in found if e is not None and session.owns(e)]
        # How asyncio.run() tidies up is nobody's work.
        entries = [e for e in entries if not e.coroutine.startswith("BaseEventLoop.shutdown_")]
        entries += session.jobs
        entries.sort(key=lambda entry: entry.spawned)
        self.row_of = {entry: index for index, entry in enumerate(entries)}
        taps = {tap: index for index, tap in enumerate(session.taps)}
        self.rows = [self._row(entry, taps) for entry in entries]
        for row, name in zip(self.rows, _apart([row.name for row in self.rows]), strict=True):
            row.name = name
        for row, name in zip(self.rows, _apart([row.label for row in self.rows]), strict=True):
            row.label = name
        for tap in session.taps:
            self.numbers[tap] = np.full(len(tap.registry.entries) + 1, -1)
        for entry, index in self.row_of.items():
            if entry.number >= 0:
                self.numbers[entry.tap][entry.number] = index

    def _row(self, entry: Entry, taps: dict[Tap, int]) -> Row:
        is_done = bool(entry.outcome) and entry.finished <= self.start + self.duration
        was_there = entry in self.session.openers
        name, coroutine = printable(entry.name or entry.coroutine), printable(entry.coroutine)
        label = entry.label or name
        if _AUTOMATIC.fullmatch(name) and not entry.label:
            label = coroutine.rpartition("<locals>.")[2] or name
        return Row(
            name,
            label,
            coroutine,
            None if was_there else self._parent(entry),
            max(0.0, self._time(entry.spawned)),
            self._time(entry.finished) if is_done else float("nan"),
            entry.outcome if is_done else "still running",
            entry.kind,
            taps.get(entry.tap, 0),
            None if entry.line is None else place_of(*entry.line),
            was_there,
        )

    def _parent(self, entry: Entry) -> int | None:
        parent = entry.parent
        if isinstance(parent, int):
            parent = entry.tap.registry.entries[parent]
        return None if parent is None else self.row_of.get(parent)

    def _time(self, at: float) -> float:
        return _whole(at - self.start)

    def _clip(self, times: Any) -> Any:
        return np.clip(np.rint((times - self.start) * 1e9) / 1e9, 0.0, self.duration)

    # Slices

    def _steps(self, tap: Tap, begin: int, end: int) -> "Steps":
        table = _table(tap.steps, begin, end)
        table = table[table[:, 2] <= self.start + self.duration + 1e-9]
        for cut in tap.cuts:
            _mend(table, cut - begin)
        numbers = table[:, 0].astype(np.int64)
        eager = numbers < 0
        numbers[eager] = -1 - numbers[eager]
        rows = self.numbers[tap][numbers]
        mine = rows >= 0
        if not mine.all():
            table, rows, eager = table[mine], rows[mine], eager[mine]
        ready, start, end = self._clip(table[:, 1:]).T
        return Steps(rows, eager, ready, start, end, table[:, 2])

    def _slices(self, tap: Tap, steps: "Steps") -> list[Slices]:
        first, before = self._before(steps)
        # A task is ready from the moment when it is spawned.
        ready = np.minimum(np.maximum(np.where(first, before, steps.ready), before), steps.start)
        steps.before, steps.ready = before, ready
        running = Slices(
            steps.row.astype(np.int32),
            np.full(len(steps.row), _RUNNING, np.int8),
            steps.start,
            steps.end,
        )
        inner = []
        if len(steps.row) and (steps.start[1:] < np.maximum.accumulate(steps.end)[:-1]).any():
            running, gaps = split_nested(running)
            inner.append(gaps)
        parts = [running, *inner]
        for state, start, end in ((_WAITING, before, ready), (_READY, ready, steps.start)):
            some = end > start
            parts.append(
                Slices(
                    steps.row[some].astype(np.int32),
                    np.full(int(some.sum()), state, np.int8),
                    start[some],
                    end[some],
                )
            )
        return [*parts, self._tails(tap, steps)]

    def _before(self, steps: "Steps") -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Return for each step if it is its task's first, and when the one before it ended."""
        order = sort_by_row(steps.row)
        spawned = np.array([row.spawned for row in self.rows] or [0.0])
        rows = steps.row[order]
        ends = steps.end[order]
        first = np.ones(len(rows), bool)
        first[1:] = rows[1:] != rows[:-1]
        before = np.empty(len(rows))
        before[1:] = ends[:-1]
        before[first] = spawned[rows[first]]
        is_first, result = np.empty(len(rows), bool), np.empty(len(rows))
        is_first[order], result[order] = first, before
        return is_first, np.minimum(result, steps.start)

    def _tails(self, tap: Tap, steps: "Steps") -> Slices:
        """Return what follows the last step of tasks that were still there."""
        count = len(self.rows)
        last = np.array([row.spawned for row in self.rows] or [0.0])
        np.maximum.at(last, steps.row, steps.end)
        is_full = (self.session.ends.get(tap) or mark(tap)).dropped > 0
        limit = float(steps.end.max()) if is_full and len(steps.end) else self.duration
        columns: list[tuple[int, int, float, float]] = []
        index = dict(enumerate(self.session.taps))
        for number in range(count):
            row = self.rows[number]
            if row.kind != "task" or index.get(row.loop) is not tap:
                continue
            end = min(limit, self.duration if np.isnan(row.finished) else row.finished)
            if end > last[number]:
                columns.append((number, _WAITING, float(last[number]), end))
        since = {self.row_of.get(e): self._time(at) for e, at in self.session.ready.items()}
        result = []
        for number, state, start, end in columns:
            if number in since and np.isnan(self.rows[number].finished):
                ready = min(max(since[number], start), end)
                result += [(number, state, start, ready), (number, _READY, ready, end)]
            else:
                result.append((number, state, start, end))
        return _columns([one for one in result if one[3] > one[2]])

    def _jobs(self) -> Slices:
        columns = []
        for entry in self.session.jobs:
            number = self.row_of[entry]
            row = self.rows[number]
            end = self.duration if np.isnan(row.finished) else row.finished
            started = self._time(entry.job.started)
            begin = end if np.isnan(started) else min(max(started, row.spawned), end)
            if begin > row.spawned:
                columns.append((number, _READY, row.spawned, begin))
            if not np.isnan(started):
                columns.append((number, _RUNNING, begin, end))
        return _columns(columns)

    # What is worked out when somebody looks

    def _waits(self, tape: Tape) -> list[Wait]:
        result: dict[tuple[int, float], Wait] = {}
        serial = 0
        for tap, begin in self.session.taps.items():
            steps = self.steps[tap]
            began = {
                (row, ready): before
                for row, ready, before in zip(
                    steps.row.tolist(), steps.ready.tolist(), steps.before.tolist(), strict=True
                )
                if ready > before
            }
            last: dict[int, float] = {}
            for row, end in zip(steps.row.tolist(), steps.end.tolist(), strict=True):
                last[row] = end
            notes = self.session.witnesses[tap].notes
            end_mark = self.session.ends.get(tap) or mark(tap)
            calls: dict[int, list[int]] = {}
            table = _table(tap.waits, begin.waits, end_mark.waits)
            for number, until, note, amount, same in table.tolist():
                row = int(self.numbers[tap][int(number)])
                if row < 0:
                    continue
                kind, what, lines = notes[int(note)]
                own = calls.setdefault(row, [])
                del own[int(same) :]
                while len(own) < len(lines):
                    serial += 1
                    own.append(serial)
                end = min(max(self._time(until), 0.0), self.duration)
                start = began.get((row, end))
                if start is None:
                    start = last.get(row, self.rows[row].spawned)
                if end <= start:
                    continue
                what, target = self._say(tap, kind, what, amount)
                places = tuple(place_of(*line) for line in lines)
                wait = Wait(row, start, end, kind, what, places, tuple(own), target)
                known = result.get((row, start))
                if known is None or known.end <= end:
                    result[row, start] = wait
        return sorted(result.values(), key=lambda wait: (wait.start, wait.task))

    def _say(self, tap: Tap, kind: str, what: str, amount: float) -> tuple[str, int | None]:
        if kind == "sleep":
            return what.format(f"{amount:g}"), None
        if kind == "tasks":
            return what.format(f"{int(amount)}"), None
        if kind == "task" and amount >= 0:
            row = int(self.numbers[tap][int(amount)])
            if row >= 0:
                return what.format(self.rows[row].label), row
            stranger = tap.registry.entries[int(amount)]
            return what.format(stranger.name if stranger else "a task"), None
        return what, None

    def _blocks(self, tape: Tape) -> list[Block]:
        blocks = []
        ready = tape.slices.of(READY)
        loop_of = np.array([row.loop for row in self.rows] or [0])
        for index, tap in enumerate(self.session.taps):
            steps = self.steps[tap]
            own = ready[loop_of[ready.task] == index]
            long = np.flatnonzero((steps.end - steps.start > self.session.threshold) & ~steps.eager)
            pieces = []
            for one in long.tolist():
                row = int(steps.row[one])
                for start, end, key in self._pieces(tap, steps, one):
                    pieces.append((row, self.rows[row].name, start, end, key))
            for began, ended, who in tap.holds:
                start, end = self._time(began), self._time(ended)
                if 0 <= start <= self.duration and end - start > self.session.threshold:
                    pieces.append((-1, who, start, min(end, self.duration), began))
            for row, who, start, end, key in sorted(pieces, key=lambda piece: piece[2]):
                late = np.minimum(own.end, end) - np.maximum(own.start, start)
                some = (late > _SHORTEST_DELAY) & (own.task != row)
                sums = Counter[int]()
                for task, seconds in zip(own.task[some].tolist(), late[some].tolist(), strict=True):
                    sums[task] += seconds
                if row < 0 and not sums:
                    continue  # a stranger's work that has kept nobody waiting
                place, places, doing, awaits = _look(tap.samples.get(key, []))
                blocks.append(
                    Block(
                        None if row < 0 else row,
                        *(who, start, end, place, places, doing),
                        tuple(sums.most_common()),
                        awaits,
                    )
                )
        return sorted(blocks, key=lambda block: block.start)

    def _pieces(self, tap: Tap, steps: "Steps", one: int) -> list[tuple[float, float, float]]:
        """Return the stretches of a long step in which no loop inside the loop went round."""
        start, end = float(steps.start[one]), float(steps.end[one])
        inside = (steps.start > start) & (steps.end < end) & ~steps.eager
        if not inside.any():
            return [(start, end, float(steps.raw[one]))]
        pieces, since, key = [], start, float(steps.raw[one])
        for begin, finish in zip(
            steps.start[inside].tolist(), steps.end[inside].tolist(), strict=True
        ):
            pieces.append((since, begin, key))
            since = finish
            key = min(tap.samples, key=lambda k: abs(k - self.start - finish), default=0.0)
        pieces.append((since, end, key))
        threshold = self.session.threshold
        return [piece for piece in pieces if piece[1] - piece[0] > threshold]

    def _remarks(self) -> list[Remark]:
        remarks = []
        told = set()
        for kind, entry, at, line, text, seconds, others in self.session.remarks:
            if kind == "exception-never-retrieved":
                told.add(entry)
            rows = (self.row_of.get(other) for other in others)
            remarks.append(
                Remark(
                    kind,
                    self.row_of.get(entry) if entry is not None else None,
                    min(self._time(at), self.duration),
                    None if line is None else place_of(*line),
                    text,
                    seconds,
                    tuple(row for row in rows if row is not None),
                )
            )
        for entry, index in self.row_of.items():
            row = self.rows[index]
            if entry.kind == "task" and row.outcome.startswith("raised") and entry not in told:
                task = entry()
                if task is not None and task._log_traceback:
                    text = row.outcome.removeprefix("raised ")
                    kind = "exception-never-retrieved"
                    remarks.append(Remark(kind, index, row.finished, row.place, text))
            if entry.kind != "task" and entry.job.abandoned:
                at, waiter = entry.job.abandoned
                end = self.duration if np.isnan(row.finished) else row.finished
                seconds = end - self._time(at)
                if seconds > 0.001:
                    task_row = self.row_of.get(waiter)
                    kind = "thread-outlived"
                    remarks.append(
                        Remark(
                            kind, task_row, self._time(at), row.place, row.label, seconds, (index,)
                        )
                    )
        return sorted(remarks, key=lambda remark: remark.at)


class Steps:
    """The steps of one loop's tasks, in columns."""

    def __init__(self, row: Any, eager: Any, ready: Any, start: Any, end: Any, raw: Any) -> None:
        self.row = row
        self.eager = eager
        self.ready = ready
        self.start = start
        self.end = end
        self.raw = raw
        """The start as it was stamped."""
        self.before = start
        """When the step before it ended, or when the task was spawned."""


def develop(session: Session) -> Tape:
    """Return the tape of a recording."""
    return Developer(session).develop()


def sort_by_row(row: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the order by row that keeps the order of each row's steps, in linear time."""
    # NumPy sorts whole numbers of 16 bits by counting.
    order: NDArray[np.int64] = np.argsort((row & 0xFFFF).astype(np.uint16), kind="stable")
    if len(row) and row.max() > 0xFFFF:
        high = (row >> 16).astype(np.uint16)
        order = order[np.argsort(high[order], kind="stable")]
    return order


def _whole(seconds: float) -> float:
    """Return the seconds to the nanosecond: what is drawn adds up."""
    return round(seconds * 1e9) / 1e9 if seconds == seconds else seconds


def _table(reel: Reel, begin: int, end: int) -> NDArray[np.float64]:
    chunks = [np.frombuffer(chunk) for chunk in reel.chunks(begin)]
    table = np.concatenate(chunks) if chunks else np.empty(0)
    return table.reshape(-1, reel.columns)[: end - begin]


def _mend(table: NDArray[np.float64], cut: int) -> None:
    """Join a step that was written down in two parts: the first becomes a moment before it."""
    if not 0 <= cut < len(table) - 1:
        return
    later = np.flatnonzero(table[cut + 1 :, 0] == table[cut, 0])
    if len(later) and table[cut + 1 + later[0], 1] == table[cut, 3]:
        second = cut + 1 + later[0]
        table[second, 1:3] = table[cut, 1:3]
        table[cut, 0] = -1 - table[cut, 0] if table[cut, 0] >= 0 else table[cut, 0]
        table[cut, 3] = table[cut, 2]


def _columns(rows: list[tuple[int, int, float, float]]) -> Slices:
    task, state, start, end = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Slices(
        np.array(task, np.int32),
        np.array(state, np.int8),
        np.array(start, np.float64),
        np.array(end, np.float64),
    )


def _join(parts: list[Slices]) -> Slices:
    task = np.concatenate([part.task for part in parts])
    state = np.concatenate([part.state for part in parts])
    start = np.concatenate([part.start for part in parts])
    end = np.concatenate([part.end for part in parts])
    order = np.argsort(start, kind="stable")
    return Slices(task[order], state[order], start[order], end[order])


def _apart(names: list[str]) -> list[str]:
    return names if len(set(names)) == len(names) else tell_apart(names)


def _look(samples: list[Sample]) -> tuple[Place | None, tuple[Place, ...], str, int]:
    """Return the line that was on the stack most often, its callers, and what it was doing."""
    innermost = Counter[Line]()
    stacks: dict[Line, Counter[Sample]] = {}
    for sample in samples:
        line = next((line for line in sample if is_learners(line[0].co_filename)), None)
        if line is not None:
            innermost[line] += 1
            stacks.setdefault(line, Counter())[sample] += 1
    if not innermost:
        return None, (), "", 0
    line = innermost.most_common(1)[0][0]
    stack = stacks[line].most_common(1)[0][0]
    places = tuple(place_of(*one) for one in reversed(stack) if is_learners(one[0].co_filename))
    doing = "" if stack[0] == line else stack[0][0].co_qualname
    awaits = sum(bool(code.co_flags & _COROUTINE) for code, _ in stack)
    return place_of(*line), places, doing, awaits
