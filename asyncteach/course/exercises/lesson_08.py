"""The exercise of lesson 8: a lock, made of nothing but futures."""

import asyncio
from inspect import isawaitable
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import exercise

_LOOK_AT = 1.5
"""Virtual seconds after which Ada has the oven and Bo waits for it."""


@exercise(
    "one oven",
    lesson=8,
    starter="""\
class Oven:
    def __init__(self, make_future):
        self.make_future = make_future
        self.is_taken = False
        self.queue = deque()

    async def take(self): ...

    def give_back(self): ...
""",
)
async def grade_oven(Oven: Any) -> Check:
    """Write `take`, which waits until the oven is yours, and `give_back`, which hands it on."""
    bakery = _Bakery(Oven)
    # Ada wants it again as soon as she has given it back; Eve comes when it's free again.
    verdict = await check(
        lambda: bakery.open({"Ada": 0, "Bo": 1, "Cy": 2, "Eve": 40}, twice="Ada"),
        virtual=True,
        name="one oven",
    )
    _judge(verdict, bakery, ["Ada", "Bo", "Cy", "Ada", "Eve"])
    if not verdict.passed:
        return verdict
    # Two ovens at once, and a longer queue.
    first, second = _Bakery(Oven), _Bakery(Oven)

    async def both() -> None:
        await asyncio.gather(
            first.open({"Flo": 0, "Gus": 0.5, "Hal": 1, "Ida": 1.5, "Jo": 2}),
            second.open({"Kit": 0, "Lea": 0.25}),
        )

    other = await check(both, virtual=True, name="two ovens")
    _judge(other, first, ["Flo", "Gus", "Hal", "Ida", "Jo"])
    _judge(other, second, ["Kit", "Lea"])
    return verdict.also(other)


def _judge(verdict: Check, bakery: "_Bakery", order: list[str]) -> None:
    (
        verdict.that(
            bakery.most <= 1,
            "there is only one cake in the oven at a time",
            hint="What does `take` wait for when another baker has the oven?",
            stronger="An oven that is handed to the next baker is taken from that moment on, and "
            "not only from when they go on: another baker may come in between.",
            start=bakery.crowded_at,
            end=bakery.crowded_at,
        )
        .that(
            bakery.futures > 0,
            "a baker that waits awaits a future of make_future()",
            hint="`take` waited and never called make_future(). Don't look again and again, and "
            "use nothing that knows only asyncio's loop, such as its locks.",
            stronger="Call self.make_future() in `take`, queue what it gives, await it.",
        )
        .that(
            bakery.idle < 1e-6,
            "a baker that waits has the oven as soon as it is given back",
            hint=f"a baker waited for {bakery.idle:.3g} s more. Which future does `give_back` set?",
            stronger="Each baker that waits puts a future of its own into the queue and awaits it.",
            start=bakery.late_at,
            end=bakery.late_at,
        )
        .that(
            bakery.order == order,
            f"the oven goes to {', '.join(order)}, in this order",
            hint=f"It went to {', '.join(bakery.order)}. Who came first gets it first: which "
            "future does `give_back` take out of the queue?",
            stronger="As long as a baker waits the oven isn't free in between, or one that comes "
            "just then jumps the queue: leave `is_taken` as it is and wake the first.",
            start=bakery.when_not(order),
            end=bakery.when_not(order),
        )
        .nothing_left_running()
    )


class _Bakery:
    """Bakers who come at their times, and what could be seen of them and their oven."""

    def __init__(self, Oven: Any) -> None:
        self._make_oven = Oven
        self.order: list[str] = []
        self.most = 0
        self.idle = 0.0
        """How long a baker was kept waiting though the oven was free."""
        self.crowded_at: float | None = None
        self.late_at: float | None = None
        self.futures = 0
        self._taken_at: list[float] = []
        self._began = 0.0
        self._waiting = 0
        self._inside = 0
        self._free_since = 0.0

    def when_not(self, order: list[str]) -> float | None:
        """Return when a baker had the oven whose turn it wasn't."""
        turns = zip(self.order, order, self._taken_at, strict=False)
        return next((at for name, turn, at in turns if name != turn), None)

    async def open(self, arrivals: dict[str, float], twice: str = "") -> None:
        self._began = asyncio.get_running_loop().time()
        oven = self._make_oven(self._make_future)
        bakers = [
            asyncio.create_task(self._bake(oven, name, at, 1 + (name == twice)), name=name)
            for name, at in arrivals.items()
        ]
        # What waits without a future keeps the loop busy, perhaps for so long that it depends on
        # the machine how far it gets: what is wrong with it is known already.
        failed, _ = await asyncio.wait(
            bakers, timeout=_LOOK_AT, return_when=asyncio.FIRST_EXCEPTION
        )
        if self._waiting and not self.futures and not failed:
            for baker in bakers:
                baker.cancel()
            await asyncio.wait(bakers)
        else:
            await asyncio.gather(*bakers)

    def _make_future(self) -> "asyncio.Future[Any]":
        self.futures += 1
        return asyncio.get_running_loop().create_future()

    async def _bake(self, oven: Any, name: str, arrives: float, times: int) -> None:
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(arrives)
        for _ in range(times):
            came = clock() - self._began
            self._waiting += 1
            await oven.take()
            self._waiting -= 1
            now = clock() - self._began
            self.order.append(name)
            self._taken_at.append(now)
            kept_waiting = now - max(came, self._free_since)
            if kept_waiting > self.idle:
                self.idle, self.late_at = kept_waiting, now
            self._inside += 1
            if self._inside > self.most:
                self.most, self.crowded_at = self._inside, now
            await asyncio.sleep(4.37)
            self._inside -= 1
            self._free_since = clock() - self._began
            if isawaitable(given := oven.give_back()):  # an async method is as good
                await given
