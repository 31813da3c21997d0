"""The part of a recording that somebody asks for, checked."""

from collections.abc import Sequence
from math import isfinite
from numbers import Real

from asyncteach.formatting import clip
from asyncteach.timeline.lanes import View, lay_out
from asyncteach.trace import Trace

_CHOSEN_LANES = 200


def view_of(
    trace: Trace, start: float | None = None, end: float | None = None,
    tasks: Sequence[str] | None = None,
) -> View:  # fmt: skip
    """Return what is to be drawn of a trace, or of a part of it, or of some tasks."""
    only = None if tasks is None else find_rows(trace, tasks)
    most = max(trace.subject.lanes, min(_CHOSEN_LANES, len(only or ())))
    interval = part_of(trace.duration, start, end, trace.unit)
    return lay_out(trace, most=most, only=only, interval=interval)


def find_rows(trace: Trace, names: Sequence[str]) -> set[int]:
    """Return the rows of those names, or of those labels: a task or job has both."""
    known: dict[str, list[int]] = {}
    for index, row in enumerate(trace.rows):
        known.setdefault(row.name, []).append(index)
    for index, row in enumerate(trace.rows):
        if row.label != row.name:
            known.setdefault(row.label, []).append(index)
    found: set[int] = set()
    for name in [names] if isinstance(names, str) else names:
        if name not in known:
            some = ", ".join(repr(clip(row.name, 40)) for row in trace.rows[:3]) or "no name at all"
            raise ValueError(
                f"No task is called {name!r}: tasks= takes names out of `recording.names`, which "
                f"begins with {some}."
            )
        found.update(known[name])
    return found


def part_of(
    duration: float, start: float | None, end: float | None, unit: str
) -> tuple[float, float] | None:
    """Return from when to when to draw; None: nobody asked, draw all.

    >>> part_of(2.0, 0.5, None, "seconds")
    (0.5, 2.0)
    """
    if start is None and end is None:
        return None
    for name, edge in (("start", start), ("end", end)):
        if edge is not None:
            _check(name, edge, unit)
    low = 0.0 if start is None else float(start)
    high = duration if end is None else float(end)
    if low >= high and end is None:
        raise ValueError(
            f"start={low:g} lies behind the end of the recording, which took {duration:.6g} "
            f"{unit}: choose an earlier one."
        )
    if low >= high:
        raise ValueError(
            f"start={low:g} must come before end={high:g}: swap them, or leave one out to draw "
            "up to the recording's own edge."
        )
    return low, high


def _check(name: str, edge: object, unit: str) -> None:
    if isinstance(edge, bool) or not isinstance(edge, Real):
        raise TypeError(f"{name} must be a number of {unit} and is {edge!r}: write it as in 0.5.")
    if not isfinite(edge) or edge < 0:
        raise ValueError(
            f"{name} must be a number of {unit} since the recording began and is "
            f"{float(edge):g}: choose one from 0 on."
        )
