"""record(): watch any asyncio code run, and get a Recording of it."""

import asyncio
import contextlib
import os
import threading
from traceback import walk_tb
from types import TracebackType
from typing import Any

from asyncteach.arguments import check_number
from asyncteach.formatting import describe_error
from asyncteach.places import is_users
from asyncteach.recorder.build_trace import build_trace
from asyncteach.recorder.loop_patch import LoopPatch, check_loop, running_loop
from asyncteach.recorder.process_patch import ProcessPatch, warn
from asyncteach.recorder.scope import (
    RecordingClock,
    RecordingSession,
    current_session,
    open_session,
)
from asyncteach.recorder.task_table import Entry, Line
from asyncteach.recorder.watchdog import Watchdog, add_sample, read_stack
from asyncteach.recording import Recording
from asyncteach.virtual_clock import clock as virtual_clock
from asyncteach.virtual_clock.clock import VirtualClock, running_clock

MAX_SLICES = 2_000_000
"""How many steps a recording keeps by default: 64 MB."""


class record:
    """See what every task does: put `with record() as recording:` around any asyncio code.

    It works in a script, around `asyncio.run(main())` or inside a coroutine, and in a notebook cell
    with top-level `await`. It records the task that opens it, all tasks spawned from that one, also
    by libraries, and the work that they hand to threads and processes, but not the notebook's own
    tasks or those of other cells.

    The Recording is in seconds since the block began: `print(recording.explain())` explains what
    happened, `recording.plot()` draws it, and `tasks()`, `to_frame()` and `blocked()` return the
    numbers. A task is *running* while it has the loop, *ready* while it could go on but the loop
    is busy, and *waiting* otherwise. What a timer wakes is ready from when the timer was due, even
    if the loop was blocked then or another thread had the GIL. When a socket answered during a
    block isn't known, so its task is ready from the end of the block. A job of a process pool is
    ready until one of the pool's workers is free. Inside or around `virtual_time()` the times are
    virtual.

    A step that holds the loop for longer than `threshold` seconds is reported with its line.
    `max_slices` is how many steps (32 bytes each) and how many tasks are kept; the others are
    counted in `recording.dropped`. `title` is the title of the pictures.

    Recordings can be nested: the outer one also records what the inner one does. Two at the same
    time in different tasks each record their own. If the recorder itself fails, it warns once,
    stops, and your code goes on. Raises TypeError or ValueError for options that make no sense,
    RuntimeError on a loop that can't be watched, such as uvloop's.

    >>> import asyncio
    >>> async def main():
    ...     await asyncio.gather(asyncio.sleep(0.02), asyncio.sleep(0.01))
    >>> with record() as recording:
    ...     asyncio.run(main())
    >>> list(recording.tasks()["outcome"])
    ['returned', 'returned', 'returned']
    """

    def __init__(
        self,
        *others: object,
        threshold: float = 0.05,
        max_slices: int = MAX_SLICES,
        title: str = "Recording",
    ) -> None:
        if others:
            raise TypeError(
                f"record() takes its options by name: write record(title={others[0]!r})."
                if isinstance(others[0], str)
                else "record() takes only options by name, as in record(threshold=0.1): write "
                "`with record() as recording:` around your code."
            )
        self._threshold = check_number(
            threshold, "record(threshold=...)", above=True, fix="leave it out for 0.05"
        )
        most = f"leave it out for {MAX_SLICES:,}"
        self._most = int(check_number(max_slices, "record(max_slices=...)", least=1, fix=most))
        self._title = str(title)
        self._session: RecordingSession | None = None
        self._token: Any = None

    def __enter__(self) -> Recording:
        if self._session is not None:
            raise RuntimeError("this recording is already open: write another `with record():`.")
        loop = running_loop()
        problem = None if loop is None else check_loop(loop)
        if problem:
            raise RuntimeError(problem)
        outer = open_session()
        # Recordings that are open at the same time share one clock where they share a loop.
        shared = outer or registry.patches.get(loop)
        clock = shared.clock if shared is not None else RecordingClock(running_clock())
        session = self._session = RecordingSession(outer, clock, self._threshold, self._most)
        try:
            self._token = current_session.set(session)
            registry.open(session)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return Recording.from_source(self._title, lambda: build_trace(session))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        session, self._session = self._session, None
        if session is None or session.closed:  # closed: in a forked child
            return
        if error is not None:
            session.note("raised", None, _last_line(traceback), describe_error(error))
        try:
            registry.close(session)
        finally:
            # If a recording that was opened after it goes on, or if this is another context, it
            # stays: a closed session counts as none.
            if current_session.get() is session:
                with contextlib.suppress(ValueError):
                    current_session.reset(self._token)


def _last_line(traceback: TracebackType | None) -> Line | None:
    """Return the user's innermost line in a traceback."""
    lines = [(frame.f_code, line) for frame, line in walk_tb(traceback)]
    return next((line for line in reversed(lines) if is_users(line[0].co_filename)), None)


