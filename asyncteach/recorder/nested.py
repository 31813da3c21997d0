"""Steps inside steps: eager tasks, and a loop that runs inside itself."""

import numpy as np

from asyncteach.trace import READY, RUNNING, STATES, Slices, make_slices


def split_nested(running: Slices) -> tuple[Slices, Slices]:
    """Split running slices so that none overlap: what runs inside interrupts what is around it.

    Returns them, and the stretches in which an interrupted task was ready to go on.
    """
    # What takes no time interrupts nobody.
    moments = running[running.end <= running.start]
    running = running[running.end > running.start]
    # Of two that began and ended together the outer one was written down later.
    order = np.lexsort((-np.arange(len(running)), -running.end, running.start))
    rows = zip(
        running.task[order].tolist(),
        running.start[order].tolist(),
        running.end[order].tolist(),
        strict=True,
    )
    pieces: list[tuple[int, float, float]] = []
    gaps: list[tuple[int, float, float]] = []
    open_steps: list[list[float]] = []  # task, since when it runs, end

    def close_until(at: float) -> None:
        while open_steps and open_steps[-1][2] <= at:
            task, since, end = open_steps.pop()
            pieces.append((int(task), since, max(since, end)))
            if open_steps:
                outer = open_steps[-1]
                gaps.append((int(outer[0]), outer[1], end))
                outer[1] = end

    for task, start, end in rows:
        close_until(start)
        if open_steps:
            outer = open_steps[-1]
            if start > outer[1]:
                pieces.append((int(outer[0]), outer[1], start))
            outer[1] = start
            end = min(end, outer[2])
        open_steps.append([task, start, end])
    close_until(float("inf"))
    whole = _make(pieces, RUNNING)
    columns = [
        [getattr(part, c) for part in (moments, whole)] for c in ("task", "state", "start", "end")
    ]
    return Slices(*map(np.concatenate, columns)), _make([g for g in gaps if g[2] > g[1]], READY)


def _make(rows: list[tuple[int, float, float]], state: str) -> Slices:
    task, start, end = zip(*rows, strict=True) if rows else ((), (), ())
    return make_slices(task, [STATES.index(state)] * len(task), start, end)
