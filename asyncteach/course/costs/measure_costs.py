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
from typing import TYPE_CHECKING, Any, cast

import pandas

from asyncteach.arguments import check_number, check_whole
from asyncteach.course.costs.explanation import (
    UNITS,
    Row,
    explain,
    format_bytes,
    heading,
    write_table,
)

if TYPE_CHECKING:
    from asyncteach.timeline.figure import Picture

__all__ = ["Costs", "measure_costs"]

BYTES = {"task": 4e3, "thread": 40e3, "process": 20e6}
"""The memory that each may take, including the system's share."""

SPARE = 15
"""A busy machine may take so many seconds longer."""

RING = 1000
"""The number of tasks or threads in the large ring, if `most` allows it."""

REPEATS = 3  # of memory, which hardly differs from one to the next


class Costs(pandas.DataFrame):
    """A table with a row for each thing that was measured, made by `measure_costs`.

    The columns are `kind` (switch, start, memory, lateness or preemption), `what`, `number` (how
    many of them there were), `median`, `low` and `high` (the middle half of the `rounds` lies
    between them), and `unit`. A selection or a sum of it is an ordinary DataFrame.

    In a notebook it shows itself with a figure. `explain()` describes the results, `.left_out` is
    a list of sentences about what wasn't measured and why, `.figure` is a Matplotlib figure, and
    `print` shows everything but the figure.
    """

    _metadata = ["left_out"]  # noqa: RUF012  (the way that pandas asks for attributes)
    left_out: list[str]

    @property
    def _constructor(self) -> type[pandas.DataFrame]:
        return pandas.DataFrame

    def explain(self) -> str:
        """Return a few sentences about the numbers of this run."""
        return " ".join(explain(self.rows()))

    def rows(self) -> list[Row]:
        """Return the rows as dictionaries."""
        return cast(list[Row], self.to_dict("records"))

    @property
    def figure(self) -> "Picture":
        """A new Matplotlib figure: what takes time and what takes memory, on logarithmic axes."""
        from asyncteach.course.costs.chart import draw_costs

        return draw_costs(self.rows(), f"{heading()} {self.explain()}")

    def __str__(self) -> str:
        return write_table(self.rows(), self.left_out)

    __repr__ = __str__

    def _ipython_display_(self) -> None:
        from IPython.display import display

        print(self)
        display(self.figure)  # type: ignore[no-untyped-call]


def measure_costs(*, seconds: float = 30, most: int = 10_000) -> Costs:
    """Measure what switching, starting and holding tasks, threads and processes costs here.

    It takes about `seconds`, on a busy machine up to 15 more, and blocks meanwhile, also a
    notebook's event loop. Child processes do the work. At most `most` tasks or threads exist at a
    time, fewer if the machine hasn't enough memory; `.left_out` says what was left out and why.

    Rounds of all subjects alternate, so that a disturbance affects all of them, and the median and
    the quartiles are kept. On Linux, hand-overs and starts run on one processor, so that each
    hand-over is a switch, and only the processor time of these processes counts. Times are in
    microseconds or milliseconds, memory in kilobytes of 1,000 bytes each. The idle process is a
    bare Python, a spawned one comes from multiprocessing, as on macOS and Windows. A hand-over by
    a pipe is half the time in which a byte goes to another process and back.

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
    samples: Samples = {}
    left_out: list[str] = []
    began = perf_counter()
    numbers = sorted({number for number in (1000, 10_000) if number < most} | {most})
    held = [("process", 1), *((what, n) for n in numbers for what in ("task", "thread"))]
    memory: list[tuple[str, dict[str, Any]]] = [
        ("memory", {"what": what, "number": number}) for what, number in held
    ]
    jobs = [  # the first three take little time, so they are always there
        *memory[:3],
        ("switch", {"seconds": 0.32 * seconds, "number": min(RING, most)}),
        ("start", {"seconds": 0.2 * seconds}),
        ("lateness", {"seconds": 0.15 * seconds}),
        ("preemption", {"seconds": 0.07 * seconds}),
        *memory[3:],
        *memory * (REPEATS - 1),
    ]
    for place, (job, options) in enumerate(jobs):
        passed = perf_counter() - began
        if (job, options) in jobs[:place] and passed > seconds:
            break  # what is left are repeats
        findings: list[Any] = []
        why = no_room(**options) if job == "memory" else ""
        if not why and passed > seconds + SPARE - 0.5:
            longer = round(2 * seconds) + 1
            why = f"the time was up: ask for more, as in measure_costs(seconds={longer})"
        if not why:
            findings, why = run_job(job, options, seconds + SPARE - passed)
        for kind, what, number, amount in findings:
            if isinstance(amount, str):
                left_out.append(f"{kind} of {what} ({number:,}): {amount}")
            else:
                samples.setdefault((kind, what, number), []).append(amount)
        if why:
            of = " of {what} ({number:,})".format(**options) if job == "memory" else ""
            left_out.append(f"{job}{of}: {why}")
    return samples, list(dict.fromkeys(left_out))


def no_room(what: str, number: int) -> str:
    """Return why so many don't fit: they may take a quarter of the free memory."""
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
            stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout,
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        out, why = late.stdout or b"", f"it wasn't done after {timeout:.0f} seconds and was stopped"
    except OSError as error:
        return [], f"this machine can't start a Python process: {error}"
    else:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        cause = words[-1] if words else f"exit code {done.returncode}"
        out, why = done.stdout, f"the process that measured it ended early: {cause}"
    # The last line of a process that was stopped may be half of one.
    lines = [json.loads(line) for line in out.splitlines(keepends=True) if line.endswith(b"\n")]
    return (lines[:-1], "") if lines[-1:] == ["done"] else (lines, why)


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
