"""What is kept while code runs: stamps in arrays, and what is known of each task and job.

Tasks may be many, so each is a few values in one flat list until it does something notable or the
trace is built; only then does it get an entry.
"""

import threading
import weakref
from array import array
from collections.abc import Iterator
from types import CodeType
from typing import Any

Line = tuple[CodeType, int]


class StampBuffer:
    """Rows of so many numbers: a list that is cheap to extend, moved to arrays now and then."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.most = 0
        self.dropped = 0
        self.fresh: list[float] = []
        self._chunks: list[array[float]] = []
        self._kept = 0
        self._lock = threading.Lock()

    def flush(self, *, at_least: int = 4096) -> None:
        """Move whole rows to an array; those beyond the most are only counted."""
        with self._lock:
            rows = len(self.fresh) // self.columns
            if rows < at_least:
                return
            room = min(rows, max(0, self.most - self._kept))
            if room:
                self._chunks.append(array("d", self.fresh[: room * self.columns]))
            # One statement, so that what the loop's thread adds meanwhile stays.
            del self.fresh[: rows * self.columns]
            self._kept += room
            self.dropped += rows - room

    def rows(self) -> int:
        """Return how many rows are kept, all of them in arrays now."""
        self.flush(at_least=1)
        return self._kept

    def chunks(self, start: int) -> "Iterator[array[float]]":
        """Give the arrays from that row on."""
        for chunk in self._chunks:
            rows = len(chunk) // self.columns
            if start < rows:
                yield chunk[start * self.columns :] if start > 0 else chunk
            start -= rows


class Entry:
    """A task of which more is known than a row of its table says, or a job that was handed over."""

    # Defaults of the class: what isn't set costs nothing.
    kind = "task"
    name = label = coroutine = outcome = ""
    number = -1
    """Of a task in the table of its loop, of a job among those that its loop has handed over."""
    scope: Any = None
    parent: "Entry | int | None" = None
    """Of a task the number of its parent on the same loop."""
    spawned = finished = float("nan")
    line: Line | None = None
    where_cancelled: Line | None = None
    excused = False
    """Whether it may end as if nothing had been, though it was asked to be cancelled."""
    patch: Any = None
    """The patch of its loop."""
    job: "Job | None" = None
    trail: tuple[Any, ...] = ()
    """Weak references to the coroutines of its last wait."""


class Job:
    """What is known of work that was handed to an executor."""

    started = float("nan")
    abandoned: tuple[float, Entry] | None = None
    """When a task that had awaited it went on without it, and which."""
    pool: tuple[int, int] | None = None
    """Of a process pool: its identity and its number of workers."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []
        """The stretches in which a task waited for a thread that belongs to no executor."""


_WIDTH = 8
_REFERENCE, _COROUTINE, _CODE, _INSTRUCTION, _SCOPE, _PARENT, _SPAWNED, _NAME = range(_WIDTH)


class TaskTable:
    """The tasks of one loop: by number as they came, by identity while they are alive."""

    def __init__(self, patch: Any) -> None:
        self.numbers: dict[int, int] = {}
        """By the id of the task; one that is gone may have left its id to another one."""
        self.ends: list[float] = []
        """When each task's last step ended, or when it was spawned."""
        self.entries: dict[int, Entry] = {}
        self._cells: list[Any] = []
        self._patch = patch

    def __len__(self) -> int:
        return len(self.ends)

    def add(
        self,
        task: Any,
        scope: Any,
        parent: int | None,
        frame: Any,
        at: float,
        coroutine: Any = None,
    ) -> int:
        """Know a task, spawned in that frame, by its identity from now on; return its number."""
        number = len(self.ends)
        if task is None:
            self._cells.extend((None, "", None, 0, scope, parent, at, None))
        else:
            coroutine = coroutine or task.get_coro()
            try:
                name = coroutine.__qualname__
            except AttributeError:
                name = type(coroutine).__qualname__
            code, instruction = (None, 0) if frame is None else (frame.f_code, frame.f_lasti)
            reference = weakref.ref(task)
            self._cells.extend((reference, name, code, instruction, scope, parent, at, None))
            self.numbers[id(task)] = number
        self.ends.append(at)
        return number

    def fill(self, number: int, task: Any, coroutine: Any, frame: Any) -> int:
        """Know the task that was being made when its number was given by `add(None, ...)`."""
        start = number * _WIDTH
        _, _, _, _, scope, parent, at, _ = self._cells[start : start + _WIDTH]
        known = self.add(task, scope, parent, frame, at, coroutine)
        self._cells[start : start + _WIDTH] = self._cells[known * _WIDTH :]
        del self._cells[known * _WIDTH :], self.ends[known]
        self.numbers[id(task)] = number
        return number

    def number_of(self, task: Any, *, is_dying: bool = False) -> int | None:
        """Return the number of a task that is alive, done or not, or that is just going."""
        number = self.numbers.get(id(task))
        if number is None:
            return None
        found = self.task(number)
        return number if found is task or (is_dying and found is None) else None

    def task(self, number: int) -> Any:
        """Return a task if it is alive."""
        reference = self._cells[number * _WIDTH + _REFERENCE]
        return None if reference is None else reference()

    def finish(self, number: int, name: str) -> None:
        """Keep the name that a task has at its end."""
        self._cells[number * _WIDTH + _NAME] = name

    def is_unfinished(self, number: int) -> bool:
        """Tell if a task has not come to its end, as far as was seen."""
        cells, entry = self._cells, self.entries.get(number)
        is_known = cells[number * _WIDTH + _REFERENCE] is not None
        return is_known and cells[number * _WIDTH + _NAME] is None and not (entry and entry.outcome)

    def entry(self, number: int) -> Entry:
        """Return the entry of a task, from now on always the same."""
        entry = self.entries.get(number)
        if entry is None:
            entry = self.entries[number] = self._make(number)
        return entry

    def entry_of(self, task: Any, *, is_dying: bool = False) -> Entry | None:
        """Return the entry of a task that is known."""
        number = None if task is None else self.number_of(task, is_dying=is_dying)
        return None if number is None else self.entry(number)

    def look_up(self, number: int) -> Entry | None:
        """Return all that is known of a task now; None: its making has failed."""
        entry = self.entries.get(number) or self._make(number)
        reference, name = (self._cells[number * _WIDTH + cell] for cell in (_REFERENCE, _NAME))
        if reference is None:
            return None
        if name is not None:
            entry.name, entry.finished = name, self.ends[number]
            entry.outcome = entry.outcome or "returned"
        elif not entry.name and (task := reference()) is not None:
            entry.name = task.get_name()
        return entry

    def _make(self, number: int) -> Entry:
        start = number * _WIDTH
        _, coroutine, code, instruction, scope, parent, at, _ = self._cells[start : start + _WIDTH]
        entry = Entry()
        entry.number, entry.patch, entry.spawned = number, self._patch, at
        entry.coroutine, entry.scope, entry.parent = coroutine, scope, parent
        entry.line = None if code is None else (code, _line_at(code, instruction))
        return entry


def _line_at(code: CodeType, instruction: int) -> int:
    """Return the line of an instruction."""
    for start, end, line in code.co_lines():
        if start <= instruction < end:
            return line or code.co_firstlineno
    return code.co_firstlineno
