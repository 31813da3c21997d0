"""The exercises of lesson 13: an office that sells no seat twice, and workers that pack."""

import asyncio
import math
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import AtOnce, as_list, end_of, exercise, grade_in_turn
from asyncteach.interleavings import every_order


@exercise(
    "the ticket office",
    lesson=13,
    starter="""\
class Office:
    def __init__(self, seats):
        self.free = seats
        self.sold = []

    async def sell(self, name, pay):
        if self.free == 0:
            return False
        await pay(name)
        self.free -= 1
        self.sold.append(name)
        return True
""",
    stronger="Each office makes a lock in `__init__`, and `async with self.lock:` goes from the "
    "look at self.free to the ticket. Or take the seat first, and give it back in "
    "`except BaseException:`, with a `raise`.",
)
async def grade_office(Office: Any) -> Check:
    """Change `Office` so that in no order more tickets are sold than there are seats."""
    return await grade_in_turn(
        _sell_to_a_crowd(Office),
        _sell_twice(Office, "when a payment fails", poor="Bo"),
        _sell_in_two_towns(Office),
        _sell_in_every_order(Office),
        _sell_twice(Office, "when a customer is cancelled while paying", cancel_after=1),
    )


class _Purses:
    """What people pay, how long it takes them, and who has no money."""

    def __init__(self, seconds: dict[str, float], poor: str = "") -> None:
        self.seconds = seconds
        self.poor = poor
        self.paid: list[str] = []

    async def pay(self, name: str) -> None:
        await asyncio.sleep(self.seconds[name])
        if name == self.poor:
            raise ValueError(f"{name} has no money")
        self.paid.append(name)


async def _sell_to_a_crowd(office_of: Any) -> Check:
    purses = _Purses({"Ada": 3, "Bo": 2, "Cy": 1, "Dee": 2})
    free, sold = 0, ["", ""]

    async def main() -> list[Any]:
        nonlocal free, sold
        office = office_of(2)
        tickets = await asyncio.gather(*(office.sell(name, purses.pay) for name in purses.seconds))
        late = await office.sell("Ada", purses.pay)
        free, sold = office.free, list(office.sold)
        return [*tickets, late]

    verdict = await check(main, virtual=True, name="Office")
    tickets = verdict.value or []
    got = [name for name, ticket in zip(purses.seconds, tickets, strict=False) if ticket is True]
    paid, names = (", ".join(one) or "no customer" for one in (purses.paid, sold))
    return (
        verdict.that(
            len(sold) == 2 and free == 0,
            "of two seats two are sold, and none is free",
            hint=f"Sold: {len(sold)}, free: {free}. Between which two lines may another task look "
            "at self.free?",
        )
        .that(
            sorted(sold) == sorted(purses.paid),
            "those who have paid have a ticket, and those who have a ticket have paid, once",
            hint=f"{paid} paid, and the tickets are for {names}. Pay only when a seat is kept.",
        )
        .that(
            sorted(got) == sorted(sold) and all(one in (True, False) for one in tickets),
            "sell() gives True to those who have a ticket and False to the others",
            hint=f"It gave {', '.join(map(str, tickets))}. Each way through it needs its return.",
        )
        .never_blocked()
    )


async def _sell_twice(
    office_of: Any, when: str, *, poor: str = "", cancel_after: float = math.inf
) -> Check:
    """Sell a single seat to Bo, who doesn't get it, and then to Ada."""
    purses = _Purses({"Bo": 2, "Ada": 1}, poor)

    async def main() -> Any:
        office = office_of(1)
        call = office.sell("Bo", purses.pay)
        first = await end_of(call, ValueError, cancel_after=cancel_after, name="Bo")
        second = await end_of(office.sell("Ada", purses.pay), cancel_after=30, name="Ada")
        return first, second, list(office.sold)

    verdict = await check(main, virtual=True, name="Office")
    first, second, sold = verdict.value or ("", "", [])
    second = "still waited after 30 s" if second == "was cancelled" else second
    return (
        verdict.that(
            first.startswith("raised") or not poor,
            "a payment that fails is raised as an error",
            hint=f"Bo had no money, and sell() {first}.",
        )
        .that(
            second == "returned True" and sold == ["Ada"],
            f"the seat is free again {when}",
            hint=f"Ada came next, and her sell() {second}. What gives the seat, or the lock, back? "
            "A cancellation is no Exception.",
        )
        .nothing_left_running()
    )


