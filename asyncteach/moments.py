"""A recording as a series of moments, with sentences: a task starts, stops or has to wait."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from math import floor, inf, isnan, log10
from typing import NamedTuple

from asyncteach.domains import STORY
from asyncteach.formatting import clip, join_words
from asyncteach.places import Place
from asyncteach.timeline.export import wait_finder
from asyncteach.trace import READY, RUNNING, STATES, WAITING, Trace

MOST = 2000  # steps that are shown one by one: more than a person clicks through

_SHORT = 0.004  # of the whole: what takes less can't be seen and is a moment

_NAME = 40
_WHY = 60
_FEW = 6

START, PASS, STOP, LATE, END = "start", "pass", "stop", "late", "end"
"""Starts running for longer; runs for a moment; stops running; is ready and has to wait; over."""


class Moment(NamedTuple):
    """Something that happens: when, what kind of thing, to which row, and what follows from it."""

    at: float
    kind: str
    row: int
    places: tuple[Place, ...] = ()
    """The user's lines at which the row is, from its own coroutine inwards."""
    state: str = ""
    """The row's state right after it; empty if it has finished."""
    since: float = inf
    until: float = inf
    """When that state begins and ends."""
    why: str = ""
    """What it then waits for, in words, or its outcome."""


class _Slice(NamedTuple):
    start: float
    end: float
    order: int
    state: str


