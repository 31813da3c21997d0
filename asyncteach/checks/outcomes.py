"""Conditions on the duration, on what held the loop, and on how and when tasks ended."""

import re
from typing import Any

from asyncteach.checks.concurrency import (
    find_tasks,
    is_virtual,
    judge_missing,
    lifetime,
    lifetimes,
)
from asyncteach.checks.results import Judgement, Mark, no, when, yes
from asyncteach.domains import STORY
from asyncteach.findings import name_task
from asyncteach.formatting import at, called, format_duration, format_time, join_words
from asyncteach.places import is_users
from asyncteach.recording import Recording
from asyncteach.trace import RUNNING, Block, TaskRecord, Trace

# How long it took

_LONG = (
    "What waited for something else to be over, and could have been under way beside it?",
    "`await` waits right there for the result. To overlap, tasks have to be started before the "
    "first of them is awaited, and no step may hold the loop meanwhile.",
)
_SHORT = (
    "Was all of the work done, and awaited to its end?",
    "A coroutine that is called without `await` doesn't run, and a task that is never awaited "
    "isn't done when the function returns.",
)
# A real clock is never early, but a busy machine is late.
_LATE, _SLACK = 0.25, 0.05


def judge_length(
    recording: Recording, expected: float, unit: str, *, exactly: bool, within: float | None
) -> Judgement:
    """Judge if it took the expected time, or at most that, in minutes or seconds."""
    took = recording.minutes if unit == "minutes" else recording.seconds
    # One unit of the condition, in the recording's own unit.
    scale = (60.0 if unit == "minutes" else 1.0) / recording.trace.domain.seconds
    room = within if within is not None else 0.05
    late = room * expected
    if within is None and not is_virtual(recording.trace):
        late = _LATE * expected + (0 if recording.trace.domain is STORY else _SLACK / scale)
    own, wanted = format_time(took, unit), format_time(expected, unit)
    if took > expected + late + 1e-9:
        most = "" if exactly else "at most "
        mark = Mark(expected * scale, took * scale, f"after {wanted}")
        return no(f"it took {own}, expected {most}{wanted}", *_hints(recording), mark)
    if exactly and took < expected - room * expected - 1e-9:
        mark = Mark(took * scale, took * scale, f"over after {own}")
        return no(f"it took only {own}, expected {wanted}", *_SHORT, mark)
    return yes(f"it took {own}")


def _hints(recording: Recording) -> tuple[str, str]:
    """Return hints for a run that took too long, with a finding on the user's code if any."""
    kinds = ("blocked-loop", "one-after-another")
    seen = [
        one.message
        for one in recording.findings
        if one.kind in kinds and one.file and is_users(one.file)
    ]
    return _LONG[0], seen[0] if seen else _LONG[1]


# What held the loop

_BLOCK = (
    "While that line runs, no other task can. What does it wait for, and is there an `await`?",
    "A call that isn't awaited keeps the thread until it returns. Many calls have an async form; "
    "`await asyncio.to_thread(...)` runs any other one in a thread.",
)


def judge_blocks(trace: Trace, seconds: float) -> Judgement:
    """Judge if no step held the loop for longer than `seconds`."""
    long = [block for block in trace.blocks if _is_to_blame(trace, block, seconds)]
    if long:
        return _judge_block(trace, max(long, key=lambda block: block.end - block.start))
    if seconds < trace.threshold and is_virtual(trace):
        for row, start, end in zip(*_running(trace), strict=True):
            if trace.rows[row].kind == "task" and end - start > seconds + 1e-9:
                name = trace.rows[row].name
                return _judge_block(trace, Block(row, name, start, end, None, (), "", ()))
    return yes(f"the loop was never held for longer than {format_duration(seconds, rough=True)}")


def _running(trace: Trace) -> tuple[list[int], list[float], list[float]]:
    steps = trace.slices.of(RUNNING)
    return steps.task.tolist(), steps.start.tolist(), steps.end.tolist()


