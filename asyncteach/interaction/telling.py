"""Moments in words: what happened, and what that means for the others."""

import math
from collections.abc import Sequence

from asyncteach.formatting import Unit, clip, join_words, unit_for
from asyncteach.interaction.moments import (
    DONE,
    END,
    LATE,
    PASS,
    START,
    Moment,
    Script,
    Situation,
)
from asyncteach.timeline.lanes import name_of
from asyncteach.trace import READY, RUNNING, WAITING, TaskRecord

_MINUTES = Unit("minutes", "min", 1.0)
_NAME = 40
_WHY = 60
_FEW = 6


class Teller:
    """Speaks of a recording: of you in a story, of the loop in code, of the GIL among threads."""

    def __init__(self, script: Script, unit: str) -> None:
        self.script = script
        self.trace = script.trace
        self.story = unit == "minutes"
        self.unit = _MINUTES if self.story else unit_for(self.trace.duration)
        self.head = self.trace.head or ""
        whole = self.trace.duration * self.unit.per_second
        self._digits = max(0, 3 - math.floor(math.log10(whole))) if whole > 0 else 0

    def time(self, at: float) -> str:
        """Return a time in the unit of the whole recording: times are to be compared."""
        amount = round(at * self.unit.per_second, self._digits) + 0.0
        return f"{amount:.10g} {self.unit.short}"

    def name(self, row: int) -> str:
        """Return what a sentence calls a row, short and on one line."""
        one = self.trace.rows[row]
        name = clip(name_of(one), _NAME)
        return f"{name} (in a {one.kind})" if self._is_job(one) else name

    def sentence(self, index: int) -> str:
        """Return what happens at the moment of that index, as a sentence or two."""
        moment = self.script.moments[index]
        if moment.kind == END:
            return f"At {self.time(moment.at)} it is all over."
        now = self.script.situation(index)
        words = f"At {self.time(moment.at)} {self.name(moment.row)} {self._happens(moment)}"
        words += f"{self._consequence(moment, now)}."
        if now.idle_until is not None and self.head:
            whom = "you" if self.head == "you" else self._the_head()
            words += f" Nobody needs {whom} until {self.time(now.idle_until)}."
        return words

    def states(self, index: int) -> list[tuple[str, str]]:
        """Return for each state the tasks that are in it right after that moment."""
        now = self.script.situation(index)
        waiting = [
            f"{self.name(row)} ({clip(why, _WHY)})" if why else self.name(row)
            for row, why in now.waiting[:_FEW]
        ]
        return [
            (RUNNING, self._list(now.running, _FEW) or "nobody"),
            (READY, self._list(now.ready, _FEW) or "nobody"),
            (WAITING, _list(waiting, len(now.waiting), _FEW) or "nobody"),
        ]

    def _list(self, rows: Sequence[int], most: int) -> str:
        return _list([self.name(row) for row in rows[:most]], len(rows), most)

    def _is_job(self, row: TaskRecord) -> bool:
        return row.kind != "task" and self.head == "loop"

    def _the_head(self) -> str:
        return self.head if self.head.startswith("the ") else f"the {self.head}"

    def _happens(self, moment: Moment) -> str:
        where = f", at {moment.places[-1]}" if moment.places else ""
        if moment.kind == START:
            return f"starts running{where}"
        if moment.kind == LATE:
            onward = f" to go on at {moment.places[-1]}," if moment.places else ""
            return f"is ready{onward} and has to wait"
        now = "runs for a moment" if moment.kind == PASS else "stops running"
        return now + self._goes_to(moment, where)

    def _goes_to(self, moment: Moment, where: str) -> str:
        if moment.state == DONE:
            if moment.why == "returned":
                return " and is done"
            if self.trace.rows[moment.row].was_there:
                return " and goes on after the recording"
            outcome = clip(moment.why, 120)
            return f": it {outcome}" if outcome.startswith("raised") else f" and is {outcome}"
        if moment.state == READY:
            return f" and is ready to go on{where}"
        if self.story:
            return f"; its machine works for {self.time(moment.until - moment.at)}"
        what = f" for {clip(moment.why, _WHY)}" if moment.why else ""
        return f", then waits{what}{where}"

    def _consequence(self, moment: Moment, now: Situation) -> str:
        """Say who has to wait because of it, or because of whom the row has to."""
        rows = self.trace.rows
        if not self.head or self._is_job(rows[moment.row]):
            return ""  # what it runs on is not shared
        if moment.kind == LATE:
            holders = [row for row in now.running if not self._is_job(rows[row])]
            what = "your hands" if self.head == "you" else self._the_head()
            return f": {self.name(holders[0])} has {what}" if holders else ""
        late = [row for row in now.ready if row != moment.row]
        if moment.kind == START and late:
            verb = "is ready and has" if len(late) == 1 else "are ready and have"
            return f"; {self._list(late, 4)} {verb} to wait"
        return " (your hands are on it)" if moment.kind == START and self.head == "you" else ""


def _list(names: list[str], number: int, most: int) -> str:
    """Return so many things as one reads them aloud; a thousand need not all have their names."""
    return join_words([*names, *[""] * (number - len(names))], most)
