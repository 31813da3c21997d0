"""Conditions about time: how long it all took, and how long one step held the loop."""

from asyncteach.checks.judgement import Judgement, Mark, no, yes
from asyncteach.checks.underway import is_virtual
from asyncteach.findings import name_task
from asyncteach.formatting import at, called, format_duration, format_time, join_words
from asyncteach.places import is_users
from asyncteach.recording import Recording
from asyncteach.trace import RUNNING, Block, Trace

_LONG = (
    "What waited for something else to be over, and could have been under way beside it?",
    "`await` waits on the spot. What is to overlap has to be started before the first of it is "
    "awaited, and nothing may hold the loop meanwhile.",
)
_SHORT = (
    "Was all of it done, and awaited to its end?",
    "A coroutine that is called without `await` doesn't run, and a task that nobody awaits isn't "
    "done when the function returns.",
)
_BLOCK = (
    "While that line works nobody else can. What does it wait for, and is there an `await`?",
    "What can't be awaited keeps the thread for itself. There is an async form of many things; "
    "everything else can be done in a thread of its own, while the task awaits that.",
)
# In real time nobody is early, but a busy machine is late.
_LATE, _SLACK = 0.25, 0.05


def judge_length(
    recording: Recording, expected: float, unit: str, *, exactly: bool, within: float | None
) -> Judgement:
    """Judge if it took so long, in minutes or seconds, or at most so long."""
    took = recording.minutes if unit == "minutes" else recording.seconds
    exact = is_virtual(recording.trace, recording.unit)
    room = within if within is not None else 0.05
    late = room * expected
    if within is None and not exact:
        late = _LATE * expected + (_SLACK if recording.unit == "seconds" else 0.0) * (
            1 / 60 if unit == "minutes" else 1
        )
    own, wanted = format_time(took, unit), format_time(expected, unit)
    scale = _scale(recording.unit, unit)
    if took > expected + late + 1e-9:
        least = "at most " if not exactly else ""
        mark = Mark(expected * scale, took * scale, f"after {wanted}")
        return no(f"it took {own} and was to take {least}{wanted}", *_hints(recording), mark)
    if exactly and took < expected - room * expected - 1e-9:
        mark = Mark(took * scale, took * scale, f"over after {own}")
        return no(f"it took only {own} and was to take {wanted}", *_SHORT, mark)
    return yes(f"it took {own}")


def _scale(own: str, asked: str) -> float:
    if own == asked:
        return 1.0
    return 60.0 if asked == "minutes" else 1 / 60


def _hints(recording: Recording) -> tuple[str, str]:
    """Return what helps if it took too long: from what a teacher would point at, if anything."""
    kinds = ("blocked-loop", "one-after-another")
    seen = [
        one.message
        for one in recording.findings
        if one.kind in kinds and one.file and is_users(one.file)
    ]
    return _LONG[0], seen[0] if seen else _LONG[1]


def judge_blocks(recording: Recording, seconds: float) -> Judgement:
    """Judge if no step held the loop for longer than so many seconds."""
    trace = recording.trace
    long = [block for block in trace.blocks if _is_to_blame(recording, block, seconds)]
    if long:
        return _blocked(trace, max(long, key=lambda block: block.end - block.start))
    if seconds < trace.threshold and is_virtual(trace, recording.unit):
        steps = trace.slices.of(RUNNING)
        for row, start, end in zip(
            steps.task.tolist(), steps.start.tolist(), steps.end.tolist(), strict=True
        ):
            if trace.rows[row].kind == "task" and end - start > seconds + 1e-9:
                who = trace.rows[row].name
                return _blocked(trace, Block(row, who, start, end, None, (), "", ()))
    return yes(f"the loop was never held for longer than {format_duration(seconds, rough=True)}")


def _is_to_blame(recording: Recording, block: Block, seconds: float) -> bool:
    """Tell if a step held the loop by what it did, and not because the machine was busy."""
    if block.end - block.start - block.lost <= seconds + 1e-9:
        return False
    if is_virtual(recording.trace, recording.unit):
        return block.task is not None
    if block.place is None:
        return False
    # What computes while no other task could have run harms none.
    return not block.busy >= 0.5 or any(late > 0.5 * seconds for _, late in block.delayed)


def _blocked(trace: Trace, block: Block) -> Judgement:
    length = format_duration(block.end - block.start)
    function = called(block.place.function) if block.place else ""
    who = block.who if block.task is None else name_task(trace.rows[block.task])
    late = [name_task(trace.rows[row]) for row, _ in sorted(block.delayed, key=lambda one: -one[1])]
    clause = f"{function or who} held the loop for {length}{at(block.place)}"
    if late:
        clause += f", and {join_words(late)} had to wait for it"
    label = f"{length}{at(block.place)}"
    rows = () if block.task is None else (block.task,)
    return no(clause, *_BLOCK, Mark(block.start, block.end, label, rows))
