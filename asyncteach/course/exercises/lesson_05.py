"""The exercise of lesson 5: a lock around what must stay together, and around nothing else."""

import asyncio
import inspect
import threading
import time
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import AtOnce, exercise

_SELLERS, _TICKETS = 3, 10
_PATIENCE = 4.0
"""Real seconds after which the shop closes."""


class _Closed(BaseException):
    """Ends a seller at the next tool it uses; `except Exception` doesn't catch it."""


class _Shop:
    """A card reader, a slow till and a lock, which can be used until the shop closes."""

    def __init__(self) -> None:
        self.money = 100
        self.cards = 0
        self.readers = AtOnce()
        self.closes = time.monotonic() + _PATIENCE
        self._lock = threading.Lock()

    def check_open(self) -> None:
        if time.monotonic() > self.closes:
            raise _Closed

    def read_card(self) -> None:
        self.check_open()
        self.cards += 1
        with self.readers:
            time.sleep(0.008)

    # The till

    def look(self) -> int:
        self.check_open()
        money = self.money
        time.sleep(0.004)
        return money

    def put(self, money: int) -> None:
        self.money = money

    # The lock: like any other, except that the wait for it ends when the shop closes

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        self.check_open()
        if not blocking or timeout >= 0:
            return self._lock.acquire(blocking, timeout)
        if not self._lock.acquire(timeout=max(0.0, self.closes - time.monotonic())):
            raise _Closed
        return True

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
    stronger="`with lock:` belongs from the look into the till until the money is in it; a card "
    "reader needs no lock.",
)
async def grade_sell(sell: Any) -> Check:
    """Change `sell` so that no money is missing, and several cards are read at the same time."""
    shop = _Shop()
    start = shop.money
    errors: list[BaseException] = []
    coroutines: list[Any] = []
    done: list[bool] = []

    def sell_some() -> None:
        try:
            for _ in range(_TICKETS):
                if inspect.iscoroutine(one := sell(shop.read_card, shop, shop)):
                    one.close()
                    coroutines.append(one)
            done.append(True)
        except _Closed:
            pass
        except BaseException as error:
            errors.append(error)

    async def open_shop() -> int:
        sellers = [threading.Thread(target=sell_some, daemon=True) for _ in range(_SELLERS)]
        for seller in sellers:
            seller.start()
        for seller in sellers:
            await asyncio.to_thread(seller.join, max(0, shop.closes + 1 - time.monotonic()))
        if errors:
            raise errors[0]
        return shop.money - start

    verdict = await check(open_shop, deadline=30, name="sell")
    wanted = _SELLERS * _TICKETS
    return (
        verdict.that(
            not coroutines,
            "sell works as soon as it's called",
            hint="These are threads, not tasks: what does the call of an `async def` do?",
        )
        .that(
            len(done) == _SELLERS,
            f"all tickets are sold within {_PATIENCE:g} seconds",
            hint="Some threads still wait then: `with lock:` gives the lock back at the end of its "
            "block, and a lock or a till never becomes free by itself.",
        )
        .that(
            verdict.value == wanted,
            f"the money for {wanted} tickets is in the till",
            hint=f"It's for {verdict.value}. Between which two lines must no other thread come in?",
        )
        .that(
            shop.cards == wanted,
            "each customer's card has been read",
            hint=f"Calls of read_card(): {shop.cards}.",
        )
        .that(
            shop.readers.most > 1,
            "several cards are read at the same time",
            hint="While one card is read, what do the other two threads wait for?",
        )
    )
