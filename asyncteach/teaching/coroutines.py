"""Coroutines that never ran: nobody awaited them, or a second loop was refused."""

import ast
from collections.abc import Iterator

from asyncteach.places import Place
from asyncteach.tapes.tape import Remark, Row, Tape
from asyncteach.teaching.findings import Finding, at, finding
from asyncteach.teaching.phrases import called, count
from asyncteach.teaching.source import find_call, read_source

_NESTED = (
    "cannot be called from a running event loop",
    "event loop is already running",
    "while another loop is running",
)


def _is_nested(text: str) -> bool:
    return "RuntimeError" in text and any(words in text for words in _NESTED)


def find_nested_runs(tape: Tape) -> Iterator[Finding]:
    """Give a finding for each `asyncio.run()` that failed because a loop was running."""
    raised = [r for r in tape.remarks if r.kind == "raised" and _is_nested(r.text)]
    for remark in raised:
        row = None if remark.task is None else tape.rows[remark.task]
        yield _nested_run(row, remark.place)
    # An error that left the recording has left its task as well: that isn't another one.
    for row in tape.rows:
        if not raised and _is_nested(row.outcome):
            yield _nested_run(row, None)


def _nested_run(row: Row | None, place: Place | None) -> Finding:
    call = _first_argument(place) or "main()"
    message = (
        f"A loop was started{at(place)} inside a loop that was running already: a notebook's cells "
        f"run on one, and so does everything in `async def`."
    )
    fix = f"Write `await {call}` instead: the loop is there."
    return finding("asyncio-run-inside-loop", row, 0.0, place, message, fix)


def _first_argument(place: Place | None) -> str | None:
    """Return what is handed to `asyncio.run()` at that line."""
    source = read_source(place) if place else None
    statement = source.statement(place) if source and place else None
    for node in ast.walk(statement) if statement else ():
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("run", "complete")):
            return ast.unparse(node.args[0]) if len(node.args) == 1 else None
    return None


def find_never_awaited(tape: Tape) -> Iterator[Finding]:
    """Give a finding for each call that made a coroutine which nobody awaited."""
    groups: dict[tuple[str, Place | None], list[Remark]] = {}
    for remark in tape.remarks:
        if remark.kind != "never-awaited" or (remark.place and _refused(remark.place)):
            continue
        place = remark.place and find_call(remark.place, remark.text)
        groups.setdefault((remark.text, place), []).append(remark)
    for (text, place), remarks in groups.items():
        name = called(text) or text
        often = "" if len(remarks) == 1 else f" {count(len(remarks), 'time')}"
        message = (
            f"{name} was called{often}{at(place)} but never awaited: calling it only makes a "
            f"coroutine, so nothing of it has run."
        )
        fix = f"Write `await {name.removesuffix('()')}(...)`, or make a task of it and await that."
        yield finding("never-awaited", None, 0.0, place, message, fix)


def _refused(place: Place) -> bool:
    """Tell if the line tried to run the coroutine on a loop: then it wasn't forgotten."""
    source = read_source(place)
    calls = source.calls(place) if source else []
    return any(call.endswith((".run", ".run_until_complete")) for call in calls)