class Script:
    """The moments of a recording, in order, and a sentence for each."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.short = trace.duration * _SHORT
        self._find_wait = wait_finder(trace)
        self._blocks = {(block.task, block.start): block for block in trace.blocks}
        steps = trace.slices.of(RUNNING).start
        cut = steps[MOST] if len(steps) > MOST else inf
        self._slices, self.cut = trace.slices[trace.slices.start < cut], int((steps >= cut).sum())
        """`cut`: how many steps there are beyond those that are shown."""
        own: dict[int, list[_Slice]] = defaultdict(list)
        for order, (row, state, start, end) in enumerate(self._slices.rows()):
            own[row].append(_Slice(start, end, order, STATES[state]))
        running = self._slices.of(RUNNING)
        starts = set(running.start[running.seconds() > self.short].tolist())
        # Moments at the same time are in the order of the steps; tasks that became ready come last.
        strands = [one for row in own for one in self._strand(row, sorted(own[row]), starts)]
        self.moments = [moment for *_, moment in sorted(strands, key=lambda one: one[:2])]
        if not self.cut:
            self.moments.append(Moment(trace.duration, END, -1))
        self._unit = trace.domain.axis_unit(trace.duration)
        whole = trace.duration * self._unit.per_second
        self._digits = max(0, 3 - floor(log10(whole))) if whole > 0 else 0
        self._head = {"loop": "the loop"}.get(trace.head or "", trace.head)

    def _strand(
        self, row: int, own: list[_Slice], starts: set[float]
    ) -> Iterator[tuple[float, float, Moment]]:
        """Yield a row's moments, each after the two numbers by which all moments are sorted."""
        for index, (start, end, order, state) in enumerate(own):
            before = self._came_from(row, own, index)
            long = end - start > self.short
            # The sentence about a start or a stop at that time already mentions it.
            known = start in starts or (index and own[index - 1].state == RUNNING)
            if state == READY and long and not known:
                yield start, inf, Moment(start, LATE, row, before, READY, start, end)
            if state != RUNNING:
                continue
            after, state, until, why = self._goes_to(row, own, index)
            if long:
                block = self._blocks.get((row, start))
                if block and block.place:
                    before = (*[one for one in block.places if one != block.place], block.place)
                yield start, order, Moment(start, START, row, before, RUNNING, start, end)
            at, kind = (end, STOP) if long else (start, PASS)
            yield at, order, Moment(at, kind, row, after or before, state, end, until, why)

    def _came_from(self, row: int, own: list[_Slice], index: int) -> tuple[Place, ...]:
        """Return the lines at which a row goes on after what it awaited before that slice."""
        for start, end, _, state in reversed(own[max(0, index - 2) : index]):
            if state == WAITING and (wait := self._find_wait(row, start, end)):
                return wait.places
        spawned_at = self.trace.rows[row].place
        return (spawned_at,) if spawned_at and index < 2 else ()

    def _goes_to(
        self, row: int, own: list[_Slice], index: int
    ) -> tuple[tuple[Place, ...], str, float, str]:
        """Return where a row is after that slice: its lines, its state, until when, and why."""
        if index + 1 == len(own):
            one = self.trace.rows[row]
            return (), "", inf, "still running" if isnan(one.finished) else one.outcome
        start, end, _, state = own[index + 1]
        if state != WAITING:
            return (), READY, end, ""
        wait = self._find_wait(row, start, end)
        return (wait.places if wait else ()), WAITING, end, self._why(row, start, end)

    def _why(self, row: int, start: float, end: float) -> str:
        wait = self._find_wait(row, start, end)
        return clip(wait.what or wait.kind, _WHY) if wait else ""

    def situation(self, at: float) -> dict[str, list[int]]:
        """Return for each state the rows that are in it right after that time."""
        now = self._slices[(self._slices.start <= at) & (self._slices.end > at)]
        return {state: now.of(state).task.tolist() for state in STATES}

    def sentence(self, index: int) -> str:
        """Return what happens at the moment of that index, as a sentence or two."""
        moment = self.moments[index]
        if moment.kind == END:
            return f"At {self._time(moment.at)} it is all over."
        now = self.situation(moment.since)
        words = f"At {self._time(moment.at)} {self._name(moment.row)} {self._happens(moment)}"
        words += f"{self._consequence(moment, now)}."
        # What runs in a thread doesn't use the loop.
        busy = [row for row in now[RUNNING] + now[READY] if not self._is_job(row)]
        later = self.moments[index + 1].at if index + 1 < len(self.moments) else 0.0
        if self._head and not busy and later - moment.at > self.short:
            words += f" Nothing needs {self._head} until {self._time(later)}."
        return words

    def states(self, index: int) -> list[tuple[str, str]]:
        """Return for each state the tasks that are in it at that moment."""
        at = self.moments[index].since
        situation = self.situation(at).items()
        return [(state, self._list(rows, _FEW, at) or "none") for state, rows in situation]

    def _time(self, at: float) -> str:
        """Return a time in the unit of the whole recording, so that times can be compared."""
        amount = round(at * self._unit.per_second, self._digits) + 0.0
        return f"{amount:.10g} {self._unit.short}"

    def _name(self, row: int) -> str:
        one = self.trace.rows[row]
        name = clip(one.label, _NAME)
        return f"{name} (in a {one.kind})" if self._is_job(row) else name

    def _list(self, rows: Sequence[int], most: int, at: float = -1.0) -> str:
        """Return the names of rows, with what each waits for at that time."""
        # Of a thousand only the first few need their names.
        names = [""] * len(rows)
        for n, row in enumerate(rows[:most]):
            why = self._why(row, at, at)
            names[n] = f"{self._name(row)} ({why})" if why else self._name(row)
        return join_words(names, most)

    def _is_job(self, row: int) -> bool:
        return self.trace.rows[row].kind != "task" and self.trace.head == "loop"

    def _happens(self, moment: Moment) -> str:
        where = f", at {moment.places[-1]}" if moment.places else ""
        if moment.kind == START:
            return f"starts running{where}"
        if moment.kind == LATE:
            onward = f" to go on at {moment.places[-1]}," if moment.places else ""
            return f"is ready{onward} and has to wait"
        now = "runs for a moment" if moment.kind == PASS else "stops running"
        if moment.state == READY:
            return f"{now} and is ready to go on{where}"
        if moment.state == WAITING and self.trace.domain is STORY:
            return f"{now}; its machine works for {self._time(moment.until - moment.since)}"
        if moment.state == WAITING:
            return f"{now}, then waits{f' for {moment.why}' if moment.why else ''}{where}"
        if self.trace.rows[moment.row].was_there and moment.why != "returned":
            return f"{now} and goes on after the recording"
        outcome = clip(moment.why, 120)
        if outcome.startswith("raised"):
            return f"{now}: it {outcome}"
        return f"{now} and is {'done' if outcome == 'returned' else outcome}"

    def _consequence(self, moment: Moment, now: dict[str, list[int]]) -> str:
        """Return which rows have to wait because of it, or which row this one waits for."""
        if not self._head or self._is_job(moment.row):
            return ""  # what it runs on is not shared
        hands = "your hands" if self._head == "you" else self._head
        if moment.kind == LATE:
            holders = [row for row in now[RUNNING] if not self._is_job(row)]
            return f": {self._name(holders[0])} has {hands}" if holders else ""
        if moment.kind == START and now[READY]:
            verb = "is ready and has" if len(now[READY]) == 1 else "are ready and have"
            return f"; {self._list(now[READY], 4)} {verb} to wait"
        return " (your hands are on it)" if moment.kind == START and self._head == "you" else ""
