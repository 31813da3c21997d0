"""Recordings made by hand: what a picture shows is then known to the last slice."""

import numpy as np

from asyncteach import Recording
from asyncteach.places import Place
from asyncteach.trace import STATES, Block, Slices, TaskRecord, Trace, Wait, make_slices

LINE = Place("In [7]", 3, "fetch")


def record_of(trace, title="by hand"):
    return Recording.from_source(title, lambda: trace)


def make(rows, slices, *, blocks=(), waits=(), idle=(), title="by hand", **more):
    """Return a recording of (name, state, start, end) and of rows, or of their names."""
    rows = [one if isinstance(one, TaskRecord) else row(one) for one in rows]
    names = [one.name for one in rows]
    columns = [
        (names.index(name), STATES.index(state), start, end) for name, state, start, end in slices
    ]
    table = make_slices(*zip(*columns, strict=True)) if columns else make_slices([], [], [], [])
    began, ended = (np.array([pair[n] for pair in idle], dtype=float) for n in (0, 1))
    trace = Trace(
        rows,
        table.ordered(),
        max((end for *_, end in columns), default=0.0),
        idle=[(began, ended)] if len(began) else [],
        loops=["loop"],
        find_blocks=lambda: list(blocks),
        find_waits=lambda: list(waits),
        **more,
    )
    return record_of(trace, title)


def row(name, **more):
    more = {"label": name, "coroutine": "fetch", "outcome": "returned", "spawned": 0.0, **more}
    return TaskRecord(name, **more)


def block(task, start, end, place=LINE, delayed=(), name="fetch-1"):
    return Block(task, name, start, end, place, (place,), "time.sleep", tuple(delayed))


def three(**more):
    """Three fetches of which the first holds the loop from 0.10 to 0.41 s."""
    slices = [
        ("fetch-1", "running", 0.0, 0.002),
        ("fetch-1", "waiting", 0.002, 0.1),
        ("fetch-1", "running", 0.1, 0.41),
        ("fetch-2", "waiting", 0.004, 0.2),
        ("fetch-2", "ready", 0.2, 0.41),
        ("fetch-2", "running", 0.41, 0.42),
        ("fetch-3", "waiting", 0.006, 0.3),
        ("fetch-3", "ready", 0.3, 0.42),
        ("fetch-3", "running", 0.42, 0.44),
    ]
    rows = [row(f"fetch-{n}", finished=f) for n, f in ((1, 0.41), (2, 0.42), (3, 0.44))]
    waits = [Wait(0, 0.002, 0.1, "sleep", "a sleep of 0.1 s", (LINE,))]
    blocks = [block(0, 0.1, 0.41, delayed=[(1, 0.21), (2, 0.11)])]
    return make(rows, slices, blocks=blocks, waits=waits, idle=[(0.01, 0.1)], **more)


def many(tasks, steps=1, title="many"):
    """Return as many tasks below main, each ready, then `steps` times running and waiting."""
    start = np.arange(tasks) / tasks
    each = 1.0 / steps
    edges = start[:, None] + np.arange(steps)[None, :] * each
    begin = np.stack([edges, edges + each / 4], axis=2)
    finish = np.stack([edges + each / 4, edges + each], axis=2)
    task = np.repeat(np.arange(1, tasks + 1, dtype=np.int32), steps * 2)
    state = np.tile(np.array([0, 2], np.int8), tasks * steps)
    late = np.arange(1, tasks + 1, dtype=np.int32)
    slices = Slices(
        np.concatenate([late, task]),
        np.concatenate([np.ones(tasks, np.int8), state]),
        np.concatenate([np.zeros(tasks), begin.ravel()]),
        np.concatenate([start, finish.ravel()]),
    ).ordered()
    rows = [row("main", coroutine="main", finished=2.0)]
    rows += [
        row(f"fetch-{n + 1}", parent=0, finished=float(time) + 1) for n, time in enumerate(start)
    ]
    return record_of(Trace(rows, slices, float(slices.end.max()), loops=["loop"]), title)
