"""A recording in characters and in words, for terminals and for those who can't see a picture."""

import math
from typing import TYPE_CHECKING

from asyncteach.labels import clip, pad, width
from asyncteach.tape import READY, RUNNING, STATES, WAITING

if TYPE_CHECKING:
    from asyncteach.recording import Recording, Slice

_COLUMNS = 60
_LANES = 40
_MARKS = {RUNNING: "#", READY: "/", WAITING: "."}


def say(amount: float, unit: str) -> str:
    """Return an amount of time with its unit, as people say it: `40.0 minutes`, `0.31 seconds`."""
    if unit == "minutes":
        return f"{amount:.1f} minutes"
    return f"{amount:.2f} seconds" if amount < 100 else f"{amount:,.1f} seconds"


def draw(recording: "Recording") -> str:
    """Return the timeline in characters: a line for you, a line a task."""
    lanes = recording.lanes()
    total = recording.tape.duration
    shown = [(clip(name, 24), slices) for name, slices in lanes[: _LANES + 1]]
    margin = max(width(name) for name, _ in shown) + 2
    lines = [recording.heading()]
    for name, slices in shown:
        lines.append((pad(name, margin) + _draw_lane(slices, total)).rstrip())
    if len(shown) < len(lanes):
        lines.append(f"... and {len(lanes) - len(shown)} more tasks")
    legend = ", ".join(f"{_MARKS[state]} {state}" for state in STATES)
    lines.append(f"{pad('', margin)}{legend}")
    return "\n".join(lines)


def describe(recording: "Recording") -> str:
    """Return what the timeline shows as a sentence or two."""
    lanes = []
    for name, slices in recording.lanes()[1:13]:
        parts = [f"{s.state} {s.start:.1f} to {s.end:.1f}" for s in slices if s.end > s.start]
        lanes.append(f"{clip(name, 40)}: {', '.join(parts[:6]) or 'a moment'}")
    if len(recording.names) > 12:
        lanes.append(f"and {len(recording.names) - 12} more tasks")
    busy = f"you are busy for {recording.attention:.1f} of them"
    return f"Timeline. {recording.heading()}, {busy}. {'; '.join(lanes)}."


def _draw_lane(slices: "list[Slice]", total: float) -> str:
    """Draw one lane in characters: each stands for the state that fills most of its time."""
    scale = _COLUMNS / (total or 1.0)
    cover = [dict.fromkeys(STATES, 0.0) for _ in range(_COLUMNS)]
    for one in slices:
        start, end = one.start * scale, one.end * scale
        for column in range(int(start), min(_COLUMNS, math.ceil(end))):
            cover[column][one.state] += min(end, column + 1) - max(start, column)
    marks = [
        _MARKS[max(STATES, key=share.__getitem__)] if max(share.values()) > 0.02 else " "
        for share in cover
    ]
    for one in slices:  # a moment fills nothing, but it was there
        if one.state == RUNNING and (one.end - one.start) * scale < 1:
            marks[min(_COLUMNS - 1, int(one.start * scale + 1e-9))] = _MARKS[RUNNING]
    return "".join(marks)
