"""What virtual time costs: a jump over a step of plain asyncio, and forty minutes in a kernel.

Run it: `python benchmarks/virtual_time.py`. The project promises that forty minutes of sleep in
a kernel's cell take less than 50 ms, which is 1/48,000 of the time.
"""

import asyncio
import random
import time
from statistics import median

from jupyter_client.manager import start_new_kernel

from asyncteach import virtual_time

CELL = """
import asyncio, time
from asyncteach import virtual_time
clock = time.perf_counter
began = clock()
with virtual_time():
    await asyncio.sleep(40 * 60)
print(clock() - began)
"""


async def steps(pause) -> float:
    """Return the seconds of a step, for 300 tasks of 20 steps each."""

    async def work() -> None:
        for _ in range(20):
            await asyncio.sleep(pause())

    began = time.perf_counter()
    await asyncio.gather(*[work() for _ in range(300)])
    return (time.perf_counter() - began) / 6000


def jump() -> float:
    """Return the real seconds of a step that is a jump of the clock."""
    clock = time.perf_counter

    async def main() -> None:
        with virtual_time():
            await steps(lambda: random.random() * 60)

    began = clock()
    asyncio.run(main())
    return (clock() - began) / 6000


def forty_minutes() -> list[float]:
    """Return the real seconds of forty virtual minutes in a kernel, for five cells in a row."""
    manager, client = start_new_kernel()
    printed: list[str] = []

    def listen(message) -> None:
        if message["msg_type"] == "stream":
            printed.append(message["content"]["text"])

    try:
        for _ in range(5):
            client.execute_interactive(CELL, output_hook=listen, timeout=60)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return [float(text) for text in printed]


if __name__ == "__main__":
    ratios = sorted(jump() / asyncio.run(steps(lambda: 0)) for _ in range(7))
    print("a jump over a plain sleep(0): lowest, median, highest of 7")
    print(f"{ratios[0]:.1f}  {median(ratios):.1f}  {ratios[-1]:.1f}")
    cells = sorted(forty_minutes())
    print("forty minutes in a kernel's cell, in ms: lowest, median, highest of 5")
    print(f"{cells[0] * 1e3:.1f}  {median(cells) * 1e3:.1f}  {cells[-1] * 1e3:.1f}")
