"""What was recorded: tasks, slices, waits, blocks and events, in typed arrays."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from math import nan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asyncteach.domains import CODE, Domain
from asyncteach.places import Place
from asyncteach.states import READY as READY
from asyncteach.states import RUNNING as RUNNING
from asyncteach.states import STATES as STATES
from asyncteach.states import WAITING as WAITING

Floats = NDArray[np.float64]


@dataclass(slots=True)
class TaskRecord:
    """One task, or one job that was handed to a thread or a process."""

    name: str
    """Its own name, with a number if other tasks have the same name."""
    label: str = ""
    """Its name in pictures and sentences: its coroutine's if its own is like Task-7."""
    coroutine: str = ""
    parent: int | None = None
    spawned: float = nan
    finished: float = nan
    """When it finished; nan if it was still running when the recording ended."""
    outcome: str = "still running"
    """`returned`, `raised ValueError: ...`, `cancelled`, `garbage-collected` or `still running`."""
    kind: str = "task"
    """`task`, `thread`, `process`, or `worker` for one that has tasks of its own."""
    loop: int = 0
    """Which event loop of the recording it ran on."""
    place: Place | None = None
    """The user's line that spawned it."""
    was_there: bool = False
    """True for the task that opened the recording: it is older than the recording."""


class Wait(NamedTuple):
    """What a task waited for, from when to when."""

    task: int
    start: float
    end: float
    kind: str
    """sleep, lock, semaphore, queue, event, condition, barrier, task, tasks, thread, process,
    socket, subprocess, future."""
    what: str
    """For a sentence, such as `a sleep of 0.5 s`."""
    places: tuple[Place, ...]
    """The user's lines, from the task's own coroutine inwards."""
    calls: tuple[int, ...] = ()
    """For each place, a number that differs for each call of its function, and one more for the
    library call that the innermost place awaits."""
    target: int | None = None
    """The task or job that was awaited, or the task that held the lock."""


class Block(NamedTuple):
    """A step that held the loop for longer than the threshold."""

    task: int | None
    """None for a plain callback, or for a task that isn't part of the recording."""
    name: str
    """The name of the task or the callback."""
    start: float
    end: float
    place: Place | None
    """The user's line that held the loop; None if it was never seen."""
    places: tuple[Place, ...]
    """The user's lines that were on the stack, from the task's own coroutine inwards."""
    doing: str
    """The innermost function on the stack, perhaps a library's, such as `socket.recv`."""
    delayed: tuple[tuple[int, float], ...]
    """Which tasks were ready meanwhile, and for how many seconds."""
    busy: float = nan
    """For what share of the time its thread had a processor; nan if unknown or in virtual time."""
    lost: float = 0.0
    """For how many seconds of it the computer gave the thread, or the program, no processor."""
    also: tuple[tuple[Place, float], ...] = ()
    """The user's other lines at which it was seen, with their share of its time."""
    unseen: float = 0.0
    """For how many seconds of it nothing was seen: another line may have held the loop."""


class Event(NamedTuple):
    """Something that happened that no slice shows."""

    kind: str
    task: int | None
    at: float
    place: Place | None
    text: str
    seconds: float = 0.0
    others: tuple[int, ...] = ()


@dataclass(frozen=True)
class Slices:
    """Four columns of equal length, by start: which task was in which state from when to when."""

    task: NDArray[np.int32]
    state: NDArray[np.int8]
    start: Floats
    end: Floats

    def __len__(self) -> int:
        return len(self.task)

    def of(self, state: str) -> "Slices":
        """Return the slices of one state."""
        return self[self.state == STATES.index(state)]

    def __getitem__(self, which: Any) -> "Slices":
        return Slices(self.task[which], self.state[which], self.start[which], self.end[which])

    def rows(self) -> Iterator[tuple[int, int, float, float]]:
        """Return an iterator of (task, state, start, end)."""
        columns = (self.task, self.state, self.start, self.end)
        return zip(*(column.tolist() for column in columns), strict=True)

    def ordered(self) -> "Slices":
        """Return the slices sorted by start, and then by task."""
        return self[np.lexsort((self.task, self.start))]

    def seconds(self) -> Floats:
        """Return how long each slice is."""
        return self.end - self.start

    def total(self, rows: int, state: str) -> Floats:
        """Return each task's time in a state, exact to a billionth of the unit."""
        some = self.of(state)
        # Whole billionths add up without an error that grows.
        parts = np.rint(some.end * 1e9) - np.rint(some.start * 1e9)
        return np.bincount(some.task, weights=parts, minlength=rows) / 1e9


