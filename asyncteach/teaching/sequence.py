"""Awaits that ran one after another though nothing made them."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import isnan

import numpy as np

from asyncteach.places import Place
from asyncteach.tapes.tape import Tape, Wait
from asyncteach.teaching.findings import Finding, ancestors, at, finding
from asyncteach.teaching.frames import Frame, Stretch, join_halves, list_frames
from asyncteach.teaching.independence import Callee, Run, find_runs
from asyncteach.teaching.phrases import called, span, spell
from asyncteach.teaching.source import Function, Scope, Source, covers, read_source

# How much of the time the loop has to have been idle: what computes can't be overlapped.
_IDLE = 0.8
# What isn't worth a word: less of the recording, or fewer seconds.
_SHARE, _SECONDS = 0.2, 0.02
# How exactly the beginning of a wait is known.
_CLOSE = 0.005


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


class Lives:
    """From when to when each task and each job was alive."""

    def __init__(self, tape: Tape) -> None:
        self.rows = tape.rows
        self.spawned = np.array([row.spawned for row in tape.rows])
        finished = np.array([row.finished for row in tape.rows])
        self.finished = np.where(np.isnan(finished), tape.duration, finished)
        self._starts, self._ends = np.sort(self.spawned), np.sort(self.finished)
        times = np.concatenate([self._starts, self._ends])
        order = np.argsort(times, kind="stable")
        changes = np.repeat([1, -1], len(self.rows))[order]
        self._times, self._alive = times[order], np.cumsum(changes)

    def count(self, start: float, end: float) -> int:
        """Return how many were alive at some time between."""
        begun = np.searchsorted(self._starts, end, "left")
        return int(begun - np.searchsorted(self._ends, start, "right"))

    def between(self, start: float, end: float) -> list[int]:
        """Return who was alive at some time between."""
        alive = (self.finished > start) & (self.spawned < end)
        return [int(index) for index in np.flatnonzero(alive)]

    def is_lonely(self, task: int) -> bool:
        """Tell if there was ever a moment when hardly anybody was alive but the task."""
        first = np.searchsorted(self._times, self.spawned[task], "right") - 1
        last = np.searchsorted(self._times, self.finished[task], "left")
        least = self._alive[first : max(last, first + 1)].min()
        return bool(least <= 2 + len(ancestors(self.rows, task)))


def find_sequences(tape: Tape) -> Iterator[Finding]:
    """Give a finding for each row of awaits that could as well have waited at the same time."""
    lives = Lives(tape)
    by_task: dict[int, list[Wait]] = {}
    for wait in tape.waits:
        by_task.setdefault(wait.task, []).append(wait)
    rows: dict[object, Series] = {}
    for task, waits in by_task.items():
        if not lives.is_lonely(task):
            continue
        for frame in list_frames(tape, waits, by_task):
            for run, units in _runs(frame):
                if len(units) < 2 or not _alone(tape, lives, task, units):
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


def _runs(frame: Frame) -> Iterator[tuple[Run, list[list[Stretch]]]]:
    """Give what could have run together in a call of a function, with what each part took."""
    if len(frame.stretches) < 2:
        return
    source = read_source(frame.place)
    scope = source.scope(frame.place) if source else None
    if source is None or scope is None:
        return
    children = {stretch.name: stretch.child for stretch in frame.stretches if stretch.child}
    callees = []
    for name, place in sorted(children.items()):
        home = read_source(place)
        function = home.scope(place) if home else None
        if home and isinstance(function, Function):
            callees.append((name, (home, function)))
    stretches = join_halves(source, frame.stretches)
    for run in _find_runs(source, scope, tuple(callees)):
        yield run, list(_units(run, stretches))


@lru_cache(maxsize=256)
def _find_runs(
    source: Source, scope: Scope, callees: tuple[tuple[str, Callee], ...]
) -> tuple[Run, ...]:
    """Read a function once, however often it was called."""
    return tuple(find_runs(source, scope, dict(callees).get))


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


def _alone(tape: Tape, lives: Lives, task: int, units: list[list[Stretch]]) -> bool:
    """Tell if nothing else was going on: no other task, and a loop that was idle."""
    start, end = units[0][0].start, units[-1][-1].end
    older = ancestors(tape.rows, task)
    inner = [0] * len(units)
    if lives.count(start, end) > 1 + len(older) + len(units):
        return False
    for index in lives.between(start, end):
        row = tape.rows[index]
        if index == task or index in older:
            continue
        # The task of a create_task() or a wait_for() belongs to its await. More of them work at
        # the same time already: there the order may well be meant.
        mine = task in ancestors(tape.rows, index)
        homes = [
            number
            for number, unit in enumerate(units)
            if mine
            and unit[0].start - _CLOSE <= row.spawned
            and row.finished <= unit[-1].end + _CLOSE
        ]
        if not homes or inner[homes[0]]:
            return False
        inner[homes[0]] += 1
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
    fix = (
        f"Start them together: `await asyncio.gather({calls})`, or give each its own task in an "
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
