"""The waits of a task, by the calls of the user's functions that they were in."""

from collections.abc import Iterator
from dataclasses import dataclass

from asyncteach.places import Place
from asyncteach.trace import Trace, Wait

OUTSIDE = ("sleep", "socket", "subprocess", "thread", "process", "future", "tasks")
"""The kinds of waits for something that goes on by itself, meanwhile."""

# A conversation on one stream has its order.
_STREAMS = ("data from a stream", "room in a stream", "data from a socket", "room in a socket")


@dataclass
class Part:
    """One await of one call: from where its first wait began to where its last one ended."""

    place: Place
    child: Place | None
    """A line of the user's function that it called; None: a library's."""
    key: object
    """Different for each call that is awaited."""
    start: float
    end: float
    waited: float = 0.0
    outside: bool = False
    """Whether any of it was waiting for something outside."""
    pause: bool = False
    """Whether it was a sleep that the function itself awaits."""
    stream: bool = False
    """Whether it was one side of a conversation."""

    def shape(self) -> object:
        """Return all that is the same each time the same thing is awaited at the same line."""
        child = self.child and (self.child.path, self.child.function)
        return self.place.line, child, self.outside, self.pause, self.stream


def list_calls(trace: Trace) -> Iterator[tuple[int, list[Part]]]:
    """Give each task with what one call of one of its functions awaited, in order.

    Calls that awaited only one thing are left out.
    """
    by_task: dict[int, list[Wait]] = {}
    for wait in sorted(trace.waits, key=lambda wait: wait.start):
        by_task.setdefault(wait.task, []).append(wait)
    for task, waits in by_task.items():
        calls: dict[tuple[int, int], list[Part]] = {}
        for number, wait in enumerate(waits):
            # A comprehension with an await in it is a coroutine of its own on older Pythons.
            pairs = zip(wait.places, wait.calls, strict=False)
            links = [pair for pair in pairs if not pair[0].function.endswith("comp>")]
            is_direct = len(wait.calls) == len(wait.places)
            inner = (_child(trace, wait, by_task), -1 - number if is_direct else wait.calls[-1])
            for depth, (place, call) in enumerate(links):
                is_last = depth + 1 == len(links)
                child, key = inner if is_last else links[depth + 1]
                parts = calls.setdefault((depth, call), [])
                if not parts or parts[-1].key != key or parts[-1].place.line != place.line:
                    parts.append(Part(place, child, key, wait.start, wait.end))
                _add(parts[-1], wait, is_pause=is_last and is_direct)
        yield from ((task, parts) for parts in calls.values() if len(parts) > 1)


def _add(part: Part, wait: Wait, *, is_pause: bool) -> None:
    part.end = wait.end
    part.waited += wait.end - wait.start
    # A parent that gathers waits for others; a task of its own is as good as a call.
    others = wait.kind == "tasks" and part.child is None
    mine = wait.kind == "task" and part.child is not None
    part.outside |= mine or (wait.kind in OUTSIDE and not others)
    part.pause |= wait.kind == "sleep" and is_pause
    part.stream |= wait.what in _STREAMS


def _child(trace: Trace, wait: Wait, by_task: dict[int, list[Wait]]) -> Place | None:
    """Return a line of the coroutine of a task that was awaited where it was spawned."""
    if wait.kind != "task" or wait.target not in by_task or not wait.places:
        return None
    target, here = trace.rows[wait.target], wait.places[-1]
    if target.parent != wait.task or target.place is None or target.place[:2] != here[:2]:
        return None
    places = by_task[wait.target][0].places
    return places[0] if places else None
