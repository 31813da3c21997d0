"""The trace of a recording of threads: a row for each, its slices, and how accurate they are."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import isnan, nan
from statistics import median
from typing import NamedTuple

import numpy as np

from asyncteach.domains import THREADS
from asyncteach.formatting import count, format_duration, tell_apart
from asyncteach.intervals import covered
from asyncteach.thread_recorder.stamps import ENTRY, THRESHOLD, UNKNOWN, Gap, ThreadLog
from asyncteach.trace import (
    READY,
    RUNNING,
    STATES,
    WAITING,
    TaskRecord,
    Trace,
    Wait,
    make_slices,
)

_BILLION = 1_000_000_000
_LATE = 200_000  # nanoseconds: how late a timer of the system may be
_KINDS = {"sleep()": "sleep", "acquire()": "lock", "recv()": "socket"}
_KINDS |= {"__enter__()": "lock", ENTRY: "lock"}


class Piece(NamedTuple):
    """An interval in which a thread made its stamps, and the gap after it."""

    start: int
    end: int
    thread: int
    gap: Gap | None


class Measures(NamedTuple):
    """What was measured, in seconds."""

    interval: float
    """The switch interval when the recording ended."""
    switches: int
    """How often another thread took over."""
    turns: tuple[float, ...]
    """How long threads kept the GIL until they had to let go of it."""
    stamps: int
    """How often the threads read the clock."""
    apart: float
    """The average time between two stamps of a running thread."""
    overlap: float
    """How long two or more seemed to run Python code at once: with a GIL that is the error."""

    @property
    def kept(self) -> float:
        """The median of the turns; nan if no thread had to let go of the GIL."""
        return median(self.turns) if self.turns else nan


@dataclass
class ThreadTrace(Trace):
    """The trace of threads, with what was measured."""

    measures: Measures | None = None


def build_thread_trace(logs: list[ThreadLog], zero: int, ended: int, interval: int) -> ThreadTrace:
    """Return the trace of the logs so far; times are in nanoseconds."""
    pieces = sorted(piece for thread, log in enumerate(logs) for piece in _cut(thread, log))
    rows: list[tuple[int, int, int, int]] = []  # thread, state, start, end
    waits: list[Wait] = []

    def put(thread: int, state: str, start: int, end: int) -> None:
        if end < start or (end == start and state != RUNNING):
            return
        number = STATES.index(state)
        if rows and rows[-1][:2] == (thread, number):  # slices that follow in one state are one
            start = rows.pop()[2]
        rows.append((thread, number, start, end))

    for thread, log in enumerate(logs):
        own = [piece for piece in pieces if piece.thread == thread]
        # A thread that never ran is ready to the end.
        put(thread, READY, log.spawned, own[0].start if own else max(ended, log.spawned))
        for piece in own:
            put(thread, RUNNING, piece.start, piece.end)
            gap = piece.gap
            if gap is None or not _is_rest(gap):
                put(thread, RUNNING, piece.end, gap.until if gap else piece.end)
                continue
            # Falling asleep and waking up take some processor time, too.
            is_work = gap.busy > max(THRESHOLD, (gap.until - gap.since) / 20)
            on = gap.since + (gap.busy if is_work else 0)
            back = gap.until if gap.call else on
            if gap.due != UNKNOWN and gap.until - gap.due > _LATE:
                back = max(on, gap.due)  # from then on it only needed the GIL
            put(thread, RUNNING, gap.since, on)
            put(thread, WAITING, on, back)
            put(thread, READY, back, gap.until)
            if back > on:
                times = (on - zero) / _BILLION, (back - zero) / _BILLION
                kind = _KINDS.get(gap.call.rpartition(".")[2], "call")
                waits.append(Wait(thread, *times, kind, gap.call, ()))
    threads, states, starts, ends = zip(*rows, strict=True) if rows else ((),) * 4
    columns = [[(at - zero) / _BILLION for at in column] for column in (starts, ends)]
    last = ended if ended != UNKNOWN else max([zero, *ends])
    return ThreadTrace(
        _task_records(logs, zero),
        make_slices(list(threads), list(states), *columns).ordered(),
        (last - zero) / _BILLION,
        domain=THREADS,
        is_final=ended != UNKNOWN,
        dropped=sum(log.dropped for log in logs),
        head="the GIL" if getattr(sys, "_is_gil_enabled", lambda: True)() else None,
        find_waits=partial(sorted, waits, key=lambda wait: wait.start),
        measures=_measure(pieces, interval, sum(log.stamps for log in logs)),
    )


def _cut(thread: int, log: ThreadLog) -> Iterator[Piece]:
    """Return the intervals between the gaps of a log; its thread may still be running."""
    if log.began == UNKNOWN:
        return
    at, gaps = log.began, list(log.gaps)
    for gap in gaps:
        yield Piece(at, gap.since, thread, gap)
        at = gap.until
    yield Piece(at, max(at, log.cut if log.cut != UNKNOWN else log.ended), thread, None)


def _is_rest(gap: Gap) -> bool:
    """Return whether a thread was not running for a part of a gap."""
    return gap.until - gap.since - gap.busy > THRESHOLD / 2


def _task_records(logs: list[ThreadLog], zero: int) -> list[TaskRecord]:
    names = tell_apart([log.name for log in logs])
    number = {id(log): index for index, log in enumerate(logs)}
    return [
        TaskRecord(
            name,
            label=name,
            coroutine=log.function,
            parent=number.get(id(log.parent)),
            spawned=(log.spawned - zero) / _BILLION,
            finished=nan if log.outcome == "still running" else (log.ended - zero) / _BILLION,
            outcome=log.outcome,
            kind="thread",
            was_there=log.parent is None,
        )
        for name, log in zip(names, logs, strict=True)
    ]


def _measure(pieces: list[Piece], interval: int, stamps: int) -> Measures:
    turns, switches = list[int](), 0
    # A turn lasts from its first stamp to the first of the next: a thread that had no processor
    # when it let go of the GIL made its last stamp long before.
    began = pieces[0].start if pieces else 0
    for before, after in pairwise(pieces):
        gap = before.gap if before.gap and _is_rest(before.gap) else None
        if before.thread != after.thread:
            switches += 1
            if gap and not gap.call:
                turns.append(after.start - began)
            began = after.start
        elif gap and gap.call:
            began = after.start  # it has waited, and no other thread ran
    starts, ends = (np.array([piece[n] for piece in pieces], dtype=np.int64) for n in (0, 1))
    return Measures(
        interval / _BILLION,
        switches,
        tuple(turn / _BILLION for turn in turns),
        stamps,
        float((ends - starts).sum()) / _BILLION / stamps if stamps else nan,
        covered(starts, ends, 2) / _BILLION,
    )


def explain_threads(trace: ThreadTrace) -> str:
    """Return plain sentences about how long threads kept the GIL, and how accurate that is.

    >>> import threading
    >>> from asyncteach.thread_recorder.record_threads import record_threads
    >>> with record_threads() as recording:
    ...     pass
    >>> recording.explain().partition(",")[0]
    '1 thread'
    """
    measures = trace.measures
    assert measures is not None
    first = f"{count(len(trace.rows), 'thread')}, {format_duration(trace.duration)}. "
    interval = f"(the switch interval is {format_duration(measures.interval)})"
    if trace.head is None:
        first += "This Python has no GIL: threads run at the same time."
    elif isnan(measures.kept):
        first += f"No thread had to let go of the GIL {interval}."
    else:
        first += (
            f"The GIL changed hands {count(measures.switches, 'time')}; a thread kept it for a "
            f"median of {format_duration(measures.kept)} until it had to let go {interval}."
        )
    method = f"The threads measured this themselves: they read the clock {measures.stamps:,} times"
    if not isnan(measures.apart):
        method += f", every {format_duration(measures.apart)} while running"
    method += "."
    if trace.head is not None:
        percent = 100 * measures.overlap / (trace.duration or 1.0)
        method += (
            f" For {percent:.2g} % of the time two threads seemed to run Python code at once, "
            "which the GIL forbids: that is the error."
        )
    method += " Recorded code runs slower: a thread does less in its turn, but the turn is as long."
    lines = [first, "", method]
    if trace.dropped:
        lines.append(f"{count(trace.dropped, 'more gap')} could not be kept.")
    return "\n".join(lines)
