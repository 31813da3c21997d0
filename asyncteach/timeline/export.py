"""A recording for other programs: as SVG, and as a trace that Perfetto opens."""

import io
import os
import xml.etree.ElementTree as ET
from bisect import bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from asyncteach.formatting import clip
from asyncteach.timeline.artists import MARKERS, moments_drawn
from asyncteach.timeline.figure import draw_views
from asyncteach.timeline.lanes import View, busy_slices, kind_of, view_of
from asyncteach.timeline.layout import crowded, failures_of
from asyncteach.trace import READY, RUNNING, STATES, WAITING, Block, Slices, Trace, Wait

_SVG = "{http://www.w3.org/2000/svg}"
_STYLE: Any = {"svg.fonttype": "none", "svg.hashsalt": "asyncteach", "savefig.bbox": None}
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))

# The colours that trace viewers themselves have for these states.
_COLORS = {
    RUNNING: "thread_state_running",
    READY: "thread_state_runnable",
    WAITING: "thread_state_sleeping",
}
_NAME = 200


def write(text: str, path: str | os.PathLike[str]) -> Path:
    """Write text to a file; return its path."""
    target = Path(path)
    target.write_text(text, encoding="utf-8")
    return target


def wait_finder(trace: Trace) -> Callable[[int, float, float], Wait | None]:
    """Return a function that finds what a task awaited in a slice of waiting."""
    waits: dict[int, list[Wait]] = {}
    for wait in sorted(trace.waits, key=lambda one: one.start):
        waits.setdefault(wait.task, []).append(wait)
    starts = {task: [wait.start for wait in some] for task, some in waits.items()}

    def find(task: int, start: float, end: float) -> Wait | None:
        middle = (start + end) / 2
        index = bisect_right(starts.get(task, []), middle) - 1
        wait = waits[task][index] if index >= 0 else None
        return wait if wait and middle <= wait.end else None

    return find


def _format_block(block: Block) -> str:
    where = clip(block.place or block.doing or "", 80)
    return f"held the loop at {where}" if where else "held the loop"


def draw_svg(trace: Trace) -> str:
    """Return the picture as SVG; pointing at a bar shows what it is."""
    view, file = view_of(trace), io.StringIO()
    picture = draw_views([view])
    with mpl.rc_context(_STYLE):
        picture.savefig(file, format="svg", metadata=_NO_METADATA)
    ET.register_namespace("", _SVG[1:-1])
    root = ET.fromstring(file.getvalue())
    root.set("role", "img")
    root.set("aria-label", f"Timeline: {clip(trace.title, 80)}")
    ET.SubElement(root, "desc").text = picture.alt
    groups = {group.get("id"): group for group in root.iter(f"{_SVG}g")}
    for name, words in _describe_shapes(view, *picture.axes[0].get_xlim()).items():
        if name in groups:
            # Matplotlib defines a repeated shape once, and then refers to it.
            uses = list(groups[name].iter(f"{_SVG}use"))
            shapes = uses or list(groups[name].iter(f"{_SVG}path"))
            for shape, text in zip(shapes, words, strict=True):
                shape.set("pointer-events", "all")  # in a hollow mark too
                ET.SubElement(shape, "title").text = clip(text, 400)
    return ET.tostring(root, encoding="unicode") + "\n"


def _describe_shapes(view: View, low: float, high: float) -> dict[str, list[str]]:
    """Return the words about each shape of a group, by the group's id."""
    dense, totals, domain = crowded(view), view.totals(), view.trace.domain
    slices, found = view.slices[~dense[view.lane]], {}
    for number, state in enumerate(STATES):
        found[state] = _describe_slices(view, slices.of(state))
        found[f"shares of {state}"] = [
            f"{view.lanes[lane].name}: {state} {domain.format_total(totals[lane, number])} in all"
            for lane in np.flatnonzero(dense)
        ]
    found["moments"] = _describe_slices(view, moments_drawn(view, high - low))
    for outcome in MARKERS:
        rows = [row for _, row in failures_of(view, outcome)]
        found[outcome] = [f"{clip(row.label, 60)}: {row.outcome}" for row in rows]
    return found


def _describe_slices(view: View, slices: Slices) -> list[str]:
    """Describe each slice: its task, its time, and what was awaited or held the loop."""
    domain, find, words = view.trace.domain, wait_finder(view.trace), []
    held = {(block.task, block.start): block for block in view.trace.blocks}
    for task, state, start, end in slices.rows():
        unit = domain.axis_unit(end)
        edges = " to ".join(f"{edge * unit.per_second:.6g}" for edge in (start, end))
        text = f"{view.lanes[view.lane_of[task]].name}: {STATES[state]} {edges} {unit.short} "
        text += f"({domain.format_total(end - start)})"
        if STATES[state] == WAITING and (wait := find(task, start, end)):
            where = f" at {clip(wait.places[-1], 80)}" if wait.places else ""
            text += f", for {clip(wait.what or wait.kind, 120)}{where}"
        if block := held.get((task, start)):
            text += f", {_format_block(block)}"
        words.append(text)
    return words


def to_chrome_trace(trace: Trace) -> dict[str, Any]:
    """Return the trace in the form that Perfetto and chrome://tracing open."""
    about: dict[str, Any] = {"title": clip(trace.title, _NAME)}
    if trace.dropped:
        about["dropped steps"] = trace.dropped
    return {"traceEvents": list(_events(trace)), "displayTimeUnit": "ms", "otherData": about}


def _events(trace: Trace) -> Iterator[dict[str, Any]]:
    title, scale = {"name": clip(trace.title, _NAME)}, 1e6 * trace.domain.seconds
    yield {"ph": "M", "pid": 1, "tid": 0, "name": "process_name", "args": title}
    heads = trace.loops if len(trace.loops) > 1 else [trace.head] if trace.head else []
    count = len(trace.rows) + len(heads)

    def event(kind: str, row: int, **more: Any) -> dict[str, Any]:
        """Return an event of a row's track; the loops, which follow the last row, come first."""
        return {"ph": kind, "pid": 1, "tid": (row + len(heads)) % count + 1, **more}

    tracks = [(len(trace.rows) + number, name) for number, name in enumerate(heads)]
    for row, _ in trace.tree():
        name, kind = clip(trace.rows[row].label, _NAME), kind_of(trace, row)
        tracks.append((row, name if kind == "task" else f"{name} ({kind})"))
    for order, (row, name) in enumerate(tracks):
        yield event("M", row, name="thread_name", args={"name": clip(name, _NAME)})
        yield event("M", row, name="thread_sort_index", args={"sort_index": order})
    find = wait_finder(trace)
    for slices in (busy_slices(trace), trace.slices):
        for task, number, start, end in slices.rows():
            state, args = STATES[number], {}
            if state == WAITING and (wait := find(task, start, end)):
                args["awaits"] = clip(wait.what or wait.kind, _NAME)
                if wait.places:
                    args["at"] = clip(wait.places[-1], _NAME)
            times = {"ts": round(start * scale, 3), "dur": round((end - start) * scale, 3)}
            look = {"name": state, "cat": "state", "cname": _COLORS[state], "args": args}
            yield event("X", task, **times, **look)
    for block in trace.blocks:
        seconds = round(block.end - block.start, 9)
        delayed = [clip(trace.rows[task].label, _NAME) for task, _ in block.delayed[:20]]
        what = {"name": _format_block(block), "args": {"seconds": seconds, "delayed": delayed}}
        row = len(trace.rows) if block.task is None else block.task
        yield event("i", row, s="t", cat="block", ts=round(block.start * scale, 3), **what)
