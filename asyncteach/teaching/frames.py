"""What each call of a learner's function awaited, in order: put together from waits."""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from asyncteach.places import Place
from asyncteach.tapes.tape import Tape, Wait
from asyncteach.teaching.source import Source


class Link(NamedTuple):
    """One learner's line of an await chain, and which call of its function it belongs to."""

    place: Place
    call: int


@dataclass
class Stretch:
    """One await of one call: from where its first wait began to where its last one ended."""

    place: Place
    """The line with the await."""
    child: Place | None
    """A line of the function that it called; None: a library's."""
    key: object
    start: float
    end: float
    waited: float = 0.0

    @property
    def seconds(self) -> float:
        return self.end - self.start

    @property
    def name(self) -> str:
        return self.child.function.rpartition(".")[2] if self.child else ""


@dataclass
class Frame:
    """One call of one of the learner's functions: what it awaited, in order."""

    place: Place
    stretches: list[Stretch] = field(default_factory=list)


def list_frames(tape: Tape, waits: list[Wait], by_task: dict[int, list[Wait]]) -> list[Frame]:
    """Return the calls that a task's waits were in, each with what it awaited."""
    frames: dict[tuple[int, int], Frame] = {}
    for number, wait in enumerate(sorted(waits, key=lambda wait: wait.start)):
        if len(wait.calls) != len(wait.places):
            continue
        # A comprehension with an await in it is a coroutine of its own on older Pythons.
        links = [
            Link(place, call)
            for place, call in zip(wait.places, wait.calls, strict=True)
            if not place.function.endswith("comp>")
        ]
        for depth, link in enumerate(links):
            frame = frames.setdefault((depth, link.call), Frame(link.place))
            child, key = _child(tape, wait, by_task), (number, None)
            if depth + 1 < len(links):
                child, key = links[depth + 1].place, (links[depth + 1].call, None)
            last = frame.stretches[-1] if frame.stretches else None
            if last is None or last.key != key or last.place.line != link.place.line:
                last = Stretch(link.place, child, key, wait.start, wait.end)
                frame.stretches.append(last)
            last.end = wait.end
            last.waited += wait.end - wait.start
    return list(frames.values())


def _child(tape: Tape, wait: Wait, by_task: dict[int, list[Wait]]) -> Place | None:
    """Return a line of the coroutine of a task that was awaited where it was spawned."""
    if wait.target is None or not wait.places or wait.target not in by_task:
        return None
    target, here = tape.rows[wait.target], wait.places[-1]
    if target.parent != wait.task or target.place is None or target.place[:2] != here[:2]:
        return None
    places = by_task[wait.target][0].places
    return places[0] if places else None


def join_halves(source: Source, stretches: list[Stretch]) -> list[Stretch]:
    """Put together the two sleeps of each call of the library's stand-in `async_task`."""
    result: list[Stretch] = []
    half = False
    for stretch in stretches:
        stands_in = not stretch.child and bool(source.awaited(stretch.place, "async_task"))
        if stands_in and half:
            first = result.pop()
            waited = first.waited + stretch.waited
            result.append(replace(first, end=stretch.end, waited=waited))
        else:
            result.append(stretch)
        half = stands_in and not half
    return result
