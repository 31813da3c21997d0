"""Why it was another time than guessed, where the recording knows."""

from collections.abc import Sequence

import numpy as np

from asyncteach.formatting import clip, format_duration
from asyncteach.prediction.facts import Hit, leaves
from asyncteach.recording import Recording
from asyncteach.trace import READY, RUNNING, WAITING, Trace

_NOTICEABLE = 0.02


def say(amount: float, unit: str) -> str:
    """Return an amount of time as people say it: `40 minutes`, `1 minute`, `310 ms`."""
    if unit == "seconds":
        return format_duration(amount)
    number = f"{amount:.1f}".removesuffix(".0") if amount >= 1 else f"{amount:.2g}"
    return f"{number} minute" if number == "1" else f"{number} minutes"


def join(names: Sequence[str], *, most: int = 6) -> str:
    """Return names as a list in a sentence."""
    short = [clip(name, 30) for name in names[:most]]
    if len(names) > most:
        short.append(f"{len(names) - most} more")
    return short[0] if len(short) == 1 else f"{', '.join(short[:-1])} and {short[-1]}"


def reason_for(recording: Recording, hit: Hit) -> str:
    """Return in half a sentence why a guess was missed; nothing where it isn't known."""
    trace = recording.trace
    if hit.fact is None or hit.right:
        return ""
    if hit.row is None:
        return _of_the_whole(recording, too_early=hit.off < 0)
    if hit.off < 0:
        return _of_late(recording, hit.row, "it")
    others = [n for n in leaves(trace.rows) if n != hit.row]
    if any(_overlap(trace, (hit.row, WAITING), (n, WAITING)) > 0 for n in others):
        return "it waits at the same time as the others"
    return ""


def _of_the_whole(recording: Recording, *, too_early: bool) -> str:
    trace = recording.trace
    working = leaves(trace.rows) or list(range(len(trace.rows)))
    ended = [n for n in working if trace.rows[n].finished == trace.rows[n].finished]
    if not ended or len(working) < 2:
        return ""
    last = max(ended, key=lambda n: trace.rows[n].finished)
    name = clip(_name(trace, last), 30)
    if too_early:
        return _of_late(recording, last, name) or f"{name} was the last to be done"
    together = [n for n in working if n != last and _overlap(trace, (n, None), (last, None)) > 0]
    if together:
        return f"they overlap, and {name} was the last to be done"
    return ""


def _of_late(recording: Recording, row: int, name: str) -> str:
    """Return what kept a task: others that ran, a line that held the loop, its late beginning."""
    trace = recording.trace
    ready = trace.slices[trace.slices.task == row].of(READY)
    seconds = float(ready.seconds().sum())
    if seconds > _NOTICEABLE * trace.duration:
        long = say(seconds, recording.unit)
        block = max(
            (one for one in trace.blocks if row in dict(one.delayed)),
            key=lambda one: dict(one.delayed)[row],
            default=None,
        )
        if block is not None and block.place is not None:
            held = format_duration(block.end - block.start)
            return f"{name} was ready for {long}, and {block.place} held the loop for {held}"
        if trace.head in ("you", "loop"):
            busy = _who_ran(trace, row)
            if busy:
                were = "was" if len(busy) == 1 else "were"
                return f"{name} was ready for {long} while {join(busy, most=3)} {were} running"
        elif trace.head:
            return f"{name} was ready for {long}, because others had {trace.head}"
        return f"{name} was ready for {long}, because others were running"
    spawned = trace.rows[row].spawned
    before = [
        n for n in leaves(trace.rows)
        if n != row and abs(trace.rows[n].finished - spawned) <= _NOTICEABLE * trace.duration
    ]  # fmt: skip
    if spawned > _NOTICEABLE * trace.duration:
        when = say(spawned, recording.unit)
        after = f", when {clip(_name(trace, before[0]), 30)} was done" if before else ""
        return f"{name} began only after {when}{after}"
    return ""


def _who_ran(trace: Trace, row: int) -> list[str]:
    """Return who was running while a task was ready, the longest first."""
    times = {
        n: _overlap(trace, (row, READY), (n, RUNNING))
        for n, other in enumerate(trace.rows[:1000])
        if n != row and other.kind == "task"
    }
    long = [n for n, time in times.items() if time > _NOTICEABLE * trace.duration]
    return [_name(trace, n) for n in sorted(long, key=lambda n: -times[n])]


def _overlap(trace: Trace, one: tuple[int, str | None], other: tuple[int, str | None]) -> float:
    """Return how long one task was in a state while the other one was in its."""
    first, second = (
        trace.slices[trace.slices.task == row]
        if state is None
        else trace.slices.of(state)[trace.slices.of(state).task == row]
        for row, state in (one, other)
    )
    if not len(first) or not len(second):
        return 0.0
    # Slices of one task don't overlap: what the second has had by a moment is a line that rises.
    edges = np.stack([second.start, second.end], 1).ravel()
    had = np.stack([np.zeros(len(second)), second.seconds()], 1).ravel().cumsum()
    shared = np.interp(first.end, edges, had) - np.interp(first.start, edges, had)
    return float(shared.sum())


def _name(trace: Trace, row: int) -> str:
    return trace.rows[row].label or trace.rows[row].name
