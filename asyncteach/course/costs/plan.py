"""The plan: which jobs there are, how long each may take, and what is left out beforehand."""

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

from asyncteach.course.costs import bounds
from asyncteach.course.costs.amounts import say_bytes, say_digits
from asyncteach.course.costs.jobs import run_job

TaskRecord = dict[str, Any]
"""A row of the table of costs."""

Key = tuple[str, str, int]
"""The kind of cost, of what, with how many."""

UNITS = {
    "switch": "µs",
    "start": "µs",
    "memory": "kB",
    "address space": "kB",
    "lateness": "ms",
    "preemption": "times",
}
"""The kinds of cost, in the order of the table, and the unit of each."""

RING = 1000
"""So many tasks or threads hand over in a ring, where they may."""

_JOBS = {  # name: (what it is about, its share of the time)
    "switching": ("switch", 0.32),
    "starting": ("start", 0.2),
    "lateness": ("lateness", 0.15),
    "sharing": ("preemption", 0.07),
}
SPARE = 15
"""Seconds more than wanted that a busy machine is given."""

_REPEATS = 3  # of memory, which hardly differs from one to the next
_PROCESSES = 1000


class Findings:
    """All that was measured, what was left out and why, and what else is to be known."""

    def __init__(self) -> None:
        self.samples: dict[Key, list[float]] = {}
        self.left_out: dict[Key, str] = {}
        self.facts: dict[str, Any] = {}

    def sort(self, told: list[list[Any]], failure: str | None, kinds: list[str]) -> None:
        """Take what a job told; what it planned and didn't come to is left out."""
        planned: list[Key] = []
        for finding, *values in told:
            if finding == "fact":
                self.facts[values[0]] = values[1]
                continue
            kind, what, number, *more = values
            key = (kind, what, number)
            planned.append(key)
            if finding == "sample":
                self.samples.setdefault(key, []).append(more[0])
            elif finding == "left out":
                self.left_out.setdefault(key, more[0])
        if failure:
            for key in planned or [(kind, "all of it", 0) for kind in kinds]:
                self.left_out.setdefault(key, failure)

    def leave_out(self, kinds: list[str], what: str, number: int, why: str) -> None:
        """Note why something was not even tried."""
        for kind in kinds:
            self.left_out.setdefault((kind, what, number), why)

    def settle(self) -> None:
        """Forget why something was left out that was measured all the same."""
        for key in self.samples:
            self.left_out.pop(key, None)


def measure(seconds: float, most: int, progress: Callable[[str], None]) -> Findings:
    """Run all jobs in turn, within about so many seconds, and return what they told.

    What takes too long on a busy machine is stopped.
    """
    found = Findings()
    began = perf_counter()

    def run(job: str, options: dict[str, object], kinds: list[str], usual: float) -> None:
        left = began + seconds + SPARE - perf_counter()
        if left < 0.5:
            more = f"measure_costs(seconds={round(2 * seconds) + 1})"
            why = f"the time was up: ask for more of it, as in {more}"
            found.sort([["left out", kind, *_named(options), why] for kind in kinds], None, kinds)
            return
        told = run_job(job, options, min(left, 2 * usual + 6))
        named = [["planned", kind, *_named(options)] for kind in kinds] if "what" in options else []
        found.sort([*told.findings, *named], told.failure, kinds)

    held = ["memory", "address space"]

    def hold(what: str, number: int) -> None:
        if reason := bounds.refuse(what, number):
            found.leave_out(held, what, number, reason)
        else:
            progress(f"memory, {number:,} {what}{'s' * (number > 1)}")
            run("holding", {"what": what, "number": number}, held, 0.15 * seconds)

    amounts = _amounts(most)
    for what, number in amounts[:3]:  # they take little time, and never fail to be there
        hold(what, number)
    ring = min(RING, most)
    reason = bounds.refuse("thread", ring)
    if reason:
        found.leave_out(["switch"], "Lock between threads", ring, reason)
    for job, (kind, share) in _JOBS.items():
        progress(kind)
        options: dict[str, object] = {"seconds": share * seconds}
        if job == "switching":
            options |= {"tasks": ring, "threads": 2 if reason else ring}
        run(job, options, [kind], share * seconds)
    for what, number in amounts[3:]:
        hold(what, number)
    for what, number in amounts * (_REPEATS - 1):
        if perf_counter() - began < seconds:
            hold(what, number)
    found.leave_out(held, "process", _PROCESSES, _why_never(found))
    found.settle()
    return found


def _amounts(most: int) -> list[tuple[str, int]]:
    """Return how many of what are held: one process, then of tasks and threads few, then many."""
    numbers = sorted({number for number in (1000, 10_000) if number < most} | {most})
    pairs = [(what, number) for number in numbers for what in ("task", "thread")]
    return [("process", 1), *pairs]


def _named(options: dict[str, object]) -> tuple[object, object]:
    return options.get("what", "all of it"), options.get("number", 0)


def _why_never(found: Findings) -> str:
    """Return why a thousand processes are not tried, with what they would take."""
    takes = []
    if one := found.samples.get(("memory", "process", 1)):
        takes.append(f"{say_bytes(1000 * _PROCESSES * one[0])} of memory")
    if start := found.samples.get(("start", "spawned process", 1)):
        takes.append(f"{say_digits(_PROCESSES * median(start) / 1e6)} s to start")
    guess = f", since they would take about {' and '.join(takes)}" if takes else ""
    return f"never tried{guess}"
