"""A recording as a row of moments, in data and in words: a task starts, stops or has to wait."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from math import floor, inf, isnan, log10
from typing import NamedTuple

from asyncteach.domains import STORY
from asyncteach.formatting import clip, join_words
from asyncteach.places import Place
from asyncteach.timeline.chrome_trace import wait_finder
from asyncteach.timeline.lanes import name_of
from asyncteach.trace import READY, RUNNING, STATES, WAITING, Slices, TaskRecord, Trace, Wait

MOST = 2000
"""So many steps are shown one by one: more than a person clicks through."""

_SHORT = 0.004
"""What takes a smaller part of the whole can't be seen: it is a moment."""

START, PASS, STOP, LATE, END = "start", "pass", "stop", "late", "end"
"""Starts running for longer; runs for a moment; stops running; is ready and has to wait; over."""

DONE = "done"
"""The state of a task that has finished."""


class Moment(NamedTuple):
    """Something that happens: when, what kind of thing, to which row, and what follows from it."""

    at: float
    kind: str
    row: int
    state: str
    """The row's state right after it."""
    until: float
    """When that state ends."""
    why: str
    """What it waits for, in words, or has waited for; of a task that has finished its outcome."""
    places: tuple[Place, ...]
    """The user's lines at which the row is, from its own coroutine inwards."""


class Situation(NamedTuple):
    """How things stand right after a moment: the rows that are in each state."""

    running: list[int]
    ready: list[int]
    waiting: list[tuple[int, str]]
    """With what each waits for."""
    idle_until: float | None
    """When the next task runs, if none is running or ready now."""


class _Slice(NamedTuple):
    order: int
    state: str
    start: float
    end: float


class Script:
    """All moments of a recording, in order, and how things stand after each."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.short = trace.duration * _SHORT
        self._find_wait = wait_finder(trace)
        self._blocks = {(block.task, block.start): block for block in trace.blocks}
        slices, self.cut = _first_of(trace.slices)
        """How many steps there are beyond those that are shown."""
        self._own = _by_row(slices)
        self._starts = {
            one.start
            for own in self._own.values()
            for one in own
            if one.state == RUNNING and one.end - one.start > self.short
        }
        strands = [one for row in self._own for one in self._strand(row)]
        # At one time the order is that of the steps; tasks that got ready meanwhile come last.
        self.moments = [moment for *_, moment in sorted(strands, key=lambda one: one[:3])]
        self._rows = sorted(self._own.items())
        self._read: tuple[int, dict[int, Moment]] = 0, {}
        if not self.cut:
            self.moments.append(Moment(trace.duration, END, -1, DONE, trace.duration, "", ()))

    def situation(self, index: int) -> Situation:
        """Return how things stand right after the moment of that index."""
        now, last = self.moments[index].at, self._last_moments(index)
        running, ready, waiting = [], [], []
        for row, own in self._rows:
            if (moment := last.get(row)) is None:
                if own[0].state != WAITING and self.trace.rows[row].spawned <= now:
                    ready.append(row)
            elif moment.state == RUNNING:
                running.append(row)
            elif moment.state == READY or (moment.state == WAITING and moment.until <= now):
                ready.append(row)
            elif moment.state == WAITING:
                waiting.append((row, moment.why))
        return Situation(running, ready, waiting, self._idle_until(index, running + ready))

    def _last_moments(self, index: int) -> dict[int, Moment]:
        """Return the last moment of each row; the next call goes on from there."""
        done, last = self._read
        if index + 1 < done:
            done, last = 0, {}
        for moment in self.moments[done : index + 1]:
            last[moment.row] = moment
        self._read = index + 1, last
        return last

    def _idle_until(self, index: int, busy: list[int]) -> float | None:
        jobs_only = self.trace.head == "loop"  # what runs in a thread leaves the loop alone
        if any(not jobs_only or self.trace.rows[row].kind == "task" for row in busy):
            return None
        if index + 1 >= len(self.moments):
            return None
        later = self.moments[index + 1].at
        return later if later - self.moments[index].at > self.short else None

    def _strand(self, row: int) -> Iterator[tuple[float, float, int, Moment]]:
        """Give a row's moments, with what puts them in order among the others."""
        for index, (order, state, start, end) in enumerate(self._own[row]):
            if state == RUNNING:
                for n, moment in enumerate(self._run(row, index, start, end)):
                    yield moment.at, order, n, moment
            elif state == READY and end - start > self.short and not self._is_known(row, index):
                _, places = self._came_from(row, index)
                yield start, inf, order, Moment(start, LATE, row, READY, end, "", places)

    def _is_known(self, row: int, index: int) -> bool:
        """Return whether another moment at that time, a start or a stop, says it already."""
        own = self._own[row]
        return own[index].start in self._starts or (index > 0 and own[index - 1].state == RUNNING)

    def _run(self, row: int, index: int, start: float, end: float) -> Iterator[Moment]:
        _, before = self._came_from(row, index)
        state, until, why, after = self._goes_to(row, index)
        if end - start <= self.short:
            yield Moment(start, PASS, row, state, until, why, after or before)
            return
        block = self._blocks.get((row, start))
        if block is not None and block.place is not None:
            before = (*[place for place in block.places if place != block.place], block.place)
        yield Moment(start, START, row, RUNNING, end, "", before)
        yield Moment(end, STOP, row, state, until, why, after or before)

    def _came_from(self, row: int, index: int) -> tuple[Wait | None, tuple[Place, ...]]:
        """Return what the row has waited for before that slice, and where it goes on."""
        for _, state, start, end in reversed(self._own[row][max(0, index - 2) : index]):
            if state == WAITING and (wait := self._find_wait(row, start, end)):
                return wait, wait.places
        spawned_at = self.trace.rows[row].place
        return None, (spawned_at,) if spawned_at and index < 2 else ()

    def _goes_to(self, row: int, index: int) -> tuple[str, float, str, tuple[Place, ...]]:
        """Return the row's state after that slice, until when, why, and at which lines it is."""
        own = self._own[row]
        if index + 1 == len(own):
            one = self.trace.rows[row]
            outcome = "still running" if isnan(one.finished) else one.outcome
            return DONE, self.trace.duration, outcome, ()
        _, state, start, end = own[index + 1]
        if state != WAITING:
            return READY, end, "", ()
        wait = self._find_wait(row, start, end)
        if wait is None:
            return WAITING, end, "", ()
        return WAITING, end, wait.what or wait.kind, wait.places


