"""Lesson 13, coordinating: an office that sells no seat twice."""

import asyncio
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import exercise
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
async def judge_office(Office: Any) -> Check:
    """Sell to a crowd, to people without money, in two towns, in every order, and to a runaway."""
    verdict = await _sell_to_a_crowd(Office)
    for judge in (_sell_to_the_poor, _sell_in_two_towns, _sell_in_every_order, _sell_to_a_runaway):
        if not verdict.passed:
            break
        verdict = verdict.also(await judge(Office))
    return verdict


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
    offices: list[Any] = []

    async def main() -> dict[str, Any]:
        offices.append(office := office_of(2))
        names = list(purses.seconds)
        tickets = await asyncio.gather(*(office.sell(name, purses.pay) for name in names))
        late = await office.sell("Ada", purses.pay)
        return dict(zip([*names, "too late"], [*tickets, late], strict=True))

    verdict = await check(main, virtual=True)
    if verdict.error is not None or verdict.stopped:
        return verdict
    (office,) = offices
    sold, tickets = list(office.sold), verdict.value
    return (
        verdict.that(
            len(sold) <= 2,
            "no more tickets are sold than there are seats",
            hint=f"{len(sold)} tickets were sold for two seats.",
            stronger="between `if self.free == 0` and `self.free -= 1` there is an await: who else "
            "may look meanwhile?",
        )
        .that(
            len(sold) == 2 and office.free == 0,
            "both seats are sold, and none is free",
            hint=f"sold: {len(sold)}, free: {office.free}.",
            stronger="with each ticket that is sold there is one free seat less, not more and not "
            "fewer.",
        )
        .that(
            sorted(sold) == sorted(purses.paid),
            "who has paid has a ticket, and who has a ticket has paid, once",
            hint=f"{' and '.join(purses.paid) or 'nobody'} paid, and the tickets are for "
            f"{' and '.join(sold) or 'nobody'}.",
            stronger="nobody may be asked to pay as long as it isn't sure that there is a seat.",
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
    offices: list[Any] = []
    told: list[str] = []

    async def main() -> Any:
        offices.append(office := office_of(1))
        try:
            await office.sell("Bo", purses.pay)
        except ValueError:
            told.append("Bo")
        async with asyncio.timeout(30):
            return await office.sell("Ada", purses.pay)

    verdict = await check(main, virtual=True)
    stands_there = isinstance(verdict.error, TimeoutError)
    if stands_there:
        verdict = await check(_nothing, virtual=True)
    return verdict.that(
        not stands_there,
        "the office goes on after a payment has failed",
        hint="somebody had no money, and the next one is still waiting at the counter.",
        stronger="a lock that is taken has to be given back in any case: `async with` does that.",
    ).that(
        lambda: bool(told) and verdict.value is True and list(offices[0].sold) == ["Ada"],
        "a payment that fails goes out as an error, and its seat is free again",
        hint="Bo had no money and got "
        + (f"an error, and Ada, who has, got {verdict.value}." if told else "no error for it."),
        stronger="who takes the seat before the payment has to give it back if that fails, and "
        "then `raise`.",
    )


async def _nothing() -> None:
    pass


async def _sell_in_two_towns(office_of: Any) -> Check:
    purses = _Purses({"Ada": 2, "Bo": 2})

    async def main() -> None:
        await asyncio.gather(*(office_of(1).sell(name, purses.pay) for name in purses.seconds))

    return (await check(main, virtual=True)).took(
        seconds=2,
        hint="two offices with a customer each, and one of them waits for the other.",
        stronger="whose lock is it? Each office makes its own, in `__init__`.",
    )


async def _sell_in_every_order(office_of: Any) -> Check:
    names = ("Ada", "Bo", "Cy")

    async def sell_all() -> str:
        purses = _Purses(dict.fromkeys(names, 1))
        office = office_of(2)
        tickets = await asyncio.gather(*(office.sell(name, purses.pay) for name in names))
        good = len(office.sold) == 2 and sorted(office.sold) == sorted(purses.paid)
        return "right" if good and sorted(tickets) == [False, True, True] else "wrong"

    verdict = await check(_nothing, virtual=True)
    try:
        orders = every_order(sell_all, most=_MOST_ORDERS)
    except RuntimeError:
        # Whoever looks at a flag again and again has no end of orders, and may be right.
        return verdict
    wrong = sum(order.result != "right" for order in orders)
    return verdict.that(
        not wrong,
        f"it is right in all {len(orders)} orders of three people and two seats"
        if not wrong
        else f"it is right in every order: in {wrong} of {len(orders)} it is wrong",
        hint="look for a place where somebody else can take a turn between a look and what follows "
        "from it.",
        stronger="hold one lock from the look at self.free to the ticket, or have no await there.",
    )


async def _sell_to_a_runaway(office_of: Any) -> Check:
    purses = _Purses({"Bo": 10, "Ada": 1})
    offices: list[Any] = []

    async def main() -> Any:
        offices.append(office := office_of(1))
        runaway = asyncio.create_task(office.sell("Bo", purses.pay), name="Bo")
        await asyncio.sleep(1)
        runaway.cancel()
        await asyncio.wait([runaway])
        return await office.sell("Ada", purses.pay)

    verdict = await check(main, virtual=True)
    return verdict.that(
        lambda: verdict.value is True and list(offices[0].sold) == ["Ada"],
        "the seat of somebody who is cancelled while paying is free again",
        hint="Bo was cancelled while paying, and the seat is lost for Ada. Think of lesson 12.",
        stronger="a CancelledError is no Exception: `except BaseException:` with a `raise`, or "
        "`finally`.",
    ).nothing_left_running()