def make_slices(
    task: Iterable[int], state: Iterable[int], start: Iterable[float], end: Iterable[float]
) -> Slices:
    """Return slices from any four columns, not yet in order."""
    return Slices(
        np.array(task, dtype=np.int32),
        np.array(state, dtype=np.int8),
        np.array(start, dtype=np.float64),
        np.array(end, dtype=np.float64),
    )


@dataclass
class Trace:
    """All that was recorded; times count from its start, in its unit."""

    rows: list[TaskRecord]
    slices: Slices
    duration: float
    title: str = "Recording"
    domain: Domain = CODE
    is_final: bool = True
    """False as long as the recording is open: tasks may still be running."""
    events: list[Event] = field(default_factory=list)
    idle: list[tuple[Floats, Floats]] = field(default_factory=list)
    """For each event loop, when it began and stopped being idle, waiting in select."""
    loops: list[str] = field(default_factory=list)
    is_virtual: bool = True
    """Whether times are exact, since no real time was measured."""
    dropped: int = 0
    """Steps beyond `max_slices`, which were counted but not kept."""
    threshold: float = 0.05
    head: str | None = "loop"
    """The lane on top: `loop` for the event loops, any other name for when one of the rows was
    running, None for no such lane."""
    find_waits: Callable[[], list[Wait]] = list
    find_blocks: Callable[[], list[Block]] = list

    @property
    def unit(self) -> str:
        """`minutes` of the story, or `seconds`."""
        return self.domain.unit

    @cached_property
    def waits(self) -> list[Wait]:
        """All waits that were noted, by start."""
        return self.find_waits()

    @cached_property
    def _long_steps(self) -> list[Block]:
        return self.find_blocks()

    @cached_property
    def blocks(self) -> list[Block]:
        """All steps that held a loop for longer than the threshold, by start."""
        return [one for one in self._long_steps if not self._is_stall(one)]

    @cached_property
    def stalls(self) -> list[Block]:
        """All steps that were longer than the threshold only because the computer was busy."""
        return [one for one in self._long_steps if self._is_stall(one)]

    def _is_stall(self, one: Block) -> bool:
        return one.lost > 0 and one.end - one.start - one.lost <= self.threshold

    @property
    def attention(self) -> float:
        """How long tasks were running, all of them together, in the unit of the trace."""
        tasks = np.array([row.kind == "task" for row in self.rows], dtype=bool)
        return float(self.slices.total(len(self.rows), RUNNING)[tasks].sum())

    def ancestors(self, index: int) -> list[int]:
        """Return the row's parent, its parent's parent and so on."""
        found: list[int] = []
        parent = self.rows[index].parent
        while parent is not None and parent not in found:
            found.append(parent)
            parent = self.rows[parent].parent
        return found

    def tree(self) -> list[tuple[int, int]]:
        """Return (row, depth): each parent right before its children, roots as they came."""
        children: dict[int | None, list[int]] = {}
        for index, row in enumerate(self.rows):
            children.setdefault(row.parent, []).append(index)
        result: list[tuple[int, int]] = []
        left = [(index, 0) for index in reversed(children.get(None, []))]
        while left:
            index, depth = left.pop()
            result.append((index, depth))
            left += [(child, depth + 1) for child in reversed(children.get(index, []))]
        return result
