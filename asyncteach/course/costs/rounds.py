"""Short rounds of several things in turn, so that what disturbs one disturbs all.

Where all of it is on one processor the processor's time is counted: nothing else happens in a
hand-over there, and the turns of other programs are left out. Elsewhere it is the time that passes.
"""

import math
from collections.abc import Callable, Sequence
from time import perf_counter, process_time
from typing import NamedTuple

from asyncteach.course.costs.child import Tell

ROUND = 0.003
"""Seconds: so short that most rounds fit between two interruptions by other programs."""

FEWEST = 5
"""So many rounds are played even if the time is up."""

Play = Callable[[int], object]
"""Does the thing to be measured so many times."""


class Player(NamedTuple):
    """A thing to be measured, and what gets it ready and returns how it is played."""

    kind: str
    what: str
    number: int
    prepare: Callable[[], Play]
    least: int = 1  # and always a multiple of it
    others: Callable[[], float] = float  # processor time so far of the processes that it needs


def play_in_turn(players: Sequence[Player], seconds: float, tell: Tell, *, on_one: bool) -> None:
    """Play rounds of all in turn for so many seconds, and tell the microseconds of each.

    What this machine refuses to get ready or to play once is told as left out.
    """
    end = perf_counter() + seconds
    for player in players:
        tell("planned", *player[:3])  # so that the parent knows what is missing if this is the end
    ready: list[tuple[Player, Callable[[int], float], int]] = []
    for player in players:
        try:
            timed = _time(player.prepare(), player.others if on_one else None)
            ready.append((player, timed, _count_for(timed, player.least)))
        except (RuntimeError, OSError, ImportError, MemoryError) as error:
            why = f"this machine refused: {error or type(error).__name__}"
            tell("left out", *player[:3], why)
    played = 0
    while ready and (played < FEWEST or perf_counter() < end):
        for player, timed, count in ready:
            tell("sample", *player[:3], timed(count) / count * 1e6)
        played += 1


def _time(play: Play, others: Callable[[], float] | None) -> Callable[[int], float]:
    """Return what plays a round and returns its seconds, of the processor if others are given."""

    def read() -> float:
        return perf_counter() if others is None else process_time() + others()

    def timed(count: int) -> float:
        began = read()
        play(count)
        return read() - began

    return timed


def _count_for(timed: Callable[[int], float], count: int) -> int:
    """Return how often to do it in a round; these first ones are for warming up."""
    while True:
        # The shortest of three, or a single interruption would look like slow work.
        took = math.inf
        for _ in range(3):
            took = min(took, timed(count))
            if took > 10 * ROUND:
                return count
        if took > ROUND / 2:
            return count
        count *= 2
