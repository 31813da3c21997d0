"""Which tasks of a recording a name stands for."""

import re

from asyncteach.formatting import clip, join_words
from asyncteach.trace import TaskRecord, Trace

_APART = re.compile(r" \(\d+\)$")
"""What the second task of a name has behind it in a recording."""
_NUMBER = re.compile(r"(?:\s*[-_#:. ]\s*)?\d+$")


def speak(row: TaskRecord) -> str:
    """Return what a sentence calls a task."""
    return clip(row.label or row.name, 40)


def find_tasks(trace: Trace, name: str) -> list[int]:
    """Return the rows that a name stands for: its own, or `fetch-1`, `fetch-2` for `fetch`.

    Where no task is called like that, those whose coroutine function is.
    """
    for matches in (_is_called, _is_numbered, _is_coroutine):
        found = [index for index, row in enumerate(trace.rows) if matches(row, name)]
        if found:
            return found
    return []


def _names(row: TaskRecord) -> set[str]:
    return {_APART.sub("", text) for text in (row.name, row.label)} | {row.name, row.label}


def _is_called(row: TaskRecord, name: str) -> bool:
    return name in _names(row)


def _is_numbered(row: TaskRecord, name: str) -> bool:
    return name in {_NUMBER.sub("", text) for text in _names(row)}


def _is_coroutine(row: TaskRecord, name: str) -> bool:
    return is_function(row.coroutine, name)


def is_function(qualified: str, name: str) -> bool:
    """Tell if a qualified name, as `Shop.serve` or `main.<locals>.serve`, is that of a function.

    >>> [is_function("main.<locals>.Shop.serve", n) for n in ("serve", "Shop.serve", "main")]
    [True, True, False]
    """
    return bool(name) and (
        qualified == name or qualified.endswith((f".{name}", f".<locals>.{name}"))
    )


def say_missing(trace: Trace, name: str, *, inside: bool = False) -> tuple[str, str, str]:
    """Return a clause and two hints for a name that fits no task."""
    clause = f"no task is called {clip(name, 40)!r}: {say_tasks(trace)}"
    if trace.head == "you":
        return clause, "Compare the names.", "Which of the activities is meant?"
    named = f"`asyncio.create_task(..., name={clip(name, 40)!r})` gives a task its name."
    if inside:
        return (
            f"{clip(name, 40)}() was awaited inside another task and is no task of its own: "
            f"{say_tasks(trace)}",
            "A coroutine that is awaited on the spot runs inside the task that awaits it.",
            f"Only a task can be under way beside others: {named}",
        )
    return clause, f"Compare the names. {named}", "Was it started at all, and under that name?"


def say_tasks(trace: Trace) -> str:
    """Say which tasks there are."""
    names = [repr(speak(row)) for row in trace.rows if not row.was_there]
    if not names:
        return "there is no task but the one that ran the code"
    if len(names) == 1:
        return f"the only task is {names[0]}"
    return f"the tasks are {join_words(names, 8)}"
