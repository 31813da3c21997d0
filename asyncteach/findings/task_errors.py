"""What went wrong with single tasks, threads and connections: findings from events and waits."""

from collections import Counter
from collections.abc import Callable, Iterator
from math import isnan

from asyncteach.findings import Finding, finding, name_task
from asyncteach.findings.source import line_of
from asyncteach.formatting import at, called, clip, count, format_duration, join_words
from asyncteach.places import Place
from asyncteach.trace import RUNNING, Event, TaskRecord, Trace, Wait

# A thread that looks for a signal to stop takes a moment to see it.
_MOMENT = 0.12
# Tasks that end as soon as this after a failure didn't go on.
_AT_ONCE = 0.02
# Connections from which on it is worth a word: servers and systems allow some hundreds.
_MANY = 250
_NESTED = (
    "cannot be called from a running event loop",
    "event loop is already running",
    "while another loop is running",
)

_FIXES = {
    "asyncio-run-inside-loop": "Await what you passed to `asyncio.run()`, as in `await main()`.",
    "cancellation-swallowed": "Clean up in `finally`, or end the `except` with `raise`.",
    "deadlock": "Take locks in the same order everywhere; hold none that an awaited task needs.",
    "deadlock of one": "Take the lock in the outermost function only: no task can take it twice.",
    "exception-never-retrieved": "Keep the task and await it, or start it in a TaskGroup.",
    "left-running": "Await it, or cancel it and then await it: else it goes on beside later code.",
    "queue-never-done": "Call `queue.task_done()` once for each item, in a `finally` block.",
    "siblings-ran-on": "Use `asyncio.TaskGroup`: when one task fails, it cancels the others.",
    "task-lost": "Keep the task in a variable and await it, or start it in a TaskGroup.",
    "thread-outlived-timeout": "Give the call a timeout, or a `threading.Event` to check.",
    "unbounded": "Let only a few in at a time, by an asyncio.Semaphore around each request.",
    "wrong-thread": "Use `loop.call_soon_threadsafe()` or `asyncio.run_coroutine_threadsafe()`.",
}

Observation = tuple[Place | None, float, str] | None
"""Where it was, what it has cost in seconds, and the sentence; None: it is no finding."""


def find_task_errors(trace: Trace) -> Iterator[Finding]:
    """Give a finding for each thing that was observed and can't be meant."""
    yield from _nested_runs(trace)
    yield from _never_awaited(trace)
    yield from _deadlocks(trace)
    for event in trace.events:
        kind, observe = _OBSERVERS.get(event.kind, ("", None))
        row = None if event.task is None else trace.rows[event.task]
        if observe and (observation := observe(trace, event, row)):
            place, seconds, message = observation
            yield finding(kind, row, seconds, place, message, _FIXES[kind])
    if trace.is_final:
        yield from _left_running(trace)


def _nested_runs(trace: Trace) -> Iterator[Finding]:
    """Find each `asyncio.run()` that failed because a loop was running."""
    found = [
        (None if r.task is None else trace.rows[r.task], r.place)
        for r in trace.events
        if r.kind == "raised" and _is_nested(r.text)
    ]
    kind = "asyncio-run-inside-loop"
    # An error that left the recording has left its task as well.
    for row, place in found or [(row, None) for row in trace.rows if _is_nested(row.outcome)]:
        message = (
            f"An event loop was started{at(place)} while another one was already running: a "
            f"notebook's cells run on an event loop, and so does everything in an `async def`."
        )
        yield finding(kind, row, 0.0, place, message, _FIXES[kind])


def _is_nested(text: str) -> bool:
    return "RuntimeError" in text and any(words in text for words in _NESTED)


def _never_awaited(trace: Trace) -> Iterator[Finding]:
    """Find each line at which coroutines were dropped that had never been awaited."""
    refused = [r.place for r in trace.events if r.kind == "raised" and _is_nested(r.text)]
    dropped = [r for r in trace.events if r.kind == "never-awaited" and r.place not in refused]
    groups = Counter((event.text, event.place) for event in dropped)
    for (text, place), times in groups.items():
        name = called(text) or text
        own = name.removesuffix("()").rpartition(".")[2]
        often = "" if times == 1 else f" {count(times, 'time')}"
        was = f"{name} was called{often}{at(place)} but never awaited"
        if place and f"{own}(" not in line_of(place):
            # Which call has made it can't be known: it was kept in a variable until here.
            was = f"The coroutine that {name} returned was dropped{often}{at(place)}, never awaited"
        message = f"{was}: calling {name} only makes a coroutine, so none of its code has run."
        fix = f"Write `await {name.removesuffix('()')}(...)`, or start it as a task and await that."
        yield finding("never-awaited", None, 0.0, place, message, fix)


