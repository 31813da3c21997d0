"""How the costs are written: the table for a terminal, the notes, what was left out."""

import html
from collections.abc import Sequence
from statistics import quantiles
from textwrap import wrap
from typing import Any

from asyncteach.course.costs.amounts import say_amount
from asyncteach.course.costs.meaning import explain
from asyncteach.course.costs.plan import Key, TaskRecord

TITLES = {
    "switch": "Switching: to hand over once",
    "start": "Starting: from the start to the end of one that does nothing",
    "memory": "Memory: resident, for each",
    "address space": "Address space: reserved, for each",
    "lateness": "Lateness: of a loop that wakes every 5 ms beside threads that only calculate",
    "preemption": "Preemption: the same work in ten threads, compared with one",
}
_NOTES = {
    "pipe between processes": "one byte, half of a round trip",
    "forked process": "a small one, without multiprocessing",
    "spawned process": "by multiprocessing, as on macOS and Windows",
}
_COLUMNS = 100


def note(key: Key, values: Sequence[float]) -> str:
    """Return what else is to be said about a row."""
    kind, what, _ = key
    if kind == "lateness" and len(values) > 9:
        last = quantiles(values, n=10, method="inclusive")[-1]
        return f"one in ten over {say_amount(last, 'ms')}"
    if kind == "memory" and what == "process":
        return "a bare Python, with what it shares with others"
    return _NOTES.get(what, "")


def heading(facts: dict[str, Any]) -> str:
    """Return what the table is and where it was made."""
    where = "wherever the system put them"
    if facts.get("one processor"):
        where = "on one processor, in its time"
    return f"Costs on this machine; hand-overs and starts {where}."


def write_table(rows: list[TaskRecord], missing: list[TaskRecord], facts: dict[str, Any]) -> str:
    """Write everything as text, in groups, with amounts as people read them."""
    lines = [heading(facts)]
    cells = [(row["kind"], _cells(row)) for row in rows]
    widths = [max((len(line[n]) for _, line in cells), default=0) for n in range(4)]
    for kind, title in TITLES.items():
        some = [line for its, line in cells if its == kind]
        if some:
            lines += ["", title]
        for what, number, middle, spread, more in some:
            text = f"  {what:{widths[0]}}  {number:>{widths[1]}}  {middle:>{widths[2]}}"
            lines.append(f"{text}  {spread:{widths[3]}}  {more}".rstrip())
    if rows:
        lines += ["", "The middle half of all rounds lies in the brackets."]
    if missing:
        lines += ["", "Left out", *(f"  {sentence}" for sentence in left_out(missing))]
    if said := explain(rows, facts):
        lines += ["", *(line for sentence in said for line in wrap(sentence, _COLUMNS))]
    return "\n".join(lines)


def _cells(row: TaskRecord) -> tuple[str, ...]:
    low, middle, high = (say_amount(row[name], row["unit"]) for name in ("low", "median", "high"))
    if low.split()[-1] == high.split()[-1]:
        low = low.split()[0]
    number = f"{row['number']:,}"
    return row["what"], number, middle, f"({low} to {high})", row["note"]


def left_out(missing: list[TaskRecord]) -> list[str]:
    """Return a line for each reason, with all that was left out for it."""
    named: dict[str, list[str]] = {}
    for row in missing:
        number = f"{row['number']:,} × " if row["number"] > 1 else ""  # noqa: RUF001
        named.setdefault(row["why"], []).append(f"{row['kind']} ({number}{row['what']})")
    return [f"{', '.join(names)}: {why}" for why, names in named.items()]


def write_html(table: str, said: str, missing: list[TaskRecord]) -> str:
    """Put the sentences and what was left out below a table."""
    notes = "".join(f"<li>{html.escape(line)}</li>" for line in left_out(missing))
    below = f"<p>Left out:</p><ul>{notes}</ul>" if notes else ""
    return f"{table}<p>{html.escape(said)}</p>{below}"
