"""Scripts that end in ``asyncio.run(main())`` run in a notebook cell, for as long as you ask.

A notebook's event loop is running before your first cell, and Python lets no second one start
inside it. The native answer is a top-level ``await main()``; this is for scripts pasted whole.
"""

import asyncio
import contextlib
import contextvars
import functools
import importlib
import inspect
import signal
import sys
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

from asyncteach.replacements import Replacements

__all__ = ["disable_asyncio_run", "enable_asyncio_run"]

_ABSENT = object()

# The asyncio.run() that a task belongs to: tasks inherit it from the task that spawned them.
_belongs_to: contextvars.ContextVar[object] = contextvars.ContextVar("asyncteach_belongs_to")


@dataclass(frozen=True)
class _Enabled:
    """What has to be known to put everything back."""

    library: str
    loop: asyncio.AbstractEventLoop
    replaced: list[tuple[Any, str, Any]]


_enabled: _Enabled | None = None


def enable_asyncio_run() -> None:
    """Let a script that ends in ``asyncio.run(main())`` run in a notebook cell as it is.

    It says in one line which package it took and why. ``nest_asyncio`` is the one most people
    know; ``nest_asyncio2`` is taken where the first would lose the cells queued behind
    ``asyncio.run()`` (ipykernel 7.1 and later) or break ``TaskGroup`` and ``asyncio.timeout``
    (Python 3.14 and later). A second call changes nothing and says so. Without a running loop,
    as in a script, ``asyncio.run()`` works anyway and nothing is changed.

    ``asyncio.run()`` then blocks the cell until ``main()`` is done, on the notebook's own loop. As
    always, it cancels the tasks that ``main()`` left behind, and no others. It leaves the loop's
    async generators and threads to the notebook; ``loop_factory`` is accepted and not used. The
    stop button cancels ``main()``; pressed twice, it also ends code that never awaits.

    What it costs, until ``disable_asyncio_run()``:

    - up to Python 3.13 every task is the pure-Python one: work takes 1.2 to 2 times as long;
    - other tasks can run during code without an ``await``, if it calls ``asyncio.run()``, so
      timelines no longer show plain asyncio: leave it off for those;
    - ``asyncio.Runner`` still refuses to run: write ``await main()`` instead.

    Raises ValueError on a loop that can't run inside itself, such as uvloop's.

    >>> enable_asyncio_run()
    No event loop is running here, so asyncio.run() works as it is: nothing changed.
    """
    global _enabled
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        print("No event loop is running here, so asyncio.run() works as it is: nothing changed.")
        return
    if _enabled is not None:
        print(f"asyncio.run() already works in this notebook, with {_enabled.library}.")
        return
    if hasattr(asyncio, "_nest_patched") or hasattr(loop, "_nest_patched"):
        owner = "nest_asyncio2" if hasattr(asyncio, "_nest_asyncio2") else "nest_asyncio"
        print(f"{owner} has already been applied here: nothing changed.")
        return
    ipykernel = getattr(sys.modules.get("ipykernel"), "version_info", None)
    library, reason = _choose(sys.version_info[:2], ipykernel)
    nest = importlib.import_module(library)
    before = [(namespace, dict(vars(namespace))) for namespace in _namespaces(loop, nest)]
    nest.apply(loop)
    asyncio.run = _nested(before[0][1]["run"])
    _enabled = _Enabled(library, loop, _replaced(before))
    print(f"asyncio.run() now works in this notebook: took {library}, {reason}.")


def disable_asyncio_run() -> None:
    """Put everything back as it was before ``enable_asyncio_run()``, and say so in one line.

    ``asyncio.run()`` in a cell then fails again, as it does in every fresh notebook. A
    patch that you applied yourself stays. Call it in a cell of its own, not inside
    ``asyncio.run()``.

    >>> disable_asyncio_run()
    Nothing to undo: enable_asyncio_run() is not on.
    """
    global _enabled
    if _enabled is None:
        print("Nothing to undo: enable_asyncio_run() is not on.")
        return
    for namespace, name, value in _enabled.replaced:
        if value is _ABSENT:
            delattr(namespace, name)
            # Counting up an attribute of the class leaves one on the loop.
            vars(_enabled.loop).pop(name, None)
        else:
            setattr(namespace, name, value)
    _enabled = None
    print("asyncio.run() is Python's own again: in a notebook write `await main()`.")


def _choose(python: tuple[int, ...], ipykernel: tuple[int, ...] | None) -> tuple[str, str]:
    """Return the package to take and the reason, by the versions of Python and ipykernel."""
    # ipykernel comes first for one and the same sentence on every Python.
    if ipykernel is not None and ipykernel >= (7, 1):
        return "nest_asyncio2", (
            "because with ipykernel 7.1 and later nest_asyncio loses the cells queued behind "
            "asyncio.run()"
        )
    if python >= (3, 14):
        return "nest_asyncio2", (
            "because from Python 3.14 on nest_asyncio breaks TaskGroup and asyncio.timeout()"
        )
    return "nest_asyncio", "which is sound with this version of Python and of ipykernel"


