"""What is in place while anything is recorded: the taps on loops, and what they can't see."""

import asyncio
import os
import sys
import threading
from typing import Any

from asyncteach.recorder.axis import Axis
from asyncteach.recorder.callbacks import warn
from asyncteach.recorder.entry import Entry
from asyncteach.recorder.scope import RawEvent, Session, mark, open_session
from asyncteach.recorder.surroundings import Surroundings
from asyncteach.recorder.tap import Tap, check_loop
from asyncteach.recorder.waits import Line
from asyncteach.recorder.watchdog import Watchdog, add_sample, read_stack
from asyncteach.recorder.witness import Witness
from asyncteach.virtual_clock import clock as virtual_clock
from asyncteach.virtual_clock.clock import VirtualClock


class Stage:
    """All that is replaced in the process while at least one recording is open."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._sessions: list[Session] = []
        self._taps: dict[Any, Tap] = {}
        self._users: dict[Tap, set[Session]] = {}
        self._watchdog = Watchdog()
        self._surroundings = Surroundings(self)

    def open(self, session: Session) -> None:
        """Put in place what a recording needs, and tap the loop that is running, if any."""
        with self._lock:
            self._sessions.append(session)
            if self not in virtual_clock.watchers:
                virtual_clock.watchers.append(self)
                self._surroundings.install()
            loop = asyncio._get_running_loop()
            tap = None if loop is None else self.attach(loop, session)
            # The recording begins when all is ready to see.
            session.opened = session.axis.now()
            task = None if loop is None else asyncio.current_task(loop)
            if tap is not None and task is not None:
                session.openers.append(tap.adopt(task, session))

    def close(self, session: Session) -> None:
        """Take away what no recording needs any more.

        Whatever an interrupt has left undone of it, or of `open`, is done by a second call.
        """
        with self._lock:
            if not session.failed and not session.closed:
                session.ended = session.axis.now()
            session.closed = True
            for tap in list(session.taps):
                self._detach(tap, session)
            if session in self._sessions:
                self._sessions.remove(session)
            if not self._sessions:
                for tap in list(self._taps.values()):
                    self._remove(tap)
                self._surroundings.undo()
                while self in virtual_clock.watchers:
                    virtual_clock.watchers.remove(self)
            error, self._watchdog.error = self._watchdog.error, None
        if error is not None:
            self._warn(error)

    def tap_of(self, loop: Any) -> Tap | None:
        """Return what is on a loop, if anything is."""
        return self._taps.get(loop)

    def axis_of(self, loop: Any, outer: Session | None) -> Axis | None:
        """Return the time that a new recording shares with those that are open already."""
        if outer is not None:
            return outer.axis
        tap = self._taps.get(loop)
        return tap.axis if tap is not None else None

    def attach(self, loop: Any, session: Session) -> Tap | None:
        """Let a loop be seen by a recording, and by those around it; None: it can't be."""
        with self._lock:
            problem = check_loop(loop)
            if problem:
                at = session.axis.now()
                session.note(RawEvent("loop-not-watched", None, at, None, problem))
                return None
            tap = self._taps.get(loop)
            if tap is None:
                # What is recorded on one loop has one time.
                witness = Witness(self._report, self.give_up)
                scope_of = (lambda _: session) if session.everything else open_session
                tap = Tap(loop, session.axis, scope_of, witness)
                # Known first, put in place then: an interrupt may come between any two lines.
                self._users[tap] = set()
                self._taps[loop] = tap
                tap.on_close = self._remove
                tap.install()
            scope: Session | None = session
            while scope is not None:
                if not scope.closed and scope not in self._users[tap]:
                    self._users[tap].add(scope)
                    scope.taps[tap] = mark(tap)
                    tap.widen(scope.threshold, scope.most)
                scope = scope.outer
            self._watchdog.add(tap)
            return tap

    def _detach(self, tap: Tap, session: Session) -> None:
        if session not in self._users.get(tap, ()):
            return  # its loop was closed long ago
        tap.cut(session.ended)
        tap.end_thread()
        self._note_pending(tap, session)
        session.ends[tap] = mark(tap)
        self._users[tap].discard(session)
        if not self._users[tap]:
            self._remove(tap)

    def _note_pending(self, tap: Tap, session: Session) -> None:
        """Note who is ready, and what the others still await, when the recording ends."""
        session.ready.update(tap.find_ready())
        for entry in tap.registry.alive():
            task = entry()
            if task is None or entry.outcome or not session.owns(entry):
                continue
            entry.name = task.get_name()
            if tap.current()[1] != entry.number and task._fut_waiter is not None:
                try:
                    at = session.ready.get(entry, session.ended)
                    tap.observer.waited(tap, entry, task, at)
                except Exception as error:
                    self.give_up(error)

    def _remove(self, tap: Tap) -> None:
        # What is closed need not be kept alive by a recording that is open for long.
        self._watchdog.remove(tap)
        for session in self._users.get(tap, ()):
            session.ends[tap] = mark(tap)
        tap.remove()
        # Not by its loop, which it has let go.
        self._taps = {loop: other for loop, other in self._taps.items() if other is not tap}
        self._users.pop(tap, None)

    def abandon(self) -> None:
        """Leave all recordings as they are, without asking any other thread."""
        self._watchdog.abandon()
        for session in self._sessions:
            session.closed = True
        for tap in self._taps.values():
            tap.remove()
        self._surroundings.undo()
        if self in virtual_clock.watchers:
            virtual_clock.watchers.remove(self)

    # Remarks

    def _report(
        self,
        kind: str,
        entry: Entry | None,
        at: float,
        line: Line | None,
        text: str,
        *,
        others: tuple[Entry, ...] = (),
        tap: Tap | None = None,
    ) -> None:
        session = entry.scope if entry is not None else open_session()
        if session is None and tap is not None and len(self._sessions) == 1:
            session = self._sessions[0]
        if session is not None:
            session.note(RawEvent(kind, entry, at, line, text, 0.0, others))

    def give_up(self, error: BaseException) -> None:
        """End all recording after a failure of our own: the watched code goes on."""
        with self._lock:
            first = not any(session.failed for session in self._sessions)
            for session in self._sessions:
                session.failed = True
                session.ended = at = session.axis.now()
                session.events.append(
                    RawEvent("recorder-failed", None, at, None, f"{type(error).__name__}: {error}")
                )
            for tap in list(self._taps.values()):
                tap.stop()
        if first and self._sessions:
            self._warn(error)

    def _warn(self, error: BaseException) -> None:
        warn(f"record() has failed and stopped recording; your code goes on: {error!r}", depth=4)

    # Virtual clocks

    def clock_opened(self, clock: VirtualClock) -> None:
        session = open_session()
        if session is not None:
            session.axis.enter(clock)

    def clock_closed(self, clock: VirtualClock) -> None:
        for session in list(self._sessions):
            session.axis.leave(clock)

    def clock_sleeps(self, clock: VirtualClock) -> None:
        """Note who sleeps on the loop's own thread: nobody else can see it, as it takes no time."""
        tap = self._taps.get(asyncio._get_running_loop())
        if tap is not None and tap.axis.clock is clock:
            since, _ = tap.current()
            sample = read_stack(sys._getframe(1))
            if since and sample:
                add_sample(tap, since, sample)


stage = Stage()


def _begin_anew() -> None:
    """In a forked child: the loops, threads and locks of the parent's recordings are not here."""
    global stage
    stage.abandon()
    stage = Stage()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
