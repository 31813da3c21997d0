"""An exception for whoever catches everything: it's raised again, line by line, until it is out."""

import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from asyncteach.places import is_users


class OutOfTime(BaseException):
    """Ends an answer that doesn't end; no `except Exception` is in its way."""

    def __str__(self) -> str:
        return "this answer has taken too long, so it is stopped"


class TracedAmbush:
    """By a trace function, which Python takes away when it has raised: so it chooses its line.

    `is_theirs` tells if the code that is being executed is meant.
    """

    def __init__(self, is_theirs: Callable[[], bool]) -> None:
        self._is_theirs = is_theirs
        self._frames: list[FrameType] = []
        self._is_set = False
        self._before: Any = None
        self._tries = 0

    def set(self, frames: list[FrameType]) -> None:
        """Raise OutOfTime some lines later in one of these frames, or in what they call.

        The number of lines varies, so one of them is outside of the `try` that catches it.
        """
        left = 1 + self._tries % 7
        self._tries += 1

        def trace(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal left
            if event == "call" and not is_users(frame.f_code.co_filename):
                return None
            if event == "line" and self._is_theirs():
                left -= 1
                if left <= 0:
                    raise OutOfTime
            return trace

        self._frames += frames
        if not self._is_set:
            self._is_set, self._before = True, sys.gettrace()
        for one in frames:
            one.f_trace = trace
        sys.settrace(trace)

    def lift(self) -> None:
        """Put back what was traced before."""
        if self._is_set:
            self._is_set = False
            sys.settrace(self._before)
            while self._frames:
                self._frames.pop().f_trace = None


class MonitoredAmbush:
    """By `sys.monitoring`, from Python 3.12 on: it raises at every line, and stays.

    There a trace function comes too late for a coroutine that is resumed by an exception.
    """

    def __init__(self, is_theirs: Callable[[], bool]) -> None:
        self._is_theirs = is_theirs
        self._monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        self._tool: int | None = None
        self._codes: set[CodeType] = set()

    def set(self, frames: list[FrameType]) -> None:
        """Raise OutOfTime at every line of the code of these frames."""
        monitoring = self._monitoring
        if self._tool is None:
            self._tool = next((n for n in (4, 3, 5, 2, 1) if monitoring.get_tool(n) is None), None)
            if self._tool is None:  # others have taken them all
                return
            monitoring.use_tool_id(self._tool, "asyncteach")
            monitoring.register_callback(self._tool, monitoring.events.LINE, self._raise)
        for one in frames:
            self._codes.add(one.f_code)
            monitoring.set_local_events(self._tool, one.f_code, monitoring.events.LINE)

    def lift(self) -> None:
        """Give the tool back."""
        tool, self._tool = self._tool, None
        if tool is None:
            return
        while self._codes:
            self._monitoring.set_local_events(tool, self._codes.pop(), 0)
        self._monitoring.register_callback(tool, self._monitoring.events.LINE, None)
        self._monitoring.free_tool_id(tool)

    def _raise(self, _: CodeType, line: int) -> None:
        if self._is_theirs():
            raise OutOfTime


Ambush: Any = MonitoredAmbush if hasattr(sys, "monitoring") else TracedAmbush
