"""The exercise of lesson 8: a lock, made of nothing but futures."""

import asyncio
import math
from inspect import isawaitable
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import AtOnce, exercise, grade_in_turn


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
    stronger="Each baker that waits queues a future of its own and awaits it. `give_back` sets the "
    "first one's result and leaves the oven taken, or another baker may come in between.",
)
async def grade_oven(Oven: Any) -> Check:
    """Write `take`, which waits until the oven is yours, and `give_back`, which hands it on."""
    # Ada wants it again as soon as she has given it back; Eve comes when it's free again.
    one = _Bakery({"Ada": 0, "Bo": 1, "Cy": 2, "Eve": 40}, ["Ada", "Bo", "Cy", "Ada", "Eve"])
    # Two ovens at once, and a longer queue.
    flo = {"Flo": 0, "Gus": 0.5, "Hal": 1, "Ida": 1.5, "Jo": 2}
    two = _Bakery(flo, list(flo)), _Bakery({"Kit": 0, "Lea": 0.25}, ["Kit", "Lea"])
    return await grade_in_turn(_bake(Oven, one), _bake(Oven, *two))


class _Bakery:
    """Bakers who come at their times, and what was seen of them and their oven."""

    def __init__(self, arrivals: dict[str, float], order: list[str]) -> None:
        self.arrivals = arrivals
        self.expected = order
        self.order: list[str] = []
        self.inside = AtOnce()
        self.futures = 0
        self.idle = 0.0
        """The longest time that a baker waited though the oven was free."""
        self._free_since = -math.inf

    async def open(self, Oven: Any) -> None:
        oven = Oven(self._make_future)
        await asyncio.gather(*(self._bake(oven, name) for name in self.arrivals))

    def _make_future(self) -> "asyncio.Future[Any]":
        self.futures += 1
        return asyncio.get_running_loop().create_future()

    async def _bake(self, oven: Any, name: str) -> None:
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(self.arrivals[name])
        for _ in range(self.expected.count(name)):
            came = clock()
            await oven.take()
            self.order.append(name)
            self.idle = max(self.idle, clock() - max(came, self._free_since))
            with self.inside:
                await asyncio.sleep(4.37)
            self._free_since = clock()
            if isawaitable(given := oven.give_back()):  # an async method is as good
                await given


async def _bake(Oven: Any, *bakeries: _Bakery) -> Check:
    async def open_all() -> None:
        await asyncio.gather(*(bakery.open(Oven) for bakery in bakeries))

    verdict = await check(open_all, virtual=True, name="one oven")
    for bakery in bakeries:
        (
            verdict.that(
                bakery.inside.most <= 1,
                "there is only one cake in the oven at a time",
                hint="What does `take` wait for when another baker has the oven?",
            )
            .that(
                bakery.futures > 0,
                "a baker that waits awaits a future of make_future()",
                hint="`take` waited and never called make_future(). Don't look again and again, "
                "and use nothing that knows only asyncio's loop, such as its locks.",
            )
            .that(
                bakery.idle < 1e-6,
                "a baker that waits has the oven as soon as it is given back",
                hint=f"A baker waited for {bakery.idle:.3g} s more. Which future does `give_back` "
                "set?",
            )
            .that(
                bakery.order == bakery.expected,
                f"the oven goes to {', '.join(bakery.expected)}, in this order",
                hint=f"It went to {', '.join(bakery.order)}. First come, first served: which "
                "future does `give_back` take out of the queue?",
            )
        )
    return verdict.nothing_left_running()
