"""The event loop of lesson 8: as short as it says, and in the same order as asyncio."""

import asyncio
import heapq
import random
import re
from collections import deque
from itertools import count
from types import SimpleNamespace

import pytest
from lesson import NOTEBOOKS, read_lesson

from asyncteach import virtual_time

(NOTEBOOK,) = NOTEBOOKS.glob("08-*.ipynb")
TOOLS = {"deque": deque, "count": count, "heapq": heapq, "SimpleNamespace": SimpleNamespace}
PARTS = ["loop-itself"] + [
    f"define-{part}" for part in ("future", "task", "gather", "sleep", "ring", "run-again")
]


@pytest.fixture(scope="module")
def cells():
    return {cell.id: cell.source for cell in read_lesson(NOTEBOOK).cells}


def test_the_loop_has_forty_lines(cells):
    """Blank lines and imports aside; and what is folded away is what was built."""
    source = "\n\n\n".join(cells[part] for part in PARTS)
    assert len([line for line in source.splitlines() if line.strip()]) == 40
    assert re.search(r"```python\n(.*?)\n```", cells["forty"], re.S)[1] == source


@pytest.mark.parametrize("seed", range(12))
def test_the_order_is_that_of_asyncio(cells, seed):
    """Tasks that sleep, start others and wait for them do it in the same order and time."""
    ours = dict(TOOLS)
    for part in PARTS:
        exec(cells[part], ours)
    mine, theirs = [], []
    ours["run"](make_program(seed, mine)(ours["sleep"], ours["gather"]))

    async def on_asyncio():
        with virtual_time() as clock:
            await make_program(seed, theirs)(asyncio.sleep, asyncio.gather)
            return clock.seconds

    assert asyncio.run(on_asyncio()) == pytest.approx(ours["loop"].now)
    assert mine == theirs
    assert len(mine) > 2


def make_program(seed, log):
    """Return a program that writes down what happens; it waits for no two moments alike."""
    chance = random.Random(seed)

    def waits(most):
        return [chance.uniform(0.1, 9) for _ in range(chance.randint(1, most))]

    plans = [(f"task {n}", waits(5), waits(2)) for n in range(chance.randint(2, 6))]

    async def main(sleep, gather):
        async def work(name, waits, others):
            log.append(f"{name} begins")
            for number, seconds in enumerate(waits):
                await sleep(seconds)
                log.append(f"{name}, wait {number}")
            inner = [work(f"{name}, part {n}", [wait], []) for n, wait in enumerate(others)]
            log.append(await gather(*inner))
            return f"{name} ends"

        log.append(await gather(*(work(*plan) for plan in plans)))

    return main
