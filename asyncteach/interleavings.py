"""every_order(): run a program once for each order in which its tasks can take turns."""

import asyncio
import contextlib
import inspect
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from asyncteach.formatting import clip, pad, width
from asyncteach.interleaving.search import Search
from asyncteach.interleaving.turns import TurnLoop

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Order", "Orders", "every_order"]

MOST_TURNS = 10_000
"""Turns in one order before it counts as one that never ends."""

_SHOWN = 30
"""Orders that are shown in characters."""


@dataclass(frozen=True)
class Order:
    """One order in which the tasks took turns, and what came of it.

    `steps` names whose turn it was, from one await to the next. `result` is what the program
    returned, `error` what it raised, or None. `stuck` is true if nobody could go on, since each
    waited for another; `left` names the tasks that hadn't ended when the program had.

    >>> Order(("Ada", "Bo"), 3, None, False, ())
    Ada, Bo: 3
    """

    steps: tuple[str, ...]
    result: Any
    error: BaseException | None
    stuck: bool
    left: tuple[str, ...]

    @property
    def outcome(self) -> str:
        """What came of it, in a few words: the result, the exception, or that it is stuck."""
        if self.stuck:
            return f"stuck: {', '.join(self.left) or 'main'}"
        return repr(self.result) if self.error is None else repr(self.error)

    def __repr__(self) -> str:
        return f"{', '.join(self.steps)}: {self.outcome}"


class Orders(Sequence[Order]):
    """All the orders of a program: a sequence of `Order`, and a table of them.

    >>> async def main():
    ...     return "done"
    >>> every_order(main).count_outcomes()
    {"'done'": 1}
    """

    def __init__(self, orders: Sequence[Order]) -> None:
        self._orders = tuple(orders)

    @overload
    def __getitem__(self, place: int) -> Order: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Order]: ...
    def __getitem__(self, place: int | slice) -> Order | Sequence[Order]:
        return self._orders[place]

    def __len__(self) -> int:
        return len(self._orders)

    def count_outcomes(self) -> dict[str, int]:
        """Return in how many of the orders each outcome came, the most frequent first."""
        return dict(Counter(order.outcome for order in self).most_common())

    def to_frame(self) -> "DataFrame":
        """Return a row for each order: whose turn it was, and what came of it."""
        import pandas as pd

        return pd.DataFrame(
            {
                "order": [", ".join(order.steps) for order in self],
                "result": [order.outcome for order in self],
            },
            index=pd.RangeIndex(1, len(self) + 1),
        )

    def __repr__(self) -> str:
        rows = [(clip(", ".join(order.steps), 70), order.outcome) for order in self[:_SHOWN]]
        columns = max(width(steps) for steps, _ in rows)
        lines = [f"{pad(steps, columns)}  {clip(outcome, 60)}" for steps, outcome in rows]
        if len(self) > _SHOWN:
            lines.append(f"... and {len(self) - _SHOWN:,} more")
        counts = ", ".join(f"{clip(o, 60)} in {n:,}" for o, n in self.count_outcomes().items())
        return "\n".join([*lines, f"{len(self):,} order{'s' * (len(self) > 1)}: {counts}"])


