"""What a recording shows, in forms that a test can compare."""

import itertools
from collections import defaultdict

from asyncteach import Recording
from asyncteach.trace import RUNNING, STATES


def lane(recording: Recording, row: int) -> str:
    """Return what a task did as times and states by turns: `0 running 0 waiting 1 running 1`.

    A lane that doesn't begin where the task was spawned, has a gap or overlaps itself is refused.
    """
    trace = recording.trace
    own = trace.slices[trace.slices.task == row]
    at = trace.rows[row].spawned
    said = [f"{at:g}"]
    for state, start, end in zip(own.state.tolist(), own.start, own.end, strict=True):
        assert start == at, f"{trace.rows[row].name}: {' '.join(said)}, then from {start}"
        at = end
        said += [STATES[state], f"{end:g}"]
    assert at == trace.rows[row].finished or trace.rows[row].outcome == "still running"
    return " ".join(said)


def lanes(recording: Recording) -> dict[str, str]:
    """Return the lanes of all tasks and jobs by the name that a picture shows."""
    return {row.label: lane(recording, n) for n, row in enumerate(recording.trace.rows)}


def waits(recording: Recording) -> list[tuple]:
    """Return which task waited, from when to when, and for what, in words."""
    trace = recording.trace
    return [
        (trace.rows[wait.task].label, wait.start, wait.end, wait.kind, wait.what)
        for wait in trace.waits
    ]


def blocks(recording: Recording) -> list[tuple]:
    """Return what held the loop, when, in which function, and which tasks it delayed."""
    trace = recording.trace
    return [
        (
            block.name if block.task is None else trace.rows[block.task].label,
            block.start,
            block.end,
            block.place and block.place.function.rpartition("<locals>.")[2],
            {trace.rows[task].label: round(seconds, 9) for task, seconds in block.delayed},
        )
        for block in trace.blocks
    ]


def nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


def check_invariants(recording: Recording, *, exact: bool = True) -> None:
    """Refuse a recording in which anything can't have been."""
    trace = recording.trace
    end_of_all = nanoseconds(trace.duration)
    pieces = defaultdict(list)
    columns = (trace.slices.task, trace.slices.state, trace.slices.start, trace.slices.end)
    for task, state, start, end in zip(*(column.tolist() for column in columns), strict=True):
        pieces[task].append((nanoseconds(start), nanoseconds(end), STATES[state]))
    totals = recording.tasks()
    running = defaultdict(list)
    for number, row in enumerate(trace.rows):
        own = pieces[number]
        spawned = nanoseconds(row.spawned)
        closed = row.finished == row.finished
        assert closed == (row.outcome != "still running"), row
        finished = nanoseconds(row.finished) if closed else end_of_all
        assert 0 <= spawned <= finished <= end_of_all, row
        # They tile the life of the task.
        edges = [spawned, *(end for _, end, _ in own)]
        assert [start for start, _, _ in own] == edges[:-1], (row, own)
        assert edges[-1] == finished, (row, own)
        parts = sum(nanoseconds(totals[state][number]) for state in STATES)
        assert parts == finished - spawned, row
        if row.parent is not None:
            assert row.parent < number
            assert trace.rows[row.parent].spawned <= row.spawned
        if row.kind == "task":
            running[row.loop] += [one for one in own if one[2] == RUNNING]
    for steps in running.values():
        for (_, end, _), (start, _, _) in itertools.pairwise(sorted(steps)):
            assert end <= start, "two tasks had one loop at the same time"
    starts = recording.to_frame()["start"]
    assert starts.is_monotonic_increasing
    order = [number for number, _ in trace.tree()]
    assert sorted(order) == list(range(len(trace.rows)))
