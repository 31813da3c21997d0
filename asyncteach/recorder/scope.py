"""Which recording a piece of code belongs to: tasks and threads inherit it with their context."""

import copy
from contextvars import Context, ContextVar
from typing import Any, NamedTuple

from asyncteach.recorder.axis import Axis
from asyncteach.recorder.entry import Entry
from asyncteach.recorder.tap import Tap
from asyncteach.recorder.waits import Line

MOST_REMARKS = 10_000


class RawEvent(NamedTuple):
    """Something seen, with the entries it is about; `trace.Event` is the developed form."""

    kind: str
    entry: Entry | None
    at: float
    line: Line | None
    text: str
    seconds: float = 0.0
    others: tuple[Entry, ...] = ()


class Marks(NamedTuple):
    """How far the reels of a tap had come."""

    steps: int
    waits: int
    idle: int
    holds: int
    entries: int
    dropped: int
    cpu: float


def mark(tap: Tap) -> Marks:
    """Return how far a tap has come."""
    reels = (tap.steps.rows(), tap.waits.rows(), tap.idle.rows())
    return Marks(*reels, len(tap.holds), len(tap.registry.entries), tap.steps.dropped, tap.cpu)


class Session:
    """One open recording: what belongs to it, and since when."""

    def __init__(self, outer: "Session | None", axis: Axis, threshold: float, most: int) -> None:
        self.origin = self
        self.outer = outer
        self.axis = axis
        self.threshold = threshold
        self.most = most
        self.opened = axis.now()
        self.ended = float("nan")
        self.closed = False
        self.everything = False
        """Tell if tasks of any scope belong to it: for tests that watch whole loops."""
        self.taps: dict[Tap, Marks] = {}
        self.ends: dict[Tap, Marks] = {}
        self.openers: list[Entry] = []
        self.ready: dict[Entry, float] = {}
        """Since when tasks have been ready that still are when the recording ends."""
        self.jobs: list[Entry] = []
        self.events: list[RawEvent] = []
        self.failed = False

    def end_of(self, tap: Tap) -> Marks:
        """Return how far a tap had come when the recording ended, or has come by now."""
        return self.ends.get(tap) or mark(tap)

    def detach(self) -> "Session":
        """Return all that is known, and keep nothing: contexts of tasks still refer to this one."""
        known = copy.copy(self)
        self.taps, self.ends, self.ready = {}, {}, {}
        self.openers, self.jobs, self.events = [], [], []
        return known

    def owns(self, entry: Entry) -> bool:
        """Tell if a task or job belongs to this recording or to one inside it."""
        scope = entry.scope
        while scope is not None:
            if scope is self.origin:
                return True
            scope = scope.outer
        return entry in self.openers

    def add_job(self, entry: Entry) -> None:
        """Keep a job of a thread or a process, here and in the recordings around this one."""
        scope: Session | None = self
        while scope is not None:
            if not scope.closed and len(scope.jobs) < scope.most:
                scope.jobs.append(entry)
            scope = scope.outer

    def note(self, event: RawEvent) -> None:
        """Keep a event, here and in the recordings around this one."""
        scope: Session | None = self
        while scope is not None:
            if not scope.closed and len(scope.events) < MOST_REMARKS:
                scope.events.append(event)
            scope = scope.outer


current_session: ContextVar[Session | None] = ContextVar("asyncteach_session", default=None)


def open_session(context: Context | Any = None) -> Session | None:
    """Return the innermost open recording that a context, or the calling code, belongs to."""
    session = current_session.get() if context is None else context.get(current_session)
    while session is not None and session.closed:
        session = session.outer
    return session
