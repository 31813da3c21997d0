"""What `enable_asyncio_run()` costs: tasks inside a nested run over the same tasks without it.

Run it: `python benchmarks/nested_run.py`. Tasks are pure Python in a nested run up to 3.13.
"""

import asyncio
import contextlib
import io
import time
from statistics import median

from asyncteach import disable_asyncio_run, enable_asyncio_run


async def sleeps() -> None:
    """Take 200 steps."""
    for _ in range(200):
        await asyncio.sleep(0)


async def hand_over() -> None:
    """Take 200 steps, each a message through a queue."""
    queue: asyncio.Queue[int] = asyncio.Queue(1)

    async def put() -> None:
        for number in range(100):
            await queue.put(number)

    putting = asyncio.create_task(put())
    for _ in range(100):
        await queue.get()
    await putting


async def seconds(work) -> float:
    """Return how long a hundred of them take together."""
    began = time.perf_counter()
    await asyncio.gather(*[work() for _ in range(100)])
    return time.perf_counter() - began


async def ratios(work) -> list[float]:
    """Return nested over plain, of interleaved measurements, in order."""
    found = []
    for _ in range(9):
        plain = await seconds(work)
        with contextlib.redirect_stdout(io.StringIO()):
            enable_asyncio_run()
        nested = asyncio.run(seconds(work))
        with contextlib.redirect_stdout(io.StringIO()):
            disable_asyncio_run()
        found.append(nested / plain)
    return sorted(found)


async def main() -> None:
    """Print a line for each kind of step."""
    print("nested over plain: lowest, median, highest of 9")
    for work in (sleeps, hand_over):
        found = await ratios(work)
        print(f"{work.__name__:10} {found[0]:.2f}  {median(found):.2f}  {found[-1]:.2f}")


if __name__ == "__main__":
    asyncio.run(main())
