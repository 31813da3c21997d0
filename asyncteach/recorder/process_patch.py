"""What record() replaces in the process, for what a loop can't tell: threads, pools, warnings."""

import asyncio
import contextlib
import functools
import threading
import warnings
import weakref
from asyncio import runners
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import thread as thread_pools
from functools import partial
from typing import Any

from asyncteach.formatting import describe_error, printable
from asyncteach.recorder.loop_patch import check_loop, context_of_runner, running_loop
from asyncteach.recorder.scope import RecordingSession, current_session, open_session
from asyncteach.recorder.task_events import (
    asyncio_method,
    lock_holders,
    started_at,
    warn,
)
from asyncteach.recorder.task_table import Entry, Job, users_line
from asyncteach.recorder.waits import shielded
from asyncteach.replacements import Replacements, hide_frame


class ProcessPatch:
    """Functions of ours in the place of those of asyncio, threads and warnings."""

    def __init__(self, registry: Any) -> None:
        self._registry = registry
        self._replaced = Replacements()

    def undo(self) -> None:
        """Put everything back."""
        self._replaced.undo()

    def install(self) -> None:
        """Put everything in its place: all that is replaced in the process is in this list."""
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
        # Of Python's own, without a promise to stay.
        for module, name, make in (
            (warnings, "_warn_unawaited_coroutine", self._warning),
            (runners, "_cancel_all_tasks", self._cancelling),
        ):
            if hasattr(module, name):
                self._put(module, name, make)

    def _put(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        stand_in = make(self._replaced.take(owner, name))
        self._replaced.put(owner, name, functools.wraps(getattr(owner, name))(stand_in))

    def _shielding(self, original: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def shield(arg: Any) -> Any:
            outer = original(arg)
            if isinstance(arg, asyncio.Task) and outer is not arg:
                shielded[outer] = weakref.ref(arg)
            return outer

        return shield

    def _running(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def run(loop: Any, *args: Any) -> Any:
            session = open_session()
            patch = None
            if session is not None and not session.failed and not loop.is_closed():
                patch = self._registry.attach(loop, session)
            if patch is not None:
                patch.begin_thread()
            try:
                return original(loop, *args)
            except BaseException as error:
                hide_frame(error)
                raise
            finally:
                if patch is not None:
                    patch.end_thread()

        return run

    def _complaining(self, original: Callable[..., None]) -> Callable[..., None]:
        # On the class and not on the loop: a test that replaces it there finds its own.
        def call_exception_handler(loop: Any, context: dict[str, Any]) -> None:
            patch = self._registry.patch_of(loop)
            if patch is not None:
                patch.events.complained(context)
            original(loop, context)

        return call_exception_handler

    def _checking(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def run(runner: Any, coro: Any, **keywords: Any) -> Any:
            session = open_session()
            undo: list[Callable[[], object]] = []
            if session is not None and running_loop() is None:
                problem = check_loop(runner.get_loop())
                if problem:
                    session.note("loop-not-watched", None, None, problem)
                    warn(problem, depth=3)
                # A runner that is older than the recording has a context of its own.
                context = keywords.get("context") or context_of_runner(runner)
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
            is_worker = getattr(thread, "_target", None) is getattr(thread_pools, "_worker", None)
            if session is None or is_worker:
                return original(thread)
            run = thread.run
            try:
                started_at[thread] = line = users_line(2)
                method = asyncio_method(getattr(thread, "_target", None))
                if method is not None and line is not None:
                    session.note("wrong-thread", None, line, method)
            except Exception as error:
                self._registry.give_up(error)

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
            except BaseException:
                vars(thread).pop("run", None)
                raise

        return start

    def _submitting(self, original: Callable[..., Any], kind: str) -> Callable[..., Any]:
        def submit(executor: Any, function: Any, /, *args: Any, **kwargs: Any) -> Any:
            session = open_session()
            future = original(executor, function, *args, **kwargs)
            if session is not None and not session.failed:
                try:
                    self._watch_job(session, kind, function, args, future, executor)
                except Exception as error:
                    self._registry.give_up(error)
            return future

        return submit

    def _watch_job(
        self,
        session: RecordingSession,
        kind: str,
        function: Any,
        args: Any,
        future: Any,
        executor: Any,
    ) -> None:
        now = session.clock.now
        loop = running_loop()
        patch = self._registry.patch_of(loop)
        task = asyncio.current_task(loop) if loop is not None else None
        parent = None if patch is None else patch.tasks.entry_of(task)
        entry = Entry()
        entry.kind, entry.scope, entry.parent, entry.spawned = kind, session, parent, now()
        entry.patch, entry.job = patch, Job()
        job = entry.job
        if kind == "process":
            job.pool = (id(executor), executor._max_workers)
        entry.name = entry.coroutine = name_function(function, args)
        entry.line = users_line(3) or (parent.line if parent is not None else None)
        if future.running() or future.done():
            job.started = entry.spawned
        else:
            begin = future.set_running_or_notify_cancel

            def set_running_or_notify_cancel() -> bool:
                vars(future).pop("set_running_or_notify_cancel", None)
                job.started = now()
                return bool(begin())

            future.set_running_or_notify_cancel = set_running_or_notify_cancel

        def done(future: Any) -> None:
            entry.finished = now()
            if job.started != job.started and not future.cancelled():
                job.started = entry.spawned  # a thread took it while we were looking
            if future.cancelled():
                entry.outcome = "cancelled"
            elif (error := future.exception()) is not None:
                entry.outcome = f"raised {describe_error(error)}"
            else:
                entry.outcome = "returned"

        future.add_done_callback(done)
        session.add_job(entry)
        if patch is not None:
            patch.events.take_job(entry)

    def _warning(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        def warn_unawaited_coroutine(coroutine: Any) -> None:
            session = open_session()
            if session is not None:
                line = users_line(2) or (coroutine.cr_code, coroutine.cr_code.co_firstlineno)
                session.note("never-awaited", None, line, coroutine.__qualname__)
            if coroutine.cr_origin is None:
                # As the original says it; called from here, it would name our line.
                text = f"coroutine '{coroutine.__qualname__}' was never awaited"
                warnings.warn(text, category=RuntimeWarning, stacklevel=2, source=coroutine)
            else:
                original(coroutine)

        return warn_unawaited_coroutine

    def _cancelling(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        def cancel_all_tasks(loop: Any) -> None:
            patch = self._registry.patch_of(loop)
            if patch is not None:
                for task in asyncio.all_tasks(loop):
                    entry = patch.tasks.entry_of(task)
                    if entry is not None and entry.scope is not None:
                        entry.scope.note("cancelled-at-exit", entry, entry.line, "")
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
    loop = running_loop() if value else None
    task = None if loop is None else asyncio.current_task(loop)
    if task is not None:
        with contextlib.suppress(TypeError):  # a subclass whose locks can't be looked up
            lock_holders[lock] = weakref.ref(task)


def _subclasses(owner: type) -> list[type]:
    own: list[type] = owner.__subclasses__()
    return [*own, *(deeper for one in own for deeper in _subclasses(one))]


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
