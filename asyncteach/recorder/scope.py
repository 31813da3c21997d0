"""Recording sessions: which code belongs to them, what they keep, and their clock."""

from collections.abc import Callable
from contextvars import Context, ContextVar
from typing import Any, NamedTuple

from asyncteach.recorder.task_table import Entry, Line
from asyncteach.virtual_clock.clock import NS, VirtualClock, current_clock, due_on, real_monotonic

MOST_EVENTS = 10_000


class RecordingClock:
    """The time of all loops of a recording, in seconds that never run backwards.

    It is the loop's own clock or, while one is open, the virtual clock.
    """

    def __init__(self, clock: VirtualClock | None = None) -> None:
        self.now: Callable[[], float] = real_monotonic
        self.clock: VirtualClock | None = None
        self.is_plain = True
        """Whether times of the loop need no conversion."""
        self.virtual = False
        """Whether any of it was virtual: then processor time means nothing."""
        self.followers: list[Callable[[Callable[[], float]], object]] = []
        """Called with the new `now` whenever it is replaced."""
        self._clock_start = 0
        self._began = 0.0
        if clock is not None:
            # From a small number, so that whole nanoseconds stay whole; zero would mean no time.
            self._follow(clock, began=1.0)
        self.start = self.now()

    def enter(self, clock: VirtualClock) -> None:
        """Follow a virtual clock, unless one is already open."""
        if self.clock is None:
            # A whole number of nanoseconds after the start, so that differences can be exact.
            self._follow(clock, began=self.start + round((self.now() - self.start) * NS) / NS)

    def leave(self, clock: VirtualClock) -> None:
        """Follow real time again, from where that clock stopped."""
        if self.clock is clock:
            shift = self.now() - real_monotonic()
            self.clock = None
            self._set(lambda: real_monotonic() + shift)

    def due(self, when: float, context: Context) -> float:
        """Return the time of a timer that is due when `loop.time()` is `when`."""
        if self.clock is not None and context.get(current_clock) is self.clock:
            return self._began + (due_on(self.clock, when) - self._clock_start) / NS
        return when + self.now() - real_monotonic()

    def _follow(self, clock: VirtualClock, *, began: float) -> None:
        self.clock, self._clock_start, self._began = clock, clock.now, began
        self.is_plain, self.virtual = False, True
        start = clock.now
        self._set(lambda: began + (clock.now - start) / NS)

    def _set(self, now: Callable[[], float]) -> None:
        self.now = now
        for follower in self.followers:
            follower(now)


class RawEvent(NamedTuple):
    """Something that happened, with its tasks; `trace.Event` is made from it."""

    kind: str
    entry: Entry | None
    at: float
    line: Line | None
    text: str
    others: tuple[Entry, ...] = ()


class Extent(NamedTuple):
    """How much a loop's buffers held at one time: a recording lies between two extents."""

    steps: int
    waits: int
    idle: int
    holds: int
    entries: int
    dropped: int
    step: tuple[int, float, float, float] | None = None
    """The step that is running: task, since when ready, start, now."""


class RecordingSession:
    """One recording, open or closed: what belongs to it, and since when."""

    def __init__(
        self, outer: "RecordingSession | None", clock: RecordingClock, threshold: float, most: int
    ) -> None:
        self.outer = outer
        self.clock = clock
        self.threshold = threshold
        self.most = most
        self.opened = clock.now()
        self.ended = float("nan")
        self.closed = self.failed = False
        self.begins: dict[Any, Extent] = {}
        """For each patched loop, its extent when this recording began to watch it."""
        self.ends: dict[Any, Extent] = {}
        self.openers: list[Entry] = []
        self.jobs: list[Entry] = []
        self.events: list[RawEvent] = []

    def watches(self, patch: Any) -> bool:
        """Return whether what happens on a loop now belongs to this recording."""
        return patch in self.begins and patch not in self.ends

    def end_of(self, patch: Any) -> Extent:
        """Return the extent of a loop when the recording ended, or now."""
        end: Extent = self.ends.get(patch) or patch.extent()
        return end

    def owns(self, entry: Entry) -> bool:
        """Return whether a task or job belongs to this recording or to one inside it."""
        scope = entry.scope
        while scope is not None:
            if scope is self:
                return True
            scope = scope.outer
        return entry in self.openers

    def add_job(self, entry: Entry) -> None:
        """Add a job of a thread or a process, here and to the recordings around this one."""
        for scope in self.open_scopes():
            if len(scope.jobs) < scope.most:
                scope.jobs.append(entry)

    def note(
        self,
        kind: str,
        entry: Entry | None,
        line: Line | None,
        text: str,
        *,
        at: float | None = None,
        others: tuple[Entry, ...] = (),
    ) -> None:
        """Add an event, here and to the recordings around this one."""
        event = RawEvent(kind, entry, self.clock.now() if at is None else at, line, text, others)
        for scope in self.open_scopes():
            if len(scope.events) < MOST_EVENTS:
                scope.events.append(event)

    def open_scopes(self) -> "list[RecordingSession]":
        """Return this recording and the ones around it, without those that are closed."""
        around = [] if self.outer is None else self.outer.open_scopes()
        return around if self.closed else [self, *around]


current_session: ContextVar[RecordingSession | None] = ContextVar(
    "asyncteach_session", default=None
)


def open_session(context: Context | None = None) -> RecordingSession | None:
    """Return the innermost open recording that a context, or the calling code, belongs to."""
    session = current_session.get() if context is None else context.get(current_session)
    while session is not None and session.closed:
        session = session.outer
    return session
