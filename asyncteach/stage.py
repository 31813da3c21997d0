"""What is in place while anything is recorded: the taps on loops, and what they can't see."""

import asyncio
import functools
import os
import sys
import threading
import warnings
from asyncio import runners
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from asyncteach import virtual_clock
from asyncteach.axis import Axis
from asyncteach.entry import Entry
from asyncteach.labels import printable
from asyncteach.replacements import Replacements
from asyncteach.scope import RawRemark, Session, current_session, mark, open_session
from asyncteach.stepper import hide_frame, learners_line
from asyncteach.tap import Tap, check_loop
from asyncteach.virtual_clock import VirtualClock
from asyncteach.waits import Line
from asyncteach.watchdog import Watchdog, add_sample, read_stack
from asyncteach.witness import Witness, say_error


class Job:
    """What is known of work that was handed to an executor."""

    def __init__(self) -> None:
        self.started = float("nan")
        self.abandoned: tuple[float, Entry] | None = None
        """When a task that had awaited it went on without it, and which."""


class Stage:
    """All that is replaced in the process while at least one recording is open."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._sessions: list[Session] = []
        self._taps: dict[Any, Tap] = {}
        self._witnesses: dict[Tap, Witness] = {}
        self._users: dict[Tap, set[Session]] = {}
        self._watchdog = Watchdog()
        self._replaced = Replacements()

    def open(self, session: Session) -> None:
        """Put in place what a recording needs, and tap the loop that is running, if any."""
        with self._lock:
            self._sessions.append(session)
            if len(self._sessions) == 1:
                self._install()
            loop = asyncio._get_running_loop()
            tap = None if loop is None else self.attach(loop, session)
            # The recording begins when all is ready to see.
            session.opened = session.axis.now()
            task = None if loop is None else asyncio.current_task(loop)
            if tap is not None and task is not None:
                session.openers.append(tap.adopt(task, session))

    def close(self, session: Session) -> None:
        """Take away what no recording needs any more."""
        with self._lock:
            if session not in self._sessions:
                return
            if not session.failed:
                session.ended = session.axis.now()
            session.closed = True
            self._sessions.remove(session)
            try:
                for tap in session.taps:
                    self._detach(tap, session)
            finally:
                if not self._sessions:
                    self._replaced.undo()
                    if self in virtual_clock.watchers:
                        virtual_clock.watchers.remove(self)
                if self._watchdog.error is not None:
                    error, self._watchdog.error = self._watchdog.error, None
                    self._warn(error)

    def axis_of(self, loop: Any, outer: Session | None) -> Axis | None:
        """Return the time that a new recording shares with those that are open already."""
        if outer is not None:
            return outer.axis
        tap = self._taps.get(loop)
        return tap.axis if tap is not None else None

    def attach(self, loop: Any, session: Session) -> Tap | None:
        """Let a loop be seen by a recording, and by those around it; None: it can't be."""
        with self._lock:
            problem = check_loop(loop)
            if problem:
                at = session.axis.now()
                session.note(RawRemark("loop-not-watched", None, at, None, problem))
                return None
            tap = self._taps.get(loop)
            if tap is None:
                # What is recorded on one loop has one time.
                witness = Witness(functools.partial(self._report, loop), self._give_up)
                scope_of = (lambda _: session) if session.everything else open_session
                tap = Tap(loop, session.axis, scope_of, witness)
                self._witnesses[tap] = witness
                self._taps[loop] = tap
                self._users[tap] = set()
                self._watchdog.add(tap)
            scope: Session | None = session
            while scope is not None:
                if not scope.closed and scope not in self._users[tap]:
                    self._users[tap].add(scope)
                    scope.taps[tap] = mark(tap)
                    scope.witnesses[tap] = self._witnesses[tap]
                    tap.widen(scope.threshold, scope.most)
                scope = scope.outer
            return tap

    def _detach(self, tap: Tap, session: Session) -> None:
        if session not in self._users.get(tap, ()):
            return  # its loop was closed long ago
        tap.cut(session.ended)
        tap.end_thread()
        self._note_pending(tap, session)
        session.ends[tap] = mark(tap)
        self._users[tap].discard(session)
        if not self._users[tap]:
            self._remove(tap)

    def _note_pending(self, tap: Tap, session: Session) -> None:
        """Note who is ready, and what the others still await, when the recording ends."""
        session.ready.update(tap.find_ready())
        for entry in tap.registry.alive():
            task = entry()
            if task is None or entry.outcome or not session.owns(entry):
                continue
            entry.name = task.get_name()
            if tap.current()[1] != entry.number and task._fut_waiter is not None:
                try:
                    at = session.ready.get(entry, session.ended)
                    self._witnesses[tap].waited(tap, entry, task, at)
                except Exception as error:
                    self._give_up(error)

    def _remove(self, tap: Tap) -> None:
        self._watchdog.remove(tap)
        self._taps.pop(tap.loop, None)
        tap.remove()
        self._witnesses.pop(tap, None)
        for session in self._users.pop(tap, ()):
            session.ends[tap] = mark(tap)

    def abandon(self) -> None:
        """Leave all recordings as they are, without asking any other thread."""
        for session in self._sessions:
            session.closed = True
        for tap in self._taps.values():
            tap.remove()
        self._replaced.undo()
        if self in virtual_clock.watchers:
            virtual_clock.watchers.remove(self)

    def forget_closed_loops(self) -> None:
        """Take the taps off loops that are closed: their reels stay with the recordings."""
        with self._lock:
            for loop, tap in list(self._taps.items()):
                if loop.is_closed():
                    self._remove(tap)

    # Remarks

    def _report(
        self,
        loop: Any,
        kind: str,
        entry: Entry | None,
        at: float,
        line: Line | None,
        text: str,
        *,
        others: tuple[Entry, ...] = (),
        tap: Tap | None = None,
    ) -> None:
        session = entry.scope if entry is not None else open_session()
        if session is None and tap is not None and len(self._sessions) == 1:
            session = self._sessions[0]
        if session is not None:
            session.note(RawRemark(kind, entry, at, line, text, 0.0, others))

    def _give_up(self, error: BaseException) -> None:
        """End all recording after a failure of our own: the watched code goes on."""
        with self._lock:
            first = not any(session.failed for session in self._sessions)
            for session in self._sessions:
                session.failed = True
                session.ended = at = session.axis.now()
                session.remarks.append(
                    RawRemark("recorder-failed", None, at, None, f"{type(error).__name__}: {error}")
                )
            for tap in list(self._taps.values()):
                tap.stop()
        if first and self._sessions:
            self._warn(error)

    def _warn(self, error: BaseException) -> None:
        warnings.warn(
            f"record() has failed and stopped recording; your code goes on: {error!r}",
            RuntimeWarning,
            stacklevel=4,
        )

    # Virtual clocks

    def clock_opened(self, clock: VirtualClock) -> None:
        session = open_session()
        if session is not None:
            session.axis.enter(clock)

    def clock_closed(self, clock: VirtualClock) -> None:
        for session in list(self._sessions):
            session.axis.leave(clock)

    def clock_sleeps(self, clock: VirtualClock) -> None:
        """Note who sleeps on the loop's own thread: nobody else can see it, as it takes no time."""
        tap = self._taps.get(asyncio._get_running_loop())
        if tap is not None and tap.axis.clock is clock:
            since, _ = tap.current()
            sample = read_stack(sys._getframe(1))
            if since and sample:
                add_sample(tap, since, sample)

    # What is replaced in the process

    def _install(self) -> None:
        virtual_clock.watchers.append(self)
        put = self._replaced.put
        put(asyncio.BaseEventLoop, "run_forever", self._running(asyncio.BaseEventLoop.run_forever))
        complain = asyncio.BaseEventLoop.call_exception_handler
        put(asyncio.BaseEventLoop, "call_exception_handler", self._complaining(complain))
        put(asyncio.Runner, "run", self._checking(asyncio.Runner.run))
        put(threading.Thread, "start", self._starting(threading.Thread.start))
        put(ThreadPoolExecutor, "submit", self._submitting(ThreadPoolExecutor.submit, "thread"))
        process = sys.modules.get("concurrent.futures.process")
        if process is not None:  # who hasn't imported it has none
            pool = process.ProcessPoolExecutor
            put(pool, "submit", self._submitting(pool.submit, "process"))
        names = vars(warnings)
        put_name = self._replaced.put_name
        if "_warn_unawaited_coroutine" in names:
            name = "_warn_unawaited_coroutine"
            put_name(names, name, self._warning(names[name]))
        names = vars(runners)
        if "_cancel_all_tasks" in names:
            put_name(names, "_cancel_all_tasks", self._cancelling(names["_cancel_all_tasks"]))

    def _running(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        @functools.wraps(original)
        def run_forever(loop: Any) -> None:
            session = open_session()
            if session is None or session.failed:
                return original(loop)
            self.forget_closed_loops()
            tap = self.attach(loop, session)
            if tap is not None:
                tap.begin_thread()
            try:
                return original(loop)
            except BaseException as error:
                hide_frame(error)
                raise
            finally:
                if tap is not None:
                    tap.end_thread()

        return run_forever

    def _complaining(self, original: Callable[..., None]) -> Callable[..., None]:
        # On the class and not on the loop: whoever replaces it there in a test finds his own.
        @functools.wraps(original)
        def call_exception_handler(loop: Any, context: dict[str, Any]) -> None:
            tap = self._taps.get(loop)
            if tap is not None:
                tap.complain(context)
            original(loop, context)

        return call_exception_handler

    def _checking(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def run(runner: Any, coro: Any, **keywords: Any) -> Any:
            session = open_session()
            if session is not None and asyncio._get_running_loop() is None:
                problem = check_loop(runner.get_loop())
                if problem:
                    at = session.axis.now()
                    session.note(RawRemark("loop-not-watched", None, at, None, problem))
                    warnings.warn(problem, RuntimeWarning, stacklevel=3)
            try:
                return original(runner, coro, **keywords)
            except BaseException as error:
                hide_frame(error)
                raise

        return run

    def _starting(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        @functools.wraps(original)
        def start(thread: Any) -> None:
            session = open_session()
            if session is None or getattr(thread, "_target", None) is _pool_worker():
                return original(thread)
            run = thread.run

            def run_in_session() -> None:
                vars(thread).pop("run", None)
                token = current_session.set(session)
                try:
                    run()
                except BaseException as error:
                    hide_frame(error)
                    raise
                finally:
                    current_session.reset(token)

            thread.run = run_in_session
            try:
                return original(thread)
            except BaseException as error:
                vars(thread).pop("run", None)
                hide_frame(error)
                raise

        return start

    def _submitting(self, original: Callable[..., Any], kind: str) -> Callable[..., Any]:
        @functools.wraps(original)
        def submit(executor: Any, function: Any, /, *args: Any, **kwargs: Any) -> Any:
            session = open_session()
            try:
                future = original(executor, function, *args, **kwargs)
            except BaseException as error:
                hide_frame(error)
                raise
            if session is not None and not session.failed:
                try:
                    self._watch_job(session, kind, function, args, future)
                except Exception as error:
                    self._give_up(error)
            return future

        return submit

    def _watch_job(
        self, session: Session, kind: str, function: Any, args: Any, future: Any
    ) -> None:
        axis = session.axis
        loop = asyncio._get_running_loop()
        tap = self._taps.get(loop)
        task = asyncio.current_task(loop) if loop is not None else None
        parent = tap.entry_of(task) if tap is not None and task is not None else None
        entry = Entry(future)
        entry.kind, entry.scope, entry.parent, entry.spawned = kind, session, parent, axis.now()
        entry.job = job = Job()
        entry.tap = tap
        entry.name = entry.coroutine = name_function(function, args)
        entry.line = learners_line(3) or (parent.line if parent is not None else None)
        if future.running() or future.done():
            job.started = entry.spawned
        else:
            begin = future.set_running_or_notify_cancel

            def set_running_or_notify_cancel() -> bool:
                vars(future).pop("set_running_or_notify_cancel", None)
                job.started = axis.now()
                return bool(begin())

            future.set_running_or_notify_cancel = set_running_or_notify_cancel

        def done(future: Any) -> None:
            entry.finished = axis.now()
            if future.cancelled():
                entry.outcome = "cancelled"
            elif future._exception is not None:
                entry.outcome = f"raised {say_error(future._exception)}"
            else:
                entry.outcome = "returned"

        future.add_done_callback(done)
        scope: Session | None = session
        while scope is not None:
            if not scope.closed and len(scope.jobs) < scope.most:
                scope.jobs.append(entry)
            scope = scope.outer
        if tap is not None:
            self._witnesses[tap].take_job(entry)

    def _warning(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        @functools.wraps(original)
        def warn_unawaited_coroutine(coroutine: Any) -> None:
            session = open_session()
            if session is not None:
                line = learners_line(2) or (coroutine.cr_code, coroutine.cr_code.co_firstlineno)
                at = session.axis.now()
                name = coroutine.__qualname__
                session.note(RawRemark("never-awaited", None, at, line, name))
            original(coroutine)

        return warn_unawaited_coroutine

    def _cancelling(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        @functools.wraps(original)
        def cancel_all_tasks(loop: Any) -> None:
            tap = self._taps.get(loop)
            if tap is not None:
                for task in asyncio.all_tasks(loop):
                    entry = tap.entry_of(task)
                    if entry is not None and entry.scope is not None:
                        at = tap.axis.now()
                        entry.scope.note(RawRemark("cancelled-at-exit", entry, at, entry.line, ""))
            original(loop)

        return cancel_all_tasks


def _pool_worker() -> Any:
    from concurrent.futures import thread

    return getattr(thread, "_worker", None)


def name_function(function: Any, args: tuple[Any, ...]) -> str:
    """Return what a job is called: `to_thread` hands over a partial of a context's `run`."""
    for _ in range(10):
        if isinstance(function, functools.partial):
            function, args = function.func, (*function.args, *args)
        elif getattr(function, "__name__", "") == "run" and args and callable(args[0]):
            if type(getattr(function, "__self__", None)).__name__ != "Context":
                break
            function, args = args[0], args[1:]
        else:
            break
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return printable(name)


stage = Stage()


def _begin_anew() -> None:
    """In a forked child: the loops, threads and locks of the parent's recordings are not here."""
    global stage
    stage.abandon()
    stage = Stage()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
