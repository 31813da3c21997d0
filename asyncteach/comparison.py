"""The same activities done every way: one table, one figure, and what limits each way."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import numpy as np
import pandas

from asyncteach.activities import Activity, check_activities
from asyncteach.arguments import check_list, check_word
from asyncteach.formatting import clip, count
from asyncteach.recording import Recording
from asyncteach.runners import run
from asyncteach.runners.run import CORES, MINUTE, Clock, Scenario
from asyncteach.runners.workers import count_cores, has_gil
from asyncteach.timeline.figure import Picture, draw_timelines
from asyncteach.trace import READY

_NOTICEABLE = 0.05
"""An activity that was ready for a smaller share of the whole was not held up."""


def _run_together(activities: list[Activity], *, clock: Clock, minute: float) -> Recording:
    return run.run_on_own_loop(Scenario(activities, clock=clock, minute=minute))


_RUNNERS: dict[str, Callable[..., Recording]] = {
    "in turn": run.run_in_turn,
    "together": _run_together,
    "threads": run.run_in_threads,
    "processes": run.run_in_processes,
    "interpreters": run.run_in_interpreters,
}


class Comparison(pandas.DataFrame):
    """A table with one row per way: minutes, attention minutes, speed-up and limit.

    `compare` makes it. In a notebook it shows itself with the timelines of all ways on one axis.
    `.recordings` holds the Recording of each way, `.figure` is a Matplotlib figure. A selection or
    a sum of it is an ordinary DataFrame.
    """

    _metadata = ["recordings"]  # noqa: RUF012  (how pandas wants attributes declared)
    recordings: dict[str, Recording]

    @property
    def _constructor(self) -> type[pandas.DataFrame]:
        return pandas.DataFrame

    @property
    def figure(self) -> Picture:
        """A new Matplotlib figure of all ways, below each other on one axis of story minutes."""
        return draw_timelines(list(self.recordings.values()))

    def __str__(self) -> str:
        return self.to_string(float_format="{:.1f}".format)

    __repr__ = __str__

    def _ipython_display_(self) -> None:
        import IPython.display as ipython

        display: Any = ipython.display
        html = self.to_html(float_format="{:.1f}".format)
        display({"text/html": html, "text/plain": str(self)}, raw=True)
        png, about = self.figure._repr_png_()
        headings = "\n".join(recording.heading() for recording in self.recordings.values())
        display({"image/png": png, "text/plain": headings}, raw=True, metadata={"image/png": about})


def compare(
    activities: Iterable[Activity], *, ways: Sequence[str] | None = None, clock: Clock = "real",
    minute: float = MINUTE,
) -> Comparison:  # fmt: skip
    """Do the same activities every way, and return a table with a figure of all of them.

    It is a plain call, also in a notebook: if a loop is already running there, a way that needs a
    loop gets a thread with its own. The ways are "in turn", "together", "threads", "processes" and,
    from Python 3.14 on, "interpreters"; `ways` selects some of them, in any order.

    The table is a DataFrame with one row per way and the columns minutes, attention minutes (both
    in story minutes), speed-up (over the first way) and limit: what kept the way from being faster.
    `.recordings` holds the Recording of each way and `.figure` draws them on one axis. The other
    keywords and errors are those of the runners.

    >>> from asyncteach import CHORES
    >>> print(compare(CHORES, ways=["in turn", "together"], clock="virtual"))
              minutes  attention minutes  speed-up                   limit
    way
    in turn     100.0                0.0       1.0  one thing after another
    together     40.0                0.0       2.5  the longest: cook rice
    """
    activities = check_activities(activities)
    recordings = {
        way: _RUNNERS[way](activities, clock=clock, minute=minute) for way in _check_ways(ways)
    }
    first = next(iter(recordings.values())).minutes
    table = {
        "minutes": [r.minutes for r in recordings.values()],
        "attention minutes": [r.attention for r in recordings.values()],
        "speed-up": [first / r.minutes if r.minutes else 1.0 for r in recordings.values()],
        "limit": [find_limit(way, activities, one, clock) for way, one in recordings.items()],
    }
    comparison = cast(Any, Comparison)(table, index=pandas.Index(recordings, name="way"))
    comparison.recordings = recordings
    return cast(Comparison, comparison)


def _check_ways(ways: Sequence[str] | None) -> list[str]:
    __tracebackhide__ = True
    every = [way for way in _RUNNERS if way != "interpreters" or run.HAS_INTERPRETERS]
    if ways is None:
        return every
    chosen = [ways] if isinstance(ways, str) else ways
    chosen = check_list(chosen, "ways", fix='write ways=["in turn", "together"]')
    return list(dict.fromkeys(check_word(way, "ways", list(_RUNNERS)) for way in chosen))


def find_limit(way: str, activities: Sequence[Activity], recording: Recording, clock: Clock) -> str:
    """Return in a few words why it took as long as it did.

    The activity that finished last shows it: if it was ready for long, it needed something that
    others had; otherwise only its own length kept it from finishing earlier.
    """
    if way == "in turn" and len(activities) > 1:
        return "one thing after another"
    trace = recording.trace
    last = int(np.argmax([row.finished for row in trace.rows]))
    ready = trace.slices.total(len(trace.rows), READY)[last]
    if ready <= _NOTICEABLE * trace.duration:
        longest = max(activity.minutes for activity in activities)
        which = "longest" if activities[last].minutes == longest else "last"
        return f"the {which}: {clip(activities[last].name, 30)}"
    if way in ("in turn", "together"):
        return "your attention"
    if way == "threads" and (clock == "virtual" or has_gil()):
        return "the GIL"
    return count(CORES if clock == "virtual" else count_cores(), "core")
