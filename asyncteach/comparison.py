"""The same activities done every way: one table, one figure."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

import pandas

from asyncteach.activities import Activity, check_activities
from asyncteach.recording import Recording
from asyncteach.runners import run as runners
from asyncteach.runners.limits import find_limit
from asyncteach.runners.loop import run_on_own_loop
from asyncteach.story import MINUTE, Clock, Story

if TYPE_CHECKING:
    from asyncteach.timeline.figure import Picture

_RUNNERS = {
    "in turn": runners.run_in_turn,
    "threads": runners.run_in_threads,
    "processes": runners.run_in_processes,
    "interpreters": runners.run_in_interpreters,
}
_WAYS = ("in turn", "together", "threads", "processes", "interpreters")


class Comparison(pandas.DataFrame):
    """A table with one row a way: minutes, attention minutes, speed-up and limit.

    In a notebook it shows itself with the timelines of all ways on one axis. It is made by
    `compare`; `.recordings` holds the Recording of each way, `.figure` is a Matplotlib figure.
    What you derive from it (a selection, a sum) is an ordinary DataFrame.
    """

    _metadata = ["recordings"]  # noqa: RUF012  (the way that pandas asks for attributes)
    recordings: dict[str, Recording]

    @property
    def _constructor(self) -> type[pandas.DataFrame]:
        return pandas.DataFrame

    @property
    def figure(self) -> "Picture":
        """A new Matplotlib figure of all ways, below each other on one axis of story minutes."""
        from asyncteach.timeline.figure import draw_timelines

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
    activities: Iterable[Activity],
    *,
    ways: Sequence[str] | None = None,
    clock: Clock = "real",
    minute: float = MINUTE,
) -> Comparison:
    """Do the same activities every way, and return a table with a figure of all of them.

    A plain call, in a notebook too: where a loop is running, the way that needs one gets a thread
    with a loop of its own. The ways are "in turn", "together", "threads", "processes" and, from
    Python 3.14 on, "interpreters"; `ways` takes some of them, in an order of your own.

    The table is a DataFrame with one row a way and the columns minutes, attention minutes (both of
    the story), speed-up (over the first way) and limit: what kept it from being faster.
    `.recordings` holds the Recording of each way and `.figure` draws them on one axis. Other
    keywords and errors are those of the runners.

    >>> from asyncteach import CHORES
    >>> print(compare(CHORES, ways=["in turn", "together"], clock="virtual"))
              minutes  attention minutes  speed-up                   limit
    way
    in turn     100.0                0.0       1.0  one thing after another
    together     40.0                0.0       2.5  the longest: cook rice
    """
    return _compare(check_activities(activities), ways, clock=clock, minute=minute)


def _compare(
    activities: list[Activity], ways: Sequence[str] | None, *, clock: Clock, minute: float
) -> Comparison:
    """Do the activities in each of the ways and make the table of them."""
    recordings = {
        way: _run(way, activities, clock=clock, minute=minute) for way in _check_ways(ways)
    }
    first = next(iter(recordings.values())).minutes
    table = {
        "minutes": [r.minutes for r in recordings.values()],
        "attention minutes": [r.attention for r in recordings.values()],
        "speed-up": [first / r.minutes if r.minutes else 1.0 for r in recordings.values()],
        "limit": [
            find_limit(way, activities, recording, virtual=clock == "virtual")
            for way, recording in recordings.items()
        ],
    }
    comparison = cast(Any, Comparison)(table, index=pandas.Index(recordings, name="way"))
    comparison.recordings = recordings
    return cast(Comparison, comparison)


def _run(way: str, activities: list[Activity], *, clock: Clock, minute: float) -> Recording:
    if way == "together":
        return run_on_own_loop(Story(activities, clock=clock, minute=minute))
    return _RUNNERS[way](activities, clock=clock, minute=minute)


def _check_ways(ways: Sequence[str] | None) -> list[str]:
    __tracebackhide__ = True
    every = [way for way in _WAYS if way != "interpreters" or runners.HAS_INTERPRETERS]
    if ways is None:
        return every
    known = f"take some of {', '.join(map(repr, every))}."
    if not isinstance(ways, Iterable):
        raise TypeError(f"ways is {ways!r}, which is no list of ways: {known}")
    chosen = [ways] if isinstance(ways, str) else list(ways)
    for way in chosen:
        if way not in _WAYS:
            raise ValueError(f"{way!r} is no way to do activities: {known}")
    if not chosen:
        raise ValueError(f"ways is empty: leave it out for all of them, or {known}")
    return list(dict.fromkeys(chosen))
