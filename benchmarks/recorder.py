"""What record() costs: ratios of recorded over plain, medians of repeats in turn, from one run.

Run it on an idle machine: `python benchmarks/recorder.py`, with `--json FILE` to keep the numbers.
CPU time is that of the whole process; cycles, in user space, come from the processor's own counter
where Linux lets a process read it. The project promises at most 1.25 per step with 100 tasks and
1.35 with 10,000, and at most 36 bytes per slice. Takes about a minute and a half.
"""

import argparse
import asyncio
import contextlib
import ctypes
import gc
import json
import platform
import struct
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from statistics import median

from asyncteach import record

REPEATS = 9


class Meter:
    """CPU seconds of this process and, where they can be had, cycles in user space."""

    def __init__(self) -> None:
        self._counter = _open_counter()

    @property
    def has_cycles(self) -> bool:
        return self._counter is not None

    def read(self) -> tuple[float, float]:
        """Return CPU seconds and cycles so far."""
        cycles = 0.0
        if self._counter is not None:
            self._counter.seek(0)
            cycles = struct.unpack("q", self._counter.read(8))[0]
        return time.process_time(), cycles


def _open_counter():
    """Return a file that gives the cycles of this process and of threads that it starts."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return None
    attributes = bytearray(112)
    struct.pack_into("IIQ", attributes, 0, 0, len(attributes), 0)  # hardware, cycles
    struct.pack_into("Q", attributes, 40, 1 << 1 | 1 << 5 | 1 << 6)  # inherit, user space only
    library = ctypes.CDLL(None, use_errno=True)
    number = library.syscall(298, (ctypes.c_char * 112).from_buffer(attributes), 0, -1, -1, 0)
    return open(number, "rb", buffering=0) if number >= 0 else None


METER = Meter()


class Sheet:
    """What was measured, as a table and for a file."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float | str | None]] = []

    def add(self, what: str, ratio: float, cycles: float | None, plain: float, more: float) -> None:
        row = {"what": what, "cpu": ratio, "cycles": cycles, "plain us": plain, "more us": more}
        self.rows.append(row)
        said = "    -" if cycles is None else f"{cycles:5.2f}"
        print(f"{what:34} {ratio:5.2f}  {said}  {plain:9.2f}  {more:9.2f}", flush=True)


# Work: each returns the cost in CPU seconds and cycles, and how often it did what it is about


async def steps(tasks: int, each: int, around) -> tuple[float, float, int]:
    """Steps of `await asyncio.sleep(0)`, once all tasks have begun."""
    done = asyncio.get_running_loop().create_future()
    left = tasks

    async def work() -> None:
        nonlocal left
        for _ in range(each):
            await asyncio.sleep(0)
        left -= 1
        if not left:
            done.set_result(None)

    with around():
        kept = [asyncio.create_task(work()) for _ in range(tasks)]
        await asyncio.sleep(0)
        before = METER.read()
        await done
        after = METER.read()
        await asyncio.wait(kept)
    return after[0] - before[0], after[1] - before[1], tasks * each


async def spawns(tasks: int, around) -> tuple[float, float, int]:
    """Tasks that are made, run one step and end."""
    done = asyncio.get_running_loop().create_future()
    left = tasks

    async def work() -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set_result(None)

    with around():
        before = METER.read()
        kept = [asyncio.create_task(work()) for _ in range(tasks)]
        await done
        after = METER.read()
        await asyncio.wait(kept)
    return after[0] - before[0], after[1] - before[1], tasks


async def hand_overs(items: int, around) -> tuple[float, float, int]:
    """Items that go through a queue with room for one."""
    queue: asyncio.Queue[int] = asyncio.Queue(1)

    async def give() -> None:
        for item in range(items):
            await queue.put(item)

    with around():
        before = METER.read()
        giver = asyncio.create_task(give())
        for _ in range(items):
            await queue.get()
        after = METER.read()
        await giver
    return after[0] - before[0], after[1] - before[1], items


async def naps(tasks: int, each: int, around) -> tuple[float, float, int]:
    """Sleeps of a millisecond, whose waits are described."""

    async def work() -> None:
        for _ in range(each):
            await asyncio.sleep(0.001)

    with around():
        before = METER.read()
        await asyncio.gather(*(work() for _ in range(tasks)))
        after = METER.read()
    return after[0] - before[0], after[1] - before[1], tasks * each


