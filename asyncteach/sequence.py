"""Awaits that ran one after another though nothing made them."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isnan
from typing import NamedTuple

import numpy as np

from asyncteach.findings import Finding, ancestors, at, finding
from asyncteach.independence import Callee, Run, find_runs
from asyncteach.phrases import called, listing, span, spell
from asyncteach.places import Place
from asyncteach.source import Function, covers, read_source
from asyncteach.tape import Tape, Wait

# How much of the time the loop has to have been idle: what computes can't be overlapped.
_IDLE = 0.8
# What isn't worth a word: less of the recording, or fewer seconds.
_SHARE, _SECONDS = 0.2, 0.02


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


@dataclass
class Series:
    """Several runs of the same lines, which will be told as one finding."""

    task: int
    run: Run
    place: Place
    total: float = 0.0
    together: float = 0.0
    units: int = 0
    times: int = 0


def find_sequences(tape: Tape) -> Iterator[Finding]:
    """Give a finding for each row of awaits that could as well have waited at the same time."""
    by_task: dict[int, list[Wait]] = {}
    for wait in tape.waits:
        by_task.setdefault(wait.task, []).append(wait)
    rows: dict[object, Series] = {}
    for task, waits in by_task.items():
        for frame in _frames(tape, waits, by_task):
            for run, units in _runs(frame):
                if len(units) < 2 or not _alone(tape, task, units):
                    continue
                where = (frame.place.path, run.jobs[0].node.lineno, run.loop is None)
                row = rows.setdefault(where, Series(task, run, units[0][0].place))
                lengths = [unit[-1].end - unit[0].start for unit in units]
                waited = sum(stretch.waited for unit in units for stretch in unit)
                row.total += sum(lengths)
                # What isn't waiting can't overlap.
                row.together += min(sum(lengths), max(lengths) + max(0.0, sum(lengths) - waited))
                row.units += len(units)
                row.times += 1
    for row in rows.values():
        saving = row.total - row.together
        if saving >= max(_SECONDS, _SHARE * tape.duration):
            yield _tell(tape, row, saving)


def _frames(tape: Tape, waits: list[Wait], by_task: dict[int, list[Wait]]) -> list[Frame]:
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


def _runs(frame: Frame) -> Iterator[tuple[Run, list[list[Stretch]]]]:
    """Give what could have run together in a call of a function, with what each part took."""
    source = read_source(frame.place)
    scope = source.scope(frame.place) if source else None
    if source is None or scope is None or len(frame.stretches) < 2:
        return
    children = {stretch.name: stretch.child for stretch in frame.stretches if stretch.child}

    def look_up(name: str) -> Callee | None:
        place = children.get(name)
        home = read_source(place) if place else None
        function = home.scope(place) if home and place else None
        if home is None or not isinstance(function, Function):
            return None
        return home, function

    for run in find_runs(source, scope, look_up):
        yield run, list(_units(run, frame.stretches))


def _units(run: Run, stretches: list[Stretch]) -> Iterator[list[Stretch]]:
    """Cut what a run has awaited into its parts: single awaits, or rounds of its loop."""
    unit: list[Stretch] = []
    before = -1
    for stretch in stretches:
        index = next(
            (
                index
                for index, job in enumerate(run.jobs)
                if covers(job.node, stretch.place.line)
                and (stretch.name == job.name or (not stretch.child and not job.callee))
                and (run.loop is not None or index > before)
            ),
            None,
        )
        if index is None:
            continue
        if unit and (run.loop is None or index <= before):
            yield unit
            unit = []
        unit.append(stretch)
        before = index
    if unit:
        yield unit


def _alone(tape: Tape, task: int, units: list[list[Stretch]]) -> bool:
    """Tell if nothing else was going on: no other task, and a loop that was idle."""
    start, end = units[0][0].start, units[-1][-1].end
    older = ancestors(tape.rows, task)
    for index, row in enumerate(tape.rows):
        gone = row.finished <= start or row.spawned >= end
        if index == task or index in older or gone:
            continue
        # What an await has started and ended itself belongs to it.
        inside = task in ancestors(tape.rows, index) and any(
            unit[0].start - 0.005 <= row.spawned and row.finished <= unit[-1].end + 0.005
            for unit in units
        )
        if not inside:
            return False
    waited = sum(stretch.waited for unit in units for stretch in unit)
    if waited < _IDLE * (end - start):
        return False
    loop = tape.rows[task].loop
    if loop >= len(tape.idle):
        return True
    starts, ends = tape.idle[loop]
    idle = np.clip(np.minimum(ends, end) - np.maximum(starts, start), 0.0, None).sum()
    return bool(isnan(idle) or idle >= _IDLE * (end - start))


def _tell(tape: Tape, row: Series, saving: float) -> Finding:
    jobs, where = row.run.jobs, called(row.place.function)
    inside = f" in {where}" if where else ""
    total, together = span(row.total), span(row.together)
    often = f" ({spell(row.times)} times)" if row.times > 1 else ""
    if row.run.loop is None:
        lines = sorted({job.node.lineno for job in jobs})
        first = row.place._replace(line=lines[0])
        others = f" (to line {lines[-1]})" if len(lines) > 1 else ""
        message = (
            f"These {spell(row.units // row.times)} awaits{inside}{at(first)}{others} ran one "
            f"after another{often}: {total}; if none needs what another does, together they could "
            f"take {together}."
        )
        calls = ", ".join(ast.unparse(job.call) for job in jobs)
    else:
        first = row.place._replace(line=jobs[0].node.lineno)
        message = (
            f"The {spell(row.units)} rounds of the loop{inside}{at(first)} ran one after "
            f"another: {total}; if no round needs what another does, together they could take "
            f"{together}."
        )
        calls = _starred(row.run)
    if len(calls) > 100:
        calls = "..."
    names = listing([f"{name}()" for name in dict.fromkeys(job.name for job in jobs)])
    fix = (
        f"Start {names} together: `await asyncio.gather({calls})`, or give each its own task in an "
        f"`asyncio.TaskGroup`."
    )
    return finding("one-after-another", tape.rows[row.task], saving, first, message, fix)


def _starred(run: Run) -> str:
    """Return the loop as an argument of gather(); dots where a round does more than one thing."""
    if len(run.jobs) > 1:
        return "..."
    call = ast.unparse(run.jobs[0].call)
    if isinstance(run.loop, ast.For):
        return f"*({call} for {ast.unparse(run.loop.target)} in {ast.unparse(run.loop.iter)})"
    generators = getattr(run.loop, "generators", [])
    return f"*({call} {' '.join(ast.unparse(g).strip() for g in generators)})"
