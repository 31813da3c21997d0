"""What went wrong with single tasks and threads: findings from remarks."""

from collections.abc import Callable, Iterator
from math import isnan

from asyncteach.labels import clip
from asyncteach.tapes.tape import RUNNING, Remark, Row, Tape
from asyncteach.teaching.coroutines import find_nested_runs, find_never_awaited
from asyncteach.teaching.findings import Finding, ancestors, at, finding, speak
from asyncteach.teaching.phrases import listing, span
from asyncteach.teaching.source import catches_cancelled, line_of, read_source, runs_forever

# A thread that looks for a signal to stop takes a moment to see it.
_MOMENT = 0.12
# Tasks that end as soon as this after a failure weren't working on.
_AT_ONCE = 0.02
_SOME = ("tasks", "the first of some tasks")


def find_mishaps(tape: Tape, *, is_over: bool) -> Iterator[Finding]:
    """Give a finding for each thing that was remarked and can't be right."""
    yield from find_nested_runs(tape)
    yield from find_never_awaited(tape)
    for remark in tape.remarks:
        if teller := _TELLERS.get(remark.kind):
            yield from teller(tape, remark)
    if is_over:
        yield from _left_running(tape)


def _row(tape: Tape, remark: Remark) -> Row | None:
    return None if remark.task is None else tape.rows[remark.task]


def _exception(tape: Tape, remark: Remark) -> Iterator[Finding]:
    row = _row(tape, remark)
    who = speak(row) if row else "A task"
    place = remark.place or (row.place if row else None)
    born = f", started{at(place)}," if place else ""
    message = f"{who}{born} failed with {remark.text}, and its exception was never looked at."
    fix = "Keep the task and await it, or give it to a TaskGroup: then its error reaches you."
    yield finding("exception-never-retrieved", row, 0.0, place, message, fix)


def _destroyed(tape: Tape, remark: Remark) -> Iterator[Finding]:
    row = _row(tape, remark)
    who = speak(row) if row else "A task"
    place = row.place if row and row.place else remark.place
    message = (
        f"{who} was lost{at(place)}: nobody held on to the task, and the loop only knows it "
        f"weakly, so it was garbage-collected before it had finished."
    )
    fix = "Keep the task in a variable or a set for as long as it works, and await it."
    yield finding("task-lost", row, remark.seconds, place, message, fix)


def _cut_off(tape: Tape, remark: Remark) -> Iterator[Finding]:
    """Tell of a task that was started, never awaited and cut off when main() had returned."""
    row = _row(tape, remark)
    # A server's handlers and a library's helpers aren't the learner's to await.
    if row is None or row.place is None or row.parent is None:
        return
    # What asyncio.wait() gave back as pending isn't forgotten.
    awaited = any(
        wait.target == remark.task or (wait.task == row.parent and wait.what in _SOME)
        for wait in tape.waits
    )
    told = any(r.kind == "siblings-ran-on" and remark.task in r.others for r in tape.remarks)
    main = tape.rows[ancestors(tape.rows, remark.task or 0)[-1]]
    if awaited or told or not _main_returned(tape, remark.task) or _is_endless(tape, remark.task):
        return
    message = (
        f"{speak(row)} was started{at(row.place)} and never awaited: it was cut off when "
        f"{speak(main)} returned."
    )
    fix = "Keep the task and await it before returning, or start it in a TaskGroup."
    yield finding("task-lost", row, remark.seconds, row.place, message, fix)


def _main_returned(tape: Tape, task: int | None) -> bool:
    """Tell if the task at the root ended well: an error there takes all others with it."""
    return tape.rows[[task or 0, *ancestors(tape.rows, task or 0)][-1]].outcome == "returned"


def _is_endless(tape: Tape, task: int | None) -> bool:
    """Tell if a task is meant to work until it is cancelled, or if nobody can say."""
    row = tape.rows[task or 0]
    place = next((w.places[0] for w in tape.waits if w.task == task and w.places), row.place)
    source = read_source(place) if place else None
    name = row.coroutine.rpartition(".")[2]
    found = [f for f in source.functions if f.name == name] if source else []
    return not found or any(runs_forever(function) for function in found)


def _swallowed(tape: Tape, remark: Remark) -> Iterator[Finding]:
    row = _row(tape, remark)
    who = speak(row) if row else "A task"
    chain = [w.places for w in tape.waits if w.task == remark.task and remark.place in w.places]
    # A TaskGroup of Python 3.11 cancels the task around it and forgets to take it back.
    grouped = any(w.task == remark.task and "its group" in w.what for w in tape.waits)
    if grouped or not any(catches_cancelled(place) for places in chain for place in places):
        return
    message = (
        f"{who} swallowed its cancellation{at(remark.place)}: it was cancelled, but ended as if it "
        f"had not been, so whoever cancelled it can't tell."
    )
    fix = (
        "Clean up in `finally`, or write `raise` at the end of `except asyncio.CancelledError`; "
        "`except Exception` lets it pass, a bare `except` doesn't."
    )
    place = remark.place or (row.place if row else None)
    yield finding("cancellation-swallowed", row, remark.seconds, place, message, fix)