class RecorderRegistry:
    """The open recordings, and everything that is replaced for them, on loops and elsewhere."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._sessions: list[RecordingSession] = []
        self.patches: dict[Any, LoopPatch] = {}
        self._watchdog = Watchdog(self.give_up)
        self._process_patch = ProcessPatch(self)

    def open(self, session: RecordingSession) -> None:
        """Begin a recording: replace what it needs, also on the running loop."""
        with self._lock:
            self._sessions.append(session)
            if self not in virtual_clock.watchers:
                virtual_clock.watchers.append(self)
                self._process_patch.install()
            loop = running_loop()
            patch = None if loop is None else self.attach(loop, session)
            # The recording begins when everything is in place.
            session.opened = session.clock.now()
            task = asyncio.current_task(loop) if patch is not None else None
            if patch is not None and task is not None:
                try:
                    session.openers.append(patch.adopt(task, session))
                except Exception as error:
                    self.give_up(error)

    def close(self, session: RecordingSession) -> None:
        """End a recording: put back what no other recording needs."""
        with self._lock:
            if not session.failed:
                session.ended = session.clock.now()
            try:
                for patch in filter(session.watches, list(session.begins)):
                    self._detach(patch, session)
            finally:
                session.closed = True
                self._sessions.remove(session)
                if not self._sessions:
                    self._take_everything_away()

    def attach(self, loop: Any, session: RecordingSession) -> LoopPatch | None:
        """Watch a loop for a recording and those around it; return None if it can't be watched."""
        with self._lock:
            problem = check_loop(loop)
            if problem:
                session.note("loop-not-watched", None, None, problem)
                return None
            patch = self.patches.get(loop)
            if patch is None:
                # All recordings on a loop share one clock.
                patch = LoopPatch(loop, session.clock, self)
                self.patches[loop] = patch
            for scope in session.open_scopes():
                if not scope.watches(patch):
                    scope.begins[patch] = patch.extent()
                    patch.widen(scope.threshold, scope.most)
            patch.install()
            self._watchdog.add(patch)
            return patch

    def _detach(self, patch: LoopPatch, session: RecordingSession) -> None:
        try:
            patch.events.pending(session)
        except Exception as error:
            self.give_up(error)
        session.ends[patch] = patch.extent()
        if not any(one.watches(patch) for one in self._sessions):
            self.remove(patch)

    def remove(self, patch: LoopPatch) -> None:
        """Stop watching a loop, so that a long recording doesn't keep it alive."""
        self._watchdog.remove(patch)
        for session in self._sessions:
            if session.watches(patch):
                session.ends[patch] = patch.extent()
        self.patches.pop(patch.loop, None)
        patch.remove()

    def _take_everything_away(self) -> None:
        for patch in list(self.patches.values()):
            self.remove(patch)
        self._process_patch.undo()
        if self in virtual_clock.watchers:
            virtual_clock.watchers.remove(self)

    def abandon(self) -> None:
        """Forget everything in a forked child: it doesn't have the parent's threads and locks."""
        self._lock = threading.RLock()
        self._watchdog = Watchdog(self.give_up)
        for session in self._sessions:
            session.closed = True
        self._sessions = []
        self._take_everything_away()

    # What loops report

    def report(self, kind: str, entry: Entry | None, *what: Any, **more: Any) -> None:
        """Add an event to the recording of that task, or else to that of the calling code."""
        session = entry.scope if entry is not None else open_session()
        if session is None and len(self._sessions) == 1:
            session = self._sessions[0]
        if session is not None:
            session.note(kind, entry, *what, **more)

    def give_up(self, error: BaseException) -> None:
        """Stop all recording after a failure in the recorder itself: the watched code goes on."""
        working = [session for session in self._sessions if not session.failed]
        for session in working:
            session.failed, session.ended = True, session.clock.now()
            session.note("recorder-failed", None, None, describe_error(error))
        for patch in list(self.patches.values()):
            patch.stop()
        if working:
            text = f"record() has failed and stopped recording; your code goes on: {error!r}"
            warn(text, depth=3)

    # What virtual clocks report

    def clock_opened(self, clock: VirtualClock) -> None:
        """Follow a clock that the calling code has opened."""
        session = open_session()
        if session is not None:
            session.clock.enter(clock)

    def clock_closed(self, clock: VirtualClock) -> None:
        """Follow real time again."""
        for session in list(self._sessions):
            session.clock.leave(clock)

    def clock_sleeps(self, clock: VirtualClock) -> None:
        """Note the line that sleeps: the watchdog can't see it, because it takes no real time."""
        patch = self.patches.get(running_loop())
        if patch is not None and patch.clock.clock is clock and patch.since:
            add_sample(patch, patch.since, read_stack())


registry = RecorderRegistry()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=registry.abandon)
