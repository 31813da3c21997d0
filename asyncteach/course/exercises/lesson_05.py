"""The exercise of lesson 5: a lock around what must stay together, and around nothing else."""

import asyncio
import inspect
import threading
import time
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.checks.timeout import raise_in_thread
from asyncteach.course.exercises import exercise

_SELLERS, _TICKETS = 3, 10
_PATIENCE = 3.0
"""Real seconds until nobody gives a lock back any more."""


class _Stuck(Exception):
    """Nobody gives the lock back."""


class _Lock:
    """A lock like any other, but nobody waits for it for ever, and nobody has it twice running."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.locked = self._lock.locked
        self.is_stuck = False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        limit = _PATIENCE if timeout < 0 else min(timeout, _PATIENCE)
        if self.is_stuck:
            raise _Stuck
        taken = self._lock.acquire(blocking, limit if blocking else -1)
        if not taken and blocking and timeout < 0:
            self.is_stuck = True
            raise _Stuck
        return taken

    def release(self) -> None:
        self._lock.release()
        time.sleep(0.0005)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class _Till:
    """Where the money is: a slow one."""

    def __init__(self, money: int) -> None:
        self.money = money

    def look(self) -> int:
        money = self.money
        time.sleep(0.004)
        return money

    def put(self, money: int) -> None:
        self.money = money


@exercise(
    "the till",
    lesson=5,
    starter="""\
def sell(read_card, till, lock):
    read_card()
    money = till.look()
    till.put(money + 1)
""",
)
async def judge_sell(sell: Any) -> Check:
    """Change `sell` so that no money is missing, and several cards are read at the same time."""
    till, start = _Till(100), 100
    reading: list[str] = []
    at_once: list[int] = []
    errors: list[BaseException] = []
    plans: list[Any] = []

    def read_card() -> None:
        reading.append("busy")
        at_once.append(len(reading))
        time.sleep(0.008)
        reading.pop()

    lock = _Lock()

    def sell_some() -> None:
        try:
            for _ in range(_TICKETS):
                if inspect.iscoroutine(plan := sell(read_card, till, lock)):
                    plan.close()
                    plans.append(plan)
        except BaseException as error:
            errors.append(error)

    async def open_shop() -> int | None:
        if not await asyncio.to_thread(_run, sell_some):
            return None
        for error in errors:
            if not isinstance(error, _Stuck):
                raise error
        return till.money - start

    verdict = await check(open_shop, deadline=30, name="sell")
    sold = _SELLERS * _TICKETS
    return (
        verdict.that(
            not lock.is_stuck,
            "whoever takes the lock gives it back",
            hint="somebody waits for a lock that nobody gives back. Who has it, and since when?",
            stronger="`with lock:` gives it back by itself, at the end of its block.",
        )
        .that(
            verdict.value is not None,
            "all tickets are sold",
            hint="somebody still sells. What does each of them wait for?",
            stronger="no lock and no till is ever free by itself: what ends the waiting?",
        )
        .that(
            not plans,
            "sell works as soon as it's called",
            hint="these are threads and no tasks: what does the call of an `async def` do?",
            stronger="nobody here awaits what sell gives, so it has to be an ordinary function.",
        )
        .that(
            verdict.value == sold,
            f"the money for {sold} tickets is in the till"
            + ("" if verdict.value in (sold, None) else f" (it's for {verdict.value})"),
            hint="between which two lines must nobody else come in?",
            stronger="whoever has looked into the till has to put the money in before another one "
            "looks, and all have to use the same lock for that.",
        )
        .that(
            len(at_once) == sold,
            "each customer's card has been read",
            hint="what becomes of read_card()?",
            stronger="read_card() belongs to each ticket, once.",
        )
        .that(
            len(at_once) > 0 and max(at_once) > 1,
            "several cards are read at the same time",
            hint="while one card is read, what do the other two wait for?",
            stronger="a card reader needs no lock: which lines are between taking it and giving it "
            "back?",
        )
    )


def _run(sell_some: Any) -> bool:
    """Let three sell; return False if they are still there after a while, and are sent home."""
    sellers = [threading.Thread(target=sell_some, daemon=True) for _ in range(_SELLERS)]
    for seller in sellers:
        seller.start()
    end = time.monotonic() + 2 * _PATIENCE
    for seller in sellers:
        seller.join(max(0.0, end - time.monotonic()))
    left = [seller for seller in sellers if seller.is_alive()]
    for seller in left:
        raise_in_thread(seller.ident or 0)
    return not left
