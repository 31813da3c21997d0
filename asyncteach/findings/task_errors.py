"""What went wrong with single tasks, threads and connections: findings from remarks and waits."""

from collections.abc import Callable, Iterator
from math import isnan

from asyncteach.findings.finding import Finding, finding, speak
from asyncteach.findings.source import find_call, line_of, read_source
from asyncteach.formatting import at, called, count, listing, span
from asyncteach.labels import clip
from asyncteach.places import Place
from asyncteach.tapes.tape import RUNNING, Remark, Row, Tape, Wait

# A thread that looks for a signal to stop takes a moment to see it.
_MOMENT = 0.12
# Tasks that end as soon as this after a failure weren't working on.
_AT_ONCE = 0.02
# Connections from which on it is worth a word: servers and systems allow some hundreds.
MANY = 250
_SOME = ("tasks", "the first of some tasks")
_NESTED = (
    "cannot be called from a running event loop",
    "event loop is already running",
    "while another loop is running",
)


def find_task_errors(tape: Tape, *, is_over: bool) -> Iterator[Finding]:
    """Give a finding for each thing that was observed and can't be meant."""
    yield from _nested_runs(tape)
    yield from _never_awaited(tape)
    yield from _deadlocks(tape)
    for remark in tape.remarks:
        if teller := _TELLERS.get(remark.kind):
            yield from teller(tape, remark)
    if is_over:
        yield from _left_running(tape)


def _row(tape: Tape, remark: Remark) -> Row | None:
    return None if remark.task is None else tape.rows[remark.task]


# Coroutines that never ran


def _is_nested(text: str) -> bool:
    return "RuntimeError" in text and any(words in text for words in _NESTED)


def _nested_runs(tape: Tape) -> Iterator[Finding]:
    """Tell of each `asyncio.run()` that failed because a loop was running."""
    raised = [r for r in tape.remarks if r.kind == "raised" and _is_nested(r.text)]
    found = [(_row(tape, remark), remark.place) for remark in raised]
    if not raised:  # an error that left the recording has left its task as well
        found = [(row, None) for row in tape.rows if _is_nested(row.outcome)]
    for row, place in found:
        message = (
            f"A loop was started{at(place)} inside a loop that was running already: a notebook's "
            f"cells run on one, and so does everything in `async def`."
        )
        fix = "Write `await main()` (or what you gave to it) instead: the loop is there."
        yield finding("asyncio-run-inside-loop", row, 0.0, place, message, fix)


def _never_awaited(tape: Tape) -> Iterator[Finding]:
    """Tell of each call that made a coroutine which was never awaited."""
    groups: dict[tuple[str, Place | None], int] = {}
    for remark in tape.remarks:
        if remark.kind == "never-awaited" and not (remark.place and _is_refused(remark.place)):
            place = remark.place and find_call(remark.place, remark.text)
            groups[remark.text, place] = groups.get((remark.text, place), 0) + 1
    for (text, place), times in groups.items():
        name = called(text) or text
        often = "" if times == 1 else f" {count(times, 'time')}"
        message = (
            f"{name} was called{often}{at(place)} but never awaited: calling it only makes a "
            f"coroutine, so nothing of it has run."
        )
        fix = f"Write `await {name.removesuffix('()')}(...)`, or make a task of it and await that."
        yield finding("never-awaited", None, 0.0, place, message, fix)


def _is_refused(place: Place) -> bool:
    """Tell if the line tried to run the coroutine on a loop: then it wasn't forgotten."""
    source = read_source(place)
    calls = source.calls(place) if source else []
    return any(call.endswith((".run", ".run_until_complete")) for call in calls)


# Tasks that can't go on


def _deadlocks(tape: Tape) -> Iterator[Finding]:
    """Tell of tasks that waited for each other in a circle: for a lock, or for a task's end."""
    waits = [w for w in tape.waits if w.target is not None and w.kind in ("lock", "task")]
    by_task: dict[int, list[Wait]] = {}
    for wait in waits:
        by_task.setdefault(wait.task, []).append(wait)
    told: set[frozenset[int]] = set()
    for first in waits:
        circle, wait = [first], first
        # The wait of the circle that ended first has seen all of the others.
        while wait.target != first.task and wait.target not in [w.task for w in circle]:
            later = by_task.get(wait.target if wait.target is not None else -1, [])
            found = [w for w in later if w.start < first.end <= w.end]
            if not found:
                break
            wait = found[-1]
            circle.append(wait)
        tasks = frozenset(w.task for w in circle)
        if wait.target != first.task or tasks in told:
            continue
        told.add(tasks)
        yield _deadlock(tape, circle)


