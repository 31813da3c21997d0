"""What threads did between their stamps: ran on, waited for something, or for the GIL."""

from bisect import bisect_left, bisect_right
from typing import NamedTuple

from asyncteach.thread_recorder.stamps import COLUMNS, NO_CALL, UNKNOWN, ThreadLog
from asyncteach.trace import READY, RUNNING, WAITING

PROMPT = 1_000_000
"""Nanoseconds within which a thread goes on that has been given the GIL."""
_LATE = 200_000  # nanoseconds: how late a timer of the system may be
_NEARLY = 0.9  # of the switch interval


class Gap(NamedTuple):
    """An interval without a stamp, in nanoseconds."""

    since: int
    until: int
    busy: int
    """Processor time that the thread took in it."""
    rests: int
    """How often the thread left the processor by itself; -1: unknown."""
    due: int
    """When it was due to end, if it was a sleep; -1: it was none."""
    call: int
    line: int


class Piece(NamedTuple):
    """An interval full of stamps, between two gaps."""

    start: int
    end: int
    thread: int
    number: int
    """Of its thread: the gap of that number comes after it."""


Part = tuple[str, int, int]
"""A state, its start and its end."""


class Reading:
    """What all threads did, put together to tell what each of them was waiting for."""

    def __init__(
        self, logs: list[ThreadLog], interval: int, threshold: int, *, has_gil: bool
    ) -> None:
        self.interval, self.threshold, self.has_gil = interval, threshold, has_gil
        self.gaps = [_gaps_of(log) for log in logs]
        self.lives = [_life_of(log, gaps) for log, gaps in zip(logs, self.gaps, strict=True)]
        self.pieces = sorted(piece for thread in range(len(logs)) for piece in self._cut(thread))

    def _cut(self, thread: int) -> list[Piece]:
        began, ended = self.lives[thread]
        if began == UNKNOWN:
            return []
        gaps = self.gaps[thread]
        starts, ends = [began, *(gap.until for gap in gaps)], [*(gap.since for gap in gaps), ended]
        pairs = enumerate(zip(starts, ends, strict=True))
        return [Piece(start, end, thread, number) for number, (start, end) in pairs]

    def divide(self, thread: int, number: int) -> tuple[Part, ...]:
        """Return a gap in parts: first what was computed in it, then waiting, then ready."""
        gap = self.gaps[thread][number]
        length = gap.until - gap.since
        if length - gap.busy <= self.threshold / 2:
            return ((RUNNING, gap.since, gap.until),)
        # To fall asleep and to wake up takes some processor time too.
        on = gap.since + (gap.busy if gap.busy > max(self.threshold, length / 20) else 0)
        back = on
        if gap.call != NO_CALL and gap.rests and not self._was_forced(thread, number):
            back = max(on, self._back(thread, gap))
        parts = ((RUNNING, gap.since, on), (WAITING, on, back), (READY, back, gap.until))
        return tuple(part for part in parts if part[2] > part[1])

    def states_after(self, piece: Piece) -> set[str]:
        """Return the states of the gap after a piece."""
        if piece.number >= len(self.gaps[piece.thread]):
            return set()
        return {part[0] for part in self.divide(piece.thread, piece.number)}

    def _was_forced(self, thread: int, number: int) -> bool:
        """Tell if the GIL was taken away: the thread that got it had asked for an interval."""
        gap, gaps = self.gaps[thread][number], self.gaps[thread]
        began = gaps[number - 1].until if number else self.lives[thread][0]
        if not self.has_gil or gap.since - began < _NEARLY * self.interval:
            return False
        index = bisect_left(self.pieces, (gap.since,))
        if index == len(self.pieces):
            return False
        after = self.pieces[index]
        if after.thread == thread or after.start - gap.since > PROMPT or not after.number:
            return False
        before = self.gaps[after.thread][after.number - 1]
        return before.until - before.since >= _NEARLY * self.interval

    def _back(self, thread: int, gap: Gap) -> int:
        """Return when what a thread waited for was there, and it only needed the GIL."""
        back = min(gap.due, gap.until) if gap.due != UNKNOWN else self._asked(thread, gap)
        return back if gap.until - back > _LATE else gap.until

    def _asked(self, thread: int, gap: Gap) -> int:
        """Return when a thread began to ask for the GIL, where that can be told.

        Another one was made to give it up: Python does that to a thread that has held it for a
        switch interval in which one other thread asked.
        """
        index = bisect_left(self.pieces, (gap.until,)) - 1
        if index < 0 or not self.has_gil:
            return gap.until
        holder = self.pieces[index]
        others = (one for one in range(len(self.gaps)) if one not in (thread, holder.thread))
        if (
            holder.thread != thread
            and gap.until - self._held_since(index) >= _NEARLY * self.interval
            and holder.number < len(self.gaps[holder.thread])
            and self.gaps[holder.thread][holder.number].call == NO_CALL
            and not any(self._asks(one, gap.until) for one in others)
        ):
            return gap.until - self.interval
        return gap.until

    def _held_since(self, index: int) -> int:
        """Return since when that piece's thread has the GIL: it may have lacked a processor."""
        end = self.pieces[index].end
        while (
            index
            and self.pieces[index - 1].thread == self.pieces[index].thread
            and self.gaps[self.pieces[index].thread][self.pieces[index - 1].number].call == NO_CALL
            and end - self.pieces[index].start < self.interval
        ):
            index -= 1
        return self.pieces[index].start

    def _asks(self, thread: int, at: int) -> bool:
        """Tell if a thread may have been the one that asked."""
        gaps = self.gaps[thread]
        index = bisect_right(gaps, (at,)) - 1
        return index >= 0 and gaps[index].until > at and gaps[index].call == NO_CALL


def _gaps_of(log: ThreadLog) -> list[Gap]:
    numbers = log.gaps.tolist()
    columns = (numbers[n : len(numbers) : COLUMNS] for n in range(COLUMNS))
    return [Gap(*row) for row in zip(*columns, strict=True)]


def _life_of(log: ThreadLog, gaps: list[Gap]) -> tuple[int, int]:
    """Return from when to when a thread is known; it may go on while this is asked."""
    if log.began == UNKNOWN:
        return UNKNOWN, UNKNOWN
    last = log.cut if log.cut != UNKNOWN else log.ended
    return log.began, max(last, log.began, gaps[-1].until if gaps else UNKNOWN)
