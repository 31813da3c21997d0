"""Let scripts that end in ``asyncio.run(main())`` run in a notebook cell, until you turn it off.

A notebook's event loop runs before your first cell does, and Python doesn't let a second one start
inside it. A notebook's own way is a top-level ``await main()``; this is for scripts pasted whole.
"""

import asyncio
import contextvars
import functools
import importlib
import inspect
import signal
import sys
import weakref
from collections.abc import Callable
from typing import Any

_ABSENT = object()

# The tasks of the asyncio.run() that a task belongs to: it inherits them from its parent.
_Tasks = weakref.WeakSet[asyncio.Task[Any]]
_spawned: contextvars.ContextVar[_Tasks | None] = contextvars.ContextVar("spawned", default=None)


_enabled: tuple[str, asyncio.AbstractEventLoop, list[tuple[Any, str, Any]]] | None = None
"""The package in use, the notebook's loop, and the old values of the names it replaced."""


def enable_asyncio_run() -> None:
    """Let a script that ends in ``asyncio.run(main())`` run in a notebook cell as it is.

    It prints which package it uses and why. ``nest_asyncio`` is the one most people
    know; ``nest_asyncio2`` is used where the first would lose the cells queued behind
    ``asyncio.run()`` (ipykernel 7.1 and later) or break ``TaskGroup`` and ``asyncio.timeout``
    (Python 3.14 and later). Without a running loop, as in a script, it changes nothing.

    ``asyncio.run()`` then blocks the cell until ``main()`` is done, on the notebook's own loop. As
    always it cancels the tasks that ``main()`` left behind, and no others. Its options are accepted
    but ignored. The stop button cancels ``main()``; pressed twice, it also ends code that never
    awaits.

    What it costs, until ``disable_asyncio_run()``:

    - up to Python 3.13 tasks are the pure-Python ones: work takes 1.2 to 2 times as long;
    - other tasks can run during code without an ``await``, if it calls ``asyncio.run()``, so
      timelines no longer show plain asyncio: leave it off when you draw those;
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
        print(f"asyncio.run() already works in this notebook, with {_enabled[0]}.")
        return
    if hasattr(asyncio, "_nest_patched") or hasattr(loop, "_nest_patched"):
        print("nest_asyncio has already been applied here: nothing changed.")
        return
    ipykernel = getattr(sys.modules.get("ipykernel"), "version_info", ())
    library, reason = _choose(sys.version_info[:2], ipykernel)
    nest = importlib.import_module(library)
    before = [(namespace, dict(vars(namespace))) for namespace in _namespaces(loop, nest)]
    nest.apply(loop)
    asyncio.run = _nested(before[0][1]["run"])
    loop.create_task = functools.partial(_create_task, loop.create_task)  # type: ignore[method-assign]
    replaced = [
        (namespace, name, old.get(name, _ABSENT))
        for namespace, old in before
        for name in old.keys() | vars(namespace).keys()
        if old.get(name, _ABSENT) is not vars(namespace).get(name, _ABSENT)
    ]
    _enabled = library, loop, [*replaced, (loop, "create_task", _ABSENT)]
    print(f"asyncio.run() now works in this notebook: took {library}, {reason}.")


def disable_asyncio_run() -> None:
    """Put everything back as it was before ``enable_asyncio_run()``.

    ``asyncio.run()`` in a cell then fails again, as it does in every fresh notebook. A
    patch that you applied yourself stays. Call it in a cell of its own, not inside
    ``asyncio.run()``.

    >>> disable_asyncio_run()
    Nothing to undo: enable_asyncio_run() is not in effect.
    """
    global _enabled
    if _enabled is None:
        print("Nothing to undo: enable_asyncio_run() is not in effect.")
        return
    _, loop, replaced = _enabled
    for namespace, name, value in replaced:
        if value is _ABSENT:
            delattr(namespace, name)
            vars(loop).pop(name, None)  # `loop.x += 1` makes it the loop's own
        else:
            setattr(namespace, name, value)
    _enabled = None
    print("asyncio.run() is Python's own again: in a notebook write `await main()`.")


def _choose(python: tuple[int, ...], ipykernel: tuple[int, ...]) -> tuple[str, str]:
    """Return the package to use and the reason, from the versions of Python and ipykernel."""
    # ipykernel comes first, so that the sentence is the same on every Python.
    if ipykernel >= (7, 1):
        return "nest_asyncio2", (
            "because with ipykernel 7.1 and later nest_asyncio loses the cells queued behind "
            "asyncio.run()"
        )
    if python >= (3, 14):
        return "nest_asyncio2", (
            "because from Python 3.14 on nest_asyncio breaks TaskGroup and asyncio.timeout()"
        )
    return "nest_asyncio", "which works with this version of Python and of ipykernel"


def _namespaces(loop: asyncio.AbstractEventLoop, nest: Any) -> list[Any]:
    """Return every module and class in which ``apply()`` may replace a name, asyncio first."""
    names = [name for name in sorted(sys.modules) if name.startswith("asyncio.")]
    modules = [sys.modules[name] for name in (*names, "tornado.concurrent") if name in sys.modules]
    classes = list(type(loop).__mro__)
    if sys.version_info < (3, 14):
        classes += type(asyncio.get_event_loop_policy()).__mro__
    # `object` can't be changed, and a class of both has to be put back only once.
    return [asyncio, nest, *modules, *dict.fromkeys(cls for cls in classes if cls is not object)]


def _create_task(create: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    task = create(*args, **kwargs)
    spawned = _spawned.get()
    if spawned is not None:
        spawned.add(task)
    return task


def _nested(plain_run: Callable[..., Any]) -> Callable[..., Any]:
    """Return an ``asyncio.run()`` that also works where a loop is already running."""

    @functools.wraps(plain_run)
    def run(main: Any, **options: Any) -> Any:
        if inspect.iscoroutinefunction(main):
            call = f"asyncio.run({main.__name__}())"
            raise TypeError(f"asyncio.run() needs a coroutine: write {call}, with brackets")
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        # A name from `from asyncio import run` outlives disable_asyncio_run().
        if _enabled is None or loop is not _enabled[1]:
            return plain_run(main, **options)
        return _run_on(loop, main)

    return run


def _run_on(loop: asyncio.AbstractEventLoop, main: Any) -> Any:
    """Run ``main`` on a loop that may run inside itself, and cancel the tasks it leaves."""
    context, spawned, interrupts = contextvars.copy_context(), _Tasks(), 0
    context.run(_spawned.set, spawned)
    task = loop.create_task(main, context=context)

    def handle(number: int, frame: Any) -> None:
        nonlocal interrupts
        interrupts += 1
        # The first one only cancels the task, as always: an exception raised at an arbitrary line
        # may hit asyncio's own code, and leave a task that never runs again.
        if interrupts > 1 or task.done():
            raise KeyboardInterrupt
        task.cancel()
        loop.call_soon_threadsafe(lambda: None)  # an idle loop is asleep in its select

    before = signal.signal(signal.SIGINT, handle)
    try:
        return loop.run_until_complete(task)
    except asyncio.CancelledError:
        if interrupts:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, before)
        leftovers = [one for one in (task, *spawned) if not one.done()]
        for one in leftovers:
            one.cancel()
        if leftovers:
            loop.run_until_complete(asyncio.gather(*leftovers, return_exceptions=True))
        for one in leftovers:
            if not one.cancelled() and (error := one.exception()) is not None:
                message = "unhandled exception during asyncio.run() shutdown"
                loop.call_exception_handler({"message": message, "exception": error, "task": one})
        # An interrupt is raised past its task, which would report it again in a later cell.
        if not task.cancelled():
            task.exception()
