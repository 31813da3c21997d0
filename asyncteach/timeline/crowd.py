"""Lanes with more slices than can be seen each: how much of each pixel's time a state has."""

import numpy as np
from numpy.typing import NDArray

from asyncteach.intervals import occupancy
from asyncteach.timeline.lanes import View
from asyncteach.trace import RUNNING, STATES, Floats

_MOMENTS = 60
_TURNS = 50
_NARROW = 1 / 80  # of the width: about nine pixels


def crowded(view: View, most: int = 8000) -> NDArray[np.bool_]:
    """Tell for each lane whether it stands for many tasks, or has too many slices to see.

    So it is that of all others together at most about so many slices are left.
    """
    counts = np.bincount(view.lane, minlength=len(view.lanes))
    cap = min(400.0, max(20.0, most / len(view.lanes)))
    if view.story:  # the story's few slices are drawn as what they are
        cap = most / 2
    folded: NDArray[np.bool_] = np.array([lane.folded for lane in view.lanes])
    many: NDArray[np.bool_] = folded | (counts > cap)
    if view.trace.head != "loop":
        # Threads take turns of a few milliseconds: narrow bars would hide each other.
        seconds = np.bincount(view.lane, view.slices.seconds(), len(view.lanes))
        many |= (counts > _TURNS) & (seconds < counts * (view.end - view.start) * _NARROW)
    return many


def shares_of(
    view: View, lanes: NDArray[np.intp], columns: int
) -> tuple[NDArray[np.float64], Floats]:
    """Return for each state, lane and column a share from 0 to 1, and the columns' edges.

    It is the share of the lane's tasks, and of the column's time, that was in the state: however
    short the slices, their total stays what it is.
    """
    index = np.full(len(view.lanes), -1)
    index[lanes] = np.arange(len(lanes))
    row = index[view.lane]
    sizes = np.array([len(view.lanes[lane].rows) for lane in lanes])[:, None]
    shares = np.empty((len(STATES), len(lanes), columns))
    for state in range(len(STATES)):
        chosen = (view.slices.state == state) & (row >= 0)
        start, end = view.slices.start[chosen], view.slices.end[chosen]
        span = (view.start, view.end)
        filled = occupancy(row[chosen], start, end, span, len(lanes), columns)
        shares[state] = np.minimum(filled / sizes, 1.0)
    return shares, np.linspace(view.start, view.end, columns + 1)


def few_moments(
    view: View, dense: NDArray[np.bool_], columns: int
) -> tuple[Floats, NDArray[np.int32]]:
    """Return when and where steps were that no share can show, in lanes that have few of them.

    In virtual time a thousand steps may take no time at all: they would be nowhere to be seen.
    """
    lone = dense & ~np.array([lane.folded for lane in view.lanes])
    column = (view.end - view.start) / columns
    running = view.slices.of(RUNNING)
    short = running[lone[view.lane_of[running.task]] & (running.seconds() < column)]
    lane = view.lane_of[short.task]
    place = lane * (columns + 1) + ((short.start - view.start) / (column or 1.0)).astype(np.int64)
    _, first = np.unique(place, return_index=True)
    few = np.bincount(lane[first], minlength=len(view.lanes)) <= _MOMENTS
    first = first[few[lane[first]]]
    return short.start[first], lane[first]


def footnotes(view: View, most: int = 8000) -> list[str]:
    """Return what a reader has to know: what is folded, left out or lost."""
    count, words = len(view.trace.rows), []
    if crowded(view, most).any():
        whose = "lane's tasks and time" if view.trace.head == "loop" else "time"
        words.append(f"In a crowded lane a colour is as high as its share of the {whose}.")
    if view.tasks < count:
        words.append(f"{view.tasks:,} of {count:,} tasks are shown.")
    if view.trace.dropped:
        words.append(f"{view.trace.dropped:,} steps beyond max_slices were not kept.")
    return words
