"""How an event loop, the running kernel's too, follows virtual clocks."""

import asyncio
import heapq
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from weakref import WeakSet

from asyncteach.replacements import Replacements
from asyncteach.virtual_clock.agenda import Agenda, set_due
from asyncteach.virtual_clock.clock import (
    FIRST_LOOK,
    LAST_LOOK,
    Rest,
    VirtualClock,
    current_clock,
    running_clock,
)
from asyncteach.virtual_clock.lookout import real_monotonic

SOCKET_GRACE = 0.02
"""Real seconds that a connection gets to answer before the clock jumps."""

PATIENT_ROUNDS = 200_000
"""Rounds of a loop without a pause and without a jump before the clock jumps all the same."""

_NEVER = 1e12
"""A virtual `loop.time()` that is never reached: 30,000 years."""

_lock = threading.RLock()
_hooks: "dict[asyncio.AbstractEventLoop, LoopHook]" = {}


def attach(clock: VirtualClock, loop: asyncio.AbstractEventLoop) -> None:
    """Make the loop carry the clock; raises RuntimeError where it can't."""
    with _lock:
        check_loop(loop)
        for other in [other for other in _hooks if other.is_closed()]:
            _hooks.pop(other).replaced.undo()
        if loop not in _hooks:
            _hooks[loop] = LoopHook(loop)
        _hooks[loop].add(clock)


def detach(clock: VirtualClock) -> None:
    """Take the clock from every loop that carries it: their timers go on in real time."""
    with _lock:
        for loop, hook in list(_hooks.items()):
            if id(clock) in hook.agendas:
                hook.remove(clock)
                if not hook.agendas:
                    _hooks.pop(loop).replaced.undo()


def check_loop(loop: object) -> None:
    """Raise RuntimeError, in one sentence, for a loop that can't carry a virtual clock."""
    name = f"{type(loop).__module__}.{type(loop).__qualname__}"
    parts = ("_ready", "_scheduled", "_selector", "_run_once")
    if not isinstance(loop, asyncio.BaseEventLoop) or not all(hasattr(loop, p) for p in parts):
        raise RuntimeError(
            f"virtual_time() can't carry the event loop {name}: run your code on asyncio's own "
            "loop, as asyncio.run(main()) does when no other loop is installed."
        )
    carried = loop in _hooks
    if not carried and ("time" in vars(loop) or type(loop).time is not asyncio.BaseEventLoop.time):
        raise RuntimeError(
            f"virtual_time() can't carry the event loop {name}: something else already replaces "
            "its clock, so leave out one of the two."
        )


