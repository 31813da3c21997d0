"""Who is recorded: tasks and jobs, known without being kept alive."""

import weakref
from collections.abc import Callable
from typing import Any

from asyncteach.recorder.waits import Line


class Entry(weakref.ref[Any]):
    """A task, or a job of a thread or a process, from the moment when it is first seen.

    It is a weak reference to its task, or to the future of its job, and outlives it.
    """

    # Defaults of the class: what isn't set costs nothing, and tasks may be many.
    kind = "task"
    name = label = coroutine = outcome = ""
    number = -1
    ident = 0
    scope: Any = None
    parent: "Entry | int | None" = None
    """Of a task the number of its parent on the same loop."""
    spawned = finished = float("nan")
    line: Line | None = None
    where_cancelled: Line | None = None
    excused = False
    """Whether it may end as if nothing had been, though it was asked to be cancelled."""
    tap: Any = None
    job: Any = None
    trail: tuple[Any, ...] = ()  # weak references to the coroutines of its last wait

    # By identity: what it refers to may be gone, or refuse to be compared.
    __hash__ = object.__hash__
    __eq__ = object.__eq__


class Job:
    """What is known of work that was handed to an executor."""

    def __init__(self) -> None:
        self.started = float("nan")
        self.abandoned: tuple[float, Entry] | None = None
        """When a task that had awaited it went on without it, and which."""
        self.spans: list[tuple[float, float]] = []
        """The stretches in which a task waited for a thread that belongs to no executor."""
        self.pool: tuple[int, int] | None = None
        """Of a process pool: its identity and its number of workers."""


class Registry:
    """The tasks of one loop: by number as they came, by identity while they are alive."""

    def __init__(self, tap: Any, tell_of_loss: Callable[[Entry], None]) -> None:
        self.entries: list[Entry | None] = []
        self.numbers: dict[int, int] = {}  # by the id of the task
        self.ends: list[float] = []  # when each task's last step ended, or when it was spawned
        self.gone: dict[int, Entry] = {}  # those that failed and are gone, by the id of the task
        self._tap = tap
        self._tell_of_loss = tell_of_loss

    def reserve(self, at: float) -> int:
        """Return the number of a task that is about to be made."""
        self.entries.append(None)
        self.ends.append(at)
        return len(self.ends) - 1

    def add(
        self, number: int, task: Any, coroutine: Any, scope: Any, parent: int | None, at: float
    ) -> Entry:
        """Know a task by its identity from now on."""
        entry = Entry(task, self._forget)
        self.entries[number] = entry
        entry.number = number
        entry.scope = scope
        entry.parent = parent
        entry.spawned = at
        entry.tap = self._tap
        entry.ident = ident = id(task)
        self.numbers[ident] = number
        try:
            entry.coroutine = coroutine.__qualname__
        except AttributeError:
            entry.coroutine = type(coroutine).__qualname__
        return entry

    def of(self, task: Any) -> Entry | None:
        """Return the entry of a task that is alive, done or not, or that is just going."""
        number = self.numbers.get(id(task))
        return self.gone.get(id(task)) if number is None else self.entries[number]

    def alive(self) -> list[Entry]:
        """Return the entries of all tasks that are alive, done or not."""
        found = [self.entries[number] for number in list(self.numbers.values())]
        return [entry for entry in found if entry is not None]

    def _forget(self, entry: Any) -> None:
        if self.numbers.get(entry.ident) == entry.number:
            del self.numbers[entry.ident]
            if not entry.outcome:
                self._tell_of_loss(entry)
            elif entry.outcome.startswith("raised"):
                # The collector of cycles tells us before asyncio finds that nobody has looked.
                if len(self.gone) > 100:
                    self.gone.clear()
                self.gone[entry.ident] = entry
