"""The trace of a recording of threads: a row a thread, and its slices."""

from dataclasses import dataclass
from functools import partial
from math import nan
from typing import Any

from asyncteach.domains import THREADS
from asyncteach.formatting import tell_apart
from asyncteach.places import Place, place_of
from asyncteach.thread_recorder.gaps import Gap, Reading
from asyncteach.thread_recorder.log import ENTRY, UNKNOWN, Log
from asyncteach.thread_recorder.measures import Measures, measure
from asyncteach.thread_recorder.session import Session
from asyncteach.trace import READY, RUNNING, STATES, WAITING, TaskRecord, Trace, Wait, make_slices

_BILLION = 1_000_000_000
_KINDS = {
    "sleep": "sleep",
    "acquire": "lock",
    "__enter__": "lock",
    "join": "thread",
    "recv": "socket",
}


@dataclass
class ThreadTrace(Trace):
    """What is known of threads, and how well."""

    measures: Measures | None = None


class _Lanes:
    """Slices as they come, thread by thread; what goes on in one state is one slice."""

    def __init__(self) -> None:
        self.columns: tuple[list[int], list[int], list[int], list[int]] = ([], [], [], [])

    def put(self, thread: int, state: str, start: int, end: int) -> None:
        if end < start or (end == start and state != RUNNING):
            return
        threads, states, _, ends = self.columns
        number = STATES.index(state)
        if threads and threads[-1] == thread and states[-1] == number:
            ends[-1] = end
        else:
            for column, value in zip(self.columns, (thread, number, start, end), strict=True):
                column.append(value)


def develop_threads(session: Session, *, has_gil: bool) -> ThreadTrace:
    """Make the trace of a session, as far as it has come."""
    logs = list(session.logs)
    interval = round(session.last_interval * _BILLION)
    reading = Reading(logs, interval, session.threshold, has_gil=has_gil)
    zero = session.opened
    lanes, waits, preempted = _Lanes(), list[tuple[int, Gap, int, int]](), 0
    for thread, log in enumerate(logs):
        began, ended = reading.lives[thread]
        if began == UNKNOWN:  # it has not come to run at all
            lanes.put(thread, READY, log.spawned, max(session.ended, log.spawned))
            continue
        lanes.put(thread, READY, log.spawned, began)
        at = began
        for number, gap in enumerate(reading.gaps[thread]):
            lanes.put(thread, RUNNING, at, gap.since)
            for state, start, end in reading.divide(thread, number):
                lanes.put(thread, state, start, end)
                if state == WAITING:
                    waits.append((thread, gap, start, end))
                elif state == READY and gap.rests == 0:
                    preempted += end - start
            at = gap.until
        lanes.put(thread, RUNNING, at, ended)
    threads, states, starts, ends = lanes.columns
    times = [[(at - zero) / _BILLION for at in column] for column in (starts, ends)]
    slices = make_slices(threads, states, *times).ordered()
    last = session.ended if session.ended != UNKNOWN else max([zero, *ends])
    is_counted = any(gap.rests != UNKNOWN for gaps in reading.gaps for gap in gaps)
    measures = measure(
        reading,
        slices,
        intervals=(session.first_interval, session.last_interval),
        stamps=sum(log.stamps for log in logs),
        preempted=preempted / _BILLION if is_counted else nan,
    )
    return ThreadTrace(
        _rows(logs, zero),
        slices,
        (last - zero) / _BILLION,
        dropped=session.shelf.dropped,
        domain=THREADS,
        head="the GIL" if has_gil else None,
        find_waits=partial(_find_waits, session, waits, zero),
        measures=measures,
    )


def _rows(logs: list[Log], zero: int) -> list[TaskRecord]:
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


def _find_waits(session: Session, waits: list[Any], zero: int) -> list[Wait]:
    calls = {number: name for name, number in session.shelf.calls.items()}
    lines = {number: line for line, number in session.shelf.lines.items()}
    found = []
    for thread, gap, start, end in waits:
        if gap.call == ENTRY:
            kind, what = "lock", "what a with block enters"
        else:
            name = calls.get(gap.call, "")
            kind, what = _KINDS.get(name.rpartition(".")[2], "call"), f"{name}()"
        places: tuple[Place, ...] = (place_of(*lines[gap.line]),) if gap.line in lines else ()
        times = (start - zero) / _BILLION, (end - zero) / _BILLION
        found.append(Wait(thread, *times, kind, what, places))
    return sorted(found, key=lambda wait: wait.start)
