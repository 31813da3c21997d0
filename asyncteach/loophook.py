"""How an event loop, the running kernel's too, follows virtual clocks."""

import asyncio
import heapq
import math
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from weakref import WeakSet

from asyncteach.agenda import Agenda, set_due
from asyncteach.virtual_clock import (
    LOOK_EVERY,
    Rest,
    VirtualClock,
    real_monotonic,
    running_clock,
)

SOCKET_GRACE = 0.02
"""Real seconds that a connection gets to answer before the clock jumps."""

_hooks: "dict[asyncio.AbstractEventLoop, LoopHook]" = {}


def attach(clock: VirtualClock, loop: asyncio.AbstractEventLoop) -> None:
    """Make the loop carry the clock; raises RuntimeError where it can't."""
    _check_loop(loop)
    for other in [other for other in _hooks if other.is_closed()]:
        _hooks.pop(other).uninstall()
    if loop not in _hooks:
        _hooks[loop] = LoopHook(loop)
    _hooks[loop].add(clock)


def detach(clock: VirtualClock) -> None:
    """Take the clock from every loop that carries it: their timers go on in real time."""
    for loop, hook in list(_hooks.items()):
        hook.remove(clock)
        if not hook.agendas:
            _hooks.pop(loop).uninstall()


def _check_loop(loop: asyncio.AbstractEventLoop) -> None:
    name = f"{type(loop).__module__}.{type(loop).__qualname__}"
    parts = ("_ready", "_scheduled", "_selector")
    if not isinstance(loop, asyncio.BaseEventLoop) or not all(hasattr(loop, p) for p in parts):
        raise RuntimeError(
            f"virtual_time() can't carry the event loop {name}: run your code on asyncio's own "
            "loop, as asyncio.run(main()) does when no other loop is installed."
        )
    if "time" in vars(loop) or type(loop).time is not asyncio.BaseEventLoop.time:
        raise RuntimeError(
            f"virtual_time() can't carry the event loop {name}: something else already replaces "
            "its clock, so leave out one of the two."
        )


