"""A recording for other programs: as a trace that Perfetto and chrome://tracing open."""

import json
import os
from bisect import bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asyncteach.labels import clip
from asyncteach.timeline.lanes import busy_slices, has_jobs, name_of
from asyncteach.trace import READY, RUNNING, STATES, WAITING, Block, Row, Slices, Tape, Wait

if TYPE_CHECKING:
    from asyncteach.recording import Recording

Event = dict[str, Any]

# The colours that trace viewers themselves have for these states.
_COLORS = {
    RUNNING: "thread_state_running",
    READY: "thread_state_runnable",
    WAITING: "thread_state_sleeping",
}
_PID = 1
_NAME = 200
_MOST = 500_000


def write_chrome_trace(recording: "Recording", path: str | os.PathLike[str] | None) -> Event | Path:
    """Return the trace as a dict, or write it to a file, an event a line, and return its path."""
    events = _events(recording)
    if path is None:
        if len(recording) > _MOST:
            raise ValueError(
                f"A trace of {len(recording):,} slices is too large to be returned: give "
                'to_chrome_trace() a file to write to, as in to_chrome_trace("trace.json").'
            )
        return {"traceEvents": list(events), **_about(recording)}
    target = Path(path)
    encode = json.JSONEncoder(separators=(",", ":")).encode
    with target.open("w", encoding="utf-8") as file:
        # A million events would not fit many a memory: they are written as they come.
        file.write('{"traceEvents":[')
        separator = "\n"
        for event in events:
            file.write(separator + encode(event))
            separator = ",\n"
        file.write("\n]," + json.dumps(_about(recording))[1:] + "\n")
    return target


def wait_finder(tape: Tape) -> Callable[[int, float, float], Wait | None]:
    """Return a function that tells what a task awaited in a stretch of waiting."""
    waits: dict[int, list[Wait]] = {}
    for wait in sorted(tape.waits, key=lambda one: one.start):
        waits.setdefault(wait.task, []).append(wait)
    starts = {task: [wait.start for wait in some] for task, some in waits.items()}

    def find(task: int, start: float, end: float) -> Wait | None:
        if task not in waits:
            return None
        middle = (start + end) / 2
        index = bisect_right(starts[task], middle) - 1
        wait = waits[task][index] if index >= 0 else None
        return wait if wait and middle <= wait.end else None

    return find


def say_wait(wait: Wait) -> str:
    """Return what was awaited and at which of the learner's lines."""
    where = f" at {clip(wait.places[-1], 80)}" if wait.places else ""
    return clip(wait.what or wait.kind, 120) + where


def say_block(block: Block) -> str:
    """Return that the loop was held, and by which of the learner's lines."""
    where = clip(block.place or block.doing or "", 80)
    return f"held the loop at {where}" if where else "held the loop"


def _about(recording: "Recording") -> Event:
    notes: Event = {"title": clip(recording.title, _NAME)}
    if recording.dropped:
        notes["dropped steps"] = recording.dropped
    return {"displayTimeUnit": "ms", "otherData": notes}


def _events(recording: "Recording") -> Iterator[Event]:
    story, tape = recording.unit == "minutes", recording.tape
    scale = 60e6 if story else 1e6  # to microseconds
    loops = max(1, len(tape.loops))
    names = [*tape.loops] if len(tape.loops) > 1 else [tape.head] if tape.head else []
    yield _meta("process_name", 0, name=clip(recording.title, _NAME))
    for number, name in enumerate(names):
        yield from _track(number + 1, clip(name, _NAME), number)
    for order, (index, _) in enumerate(tape.tree()):
        name = _name(tape.rows[index], has_jobs(tape))
        yield from _track(index + loops + 1, name, loops + order)
    # Rows beyond the tape's are the loops; they come first.
    if tape.head:
        yield from _slices(busy_slices(tape), 1 - len(tape.rows), scale, None)
    yield from _slices(tape.slices, loops + 1, scale, wait_finder(tape))
    for block in tape.blocks:
        yield _instant(
            say_block(block),
            1 if block.task is None else block.task + loops + 1,
            block.start * scale,
            seconds=round(block.end - block.start, 9),
            delayed=[clip(name_of(tape.rows[task]), _NAME) for task, _ in block.delayed[:20]],
        )


def _meta(kind: str, tid: int, **args: object) -> Event:
    return {"ph": "M", "name": kind, "pid": _PID, "tid": tid, "args": args}


def _track(tid: int, name: str, order: int) -> Iterator[Event]:
    yield _meta("thread_name", tid, name=name)
    yield _meta("thread_sort_index", tid, sort_index=order)


def _name(row: Row, marked: bool) -> str:
    name = clip(name_of(row), _NAME)
    return name if row.kind == "task" or not marked else f"{name} ({row.kind})"


def _slices(
    slices: Slices, first: int, scale: float,
    find: Callable[[int, float, float], Wait | None] | None,
) -> Iterator[Event]:  # fmt: skip
    columns = (slices.task, slices.state, slices.start, slices.end)
    for task, state, start, end in zip(*(c.tolist() for c in columns), strict=True):
        event: Event = {
            "ph": "X",
            "name": STATES[state],
            "cat": "state",
            "pid": _PID,
            "tid": task + first,
            "ts": round(start * scale, 3),
            "dur": round((end - start) * scale, 3),
            "cname": _COLORS[STATES[state]],
        }
        wait = find(task, start, end) if find and STATES[state] == WAITING else None
        if wait:
            event["args"] = {"awaits": clip(wait.what or wait.kind, _NAME)}
            if wait.places:
                event["args"]["at"] = clip(wait.places[-1], _NAME)
        yield event


def _instant(name: str, tid: int, at: float, **args: object) -> Event:
    return {
        "ph": "i", "s": "t", "name": name, "cat": "block", "pid": _PID, "tid": tid,
        "ts": round(at, 3), "args": args,
    }  # fmt: skip
