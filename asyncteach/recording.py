"""What happened: for every task, when it was running, ready and waiting."""

import math
from array import array
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from asyncteach.labels import clip, pad, width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

RUNNING, READY, WAITING = STATES = ("running", "ready", "waiting")

_TEXT_COLUMNS = 60
_TEXT_LANES = 40
_MARKS = {RUNNING: "#", READY: "/", WAITING: "."}


class Slice(NamedTuple):
    """A stretch of one task's time in one state, from `start` to `end`."""

    task: str
    state: str
    start: float
    end: float


class Recording:
    """Who did what when: slices of running, ready and waiting, in story minutes from the start.

    A runner such as `run_together` returns it. In a notebook it shows itself as a timeline;
    `print(recording)` gives the same in characters, `to_frame()` and `tasks()` give the numbers.

    >>> from asyncteach import CHORES, run_in_turn
    >>> recording = run_in_turn(CHORES, clock="virtual")
    >>> recording.minutes
    100.0
    """

    def __init__(self, title: str, names: list[str]) -> None:
        self.title = title
        self._names = list(names)
        self._task = array("l")
        self._state = array("b")
        self._start = array("d")
        self._end = array("d")

    def add(self, task: int, state: str, start: float, end: float) -> None:
        """Add a slice of the task of that index; a moment counts only as running: a step it was."""
        if end > start or state == RUNNING:
            self._task.append(task)
            self._state.append(STATES.index(state))
            self._start.append(start)
            self._end.append(max(start, end))

    @property
    def names(self) -> list[str]:
        """The names of the tasks, in the order in which they first appeared."""
        return list(self._names)

    @property
    def minutes(self) -> float:
        """How long it all took, in story minutes."""
        return max(self._end, default=0.0)

    @property
    def attention(self) -> float:
        """How many of the story minutes needed you: the running of all tasks together."""
        return math.fsum(s.end - s.start for s in self if s.state == RUNNING)

    def __iter__(self) -> Iterator[Slice]:
        """Give the slices by start, those of one start by task."""
        order = sorted(range(len(self._task)), key=lambda i: (self._start[i], self._task[i], i))
        for i in order:
            name = self._names[self._task[i]]
            yield Slice(name, STATES[self._state[i]], self._start[i], self._end[i])

    def __len__(self) -> int:
        return len(self._task)

    def to_frame(self) -> "DataFrame":
        """Return a DataFrame, one row a slice by start: task, state, start, end (story minutes)."""
        import pandas

        return pandas.DataFrame(list(self), columns=list(Slice._fields))

    def tasks(self) -> "DataFrame":
        """Return a DataFrame, one row a task, its times in story minutes.

        Its columns: task, spawned, finished, and the totals of running, ready and waiting.
        """
        import pandas

        rows = []
        for name, slices in self.lanes()[1:]:
            totals = {
                state: math.fsum(s.end - s.start for s in slices if s.state == state)
                for state in STATES
            }
            spawned = min((s.start for s in slices), default=math.nan)
            finished = max((s.end for s in slices), default=math.nan)
            rows.append({"task": name, "spawned": spawned, "finished": finished, **totals})
        return pandas.DataFrame(rows, columns=["task", "spawned", "finished", *STATES])

    def lanes(self) -> list[tuple[str, list[Slice]]]:
        """Return who did what: you first (all that ran), then each task as it first appeared."""
        you: list[Slice] = []
        tasks: dict[str, list[Slice]] = {name: [] for name in self._names}
        for one in self:
            tasks[one.task].append(one)
            if one.state == RUNNING:
                you.append(one)
        return [("you", you), *tasks.items()]

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the timeline on `ax`, or on a figure of its own, and return the Axes."""
        from asyncteach.timeline import plot_timeline

        return plot_timeline(self, ax=ax)

    def __repr__(self) -> str:
        return f"<Recording of {len(self._names)} tasks: {self.heading()}>"

    def heading(self) -> str:
        """Return the title and how long it took, as one line."""
        return f"{clip(self.title, 60)}: {self.minutes:.1f} minutes"

    def __str__(self) -> str:
        """Return the timeline in characters: a line for you, a line a task."""
        lanes = self.lanes()
        shown = [(clip(name, 24), slices) for name, slices in lanes[: _TEXT_LANES + 1]]
        margin = max(width(name) for name, _ in shown) + 2
        lines = [self.heading()]
        for name, slices in shown:
            lines.append((pad(name, margin) + _draw(slices, self.minutes)).rstrip())
        if len(shown) < len(lanes):
            lines.append(f"... and {len(lanes) - len(shown)} more tasks")
        legend = ", ".join(f"{_MARKS[state]} {state}" for state in STATES)
        lines.append(f"{pad('', margin)}{legend}")
        return "\n".join(lines)

    def describe(self) -> str:
        """Return what the timeline shows as a sentence or two, for those who can't see it."""
        lanes = []
        for name, slices in self.lanes()[1:13]:
            parts = [f"{s.state} {s.start:.1f} to {s.end:.1f}" for s in slices if s.end > s.start]
            lanes.append(f"{clip(name, 40)}: {', '.join(parts[:6]) or 'a moment'}")
        if len(self._names) > 12:
            lanes.append(f"and {len(self._names) - 12} more tasks")
        busy = f"you are busy for {self.attention:.1f} of them"
        return f"Timeline. {self.heading()}, {busy}. {'; '.join(lanes)}."

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        from asyncteach.timeline import draw_timelines

        png, about = draw_timelines([self])._repr_png_()
        return {"image/png": png, "text/plain": str(self)}, {"image/png": about}


def _draw(slices: list[Slice], total: float) -> str:
    """Draw one lane in characters: each stands for the state that fills most of its time."""
    scale = _TEXT_COLUMNS / (total or 1.0)
    cover = [dict.fromkeys(STATES, 0.0) for _ in range(_TEXT_COLUMNS)]
    for one in slices:
        start, end = one.start * scale, one.end * scale
        for column in range(int(start), min(_TEXT_COLUMNS, math.ceil(end))):
            cover[column][one.state] += min(end, column + 1) - max(start, column)
    marks = [
        _MARKS[max(STATES, key=share.__getitem__)] if max(share.values()) > 0.02 else " "
        for share in cover
    ]
    for one in slices:  # a moment fills nothing, but it was there
        if one.state == RUNNING and (one.end - one.start) * scale < 1:
            marks[min(_TEXT_COLUMNS - 1, int(one.start * scale + 1e-9))] = _MARKS[RUNNING]
    return "".join(marks)
