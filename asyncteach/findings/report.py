"""The list of findings, and what `explain()` says: sentences that were observed to hold."""

from asyncteach.findings import Finding
from asyncteach.findings.blocking import find_blocks
from asyncteach.findings.sequences import find_sequences
from asyncteach.findings.source import look_again
from asyncteach.findings.summary import list_totals, praise, say_held
from asyncteach.findings.task_errors import find_task_errors
from asyncteach.thread_recorder.sentences import explain_threads
from asyncteach.thread_recorder.states import ThreadTape
from asyncteach.trace import Tape


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
    lines = list_totals(tape, unit)
    findings = find(tape, unit, is_over=is_over)
    for number, one in enumerate(findings, 1):
        lines += ["", f"{number}. {one.message}", f"   {one.fix}"]
    notes = say_held(tape) if unit == "seconds" else []
    if not findings:
        lines += ["", praise(tape, unit, held_up=bool(notes or tape.blocks))]
    elif notes:
        lines.append("")
    return "\n".join([*lines, *notes])
