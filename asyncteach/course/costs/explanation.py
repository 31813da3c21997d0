"""The costs in words: readable amounts, the table for a terminal, and an explanation."""

import os
from textwrap import wrap
from typing import Any

from asyncteach.formatting import format_duration

Row = dict[str, Any]
"""A row of the table of costs."""

UNITS = {"switch": "µs", "start": "µs", "memory": "kB", "lateness": "ms", "preemption": "times"}
"""The kinds of cost, in the order of the table, and the unit of each."""

TITLES = {
    "switch": "Switching: to hand over once",
    "start": "Starting: from the start to the end of one that does nothing",
    "memory": "Memory: resident, for each",
    "lateness": "Lateness: of a loop that wakes every 5 ms beside threads that only calculate",
    "preemption": "Preemption: the same work in ten threads, compared with one",
}
COLUMNS = 100


def format_amount(amount: float, unit: str) -> str:
    """Return an amount in the unit that suits it, to three digits.

    >>> format_amount(0.0412, "µs"), format_amount(83_000, "µs"), format_amount(8400, "kB")
    ('41.2 ns', '83 ms', '8.4 MB')
    >>> format_amount(1.0312, "times")
    '1.03 times'
    """
    if unit == "µs" and 0 < amount < 0.9995:
        return f"{amount * 1000:.3g} ns"
    if unit in ("µs", "ms"):
        return format_duration(amount / {"µs": 1e6, "ms": 1e3}[unit])
    return format_bytes(amount * 1000) if unit == "kB" else f"{amount:.3g} {unit}"


def format_bytes(amount: float) -> str:
    """Return a number of bytes in few characters; a kB is 1,000 bytes.

    >>> format_bytes(1434), format_bytes(16_000_000_000)
    ('1.43 kB', '16 GB')
    """
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if amount >= 0.9995 * size:
            return f"{amount / size:.3g} {unit}"
    return f"{amount:.0f} B"


def format_ratio(ratio: float) -> str:
    """Return a ratio in few digits, because more of them would change from run to run.

    >>> format_ratio(2.179), format_ratio(11.4), format_ratio(12_345)
    ('2.2', '11', '12,000')
    """
    return f"{ratio:.1f}" if ratio < 10 else f"{float(f'{ratio:.2g}'):,.0f}"


def heading() -> str:
    """Return the heading of the table: what was measured, and where."""
    is_on_one = hasattr(os, "sched_setaffinity")
    where = "on one processor, in its time" if is_on_one else "wherever the system put them"
    return f"Costs on this machine; hand-overs and starts {where}."


def write_table(rows: list[Row], left_out: list[str]) -> str:
    """Return the table as text, in groups, with readable amounts."""
    lines = [heading()]
    cells = [(row["kind"], _cells(row)) for row in rows]
    widths = [max((len(line[n]) for _, line in cells), default=0) for n in range(3)]
    for kind, title in TITLES.items():
        some = [line for its, line in cells if its == kind]
        if some:
            lines += ["", title]
        for what, number, middle, spread in some:
            text = f"  {what:{widths[0]}}  {number:>{widths[1]}}  {middle:>{widths[2]}}"
            lines.append(f"{text}  {spread}")
    if rows:
        lines += ["", "The middle half of all rounds lies in the brackets."]
    if left_out:
        lines += ["", "Left out", *(f"  {sentence}" for sentence in left_out)]
    if sentences := explain(rows):
        lines += ["", *(line for sentence in sentences for line in wrap(sentence, COLUMNS))]
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    low, middle, high = (
        format_amount(row[name], row["unit"]) for name in ("low", "median", "high")
    )
    if low.split()[-1] == high.split()[-1]:
        low = low.split()[0]
    return row["what"], f"{row['number']:,}", middle, f"({low} to {high})"


def explain(rows: list[Row]) -> list[str]:
    """Return sentences about these rows; missing rows get no sentence."""
    by_number = sorted(rows, key=lambda row: row["number"])
    found = {(row["kind"], row["what"]): row for row in by_number}  # of the greatest number
    exact = {(row["kind"], row["what"], row["number"]): row for row in rows}
    sentences = []
    for row in by_number:
        event = exact.get(("switch", "Event between tasks", row["number"]))
        if row["what"] == "Lock between threads" and event:
            sentences.append(
                f"With {row['number']:,} of each, handing over by a Lock between threads took "
                f"{_compare(row, event)} by an Event between tasks."
            )
    pipe = found.get(("switch", "pipe between processes"))
    event = exact.get(("switch", "Event between tasks", 2))
    if pipe and event:
        sentences.append(
            f"Handing a byte to another process took {_compare(pipe, event)} by such an Event: the "
            "system itself switches quickly, and what Python does around it makes the difference."
        )

    def ratio(kind: str, what: str, other: str) -> float:
        """Return how many times as much one costs as the other, or 0 if one is missing."""
        one, two = found.get((kind, what)), found.get((kind, other))
        return one["median"] / two["median"] if one and two and two["median"] > 0 else 0.0

    start, spawned = ratio("start", "thread", "task"), ratio("start", "spawned process", "task")
    if start:
        tail = f", a spawned process {format_ratio(spawned)} times" if spawned else ""
        times = format_ratio(start)
        sentences.append(
            f"Starting and ending a thread took {times} times as long as a task{tail}."
        )
    memory = ratio("memory", "thread", "task")
    if memory:
        amounts = {row["what"]: _amount(row) for row in by_number if row["kind"] == "memory"}
        tail = f", an idle Python process {amounts['process']}" if "process" in amounts else ""
        sentences.append(
            f"A waiting thread takes {format_ratio(memory)} times a task's memory "
            f"({amounts['thread']} and {amounts['task']}){tail}."
        )
    beside = {0: "without another thread", 1: "beside a thread that only calculates"}
    late = [
        f"{_amount(row)} late {beside.get(row['number'], 'beside {number} of them'.format(**row))}"
        for row in by_number
        if row["kind"] == "lateness"
    ]
    if late:
        sentences.append(f"An event loop woke {', '.join(late)} (medians).")
    shared = found.get(("preemption", "work shared by threads"))
    if shared and shared["median"] < 1.15:
        sentences.append(
            f"Being interrupted costs little by itself: the same work in {shared['number']} "
            f"threads took {shared['median']:.2f} times the processor time."
        )
    switch = ratio("switch", "Lock between threads", "Event between tasks")
    if switch and min(start, memory) >= 1.5 * switch:
        sentences.append(
            "So it is not switching that sets tasks apart most: they start quickly and are small."
        )
    return sentences


def _compare(one: Row, other: Row) -> str:
    """Return how many times as long one took, if the spreads don't overlap."""
    if one["low"] <= other["high"] and other["low"] <= one["high"]:
        return "about as long as"
    return f"{format_ratio(one['median'] / other['median'])} times as long as"


def _amount(row: Row) -> str:
    return format_amount(row["median"], row["unit"])