def compare(sheet: Sheet, what: str, work, *, repeats: int = REPEATS) -> None:
    """Do the work plain and recorded by turns, and add the ratio to the sheet."""
    ways = {"plain": contextlib.nullcontext, "recorded": record}
    found: dict[str, list[tuple[float, float, int]]] = {way: [] for way in ways}
    for turn in range(repeats + 1):
        for way in list(ways)[:: 1 if turn % 2 else -1]:
            gc.collect()
            cost = asyncio.run(work(ways[way]))
            if turn:  # the first is for warming up
                found[way].append(cost)
    pairs = list(zip(found["plain"], found["recorded"], strict=True))
    plain = median(cpu / count for cpu, _, count in found["plain"]) * 1e6
    recorded = median(cpu / count for cpu, _, count in found["recorded"]) * 1e6
    ratio = median(mine[0] / bare[0] for bare, mine in pairs if bare[0])
    cycles = median(mine[1] / bare[1] for bare, mine in pairs) if METER.has_cycles else None
    sheet.add(what, ratio, cycles, plain, recorded - plain)


def measure_memory() -> dict[str, float]:
    """Return what a slice takes: as it was stamped, and in the columns that hold it later."""

    async def main():
        with record() as recording:
            before = tracemalloc.get_traced_memory()[0]
            await steps(100, 2000, contextlib.nullcontext)
            gc.collect()
        gc.collect()
        return recording, tracemalloc.get_traced_memory()[0] - before

    asyncio.run(steps(100, 100, record))  # what is made once
    tracemalloc.start()
    recording, stamped = asyncio.run(main())
    tracemalloc.stop()
    slices = recording.trace.slices
    columns = (slices.task, slices.state, slices.start, slices.end)
    rows = len(recording.to_frame())
    return {
        "slices": rows,
        "bytes a slice, as stamped": stamped / rows,
        "bytes a slice, in columns": sum(column.nbytes for column in columns) / rows,
    }


def measure_frames() -> dict[str, float]:
    """Return how long a million slices take to a DataFrame, and what that is of `import pandas`."""
    code = "import time; t = time.perf_counter(); import pandas; print(time.perf_counter() - t)"
    command = [sys.executable, "-c", code]
    imports = [float(subprocess.check_output(command, text=True)) for _ in range(5)]
    kept = []

    @contextlib.contextmanager
    def around():
        with record() as recording:
            kept[:] = [recording]
            yield

    first, again = [], []
    for _ in range(3):
        asyncio.run(steps(100, 5000, around))
        began = time.perf_counter()
        frame = kept[0].to_frame()
        first.append((time.perf_counter() - began) / len(frame) * 1e6)
        began = time.perf_counter()
        kept[0].to_frame()
        again.append((time.perf_counter() - began) / len(frame) * 1e6)
    return {
        "import pandas, s": median(imports),
        "first frame of a million slices, s": median(first),
        "each further one, s": median(again),
        "first one over import pandas": median(first) / median(imports),
        "further one over import pandas": median(again) / median(imports),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the numbers in a file")
    options = parser.parse_args()
    sheet = Sheet()
    print("recorded over plain                  CPU cycles   plain us    more us")
    for tasks, each in ((3, 30_000), (100, 1000), (10_000, 10), (100_000, 2)):
        repeats = REPEATS if tasks < 100_000 else 3
        work = f"a step, {tasks:,} tasks"
        compare(sheet, work, lambda way, n=tasks, m=each: steps(n, m, way), repeats=repeats)
    for tasks in (3, 100, 10_000, 100_000):
        repeats = {3: 9 * REPEATS, 100_000: 3}.get(tasks, REPEATS)
        work = f"a task, {tasks:,} tasks"
        compare(sheet, work, lambda way, n=tasks: spawns(n, way), repeats=repeats)
    compare(sheet, "an item through a queue", lambda way: hand_overs(20_000, way))
    compare(sheet, "a sleep of 1 ms, 100 tasks", lambda way: naps(100, 100, way))
    amounts = measure_memory() | measure_frames()
    for what, amount in amounts.items():
        print(f"{what:38} {amount:12,.3f}")
    if options.json:
        kept = {"python": platform.python_version(), "ratios": sheet.rows, "amounts": amounts}
        options.json.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
