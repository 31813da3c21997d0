"""Who is told of what happens beside plain steps."""

from collections.abc import Callable
from typing import Any

from asyncteach.recorder.entry import Entry


class Observer:
    """What a tap tells: it may be slow, since these things are rare."""

    def joined(self, tap: Any, entry: Entry, task: Any) -> None:
        """A task that was running already opens a recording."""

    def waited(self, tap: Any, entry: Entry, task: Any, until: float) -> None:
        """A task that has waited for long is about to go on; it still stands where it waited."""

    def finished(self, tap: Any, entry: Entry, task: Any, at: float) -> None:
        """A task has returned, raised or been cancelled."""

    def vanished(self, tap: Any, entry: Entry, at: float) -> None:
        """A task has been garbage-collected before it was done."""

    def complained(self, tap: Any, context: dict[str, Any]) -> None:
        """The loop's exception handler is about to be told something."""

    def trespassed(self, tap: Any, callback: Any) -> None:
        """Another thread has put a callback on the loop, while that was idle, without waking it."""

    def handed_over(self, tap: Any, call: Callable[[], Any]) -> Any:
        """Work goes to an executor by `call()`, whose future is to be returned."""
        return call()

    def failed(self, error: BaseException) -> None:
        """The recorder itself has failed: it has to end."""
