"""The list of findings, and what `explain()` says: sentences that were observed to hold."""

import numpy as np

from asyncteach.drawing.textform import say
from asyncteach.findings.blocking import find_blocks, find_late, say_held
from asyncteach.findings.finding import Finding
from asyncteach.findings.sequences import find_sequences
from asyncteach.findings.source import look_again
from asyncteach.findings.task_errors import find_task_errors
from asyncteach.formatting import at, count, span
from asyncteach.intervals import sweep
from asyncteach.switching.sentences import explain_threads
from asyncteach.switching.states import ThreadTape
from asyncteach.tapes.tape import READY, RUNNING, STATES, WAITING, Slices, Tape

__all__ = ["Finding", "explain", "find"]


def find(tape: Tape, unit: str, *, is_over: bool) -> list[Finding]:
    """Return what was found in a trace, the costliest first.

    As long as the recording is open (`is_over` is False), tasks have every right to be at work.
    """
    if unit == "minutes" or isinstance(tape, ThreadTape):
        return []  # all that is looked for are mistakes with tasks
    look_again()
    found = [*find_blocks(tape), *find_sequences(tape)]
    found += find_task_errors(tape, is_over=is_over)
    return sorted(
        dict.fromkeys(found), key=lambda f: (-f.seconds, f.file or "", f.line or 0, f.kind)
    )


def explain(tape: Tape, unit: str, *, is_over: bool) -> str:
    """Return the findings as plain sentences, or what went well, and what else was observed."""
    if isinstance(tape, ThreadTape):
        return explain_threads(tape)
    lines = _heading(tape, unit)
    findings = find(tape, unit, is_over=is_over)
    for number, one in enumerate(findings, 1):
        lines += ["", f"{number}. {one.message}", f"   {one.fix}"]
    notes = say_held(tape) if unit == "seconds" else []
    if not findings:
        lines += ["", _praise(tape, unit)]
    elif notes:
        lines.append("")
    return "\n".join([*lines, *notes])


def _amount(amount: float, unit: str) -> str:
    return say(amount, unit) if unit == "minutes" else span(amount)


def _heading(tape: Tape, unit: str) -> list[str]:
    tasks = np.array([row.kind == "task" for row in tape.rows], dtype=bool)
    jobs = [row.kind for row in tape.rows if row.kind != "task"]
    who = count(int(tasks.sum()), "task")
    for kind, kinds in (("thread", "threads"), ("process", "processes")):
        if kind in jobs:
            who += f" and {count(jobs.count(kind), 'job')} in {kinds}"
    if "worker" in jobs:
        who += f" on {count(jobs.count('worker'), 'worker')}"
    totals = {s: float(tape.slices.total(len(tape.rows), s)[tasks].sum()) for s in STATES}
    lines = [
        f"{_amount(tape.duration, unit)}, {who}. Added up, they were running for "
        f"{_amount(totals[RUNNING], unit)}, ready for {_amount(totals[READY], unit)} and waiting "
        f"for {_amount(totals[WAITING], unit)}."
    ]
    for remark in tape.remarks:
        if remark.kind == "loop-not-watched":
            lines.append(remark.text)
        elif remark.kind == "recorder-failed":
            lines.append(f"record() failed and stopped recording: {remark.text}.")
        elif remark.kind == "raised":
            lines.append(f"It ended with {remark.text}{at(remark.place)}.")
    if tape.dropped:
        lines.append(f"{count(tape.dropped, 'step')} more could not be kept.")
    return lines


def _praise(tape: Tape, unit: str) -> str:
    """Say how much waiting overlapped, and if it was so, that nothing was held up."""
    own = _own_waiting(tape)
    total = float(own.seconds().sum())
    times, depth = sweep(own.start, own.end)
    took, most = float(np.diff(times)[depth[:-1] > 0].sum()), int(depth.max(initial=0))
    sentences = []
    if most > 1 and total > 1.05 * took:
        sentences.append(
            f"{count(most, 'task')} waited at the same time: {_amount(total, unit)} of waiting "
            f"took {_amount(took, unit)}"
        )
    elif not tape.rows:
        # uvloop's, for one, can't be.
        where = " on an event loop that can be watched" if unit == "seconds" else ""
        return f"No task has run{where}."
    elif total > 0.5 * tape.duration:
        share = f"{_amount(total, unit)} of {_amount(tape.duration, unit)}"
        jobs = any(row.kind != "task" for row in tape.rows)  # it may be one of them beside it
        sentences.append(f"{share} was waiting{'' if jobs else ', for one thing at a time'}")
    else:
        tasks = [row.kind == "task" for row in tape.rows]
        running = float(tape.slices.total(len(tape.rows), RUNNING)[tasks].sum())
        sentences.append(
            f"{_amount(running, unit)} of {_amount(tape.duration, unit)} was work of your own"
        )
    if unit == "seconds" and not tape.blocks and not tape.stalls and find_late(tape) is None:
        sentences.append(f"the loop was never held for longer than {span(tape.threshold)}")
    return "; ".join(sentences) + "."


def _own_waiting(tape: Tape) -> Slices:
    """Return the waiting that was for something outside, not for another task that waits itself."""
    waiting = tape.slices.of(WAITING)
    kinds = {(wait.task, wait.start): wait.kind for wait in tape.waits}
    parents = {row.parent for row in tape.rows if row.kind == "task"}
    kept = []
    for task, start in zip(waiting.task.tolist(), waiting.start.tolist(), strict=True):
        # Where no look at the wait was taken, a parent is taken to wait for its children.
        kind = kinds.get((task, start), "tasks" if task in parents else "")
        kept.append(tape.rows[task].kind == "task" and kind not in ("task", "tasks"))
    return waiting[np.array(kept, dtype=bool)]
