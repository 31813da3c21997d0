"""A recording as a row of moments: each time that somebody starts, stops or has to wait."""

from collections import defaultdict
from collections.abc import Iterator
from math import inf, isnan
from typing import NamedTuple

from asyncteach.places import Place
from asyncteach.timeline.chrome_trace import wait_finder
from asyncteach.trace import READY, RUNNING, STATES, WAITING, Slices, Trace, Wait

MOST = 2000
"""So many steps are shown one by one: nobody clicks more often."""

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
        # What happens at one time comes in the order of the steps, then who got ready meanwhile.
        self.moments = [moment for *_, moment in sorted(strands, key=lambda one: one[:3])]
        self._rows = sorted(self._own.items())
        self._told: tuple[int, dict[int, Moment]] = 0, {}
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
        """Return the last moment of each row; who goes through all of them goes on from there."""
        told, last = self._told
        if index + 1 < told:
            told, last = 0, {}
        for moment in self.moments[told : index + 1]:
            last[moment.row] = moment
        self._told = index + 1, last
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
            elif state == READY and end - start > self.short and not self._is_told(row, index):
                _, places = self._came_from(row, index)
                yield start, inf, order, Moment(start, LATE, row, READY, end, "", places)

    def _is_told(self, row: int, index: int) -> bool:
        """Tell if the moment at which somebody starts or stops tells already who is ready."""
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
        return WAITING, end, _say(wait), wait.places if wait else ()


def _say(wait: Wait | None) -> str:
    return (wait.what or wait.kind) if wait else ""


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