def _namespaces(loop: asyncio.AbstractEventLoop, nest: Any) -> list[Any]:
    """Return every module and class in which ``apply()`` may replace a name, asyncio first."""
    modules = [
        module
        for name, module in sorted(sys.modules.items())
        if name.startswith("asyncio.") or name == "tornado.concurrent"
    ]
    classes = list(type(loop).__mro__)
    if sys.version_info < (3, 14):
        classes += type(asyncio.get_event_loop_policy()).__mro__
    # object can't be changed, and a class of both families must be put back only once.
    return [asyncio, nest, *modules, *dict.fromkeys(cls for cls in classes if cls is not object)]


def _replaced(before: list[tuple[Any, dict[str, Any]]]) -> list[tuple[Any, str, Any]]:
    """Return what has changed since: the namespace, the name, and its value before."""
    return [
        (namespace, name, old.get(name, _ABSENT))
        for namespace, old in before
        for name in old.keys() | vars(namespace).keys()
        if old.get(name, _ABSENT) is not vars(namespace).get(name, _ABSENT)
    ]


def _nested(plain_run: Callable[..., Any]) -> Callable[..., Any]:
    """Return an ``asyncio.run()`` that also runs where a loop is running already."""

    @functools.wraps(plain_run)
    def run(main: Any, *, debug: bool | None = None, **options: Any) -> Any:
        if inspect.iscoroutinefunction(main):
            name = getattr(main, "__name__", "main")
            raise TypeError(
                f"asyncio.run() needs a coroutine: write asyncio.run({name}()), with brackets"
            )
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        # A thread without a loop needs no nesting, and a name kept from `from asyncio import run`
        # outlives disable_asyncio_run().
        if loop is None or _enabled is None:
            return plain_run(main, debug=debug, **options)
        if inspect.isawaitable(main) and not asyncio.iscoroutine(main):
            main = _awaited(main)  # Python 3.14 and later take any awaitable
        return _run_on(loop, main, debug)

    return run


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _run_on(
    loop: asyncio.AbstractEventLoop, main: Coroutine[Any, Any, Any], debug: bool | None
) -> Any:
    """Run ``main`` on a loop that may run inside itself, and cancel the tasks it leaves."""
    run_id = object()
    context = contextvars.copy_context()
    context.run(_belongs_to.set, run_id)
    debug_before = loop.get_debug()
    if debug is not None:
        loop.set_debug(debug)
    task = loop.create_task(main, context=context)
    try:
        with _own_tasks(task, loop, run_id), _interrupt_cancels(task, loop):
            return loop.run_until_complete(task)
    finally:
        loop.set_debug(debug_before)
        # An interrupt leaves past its task, which would complain of that in a later cell.
        if task.done() and not task.cancelled():
            task.exception()


@contextlib.contextmanager
def _own_tasks(
    main: "asyncio.Task[Any]", loop: asyncio.AbstractEventLoop, run_id: object
) -> Iterator[None]:
    """Cancel what this ``asyncio.run()`` spawned and wait for its end, as Python's own does."""
    spawned: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet([main])
    replacements = Replacements()

    def make(plain_create_task: Callable[..., Any]) -> Callable[..., Any]:
        def create_task(*args: Any, **kwargs: Any) -> Any:
            task = plain_create_task(*args, **kwargs)
            if _belongs_to.get(None) is run_id:
                spawned.add(task)
            return task

        return create_task

    replacements.put(loop, "create_task", make)
    try:
        yield
    finally:
        replacements.undo()
        leftovers = [task for task in spawned if not task.done()]
        for task in leftovers:
            task.cancel()
        if leftovers:
            loop.run_until_complete(asyncio.gather(*leftovers, return_exceptions=True))
        for task in leftovers:
            if not task.cancelled() and (error := task.exception()) is not None:
                loop.call_exception_handler(
                    {
                        "message": "unhandled exception during asyncio.run() shutdown",
                        "exception": error,
                        "task": task,
                    }
                )


@contextlib.contextmanager
def _interrupt_cancels(
    task: "asyncio.Task[Any]", loop: asyncio.AbstractEventLoop
) -> Iterator[None]:
    """Let the first interrupt cancel `task` and become a KeyboardInterrupt when that has ended.

    `asyncio.run()` does the same: an exception raised at whatever line the thread happens to be at
    may land between two lines of asyncio's own, and leave a task that never runs again. A second
    interrupt is raised at once. An interrupt handler that the user installed is left alone.
    """
    before = signal.getsignal(signal.SIGINT)
    # ipykernel has a handler of its own for cells with a top-level await: it cancels the cell's
    # task, which can't hear of it while it runs the loop itself.
    module = getattr(before, "__module__", None) or ""
    is_usual = before is signal.default_int_handler or module.startswith("ipykernel.")
    if threading.current_thread() is not threading.main_thread() or not is_usual:
        yield
        return
    interrupts = 0

    def handle(number: int, frame: Any) -> None:
        nonlocal interrupts
        interrupts += 1
        if interrupts > 1 or task.done():
            raise KeyboardInterrupt
        task.cancel()
        loop.call_soon_threadsafe(lambda: None)  # an idle loop is asleep in its select

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    except asyncio.CancelledError:
        if interrupts and task.uncancel() == 0:
            raise KeyboardInterrupt from None
        raise
    finally:
        if signal.getsignal(signal.SIGINT) is handle:
            signal.signal(signal.SIGINT, before)
