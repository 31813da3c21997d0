"""What record() replaces in the process: parts of asyncio, threads, pools and warnings."""

import asyncio
import contextvars
import functools
import sys
import threading
import warnings
import weakref
from asyncio import runners
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import thread as thread_pools
from contextlib import suppress
from typing import Any

from asyncteach.formatting import describe_error, printable
from asyncteach.recorder.loop_patch import check_loop, context_of_runner, running_loop
from asyncteach.recorder.scope import RecordingSession, current_session, open_session
from asyncteach.recorder.task_events import lock_holders, users_line
from asyncteach.recorder.task_table import Entry
from asyncteach.replacements import Replacements, hide_frame, start_thread


class ProcessPatch:
    """Our functions in place of those of asyncio, threads, pools and warnings."""

    def __init__(self, registry: Any) -> None:
        self._registry = registry
        self._replaced = Replacements()
        self.undo = self._replaced.undo

    def install(self) -> None:
        """Replace everything in this list, and nothing else."""
        put = self._replaced.put
        put(asyncio.BaseEventLoop, "run_forever", self._run_forever)
        put(asyncio.BaseEventLoop, "call_exception_handler", self._call_exception_handler)
        put(asyncio.Runner, "run", self._run)
        put(asyncio.Lock, "_locked", lambda _: property(_is_locked, _set_locked))
        put(threading.Thread, "start", self._start)
        put(ThreadPoolExecutor, "submit", functools.partial(self._submit, "thread"))
        with suppress(ImportError):  # not in a browser
            from concurrent.futures.process import ProcessPoolExecutor

            put(ProcessPoolExecutor, "submit", functools.partial(self._submit, "process"))
        # These are private to Python and may go.
        if hasattr(warnings, "_warn_unawaited_coroutine"):
            put(warnings, "_warn_unawaited_coroutine", _warn_unawaited_coroutine)
        if hasattr(runners, "_cancel_all_tasks"):
            put(runners, "_cancel_all_tasks", self._cancel_all_tasks)

    # Each of these returns the replacement of the function that it is named after

    def _run_forever(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def run_forever(loop: Any) -> None:
            session, patch = open_session(), None
            if session is not None and not session.failed and not loop.is_closed():
                patch = self._registry.attach(loop, session)
            if patch is not None:
                patch.begin_thread()
            try:
                original(loop)
            except BaseException as error:
                hide_frame(error)
                raise

        return run_forever

    def _run(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def run(runner: Any, coro: Any, **keywords: Any) -> Any:
            session = open_session()
            if session is None or running_loop() is not None:
                return original(runner, coro, **keywords)
            problem = check_loop(runner.get_loop())
            if problem:
                session.note("loop-not-watched", None, None, problem)
                warn(problem, depth=3)
            # A runner that is older than the recording has a context of its own.
            context = keywords.get("context") or context_of_runner(runner)
            token = context.run(current_session.set, session)
            try:
                return original(runner, coro, **keywords)
            except BaseException as error:
                hide_frame(error)
                raise
            finally:
                context.run(current_session.reset, token)

        return run

    def _call_exception_handler(self, original: Callable[..., None]) -> Callable[..., None]:
        # On the class and not on the loop: a test that replaces it there then finds its own.
        def call_exception_handler(loop: Any, context: dict[str, Any]) -> None:
            patch = self._registry.patches.get(loop)
            if patch is not None:
                patch.events.complained(context)
            original(loop, context)

        return call_exception_handler

    def _cancel_all_tasks(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        def cancel_all_tasks(loop: Any) -> None:
            patch = self._registry.patches.get(loop)
            for task in asyncio.all_tasks(loop) if patch is not None else ():
                entry = patch.tasks.entry_of(task)
                if entry is not None:
                    entry.scope.note("cancelled-at-exit", entry, entry.line, "")
            original(loop)

        return cancel_all_tasks

    def _start(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        def start(thread: Any) -> None:
            session, target = open_session(), getattr(thread, "_target", None)
            # A pool's thread can serve any recording.
            if session is None or target is getattr(thread_pools, "_worker", None):
                return original(thread)
            run = thread.run
            line = users_line(2)
            method = _asyncio_method(getattr(thread, "function", target))  # of a Timer, too
            if method is not None and line is not None:
                session.note("wrong-thread", None, line, method)

            def run_in_session() -> None:
                current_session.set(session)
                try:
                    run()
                except BaseException as error:
                    hide_frame(error)
                    raise

            return start_thread(original, thread, run_in_session)

        return start

    def _submit(self, kind: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def submit(executor: Any, function: Any, /, *args: Any, **kwargs: Any) -> Any:
            session = open_session()
            future = original(executor, function, *args, **kwargs)
            if session is not None and not session.failed:
                try:
                    job = self._make_job(session, kind, name_function(function, args))
                    if kind == "process":
                        job.pool = (id(executor), executor._max_workers)
                    _watch_future(future, job, session.clock)
                except Exception as error:
                    self._registry.give_up(error)
            return future

        return submit

    def _make_job(self, session: RecordingSession, kind: str, name: str) -> Any:
        loop = running_loop()
        patch = self._registry.patches.get(loop)
        parent = None if patch is None else patch.tasks.entry_of(asyncio.current_task(loop))
        entry = Entry()
        entry.kind, entry.scope, entry.parent, entry.patch = kind, session, parent, patch
        entry.name = entry.coroutine = name
        entry.spawned = session.clock.now()
        entry.line = users_line(3) or (parent.line if parent is not None else None)
        session.add_job(entry)
        if patch is not None:
            patch.events.take_job(entry)
        return entry


def _watch_future(future: Any, entry: Any, clock: Any) -> None:
    """Note when a job begins, if that can be seen in this process, and how it ends."""
    begin = future.set_running_or_notify_cancel

    def set_running_or_notify_cancel() -> bool:
        vars(future).pop("set_running_or_notify_cancel", None)
        entry.started = clock.now()
        return bool(begin())

    def done(future: Any) -> None:
        entry.finished = clock.now()
        if future.cancelled():
            entry.outcome = "cancelled"
            return
        if entry.started != entry.started:
            entry.started = entry.spawned  # a thread took it before this one could look
        error = future.exception()
        entry.outcome = "returned" if error is None else f"raised {describe_error(error)}"

    if future.running():
        entry.started = entry.spawned
    elif not future.done():
        future.set_running_or_notify_cancel = set_running_or_notify_cancel
    future.add_done_callback(done)


def _warn_unawaited_coroutine(original: Callable[[Any], None]) -> Callable[[Any], None]:
    def warn_unawaited_coroutine(coroutine: Any) -> None:
        session = open_session()
        if session is not None:
            line = users_line(2) or (coroutine.cr_code, coroutine.cr_code.co_firstlineno)
            session.note("never-awaited", None, line, coroutine.__qualname__)
        if coroutine.cr_origin is None:
            # The original's own words: called from here, the original would name our line.
            text = f"coroutine '{coroutine.__qualname__}' was never awaited"
            warnings.warn(text, category=RuntimeWarning, stacklevel=2, source=coroutine)
        else:
            original(coroutine)

    return warn_unawaited_coroutine


def _is_locked(lock: Any) -> bool:
    try:
        return bool(vars(lock)["_locked"])
    except KeyError:
        raise AttributeError("_locked") from None


def _set_locked(lock: Any, value: bool) -> None:
    """Note which task takes a Lock: the attribute is set in a step of that task."""
    vars(lock)["_locked"] = value
    loop = running_loop() if value else None
    task = None if loop is None else asyncio.current_task(loop)
    if task is not None:
        with suppress(TypeError):  # a subclass whose locks can't be looked up
            lock_holders[lock] = weakref.ref(task)


def name_function(function: Any, args: tuple[Any, ...]) -> str:
    """Return the name of a job; `to_thread` submits a partial of a context's `run`."""
    while True:
        if isinstance(function, functools.partial):
            function, args = function.func, (*function.args, *args)
        elif isinstance(getattr(function, "__self__", None), contextvars.Context) and args:
            function, args = args[0], args[1:]
        else:
            break
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return printable(name.rpartition("<locals>.")[2])


def _asyncio_method(function: Any) -> str | None:
    """Return the name of a method of an asyncio object that belongs to a loop's thread, or None."""
    owner = getattr(function, "__self__", None)
    return f"{type(owner).__name__}.{function.__name__}()" if isinstance(owner, _BOUND) else None


_BOUND = (
    *(asyncio.Future, asyncio.Lock, asyncio.Event, asyncio.Condition, asyncio.Semaphore),
    *(asyncio.Barrier, asyncio.Queue),
)


def warn(text: str, *, depth: int) -> None:
    """Warn; if warnings are errors, print the text, so that recorded code never gets one."""
    try:
        warnings.warn(text, RuntimeWarning, stacklevel=depth + 1)
    except RuntimeWarning:
        print(f"RuntimeWarning: {text}", file=sys.stderr)
