"""The list of findings, and what `explain()` says: sentences that were observed to hold."""

from asyncteach.findings import Finding
from asyncteach.findings.blocking import find_blocks
from asyncteach.findings.sequences import find_sequences
from asyncteach.findings.source import look_again
from asyncteach.findings.summary import list_totals, praise, say_held
from asyncteach.findings.task_errors import find_task_errors
from asyncteach.subjects import CODE
from asyncteach.thread_recorder.sentences import explain_threads
from asyncteach.thread_recorder.states import ThreadTrace
from asyncteach.trace import Trace


def find(trace: Trace) -> list[Finding]:
    """Return what was found in a trace, the costliest first.

    As long as the recording is open (it isn't final), tasks have every right to be at work.
    """
    if trace.subject is not CODE:
        return []  # all that is looked for are mistakes with tasks
    look_again()
    found = [*find_blocks(trace), *find_sequences(trace)]
    found += find_task_errors(trace, is_over=trace.is_final)
    return sorted(
        dict.fromkeys(found), key=lambda f: (-f.seconds, f.file or "", f.line or 0, f.kind)
    )


def explain(trace: Trace) -> str:
    """Return the findings as plain sentences, or what went well, and what else was observed."""
    if isinstance(trace, ThreadTrace):
        return explain_threads(trace)
    lines = list_totals(trace)
    findings = find(trace)
    for number, one in enumerate(findings, 1):
        lines += ["", f"{number}. {one.message}", f"   {one.fix}"]
    notes = say_held(trace) if trace.subject is CODE else []
    if not findings:
        lines += ["", praise(trace, held_up=bool(notes or trace.blocks))]
    elif notes:
        lines.append("")
    return "\n".join([*lines, *notes])
