"""An event loop that doesn't decide for itself whose turn it is: it asks."""

import asyncio
import itertools
import re
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

_AUTOMATIC = re.compile(r"Task-\d+")

# What a program does with them takes as long as the world likes, so it can't be run again at will.
_OUT_OF_REACH = (
    "run_in_executor",
    "create_connection",
    "create_server",
    "create_datagram_endpoint",
    "create_unix_connection",
    "create_unix_server",
    "getaddrinfo",
    "subprocess_exec",
    "subprocess_shell",
    "connect_read_pipe",
    "connect_write_pipe",
    "add_reader",
    "add_signal_handler",
    "sock_recv",
    "sock_sendall",
    "sock_connect",
    "sock_accept",
)


class TurnLoop(asyncio.AbstractEventLoop):
    """The smallest loop on which asyncio's tasks, locks, queues and timeouts work.

    At each turn `choose` is given the names of the tasks that could go on and gives back the place
    of the one that does. A sleep may end at any time: it stands for a wait that takes as long as
    it takes. Only what asyncio itself has to do in between is done at once and in order.
    """

    def __init__(self, choose: Callable[[tuple[str, ...]], int]) -> None:
        self._choose = choose
        self._ready: list[asyncio.Handle] = []
        self._timers: list[asyncio.TimerHandle] = []
        self._now = 0.0
        self._numbers: dict[asyncio.Task[Any], int] = {}
        self._names: dict[asyncio.Task[Any], str] = {}
        self._main: asyncio.Task[Any] | None = None
        self.turns = 0
        self.steps: list[str] = []
        """Whose turn it was; main's, only where there were others to choose from."""

    def run(self, main: Coroutine[Any, Any, Any], most_turns: int) -> "asyncio.Task[Any]":
        """Let everybody take turns until main has ended, or until nobody can go on."""
        self._main = task = self.create_task(main, name="main")
        while not task.done() and self._take_turn():
            if self.turns > most_turns:
                raise RuntimeError(
                    f"one order has taken more than {most_turns:,} turns: does the program end? "
                    "Give every loop of it an end"
                )
        return task

    def left(self) -> list[str]:
        """Return the names of the tasks other than main that haven't ended."""
        return [self._name(task) for task in self._unfinished() if task is not self._main]

    def clear(self) -> None:
        """Cancel what hasn't ended, and let it tidy up in the order in which it began."""
        for _ in range(3):  # who won't listen three times is left
            for task in self._unfinished():
                task.cancel()
            self._choose = lambda names: 0
            budget = self.turns + 1000
            while self._unfinished() and self.turns < budget and self._take_turn():
                pass
        self._ready.clear()
        self._timers.clear()

    def _take_turn(self) -> bool:
        self._do_chores()
        if self._main is not None and self._main.done() and not self._unfinished():
            return False
        steps = sorted(
            ((self._number(task), handle) for handle in self._ready if (task := owner(handle))),
            key=lambda pair: pair[0],
        )
        self._timers = [timer for timer in self._timers if not timer.cancelled()]
        open_to = [handle for _, handle in steps] + list(self._timers)
        if not open_to:
            return False
        alternatives = len(open_to) > 1
        names = tuple(self._name_of_turn(handle) for handle in open_to)
        handle = open_to[self._choose(names) if alternatives else 0]
        self.turns += 1
        if isinstance(handle, asyncio.TimerHandle):
            self._ring(handle, alternatives)
        else:
            self._step(handle, alternatives)
        self._do_chores()
        return True

    def _ring(self, timer: asyncio.TimerHandle, alternatives: bool) -> None:
        """Let a timer be due, and whoever it wakes go on at once: that is one turn."""
        self._timers.remove(timer)
        self._now = max(self._now, timer.when())
        before = set(map(id, self._ready))
        timer._run()
        self._do_chores()
        woken = [handle for handle in self._ready if owner(handle) and id(handle) not in before]
        if len(woken) == 1:
            self._step(woken[0], alternatives)

    def _step(self, handle: asyncio.Handle, alternatives: bool) -> None:
        task = owner(handle)
        assert task is not None
        if task is not self._main or alternatives:
            self.steps.append(self._name(task))
        self._ready.remove(handle)
        if not handle.cancelled():
            handle._run()

    def _do_chores(self) -> None:
        """Do what is nobody's turn: asyncio's own callbacks when something has ended."""
        while chores := [handle for handle in self._ready if owner(handle) is None]:
            for handle in chores:
                self._ready.remove(handle)
                if not handle.cancelled():
                    handle._run()

    def _name_of_turn(self, handle: asyncio.Handle) -> str:
        task = owner(handle)
        return self._name(task) if task else "a timer"

    def _name(self, task: "asyncio.Task[Any]") -> str:
        # Not when a task is made: create_task(name=) gives the name a moment later.
        for one in self._numbers:
            if one not in self._names:
                self._names[one] = self._find_name(one)
        return self._names[task]

    def _find_name(self, task: "asyncio.Task[Any]") -> str:
        name = task.get_name()
        if not _AUTOMATIC.fullmatch(name):
            return name
        # Python's own counts on through the whole process.
        name, taken = getattr(task.get_coro(), "__name__", "task"), set(self._names.values())
        return next(one for i in itertools.count(1) if (one := f"{name}-{i}") not in taken)

    def _number(self, task: "asyncio.Task[Any]") -> int:
        return self._numbers.setdefault(task, len(self._numbers))

    def _unfinished(self) -> list["asyncio.Task[Any]"]:
        return [task for task in self._numbers if not task.done()]

    # What asyncio asks of a loop.

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._timers.append(timer)
        return timer

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def time(self) -> float:
        return self._now

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **keywords: Any) -> "asyncio.Task[Any]":
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, **keywords)
        self._number(task)
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Say nothing: an exception that nobody asks for would be told once for each order."""

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: cancelled timers are passed over at the next turn."""


def owner(handle: asyncio.Handle) -> "asyncio.Task[Any] | None":
    """Return the task whose step this is, or None for any other callback."""
    task = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]
    return task if isinstance(task, asyncio.Task) else None


def _refuse(name: str) -> Callable[..., NoReturn]:
    def refuse(*args: Any, **keywords: Any) -> NoReturn:
        __tracebackhide__ = True
        raise RuntimeError(
            f"every_order() can't run {name}(): threads, processes and the network go at a pace of "
            "their own; let an `await asyncio.sleep(1)` stand for them"
        )

    return refuse


for _name in _OUT_OF_REACH:
    setattr(TurnLoop, _name, _refuse(_name))