def _deadlocks(trace: Trace) -> Iterator[Finding]:
    """Find tasks that waited for each other in a circle: for a lock, or for a task to end."""
    by_task: dict[int | None, list[Wait]] = {}
    for wait in trace.waits:
        if wait.target is not None and wait.kind in ("lock", "task"):
            by_task.setdefault(wait.task, []).append(wait)
    told: set[frozenset[int]] = set()
    for first in (wait for waits in by_task.values() for wait in waits):
        circle = [first]
        while len(circle) <= len(trace.rows) and circle[-1].target != first.task:
            # The wait of a circle that ended first has seen all of the others.
            later = by_task.get(circle[-1].target, [])
            found = [w for w in later if w.start < first.end <= w.end]
            if not found or found[-1] in circle:
                break
            circle.append(found[-1])
        tasks = frozenset(wait.task for wait in circle)
        if circle[-1].target == first.task and tasks not in told:
            told.add(tasks)
            yield _deadlock(trace, circle)


def _deadlock(trace: Trace, circle: list[Wait]) -> Finding:
    first = circle[0]
    place = first.places[-1] if first.places else None
    row = trace.rows[first.task]
    parts = []
    for wait in circle:
        other = name_task(trace.rows[wait.target or 0])
        what = f"a lock that {other} held" if wait.kind == "lock" else f"{other} to end"
        where = at(wait.places[-1]) if wait.places else ""
        parts.append(f"{name_task(trace.rows[wait.task])} waited{where} for {what}")
    message = f"{'; '.join(parts)}: none of them could go on."
    fix = "deadlock" if len(circle) > 1 else "deadlock of one"
    if len(circle) == 1:
        message = (
            f"{name_task(row)} waited{at(place)} for a lock that it held itself, so it could never "
            f"release it."
        )
    seconds = max(wait.end - wait.start for wait in circle)
    return finding("deadlock", row, seconds, place, message, _FIXES[fix])


def _join(trace: Trace, event: Event, row: TaskRecord | None) -> Observation:
    """Find a `queue.join()` that waited for items that no task had any more."""
    getting = {
        wait.task
        for wait in trace.waits
        if wait.what == "an item of a queue" and wait.start < event.at <= wait.end
    }
    joining = {event.task, *(trace.ancestors(event.task) if event.task is not None else [])}
    for index, other in enumerate(trace.rows):
        is_alive = other.spawned < event.at and not other.finished < event.at
        if other.kind == "task" and is_alive and index not in getting | joining:
            return None  # it may still work on an item
    place = event.place or (row.place if row else None)
    number = count(int(event.text), "item")
    message = (
        f"{name_task(row)} waited{at(place)} in `queue.join()`, though the queue was empty: "
        f"`task_done()` had not been called for {number} taken from it."
    )
    return place, event.seconds, message


def _exception(trace: Trace, event: Event, row: TaskRecord | None) -> Observation:
    place = event.place or (row.place if row else None)
    born = f", started{at(place)}," if place else ""
    message = (
        f"{name_task(row)}{born} failed with {event.text}, and its exception was never retrieved."
    )
    return place, 0.0, message


def _destroyed(trace: Trace, event: Event, row: TaskRecord | None) -> Observation:
    place = row.place if row and row.place else event.place
    born = f", started{at(place)}," if place else ""
    message = (
        f"{name_task(row)}{born} was garbage-collected before it had finished: nothing in the "
        "program referred to it, and the event loop keeps only a weak reference to a task."
    )
    return place, event.seconds, message


def _cut_off(trace: Trace, event: Event, row: TaskRecord | None) -> Observation:
    """Find a task that was started, never awaited and cut off when main() had returned."""
    # A server's handlers and a library's helpers aren't the user's to await.
    if row is None or row.place is None or row.parent is None or event.task is None:
        return None
    for wait in trace.waits:
        # What asyncio.wait() gave back as pending isn't forgotten.
        some = wait.kind == "tasks" and "together" not in wait.what and "group" not in wait.what
        mine = wait.kind == "task" and wait.target == event.task
        if mine or (wait.task == row.parent and some):
            return None
    if any(r.kind == "siblings-ran-on" and event.task in r.others for r in trace.events):
        return None
    # A task that waited at one place again went round: it was to end with the others.
    calls = [w.calls[: len(w.places)] for w in trace.waits if w.task == event.task]
    if len(set(calls)) < len(calls) or not _main_returned(trace, event.task):
        return None
    main = trace.rows[trace.ancestors(event.task)[-1]]
    message = (
        f"{name_task(row)} was started{at(row.place)} and never awaited: it was cancelled when "
        f"{name_task(main)} returned."
    )
    return row.place, event.seconds, message


def _main_returned(trace: Trace, task: int) -> bool:
    """Return whether the task at the root ended well: an error there takes all others with it."""
    return trace.rows[[task, *trace.ancestors(task)][-1]].outcome == "returned"


def _swallowed(trace: Trace, event: Event, row: TaskRecord | None) -> Observation:
    # A TaskGroup of Python 3.11 cancels the task around it and forgets to take it back.
    grouped = any(w.task == event.task and "its group" in w.what for w in trace.waits)
    if event.place is None or grouped:
        return None
    message = (
        f"{name_task(row)} swallowed its cancellation{at(event.place)}: it was cancelled there but "
        f"ended as if it hadn't been, so the code that called `cancel()` can't tell."
    )
    return event.place, event.seconds, message