def _is_to_blame(trace: Trace, block: Block, seconds: float) -> bool:
    """Tell if the step itself held the loop, and not a busy machine."""
    if block.end - block.start - block.lost <= seconds + 1e-9:
        return False
    if is_virtual(trace):
        return block.task is not None
    if block.place is None:
        return False
    # A computation while no other task could run delays none.
    return not block.busy >= 0.5 or any(late > 0.5 * seconds for _, late in block.delayed)


def _judge_block(trace: Trace, block: Block) -> Judgement:
    length = format_duration(block.end - block.start)
    name = block.name if block.task is None else name_task(trace.rows[block.task])
    function = called(block.place.function) if block.place else ""
    clause = f"{function or name} held the loop for {length}{at(block.place)}"
    late = sorted(block.delayed, key=lambda one: -one[1])
    if late:
        names = join_words([name_task(trace.rows[row]) for row, _ in late])
        clause += f", and {names} had to wait for it"
    rows = () if block.task is None else (block.task,)
    return no(clause, *_BLOCK, Mark(block.start, block.end, f"{length}{at(block.place)}", rows))


# How tasks ended, and in which order

_OUTCOMES = {
    "cancelled": (
        "What asks it to stop, and when? And does the task end then?",
        "`task.cancel()` asks a task to stop: CancelledError is raised where it waits. If an "
        "`except` or a `finally` swallows it, the task goes on, or ends as if it had returned.",
    ),
    "returned": (
        "What keeps it from reaching its end?",
        "A task that fails or is cancelled never returns; nor does one that is never awaited.",
    ),
    "raised": (
        "Does the error come out of the task, or is it caught before?",
        "If a task catches an exception and doesn't raise it again, the task just returns: from "
        "outside the exception can't be seen.",
    ),
}


def judge_outcome(trace: Trace, name: str, wanted: str, kinds: tuple[type, ...]) -> Judgement:
    """Judge if all tasks of that name were cancelled, returned or raised."""
    rows = find_tasks(trace, name)
    if not rows:
        return judge_missing(trace, name)
    known = _names_of(kinds)
    errors = " or ".join(kind.__name__ for kind in kinds)
    for index in rows:
        row = trace.rows[index]
        raised = re.match(r"raised (\w+)", row.outcome)
        if wanted == row.outcome or (
            wanted == "raised" and raised and (not kinds or raised[1] in known)
        ):
            continue
        if row.was_there and row.outcome == "still running" and wanted == "returned":
            continue  # the task that has opened the recording goes on after it
        should = {"cancelled": "be cancelled", "returned": "return"}.get(
            wanted, f"raise {errors or 'an exception'}"
        )
        end = row.finished if row.finished == row.finished else trace.duration
        mark = Mark(lifetime(trace, index).start, end, f"not {wanted} {errors}".strip(), (index,))
        clause = f"{name_task(row)} {_describe_outcome(row)}, expected it to {should}"
        return no(clause, *_OUTCOMES[wanted], mark)
    names = join_words([name_task(trace.rows[row]) for row in rows], 6)
    if wanted == "cancelled":
        return yes(f"{names} {'was' if len(rows) == 1 else 'were'} cancelled")
    return yes(f"{names} {wanted} {errors}".strip())


def _names_of(kinds: tuple[type, ...]) -> set[str]:
    """Return the names of those exceptions and of all their subclasses."""
    left, found = list(kinds), set[type]()  # libraries have a ConnectionError of their own, too
    while left:
        kind = left.pop()
        if kind not in found:
            found.add(kind)
            left += type.__subclasses__(kind)
    return {kind.__name__ for kind in found}


def _describe_outcome(row: TaskRecord) -> str:
    """Return how a task ended, as the end of a sentence."""
    return {
        "cancelled": "was cancelled",
        "still running": "was still running at the end",
        "garbage-collected": "was lost before it was done, because no reference to it was kept",
    }.get(row.outcome, row.outcome)


