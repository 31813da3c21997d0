"""Recording: for every task, when it was running, ready and waiting."""

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from asyncteach.arguments import check_options, check_word
from asyncteach.domains import CODE, STORY
from asyncteach.timeline import text as text
from asyncteach.trace import READY, RUNNING, STATES, WAITING, TaskRecord, Trace, make_slices

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path

    from matplotlib.axes import Axes
    from pandas import DataFrame

    from asyncteach.findings import Finding

__all__ = ["READY", "RUNNING", "STATES", "WAITING", "Recording", "Slice"]


class Slice(NamedTuple):
    """An interval in which one task was in one state, from `start` to `end`."""

    task: str
    state: str
    start: float
    end: float


class Recording:
    """A recording of what each task did: slices of running, ready and waiting.

    A runner such as `run_together` returns one in story minutes, `record()` makes one in seconds.
    In a notebook it shows itself as a timeline, and `print(recording)` draws it as text.
    `to_frame()`, `tasks()` and `blocked()` return the numbers, `explain()` describes them.

    >>> from asyncteach import CHORES, run_in_turn
    >>> recording = run_in_turn(CHORES, clock="virtual")
    >>> recording.minutes
    100.0
    """

    def __init__(
        self, title: str, names: list[str], *, unit: str = "minutes", head: str | None = "you"
    ) -> None:
        check_word(unit, "Recording(unit=...)", ("minutes", "seconds"))
        self.title = title
        self._domain, self._head = STORY if unit == "minutes" else CODE, head
        self._names = list(names)
        self._slices: list[tuple[int, int, float, float]] = []
        self._trace: Trace | None = None
        self._build: Callable[[], Trace] = self._make_trace

    @classmethod
    def from_source(cls, title: str, build: Callable[[], Trace]) -> "Recording":
        """Make a recording of the trace that `build()` returns.

        `build` is called whenever the trace is needed, until one is final.
        """
        recording = cls(title, [])
        recording._build = build
        return recording

    def add(self, task: int, state: str, start: float, end: float) -> None:
        """Add a slice of the task with that index; an empty slice is kept only if running."""
        if end > start or state == RUNNING:
            self._slices.append((task, STATES.index(state), start, max(start, end)))
            self._trace = None

    @property
    def trace(self) -> Trace:
        """The recorded data in columns: the source of pictures and sentences."""
        trace = self._trace or self._build()
        if trace.is_final:
            # What the trace was built from isn't needed any more.
            self._trace, self._build = trace, self._make_trace
        trace.title = self.title
        return trace

    def _make_trace(self) -> Trace:
        """Return the trace of the slices that were added."""
        columns = list(zip(*self._slices, strict=True)) or [()] * 4
        slices = make_slices(*columns).ordered()
        rows = [TaskRecord(name, label=name, outcome="returned") for name in self._names]
        for index, row in enumerate(rows):
            own = slices[slices.task == index]
            if len(own):
                row.spawned, row.finished = float(own.start.min()), float(own.end.max())
        duration = float(slices.end.max(initial=0.0))
        return Trace(rows, slices, duration, domain=self._domain, head=self._head)

    @property
    def unit(self) -> str:
        """The unit of its times: `minutes` of the story, or `seconds`."""
        return self.trace.unit

    @property
    def names(self) -> list[str]:
        """The names of the tasks, in the order in which they first appeared."""
        return [row.name for row in self.trace.rows]

    @property
    def minutes(self) -> float:
        """How long it all took, in story minutes, or for `record()` in minutes of its clock."""
        return self.trace.duration / (60 / self.trace.domain.seconds)

    @property
    def seconds(self) -> float:
        """How long it all took, in seconds; a story minute counts as sixty."""
        return self.trace.duration * self.trace.domain.seconds

    @property
    def attention(self) -> float:
        """How many minutes needed your attention: the running time of all tasks, added up."""
        return self.trace.attention / (60 / self.trace.domain.seconds)

    @property
    def dropped(self) -> int:
        """How many steps beyond `max_slices` were counted but not kept."""
        return self.trace.dropped

    @property
    def findings(self) -> "list[Finding]":
        """Problems that a teacher would point out, as a list; empty if there are none.

        Each finding has `kind`, `task`, `seconds`, `file`, `line`, `message`, `fix` and `delayed`.
        """
        from asyncteach.findings.report import find

        return find(self.trace)

    def explain(self) -> str:
        """Return plain sentences: what was observed, what cost time and how to fix it."""
        from asyncteach.findings.report import explain

        return explain(self.trace)

    def __iter__(self) -> Iterator[Slice]:
        """Yield the slices, sorted by start and then by task."""
        names = self.names
        for task, state, start, end in self.trace.slices.rows():
            yield Slice(names[task], STATES[state], start, end)

    def __len__(self) -> int:
        return len(self.trace.slices)

    def to_frame(self) -> "DataFrame":
        """Return a DataFrame with one row per slice, sorted by start: task, state, start, end.

        Times are story minutes, or for `record()` seconds since it began. For `record()` there is
        also a column label: the name of the task in pictures and sentences.
        """
        import pandas

        slices = self.trace.slices
        names: Any = pandas.Index(self.names, dtype=object)
        states: Any = list(STATES)
        columns: dict[str, Any] = {"task": pandas.Categorical.from_codes(slices.task, names)}
        if self.trace.domain is not STORY:
            labels: Any = pandas.Index([r.label for r in self.trace.rows], dtype=object)
            columns["label"] = pandas.Categorical.from_codes(slices.task, labels)
        columns["state"] = pandas.Categorical.from_codes(slices.state, states)
        columns["start"], columns["end"] = slices.start, slices.end
        return pandas.DataFrame(columns, copy=False)

    def tasks(self) -> "DataFrame":
        """Return a DataFrame with one row per task, in the order in which they appeared.

        The columns are task, spawned, finished, and the totals of running, ready and waiting, in
        story minutes. For `record()` they are, in seconds: task, label (its name in pictures and
        sentences), parent, coroutine, spawned, finished, outcome, running, ready, waiting. A task
        that is still running has no `finished`.
        """
        import pandas

        trace = self.trace
        table: dict[str, Any] = {"task": self.names}
        if self.trace.domain is not STORY:
            table["label"] = [row.label for row in trace.rows]
            table["parent"] = [
                None if r.parent is None else trace.rows[r.parent].name for r in trace.rows
            ]
            table["coroutine"] = [row.coroutine for row in trace.rows]
        table["spawned"] = np.array([row.spawned for row in trace.rows], dtype=float)
        table["finished"] = np.array([row.finished for row in trace.rows], dtype=float)
        if self.trace.domain is not STORY:
            table["outcome"] = [row.outcome for row in trace.rows]
        for state in STATES:
            table[state] = trace.slices.total(len(trace.rows), state)
        return pandas.DataFrame(table)

    def blocked(self) -> "DataFrame":
        """Return a DataFrame with one row per step that held the loop longer than the threshold.

        The columns are task and label (for a callback, both hold its name), start, seconds, the
        user's file, line and function that held the loop, and two lists: delayed, the labels of
        the tasks that were ready meanwhile, and delays, their seconds. A step that was long only
        because the computer gave the program no time isn't listed.
        """
        import pandas

        trace = self.trace
        rows = []
        for block in trace.blocks:
            place = block.place
            row = None if block.task is None else trace.rows[block.task]
            rows.append(
                {
                    "task": row.name if row else block.name,
                    "label": row.label if row else block.name,
                    "start": block.start,
                    "seconds": block.end - block.start,
                    "file": place.file if place else None,
                    "line": place.line if place else None,
                    "function": place.function if place else None,
                    "delayed": [trace.rows[task].label for task, _ in block.delayed],
                    "delays": [seconds for _, seconds in block.delayed],
                }
            )
        columns = ["task", "label", "start", "seconds", "file", "line", "function"]
        return pandas.DataFrame(rows, columns=[*columns, "delayed", "delays"])

    def lanes(self) -> list[tuple[str, list[Slice]]]:
        """Return the slices by lane: first you, the loop or the GIL, then each task.

        The first lane holds everything that ran; the loop's lane leaves out threads and processes.
        If everything ran in processes, there is no first lane.
        """
        head, rows = self.trace.head, self.trace.rows
        tasks: dict[str, list[Slice]] = {name: [] for name in self.names}
        for one in self:
            tasks[one.task].append(one)
        elsewhere = {row.name for row in rows if head == "loop" and row.kind != "task"}
        first = [one for one in self if one.state == RUNNING and one.task not in elsewhere]
        return [*([(head, first)] if head else []), *tasks.items()]

    def plot(self, ax: "Axes | None" = None, **options: Any) -> "Axes":
        """Draw the timeline on `ax`, or on a figure of its own, and return the Axes.

        The options are those of `plot_timeline`: `start` and `end` draw a part, `tasks` some of
        the tasks. Raises TypeError for any other option.
        """
        from asyncteach.timeline.figure import plot_timeline

        hint = "ax sets the size, as in recording.plot(ax=plt.subplots(figsize=(12, 4))[1])"
        check_options("plot", options, ("start", "end", "tasks"), hint)
        return plot_timeline(self, ax=ax, **options)

    def to_chrome_trace(self, path: "str | PathLike[str] | None" = None) -> "dict[str, Any] | Path":
        """Write a trace that https://ui.perfetto.dev can open, one track per task; return its path.

        Times are in microseconds. Without a path, the trace is returned as a dict.

        >>> from asyncteach import CHORES, run_in_turn
        >>> trace = run_in_turn(CHORES, clock="virtual").to_chrome_trace()
        >>> trace["traceEvents"][0]["args"]
        {'name': 'Chores, one after another'}
        """
        from asyncteach.timeline import export

        trace = export.to_chrome_trace(self.trace)
        return trace if path is None else export.write(json.dumps(trace), path)

    def to_svg(self, path: "str | PathLike[str] | None" = None) -> "str | Path":
        """Write the timeline as SVG, sharp at any size; pointing at a bar shows what it is.

        It needs no other file and contains no script. Returns the path, or without one the text.

        >>> from asyncteach import CHORES, run_in_turn
        >>> run_in_turn(CHORES, clock="virtual").to_svg()[:4]
        '<svg'
        """
        from asyncteach.timeline import export

        svg = export.draw_svg(self.trace)
        return svg if path is None else export.write(svg, path)

    def __repr__(self) -> str:
        rows = self.trace.rows
        noun = "threads" if rows and all(row.kind == "thread" for row in rows) else "tasks"
        return f"<Recording of {len(rows)} {noun}: {self.heading()}>"

    def heading(self) -> str:
        """Return the title and how long it took, as one line."""
        return text.heading(self.trace)

    def __str__(self) -> str:
        """Return the timeline as text: a line for you or the loop, and one for each task."""
        return text.draw(self.trace)

    def describe(self) -> str:
        """Describe the timeline in a sentence or two, for readers who can't see it."""
        return text.describe(self.trace)

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        from asyncteach.timeline.figure import draw_timelines

        png, about = draw_timelines([self])._repr_png_()
        return {"image/png": png, "text/plain": str(self)}, {"image/png": about}
