"""How long threads kept the GIL, and how well that is known."""

from math import nan
from statistics import median
from typing import NamedTuple

import numpy as np

from asyncteach.intervals import covered
from asyncteach.thread_recorder.gaps import Piece, Reading
from asyncteach.trace import READY, RUNNING, WAITING, Slices

_BILLION = 1_000_000_000


class Measures(NamedTuple):
    """What was measured, in seconds."""

    has_gil: bool
    """False on a free-threaded build: threads run at once."""
    interval: float
    """The switch interval when the recording ended."""
    first_interval: float
    """The switch interval when it began."""
    switches: int
    """How often one thread went on after another."""
    turns: tuple[float, ...]
    """How long it took each time until a thread that ran had to let another one go on."""
    stamps: int
    """How often the threads looked at the clock."""
    apart: float
    """How far two stamps of a thread that runs are apart, on average."""
    overlap: float
    """How long two or more seemed to run Python code at once: with a GIL that is the error."""
    parallel: float
    """How long two or more ran at once, in calls into C that let go of the GIL too."""
    covered: float
    """How long anybody ran."""
    preempted: float
    """How long threads were ready since they had no processor, added up; nan: unknown."""

    @property
    def kept(self) -> float:
        """The median of the turns; nan: nobody had to let another one go on."""
        return median(self.turns) if self.turns else nan


def measure(
    reading: Reading, slices: Slices, *, intervals: tuple[float, float], stamps: int,
    preempted: float,
) -> Measures:  # fmt: skip
    """Measure what was read."""
    pieces = reading.pieces
    running = slices.of(RUNNING)
    turns, switches = _turns(reading)
    starts, ends = (np.array([piece[n] for piece in pieces], dtype=np.int64) for n in (0, 1))
    length = float((ends - starts).sum()) / _BILLION
    return Measures(
        has_gil=reading.has_gil,
        interval=intervals[1],
        first_interval=intervals[0],
        switches=switches,
        turns=tuple(turn / _BILLION for turn in turns),
        stamps=stamps,
        apart=length / stamps if stamps else nan,
        overlap=covered(starts, ends, 2) / _BILLION,
        parallel=covered(running.start, running.end, 2),
        covered=covered(running.start, running.end),
        preempted=preempted,
    )


def _turns(reading: Reading) -> tuple[list[int], int]:
    """Return how long turns took until another thread had to be let on, and how many there were.

    From the first stamp of a turn to the first of the next: who has no processor when it lets go
    of the GIL made its last stamp long before.
    """
    turns, switches = [], 0
    before: Piece | None = None
    began = 0
    for piece in reading.pieces:
        if before is None or before.thread != piece.thread:
            if before is not None:
                switches += 1
                after = _states_after(reading, before)
                if READY in after and WAITING not in after:
                    turns.append(piece.start - began)
            began = piece.start
        elif WAITING in _states_after(reading, before):
            began = piece.start  # it has waited, and nobody else ran
        before = piece
    return turns, switches


def _states_after(reading: Reading, piece: Piece) -> set[str]:
    if piece.number >= len(reading.gaps[piece.thread]):
        return set()
    return {part[0] for part in reading.divide(piece.thread, piece.number)}
