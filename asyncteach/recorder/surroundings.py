"""What is replaced in the process while anything is recorded, for what loops can't tell."""

import asyncio
import contextlib
import functools
import threading
import warnings
import weakref
from asyncio import runners
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from asyncteach.formatting import printable
from asyncteach.recorder.callbacks import users_line, warn
from asyncteach.recorder.entry import Entry, Job
from asyncteach.recorder.scope import RawEvent, Session, current_session, open_session
from asyncteach.recorder.tap import check_loop
from asyncteach.recorder.waits import shielded
from asyncteach.recorder.witness import asyncio_method, lock_holders, say_error, started_at
from asyncteach.replacements import Replacements, hide_frame


class Surroundings:
    """Stand-ins for functions of asyncio, threads and warnings; all tell the stage."""

    def __init__(self, stage: Any) -> None:
        self._stage = stage
        self._replaced = Replacements()

    def undo(self) -> None:
        """Put everything back."""
        self._replaced.undo()

    def install(self) -> None:
        """Put everything in its place."""
        loop = asyncio.BaseEventLoop
        self._put(loop, "run_forever", self._running)
        # nest_asyncio gives ways to run of its own to the class of the loop.
        for kind in _subclasses(loop):
            for name in ("run_forever", "run_until_complete"):
                if name in vars(kind):
                    self._put(kind, name, self._running)
        self._put(loop, "call_exception_handler", self._complaining)
        self._put(asyncio.Runner, "run", self._checking)
        self._put(threading.Thread, "start", self._starting)
        self._put(ThreadPoolExecutor, "submit", partial(self._submitting, kind="thread"))
        with contextlib.suppress(ImportError):  # not in a browser
            from concurrent.futures.process import ProcessPoolExecutor

            self._put(ProcessPoolExecutor, "submit", partial(self._submitting, kind="process"))
        self._replaced.put_new(asyncio.Lock, "_locked", property(_is_locked, _set_locked))
        for owner in (asyncio, asyncio.tasks):
            self._put(owner, "shield", self._shielding)
        self._put_name(warnings, "_warn_unawaited_coroutine", self._warning)
        self._put_name(runners, "_cancel_all_tasks", self._cancelling)

    def _put(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        stand_in = make(self._replaced.take(owner, name))
        self._replaced.put(owner, name, functools.wraps(getattr(owner, name))(stand_in))

    def _put_name(self, module: Any, name: str, make: Callable[[Any], Any]) -> None:
        names = vars(module)
        if name in names:  # of Python's own, without a promise to stay
            self._replaced.put_name(names, name, functools.wraps(names[name])(make(names[name])))

    def _shielding(self, original: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def shield(arg: Any) -> Any:
            try:
                outer = original(arg)
            except BaseException as error:
                hide_frame(error)
                raise
            if isinstance(arg, asyncio.Task) and outer is not arg:
                shielded[outer] = weakref.ref(arg)
            return outer

        return shield

    def _running(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def run(loop: Any, *args: Any) -> Any:
            session = open_session()
            tap = None
            if session is not None and not session.failed and not loop.is_closed():
                tap = self._stage.attach(loop, session)
            if tap is not None:
                tap.begin_thread()
            try:
                return original(loop, *args)
            except BaseException as error:
                hide_frame(error)
                raise
            finally:
                if tap is not None:
                    tap.end_thread()

        return run

    def _complaining(self, original: Callable[..., None]) -> Callable[..., None]:
        # On the class and not on the loop: whoever replaces it there in a test finds his own.
        def call_exception_handler(loop: Any, context: dict[str, Any]) -> None:
            tap = self._stage.tap_of(loop)
            if tap is not None:
                tap.complain(context)
            original(loop, context)

        return call_exception_handler

    def _checking(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def run(runner: Any, coro: Any, **keywords: Any) -> Any:
            session = open_session()
            undo: list[Callable[[], object]] = []
            if session is not None and asyncio._get_running_loop() is None:
                problem = check_loop(runner.get_loop())
                if problem:
                    at = session.axis.now()
                    session.note(RawEvent("loop-not-watched", None, at, None, problem))
                    warn(problem, depth=3)
                # A runner that is older than the recording has a context of its own.
                context = keywords.get("context") or runner._context
                token = context.run(current_session.set, session)
                undo.append(lambda: context.run(current_session.reset, token))
            try:
                return original(runner, coro, **keywords)
            except BaseException as error:
                hide_frame(error)
                raise
            finally:
                for one in undo:
                    one()

        return run

    def _starting(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        def start(thread: Any) -> None:
            session = open_session()
            if session is None or getattr(thread, "_target", None) is _pool_worker():
                return original(thread)
            run = thread.run
            try:
                started_at[thread] = line = users_line(2)
                method = asyncio_method(getattr(thread, "_target", None))
                if method is not None and line is not None:
                    at = session.axis.now()
                    session.note(RawEvent("wrong-thread", None, at, line, method))
            except Exception as error:
                self._stage.give_up(error)

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
        def submit(executor: Any, function: Any, /, *args: Any, **kwargs: Any) -> Any:
            session = open_session()
            try:
                future = original(executor, function, *args, **kwargs)
            except BaseException as error:
                hide_frame(error)
                raise
            if session is not None and not session.failed:
                try:
                    self._watch_job(session, kind, function, args, future, executor)
                except Exception as error:
                    self._stage.give_up(error)
            return future

        return submit

    def _watch_job(
        self, session: Session, kind: str, function: Any, args: Any, future: Any, executor: Any
    ) -> None:
        axis = session.axis
        loop = asyncio._get_running_loop()
        tap = self._stage.tap_of(loop)
        task = asyncio.current_task(loop) if loop is not None else None
        parent = tap.entry_of(task) if tap is not None and task is not None else None
        entry = Entry(future)
        entry.kind, entry.scope, entry.parent, entry.spawned = kind, session, parent, axis.now()
        entry.job = job = Job()
        if kind == "process":
            job.pool = (id(executor), executor._max_workers)
        entry.tap = tap
        entry.name = entry.coroutine = name_function(function, args)
        entry.line = users_line(3) or (parent.line if parent is not None else None)
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
            if job.started != job.started and not future.cancelled():
                job.started = entry.spawned  # a thread took it while we were looking
            if future.cancelled():
                entry.outcome = "cancelled"
            elif future._exception is not None:
                entry.outcome = f"raised {say_error(future._exception)}"
            else:
                entry.outcome = "returned"

        future.add_done_callback(done)
        session.add_job(entry)
        if tap is not None:
            tap.observer.take_job(entry)

    def _warning(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        def warn_unawaited_coroutine(coroutine: Any) -> None:
            session = open_session()
            if session is not None:
                line = users_line(2) or (coroutine.cr_code, coroutine.cr_code.co_firstlineno)
                at = session.axis.now()
                name = coroutine.__qualname__
                session.note(RawEvent("never-awaited", None, at, line, name))
            if coroutine.cr_origin is None:
                # As the original says it; called from here, it would name our line.
                text = f"coroutine '{coroutine.__qualname__}' was never awaited"
                warnings.warn(text, category=RuntimeWarning, stacklevel=2, source=coroutine)
            else:
                original(coroutine)

        return warn_unawaited_coroutine

    def _cancelling(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        def cancel_all_tasks(loop: Any) -> None:
            tap = self._stage.tap_of(loop)
            if tap is not None:
                for task in asyncio.all_tasks(loop):
                    entry = tap.entry_of(task)
                    if entry is not None and entry.scope is not None:
                        at = tap.axis.now()
                        entry.scope.note(RawEvent("cancelled-at-exit", entry, at, entry.line, ""))
            original(loop)

        return cancel_all_tasks


def _is_locked(lock: Any) -> bool:
    try:
        return bool(vars(lock)["_locked"])
    except KeyError:
        raise AttributeError("_locked") from None


def _set_locked(lock: Any, value: bool) -> None:
    """Stand in for the attribute of a Lock, which is set in a step of the task that takes it."""
    vars(lock)["_locked"] = value
    loop = asyncio._get_running_loop()
    task = None if loop is None or not value else asyncio.current_task(loop)
    if task is not None:
        with contextlib.suppress(TypeError):  # a subclass whose locks can't be looked up
            lock_holders[lock] = weakref.ref(task)


def _subclasses(owner: type) -> list[type]:
    own: list[type] = owner.__subclasses__()
    return [*own, *(deeper for one in own for deeper in _subclasses(one))]


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
    return printable(name.rpartition("<locals>.")[2])
