"""every_order(): run a program once for each order in which its tasks can take turns."""

import asyncio
import contextlib
import inspect
import itertools
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, overload

from asyncteach.arguments import check_whole
from asyncteach.formatting import clip, count, pad, width

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Order", "Orders", "every_order"]

Program = Callable[[], Coroutine[Any, Any, Any]]

MOST_TURNS = 10_000
"""Turns in one order before it counts as one that never ends."""

MOST_CHOICES = 200
"""Turns of one order at which several tasks can go on: with more there is no end of orders."""

_SHOWN = 30
"""Orders that are shown in characters."""


@dataclass(frozen=True)
class Order:
    """One order in which the tasks took turns, and its outcome.

    `steps` names the task of each turn, from one await to the next. `result` is what the program
    returned, `error` what it raised, or None. `stuck` is true if no task could go on because each
    waited for another. `left` names the tasks that were still running when the program ended.

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
        """Return a DataFrame with a row for each order: the task of each turn, and the outcome."""
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
        return "\n".join([*lines, f"{count(len(self), 'order')}: {counts}"])


def every_order(program: Program, *, most: int = 1000) -> Orders:
    """Run an async function again and again, in every order in which its tasks can take turns.

    A turn lasts from one `await` that waits to the next. Whenever more than one task could go on,
    each of them is tried. A sleep may end before or after any other: it stands for an answer that
    takes an unknown time. An event loop uses only some of these orders, so a program that is right
    in all of them is right however long it has to wait.

    `program` takes no arguments, starts its tasks itself (`gather`, `TaskGroup`, `create_task` with
    a `name=`), makes the objects that they share anew each time, and returns what you want to see.
    `every_order` blocks until all orders are done, and sleeps take no time. Tasks that the program
    leaves behind are cancelled. If it raises, the exception is in the order's `error`.

    The number of orders grows fast: two tasks of two turns have 6, three tasks of four turns have
    34,650. Raises RuntimeError for more than `most`, for an order that never ends, for a program
    that does something else when it is run again, and for threads, processes and the network.
    Raises TypeError if `program` isn't a function that returns a coroutine.

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
    check_whole(most, "every_order(most=...)", fix="leave it out for 1,000")
    orders: list[Order] = []
    search = _Search()
    with _no_running_loop():
        while search.goes_on:
            if len(orders) == most:
                raise RuntimeError(
                    f"there are more than {most:,} orders: let fewer tasks take part, give them "
                    f"fewer awaits, or ask for more with every_order(..., most={10 * most})"
                )
            orders.append(_run(program, search))
            search.go_back()
    return Orders(orders)


def _run(program: Program, search: "_Search") -> Order:
    loop: Any = _TurnLoop(search.choose)
    asyncio._set_running_loop(loop)
    try:
        main = loop.run(_coroutine_of(program))
        stuck, left, steps = not main.done(), tuple(loop.left()), tuple(loop.steps)
    finally:
        loop.clear()
    if stuck:
        return Order(steps, None, None, True, left)
    error = asyncio.CancelledError() if main.cancelled() else main.exception()
    return Order(steps, None if error else main.result(), error, False, left)


def _coroutine_of(program: Program) -> Coroutine[Any, Any, Any]:
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


class _Search:
    """Picks the task of each turn so that no order comes twice and none is left out."""

    def __init__(self) -> None:
        self._path: list[int] = []
        self._seen: list[tuple[str, ...]] = []
        self._depth = 0
        self.goes_on = True

    def choose(self, names: tuple[str, ...]) -> int:
        """Return the index of the task whose turn it is, among all that could go on."""
        if self._depth == MOST_CHOICES:
            raise RuntimeError(
                f"one order had more than {MOST_CHOICES} turns for which there were several tasks, "
                "so there is no end of orders: if a task looks again and again, as in `while busy: "
                "await asyncio.sleep(1)`, let it wait for an event or a lock instead"
            )
        if self._depth == len(self._path):
            self._path.append(0)
            self._seen.append(names)
        elif self._seen[self._depth] != names:
            raise RuntimeError(
                "the program did something else when it ran again: let it make all that its tasks "
                "share anew each time, and draw no random numbers"
            )
        self._depth += 1
        return self._path[self._depth - 1]

    def go_back(self) -> None:
        """Go back to the last turn at which a task hasn't been tried."""
        while self._path and self._path[-1] + 1 == len(self._seen[-1]):
            self._path.pop()
            self._seen.pop()
        self._depth = 0
        self.goes_on = bool(self._path)
        if self._path:
            self._path[-1] += 1


