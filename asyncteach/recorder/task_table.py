"""What is kept while code runs: stamps in arrays, and what is known about each task and job.

There may be many tasks, so each is a few values in one flat list until it does something notable or
the trace is built; only then does it get an entry.
"""

import threading
from array import array
from types import CodeType
from typing import Any

Line = tuple[CodeType, int]


# Stamps


class StampBuffer:
    """Rows of numbers: a list that is cheap to extend, moved to an array now and then."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.most = 0
        self.dropped = 0
        self.fresh: list[float] = []
        self._kept = array("d")
        self._lock = threading.Lock()

    def flush(self, *, at_least: int = 4096) -> None:
        """Move whole rows to the array; rows beyond `most` are only counted."""
        with self._lock:
            rows = len(self.fresh) // self.columns
            if rows >= at_least:
                room = min(rows, max(0, self.most - len(self._kept) // self.columns))
                self._kept.fromlist(self.fresh[: room * self.columns])
                # One statement, so that what the loop's thread adds meanwhile stays.
                del self.fresh[: rows * self.columns]
                self.dropped += rows - room

    def rows(self) -> int:
        """Move all rows to the array, and return how many are kept."""
        self.flush(at_least=1)
        return len(self._kept) // self.columns

    def read(self, start: int, stop: int) -> "array[float]":
        """Return a copy of some rows, one after another."""
        return self._kept[start * self.columns : stop * self.columns]


# Tasks and jobs


class Entry:
    """A task about which more is known than its row of the table, or a job for an executor."""

    # Defaults of the class: what isn't set costs nothing.
    kind = "task"
    name = label = coroutine = outcome = ""
    number = -1
    """A task's number in the table of its loop, or a job's among those of its loop."""
    scope: Any = None
    parent: "Entry | int | None" = None
    """For a task, the number of its parent on the same loop."""
    spawned = finished = float("nan")
    line: Line | None = None
    where_cancelled: Line | None = None
    patch: Any = None
    """The patch of its loop."""
    failed: Any = None
    """A weak reference to a task that has failed."""

    # Of a job

    started = float("nan")
    abandoned: "tuple[float, Entry] | None" = None
    """When a task that awaited the job went on without it, and which task."""
    pool: tuple[int, int] | None = None
    """A process pool's identity and number of workers."""


_WIDTH = 7
_COROUTINE, _CODE, _INSTRUCTION, _SCOPE, _PARENT, _SPAWNED, _NAME = range(_WIDTH)


class TaskTable:
    """The tasks of one loop: by number in order of creation, and by identity while they live."""

    def __init__(self, patch: Any) -> None:
        self.numbers: dict[int, int] = {}
        """By the id of each task that is alive and recorded. Numbers of tasks that are gone stay
        until a new task gets the id, so no reference is needed to notice that a task is gone."""
        self.ends: list[float] = []
        """When each task's last step ended, or when it was spawned."""
        self.entries: dict[int, Entry] = {}
        self._cells: list[Any] = []
        self._patch = patch

    def __len__(self) -> int:
        return len(self.ends)

    def add(self, coroutine: Any, scope: Any, parent: int | None, frame: Any, at: float) -> int:
        """Return the number of a new task, which was spawned in that frame."""
        number = len(self.ends)
        try:
            name = coroutine.__qualname__
        except AttributeError:
            name = type(coroutine).__qualname__
        if frame is None:
            self._cells += (name, None, 0, scope, parent, at, None)
        else:
            self._cells += (name, frame.f_code, frame.f_lasti, scope, parent, at, None)
        self.ends.append(at)
        return number

    def finish(self, number: int, name: str) -> None:
        """Keep the name that a task has at its end."""
        self._cells[number * _WIDTH + _NAME] = name

    def forget(self, number: int) -> None:
        """Leave out a task that couldn't be made."""
        self._cells[number * _WIDTH + _SCOPE] = None

    def number_of(self, task: Any) -> int | None:
        """Return the number of a task that is alive, done or not."""
        return self.numbers.get(id(task)) if hasattr(task, "get_coro") else None

    def is_unfinished(self, number: int) -> bool:
        """Return whether the end of a task was not seen."""
        entry = self.entries.get(number)
        return self._cells[number * _WIDTH + _NAME] is None and not (entry and entry.outcome)

    def entry(self, number: int) -> Entry:
        """Return the entry of a task, always the same object."""
        entry = self.entries.get(number)
        if entry is None:
            row = self._cells[number * _WIDTH : (number + 1) * _WIDTH]
            code, instruction = row[_CODE], row[_INSTRUCTION]
            entry = self.entries[number] = Entry()
            entry.number, entry.patch, entry.coroutine = number, self._patch, row[_COROUTINE]
            entry.scope, entry.parent, entry.spawned = row[_SCOPE], row[_PARENT], row[_SPAWNED]
            if code is not None:
                lines = (line for begin, end, line in code.co_lines() if begin <= instruction < end)
                entry.line = code, next(lines, None) or code.co_firstlineno
        return entry

    def entry_of(self, task: Any) -> Entry | None:
        """Return the entry of a task if it has a number."""
        number = self.number_of(task)
        return None if number is None else self.entry(number)

    def look_up(self, number: int) -> Entry:
        """Return the entry of a task with all that is known now."""
        entry, name = self.entry(number), self._cells[number * _WIDTH + _NAME]
        if name is not None:
            entry.name, entry.finished = name, self.ends[number]
            entry.outcome = entry.outcome or "returned"
        return entry
