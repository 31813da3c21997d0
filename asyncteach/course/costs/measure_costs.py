"""What it costs to switch, to start and to hold tasks, threads and processes on this machine.

`measure_costs()` returns Costs, a DataFrame. Each measurement is a job in a child process.
"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any, cast

from asyncteach.arguments import check_number, check_whole
from asyncteach.course.costs.cost_table import UNITS, Costs, format_bytes

__all__ = ["Costs", "measure_costs"]

BYTES = {"task": 4e3, "thread": 40e3, "process": 20e6}
"""The memory that each may take, including the system's share."""

SPARE = 15
"""How many seconds longer a busy machine may take."""

RING = 1000
"""The number of tasks or threads in the large ring, if `most` allows it."""


def measure_costs(*, seconds: float = 30, most: int = 10_000) -> Costs:
    """Measure what switching, starting and holding tasks, threads and processes costs here.

    It takes about `seconds`, on a busy machine up to 15 more, and blocks meanwhile, also a
    notebook's event loop. Child processes do the work. At most `most` tasks or threads exist at a
    time, fewer if there isn't enough memory; `.left_out` lists what was left out and why.

    Rounds of all subjects alternate, so that a disturbance affects all of them, and the median and
    the quartiles are kept; memory is measured once. On Linux, hand-overs and starts run on one
    processor, so that each hand-over is a switch, and only the processor time of these processes
    counts. Times are in microseconds or milliseconds, memory in kilobytes of 1,000 bytes each. The
    idle process is a bare Python, a spawned one comes from multiprocessing, as on macOS and
    Windows. A hand-over by a pipe is half the time in which a byte goes to another process and
    back.

    Returns Costs, a DataFrame. Raises ValueError or TypeError for wrong arguments, and ImportError
    without psutil: `pip install psutil`.

    >>> costs = measure_costs(seconds=1, most=100)
    >>> list(costs[costs["kind"] == "start"].sort_values("median")["what"])[:2]
    ['task', 'thread']
    """
    __tracebackhide__ = True
    if importlib.util.find_spec("psutil") is None:
        raise ImportError("measure_costs() reads memory with psutil: type `pip install psutil`.")
    check_number(seconds, "measure_costs(seconds=...)", unit="seconds", least=1, most=300,
                 fix="30 gives steady numbers")  # fmt: skip
    check_whole(most, "measure_costs(most=...)", least=100, most=100_000,
                fix="10_000 shows what asyncio is good at")  # fmt: skip
    return tabulate(*run_jobs(seconds, most))


Samples = dict[tuple[str, str, int], list[float]]


def run_jobs(seconds: float, most: int) -> tuple[Samples, list[str]]:
    """Run all jobs in turn; return the samples, and sentences about what was left out."""
    numbers = sorted({min(1000, most), most})
    held = [("process", 1), *((what, n) for n in numbers for what in ("task", "thread"))]
    jobs: list[tuple[str, dict[str, Any]]] = [
        *(("memory", {"what": what, "number": number}) for what, number in held),
        ("switch", {"seconds": 0.4 * seconds, "number": min(RING, most)}),
        ("start", {"seconds": 0.25 * seconds}),
        ("lateness", {"seconds": 0.15 * seconds}),
        ("preemption", {"seconds": 0.1 * seconds}),
    ]
    samples: Samples = {}
    left_out: list[str] = []
    end = perf_counter() + seconds + SPARE
    for job, options in jobs:
        findings: list[Any] = []
        why = no_room(**options) if job == "memory" else ""
        left = end - perf_counter()
        if left < 0.5:
            why = f"the time was up: ask for more, as in measure_costs(seconds={2 * seconds:.0f})"
        elif not why:
            findings, why = run_job(job, options, left)
        if why:
            findings.append((job, options.get("what", "the rest"), options.get("number", 1), why))
        for kind, what, number, amount in findings:
            if isinstance(amount, str):
                left_out.append(f"{kind} of {what} ({number:,}): {amount}")
            else:
                samples.setdefault((kind, what, number), []).append(amount)
    return samples, left_out


def no_room(what: str, number: int) -> str:
    """Return why that many don't fit: they may take a quarter of the free memory."""
    import psutil

    needed, free = BYTES[what] * number, psutil.virtual_memory().available
    if needed <= free / 4:
        return ""
    return (
        f"they may take {format_bytes(needed)} of memory, which is more than a quarter of the "
        f"{format_bytes(free)} that are free"
    )


def run_job(job: str, options: dict[str, Any], timeout: float) -> tuple[list[Any], str]:
    """Run a job in a child process; return its findings, and why it didn't finish.

    It works in a script, in a notebook and in code that is piped into Python. The child ignores
    the user's environment and folder, because loading them would cost time.
    """
    import psutil

    # Last in the path: installed packages must not replace Python's own modules.
    folders = [str(Path(__file__).resolve().parents[3]), str(Path(psutil.__file__).parents[1])]
    code = f"import sys; sys.path += {folders}; from asyncteach.course.costs.child import main"
    command = [sys.executable, "-I", "-S", "-W", "ignore", "-c", f"{code}; main()"]
    try:
        # An interrupt ends the child too.
        done = subprocess.run(
            [*command, json.dumps([job, options])],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return [], f"it wasn't done after {timeout:.0f} seconds and was stopped"
    except OSError as error:
        return [], f"this machine can't start a Python process: {error}"
    if done.returncode:
        cause = (done.stderr.splitlines() or [f"exit code {done.returncode}"])[-1]
        return [], f"the process that measured it ended early: {cause}"
    return json.loads(done.stdout), ""


def tabulate(samples: Samples, left_out: list[str]) -> Costs:
    """Return the table of the samples."""
    kinds, seen = list(UNITS), list(dict.fromkeys(what for _, what, _ in samples))
    rows = []
    for key in sorted(samples, key=lambda key: (kinds.index(key[0]), seen.index(key[1]), key[2])):
        values = samples[key]
        low, _, high = quantiles(values, n=4, method="inclusive") if values[1:] else values * 3
        rows.append([*key, median(values), low, high, UNITS[key[0]], len(values)])
    columns = ["kind", "what", "number", "median", "low", "high", "unit", "rounds"]
    costs = cast(Any, Costs)(rows, columns=columns)
    costs.left_out = left_out
    return cast(Costs, costs)