class _TurnLoop:
    """The smallest loop on which asyncio's tasks, locks, queues and timeouts work.

    At each turn `choose` gets the names of the tasks that could go on and returns the index of the
    one that does. A sleep may end at any time: it stands for a wait that takes as long as it
    takes. Only what asyncio itself has to do in between is done at once and in order.
    """

    def __init__(self, choose: Callable[[tuple[str, ...]], int]) -> None:
        self._choose = choose
        self._ready: list[asyncio.Handle] = []
        self._timers: list[asyncio.TimerHandle] = []
        self._now = 0.0
        self._names: dict[asyncio.Task[Any], str] = {}
        self._tasks: list[asyncio.Task[Any]] = []
        self._main: asyncio.Task[Any] | None = None
        self.turns = 0
        self.steps: list[str] = []
        """The task of each turn; main's, only where there were others to choose from."""

    def run(self, main: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Let the tasks take turns until main has ended, or until none can go on."""
        self._main = task = self.create_task(main, name="main")
        while not task.done() and self._take_turn():
            if self.turns > MOST_TURNS:
                raise RuntimeError(
                    f"one order has taken more than {MOST_TURNS:,} turns: does the program end? "
                    "Give every loop of it an end"
                )
        return task

    def left(self) -> list[str]:
        """Return the names of the tasks other than main that haven't ended."""
        return [self._name(task) for task in self._unfinished() if task is not self._main]

    def clear(self) -> None:
        """Cancel what hasn't ended, and let it tidy up in the order in which it began."""
        for _ in range(3):  # a task that ignores three cancellations is left
            for task in self._unfinished():
                task.cancel()
            self._choose = lambda names: 0
            budget = self.turns + 1000
            while self._unfinished() and self.turns < budget and self._take_turn():
                pass
        self._ready.clear()
        self._timers.clear()

    def _take_turn(self) -> bool:
        self._run_callbacks()
        if self._main is not None and self._main.done() and not self._unfinished():
            return False
        steps = {task: handle for handle in self._ready if (task := _owner(handle))}
        self._timers = [timer for timer in self._timers if not timer.cancelled()]
        tasks = [task for task in self._tasks if task in steps]  # in the order of their making
        open_to = [*(steps[task] for task in tasks), *self._timers]
        if not open_to:
            return False
        alternatives = len(open_to) > 1
        names = (*map(self._name, tasks), *("a timer" for _ in self._timers))
        handle = open_to[self._choose(names) if alternatives else 0]
        self.turns += 1
        if isinstance(handle, asyncio.TimerHandle):
            self._ring(handle, alternatives)
        else:
            self._step(handle, alternatives)
        self._run_callbacks()
        return True

    def _ring(self, timer: asyncio.TimerHandle, alternatives: bool) -> None:
        """Let a timer be due, and the task that it wakes go on at once: that is one turn."""
        self._timers.remove(timer)
        self._now = max(self._now, timer.when())
        before = set(map(id, self._ready))
        timer._run()
        self._run_callbacks()
        woken = [handle for handle in self._ready if _owner(handle) and id(handle) not in before]
        if len(woken) == 1:
            self._step(woken[0], alternatives)

    def _step(self, handle: asyncio.Handle, alternatives: bool) -> None:
        task = _owner(handle)
        assert task is not None
        if task is not self._main or alternatives:
            self.steps.append(self._name(task))
        self._run_handle(handle)

    def _run_handle(self, handle: asyncio.Handle) -> None:
        self._ready.remove(handle)
        if not handle.cancelled():
            handle._run()

    def _run_callbacks(self) -> None:
        """Run what is no task's turn: asyncio's own callbacks when something has ended."""
        while callbacks := [handle for handle in self._ready if _owner(handle) is None]:
            for handle in callbacks:
                self._run_handle(handle)

    def _name(self, task: "asyncio.Task[Any]") -> str:
        # Not when a task is made: create_task(name=) gives the name a moment later.
        for one in self._tasks:
            if one not in self._names:
                self._names[one] = self._find_name(one)
        return self._names[task]

    def _find_name(self, task: "asyncio.Task[Any]") -> str:
        name = task.get_name()
        if not name.startswith("Task-"):  # asyncio's own count goes on through the whole process
            return name
        name, taken = getattr(task.get_coro(), "__name__", "task"), set(self._names.values())
        return next(one for i in itertools.count(1) if (one := f"{name}-{i}") not in taken)

    def _unfinished(self) -> list["asyncio.Task[Any]"]:
        return [task for task in self._tasks if not task.done()]

    # What asyncio asks of a loop

    def __getattr__(self, name: str) -> NoReturn:
        __tracebackhide__ = True
        if name.startswith("_"):
            raise AttributeError(name)
        raise RuntimeError(
            f"every_order() can't run {name}(): threads, processes and the network go at a pace of "
            "their own; let an `await asyncio.sleep(1)` stand for them"
        )

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)  # type: ignore[arg-type]
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_at(
        self, when: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)  # type: ignore[arg-type]
        self._timers.append(timer)
        return timer

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def time(self) -> float:
        return self._now

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)  # type: ignore[arg-type]

    def create_task(self, coro: Any, **keywords: Any) -> "asyncio.Task[Any]":
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, **keywords)  # type: ignore[arg-type]
        self._tasks.append(task)
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Ignore it: otherwise an exception would be reported once for each order."""

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: cancelled timers are passed over at the next turn."""


def _owner(handle: asyncio.Handle) -> "asyncio.Task[Any] | None":
    """Return the task whose step this is, or None for any other callback."""
    task = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]
    return task if isinstance(task, asyncio.Task) else None
