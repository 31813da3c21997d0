"""The trace of a recording of threads: a row a thread, its slices, and how well they are known."""

import sys
from dataclasses import dataclass
from functools import partial
from math import isnan, nan
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from asyncteach.domains import THREADS
from asyncteach.formatting import count, format_duration, tell_apart
from asyncteach.intervals import covered
from asyncteach.places import place_of
from asyncteach.thread_recorder.gaps import Gap, Piece, Reading
from asyncteach.thread_recorder.stamps import ENTRY, UNKNOWN, GapStore, ThreadLog
from asyncteach.trace import (
    READY,
    RUNNING,
    STATES,
    WAITING,
    Slices,
    TaskRecord,
    Trace,
    Wait,
    make_slices,
)

_BILLION = 1_000_000_000
_NOTABLE = 0.05  # of the time
_KINDS = {
    "sleep": "sleep",
    "acquire": "lock",
    "__enter__": "lock",
    "join": "thread",
    "recv": "socket",
}


class Measures(NamedTuple):
    """What was measured, in seconds."""

    has_gil: bool
    """False on a free-threaded build: threads run at once."""
    interval: float
    """The switch interval when the recording ended."""
    switches: int
    """How often one thread went on after another."""
    turns: tuple[float, ...]
    """How long it took each time until a thread that ran had to let another one go on."""
    stamps: int
    """How often the threads looked at the clock."""
    apart: float
    """How far two stamps of a thread that runs are apart, on average."""
    overlap: float
    """How long two or more seemed to run Python code at once: with a GIL that is the error."""
    parallel: float
    """How long two or more ran at once, in calls into C that let go of the GIL too."""
    covered: float
    """How long any thread ran."""
    preempted: float
    """How long threads were ready since they had no processor, added up; nan: unknown."""

    @property
    def kept(self) -> float:
        """The median of the turns; nan: no thread had to let another one go on."""
        return median(self.turns) if self.turns else nan


@dataclass
class ThreadTrace(Trace):
    """What is known of threads, and how well."""

    measures: Measures | None = None


def build_thread_trace(
    logs: list[ThreadLog],
    store: GapStore,
    *,
    zero: int,
    ended: int,
    interval: int,
    threshold: int,
) -> ThreadTrace:
    """Make the trace of some logs, as far as they have come; times in nanoseconds."""
    has_gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    reading = Reading(logs, interval, threshold, has_gil=has_gil)
    rows: list[tuple[int, int, int, int]] = []  # thread, state, start, end
    waits: list[tuple[int, Gap, int, int]] = []
    preempted = 0

    def put(thread: int, state: str, start: int, end: int) -> None:
        if end < start or (end == start and state != RUNNING):
            return
        number = STATES.index(state)
        if rows and rows[-1][:2] == (thread, number):  # what goes on in one state is one slice
            start = rows.pop()[2]
        rows.append((thread, number, start, end))

    for thread, log in enumerate(logs):
        at, last = reading.lives[thread]
        if at == UNKNOWN:  # it has not come to run at all
            put(thread, READY, log.spawned, max(ended, log.spawned))
            continue
        put(thread, READY, log.spawned, at)
        for number, gap in enumerate(reading.gaps[thread]):
            put(thread, RUNNING, at, gap.since)
            for state, start, end in reading.divide(thread, number):
                put(thread, state, start, end)
                if state == WAITING:
                    waits.append((thread, gap, start, end))
                elif state == READY and gap.rests == 0:
                    preempted += end - start
            at = gap.until
        put(thread, RUNNING, at, last)
    threads, states, starts, ends = zip(*rows, strict=True) if rows else ((),) * 4
    times = [[(at - zero) / _BILLION for at in column] for column in (starts, ends)]
    slices = make_slices(list(threads), list(states), *times).ordered()
    last = ended if ended != UNKNOWN else max([zero, *ends])
    return ThreadTrace(
        _task_records(logs, zero),
        slices,
        (last - zero) / _BILLION,
        domain=THREADS,
        dropped=store.dropped,
        head="the GIL" if has_gil else None,
        find_waits=partial(_find_waits, store, waits, zero),
        measures=_measure(reading, slices, sum(log.stamps for log in logs), preempted),
    )


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


