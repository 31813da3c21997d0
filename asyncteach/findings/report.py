"""The list of findings, and the text of `explain()`: totals, findings, other observations."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from asyncteach.domains import CODE
from asyncteach.findings import Finding, name_task
from asyncteach.findings.blocking import describe_block, find_blocks, group_blocks
from asyncteach.findings.sequences import find_sequences
from asyncteach.findings.source import look_again
from asyncteach.findings.task_errors import find_task_errors
from asyncteach.formatting import at, count, format_duration
from asyncteach.intervals import covered, sweep
from asyncteach.thread_recorder.thread_trace import ThreadTrace, explain_threads
from asyncteach.trace import READY, STATES, WAITING, Slices, Trace

_FOR_TASKS = ("task", "tasks", "lock", "semaphore", "queue", "condition", "event", "barrier")
"""The kinds of waits for other tasks: these waits overlap by themselves."""


def find(trace: Trace) -> list[Finding]:
    """Return what was found in a trace, the costliest first.

    While the recording is open, a task that is still running is no finding.
    """
    if trace.domain is not CODE:
        return []  # all findings are about tasks
    look_again()
    found = {*find_blocks(trace), *find_sequences(trace), *find_task_errors(trace)}
    return sorted(found, key=lambda f: (-f.seconds, f.file or "", f.line or 0, f.kind, f.message))


def explain(trace: Trace) -> str:
    """Return the findings as plain sentences, or what went well, and what else was observed."""
    if isinstance(trace, ThreadTrace):
        return explain_threads(trace)
    lines = _list_totals(trace)
    findings = find(trace)
    for number, one in enumerate(findings, 1):
        lines += ["", f"{number}. {one.message}", f"   {one.fix}"]
    notes = _describe_held(trace) if trace.domain is CODE else []
    if not findings:
        lines += ["", _praise(trace, held_up=bool(notes or trace.blocks))]
    elif notes:
        lines.append("")
    return "\n".join([*lines, *notes])


def _list_totals(trace: Trace) -> list[str]:
    """Return how long it took, which states the tasks were in, and what limits the recording."""
    amount = partial(trace.domain.format, rough=True)
    tasks = _are_tasks(trace)
    jobs = [row.kind for row in trace.rows if row.kind != "task"]
    subjects = count(int(tasks.sum()), "task")
    for kind, kinds in (("thread", "threads"), ("process", "processes")):
        if kind in jobs:
            subjects += f" and {count(jobs.count(kind), 'job')} in {kinds}"
    if "worker" in jobs:
        subjects += f" on {count(jobs.count('worker'), 'worker')}"
    running, ready, waiting = (
        amount(float(trace.slices.total(len(trace.rows), state)[tasks].sum())) for state in STATES
    )
    lines = [
        f"{amount(trace.duration)}, {subjects}. Added up, they were running for {running}, ready "
        f"for {ready} and waiting for {waiting}."
    ]
    for event in trace.events:
        if event.kind == "loop-not-watched":
            lines.append(event.text)
        elif event.kind == "recorder-failed":
            lines.append(f"record() failed and stopped recording: {event.text}.")
        elif event.kind == "raised":
            lines.append(f"It ended with {event.text}{at(event.place)}.")
    if trace.dropped:
        more = count(trace.dropped, "more step")
        lines.append(f"{more} could not be kept: `record(max_slices=...)` sets the limit.")
    return lines


def _praise(trace: Trace, *, held_up: bool) -> str:
    """Return how much waiting overlapped, and that no task was delayed if that is true."""
    if not trace.rows:
        return "No task ran."
    amount = partial(trace.domain.format, rough=True)
    own = _own_waiting(trace)
    total, took = float(own.seconds().sum()), covered(own.start, own.end)
    most = int(sweep(own.start, own.end)[1].max(initial=0))
    if most > 1 and total > 1.05 * took:
        praise = (
            f"{count(most, 'task')} waited at the same time: {amount(total)} of waiting "
            f"took {amount(took)}"
        )
    elif total > 0.5 * trace.duration:
        # A job may have run during the only wait.
        alone = "" if any(row.kind != "task" for row in trace.rows) else ", for one thing at a time"
        praise = f"{amount(total)} of {amount(trace.duration)} was waiting{alone}"
    else:
        praise = f"{amount(trace.attention)} of {amount(trace.duration)} was work of your own"
    if trace.domain is CODE and not held_up:
        longest = format_duration(trace.threshold, rough=True)
        praise += f"; the loop was never held for longer than {longest}"
    return f"{praise}."


def _are_tasks(trace: Trace) -> NDArray[np.bool_]:
    return np.array([row.kind == "task" for row in trace.rows], dtype=bool)


def _own_waiting(trace: Trace) -> Slices:
    """Return the waiting for something outside, not for another task or for its own turn."""
    waiting = trace.slices.of(WAITING)
    known = [wait for wait in trace.waits if wait.what != "a future"]
    kinds = {(wait.task, wait.start): wait.kind for wait in known}
    # If it is unknown what a parent waited for, it counts as waiting for its children.
    parents = {row.parent: "tasks" for row in trace.rows if row.kind == "task"}
    pairs = zip(waiting.task.tolist(), waiting.start.tolist(), strict=True)
    kept = [kinds.get(pair, parents.get(pair[0], "")) not in _FOR_TASKS for pair in pairs]
    return waiting[np.array(kept, dtype=bool) & _are_tasks(trace)[waiting.task]]


def _describe_held(trace: Trace) -> list[str]:
    """Return sentences about steps that delayed no task, and about delays by the computer."""
    sentences = [
        f"{describe_block(trace, group)}, while no other task was ready."
        for group in group_blocks(trace)
        if not any(block.delayed for block in group)
    ]
    ready = trace.slices.of(READY)
    ready = ready[_are_tasks(trace)[ready.task]]
    late = float(ready.seconds().max(initial=0.0))
    if trace.stalls:
        lost = format_duration(sum(stall.lost for stall in trace.stalls), rough=True)
        sentences.append(f"The computer gave this program no time for {lost}.")
    elif late > trace.threshold and not trace.blocks:
        name = name_task(trace.rows[int(ready.task[ready.seconds().argmax()])])
        sentences.append(
            f"{name} was ready for {format_duration(late, rough=True)} before it ran, though no "
            f"step took longer than {format_duration(trace.threshold, rough=True)}."
        )
    return sentences
