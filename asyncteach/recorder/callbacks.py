"""Callbacks of an event loop: what they are called, where they come from, how they fail."""

import asyncio
import functools
import sys
import types
import warnings
from asyncio import events
from functools import lru_cache
from types import CodeType
from typing import Any

from asyncteach.places import is_users
from asyncteach.recorder.waits import Line

_LOOPS = (events.__file__, __file__.replace("callbacks", "stepper"))


_STEPS = (None, "task_wakeup", "__step", "__wakeup")


def task_of(callback: Any) -> Any:
    """Return the task whose step a callback is, else None: `task.cancel` is no step."""
    if getattr(callback, "__name__", None) in _STEPS:
        task = getattr(callback, "__self__", None)
        if hasattr(task, "get_coro"):
            return task
    return None


@lru_cache(maxsize=256)
def line_of(code: CodeType, line: int) -> Line:
    """Return the pair, the same one for the same line: ten thousand tasks may come from one."""
    return code, line


def users_line(depth: int) -> Line | None:
    """Return the user's line that is being executed, `depth` frames up or further out.

    Not beyond the loop: who runs that has not written the code that the loop calls.
    """
    frame: Any = sys._getframe(depth)
    while frame is not None:
        code = frame.f_code
        if is_users(code.co_filename):
            return line_of(code, frame.f_lineno or code.co_firstlineno)
        if code.co_name == "_run" and code.co_filename in _LOOPS:
            return None
        frame = frame.f_back
    return None


def warn(text: str, *, depth: int) -> None:
    """Warn; where warnings are errors, print the words, so that recorded code never gets one."""
    try:
        warnings.warn(text, RuntimeWarning, stacklevel=depth + 1)
    except RuntimeWarning:
        print(f"RuntimeWarning: {text}", file=sys.stderr)


class Raising:
    """A context in which every call raises the same."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def run(self, *_: Any) -> Any:
        raise self._error


def name_callback(callback: Any) -> str:
    """Return what a callback is called: a task that isn't recorded by its name."""
    while isinstance(callback, functools.partial):
        callback = callback.func
    owner = getattr(callback, "__self__", None)
    if owner is not None and hasattr(owner, "get_coro"):
        return str(owner.get_name())
    return str(getattr(callback, "__qualname__", type(callback).__qualname__))


def type_of_steps() -> Any:
    """Return the type of the callback by which a task asks for its next step.

    asyncio has no name for it; it is that of the callback which a new task gives to its loop.
    """
    seen: list[Any] = []

    class Loop:
        def call_soon(self, callback: Any, *_: Any, context: Any = None) -> None:
            seen.append(callback)

        def get_debug(self) -> bool:
            return False

        def is_running(self) -> bool:
            return False

        def call_exception_handler(self, _: Any) -> None:
            pass

    async def nothing() -> None:
        pass

    coroutine = nothing()
    loop: Any = Loop()
    task: Any = asyncio.Task(coroutine, loop=loop, name="probe")  # no automatic name is used up
    task._log_destroy_pending = False
    coroutine.close()
    kind = type(seen[0])
    # The pure-Python task gives a bound method, and so would anybody else.
    return None if kind is types.MethodType else kind