class LoopHook:
    """The attributes put on one loop, not on its class, while it carries virtual clocks.

    Only code that lives on a clock is served by it: its `call_at` goes to the clock's agenda,
    everything else on the loop (the kernel, the tasks of other cells) keeps real time.
    """

    def __init__(self, loop: Any) -> None:  # any loop with the parts that _check_loop asks for
        self.loop = loop
        self.selector = loop._selector
        self.agendas: dict[int, Agenda] = {}
        self._sockets = False
        self._warned = False
        self._undo: list[Callable[[], None]] = []
        self._install(self.selector, "select", self._select)
        self._install(self.loop, "call_at", self._call_at)
        self._install(self.loop, "run_in_executor", self._run_in_executor)
        for name in ("_add_reader", "_add_writer"):
            if hasattr(loop, name):
                self._install(self.loop, name, self._watch_file)

    def _install(self, owner: Any, name: str, method: Callable[..., Any]) -> None:
        original = getattr(owner, name)
        was_own = name in vars(owner)

        def replacement(*args: Any, **kwargs: Any) -> Any:
            return method(original, *args, **kwargs) if self.agendas else original(*args, **kwargs)

        def undo() -> None:
            if vars(owner).get(name) is not replacement:
                return  # somebody wrapped ours meanwhile; it passes everything through now
            if was_own:
                setattr(owner, name, original)
            else:
                delattr(owner, name)

        setattr(owner, name, replacement)
        self._undo.append(undo)

    def uninstall(self) -> None:
        """Put the loop's own attributes back."""
        while self._undo:
            self._undo.pop()()

    def add(self, clock: VirtualClock) -> None:
        """Carry one more clock."""
        if id(clock) in self.agendas:
            return
        agenda = self.agendas[id(clock)] = Agenda(clock)
        if self.loop.is_running():
            tasks = asyncio.all_tasks(self.loop) - {asyncio.current_task(self.loop)}
            agenda.older_tasks = WeakSet(tasks)
        else:
            # The loop will run on the clock as a whole, so the timers that it has go along.
            for timer in self.loop._scheduled:
                set_due(timer, timer.when(), counted=False)
            agenda.timers = self.loop._scheduled[:]
            self.loop._scheduled.clear()

    def remove(self, clock: VirtualClock) -> None:
        """Carry the clock no longer: what is left of its timers is real time from now on."""
        agenda = self.agendas.pop(id(clock), None)
        if agenda is None or self.loop.is_closed():
            return
        left = agenda.left()
        if not left:
            return
        if self.loop.is_running() and asyncio._get_running_loop() is not self.loop:
            self.loop.call_soon_threadsafe(self._make_real, left)
        else:
            self._make_real(left)

    def _make_real(self, timers: list[tuple[asyncio.TimerHandle, float]]) -> None:
        """File timers with the loop's own, each due when its seconds that were left are over."""
        for timer, left in timers:
            set_due(timer, real_monotonic() + left, counted=True)
            heapq.heappush(self.loop._scheduled, timer)

    # What stands in for the loop's own methods

    def _call_at(
        self, original: Callable[..., asyncio.TimerHandle], when: float, *args: Any, **kwargs: Any
    ) -> asyncio.TimerHandle:
        clock = running_clock()
        agenda = self.agendas.get(id(clock)) if clock else None
        if agenda is None or not math.isfinite(when):
            return original(when, *args, **kwargs)
        # The loop's own call_at makes and checks the timer, and files it with ours.
        scheduled, self.loop._scheduled = self.loop._scheduled, agenda.timers
        try:
            timer = original(when, *args, **kwargs)
        finally:
            self.loop._scheduled = scheduled
        set_due(timer, when, counted=False)
        return timer

    def _select(
        self, original: Callable[..., list[Any]], timeout: float | None = None
    ) -> list[Any]:
        self._take_due()
        if timeout == 0 or self.loop._ready:
            return original(0)
        events = original(SOCKET_GRACE if self._sockets else 0)
        if events:
            return events
        for agenda in self.agendas.values():
            agenda.adopt_awaited_sleeps(self.loop._scheduled)
        rests = [(agenda.clock, self._begin_rest(agenda)) for agenda in self.agendas.values()]
        try:
            return self._wait(original, timeout, rests)
        finally:
            for clock, rest in rests:
                clock.end_rest(rest)
            self._take_due()

    def _wait(
        self,
        original: Callable[..., list[Any]],
        timeout: float | None,
        rests: list[tuple[VirtualClock, Rest]],
    ) -> list[Any]:
        """Wait, in real time, for an event, the timeout, or a jump that some thread makes."""
        end = None if timeout is None else real_monotonic() + timeout
        while not any(rest.over for _, rest in rests):
            left = LOOK_EVERY if end is None else min(LOOK_EVERY, end - real_monotonic())
            events = original(max(0, left))
            if events or left <= 0:
                return events
            for clock, _ in rests:
                clock.look_at_busy_threads()
        return []

    def _begin_rest(self, agenda: Agenda) -> Rest:
        thread = threading.get_ident()

        def wake() -> None:
            if threading.get_ident() != thread:
                self.loop.call_soon_threadsafe(lambda: None)

        return agenda.clock.begin_rest(agenda.next_due(), wake, lambda: bool(self.loop._ready))

    def _take_due(self) -> None:
        for agenda in self.agendas.values():
            self.loop._ready.extend(agenda.take_due())

    def _run_in_executor(
        self, original: Callable[..., Any], executor: Any, func: Any, *args: Any
    ) -> Any:
        future = original(executor, func, *args)
        clock = running_clock()
        if clock and executor is not None and not isinstance(executor, ThreadPoolExecutor):
            # Processes have clocks of their own: what they do takes no virtual time.
            clock.hold(future)
            future.add_done_callback(clock.release)
        return future

    def _watch_file(self, original: Callable[..., Any], *args: Any) -> Any:
        if running_clock():
            self._sockets = True
            if not self._warned:
                self._warned = True
                warnings.warn(
                    "virtual time can't foresee when a real connection or subprocess answers: "
                    "the clock may jump past it, so use real time for network code.",
                    RuntimeWarning,
                    stacklevel=2,
                )
        return original(*args)
