"""What the costs mean: sentences that are true of the numbers of this very run."""

from typing import Any

from asyncteach.course.costs.amounts import say_amount, times
from asyncteach.course.costs.plan import TaskRecord


class _Reading:
    """Looks up rows, and compares them with care where both spreads overlap."""

    def __init__(self, rows: list[TaskRecord]) -> None:
        self._rows = {(row["kind"], row["what"], row["number"]): row for row in rows}

    def numbers(self, kind: str, what: str) -> list[int]:
        return sorted(key[2] for key in self._rows if key[:2] == (kind, what))

    def find(self, kind: str, what: str, number: int | None = None) -> TaskRecord | None:
        """Return a row, of the greatest number if none is given."""
        if number is None:
            number = max(self.numbers(kind, what), default=-1)
        return self._rows.get((kind, what, number))


def explain(rows: list[TaskRecord], facts: dict[str, Any]) -> list[str]:
    """Return sentences about what was measured: about what is missing there is none."""
    read = _Reading(rows)
    parts = (_switching(read), _starting(read), _holding(read), _lateness(read, facts))
    return [sentence for part in parts for sentence in part] + _conclude(read)


def compare(one: TaskRecord, other: TaskRecord) -> str:
    """Say how much longer one took than the other, if that is beyond both spreads."""
    if one["low"] <= other["high"] and other["low"] <= one["high"]:
        return "about as long as"
    return f"{times(one['median'] / other['median'])} times as long as"


def _ratio(one: TaskRecord | None, other: TaskRecord | None) -> float | None:
    return one["median"] / other["median"] if one and other and other["median"] > 0 else None


def _switching(read: _Reading) -> list[str]:
    said = []
    for number in read.numbers("switch", "Lock between threads"):
        lock = read.find("switch", "Lock between threads", number)
        event = read.find("switch", "Event between tasks", number)
        if lock and event:
            said.append(
                f"With {number:,} of each, to hand over a Lock between threads took "
                f"{compare(lock, event)} to hand over an Event between tasks."
            )
    pipe = read.find("switch", "pipe between processes")
    event = read.find("switch", "Event between tasks", 2)
    if pipe and event:
        said.append(
            f"To hand a byte to another process took {compare(pipe, event)} such an Event: the "
            "system itself switches quickly, and what Python does around it is what differs."
        )
    return said


def _starting(read: _Reading) -> list[str]:
    task, thread = read.find("start", "task"), read.find("start", "thread")
    spawned = read.find("start", "spawned process")
    if not (ratio := _ratio(thread, task)):
        return []
    more = _ratio(spawned, task)
    tail = f", and a spawned process {times(more)} times" if more else ""
    return [f"To start and end a thread took {times(ratio)} times as long as a task{tail}."]


def _holding(read: _Reading) -> list[str]:
    said = []
    task, thread = read.find("memory", "task"), read.find("memory", "thread")
    process = read.find("memory", "process")
    if task and thread and (ratio := _ratio(thread, task)):
        said.append(
            f"A waiting thread takes {times(ratio)} times a task's memory "
            f"({_amount(thread)} and {_amount(task)})"
        )
        if process:
            said[0] += f", an idle Python process {_amount(process)}"
    if space := read.find("address space", "thread"):
        said.append(f"For each thread {_amount(space)} of addresses are reserved, mostly its stack")
    return [f"{sentence}." for sentence in said]


def _lateness(read: _Reading, facts: dict[str, Any]) -> list[str]:
    said = []
    numbers = read.numbers("lateness", "loop beside busy threads")
    found = [(n, read.find("lateness", "loop beside busy threads", n)) for n in numbers]
    beside = {0: "without another thread", 1: "beside a thread that only calculates"}
    parts = [
        f"{_amount(row)} late {beside.get(n, f'beside {n} of them')}" for n, row in found if row
    ]
    if len(parts) > 1:
        interval = facts.get("switch interval", 0.005) * 1000
        said.append(
            f"An event loop woke {', '.join(parts)} (medians; the switch interval is "
            f"{interval:g} ms)."
        )
    shared = read.find("preemption", "work shared by threads")
    if shared and shared["median"] < 1.15:
        said.append(
            f"To be interrupted costs little by itself: the same work in {shared['number']} "
            f"threads took {shared['median']:.2f} times the processor time."
        )
    return said


def _conclude(read: _Reading) -> list[str]:
    """Say what threads are dear in, if these numbers show it."""
    number = max(read.numbers("switch", "Lock between threads"), default=-1)
    switch = _ratio(
        read.find("switch", "Lock between threads", number),
        read.find("switch", "Event between tasks", number),
    )
    start = _ratio(read.find("start", "thread"), read.find("start", "task"))
    memory = _ratio(read.find("memory", "thread"), read.find("memory", "task"))
    if not (switch and start and memory) or min(start, memory) < 1.5 * switch:
        return []
    return [
        "So it is not switching that sets tasks apart most, but that they start so quickly and "
        "are so small."
    ]


def _amount(row: TaskRecord) -> str:
    return say_amount(row["median"], row["unit"])
