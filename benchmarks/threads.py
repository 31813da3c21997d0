"""What record_threads() measures and what it costs: ratios from one run.

`python benchmarks/threads.py`, with `--json FILE` to keep the numbers. Turns: the median over the
switch interval, as record_threads() sees it and as threads see it that aren't traced and read the
clock themselves every few microseconds. On a busy machine both get longer alike. Costs: CPU time
recorded over plain, medians of repeats in turn. Takes about half a minute.
"""

import argparse
import contextlib
import json
import platform
import sys
import threading
import time
from array import array
from itertools import pairwise
from pathlib import Path
from statistics import median

from asyncteach.thread_recorder.record_threads import record_threads

REPEATS = 5
LEAST_GAP = 0.001  # seconds without a reading of the clock in which the GIL was elsewhere


def compute(seconds: float) -> None:
    """Run Python code for that long by the clock."""
    end = time.perf_counter() + seconds
    total = 0
    while time.perf_counter() < end:
        for number in range(300):
            total += number


def run_threads(count: int, work, *args) -> None:
    threads = [threading.Thread(target=work, args=(*args, n)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def watched_turns(count: int, seconds: float) -> dict[str, float]:
    """Return what record_threads() measures of threads that compute."""
    with record_threads() as recording:
        run_threads(count, lambda _: compute(seconds))
    measures = recording.trace.measures
    return {
        "turn": measures.kept / measures.interval,
        "overlap %": 100 * measures.overlap / recording.seconds,
        "switches": measures.switches,
        "stamp us": measures.apart * 1e6,
    }


def own_turns(count: int, seconds: float) -> float:
    """Return the same median from stamps of the threads' own, without any tracing."""
    logs = [array("d") for _ in range(count)]

    def work(number: int) -> None:
        stamp, end = logs[number].append, time.perf_counter() + seconds
        now = total = 0
        while now < end:
            for step in range(300):
                total += step
            now = time.perf_counter()
            stamp(now)

    run_threads(count, work)
    turns = []
    for log in logs:
        began = before = log[0]
        for now in log[1:]:
            if now - before > LEAST_GAP:
                turns.append((began, before, log))
                began = now
            before = now
    # A thread that only lacked a processor was followed by itself.
    turns.sort(key=lambda turn: turn[0])
    turns = [turn for turn, after in pairwise(turns) if turn[2] is not after[2]]
    kept = [after[1] - turn[1] for turn, after in pairwise(turns)]
    return median(kept) / sys.getswitchinterval()


def tight_loop() -> None:
    total = 0
    for number in range(300_000):
        total += number


def small_calls() -> None:
    def double(number: int) -> int:
        return number + number

    for number in range(100_000):
        double(number)


def calls_into_c() -> None:
    some: list[int] = []
    for _ in range(100_000):
        some.append(len(some))


def heavy_calls() -> None:
    for _ in range(20):
        sum(range(200_000))


def naps() -> None:
    for _ in range(20):
        time.sleep(0.002)


def compare(work) -> float:
    """Return how many times longer the work takes that is watched, by the clock."""
    ratios = []
    for turn in range(REPEATS):
        took = {}
        ways = (contextlib.nullcontext, record_threads)
        for around in ways[:: 1 if turn % 2 else -1]:
            with around():
                began = time.perf_counter()
                work()
                took[around] = time.perf_counter() - began
        ratios.append(took[record_threads] / took[contextlib.nullcontext])
    return median(ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the numbers in a file")
    options = parser.parse_args()
    before, rows = sys.getswitchinterval(), []
    print("threads  interval ms  turn/interval  own stamps  overlap %  switches")
    for count in (2, 3):
        for interval in (0.0025, 0.005, 0.010, 0.020):
            sys.setswitchinterval(interval)
            seconds = 60 * interval
            found = {"threads": count, "interval ms": interval * 1000}
            found |= watched_turns(count, seconds)
            found["own turn"] = own_turns(count, seconds)
            sys.setswitchinterval(before)
            rows.append(found)
            said = f"{count:7}  {interval * 1000:11g}  {found['turn']:13.2f}"
            said += f"  {found['own turn']:10.2f}  {found['overlap %']:9.3f}"
            print(f"{said}  {found['switches']:8}", flush=True)
    print("\nwatched over plain, by the clock")
    works = (tight_loop, small_calls, calls_into_c, heavy_calls, naps)
    ratios = {work.__name__: compare(work) for work in works}
    for name, ratio in ratios.items():
        print(f"{name.replace('_', ' '):20} {ratio:6.2f}")
    if options.json:
        kept = {"python": platform.python_version(), "turns": rows, "ratios": ratios}
        options.json.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
