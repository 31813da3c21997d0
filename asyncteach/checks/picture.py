"""The timeline of a failed check, with the place marked that the sentence describes."""

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from asyncteach.checks.results import Mark
from asyncteach.formatting import clip, format_time, join_words
from asyncteach.recording import Recording
from asyncteach.timeline.figure import Picture, draw_timelines
from asyncteach.timeline.lanes import View, view_of
from asyncteach.timeline.layout import Sheet, lay_sheet

_WIDTH = 9.0
_EDGE = 0.16
"""The share of the axis at either end where a centred label would stick out."""
_MOST = 8
"""Up to this many lanes get an outline each; more lanes share one outline."""


def draw_marked(recording: Recording, marks: Sequence[Mark]) -> Picture:
    """Draw a recording with outlines and labels on top."""
    picture = draw_timelines([recording], width=_WIDTH)
    (ax,) = picture.axes
    view = view_of(recording.trace)
    sheet = lay_sheet(view, page=_WIDTH, until=view.end)
    for mark in marks:
        _draw(ax, sheet, mark)
    picture.alt += "".join(f" {_describe(recording, view, mark)}" for mark in marks)
    return picture


def _draw(ax: Axes, sheet: Sheet, mark: Mark) -> None:
    ink, paper = mpl.rcParams["text.color"], mpl.rcParams["axes.facecolor"]
    low, high = ax.get_xlim()
    # A little wider than the place, so that a moment at the edge stays visible.
    room = (high - low) * 0.004
    start, end = mark.start - room, max(mark.end, mark.start) + room
    boxes = _boxes(sheet, mark)
    for top, bottom in boxes:
        ax.add_patch(
            Rectangle(
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
        )
    if mark.label:
        text = clip(mark.label, 40)
        # Above its first lane; a label for the whole goes below the top lane, away from the title.
        whole = not mark.rows
        y = (sheet.bar(0)[1] + sheet.bottom) / 2 if whole else boxes[0][0]
        if whole and len(sheet.middles) > 1:
            y = (sheet.bar(0)[1] + sheet.bar(1)[0]) / 2
        # At the edges the label extends inwards.
        middle = (start + end) / 2
        share = (middle - low) / ((high - low) or 1.0)
        side = "left" if share < _EDGE else "right" if share > 1 - _EDGE else "center"
        x = {"left": start, "right": end, "center": middle}[side]
        ax.annotate(
            text,
            (x, y),
            xytext=(0, 0 if whole else 5),
            textcoords="offset points",
            color=paper if isinstance(paper, str) else "white",
            fontsize=9,
            fontweight="bold",
            horizontalalignment=side,
            verticalalignment="center" if whole else "bottom",
            bbox={"boxstyle": "round,pad=0.25", "facecolor": ink, "edgecolor": paper},
            parse_math=False,
            zorder=8,
            annotation_clip=False,
            gid="mark label",
        )


def _boxes(sheet: Sheet, mark: Mark) -> list[tuple[float, float]]:
    """Return top and bottom of each outline: one around each lane, or one around all."""
    lanes = sorted({int(sheet.view.lane_of[row]) for row in mark.rows} - {-1})
    if not lanes:
        lanes = list(range(len(sheet.view.lanes)))
        return [(sheet.bar(lanes[0])[0] - 0.12, sheet.bar(lanes[-1])[1] + 0.12)]
    if len(lanes) > _MOST:
        return [(sheet.bar(lanes[0])[0] - 0.12, sheet.bar(lanes[-1])[1] + 0.12)]
    return [(sheet.bar(lane)[0] - 0.08, sheet.bar(lane)[1] + 0.08) for lane in lanes]


def _describe(recording: Recording, view: View, mark: Mark) -> str:
    """Return a mark in words."""
    names = [clip(view.trace.rows[row].label, 40) for row in mark.rows]
    what = join_words(names, _MOST) or "all"
    unit = recording.unit
    when = f"from {format_time(mark.start, unit)} to {format_time(mark.end, unit)}"
    if mark.end - mark.start <= 0:
        when = f"at {format_time(mark.start, unit)}"
    return f"Marked: {what} {when}{f': {mark.label}' if mark.label else ''}."