def _deadlock(tape: Tape, circle: list[Wait]) -> Finding:
    first = circle[0]
    place = first.places[-1] if first.places else None
    name = speak(tape.rows[first.task])
    if len(circle) == 1:
        message = (
            f"{name} waited{at(place)} for a lock that it held itself: it can't go on, since only "
            f"the task that holds a lock can release it."
        )
        fix = (
            "An asyncio.Lock can't be taken twice by one task: take it once, in the outermost "
            "function, and let the others be called with the lock held."
        )
    else:
        parts = []
        for wait in circle:
            where = at(wait.places[-1]) if wait.places else ""
            other = speak(tape.rows[wait.target or 0])
            what = f"a lock that {other} held" if wait.kind == "lock" else f"{other} to end"
            parts.append(f"{speak(tape.rows[wait.task])} waited{where} for {what}")
        message = f"{listing(parts)}: none of them can go on."
        fix = (
            "Take several locks in the same order everywhere, and hold none while awaiting a task."
        )
    seconds = max(wait.end - wait.start for wait in circle)
    return finding("deadlock", tape.rows[first.task], seconds, place, message, fix)


def _join(tape: Tape, remark: Remark) -> Iterator[Finding]:
    """Tell of a `queue.join()` that waits for items that no task has any more."""
    getting = {
        wait.task
        for wait in tape.waits
        if wait.what == "an item of a queue" and wait.start < remark.at <= wait.end
    }
    alive = {
        index
        for index, row in enumerate(tape.rows)
        if row.kind == "task" and row.spawned < remark.at and not row.finished < remark.at
    }
    spared = {remark.task, *(tape.ancestors(remark.task) if remark.task is not None else [])}
    if alive - getting - spared:
        return  # one of them may still work on an item
    row = _row(tape, remark)
    who = speak(row) if row else "A task"
    number = count(int(remark.text), "item")
    message = (
        f"{who} waited{at(remark.place)} for a queue to be worked off. The queue was empty, but "
        f"`task_done()` had not been called for {number} that came out of it."
    )
    fix = "Call `queue.task_done()` for each item that `get()` has given, best in a `finally`."
    yield finding("queue-never-done", row, remark.seconds, remark.place, message, fix)


# Tasks that were lost, failed, or went on


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
        f"{who}{f', started{at(place)},' if place else ''} was garbage-collected before it had "
        f"finished: nothing referred to the task, and the loop knows it only weakly."
    )
    fix = "Keep the task in a variable or a set for as long as it works, and await it."
    yield finding("task-lost", row, remark.seconds, place, message, fix)


def _cut_off(tape: Tape, remark: Remark) -> Iterator[Finding]:
    """Tell of a task that was started, never awaited and cut off when main() had returned."""
    row = _row(tape, remark)
    # A server's handlers and a library's helpers aren't the user's to await.
    if row is None or row.place is None or row.parent is None or remark.task is None:
        return
    # What asyncio.wait() gave back as pending isn't forgotten.
    own = [wait for wait in tape.waits if wait.task == remark.task]
    awaited = any(
        wait.target == remark.task or (wait.task == row.parent and wait.what in _SOME)
        for wait in tape.waits
    )
    told = any(r.kind == "siblings-ran-on" and remark.task in r.others for r in tape.remarks)
    # A task that came to the same wait of one call again went round: it was to end with the others.
    calls = [(wait.places[-1], wait.calls[len(wait.places) - 1]) for wait in own if wait.places]
    if awaited or told or len(set(calls)) < len(calls) or not _main_returned(tape, remark.task):
        return
    main = tape.rows[tape.ancestors(remark.task)[-1]]
    message = (
        f"{speak(row)} was started{at(row.place)} and never awaited: it was cut off when "
        f"{speak(main)} returned."
    )
    fix = "Keep the task and await it before returning, or start it in a TaskGroup."
    yield finding("task-lost", row, remark.seconds, row.place, message, fix)


def _main_returned(tape: Tape, task: int) -> bool:
    """Tell if the task at the root ended well: an error there takes all others with it."""
    return tape.rows[[task, *tape.ancestors(task)][-1]].outcome == "returned"


def _swallowed(tape: Tape, remark: Remark) -> Iterator[Finding]:
    row, own = _row(tape, remark), [wait for wait in tape.waits if wait.task == remark.task]
    # A TaskGroup of Python 3.11 cancels the task around it and forgets to take it back.
    if remark.place is None or any("its group" in wait.what for wait in own):
        return
    message = (
        f"{speak(row) if row else 'A task'} swallowed its cancellation{at(remark.place)}: it was "
        f"cancelled there and ended as if it had not been, so the caller of `cancel()` can't tell."
    )
    fix = (
        "Clean up in `finally`, or write `raise` at the end of `except asyncio.CancelledError`; "
        "`except Exception` lets it pass, a bare `except` doesn't."
    )
    yield finding("cancellation-swallowed", row, remark.seconds, remark.place, message, fix)


