"""The pictures: a lane for you, a lane a task, three states, the total marked."""

import base64
import inspect
import io
import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from asyncteach.fonts import drawable, families
from asyncteach.labels import clip
from asyncteach.recording import READY, RUNNING, STATES, WAITING, Recording, Slice

COLORS = {RUNNING: "#0b6e8f", READY: "#e8a33d", WAITING: "#cfe3ea"}
"""Safe for colour-blind readers, and three different greys in print."""

HATCHES = {RUNNING: "", READY: "////", WAITING: ""}

MEANINGS = {
    RUNNING: "your hands are on it",
    READY: "it needs you, you are busy",
    WAITING: "the machine works",
}

_BAR = 0.62
_WIDTH = 9.0
_DPI = 100
_NAME_COLUMNS = 32
_TEXT = 10
# A running slice narrower than this part of the axis is drawn as a mark of fixed width, in
# points: a moment of attention was there, so it is seen.
_NARROW = 0.006
_MARK = 3.0
# Above so many lanes the axis stands on top as well, and the total near it.
_TALL = 40
_MOST_INCHES = 30.0


def plot_timeline(recording: Recording, *, ax: Axes | None = None) -> Axes:
    """Draw a recording: when each task was running (solid), ready (hatched) and waiting (pale).

    A lane for you on top, then a lane a task in order of first appearance; a dotted line marks the
    total, in story minutes. Draws on `ax`, or on a new pyplot figure of a fitting height; returns
    the Axes and never calls `plt.show`. For several on one figure make it with
    `plt.subplots(..., layout="constrained")`: names, title and legend then get their room. Raises
    TypeError for what isn't a Recording or Axes.

    >>> from asyncteach import CHORES, run_in_turn
    >>> from matplotlib.figure import Figure
    >>> ax = plot_timeline(run_in_turn(CHORES, clock="virtual"), ax=Figure().subplots())
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['you', 'cook rice', 'wash clothes', 'wash dishes']
    """
    _check_recording(recording)
    if ax is None:
        import matplotlib.pyplot as plt

        figure, ax = plt.subplots(figsize=(_WIDTH, _height([recording])), layout="constrained")
        _add_legend(figure, [recording])
    else:
        _check_axes(ax)
        _add_legend(ax, [recording])
    _draw(ax, recording, recording.minutes)
    ax.set_xlabel("minutes", fontsize=_TEXT)
    return ax


class Picture(Figure):
    """A Matplotlib figure that a notebook shows by itself, though pyplot doesn't know of it.

    `alt` says in words what it shows, for those who can't see it.
    """

    alt = ""

    def _repr_png_(self) -> tuple[str, dict[str, Any]]:
        """Return a base64 PNG of double density, its size in a page's pixels, and the words."""
        file = io.BytesIO()
        with mpl.rc_context({"savefig.bbox": None}):  # the size that is told is the size that is
            self.savefig(file, format="png", dpi=2 * _DPI)
        width, height = (round(inches * _DPI) for inches in self.get_size_inches())
        png = base64.b64encode(file.getvalue()).decode("ascii")
        return png, {"width": width, "height": height, "alt": self.alt}


def draw_timelines(recordings: Sequence[Recording]) -> Picture:
    """Draw recordings below each other on one shared axis of minutes."""
    picture = Picture(figsize=(_WIDTH, _height(recordings)), layout="constrained")
    picture.alt = " ".join(recording.describe() for recording in recordings)
    heights = [_lane_height(r) * (_lanes(r) + 1.2) for r in recordings]
    axes = picture.subplots(len(recordings), sharex=True, squeeze=False, height_ratios=heights)
    longest = max(recording.minutes for recording in recordings)
    for ax, recording in zip(axes[:, 0], recordings, strict=True):
        _draw(ax, recording, longest)
    axes[-1, 0].set_xlabel("minutes", fontsize=_TEXT)
    _add_legend(picture, recordings)
    return picture