def _never_ended(row: TaskRecord) -> bool:
    return row.outcome in ("still running", "garbage-collected") and not row.was_there


def judge_order(trace: Trace, events: tuple[str, ...]) -> Judgement:
    """Judge if tasks finished, or events came, in that order; ties may come in any order."""
    before = ("", 0.0, 0)
    words = []
    for event in events:
        edge, _, name = event.partition(" of ")
        if edge not in ("start", "end"):
            edge, name = "end", event
        rows = find_tasks(trace, name)
        if not rows:
            return judge_missing(trace, name)
        unfinished = [row for row in rows if _never_ended(trace.rows[row])]
        if edge == "end" and unfinished:
            row = unfinished[0]
            mark = Mark(lifetime(trace, row).start, trace.duration, "never over", (row,))
            record = trace.rows[row]
            clause = f"{name_task(record)} {_describe_outcome(record)}"
            return no(clause, *_OUTCOMES["returned"], mark)
        lives = lifetimes(trace, rows)
        if edge == "start":
            moment, row = min((life.start, life.row) for life in lives)
        else:
            moment, row = max((life.end, life.row) for life in lives)
        now = (f"{name} {'began' if edge == 'start' else 'was done'}", moment, row)
        if moment < before[1] - 1e-9:
            return _judge_disorder(trace, before, now)
        before = now
        words.append(now[0])
    return yes("first " + ", then ".join(words))


def _judge_disorder(
    trace: Trace, first: tuple[str, float, int], second: tuple[str, float, int]
) -> Judgement:
    return no(
        f"{second[0]} {when(second[1], trace.unit)}, and {first[0]} only "
        f"{when(first[1], trace.unit)}, expected the other way round",
        "Which waits for which? Look for the line that makes one of them go first.",
        "Tasks that run at the same time end as their waits end. To have one after the other, the "
        "second has to wait for the first: with an `await` of it, or with an Event.",
        *(Mark(time, time, words, (row,)) for words, time, row in (first, second)),
    )


def judge_rest(trace: Trace) -> Judgement:
    """Judge if no task was left running."""
    left = [n for n, row in enumerate(trace.rows) if row.kind == "task" and _never_ended(row)]
    if not left:
        return yes("no task was left running")
    names = [name_task(trace.rows[row]) + at(trace.rows[row].place) for row in left]
    lost = all(trace.rows[row].outcome == "garbage-collected" for row in left)
    how = "lost before done" if lost else "left running at the end"
    marks = [Mark(lifetime(trace, n).start, trace.duration, "", (n,)) for n in left[:8]]
    marks[0] = marks[0]._replace(label="still running")
    return no(
        f"{join_words(names)} {'was' if len(left) == 1 else 'were'} {how}",
        "What awaits it? And what stops it when it is no longer needed?",
        "Every task has to be awaited, or cancelled and then awaited, before its parent returns. "
        "A TaskGroup does that by itself.",
        *marks,
    )


def judge_that(
    trace: Trace, condition: Any, sentence: str, task: str | None,
    start: float | None, end: float | None,
) -> Judgement:  # fmt: skip
    """Judge any condition: a value, or a function that returns it."""
    clause, why = sentence.strip().rstrip("."), ""
    if callable(condition):
        try:
            condition = condition()
        except Exception as error:
            condition, why = False, f" ({type(error).__name__})"
    if condition:
        return yes(clause)
    rows = find_tasks(trace, task) if task is not None else []
    marks = []
    if rows or start is not None or end is not None:
        lives = lifetimes(trace, rows)
        low = min((one.start for one in lives), default=0.0) if start is None else float(start)
        high = max((one.end for one in lives), default=trace.duration)
        high = high if end is None else float(end)
        marks.append(Mark(low, max(low, high), "here", tuple(rows)))
    return no(f"it isn't true that {clause}{why}", "", "", *marks)
