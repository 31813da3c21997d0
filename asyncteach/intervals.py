"""Intervals of time that overlap: how many there are at each moment, and what they cover."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def sweep(starts: Any, ends: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the moments at which an interval begins or ends, and how many are open after each.

    At the same moment, ends come before beginnings.
    """
    times = np.concatenate([np.asarray(starts, dtype=float), np.asarray(ends, dtype=float)])
    changes = np.repeat([1, -1], len(times) // 2)
    order = np.lexsort((changes, times))
    return times[order], np.cumsum(changes[order])


def covered(starts: Any, ends: Any, least: int = 1) -> float:
    """Return how long at least `least` intervals overlapped.

    >>> covered([0, 1, 5], [2, 3, 6]), covered([0, 1, 5], [2, 3, 6], least=2)
    (4.0, 1.0)
    """
    times, depth = sweep(starts, ends)
    return float(np.diff(times)[depth[:-1] >= least].sum())


def union(start: Floats, end: Floats) -> tuple[Floats, Floats]:
    """Return the time that at least one of the intervals covers, as intervals in order.

    >>> union(np.array([0.0, 1.0, 5.0]), np.array([2.0, 3.0, 6.0]))
    (array([0., 5.]), array([3., 6.]))
    """
    if not len(start):
        return start, end
    order = np.argsort(start, kind="stable")
    start, reach = start[order], np.maximum.accumulate(end[order])
    new = np.append(True, start[1:] > reach[:-1])
    return start[new], reach[np.append(new[1:], True)]


def occupancy(
    row: NDArray[np.integer], start: Floats, end: Floats, span: tuple[float, float],
    rows: int, columns: int,
) -> Floats:  # fmt: skip
    """Return for each pixel what share of its time is filled, as an array (rows, columns).

    The sum over a row is the total time of its intervals, exactly: even the shortest one counts.

    >>> occupancy(np.array([0, 0]), np.array([0.0, 3.0]), np.array([1.5, 4.0]), (0, 4), 1, 4)
    array([[1. , 0.5, 0. , 1. ]])
    """
    low, high = span
    scale = columns / ((high - low) or 1.0)
    begin = np.clip((start - low) * scale, 0, columns)
    stop = np.clip((end - low) * scale, 0, columns)
    first = np.minimum(begin.astype(np.int64), columns - 1)
    last = np.minimum(stop.astype(np.int64), columns - 1)
    base = row.astype(np.int64) * columns
    size = rows * columns
    # An interval fills its first column as if it never ended, stops in its last one, and fills the
    # whole columns between them: these are differences that are summed up at the end.
    filled = np.bincount(base + first, weights=first + 1 - begin, minlength=size)
    filled -= np.bincount(base + last, weights=last + 1 - stop, minlength=size)
    steps = np.bincount(base + first, minlength=size) - np.bincount(base + last, minlength=size)
    whole = np.cumsum(steps.reshape(rows, columns), axis=1)
    result = filled.reshape(rows, columns)
    # What is open at a column's end fills the columns after it, its last one included.
    result[:, 1:] += whole[:, :-1]
    return np.maximum(result, 0.0)
