"""A recording for other programs: as a trace that Perfetto and chrome://tracing open."""

import json
import os
from bisect import bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from asyncteach.formatting import clip
from asyncteach.timeline.lanes import busy_slices, has_jobs, name_of
from asyncteach.trace import READY, RUNNING, STATES, WAITING, Block, Slices, TaskRecord, Trace, Wait

ChromeEvent = dict[str, Any]

# The colours that trace viewers themselves have for these states.
_COLORS = {
    RUNNING: "thread_state_running",
    READY: "thread_state_runnable",
    WAITING: "thread_state_sleeping",
}
_PID = 1
_NAME = 200
_MOST = 500_000


def write_chrome_trace(trace: Trace, path: str | os.PathLike[str] | None) -> ChromeEvent | Path:
    """Return the trace as a dict, or write it to a file, an event a line, and return its path."""
    events = _events(trace)
    if path is None:
        if len(trace.slices) > _MOST:
            raise ValueError(
                f"A trace of {len(trace.slices):,} slices is too large to be returned: give "
                'to_chrome_trace() a file to write to, as in to_chrome_trace("trace.json").'
            )
        return {"traceEvents": list(events), **_about(trace)}
    target = Path(path)
    encode = json.JSONEncoder(separators=(",", ":")).encode
    with target.open("w", encoding="utf-8") as file:
        # A million events would not fit many a memory: they are written as they come.
        file.write('{"traceEvents":[')
        separator = "\n"
        for event in events:
            file.write(separator + encode(event))
            separator = ",\n"
        file.write("\n]," + json.dumps(_about(trace))[1:] + "\n")
    return target


def wait_finder(trace: Trace) -> Callable[[int, float, float], Wait | None]:
    """Return a function that tells what a task awaited in a stretch of waiting."""
    waits: dict[int, list[Wait]] = {}
    for wait in sorted(trace.waits, key=lambda one: one.start):
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


def format_wait(wait: Wait) -> str:
    """Return what was awaited and at which of the user's lines."""
    where = f" at {clip(wait.places[-1], 80)}" if wait.places else ""
    return clip(wait.what or wait.kind, 120) + where


def format_block(block: Block) -> str:
    """Return that the loop was held, and by which of the user's lines."""
    where = clip(block.place or block.doing or "", 80)
    return f"held the loop at {where}" if where else "held the loop"


def _about(trace: Trace) -> ChromeEvent:
    notes: ChromeEvent = {"title": clip(trace.title, _NAME)}
    if trace.dropped:
        notes["dropped steps"] = trace.dropped
    return {"displayTimeUnit": "ms", "otherData": notes}


def _events(trace: Trace) -> Iterator[ChromeEvent]:
    scale = 1e6 * trace.domain.seconds  # to microseconds
    loops = max(1, len(trace.loops))
    names = [*trace.loops] if len(trace.loops) > 1 else [trace.head] if trace.head else []
    yield _meta("process_name", 0, name=clip(trace.title, _NAME))
    for number, name in enumerate(names):
        yield from _track(number + 1, clip(name, _NAME), number)
    for order, (index, _) in enumerate(trace.tree()):
        name = _name(trace.rows[index], has_jobs(trace))
        yield from _track(index + loops + 1, name, loops + order)
    # Rows beyond the trace's are the loops; they come first.
    if trace.head:
        yield from _slices(busy_slices(trace), 1 - len(trace.rows), scale, None)
    yield from _slices(trace.slices, loops + 1, scale, wait_finder(trace))
    for block in trace.blocks:
        yield _instant(
            format_block(block),
            1 if block.task is None else block.task + loops + 1,
            block.start * scale,
            seconds=round(block.end - block.start, 9),
            delayed=[clip(name_of(trace.rows[task]), _NAME) for task, _ in block.delayed[:20]],
        )


def _meta(kind: str, tid: int, **args: object) -> ChromeEvent:
    return {"ph": "M", "name": kind, "pid": _PID, "tid": tid, "args": args}


def _track(tid: int, name: str, order: int) -> Iterator[ChromeEvent]:
    yield _meta("thread_name", tid, name=name)
    yield _meta("thread_sort_index", tid, sort_index=order)


def _name(row: TaskRecord, marked: bool) -> str:
    name = clip(name_of(row), _NAME)
    return name if row.kind == "task" or not marked else f"{name} ({row.kind})"


def _slices(
    slices: Slices, first: int, scale: float,
    find: Callable[[int, float, float], Wait | None] | None,
) -> Iterator[ChromeEvent]:  # fmt: skip
    columns = (slices.task, slices.state, slices.start, slices.end)
    for task, state, start, end in zip(*(c.tolist() for c in columns), strict=True):
        event: ChromeEvent = {
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


def _instant(name: str, tid: int, at: float, **args: object) -> ChromeEvent:
    return {
        "ph": "i", "s": "t", "name": name, "cat": "block", "pid": _PID, "tid": tid,
        "ts": round(at, 3), "args": args,
    }  # fmt: skip
