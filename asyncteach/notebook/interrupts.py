"""The stop button: it ends a task in good order instead of tearing the event loop apart."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

__all__ = ["interrupt_cancels"]


@contextlib.contextmanager
def interrupt_cancels(task: "asyncio.Task[Any]", loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Let the first interrupt cancel `task` and become a KeyboardInterrupt when that has ended.

    As `asyncio.run()` does it: an exception that is raised wherever the thread happens to be may
    land between two lines of asyncio's own, and leave a task that nobody will ever step again. A
    second interrupt is raised at once. Where somebody else handles interrupts nothing is changed.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not _is_usual(before):
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


def _is_usual(handler: Any) -> bool:
    # A notebook puts one in place for cells with a top-level await: it cancels the cell's own
    # task, which can't hear of it while it runs the loop itself.
    module = getattr(handler, "__module__", None) or ""
    return handler is signal.default_int_handler or module.startswith("ipykernel.")
