"""Stretches of time that overlap: how many of them there are at each moment."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def sweep(starts: Any, ends: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the moments at which a stretch begins or ends, and how many there are after each.

    At one moment those that end make room before others begin.
    """
    times = np.concatenate([np.asarray(starts, dtype=float), np.asarray(ends, dtype=float)])
    changes = np.repeat([1, -1], len(times) // 2)
    order = np.lexsort((changes, times))
    return times[order], np.cumsum(changes[order])
