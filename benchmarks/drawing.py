"""What pictures and tables cost: their time over that of importing Matplotlib and pandas.

Run it: `python benchmarks/drawing.py`, with `--json FILE` for the numbers. The project promises
that 10,000 tasks are drawn and saved as PNG in less than a cold `import matplotlib.pyplot` takes,
100,000 tasks in less than twice that, and that the table of a million slices is made in less than
a tenth of `import pandas`. Takes about half a minute.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from asyncteach import Recording
from asyncteach.timeline.figure import draw_timelines
from asyncteach.trace import Slices, TaskRecord, Trace

IMPORT = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
ROUNDS = 5


def record_of(tasks: int, steps: int) -> Recording:
    """Return a recording of tasks that are ready until their turn, then run and wait in steps."""
    draw = np.random.default_rng(0)
    begin = np.sort(draw.random(tasks))
    lengths = draw.exponential([2e-5, 0.2 / steps, 0.02 / steps], (tasks, steps, 3))
    end = begin[:, None] + np.cumsum(lengths.reshape(tasks, -1), axis=1)
    start = np.concatenate([begin[:, None], end[:, :-1]], axis=1)
    own = np.arange(1, tasks + 1, dtype=np.int32)
    slices = Slices(
        np.concatenate([own, np.repeat(own, 3 * steps)]),
        np.concatenate(
            [np.ones(tasks, np.int8), np.tile(np.array([0, 2, 1], np.int8), tasks * steps)]
        ),
        np.concatenate([np.zeros(tasks), start.ravel()]),
        np.concatenate([begin, end.ravel()]),
    ).ordered()
    rows = [TaskRecord("main", "main", "main")]
    rows += [TaskRecord(f"fetch-{n}", f"fetch-{n}", "fetch", 0, 0.0) for n in range(1, tasks + 1)]
    trace = Trace(rows, slices, float(slices.end.max()), loops=["loop"])
    return Recording.from_source(f"{tasks:,} tasks", lambda: trace)


def import_seconds(module: str) -> float:
    """Return the seconds of one import in a fresh interpreter."""
    command = [sys.executable, "-c", IMPORT.format(module)]
    return float(subprocess.run(command, capture_output=True, check=True).stdout)


def seconds(work: Callable[[Recording], object], recording: Recording) -> float:
    """Return how long it takes."""
    began = time.perf_counter()
    work(recording)
    return time.perf_counter() - began


def draw(recording: Recording) -> None:
    """Draw it and make the PNG that a notebook shows, with its alt text."""
    draw_timelines([recording])._repr_png_()


CASES: list[tuple[str, str, Callable[[Recording], object], tuple[int, int]]] = [
    ("picture of 10 tasks", "matplotlib.pyplot", draw, (10, 3)),
    ("picture of 1,000 tasks", "matplotlib.pyplot", draw, (1_000, 3)),
    ("picture of 10,000 tasks", "matplotlib.pyplot", draw, (10_000, 3)),
    ("picture of 100,000 tasks", "matplotlib.pyplot", draw, (100_000, 3)),
    ("picture of a million slices", "matplotlib.pyplot", draw, (1_000, 333)),
    ("text of 100,000 tasks", "matplotlib.pyplot", str, (100_000, 3)),
    ("frame of a million slices", "pandas", Recording.to_frame, (1_000, 333)),
]


def main() -> None:
    """Measure each case together with the import that it is compared with; print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to a file")
    target = parser.parse_args().json
    for module in ("pandas", "matplotlib.pyplot"):
        import_seconds(module)  # fill the caches of files and bytecode
    warm = record_of(3, 1)
    draw(warm), warm.to_frame()
    results = {}
    print(f"{'':30}{'seconds':>8}  {'over import of':18}{'seconds':>8}{'ratio':>7}")
    for name, module, work, size in CASES:
        recording = record_of(*size)
        pairs = [(seconds(work, recording), import_seconds(module)) for _ in range(ROUNDS)]
        own, other = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
        ratio = median(mine / its for mine, its in pairs)
        results[name] = {"seconds": own, "import": module, "import_seconds": other, "ratio": ratio}
        print(f"{name:30}{own:8.3f}  {module:18}{other:8.3f}{ratio:7.2f}", flush=True)
    if target:
        target.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
