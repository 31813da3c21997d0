"""What held a loop for too long, at which line, and which tasks were ready meanwhile."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from asyncteach.places import Place, is_ours, is_users, name_library, place_of
from asyncteach.recorder.roster import Roster
from asyncteach.recorder.steps import Steps
from asyncteach.recorder.tap import Tap
from asyncteach.recorder.waits import Line
from asyncteach.recorder.watchdog import Counters, Sample, measure
from asyncteach.trace import Block, Slices, TaskRecord

SHORTEST_DELAY = 0.001
"""Seconds that a task must have been ready during a block to count as delayed by it."""

Samples = dict[float, list[Sample]]


class Hold(NamedTuple):
    """A stretch in which a loop was held: by a task of that row, or by a callback."""

    row: int | None
    who: str
    start: float
    end: float
    key: float
    """By which its samples are found."""
    began: float
    """When it began and ended, by the clock of the looks."""
    ended: float


def find_holds(tap: Tap, roster: Roster, steps: Steps, callbacks: int) -> list[Hold]:
    """Return the stretches of one loop that are longer than the threshold."""
    threshold = roster.session.threshold
    holds = []
    long = (steps.end - steps.start > threshold) & ~steps.eager
    for one in np.flatnonzero(long).tolist():
        row = int(steps.row[one])
        for start, end, key in _pieces(tap, roster, steps, one):
            if end - start > threshold:
                times = (start + roster.start, end + roster.start)
                holds.append(Hold(row, roster.rows[row].label, start, end, key, *times))
    for began, ended, who in tap.holds[callbacks:]:
        start, end = roster.time(began), roster.time(ended)
        if 0 <= start <= roster.duration and end - start > threshold:
            holds.append(Hold(None, who, start, min(end, roster.duration), began, began, ended))
    return sorted(holds, key=lambda hold: hold.start)


def _pieces(
    tap: Tap, roster: Roster, steps: Steps, one: int
) -> Iterator[tuple[float, float, float]]:
    """Give the stretches of a step in which no loop inside the loop went round."""
    since, end, key = float(steps.start[one]), float(steps.end[one]), float(steps.raw[one])
    inside = (steps.start > since) & (steps.end < end) & ~steps.eager
    for begin, finish in zip(steps.start[inside].tolist(), steps.end[inside].tolist(), strict=True):
        yield since, begin, key
        since = finish
        key = min(tap.samples, key=lambda at: abs(at - roster.start - since), default=0.0)
    yield since, end, key


def describe_holds(
    holds: list[Hold], samples: Samples, looks: list[Counters], rows: list[TaskRecord], loop: int,
    ready: Slices, threshold: float,
) -> list[Block]:  # fmt: skip
    """Return the blocks of one loop, with their line and the tasks that were ready meanwhile."""
    loops = np.array([row.loop for row in rows] or [0])
    ready = ready[loops[ready.task] == loop]
    blocks = []
    for hold in holds:
        late = np.minimum(ready.end, hold.end) - np.maximum(ready.start, hold.start)
        some = (late > SHORTEST_DELAY) & (ready.task != (-1 if hold.row is None else hold.row))
        delayed: dict[int, float] = {}
        for task, seconds in zip(ready.task[some].tolist(), late[some].tolist(), strict=True):
            delayed[task] = delayed.get(task, 0.0) + seconds
        place, places, doing, others = look(samples.get(hold.key, []))
        if hold.row is None and not delayed and place is None:
            continue  # work of others, for which no task had to wait
        worst = tuple(sorted(delayed.items(), key=lambda one: -one[1]))
        effort = measure(looks, hold.began, hold.ended, threshold)
        # On a virtual clock a line is seen once for each sleep, however long that is.
        also = others if looks else ()
        what = (place, places, doing, worst, effort.busy, effort.lost, also, effort.unseen)
        blocks.append(Block(hold.row, hold.who, hold.start, hold.end, *what))
    return blocks


Share = tuple[Place, float]


def look(
    samples: list[Sample],
) -> tuple[Place | None, tuple[Place, ...], str, tuple[Share, ...]]:
    """Return the line that was on the stack most often, its callers, and what it was doing.

    The last are the other lines at which it was seen for a fifth of its time or more.
    """
    innermost = Counter[Line]()
    stacks: dict[Line, Counter[Sample]] = {}
    for sample in samples:
        line = next((line for line in sample if is_users(line[0].co_filename)), None)
        if line is not None:
            innermost[line] += 1
            stacks.setdefault(line, Counter())[sample] += 1
    if not innermost:
        return None, (), _say_innermost(samples), ()
    line = innermost.most_common(1)[0][0]
    stack = stacks[line].most_common(1)[0][0]
    while is_ours(stack[0][0]):  # sleep on a virtual clock
        stack = stack[1:]
    places = tuple(place_of(*one) for one in reversed(stack) if is_users(one[0].co_filename))
    doing = "" if stack[0] == line else stack[0][0].co_qualname
    total = innermost.total()
    shares = [(one, count / total) for one, count in innermost.most_common() if one != line]
    others = tuple((place_of(*one), share) for one, share in shares if share >= 0.2)
    return place_of(*line), places, doing, others


def _say_innermost(samples: list[Sample]) -> str:
    """Return the function that was seen most often where none of the user's was on the stack."""
    seen = Counter(sample[0][0] for sample in samples if sample and not is_ours(sample[0][0]))
    if not seen:
        return ""
    code = seen.most_common(1)[0][0]
    library = name_library(code.co_filename)
    return f"{library}.{code.co_qualname}" if library else code.co_qualname