class LoopHook:
    """The attributes put on one loop, not on its class, while it carries virtual clocks.

    Only code that lives on a clock is served by it: its `call_at` goes to the clock's agenda,
    everything else on the loop (the kernel, the tasks of other cells) keeps real time.
    """

    def __init__(self, loop: Any) -> None:  # any loop with the parts that check_loop asks for
        self.loop = loop
        self.selector = loop._selector
        self.agendas: dict[int, Agenda] = {}
        # The agenda of the block that runs the whole loop: whatever runs on it is on its clock.
        self._home: Agenda | None = None
        self._rounds = 0
        self._sockets = False
        self._warned = False
        self.replaced = Replacements()
        self._install(self.selector, "select", self._select)
        self._install(self.loop, "time", self._time)
        self._install(self.loop, "call_at", self._call_at)
        self._install(self.loop, "_run_once", self._run_once)
        self._install(self.loop, "run_in_executor", self._run_in_executor)
        for name in ("_add_reader", "_add_writer"):
            if hasattr(loop, name):
                self._install(self.loop, name, self._watch_file)

    def _install(self, owner: Any, name: str, method: Callable[..., Any]) -> None:
        original = self.replaced.take(owner, name)

        def replacement(*args: Any, **kwargs: Any) -> Any:
            # Where somebody has wrapped this and it can't be taken away, it passes through.
            return method(original, *args, **kwargs) if self.agendas else original(*args, **kwargs)

        self.replaced.put(owner, name, replacement)

    def add(self, clock: VirtualClock) -> None:
        """Carry one more clock."""
        if id(clock) in self.agendas:
            return
        agenda = Agenda(clock)
        if self.loop.is_running():
            tasks = asyncio.all_tasks(self.loop) - {asyncio.current_task(self.loop)}
            agenda.older_tasks = WeakSet(tasks)
        else:
            # The loop will run on the clock as a whole, so the timers that it has go along.
            timers, self.loop._scheduled = self.loop._scheduled, []
            for timer in sorted(timers):
                agenda.add_real(timer)
            self._home = agenda
        self.agendas[id(clock)] = agenda

    def remove(self, clock: VirtualClock) -> None:
        """Carry the clock no longer: what is left of its timers is real time from now on."""
        agenda = self.agendas.pop(id(clock))
        if self._home is agenda:
            self._home = None
        left = agenda.left()
        if not left or self.loop.is_closed():
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

    def _run_once(self, original: Callable[[], None]) -> None:
        # The loop's own timers are in real time, whoever runs it.
        token = current_clock.set(None)
        try:
            original()
        finally:
            current_clock.reset(token)

    def _time(self, original: Callable[[], float]) -> float:
        """Tell a home loop's time to code that doesn't know of the clock it runs on."""
        if self._home is None or running_clock():
            return original()
        token = current_clock.set(self._home.clock)
        try:
            return original()
        finally:
            current_clock.reset(token)

    def _call_at(
        self, original: Callable[..., asyncio.TimerHandle], when: float, *args: Any, **kwargs: Any
    ) -> asyncio.TimerHandle:
        clock = running_clock()
        agenda = self.agendas.get(id(clock)) if clock else self._home
        if agenda is None or not -_NEVER < when < _NEVER:
            return original(when, *args, **kwargs)
        # The loop's own call_at makes and checks the timer; it is filed with ours.
        scheduled, self.loop._scheduled = self.loop._scheduled, []
        try:
            timer = original(when, *args, **kwargs)
        finally:
            self.loop._scheduled = scheduled
        agenda.clock.forget_reads()
        agenda.add(timer)
        return timer

    def _select(
        self, original: Callable[..., list[Any]], timeout: float | None = None
    ) -> list[Any]:
        self._take_due()
        if timeout == 0 or self.loop._ready:
            self._count_round()
            return original(0)
        events = original(SOCKET_GRACE if self._sockets else 0)
        if events:
            return events
        self._rounds = 0
        for agenda in self.agendas.values():
            agenda.adopt_awaited_sleeps(self.loop._scheduled)
        rests: list[tuple[VirtualClock, Rest]] = []
        try:
            for agenda in self.agendas.values():
                rests.append((agenda.clock, self._begin_rest(agenda)))
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
        pause = FIRST_LOOK
        # A signal handler makes work ready without an event: an interrupt of a notebook's cell.
        while not self.loop._ready and not any(rest.over for _, rest in rests):
            left = pause if end is None else min(pause, end - real_monotonic())
            events = original(max(0, left))
            if events or left <= 0:
                return events
            for clock, _ in rests:
                clock.look_at_busy_threads()
            pause = min(2 * pause, LAST_LOOK)
        return []

    def _begin_rest(self, agenda: Agenda) -> Rest:
        thread = threading.get_ident()

        def wake() -> None:
            if threading.get_ident() != thread:
                self.loop.call_soon_threadsafe(lambda: None)

        return agenda.clock.begin_rest(agenda.next_due(), wake, lambda: bool(self.loop._ready))

    def _count_round(self) -> None:
        """Jump although the loop is busy: with others' work alone, or with waiting busily."""
        self._rounds += 1
        if self._rounds % 64:
            return
        clocks = [handle._context.get(current_clock) for handle in list(self.loop._ready)]
        for agenda in self.agendas.values():
            is_idle = agenda is not self._home and agenda.clock not in clocks
            if is_idle or self._rounds > PATIENT_ROUNDS:
                rest = agenda.clock.begin_rest(agenda.next_due(), lambda: None)
                agenda.clock.end_rest(rest)
                if rest.over:
                    self._rounds = 0

    def _take_due(self) -> None:
        for agenda in self.agendas.values():
            self.loop._ready.extend(agenda.take_due())

    def _run_in_executor(
        self, original: Callable[..., Any], executor: Any, function: Any, *args: Any
    ) -> Any:
        clock = running_clock()
        if not clock or executor is None or isinstance(executor, ThreadPoolExecutor):
            return original(executor, function, *args)
        # Processes have clocks of their own: what they do takes no virtual time.
        tap = _Tap(executor)
        future = original(tap, function, *args)
        clock.hold_until_done(tap.future)  # the loop is told first, then the clock
        return future

    def _watch_file(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
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
        return original(*args, **kwargs)


class _Tap:
    """An executor that keeps the future of what is handed to it."""

    future: "Future[Any]"

    def __init__(self, executor: Any) -> None:
        self._executor = executor

    def submit(self, *args: Any) -> "Future[Any]":
        self.future = self._executor.submit(*args)
        return self.future
