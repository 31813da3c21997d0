"""Run an answer: recorded, in virtual time if wanted, and with a deadline."""

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from asyncteach.checks.timeout import other_tasks, run_within
from asyncteach.formatting import describe_error
from asyncteach.places import Place
from asyncteach.recorder.loop_patch import check_loop
from asyncteach.recorder.record import record
from asyncteach.recording import Recording
from asyncteach.virtual_clock.virtual_time import replace_names, virtual_time

_ROUNDS = 10
"""The number of steps in which tasks can end that the answer has cancelled but not awaited."""

_MOST = 500
"""At most so many objects are searched for functions."""


@dataclass
class Run:
    """How the run of an answer ended."""

    recording: Recording
    value: Any = None
    error: BaseException | None = None
    stopped: bool = False
    held: bool = False
    """True if one of its steps held the loop when it was stopped."""
    place: Place | None = None
    """The line where it was stopped."""
    left: str = ""
    """A sentence about what could not be stopped."""
    missing: bool = False
    """True if the function returned something that can't be awaited: `value` is that."""


class _Nothing(Exception):
    """A function returned something that can't be awaited."""


async def run_answer(
    answer: Callable[[], Any] | Awaitable[Any], *, virtual: bool, deadline: float, title: str
) -> Run:
    """Run an answer as a task on the running loop, and end all its tasks."""
    if problem := check_loop(asyncio.get_running_loop()):
        raise RuntimeError(problem)
    recorder = record(title=title)
    recordings: list[Recording] = []
    values: list[Any] = []

    async def work() -> Any:
        with recorder as recording:
            recordings.append(recording)
            made = answer() if callable(answer) else answer
            if not inspect.isawaitable(made):
                values.append(made)
                raise _Nothing
            try:
                value = await made
            except Exception:
                await _settle()
                raise
            await _settle()
            return value

    async def work_and_leave() -> Any:
        try:
            value = await work()
        except Exception:
            _stop_rest(recordings)
            raise
        _stop_rest(recordings)
        return value

    with virtual_time() if virtual else contextlib.nullcontext() as clock:
        if clock is not None:
            for names in _namespaces(answer):
                replace_names(names)
        try:
            # Stopping the answer must not show in its recording.
            ending = await run_within(deadline, work_and_leave, lambda: _close(recorder))
        finally:
            _close(recorder)  # if an exception came before it was closed
    recording = _finish(recordings, title, ending.error, stopped=ending.stopped)
    if isinstance(ending.error, _Nothing):
        return Run(recording, values[0], missing=True)
    return Run(
        recording,
        ending.value,
        ending.error,
        ending.stopped,
        ending.held,
        ending.place,
        ending.left,
    )


def _close(recorder: record) -> None:
    recorder.__exit__(None, None, None)


def _namespaces(answer: Any) -> list[dict[str, Any]]:
    """Return the global names of an answer, and of the functions that it refers to.

    After `from time import sleep` the user's name `sleep` has to be virtual too.
    """
    found: dict[int, dict[str, Any]] = {}
    left, seen = [answer], set[int]()
    while left and len(seen) < _MOST:
        one = left.pop()
        if inspect.ismethod(one):
            left.append(one.__self__)
            one = one.__func__
        if id(one) in seen or inspect.ismodule(one):
            continue
        seen.add(id(one))
        if inspect.isfunction(one):
            found[id(one.__globals__)] = one.__globals__
            for cell in one.__closure__ or ():
                with contextlib.suppress(ValueError):  # an empty one
                    left.append(cell.cell_contents)
        elif isinstance(one, type) or hasattr(one, "__dict__"):
            left += [] if isinstance(one, type) else [type(one)]
            left += list(vars(one).values())
    return list(found.values())


async def _settle() -> None:
    """Give cancelled tasks the steps that they need to end."""
    for _ in range(_ROUNDS):
        if not any(task.cancelling() for task in other_tasks()):
            return
        await asyncio.sleep(0)


def _stop_rest(recordings: list[Recording]) -> None:
    """Cancel the tasks that the answer has left running: in virtual time they would soon end."""
    for recording in recordings:
        _ = recording.trace  # built now, so that it doesn't contain these cancellations
    for task in other_tasks():
        task.cancel()


def _finish(
    recordings: list[Recording], title: str, error: BaseException | None, *, stopped: bool
) -> Recording:
    """Return the recording, with the name and the outcome of the answer's own task."""
    if not recordings:
        return Recording(title, [], unit="seconds", head="loop")
    trace = recordings[0].trace
    outcome = "returned"
    if stopped:
        outcome = "still running"
    elif isinstance(error, asyncio.CancelledError):
        outcome = "cancelled"
    elif error is not None:
        outcome = f"raised {describe_error(error)}"
    rows = [
        replace(row, name=title, label=title, outcome=outcome) if row.was_there else row
        for row in trace.rows
    ]
    # Waits and blocks are found when they are needed, in the old trace.
    whole = replace(
        trace,
        rows=rows,
        find_waits=lambda: trace.waits,
        find_blocks=lambda: trace.blocks,
    )
    return Recording.from_trace(title, whole)