def _find_waits(store: GapStore, waits: list[Any], zero: int) -> list[Wait]:
    calls = {number: name for name, number in store.calls.items()}
    lines = {number: line for line, number in store.lines.items()}
    found = []
    for thread, gap, start, end in waits:
        kind, what = "lock", "what a with block enters"
        if gap.call != ENTRY:
            name = calls.get(gap.call, "")
            kind, what = _KINDS.get(name.rpartition(".")[2], "call"), f"{name}()"
        places = (place_of(*lines[gap.line]),) if gap.line in lines else ()
        times = (start - zero) / _BILLION, (end - zero) / _BILLION
        found.append(Wait(thread, *times, kind, what, places))
    return sorted(found, key=lambda wait: wait.start)


def _measure(reading: Reading, slices: Slices, stamps: int, preempted: int) -> Measures:
    is_counted = any(gap.rests != UNKNOWN for gaps in reading.gaps for gap in gaps)
    running = slices.of(RUNNING)
    turns, switches = _turns(reading)
    starts, ends = (np.array([p[n] for p in reading.pieces], dtype=np.int64) for n in (0, 1))
    return Measures(
        has_gil=reading.has_gil,
        interval=reading.interval / _BILLION,
        switches=switches,
        turns=tuple(turn / _BILLION for turn in turns),
        stamps=stamps,
        apart=float((ends - starts).sum()) / _BILLION / stamps if stamps else nan,
        overlap=covered(starts, ends, 2) / _BILLION,
        parallel=covered(running.start, running.end, 2),
        covered=covered(running.start, running.end),
        preempted=preempted / _BILLION if is_counted else nan,
    )


def _turns(reading: Reading) -> tuple[list[int], int]:
    """Return how long turns took until another thread had to be let on, and how many there were.

    From the first stamp of a turn to the first of the next: a thread that has no processor when it
    lets go of the GIL made its last stamp long before.
    """
    turns, switches = list[int](), 0
    before: Piece | None = None
    began = 0
    for piece in reading.pieces:
        after = reading.states_after(before) if before else set()
        if before is None or before.thread != piece.thread:
            switches += before is not None
            if READY in after and WAITING not in after:
                turns.append(piece.start - began)
            began = piece.start
        elif WAITING in after:
            began = piece.start  # it has waited, and no other thread ran
        before = piece
    return turns, switches


def explain_threads(trace: ThreadTrace) -> str:
    """Return in plain sentences which thread had the GIL for how long, and how well it is known.

    >>> import threading
    >>> from asyncteach.thread_recorder.record_threads import record_threads
    >>> with record_threads() as recording:
    ...     pass
    >>> recording.explain().partition(",")[0]
    '1 thread'
    """
    measures, all_of_it = trace.measures, trace.duration or 1.0
    assert measures is not None
    first = f"{count(len(trace.rows), 'thread')}, {format_duration(trace.duration)}."
    lines = []
    if measures.has_gil:
        interval = f"(the switch interval is {format_duration(measures.interval)})"
        first += f" The GIL changed hands {count(measures.switches, 'time')}"
        if isnan(measures.kept):
            first += f", and no thread had to let go of it {interval}."
        else:
            first += (
                "; a thread that had to let another one go on had had it for "
                f"{format_duration(measures.kept)} at the median {interval}."
            )
        parallel = measures.parallel - measures.overlap
        if parallel > _NOTABLE * all_of_it:
            lines.append(
                f"Two or more threads ran at once for {format_duration(parallel)}: in calls into C "
                "that let go of the GIL."
            )
    else:
        first += (
            " This Python has no GIL: two or more threads ran at once for "
            f"{format_duration(measures.parallel)}."
        )
    lines.append(f"At least one thread ran for {_share(measures.covered, all_of_it)} of the time.")
    if measures.preempted > _NOTABLE * all_of_it:
        lines.append(
            f"Added up, threads were ready for {format_duration(measures.preempted)} because the "
            "processor did something else: other programs are busy."
        )
    method = f"Measured by the threads themselves, with {measures.stamps:,} looks at the clock"
    if not isnan(measures.apart):
        method += f", one every {format_duration(measures.apart)} while one runs"
    method += "."
    if measures.has_gil:
        method += (
            " Two seemed to run Python code at once for "
            f"{_share(measures.overlap, all_of_it)} of the time, which the GIL forbids: that is "
            "the error."
        )
    method += (
        " Watching makes Python code slower, many times where it is all lines and calls; a thread "
        "does less in its turn, and its turn is as long."
    )
    lines = [first, *lines, "", method]
    if trace.dropped:
        lines.append(f"{count(trace.dropped, 'slice')} more could not be kept.")
    return "\n".join(lines)


def _share(part: float, whole: float) -> str:
    percent = 100 * part / whole
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"
