"""every_order(): run a program once for each order in which its tasks can take turns."""

import asyncio
import contextlib
import inspect
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from asyncteach.arguments import check_whole
from asyncteach.formatting import clip, count, pad, width

if TYPE_CHECKING:
    from pandas import DataFrame

Program = Callable[[], Coroutine[Any, Any, Any]]
Task = asyncio.Task[Any]

MOST_TURNS = 500
"""Turns in one order before it counts as one that never ends."""

_SHOWN = 30
"""How many orders are shown as text."""


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


class Orders(tuple[Order, ...]):
    """All the orders of a program: a tuple of `Order`, and a table of them.

    >>> async def main():
    ...     return "done"
    >>> every_order(main).count_outcomes()
    {"'done'": 1}
    """

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
    that behaves differently when it is run again, and for threads, processes and the network.
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
    if not callable(program):
        if inspect.iscoroutine(program):
            program.close()  # otherwise Python warns about it, too
        raise TypeError(
            f"every_order() takes an async function but got {type(program).__name__}: write "
            "every_order(main), without brackets"
        )
    try:
        inspect.signature(program).bind()
    except TypeError:
        raise TypeError(
            "every_order() calls the program without arguments, but it takes some: pass them in a "
            "lambda, as in every_order(lambda: main(...))"
        ) from None
    check_whole(most, "every_order(most=...)", fix="leave it out for 1,000")
    search = _Search()
    with _no_running_loop():
        orders = [_run(program, search)]
        while search.go_back():
            if len(orders) == most:
                raise RuntimeError(
                    f"there are more than {most:,} orders: let fewer tasks take part, give them "
                    f"fewer awaits, or ask for more with every_order(..., most={10 * most})"
                )
            orders.append(_run(program, search))
    return Orders(orders)


def _run(program: Program, search: "_Search") -> Order:
    loop: Any = _TurnLoop(search.choose)
    asyncio._set_running_loop(loop)
    try:
        coroutine = program()
        if not inspect.iscoroutine(coroutine):
            raise TypeError(
                f"every_order() takes an async function but got one that returns "
                f"{type(coroutine).__name__}: is there an `async` in front of its `def`?"
            )
        main = loop.run(coroutine)
        stuck, left, steps = not main.done(), loop.left(), tuple(loop.steps)
    finally:
        loop.clear()
    if stuck:
        return Order(steps, None, None, True, left)
    error = asyncio.CancelledError() if main.cancelled() else main.exception()
    return Order(steps, None if error else main.result(), error, False, left)


@contextlib.contextmanager
def _no_running_loop() -> Iterator[None]:
    """Leave the loop that runs here, such as a notebook's, and enter it again afterwards."""
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
    """Picks the task of each turn so that each order occurs exactly once."""

    def __init__(self) -> None:
        self._path: list[tuple[int, tuple[str, ...]]] = []
        """For each turn of the order: which of the tasks goes on, and the names of all of them."""
        self._depth = 0

    def choose(self, names: tuple[str, ...]) -> int:
        """Return the index of the task whose turn it is, among all that could go on."""
        if self._depth == len(self._path):
            self._path.append((0, names))
        index, expected = self._path[self._depth]
        if names != expected:
            raise RuntimeError(
                "the program behaved differently when it ran again: let it create all that its "
                "tasks share anew each time, and use no random numbers"
            )
        self._depth += 1
        return index

    def go_back(self) -> bool:
        """Go back to the last turn at which a task hasn't been tried; False if there is none."""
        self._depth = 0
        while self._path:
            index, names = self._path.pop()
            if index + 1 < len(names):
                self._path.append((index + 1, names))
                return True
        return False


