"""The waits of one loop's tasks: compact, and in words when somebody asks."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from asyncteach.places import place_of
from asyncteach.recorder.roster import Roster
from asyncteach.recorder.steps import Steps, read
from asyncteach.recorder.tap import Tap
from asyncteach.recorder.witness import Note
from asyncteach.trace import Floats, Wait


class WaitList:
    """Columns: who waited from when to when, for what, and how far in it is the call before."""

    def __init__(
        self, tap: Tap, roster: Roster, notes: list[Note], steps: Steps, begin: int, end: int
    ) -> None:
        table = read(tap.waits, begin, end)
        row = roster.rows_of(tap, table[:, 0].astype(np.int64))
        table, row = table[row >= 0], row[row >= 0]
        self._rows, self._numbers, self._notes = roster.rows, roster.numbers[tap], notes
        self._jobs = [roster.row_of.get(entry) for entry in tap.jobs]
        # By name, since an entry would keep all that its loop has stamped.
        self._strangers = {
            number: entry.name
            for number, entry in enumerate(tap.registry.entries)
            if entry is not None and self._numbers[number] < 0
        }
        self._row = row
        self._end: Floats = roster.times(table[:, 1])
        self._start = self._find_starts(steps)
        self._note = table[:, 2].astype(np.int32)
        self._amount = table[:, 3].copy()
        self._same = table[:, 4].astype(np.int16)

    def _find_starts(self, steps: Steps) -> Floats:
        """Return when each wait began: when the step before the one that ended it did."""
        long = steps.ready > steps.before
        row, ready, before = steps.row[long], steps.ready[long], steps.before[long]
        # TaskRecord and end as one whole number, to look them up in a sorted list.
        times, rank = np.unique(np.concatenate([self._end, ready]), return_inverse=True)
        wanted = self._row.astype(np.int64) * len(times) + rank[: len(self._end)]
        known = row.astype(np.int64) * len(times) + rank[len(self._end) :]
        order = np.argsort(known)
        # A wait that nothing has ended began with the task's last step.
        start: Floats = steps.last[self._row]
        if len(order):
            place = np.minimum(np.searchsorted(known[order], wanted), len(order) - 1)
            found = known[order][place] == wanted
            start[found] = before[order][place][found]
        return start

    def __iter__(self) -> Iterator[Wait]:
        serial = 0
        calls: dict[int, list[int]] = {}
        result: dict[tuple[int, float], Wait] = {}
        columns: tuple[NDArray[np.generic], ...] = (
            *(self._row, self._start, self._end),
            *(self._note, self._amount, self._same),
        )
        for row, start, end, note, amount, same in zip(*(c.tolist() for c in columns), strict=True):
            kind, what, lines, is_library = self._notes[note]
            own = calls.setdefault(row, [])
            del own[same:]
            while len(own) < len(lines) + is_library:
                serial += 1
                own.append(serial)
            if end > start:
                what, target = self._say(kind, what, amount)
                places = tuple(place_of(*line) for line in lines)
                # One that an inner recording has seen the beginning of comes twice.
                wait = Wait(row, start, end, kind, what, places, tuple(own), target)
                known = result.get((row, start))
                if known is None or known.end <= end:
                    result[row, start] = wait
        yield from result.values()

    def _say(self, kind: str, what: str, amount: float) -> tuple[str, int | None]:
        if kind == "sleep":
            return what.format(f"{amount:g}"), None
        if kind == "tasks":
            return what.format(f"{int(amount):,}"), None
        if kind == "task" and amount >= 0:
            row = int(self._numbers[int(amount)])
            if row >= 0:
                return what.format(self._rows[row].label), row
            return what.format(self._strangers.get(int(amount)) or "a task"), None
        if kind == "lock" and amount >= 0 and (row := int(self._numbers[int(amount)])) >= 0:
            return f"{what} that {self._rows[row].label} holds", row
        if kind in ("thread", "process") and amount >= 0:
            return what, self._jobs[int(amount)]
        return what, None
