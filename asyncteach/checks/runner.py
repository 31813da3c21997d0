"""Run an answer: recorded, in virtual time if wanted, and with a deadline."""

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from asyncteach.checks.timeout import Ending, run_within
from asyncteach.formatting import describe_error
from asyncteach.recorder.loop_patch import check_loop
from asyncteach.recorder.record import record
from asyncteach.recording import Recording
from asyncteach.virtual_clock.virtual_time import replace_names, virtual_time


class NotAwaitable(Exception):
    """A function returned a value that can't be awaited."""

    def __init__(self, value: Any) -> None:
        self.value = value


async def run_answer(
    answer: Callable[[], Any] | Awaitable[Any], *, virtual: bool, deadline: float, title: str
) -> tuple[Recording, Ending]:
    """Run an answer as a task on the running loop, and end all its tasks."""
    if problem := check_loop(asyncio.get_running_loop()):
        raise RuntimeError(problem)
    recorder = record(title=title)
    recording = Recording(title, [], unit="seconds", head="loop")

    async def work() -> Any:
        nonlocal recording
        with recorder as recording:
            made = answer() if callable(answer) else answer
            if not inspect.isawaitable(made):
                raise NotAwaitable(made)
            try:
                return await made
            finally:
                await _settle()

    def close() -> None:
        """Complete the trace: stopping the answer must not show in its recording."""
        recorder.__exit__(None, None, None)
        _ = recording.trace

    with virtual_time() if virtual else contextlib.nullcontext():
        if virtual:
            replace_names(getattr(answer, "__globals__", {}))
        ending = await run_within(deadline, work, close)
    outcome = "returned"
    if ending.stopped:
        outcome = "still running"
    elif isinstance(ending.error, asyncio.CancelledError):
        outcome = "cancelled"
    elif ending.error is not None:
        outcome = f"raised {describe_error(ending.error)}"
    for row in recording.trace.rows:
        if row.was_there:  # the answer's own task
            row.name, row.label, row.outcome = title, title, outcome
    return recording, ending


async def _settle() -> None:
    """Let tasks that were cancelled but not awaited take the steps that they need to end."""
    for _ in range(10):
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if not any(task.cancelling() for task in others):
            return
        await asyncio.sleep(0)
