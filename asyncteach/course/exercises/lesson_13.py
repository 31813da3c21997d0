"""The exercises of lesson 13: an office that sells no seat twice, and workers that pack."""

import asyncio
from collections.abc import Mapping
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import as_list, exercise, grade_in_turn
from asyncteach.interleavings import every_order

_MOST_ORDERS = 3000
"""Orders that are tried; the usual answers have fewer than a hundred."""


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
    task="Change `Office` so that in no order more tickets are sold than there are seats",
)
async def grade_office(Office: Any) -> Check:
    """Sell to a crowd, to people without money, in two towns, in every order, and to a runaway."""
    return await grade_in_turn(
        _sell_to_a_crowd(Office),
        _sell_to_the_poor(Office),
        _sell_in_two_towns(Office),
        _sell_in_every_order(Office),
        _sell_to_a_runaway(Office),
    )


class _Purses:
    """What people pay, how long it takes them, and who has no money."""

    def __init__(self, seconds: dict[str, float], poor: tuple[str, ...] = ()) -> None:
        self.seconds = seconds
        self.poor = poor
        self.paid: list[str] = []

    async def pay(self, name: str) -> None:
        await asyncio.sleep(self.seconds[name])
        if name in self.poor:
            raise ValueError(f"{name} has no money")
        self.paid.append(name)


async def _sell_to_a_crowd(office_of: Any) -> Check:
    purses = _Purses({"Ada": 3, "Bo": 2, "Cy": 1, "Dee": 2})
    free, sold = 0, ["", ""]

    async def main() -> dict[str, Any]:
        nonlocal free, sold
        office = office_of(2)
        names = list(purses.seconds)
        tickets = await asyncio.gather(*(office.sell(name, purses.pay) for name in names))
        late = await office.sell("Ada", purses.pay)
        free, sold = office.free, list(office.sold)
        return dict(zip([*names, "too late"], [*tickets, late], strict=True))

    verdict = await check(main, virtual=True, name="Office")
    tickets = verdict.value or {}
    return (
        verdict.that(
            len(sold) <= 2,
            "no more tickets are sold than there are seats",
            hint=f"{len(sold)} tickets were sold for two seats.",
            stronger="between `if self.free == 0` and `self.free -= 1` there is an await: which "
            "other task may look meanwhile?",
        )
        .that(
            len(sold) == 2 and free == 0,
            "both seats are sold, and none is free",
            hint=f"sold: {len(sold)}, free: {free}.",
            stronger="with each ticket that is sold there is one free seat less, not more and not "
            "fewer.",
        )
        .that(
            sorted(sold) == sorted(purses.paid),
            "those who have paid have a ticket, and those who have a ticket have paid, once",
            hint=f"{' and '.join(purses.paid) or 'nobody'} paid, and the tickets are for "
            f"{' and '.join(sold) or 'nobody'}.",
            stronger="a customer may pay only when a seat is kept for them.",
        )
        .that(
            sorted(name for name in tickets if tickets[name] is True) == sorted(sold)
            and all(ticket in (True, False) for ticket in tickets.values()),
            "sell() gives True to those who have a ticket and False to the others",
            hint=f"it gave {', '.join(map(str, tickets.values()))}.",
            stronger="each way through sell() needs its return.",
        )
        .never_blocked()
    )


async def _sell_to_the_poor(office_of: Any) -> Check:
    purses = _Purses({"Bo": 2, "Ada": 1}, poor=("Bo",))

    async def main() -> Any:
        office = office_of(1)
        raised = False
        try:
            await office.sell("Bo", purses.pay)
        except ValueError:
            raised = True
        try:
            async with asyncio.timeout(30):
                ticket = await office.sell("Ada", purses.pay)
        except TimeoutError:
            return None
        return raised, ticket, list(office.sold)

    verdict = await check(main, virtual=True, name="Office")
    raised, ticket, sold = verdict.value or (False, None, [])
    return verdict.that(
        verdict.value is not None,
        "the office goes on after a payment has failed",
        hint="Bo had no money, and 30 seconds later Ada is still waiting at the counter.",
        stronger="a lock that is taken has to be given back in any case: `async with` does that.",
    ).that(
        raised and ticket is True and sold == ["Ada"],
        "a payment that fails is raised as an error, and its seat is free again",
        hint="Bo had no money and got "
        + (f"an error, and Ada, who has, got {ticket}." if raised else "no error for it."),
        stronger="a sell() that takes the seat before the payment has to give it back if that "
        "fails, and then `raise`.",
    )


