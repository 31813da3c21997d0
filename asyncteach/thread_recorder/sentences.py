"""What a recording of threads says: who had the GIL for how long, and how well that is known."""

from math import isnan

from asyncteach.formatting import count, format_duration
from asyncteach.thread_recorder.states import ThreadTrace

_NOTABLE = 0.05  # of the time


def explain_threads(trace: ThreadTrace) -> str:
    """Return it as plain sentences.

    >>> import threading
    >>> from asyncteach.thread_recorder.record_threads import record_threads
    >>> with record_threads() as recording:
    ...     pass
    >>> recording.explain().partition(",")[0]
    '1 thread'
    """
    measures, all_of_it = trace.measures, trace.duration or 1.0
    assert measures is not None
    lines = [f"{count(len(trace.rows), 'thread')}, {format_duration(trace.duration)}."]
    parallel = measures.parallel - measures.overlap
    if measures.has_gil:
        lines[0] += f" The GIL changed hands {count(measures.switches, 'time')}"
        interval = format_duration(measures.interval)
        if isnan(measures.kept):
            lines[0] += f", and nobody had to let go of it (the switch interval is {interval})."
        else:
            kept = format_duration(measures.kept)
            lines[0] += (
                f"; a thread that had to let another one go on had had it for {kept} at the "
                f"median (the switch interval is {interval})."
            )
        if measures.first_interval != measures.interval:
            lines[0] += f" It was {format_duration(measures.first_interval)} at the beginning."
        if parallel > _NOTABLE * all_of_it:
            lines.append(
                f"Two or more threads ran at once for {format_duration(parallel)}: in calls into C "
                "that let go of the GIL."
            )
    else:
        lines[0] += (
            " This Python has no GIL: two or more threads ran at once for "
            f"{format_duration(measures.parallel)}."
        )
    lines.append(f"Somebody ran for {_share(measures.covered, all_of_it)} of the time.")
    if measures.preempted > _NOTABLE * all_of_it:
        lines.append(
            f"Added up, threads were ready for {format_duration(measures.preempted)} because the "
            "processor did something else: other programs are busy."
        )
    lines += ["", _say_error(trace)]
    if trace.dropped:
        lines.append(f"{count(trace.dropped, 'slice')} more could not be kept.")
    return "\n".join(lines)


def _say_error(trace: ThreadTrace) -> str:
    """Say how it was measured, and how far that can be wrong."""
    measures = trace.measures
    assert measures is not None
    said = f"Measured by the threads themselves, with {measures.stamps:,} looks at the clock"
    if not isnan(measures.apart):
        said += f", one every {format_duration(measures.apart)} while one runs"
    said += "."
    if measures.has_gil:
        share = _share(measures.overlap, trace.duration or 1.0)
        said += (
            f" Two seemed to run Python code at once for {share} of the time, which the GIL "
            "forbids: that is the error."
        )
    return said + (
        " Watching makes Python code slower, many times where it is all lines and calls; a thread "
        "does less in its turn, and its turn is as long."
    )


def _share(part: float, whole: float) -> str:
    percent = 100 * part / whole
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"