def _first_of(slices: Slices) -> tuple[Slices, int]:
    """Return the slices of the first steps, and how many steps are left out."""
    starts = slices.of(RUNNING).start
    if len(starts) <= MOST:
        return slices, 0
    return slices[slices.start < starts[MOST]], int((starts >= starts[MOST]).sum())


def _by_row(slices: Slices) -> dict[int, list[_Slice]]:
    """Return each row's slices in order, each with its place among all that start."""
    found: dict[int, list[_Slice]] = defaultdict(list)
    columns = [c.tolist() for c in (slices.task, slices.state, slices.start, slices.end)]
    for order, (row, state, start, end) in enumerate(zip(*columns, strict=True)):
        found[row].append(_Slice(order, STATES[state], start, end))
    for own in found.values():
        # A step that took no time comes before what begins where it ended.
        own.sort(key=lambda one: (one.start, one.end))
    return found


_NAME = 40
_WHY = 60
_FEW = 6


class MomentSentences:
    """Moments as sentences: about you in a story, the loop in code, the GIL among threads."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.trace = script.trace
        self.unit = self.trace.domain.axis_unit(self.trace.duration)
        self.head = self.trace.head or ""
        whole = self.trace.duration * self.unit.per_second
        self._digits = max(0, 3 - floor(log10(whole))) if whole > 0 else 0

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
            head = "you" if self.head == "you" else self._the_head()
            words += f" Nothing needs {head} until {self.time(now.idle_until)}."
        return words

    def states(self, index: int) -> list[tuple[str, str]]:
        """Return for each state the tasks that are in it right after that moment."""
        now = self.script.situation(index)
        waiting = [
            f"{self.name(row)} ({clip(why, _WHY)})" if why else self.name(row)
            for row, why in now.waiting[:_FEW]
        ]
        # A thousand need not all have their names.
        waiting += [""] * (len(now.waiting) - len(waiting))
        return [
            (RUNNING, self._list(now.running, _FEW) or "none"),
            (READY, self._list(now.ready, _FEW) or "none"),
            (WAITING, join_words(waiting, _FEW) or "none"),
        ]

    def _list(self, rows: Sequence[int], most: int) -> str:
        names = [self.name(row) for row in rows[:most]]
        return join_words([*names, *[""] * (len(rows) - len(names))], most)

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
        if self.trace.domain is STORY:
            return f"; its machine works for {self.time(moment.until - moment.at)}"
        what = f" for {clip(moment.why, _WHY)}" if moment.why else ""
        return f", then waits{what}{where}"

    def _consequence(self, moment: Moment, now: Situation) -> str:
        """Return which rows have to wait because of it, or which row this one waits for."""
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
