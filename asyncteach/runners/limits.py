"""What kept a way of doing activities from being faster, told from what happened."""

from collections.abc import Sequence

import numpy as np

from asyncteach.activities import Activity
from asyncteach.formatting import clip
from asyncteach.intervals import sweep
from asyncteach.recording import Recording
from asyncteach.runners.machine import count_cores, has_gil
from asyncteach.runners.processes import MOST_WORKERS
from asyncteach.runners.schedule import CORES
from asyncteach.runners.threads import MOST_THREADS
from asyncteach.trace import READY, RUNNING, WAITING, Slices

_NOTICEABLE = 0.05
"""What was ready for a smaller share of all the time was not kept from working."""

_OURS = 0.7
"""What has less than that of the cores, while it wants more, shares them with other programs."""


def find_limit(
    way: str, activities: Sequence[Activity], recording: Recording, *, virtual: bool
) -> str:
    """Return in a few words why it took as long as it did.

    Who finished last tells: if it was ready for long it wanted something that others had, and if
    it wasn't nothing kept it from finishing but its own length.
    """
    if way == "in turn" and len(activities) > 1:
        return "one thing after another"
    trace = recording.trace
    last = int(np.argmax([row.finished for row in trace.rows]))
    ready = trace.slices.total(len(trace.rows), READY)[last]
    if ready <= _NOTICEABLE * trace.duration:
        longest = max(activity.minutes for activity in activities)
        which = "longest" if activities[last].minutes == longest else "last"
        return f"the {which}: {clip(activities[last].name, 30)}"
    most = MOST_THREADS if way == "threads" else MOST_WORKERS
    if way != "together" and len(activities) > most and len(trace.slices.of(WAITING)):
        return f"{most:,} {way}"
    servers, limit = _find_servers(way, virtual=virtual)
    wanted = trace.slices[trace.slices.task == last].of(READY)
    shared = _running_during(trace.slices, wanted) < _OURS * servers * ready
    return f"{limit}, shared with other work" if shared else limit


def _find_servers(way: str, *, virtual: bool) -> tuple[int, str]:
    """Return how many can work at once, and what to call it."""
    if way in ("in turn", "together"):
        return 1, "your attention"
    if way == "threads" and (virtual or has_gil()):
        return 1, "the GIL"
    cores = CORES if virtual else count_cores()
    return cores, "one core" if cores == 1 else f"{cores} cores"


def _running_during(slices: Slices, stretches: Slices) -> float:
    """Return how long anything was running in some stretches, added up."""
    running = slices.of(RUNNING)
    times, depth = sweep(running.start, running.end)
    so_far = np.concatenate([[0.0], np.cumsum(depth[:-1] * np.diff(times))])
    start, end = (np.interp(at, times, so_far) for at in (stretches.start, stretches.end))
    return float((end - start).sum())