def _draw(ax: Axes, recording: Recording, longest: float) -> None:
    lanes = recording.lanes()
    limit = (longest or 1.0) * 1.13
    placed = [(lane, one) for lane, (_, slices) in enumerate(lanes) for one in slices]
    for state in (WAITING, READY, RUNNING):
        bars = PolyCollection(
            [_box(one, lane) for lane, one in placed if one.state == state],
            facecolors=COLORS[state],
            edgecolors=ax.get_facecolor(),
            linewidths=min(0.5, 1.5 * _lane_height(recording)),
            hatch=HATCHES[state] or None,
            label=state,
            zorder=2,
        )
        ax.add_collection(bars, autolim=False)
    moments = [
        [(middle, lane - _BAR / 2), (middle, lane + _BAR / 2)]
        for lane, one in placed
        if one.state == RUNNING and one.end - one.start < limit * _NARROW
        for middle in [(one.start + one.end) / 2]
    ]
    marks = LineCollection(moments, colors=COLORS[RUNNING], linewidths=_MARK, zorder=3)
    marks.set(capstyle="butt", clip_on=False)  # whole at the axis' very beginning too
    ax.add_collection(marks, autolim=False)
    _name_lanes(ax, recording, [name for name, _ in lanes])
    ax.set_xlim(0, limit)
    ax.set_title(recording.title, loc="left", fontsize=11, fontweight="bold", parse_math=False)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    tall = len(lanes) > _TALL
    ax.tick_params(axis="x", labelsize=_TEXT, top=tall, labeltop=tall)
    ink = mpl.rcParams["text.color"]
    total = recording.minutes
    ax.axvline(total, color=ink, linewidth=1, linestyle=":", zorder=1)
    ax.text(
        total + limit * 0.008,
        1 if tall else (len(lanes) - 1) / 2,
        (f"{total:.1f}".removesuffix(".0") if total >= 1 else f"{total:.2g}") + " min",
        color=ink,
        fontsize=_TEXT,
        fontweight="bold",
        verticalalignment="center",
        gid="total",
    )


def _name_lanes(ax: Axes, recording: Recording, names: list[str]) -> None:
    height = _lane_height(recording)
    size = min(float(_TEXT), max(6.0, height * 72 * 0.75))
    # Names that don't fit one below the other are left out evenly.
    step = math.ceil(size / (height * 72))
    shown = [drawable(clip(name, _NAME_COLUMNS)) for name in names[::step]]
    ax.set_yticks(range(0, len(names), step), shown, fontsize=size, fontfamily=families(shown))
    for label in ax.get_yticklabels():
        label.set_parse_math(False)
    ax.tick_params(axis="y", length=0, pad=6)
    ax.set_ylim(len(names) - 0.5, -0.5)


def _box(one: Slice, lane: int) -> list[tuple[float, float]]:
    low, high = lane - _BAR / 2, lane + _BAR / 2
    return [(one.start, low), (one.start, high), (one.end, high), (one.end, low)]


def _add_legend(where: Axes | Figure, recordings: Sequence[Recording]) -> None:
    """Explain the states that can be seen: below a figure of ours, in short on others' axes."""
    seen = {
        one.state
        for recording in recordings
        for one in recording
        if one.state == RUNNING or one.end - one.start > recording.minutes * _NARROW
    }
    states = [state for state in STATES if state in seen]
    own = isinstance(where, Figure)
    handles = [
        Patch(
            facecolor=COLORS[state],
            edgecolor=mpl.rcParams["axes.facecolor"],
            hatch=HATCHES[state],
            label=f"{state}: {MEANINGS[state]}" if own else state,
        )
        for state in states
    ]
    if isinstance(where, Figure):
        if handles:
            where.legend(
                handles=handles, ncols=3, frameon=False, fontsize=9.5, loc="outside lower center"
            )
    else:
        # The pad keeps clear of the axis below, however high the axes are.
        where.legend(
            handles=handles,
            ncols=3,
            frameon=False,
            fontsize=8.5,
            loc="upper center",
            bbox_to_anchor=(0.5, 0),
            borderaxespad=4.0,
        )


def _lanes(recording: Recording) -> int:
    return len(recording.names) + 1


def _lane_height(recording: Recording) -> float:
    """Inches a lane: generous for a few, just readable for two hundred, not without an end."""
    lanes = _lanes(recording)
    return min(max(0.13, min(0.42, 1.2 / math.sqrt(lanes))), _MOST_INCHES / lanes)


def _height(recordings: Sequence[Recording]) -> float:
    return 0.9 + sum(_lane_height(r) * _lanes(r) + 0.4 for r in recordings)


def _check_recording(recording: object) -> None:
    __tracebackhide__ = True
    if isinstance(recording, Recording):
        return
    if hasattr(recording, "recordings"):
        fix = 'pass one of its ways, as in comparison.recordings["together"]'
    elif inspect.isawaitable(recording):
        fix = "await it first, as in `recording = await run_together(CHORES)`"
    else:
        fix = "pass what `run_in_turn(CHORES)` or `await run_together(CHORES)` returns"
    kind = type(recording).__name__.lstrip("_")
    raise TypeError(f"plot_timeline() draws a Recording and got {_a(kind)}: {fix}.")


def _check_axes(ax: object) -> None:
    __tracebackhide__ = True
    if not isinstance(ax, Axes):
        raise TypeError(
            f"ax must be one Axes and is {_a(type(ax).__name__)}: of several pick one, "
            "as in axes[0]."
        )


def _a(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"