class _TurnLoop:
    """The smallest loop on which asyncio's tasks, locks, queues and timeouts work.

    At each turn `choose` gets the names of the tasks that could go on and returns the index of the
    one that does. A sleep may end at any time: it stands for a wait of unknown length. asyncio's
    own callbacks run in between, at once and in order.
    """

    def __init__(self, choose: Callable[[tuple[str, ...]], int]) -> None:
        self._choose = choose
        self._ready: list[asyncio.Handle] = []
        self._timers: list[asyncio.TimerHandle] = []
        self._now = 0.0
        self._tasks: list[Task] = []
        self._main: Task | None = None
        self.turns = 0
        self.steps: list[str] = []
        """The task of each turn; main only if there were others to choose from."""

    def run(self, main: Coroutine[Any, Any, Any]) -> Task:
        """Let the tasks take turns until main has ended, or until none can go on."""
        self._main = task = self.create_task(main, name="main")
        while not task.done() and self._take_turn():
            if self.turns > MOST_TURNS:
                raise RuntimeError(
                    f"one order has taken more than {MOST_TURNS:,} turns: does the program end? If "
                    "a task looks again and again, as in `while busy: await asyncio.sleep(1)`, let "
                    "it wait for an event or a lock instead"
                )
        return task

    def left(self) -> tuple[str, ...]:
        """Return the names of the tasks other than main that haven't ended."""
        return tuple(self._name(task) for task in self._unfinished() if task is not self._main)

    def clear(self) -> None:
        """Cancel what hasn't ended, and let it clean up; a task that ignores that is left."""
        for task in self._unfinished():
            task.cancel()
        self._choose = lambda names: 0
        most = self.turns + 1000
        while self._unfinished() and self.turns < most and self._take_turn():
            pass

    def _take_turn(self) -> bool:
        self._run_callbacks()
        steps = {task: handle for handle in self._ready if (task := _owner(handle))}
        self._timers = [timer for timer in self._timers if not timer.cancelled()]
        tasks = [task for task in self._tasks if task in steps]  # in order of creation
        handles = [*(steps[task] for task in tasks), *self._timers]
        if not handles:
            return False
        names = (*map(self._name, tasks), *("a timer" for _ in self._timers))
        handle = handles[self._choose(names) if len(handles) > 1 else 0]
        self.turns += 1
        if isinstance(handle, asyncio.TimerHandle):
            # The timer is due, and the task that it wakes goes on at once: that is one turn.
            self._timers.remove(handle)
            self._now = max(self._now, handle.when())
            before = set(map(id, self._ready))
            handle._run()
            self._run_callbacks()
            woken = [one for one in self._ready if _owner(one) and id(one) not in before]
            if len(woken) != 1:
                return True
            handle = woken[0]
        task = _owner(handle)
        if task is not None and (task is not self._main or len(handles) > 1):
            self.steps.append(self._name(task))
        self._run_handle(handle)
        return True

    def _run_handle(self, handle: asyncio.Handle) -> None:
        self._ready.remove(handle)
        if not handle.cancelled():
            handle._run()

    def _run_callbacks(self) -> None:
        """Run asyncio's own callbacks, which aren't the turn of a task."""
        while callbacks := [handle for handle in self._ready if _owner(handle) is None]:
            for handle in callbacks:
                self._run_handle(handle)

    def _name(self, task: Task) -> str:
        if not task.get_name().startswith("Task-"):  # asyncio numbers them in the whole process
            return task.get_name()
        names = [getattr(one.get_coro(), "__name__", "task") for one in self._tasks]
        place = self._tasks.index(task)
        return f"{names[place]}-{names[: place + 1].count(names[place])}"

    def _unfinished(self) -> list[Task]:
        return [task for task in self._tasks if not task.done()]

    # What asyncio asks of a loop

    def __getattr__(self, name: str) -> NoReturn:
        __tracebackhide__ = True
        if name.startswith("_"):
            raise AttributeError(name)
        raise RuntimeError(
            f"every_order() can't run {name}(): threads, processes and the network go at their own "
            "pace; use an `await asyncio.sleep(1)` in their place"
        )

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)  # type: ignore[arg-type]
        self._ready.append(handle)
        return handle

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

    def create_task(self, coro: Any, **keywords: Any) -> Task:
        task: Task = asyncio.Task(coro, loop=self, **keywords)  # type: ignore[arg-type]
        self._tasks.append(task)
        return task

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Ignore it: otherwise an exception would be reported once for each order."""

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: cancelled timers are dropped at the next turn."""


def _owner(handle: asyncio.Handle) -> Task | None:
    """Return the task whose step this is, or None for any other callback."""
    task = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]
    return task if isinstance(task, asyncio.Task) else None