def _outlived(tape: Tape, remark: Remark) -> Iterator[Finding]:
    if remark.seconds < _MOMENT:
        return
    row = _row(tape, remark)
    jobs = [tape.rows[index] for index in remark.others]
    job = speak(jobs[0]) if jobs else "The thread"
    place = remark.place or (jobs[0].place if jobs else None)
    own = any(wait.places for wait in tape.waits if wait.task == remark.task)
    if row and row.place and not own:
        place = row.place  # a library's task: the learner's line is the one that made it
    message = (
        f"{job} worked on in its thread for {span(remark.seconds)} after the waiting for it"
        f"{at(place)} had ended: a timeout stops the waiting, not the thread."
    )
    fix = (
        "Give the blocking call a timeout of its own, or hand it a `threading.Event` to look at "
        "between its steps."
    )
    yield finding("thread-outlived-timeout", row, remark.seconds, place, message, fix)


def _wrong_thread(tape: Tape, remark: Remark) -> Iterator[Finding]:
    if remark.place is None:
        return  # a library's own thread
    text = line_of(remark.place).partition("  #")[0]
    what = f"`{clip(text, 60)}`" if text else "An asyncio object"
    message = (
        f"{what} ran in another thread{at(remark.place)}: asyncio's objects belong to the "
        f"thread of their loop, and the loop doesn't notice what others do to them."
    )
    fix = (
        "Ask the loop to do it: `loop.call_soon_threadsafe(function, ...)`, or for a coroutine "
        "`asyncio.run_coroutine_threadsafe(coroutine, loop)`."
    )
    yield finding("wrong-thread", _row(tape, remark), remark.seconds, remark.place, message, fix)


def _ran_on(tape: Tape, remark: Remark) -> Iterator[Finding]:
    """Tell of siblings that outlasted a failed gather() and that nobody looked after."""
    cut_off = {r.task for r in tape.remarks if r.kind == "cancelled-at-exit"}
    later = [wait for wait in tape.waits if wait.start >= remark.at]
    awaited = {wait.target for wait in later}
    if any(wait.task == remark.task and wait.kind == "tasks" for wait in later):
        return  # it may have gathered what was left
    left = [
        index
        for index in remark.others
        if index not in awaited and (tape.rows[index].outcome != "cancelled" or index in cut_off)
    ]
    row = _row(tape, remark)
    ends = [tape.rows[index].finished for index in left]
    seconds = max((tape.duration if isnan(end) else end for end in ends), default=0.0) - remark.at
    # An error that ended the program has ended them all.
    if seconds < _AT_ONCE or (cut_off & set(left) and not _main_returned(tape, left[0])):
        return
    names = listing([speak(tape.rows[index]) for index in left])
    message = (
        f"gather() passed on {remark.text or 'an error'}{at(remark.place)}, and {names} worked on "
        f"for {span(seconds)}: gather() doesn't cancel the others."
    )
    fix = "Use `async with asyncio.TaskGroup()`: it cancels the others and awaits them."
    place = remark.place or (row.place if row else None)
    yield finding("siblings-ran-on", row, seconds, place, message, fix)


def _left_running(tape: Tape) -> Iterator[Finding]:
    """Tell of tasks that nobody awaited and that were at work when the recording ended."""
    openers = [index for index, row in enumerate(tape.rows) if row.was_there]
    spared = {*openers, *(up for opener in openers for up in ancestors(tape.rows, opener))}
    # Whoever closes the recording is at work until the very end.
    closing = tape.slices.of(RUNNING)
    spared |= {int(task) for task in closing.task[closing.end >= tape.duration]}
    loops = {tape.rows[opener].loop for opener in openers}
    for index, row in enumerate(tape.rows):
        # On a loop of another thread the work may well go on.
        ours = index not in spared and row.loop in loops and row.kind == "task"
        if not ours or row.outcome != "still running" or row.place is None or row.parent is None:
            continue
        message = f"{speak(row)} was started{at(row.place)} and left running."
        fix = (
            "Await it, or cancel it and await it when you are done. In a notebook it would go on "
            "beside later cells, and running the cell again starts one more."
        )
        seconds = tape.duration - row.spawned
        yield finding("left-running", row, seconds, row.place, message, fix)


_TELLERS: dict[str, Callable[[Tape, Remark], Iterator[Finding]]] = {
    "exception-never-retrieved": _exception,
    "destroyed-pending": _destroyed,
    "cancelled-at-exit": _cut_off,
    "swallowed-cancellation": _swallowed,
    "thread-outlived": _outlived,
    "wrong-thread": _wrong_thread,
    "siblings-ran-on": _ran_on,
}
