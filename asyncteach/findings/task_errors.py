"""What went wrong with single tasks, threads and connections: findings from events and waits."""

from collections import Counter
from collections.abc import Callable, Iterator
from math import isnan
from typing import Any, NamedTuple

from asyncteach.findings import Finding, finding, name_task
from asyncteach.findings.source import line_of
from asyncteach.formatting import at, called, clip, count, format_duration, join_words
from asyncteach.trace import RUNNING, Event, Trace, Wait

# A thread that checks for a signal to stop takes a moment to notice it.
_MOMENT = 0.12
# Tasks that end as soon as this after a failure didn't go on.
_AT_ONCE = 0.02
# Servers and systems allow some hundreds of connections.
_MANY = 250
_KEEP = "Keep the task in a variable and await it, or start it in a TaskGroup."
Words = dict[str, Any] | None
"""What a message needs besides the task and the place; None if the event is no finding."""


def find_task_errors(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each thing that was observed and can't be intended."""
    yield from _never_awaited(trace)
    yield from _deadlocks(trace)
    for event in trace.events:
        if (mistake := _MISTAKES.get(event.kind)) is None:
            continue
        if (words := mistake.look(trace, event)) is None:
            continue
        row = None if event.task is None else trace.rows[event.task]
        place = event.place or (row.place if row else None)
        started = f", started{at(place)}," if place else ""
        usual = {"task": name_task(row), "at": at(place), "started": started, "text": event.text}
        message = mistake.message.format(**{**usual, **words})
        seconds = words.get("seconds", event.seconds)
        yield finding(mistake.kind, row, seconds, place, message, mistake.fix)
    if trace.is_final:
        yield from _left_running(trace)


# What an event needs to be a finding


def _is_nested(trace: Trace, event: Event) -> Words:
    ends = ("called from a running event loop", "loop is already running", "loop is running")
    return {} if event.text.endswith(ends) else None


def _is_never_worked_on(trace: Trace, event: Event) -> Words:
    """Return None if a task that is at work may still call `task_done()`."""
    idle = {event.task, *(trace.ancestors(event.task) if event.task is not None else [])}
    for wait in trace.waits:
        if wait.what == "an item from a queue" and wait.start < event.at <= wait.end:
            idle.add(wait.task)
    for index, row in enumerate(trace.rows):
        is_alive = row.spawned < event.at and not row.finished < event.at
        if row.kind == "task" and is_alive and index not in idle:
            return None
    return {}


def _is_lost(trace: Trace, event: Event) -> Words:
    """Return None if a task that was cancelled when main() returned wasn't simply forgotten."""
    if event.task is None or (row := trace.rows[event.task]).place is None or row.parent is None:
        return None  # a server's handler or a library's helper
    own = [wait for wait in trace.waits if wait.task == event.task]
    # A task that waited at one place twice is a loop, meant to end with the program.
    goes_round = len({wait.calls[: len(wait.places)] for wait in own}) < len(own)
    awaited = {wait.target for wait in trace.waits if wait.kind == "task"}
    for other in trace.events:
        awaited |= set(other.others) if other.kind == "siblings-ran-on" else set()
    # What asyncio.wait() returned as pending isn't forgotten.
    pending = any(wait.task == row.parent and wait.what == "tasks" for wait in trace.waits)
    main = trace.rows[trace.ancestors(event.task)[-1]]
    if goes_round or pending or event.task in awaited or main.outcome != "returned":
        return None
    return {"main": name_task(main)}


def _ran_on(trace: Trace, event: Event) -> Words:
    """Return which siblings outlasted a failed gather() and weren't awaited after it."""
    later = [wait for wait in trace.waits if wait.start >= event.at]
    if any(wait.task == event.task and wait.kind == "tasks" for wait in later):
        return None  # it may have gathered what was left
    awaited = {wait.target for wait in later if wait.kind == "task"}
    left = [trace.rows[index] for index in sorted(set(event.others) - awaited)]
    left = [row for row in left if row.outcome != "cancelled"]
    is_open = any(isnan(row.finished) for row in left)
    seconds = max((row.finished for row in left if not isnan(row.finished)), default=event.at)
    seconds = (trace.duration if is_open else seconds) - event.at
    if not is_open and seconds < _AT_ONCE:
        return None
    lasted = f"for {format_duration(seconds, rough=True)}"
    return {
        "seconds": seconds,
        "siblings": join_words([name_task(row) for row in left]),
        "lasted": "past the end of the recording" if is_open else lasted,
    }


def _outlived(trace: Trace, event: Event) -> Words:
    job = trace.rows[event.others[0]]
    still = isnan(job.finished)
    long = format_duration(event.seconds, rough=True)
    lasted = "when the recording ended," if still else f"for {long}"
    return {"job": name_task(job), "lasted": lasted} if event.seconds >= _MOMENT or still else None


def _trespass(trace: Trace, event: Event) -> Words:
    if event.place is None:
        return None  # a library's own thread
    text = line_of(event.place).partition("  #")[0]
    what = f"`{clip(text, 60)}` ran in another thread{at(event.place)}"
    if event.text.endswith("()"):
        what = f"A thread was started{at(event.place)} to run `{event.text}`"
    return {"what": what}


class Mistake(NamedTuple):
    """The finding that a kind of event leads to."""

    kind: str
    message: str
    fix: str
    look: Callable[[Trace, Event], Words] = lambda trace, event: {}


_MISTAKES = {
    "cancelled-at-exit": Mistake(
        "task-lost",
        "{task} was started{at} and never awaited: it was cancelled when {main} returned.",
        _KEEP,
        _is_lost,
    ),
    "connections": Mistake(
        "unbounded",
        "{number:,} connections were open at once, the last of them opened{at}: servers and "
        "systems limit their number.",
        "Let only a few in at a time, with an asyncio.Semaphore around each request.",
        lambda trace, event: {"number": int(event.text)} if int(event.text) >= _MANY else None,
    ),
    "destroyed-pending": Mistake(
        "task-lost",
        "{task}{started} was garbage-collected before it had finished: nothing in the program "
        "referred to it, and the event loop keeps only a weak reference to a task.",
        _KEEP,
    ),
    "exception-never-retrieved": Mistake(
        "exception-never-retrieved",
        "{task}{started} failed with {text}, and its exception was never retrieved.",
        _KEEP,
    ),
    "join-unfinished": Mistake(
        "queue-never-done",
        "{task} waited{at} in `queue.join()`, though the queue was empty: `task_done()` had not "
        "been called for {text} of the items taken from it.",
        "Call `queue.task_done()` once for each item, in a `finally` block.",
        _is_never_worked_on,
    ),
    "raised": Mistake(
        "asyncio-run-inside-loop",
        "An event loop was started{at} while another one was already running: a notebook's cells "
        "run on an event loop, and so does everything in an `async def`.",
        "Await what you passed to `asyncio.run()`, as in `await main()`.",
        _is_nested,
    ),
    "siblings-ran-on": Mistake(
        "siblings-ran-on",
        "gather() raised {text}{at}, but {siblings} went on {lasted}: when one task fails, "
        "gather() doesn't cancel the others.",
        "Use `asyncio.TaskGroup`: when one task fails, it cancels the others.",
        _ran_on,
    ),
    "swallowed-cancellation": Mistake(
        "cancellation-swallowed",
        "{task} swallowed its cancellation{at}: it was cancelled there but ended as if it hadn't "
        "been, so the code that called `cancel()` can't tell.",
        "Clean up in `finally`, or end the `except` with `raise`.",
        lambda trace, event: {} if event.place else None,  # in a library
    ),
    "thread-outlived": Mistake(
        "thread-outlived-timeout",
        "{job} was still at work in its thread {lasted} after the wait for it{at} had ended: a "
        "timeout ends the wait, not the thread.",
        "Give the call a timeout, or a `threading.Event` to check.",
        _outlived,
    ),
    "wrong-thread": Mistake(
        "wrong-thread",
        "{what}: an asyncio object belongs to the thread of its event loop, which doesn't notice "
        "what other threads do to it.",
        "Use `loop.call_soon_threadsafe()` or `asyncio.run_coroutine_threadsafe()`.",
        _trespass,
    ),
}


# What several events, the waits or the tasks show


def _never_awaited(trace: Trace) -> Iterator[Finding]:
    """Find each line at which coroutines that had never been awaited were dropped."""
    refused = [r.place for r in trace.events if r.kind == "raised"]
    dropped = [r for r in trace.events if r.kind == "never-awaited" and r.place not in refused]
    for (text, place), times in Counter((event.text, event.place) for event in dropped).items():
        name = called(text) or text
        often = "" if times == 1 else f" {count(times, 'time')}"
        was = f"{name} was called{often}{at(place)} but never awaited"
        own = name.removesuffix("()")
        if place and f"{own.rpartition('.')[2]}(" not in line_of(place):
            # A variable held it until here: the line of the call can't be known.
            was = f"The coroutine that {name} returned was dropped{often}{at(place)}, never awaited"
        message = f"{was}: calling {name} only makes a coroutine, so none of its code has run."
        fix = f"Write `await {own}(...)`, or start it as a task and await that."
        yield finding("never-awaited", None, 0.0, place, message, fix)


def _deadlocks(trace: Trace) -> Iterator[Finding]:
    """Find tasks that waited for each other in a circle: for a lock, or for a task to end."""
    by_task: dict[int | None, list[Wait]] = {}
    for wait in trace.waits:
        if wait.target is not None and wait.kind in ("lock", "task"):
            by_task.setdefault(wait.task, []).append(wait)
    known: set[frozenset[int]] = set()
    for first in (wait for waits in by_task.values() for wait in waits):
        circle = [first]
        while circle[-1].target != first.task:
            # The wait of a circle that ended first overlaps all the others.
            later = by_task.get(circle[-1].target, [])
            found = [w for w in later if w.start < first.end <= w.end and w not in circle]
            if not found:
                break
            circle.append(found[-1])
        tasks = frozenset(wait.task for wait in circle)
        if circle[-1].target == first.task and tasks not in known:
            known.add(tasks)
            yield _deadlock(trace, circle)


def _deadlock(trace: Trace, circle: list[Wait]) -> Finding:
    parts = []
    for wait in circle:
        other = name_task(trace.rows[wait.target or 0]) if circle[1:] else "it"
        what = f"a lock that {other} held" if wait.kind == "lock" else f"{other} to end"
        where = at(wait.places[-1]) if wait.places else ""
        parts.append(f"{name_task(trace.rows[wait.task])} waited{where} for {what}")
    return finding(
        "deadlock",
        trace.rows[circle[0].task],
        max(wait.end - wait.start for wait in circle),
        circle[0].places[-1] if circle[0].places else None,
        f"{'; '.join(parts)}: "
        f"{'none of them could go on' if circle[1:] else 'no task can take a lock twice'}.",
        "Take locks in the same order everywhere; hold none that an awaited task or call needs.",
    )


def _left_running(trace: Trace) -> Iterator[Finding]:
    """Find tasks that weren't awaited and hadn't finished when the recording ended."""
    siblings = {one for r in trace.events if r.kind == "siblings-ran-on" for one in r.others}
    # On a loop of another thread the work may well go on.
    loops = {row.loop for row in trace.rows if row.was_there}
    # The task that closes the recording runs until the very end.
    closing = trace.slices.of(RUNNING)
    spared = siblings.union(closing.task[closing.end >= trace.duration].tolist())
    for index, row in enumerate(trace.rows):
        if index in spared:
            continue
        is_left = row.kind == "task" and row.outcome == "still running" and not row.was_there
        if is_left and row.place and row.parent is not None and row.loop in loops:
            yield finding(
                "left-running",
                row,
                trace.duration - row.spawned,
                row.place,
                f"{name_task(row)} was started{at(row.place)} and hadn't finished when the "
                "recording ended.",
                "Await it, or cancel it and then await it: otherwise it goes on during later code.",
            )
