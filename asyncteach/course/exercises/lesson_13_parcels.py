"""Lesson 13, coordinating: workers that pack all parcels and go home."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import exercise


@exercise(
    "the parcels",
    lesson=13,
    starter="""\
async def pack_all(parcels, pack, workers):
    queue, packed = asyncio.Queue(), {}
    for parcel in parcels:
        queue.put_nowait(parcel)

    async def work():
        while True:
            parcel = await queue.get()
            packed[parcel] = await pack(parcel)

    await asyncio.gather(*(work() for _ in range(workers)))
    return [packed[parcel] for parcel in parcels]
""",
    task="Mend `pack_all` so that it comes back with what `pack` gave for each parcel, in order",
)
async def judge_parcels(pack_all: Any) -> Check:
    """Pack with two and three workers, nothing at all, and a parcel that falls apart."""
    books = {"books": 5, "vase": 2, "lamp": 2, "shoes": 4}
    verdict = await _pack(pack_all, books, workers=2, seconds=8)
    if verdict.passed:
        many = {str(number): 3 for number in range(9)}
        verdict = verdict.also(await _pack(pack_all, many, workers=3, seconds=9))
    if verdict.passed:
        verdict = verdict.also(await _pack(pack_all, {"one": 2}, workers=4, seconds=2))
    if verdict.passed:
        verdict = verdict.also(await _pack(pack_all, {}, workers=2, seconds=0))
    if verdict.passed:
        verdict = verdict.also(await _break_one(pack_all))
    return verdict


def _packer(parcels: Mapping[str, float], broken: str = "") -> Callable[[str], Awaitable[str]]:
    async def pack(parcel: str) -> str:
        await asyncio.sleep(parcels[parcel])
        if parcel == broken:
            raise ValueError(f"the {parcel} fell apart")
        return f"parcel with {parcel}"

    return pack


async def _pack(
    pack_all: Any, parcels: Mapping[str, float], *, workers: int, seconds: float
) -> Check:
    given = list(parcels)

    async def main() -> Any:
        try:
            async with asyncio.timeout(1000):
                result = await pack_all(given, _packer(parcels), workers)
        except TimeoutError:
            return "never"
        return list(result) if isinstance(result, tuple) else result

    verdict = await check(main, virtual=True)
    verdict.that(
        verdict.value != "never",
        "pack_all comes back",
        hint="all parcels are packed, and somebody still waits. Who, and for what?",
        stronger="`await queue.get()` waits for ever when nothing more is put in: let the workers "
        "look whether it is empty, or cancel them when all is done.",
    ).that(
        given == list(parcels) or bool(verdict.value),
        "there is a result for each parcel",
        hint="the list of the parcels was emptied on the way: what is the result made from?",
        stronger="the list belongs to the caller: take from a queue, or from a copy, what is to be "
        "taken out.",
    ).result([f"parcel with {parcel}" for parcel in parcels])
    if not parcels:
        return verdict.nothing_left_running()
    busy = min(workers, len(parcels))
    return (
        verdict.at_most(
            workers,
            "pack",
            hint=f"there are {workers} workers, and each packs one parcel at a time.",
            stronger="start as many tasks as there are workers, not as there are parcels.",
        )
        .at_least(
            busy,
            "pack",
            hint=f"there are {workers} workers: who does nothing, and why?",
            stronger="start all workers first, each as a task, and only then wait for them.",
        )
        .took(
            seconds=seconds,
            hint="a worker who has packed a parcel takes the next one at once.",
            stronger="all workers take from the same queue; none waits for the others in between.",
        )
        .nothing_left_running(
            hint="the parcels are packed, and a worker still stands there.",
            stronger="who is started is waited for; a worker that waits for ever is cancelled.",
        )
    )


async def _break_one(pack_all: Any) -> Check:
    parcels = {"books": 5, "vase": 2, "lamp": 2, "shoes": 4, "chess": 3, "coat": 3}
    told: list[bool] = []

    async def main() -> Any:
        try:
            async with asyncio.timeout(1000):
                return await pack_all(list(parcels), _packer(parcels, broken="vase"), 2)
        except TimeoutError:
            return "never"
        except (ValueError, ExceptionGroup) as error:
            if isinstance(error, ExceptionGroup) and error.split(ValueError)[1]:
                raise
            told.append(True)

    verdict = await check(main, virtual=True)
    return (
        verdict.that(
            verdict.value != "never",
            "pack_all comes back when a parcel falls apart",
            hint="a worker had an error and went, and somebody waits for it for ever.",
            stronger="queue.join() doesn't notice that a worker has failed: a TaskGroup does.",
        )
        .that(
            bool(told),
            "an error of pack() goes out to the caller",
            hint="pack() raised a ValueError, and the caller never heard of it.",
            stronger="who awaits the workers gets their errors; who only cancels them doesn't ask.",
        )
        .nothing_left_running(
            hint="one parcel fell apart, and the other worker packs on although nobody waits.",
            stronger="gather leaves the others alone when one fails, a TaskGroup cancels them.",
        )
    )
