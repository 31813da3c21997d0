"""What kept a way of doing activities from being faster, told from what happened."""

from collections.abc import Sequence

import numpy as np

from asyncteach.activities import Activity
from asyncteach.labels import clip
from asyncteach.recording import Recording
from asyncteach.states import READY, WAITING
from asyncteach.ways.machine import count_cores, has_gil
from asyncteach.ways.processes import MOST_WORKERS
from asyncteach.ways.schedule import CORES
from asyncteach.ways.threads import MOST_THREADS

_NOTICEABLE = 0.05
"""What was ready for a smaller share of all the time was not kept from working."""

_SHARED = 1.5
"""Three on two cores take a tenth longer than they must, four on three a third."""


def find_limit(
    way: str, activities: Sequence[Activity], recording: Recording, *, virtual: bool
) -> str:
    """Return in a few words why it took as long as it did.

    Who finished last tells: if it was ready for long it wanted something that others had, and if
    it wasn't nothing kept it from finishing but its own length.
    """
    if way == "in turn" and len(activities) > 1:
        return "one thing after another"
    tape = recording.tape
    last = int(np.argmax([row.finished for row in tape.rows]))
    ready = tape.slices.total(len(tape.rows), READY)[last]
    if ready <= _NOTICEABLE * tape.duration:
        longest = max(activity.minutes for activity in activities)
        which = "longest" if activities[last].minutes == longest else "last"
        return f"the {which}: {clip(activities[last].name, 30)}"
    if way == "together":
        return "your attention"
    most, noun = (MOST_WORKERS, "processes") if way == "processes" else (MOST_THREADS, "threads")
    if len(activities) > most and tape.slices.total(len(tape.rows), WAITING)[last]:
        return f"{most:,} {noun}"
    if way == "threads" and (virtual or has_gil()):
        return "the GIL"
    cores = CORES if virtual else count_cores()
    if sum(activity.attention > 0 for activity in activities) <= cores:
        return "other work on this machine"
    limit = "one core" if cores == 1 else f"{cores} cores"
    at_best = sum(activity.attention for activity in activities) / cores
    return limit if tape.duration < _SHARED * at_best else f"{limit}, shared with other work"
