"""The same work under record() and under tools that can do a part of it, from one run.

100 tasks take 200 steps each. Run it on an idle machine: `python benchmarks/peers.py`, with
`--json FILE` to keep the numbers, where some of viztracer, yappi, pyinstrument and wigglystuff
are installed: the others are skipped. Medians of repeats in turn, of CPU time, until the tool has
stopped. The project promises at most a tenth of the overhead of viztracer's `log_async`, and a
result at least 80 times smaller. Takes about a minute.
"""

import argparse
import asyncio
import contextlib
import gc
import importlib.util
import io
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from asyncteach import record

TASKS, STEPS = 100, 200
REPEATS = 7

Size = Callable[[Path], float]
"""Writes the result to a file if need be, and returns its bytes."""


async def work() -> None:
    for _ in range(STEPS):
        await asyncio.sleep(0)


async def main() -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(TASKS):
            group.create_task(work())


def run_plain() -> Size:
    asyncio.run(main())
    return lambda path: 0


def run_recorded() -> Size:
    recorder = record()
    with recorder:
        session = recorder._session
        asyncio.run(main())
        # What it keeps until the result is read; `recorder.py` measures what that takes.
        reels = [reel for tap in session.taps for reel in (tap.steps, tap.waits, tap.idle)]
    return lambda path: sum(reel.rows() * reel.columns * 8 for reel in reels)


def run_in_debug_mode() -> Size:
    asyncio.run(main(), debug=True)
    return lambda path: 0


def run_under_viztracer() -> Size:
    from viztracer import VizTracer

    tracer = VizTracer(log_async=True, tracer_entries=10_000_000, verbose=0)
    tracer.start()
    asyncio.run(main())
    tracer.stop()

    def size(path: Path) -> float:
        tracer.save(str(path.with_suffix(".json")))
        tracer.terminate()
        return path.with_suffix(".json").stat().st_size

    return size


def run_under_yappi() -> Size:
    import yappi

    yappi.clear_stats()
    yappi.start()
    asyncio.run(main())
    yappi.stop()

    def size(path: Path) -> float:
        yappi.get_func_stats().save(str(path), type="ystat")
        return path.stat().st_size

    return size


def run_under_pyinstrument() -> Size:
    from pyinstrument import Profiler

    profiler = Profiler(async_mode="enabled")

    async def profiled() -> None:
        with profiler:
            await main()

    asyncio.run(profiled())

    def size(path: Path) -> float:
        profiler.last_session.save(path)
        return path.stat().st_size

    return size


def run_under_asyncflow() -> Size:
    from wigglystuff import AsyncFlow

    async def traced() -> AsyncFlow:
        with contextlib.redirect_stdout(io.StringIO()):  # it displays itself
            return await AsyncFlow.trace(main())

    flow = asyncio.run(traced())
    return lambda path: len(json.dumps(flow.get_state(), default=str))


WAYS: dict[str, tuple[str, Callable[[], Size]]] = {
    "plain": ("", run_plain),
    "record()": ("", run_recorded),
    "asyncio's debug mode": ("", run_in_debug_mode),
    "viztracer, log_async": ("viztracer", run_under_viztracer),
    "yappi": ("yappi", run_under_yappi),
    "pyinstrument, async mode": ("pyinstrument", run_under_pyinstrument),
    "wigglystuff's AsyncFlow": ("wigglystuff", run_under_asyncflow),
}


def find_ways() -> dict[str, Callable[[], Size]]:
    """Return what can run here, and print what can't."""
    found = {}
    for name, (package, run) in WAYS.items():
        if package and not importlib.util.find_spec(package):
            print(f"{name} is skipped: `pip install {package}` to compare with it.")
        elif package == "wigglystuff" and sys.version_info < (3, 12):
            print(f"{name} is skipped: it needs Python 3.12.")
        else:
            found[name] = run
    return found


def measure(ways: dict[str, Callable[[], Size]], repeats: int) -> dict[str, dict[str, float]]:
    """Run all by turns; return the medians of CPU seconds, and the sizes."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    sizes: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(repeats + 1):
            for name, run in ways.items():
                gc.collect()
                began = time.process_time()
                size = run()
                spent = time.process_time() - began
                if turn:
                    seconds[name].append(spent)
                else:  # for warming up, and for its result
                    sizes[name] = size(Path(folder) / "result")
                del size
    return {name: {"seconds": median(seconds[name]), "bytes": sizes[name]} for name in ways}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the numbers in a file")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    options = parser.parse_args()
    found = measure(find_ways(), options.repeats)
    plain = found["plain"]["seconds"]
    most = found.get("viztracer, log_async", {"seconds": float("nan")})["seconds"] - plain
    print(f"{'':26} x plain   share of viztracer's overhead   bytes of the result")
    for name, row in found.items():
        row["ratio"], row["share"] = row["seconds"] / plain, (row["seconds"] - plain) / most
        print(f"{name:26} {row['ratio']:7.2f}  {row['share']:30.1%}   {row['bytes']:19,.0f}")
    if options.json:
        kept = {"python": platform.python_version(), "ways": found}
        options.json.write_text(json.dumps(kept, indent=1) + "\n")