async def _sell_in_two_towns(office_of: Any) -> Check:
    purses = _Purses({"Ada": 2, "Bo": 2})

    async def main() -> None:
        await asyncio.gather(*(office_of(1).sell(name, purses.pay) for name in purses.seconds))

    return (await check(main, virtual=True, name="Office")).took(
        seconds=2, hint="Two offices with a customer each, and one of them waits for the other."
    )


async def _sell_in_every_order(office_of: Any) -> Check:
    names = ("Ada", "Bo", "Cy")

    async def sell_all() -> str:
        purses = _Purses(dict.fromkeys(names, 1))
        office = office_of(2)
        tickets = await asyncio.gather(*(office.sell(name, purses.pay) for name in names))
        good = len(office.sold) == 2 and sorted(office.sold) == sorted(purses.paid)
        return "right" if good and sorted(tickets) == [False, True, True] else "wrong"

    verdict = await check(asyncio.sleep(0), virtual=True, name="Office")
    try:
        orders = every_order(sell_all, most=3000)  # the usual answers have less than a hundred
    except RuntimeError:
        # An office that looks at a flag again and again has no end of orders, and may be right.
        return verdict
    wrong = sum(order.result != "right" for order in orders)
    return verdict.that(
        not wrong,
        f"it is right in all {len(orders)} orders of three people and two seats",
        hint=f"In {wrong} of them it is wrong. Where can another task take a turn between a look "
        "and what follows from it?",
    )


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
    stronger="Let a worker end when the queue is empty, instead of waiting in `queue.get()`, and "
    "start the workers in a TaskGroup: it stops the others when one fails, and raises its error.",
)
async def grade_parcels(pack_all: Any) -> Check:
    """Mend `pack_all` so that it comes back with what `pack` gave for each parcel, in order."""
    books = {"books": 5, "vase": 2, "lamp": 2, "shoes": 4}
    many = {str(number): 3 for number in range(9)}
    return await grade_in_turn(
        _pack(pack_all, books, workers=2, seconds=8),
        _pack(pack_all, many, workers=3, seconds=9),
        _pack(pack_all, {"one": 2}, workers=4, seconds=2),
        _pack(pack_all, {}, workers=2, seconds=0),
        _break_one(pack_all),
    )


class _Packing:
    """Parcels with the seconds that packing takes; one of them may fall apart."""

    def __init__(self, parcels: dict[str, int], broken: str = "") -> None:
        self.parcels = parcels
        self.broken = broken
        self.at_once = AtOnce()

    async def pack(self, parcel: str) -> str:
        with self.at_once:
            await asyncio.sleep(self.parcels[parcel])
        if parcel == self.broken:
            raise ValueError(f"the {parcel} fell apart")
        return f"parcel with {parcel}"


async def _pack(pack_all: Any, parcels: dict[str, int], *, workers: int, seconds: int) -> Check:
    packing = _Packing(parcels)

    async def main() -> Any:
        return as_list(await pack_all(list(parcels), packing.pack, workers))

    # What hangs here is the mistake of the exercise: it is stopped soon.
    verdict = await check(main, virtual=True, deadline=3, name="pack_all")
    most, wanted = packing.at_once.most, min(workers, len(parcels))
    verdict.result([f"parcel with {parcel}" for parcel in parcels]).that(
        most == wanted,
        f"{workers} workers pack {len(parcels)} parcels, each one at a time",
        hint=f"The most at once were {most}, expected {wanted}. Which tasks are the workers?",
    )
    if parcels:  # with none the workers may still begin and end
        verdict.took(seconds=seconds)
    return verdict.nothing_left_running()


async def _break_one(pack_all: Any) -> Check:
    parcels = {"books": 5, "vase": 2, "lamp": 2, "shoes": 4, "chess": 3, "coat": 3}
    packing = _Packing(parcels, broken="vase")

    async def main() -> str:
        call = pack_all(list(parcels), packing.pack, 2)
        return await end_of(call, ValueError, cancel_after=1000, name="pack_all")

    verdict = await check(main, virtual=True, name="pack_all")
    end = "still waited after 1000 s" if verdict.value == "was cancelled" else verdict.value
    return verdict.that(
        end == "raised ValueError",
        "an error of pack() reaches the caller",
        hint=f"A parcel fell apart, and pack_all {end}. Where does the worker's error go?",
    ).nothing_left_running()
