"""The timeline of a failed check, with a mark at the place that the sentence describes."""

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke

from asyncteach.checks.results import Mark
from asyncteach.formatting import clip, format_time, join_words
from asyncteach.recording import Recording
from asyncteach.timeline.figure import Picture, draw_views
from asyncteach.timeline.lanes import view_of
from asyncteach.timeline.layout import Sheet
from asyncteach.trace import Trace

_EDGE = 0.16
"""The share of the axis at either end where a centred label would stick out."""
_MOST = 8
"""Up to this many lanes get an outline each; more lanes share one outline."""


class Marks:
    """Marks over a timeline: an overlay for `draw_views`."""

    room = 0.0

    def __init__(self, trace: Trace, marks: Sequence[Mark]) -> None:
        self._marks = marks
        self.alt = " ".join(_describe_mark(trace, mark) for mark in marks)

    def draw(self, ax: Axes, sheet: Sheet) -> list[Patch]:
        """Draw all of them; the legend doesn't explain them."""
        for mark in self._marks:
            _draw_mark(ax, sheet, mark)
        return []


def draw_marked(recording: Recording, marks: Sequence[Mark]) -> Picture:
    """Draw a recording with outlines and labels on top."""
    trace = recording.trace
    return draw_views([view_of(trace)], [Marks(trace, marks) if marks else None])


def _draw_mark(ax: Axes, sheet: Sheet, mark: Mark) -> None:
    ink, paper = mpl.rcParams["text.color"], mpl.rcParams["axes.facecolor"]
    low, high = ax.get_xlim()
    # A little wider than the place, so that a moment at the edge stays visible.
    room = (high - low) * 0.004
    start, end = mark.start - room, max(mark.end, mark.start) + room
    lanes = sorted({int(sheet.view.lane_of[row]) for row in mark.rows} - {-1})
    boxes = [(sheet.bar(lane)[0] - 0.08, sheet.bar(lane)[1] + 0.08) for lane in lanes]
    if not lanes or len(lanes) > _MOST:
        ends = (lanes[0], lanes[-1]) if lanes else (0, len(sheet.view.lanes) - 1)
        boxes = [(sheet.bar(ends[0])[0] - 0.12, sheet.bar(ends[1])[1] + 0.12)]
    for top, bottom in boxes:
        outline = Rectangle(
            (start, top),
            end - start,
            bottom - top,
            fill=False,
            edgecolor=ink,
            linewidth=2.6,
            zorder=7,
            clip_on=False,
            path_effects=[withStroke(linewidth=4.6, foreground=paper)],
            gid="mark",
        )
        ax.add_patch(outline)
    if mark.label:
        below = sheet.bar(1)[0] if len(sheet.middles) > 1 else sheet.bottom
        # At the edges the label extends inwards.
        share = ((start + end) / 2 - low) / ((high - low) or 1.0)
        side = "left" if share < _EDGE else "right" if share > 1 - _EDGE else "center"
        x = {"left": start, "right": end, "center": (start + end) / 2}[side]
        ax.annotate(
            clip(mark.label, 40),
            # Above its first lane; a label for the whole goes below the top lane, away from the
            # title.
            (x, boxes[0][0] if lanes else (sheet.bar(0)[1] + below) / 2),
            xytext=(0, 5 if lanes else 0),
            textcoords="offset points",
            color=paper if isinstance(paper, str) else "white",
            fontsize=9,
            fontweight="bold",
            horizontalalignment=side,
            verticalalignment="bottom" if lanes else "center",
            bbox={"boxstyle": "round,pad=0.25", "facecolor": ink, "edgecolor": paper},
            parse_math=False,
            zorder=8,
            annotation_clip=False,
            gid="mark label",
        )


def _describe_mark(trace: Trace, mark: Mark) -> str:
    """Return a mark in words."""
    names = [clip(trace.rows[row].label, 40) for row in mark.rows]
    what = join_words(names, _MOST) or "all"
    start, end = (format_time(time, trace.unit) for time in (mark.start, mark.end))
    when = f"from {start} to {end}" if mark.end > mark.start else f"at {start}"
    return f"Marked: {what} {when}{f': {mark.label}' if mark.label else ''}."
