"""The exercise of lesson 5: a lock around what must stay together, and around nothing else."""

import asyncio
import inspect
import threading
import time
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import exercise

_SELLERS, _TICKETS = 3, 10
_PATIENCE = 2.0
"""Real seconds until a lock that is still taken counts as never given back."""


class _Over(BaseException):
    """Ends a seller at the next tool that it uses; no `except Exception` is in its way."""


class _Shop:
    """A card reader, a slow till and a lock, and what became of them."""

    def __init__(self, money: int) -> None:
        self.money = money
        self.is_closed = False
        self.is_stuck = False
        self.readers: list[int] = []
        """How many cards were being read, with each new one."""
        self._reading = 0
        self._lock = threading.Lock()

    def check_open(self) -> None:
        if self.is_closed:
            raise _Over

    def read_card(self) -> None:
        self.check_open()
        self._reading += 1
        self.readers.append(self._reading)
        time.sleep(0.008)
        self._reading -= 1

    # The till

    def look(self) -> int:
        self.check_open()
        money = self.money
        time.sleep(0.004)
        return money

    def put(self, money: int) -> None:
        self.money = money

    # The lock: like any other, but no seller waits for it for ever, or has it twice running.

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        self.check_open()
        limit = _PATIENCE if timeout < 0 else min(timeout, _PATIENCE)
        taken = self._lock.acquire(blocking, limit if blocking else -1)
        if not taken and blocking and timeout < 0:
            self.is_stuck = self.is_closed = True
            raise _Over
        return taken

    def release(self) -> None:
        self._lock.release()
        time.sleep(0.0005)

    def locked(self) -> bool:
        self.check_open()
        return self._lock.locked()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


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
async def grade_sell(sell: Any) -> Check:
    """Change `sell` so that no money is missing, and several cards are read at the same time."""
    shop, start = _Shop(100), 100
    errors: list[BaseException] = []
    coroutines: list[Any] = []

    def sell_some() -> None:
        try:
            for _ in range(_TICKETS):
                if inspect.iscoroutine(one := sell(shop.read_card, shop, shop)):
                    one.close()
                    coroutines.append(one)
        except _Over:
            pass
        except BaseException as error:
            errors.append(error)

    async def open_shop() -> int | None:
        sellers = [threading.Thread(target=sell_some, daemon=True) for _ in range(_SELLERS)]
        for seller in sellers:
            seller.start()
        all_ended = await asyncio.to_thread(_wait_for, sellers)
        shop.is_closed = True
        if errors:
            raise errors[0]
        return shop.money - start if all_ended else None

    verdict = await check(open_shop, deadline=30, name="sell")
    return _judge(verdict, shop, coroutines)


def _wait_for(sellers: list[threading.Thread]) -> bool:
    """Tell if all of them end within a while."""
    end = time.monotonic() + 2 * _PATIENCE
    for seller in sellers:
        seller.join(max(0.0, end - time.monotonic()))
    return not any(seller.is_alive() for seller in sellers)


def _judge(verdict: Check, shop: _Shop, coroutines: list[Any]) -> Check:
    wanted, sold = _SELLERS * _TICKETS, verdict.value
    but = "" if sold in (wanted, None) else f" (it's for {sold})"
    return (
        verdict.that(
            not shop.is_stuck,
            "a thread that takes the lock gives it back",
            hint="a thread waits for a lock that is never given back. Which thread has it?",
            stronger="`with lock:` gives it back by itself, at the end of its block.",
        )
        .that(
            sold is not None,
            "all tickets are sold",
            hint="some threads still sell. What does each of them wait for?",
            stronger="a lock or a till never becomes free by itself: what ends the waiting?",
        )
        .that(
            not coroutines,
            "sell works as soon as it's called",
            hint="these are threads, not tasks: what does the call of an `async def` do?",
            stronger="nothing here awaits what sell gives, so it has to be an ordinary function.",
        )
        .that(
            sold == wanted,
            f"the money for {wanted} tickets is in the till{but}",
            hint="between which two lines must no other thread come in?",
            stronger="from the look into the till until the money is in it no other thread may "
            "look, and all have to use the same lock for that.",
        )
        .that(
            len(shop.readers) == wanted,
            "each customer's card has been read",
            hint=f"read_card() was called {len(shop.readers)} times.",
            stronger="read_card() belongs to each ticket, once.",
        )
        .that(
            max(shop.readers, default=0) > 1,
            "several cards are read at the same time",
            hint="while one card is read, what do the other two threads wait for?",
            stronger="a card reader needs no lock: which lines are between taking it and giving it "
            "back?",
        )
    )