def _ran_on(trace: Trace, event: Event, row: TaskRecord | None) -> Observation:
    """Find siblings that outlasted a failed gather() and that were not awaited after it."""
    cut_off = {r.task for r in trace.events if r.kind == "cancelled-at-exit"}
    later = [wait for wait in trace.waits if wait.start >= event.at]
    if any(wait.task == event.task and wait.kind == "tasks" for wait in later):
        return None  # it may have gathered what was left
    left = [
        index
        for index in set(event.others) - {wait.target for wait in later if wait.kind == "task"}
        if trace.rows[index].outcome != "cancelled" or index in cut_off
    ]
    # An error that ended the program has ended them all.
    if not left or (cut_off & set(left) and not _main_returned(trace, left[0])):
        return None
    ends = [trace.rows[index].finished for index in left]
    still = any(isnan(end) for end in ends)
    seconds = max(trace.duration if isnan(end) else end for end in ends) - event.at
    if seconds < _AT_ONCE and not still:
        return None
    names = join_words([name_task(trace.rows[index]) for index in sorted(left)])
    went_on = f" for {format_duration(seconds, rough=True)}" if seconds >= _AT_ONCE else ""
    went_on += ", past the end of the recording" if still else ""
    place = event.place or (row.place if row else None)
    message = (
        f"gather() raised {event.text or 'an error'}{at(event.place)}, but {names} went "
        f"on{went_on}: when one task fails, gather() doesn't cancel the others."
    )
    return place, seconds, message


def _left_running(trace: Trace) -> Iterator[Finding]:
    """Find tasks that were not awaited and were at work when the recording ended."""
    openers = [index for index, row in enumerate(trace.rows) if row.was_there]
    spared = {*openers, *(up for opener in openers for up in trace.ancestors(opener))}
    # The task that closes the recording is at work until the very end.
    closing = trace.slices.of(RUNNING)
    spared |= {int(task) for task in closing.task[closing.end >= trace.duration]}
    spared |= {one for r in trace.events if r.kind == "siblings-ran-on" for one in r.others}
    # On a loop of another thread the work may well go on.
    loops = {trace.rows[opener].loop for opener in openers}
    kind = "left-running"
    for index, row in enumerate(trace.rows):
        ours = index not in spared and row.loop in loops and row.kind == "task"
        if ours and row.outcome == "still running" and row.place and row.parent is not None:
            message = (
                f"{name_task(row)} was started{at(row.place)} and hadn't finished when the "
                "recording ended."
            )
            seconds = trace.duration - row.spawned
            yield finding(kind, row, seconds, row.place, message, _FIXES[kind])


def _outlived(trace: Trace, event: Event, row: TaskRecord | None) -> Observation:
    job = trace.rows[event.others[0]]
    still = isnan(job.finished)
    if event.seconds < _MOMENT and not still:
        return None
    place = event.place or job.place
    long = f"{format_duration(event.seconds, rough=True)} " if event.seconds >= _AT_ONCE else ""
    when = "when the recording ended, " if still else "for "
    message = (
        f"{name_task(job)} was still at work in its thread {when}{long}after the waiting for it"
        f"{at(place)} had ended: a timeout ends the waiting, not the thread."
    )
    return place, event.seconds, message


def _wrong_thread(trace: Trace, event: Event, row: TaskRecord | None) -> Observation:
    if event.place is None:
        return None  # a library's own thread
    text = line_of(event.place).partition("  #")[0]
    ran = f"`{clip(text, 60)}` ran" if text else "An asyncio object was used"
    what = f"{ran} in another thread{at(event.place)}"
    if event.text.endswith("()"):
        what = f"A thread was started{at(event.place)} to run `{event.text}`"
    message = (
        f"{what}: an asyncio object belongs to the thread of its event loop, which doesn't notice "
        f"what other threads do to it."
    )
    return event.place, event.seconds, message


def _connections(trace: Trace, event: Event, row: TaskRecord | None) -> Observation:
    if (number := int(event.text)) < _MANY:
        return None
    message = (
        f"{number:,} connections were open at once, the last of them opened{at(event.place)}: "
        f"servers and systems allow only so many."
    )
    return event.place, event.seconds, message


_OBSERVERS: dict[str, tuple[str, Callable[[Trace, Event, TaskRecord | None], Observation]]] = {
    "exception-never-retrieved": ("exception-never-retrieved", _exception),
    "destroyed-pending": ("task-lost", _destroyed),
    "cancelled-at-exit": ("task-lost", _cut_off),
    "connections": ("unbounded", _connections),
    "join-unfinished": ("queue-never-done", _join),
    "siblings-ran-on": ("siblings-ran-on", _ran_on),
    "swallowed-cancellation": ("cancellation-swallowed", _swallowed),
    "thread-outlived": ("thread-outlived-timeout", _outlived),
    "wrong-thread": ("wrong-thread", _wrong_thread),
}