async def _sell_in_two_towns(office_of: Any) -> Check:
    purses = _Purses({"Ada": 2, "Bo": 2})

    async def main() -> None:
        await asyncio.gather(*(office_of(1).sell(name, purses.pay) for name in purses.seconds))

    return (await check(main, virtual=True, name="Office")).took(
        seconds=2,
        hint="two offices with a customer each, and one of them waits for the other.",
        stronger="where is the lock made? Each office makes its own, in `__init__`.",
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
        orders = every_order(sell_all, most=_MOST_ORDERS)
    except RuntimeError:
        # An office that looks at a flag again and again has no end of orders, and may be right.
        return verdict
    wrong = sum(order.result != "right" for order in orders)
    return verdict.that(
        not wrong,
        f"it is right in all {len(orders)} orders of three people and two seats"
        if not wrong
        else f"it is right in every order: in {wrong} of {len(orders)} it is wrong",
        hint="look for a place where another task can take a turn between a look and what follows "
        "from it.",
        stronger="hold one lock from the look at self.free to the ticket, or have no await there.",
    )


async def _sell_to_a_runaway(office_of: Any) -> Check:
    purses = _Purses({"Bo": 10, "Ada": 1})

    async def main() -> Any:
        office = office_of(1)
        runaway = asyncio.create_task(office.sell("Bo", purses.pay), name="Bo")
        await asyncio.sleep(1)
        runaway.cancel()
        await asyncio.wait([runaway])
        return await office.sell("Ada", purses.pay), list(office.sold)

    verdict = await check(main, virtual=True, name="Office")
    return verdict.that(
        verdict.value == (True, ["Ada"]),
        "the seat of a customer who is cancelled while paying is free again",
        hint="Bo was cancelled while paying, and the seat is lost for Ada. Think of lesson 12.",
        stronger="a CancelledError is no Exception: `except BaseException:` with a `raise`, or "
        "`finally`.",
    ).nothing_left_running()


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
async def grade_parcels(pack_all: Any) -> Check:
    """Pack with two and three workers, nothing at all, and a parcel that falls apart."""
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
    """Parcels that take so long to be packed, one of which may fall apart."""

    def __init__(self, parcels: Mapping[str, float], broken: str = "") -> None:
        self.parcels = parcels
        self.broken = broken
        self.most_at_once = 0
        self._at_once = 0

    async def pack(self, parcel: str) -> str:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await asyncio.sleep(self.parcels[parcel])
        finally:
            self._at_once -= 1
        if parcel == self.broken:
            raise ValueError(f"the {parcel} fell apart")
        return f"parcel with {parcel}"


async def _pack(
    pack_all: Any, parcels: Mapping[str, float], *, workers: int, seconds: float
) -> Check:
    given = list(parcels)
    packing = _Packing(parcels)

    async def main() -> Any:
        try:
            async with asyncio.timeout(1000):
                return as_list(await pack_all(given, packing.pack, workers))
        except TimeoutError:
            return "never"

    verdict = await check(main, virtual=True, name="pack_all")
    verdict.that(
        verdict.value != "never",
        "pack_all comes back",
        hint="all parcels are packed, and a task still waits. Which one, and for what?",
        stronger="`await queue.get()` waits for ever when nothing more is put in: let the workers "
        "look whether it is empty, or cancel them when all is done.",
    ).that(
        given == list(parcels) or bool(verdict.value),
        "there is a result for each parcel",
        hint="the list of the parcels was emptied on the way: what is the result made from?",
        stronger="the list belongs to the caller: take from a queue, or from a copy.",
    ).result([f"parcel with {parcel}" for parcel in parcels])
    if not parcels:
        return verdict.nothing_left_running()
    busy, most = min(workers, len(parcels)), packing.most_at_once
    return (
        verdict.that(
            most <= workers,
            f"at most {workers} parcels are packed at once (the most were {most})",
            hint=f"there are {workers} workers, and each packs one parcel at a time.",
            stronger="start as many tasks as there are workers, not as there are parcels.",
        )
        .that(
            most >= busy,
            f"{busy} parcels are packed at once (the most were {most})",
            hint=f"there are {workers} workers: which one does nothing, and why?",
            stronger="start all workers first, each as a task, and only then wait for them.",
        )
        .took(seconds=seconds)
        .nothing_left_running()
    )


async def _break_one(pack_all: Any) -> Check:
    parcels = {"books": 5, "vase": 2, "lamp": 2, "shoes": 4, "chess": 3, "coat": 3}
    packing = _Packing(parcels, broken="vase")

    async def main() -> Any:
        try:
            async with asyncio.timeout(1000):
                await pack_all(list(parcels), packing.pack, 2)
        except TimeoutError:
            return "never"
        except (ValueError, ExceptionGroup) as error:
            if isinstance(error, ExceptionGroup) and error.split(ValueError)[1]:
                raise
            return "raised"

    verdict = await check(main, virtual=True, name="pack_all")
    return (
        verdict.that(
            verdict.value != "never",
            "pack_all comes back when a parcel falls apart",
            hint="a worker ended with an error, and pack_all waits for it for ever.",
            stronger="queue.join() doesn't notice that a worker has failed: a TaskGroup does.",
        )
        .that(
            verdict.value == "raised",
            "an error of pack() reaches the caller",
            hint="pack() raised a ValueError, and pack_all didn't.",
            stronger="awaiting the workers gives their errors; cancelling them alone doesn't.",
        )
        .nothing_left_running()
    )