def every_order(program: Callable[[], Coroutine[Any, Any, Any]], *, most: int = 1000) -> Orders:
    """Run an async function again and again, in every order in which its tasks can take turns.

    A turn goes from one `await` that waits to the next. Whenever more than one task could go on,
    each of them is tried, and a sleep may end before or after any other: it stands for an answer
    that takes as long as it takes. So this is more than one event loop would do with your code; a
    program that is right in all of these orders is right whatever it has to wait for.

    `program` takes no arguments, starts its tasks itself (`gather`, `TaskGroup`, `create_task` with
    a `name=`), makes all that they share anew each time, and returns what is to be looked at. It
    runs here and now, blocks until all orders are done and takes no time for sleeps; each task that
    it leaves behind is cancelled. What it raises is kept, in the order's `error`.

    The number of orders grows fast: two tasks of two turns have 6, three tasks of four turns have
    34,650. Raises RuntimeError for more than `most`, for an order that never ends, for a program
    that does something else when it is run again, and for threads, processes and the network.
    Raises TypeError if `program` is no function, or gives no coroutine.

    >>> import asyncio
    >>> async def program():
    ...     jar = [0]
    ...     async def add():
    ...         seen = jar[0]
    ...         await asyncio.sleep(1)
    ...         jar[0] = seen + 1
    ...     await asyncio.gather(add(), add())
    ...     return jar[0]
    >>> every_order(program).count_outcomes()
    {'1': 4, '2': 2}
    """
    __tracebackhide__ = True
    _check(program, most)
    orders: list[Order] = []
    search = Search()
    with _no_running_loop():
        while search.goes_on:
            if len(orders) == most:
                raise RuntimeError(
                    f"there are more than {most:,} orders: let fewer tasks take part, give them "
                    f"fewer awaits, or ask for more with every_order(..., most={10 * most})"
                )
            orders.append(_run(program, search))
            search.turn_over()
    return Orders(orders)


def _run(program: Callable[[], Coroutine[Any, Any, Any]], search: Search) -> Order:
    loop = TurnLoop(search.choose)  # type: ignore[abstract]  # a part of a loop is enough
    asyncio._set_running_loop(loop)
    try:
        main = loop.run(_coroutine_of(program), MOST_TURNS)
        stuck, left, steps = not main.done(), tuple(loop.left()), tuple(loop.steps)
    finally:
        loop.clear()
    if stuck:
        return Order(steps, None, None, True, left)
    error = asyncio.CancelledError() if main.cancelled() else main.exception()
    return Order(steps, None if error else main.result(), error, False, left)


def _coroutine_of(program: Callable[[], Coroutine[Any, Any, Any]]) -> Coroutine[Any, Any, Any]:
    try:
        inspect.signature(program).bind()
    except TypeError:
        raise TypeError(
            "every_order() calls the program without arguments, and it takes some: give them in a "
            "function of its own, as in every_order(lambda: main(...))"
        ) from None
    except ValueError:
        pass  # one that doesn't tell
    coroutine = program()
    if not inspect.iscoroutine(coroutine):
        raise TypeError(
            f"every_order() takes an async function and got one that gives back "
            f"{type(coroutine).__name__}: is there an `async` in front of its `def`?"
        )
    return coroutine


@contextlib.contextmanager
def _no_running_loop() -> Iterator[None]:
    """Step out of the loop that runs here, a notebook's for one, and back into it."""
    outer = asyncio._get_running_loop()
    task = asyncio.current_task(outer) if outer else None
    hooks = sys.get_asyncgen_hooks()
    if outer and task:
        asyncio._leave_task(outer, task)
    try:
        sys.set_asyncgen_hooks(None, None)
        yield
    finally:
        sys.set_asyncgen_hooks(*hooks)
        asyncio._set_running_loop(outer)
        if outer and task:
            asyncio._enter_task(outer, task)


def _check(program: Any, most: Any) -> None:
    __tracebackhide__ = True
    if inspect.iscoroutine(program):
        program.close()
        raise TypeError(
            "every_order() runs the program many times, and a coroutine runs only once: write "
            f"every_order({program.__name__}), without brackets"
        )
    if not callable(program):
        raise TypeError(
            f"every_order() takes an async function and got {type(program).__name__}: "
            "write every_order(main)"
        )
    if isinstance(most, bool) or not isinstance(most, int):
        raise TypeError(
            f"every_order(most=...) takes a whole number and got {type(most).__name__}: "
            "leave it out for 1,000"
        )
    if most < 1:
        raise ValueError(
            f"every_order(most={most}) makes no sense, it must be more than 0: "
            "leave it out for 1,000"
        )
