"""The timeline of a failed check, with the place marked that its sentence is about."""

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from asyncteach.checks.results import Mark
from asyncteach.formatting import clip, format_time, join_words
from asyncteach.recording import Recording
from asyncteach.timeline.figure import Picture, draw_timelines
from asyncteach.timeline.lanes import View, name_of, view_of
from asyncteach.timeline.layout import Sheet, lay_sheet

_WIDTH = 9.0
_EDGE = 0.16
"""The share of the axis at either end in which there is no room for words on both sides."""
_MOST = 8
"""Lanes that are outlined each; more of them have one outline around all."""


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
    # Around what it marks, so that a moment at its edge can still be seen.
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
        # Above its first lane; where that is the top one the title stands there, so below that.
        whole = not mark.rows
        y = (sheet.bar(0)[1] + sheet.bottom) / 2 if whole else boxes[0][0]
        if whole and len(sheet.middles) > 1:
            y = (sheet.bar(0)[1] + sheet.bar(1)[0]) / 2
        # At the edges it grows inwards.
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
    """Return from where to where the outlines go: around each lane, or around all."""
    lanes = sorted({int(sheet.view.lane_of[row]) for row in mark.rows} - {-1})
    if not lanes:
        lanes = list(range(len(sheet.view.lanes)))
        return [(sheet.bar(lanes[0])[0] - 0.12, sheet.bar(lanes[-1])[1] + 0.12)]
    if len(lanes) > _MOST:
        return [(sheet.bar(lanes[0])[0] - 0.12, sheet.bar(lanes[-1])[1] + 0.12)]
    return [(sheet.bar(lane)[0] - 0.08, sheet.bar(lane)[1] + 0.08) for lane in lanes]


def _describe(recording: Recording, view: View, mark: Mark) -> str:
    """Return a mark in words."""
    names = [clip(name_of(view.trace.rows[row]), 40) for row in mark.rows]
    who = join_words(names, _MOST) or "all"
    unit = recording.unit
    when = f"from {format_time(mark.start, unit)} to {format_time(mark.end, unit)}"
    if mark.end - mark.start <= 0:
        when = f"at {format_time(mark.start, unit)}"
    return f"Marked: {who} {when}{f': {mark.label}' if mark.label else ''}."