def _ran_on(tape: Tape, remark: Remark) -> Iterator[Finding]:
    """Tell of siblings that outlasted a failed gather() and that were not awaited after it."""
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
    ends = [tape.rows[index].finished for index in left]
    seconds = max((tape.duration if isnan(end) else end for end in ends), default=0.0) - remark.at
    still = any(isnan(end) for end in ends)
    # An error that ended the program has ended them all.
    if not left or (cut_off & set(left) and not _main_returned(tape, left[0])):
        return
    if seconds < _AT_ONCE and not still:
        return
    row = _row(tape, remark)
    names = listing([speak(tape.rows[index]) for index in left])
    went_on = f"went on for {span(seconds)}" if seconds >= _AT_ONCE else "went on"
    if still:
        went_on += " and had not ended when the recording did"
    message = (
        f"gather() passed on {remark.text or 'an error'}{at(remark.place)}, and {names} "
        f"{went_on}: gather() doesn't cancel the others."
    )
    fix = "Use `async with asyncio.TaskGroup()`: it cancels the others and awaits them."
    place = remark.place or (row.place if row else None)
    yield finding("siblings-ran-on", row, seconds, place, message, fix)


def _left_running(tape: Tape) -> Iterator[Finding]:
    """Tell of tasks that were not awaited and were at work when the recording ended."""
    openers = [index for index, row in enumerate(tape.rows) if row.was_there]
    spared = {*openers, *(up for opener in openers for up in tape.ancestors(opener))}
    # The task that closes the recording is at work until the very end.
    closing = tape.slices.of(RUNNING)
    spared |= {int(task) for task in closing.task[closing.end >= tape.duration]}
    told = {other for r in tape.remarks if r.kind == "siblings-ran-on" for other in r.others}
    loops = {tape.rows[opener].loop for opener in openers}
    for index, row in enumerate(tape.rows):
        # On a loop of another thread the work may well go on.
        ours = index not in spared | told and row.loop in loops and row.kind == "task"
        if not ours or row.outcome != "still running" or row.place is None or row.parent is None:
            continue
        message = f"{speak(row)} was started{at(row.place)} and left running."
        fix = (
            "Await it, or cancel it and await it when you are done. In a notebook it would go on "
            "beside later cells, and running the cell again starts one more."
        )
        seconds = tape.duration - row.spawned
        yield finding("left-running", row, seconds, row.place, message, fix)


# Threads and connections


def _outlived(tape: Tape, remark: Remark) -> Iterator[Finding]:
    jobs = [tape.rows[index] for index in remark.others]
    still = any(isnan(job.finished) for job in jobs)
    if remark.seconds < _MOMENT and not still:
        return
    row = _row(tape, remark)
    job = speak(jobs[0]) if jobs else "The thread"
    place = remark.place or (jobs[0].place if jobs else None)
    own = any(wait.places for wait in tape.waits if wait.task == remark.task)
    if row and row.place and not own:
        place = row.place  # a library's task: the user's line is the one that made it
    long = f"for {span(remark.seconds)} " if remark.seconds >= 0.0005 else ""
    until = f"{long}after the waiting for it{at(place)} had ended"
    if still:
        until = f"when the recording ended, {until}"
    message = (
        f"{job} was still at work in its thread {until}: a timeout stops the waiting, not the "
        f"thread."
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
    what = f"`{clip(text, 60)}` ran" if text else "An asyncio object was used"
    if remark.text.endswith("()"):  # asyncio's own method was what the thread was to do
        what = f"`{remark.text}` ran as the function of a thread that was started"
        where = at(remark.place)
    else:
        where = f" in another thread{at(remark.place)}"
    message = (
        f"{what}{where}: asyncio's objects belong to the thread of their loop, and the loop "
        f"doesn't notice what others do to them."
    )
    fix = (
        "Ask the loop to do it: `loop.call_soon_threadsafe(function, ...)`, or for a coroutine "
        "`asyncio.run_coroutine_threadsafe(coroutine, loop)`."
    )
    yield finding("wrong-thread", _row(tape, remark), remark.seconds, remark.place, message, fix)


def _connections(tape: Tape, remark: Remark) -> Iterator[Finding]:
    if (number := int(remark.text)) < MANY:
        return
    message = (
        f"{number:,} connections were open at once, opened{at(remark.place)}: servers and systems "
        f"allow only so many."
    )
    fix = (
        "Let a few in at a time: `limit = asyncio.Semaphore(20)`, and inside the function "
        "`async with limit:`; or give the client's own limit."
    )
    yield finding("unbounded", _row(tape, remark), remark.seconds, remark.place, message, fix)


_TELLERS: dict[str, Callable[[Tape, Remark], Iterator[Finding]]] = {
    "exception-never-retrieved": _exception,
    "destroyed-pending": _destroyed,
    "cancelled-at-exit": _cut_off,
    "connections": _connections,
    "join-unfinished": _join,
    "siblings-ran-on": _ran_on,
    "swallowed-cancellation": _swallowed,
    "thread-outlived": _outlived,
    "wrong-thread": _wrong_thread,
}
