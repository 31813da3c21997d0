"""The pictures: a lane for you, a lane a task, three states, the total marked."""

import base64
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from asyncteach.fonts import drawable, families
from asyncteach.labels import clip
from asyncteach.recording import READY, RUNNING, STATES, WAITING, Recording, Slice

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = {RUNNING: "#0b6e8f", READY: "#e8a33d", WAITING: "#cfe3ea"}
"""Safe for colour-blind readers, and three different greys in print."""

HATCHES = {RUNNING: "", READY: "////", WAITING: ""}

LABELS = {
    RUNNING: "running: your hands are on it",
    READY: "ready: it needs you, you are busy",
    WAITING: "waiting: the machine works",
}

_INK = "#333333"
_BAR = 0.62
_WIDTH = 9.0
_DPI = 100
_NAME_COLUMNS = 32
# A moment of attention is a mark this wide, as a part of the axis: it is there, so it is seen.
_MOMENT = 0.006


def plot_timeline(recording: Recording, *, ax: "Axes | None" = None) -> "Axes":
    """Draw a recording: when each task was running (solid), ready (hatched) and waiting (pale).

    A lane for you on top, then a lane a task in order of first appearance; a dotted line marks the
    total, in story minutes. Draws on `ax`, or on a new pyplot figure of a fitting height; returns
    the Axes and never calls `plt.show`. Raises TypeError for what isn't a Recording.

    >>> from asyncteach import CHORES, run_in_turn
    >>> from matplotlib.figure import Figure
    >>> ax = plot_timeline(run_in_turn(CHORES, clock="virtual"), ax=Figure().subplots())
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['you', 'cook rice', 'wash clothes', 'wash dishes']
    """
    _check_recording(recording)
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(_WIDTH, _height([recording])), layout="constrained")
    _draw(ax, recording, recording.minutes)
    ax.set_xlabel("minutes")
    _add_legend(ax, [recording])
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
    axes[-1, 0].set_xlabel("minutes")
    _add_legend(axes[-1, 0], recordings)
    return picture


def _draw(ax: "Axes", recording: Recording, longest: float) -> None:
    lanes = recording.lanes()
    total = recording.minutes
    longest = longest or 1.0
    limit = longest * 1.13
    for state in (WAITING, READY, RUNNING):
        boxes = [
            _box(one, lane, limit * _MOMENT, total)
            for lane, (_, slices) in enumerate(lanes)
            for one in slices
            if one.state == state
        ]
        bars = PolyCollection(
            boxes,
            facecolors=COLORS[state],
            edgecolors="white",
            linewidths=0.5,
            hatch=HATCHES[state] or None,
            label=LABELS[state],
            zorder=2,
        )
        ax.add_collection(bars, autolim=False)
    names = [drawable(clip(name, _NAME_COLUMNS)) for name, _ in lanes]
    size = min(10.0, max(6.0, _lane_height(recording) * 72 * 0.75))
    ax.set_yticks(range(len(lanes)), names, fontsize=size, fontfamily=families(names))
    for label in ax.get_yticklabels():
        label.set_parse_math(False)
    ax.set_ylim(len(lanes) - 0.5, -0.5)
    ax.set_xlim(0, limit)
    ax.set_title(recording.title, loc="left", fontsize=11, fontweight="bold", parse_math=False)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.axvline(total, color=_INK, linewidth=1, linestyle=":", zorder=3)
    ax.text(
        total + limit * 0.008,
        (len(lanes) - 1) / 2,
        f"{total:.1f}".removesuffix(".0") + " min",
        color=_INK,
        fontsize=10,
        fontweight="bold",
        verticalalignment="center",
        gid="total",
    )


def _box(one: Slice, lane: int, moment: float, total: float) -> list[tuple[float, float]]:
    start, end = one.start, one.end
    if one.state == RUNNING and end - start < moment:
        start = max(0.0, min(start, total - moment))
        end = start + moment
    low, high = lane - _BAR / 2, lane + _BAR / 2
    return [(start, low), (start, high), (end, high), (end, low)]


def _add_legend(ax: "Axes", recordings: Sequence[Recording]) -> None:
    shown = {one.state for recording in recordings for one in recording}
    handles = [
        Patch(facecolor=COLORS[state], edgecolor="white", hatch=HATCHES[state], label=LABELS[state])
        for state in STATES
        if state in shown
    ]
    # The pad keeps clear of the axis below, however high the axes are.
    ax.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        borderaxespad=3.6,
        ncols=3,
        frameon=False,
        fontsize=9.5,
    )


def _lanes(recording: Recording) -> int:
    return len(recording.names) + 1


def _lane_height(recording: Recording) -> float:
    """Inches a lane: generous for a few, just readable for two hundred."""
    return max(0.13, min(0.42, 6.0 / math.sqrt(_lanes(recording)) / 5.0))


def _height(recordings: Sequence[Recording]) -> float:
    return 0.9 + sum(_lane_height(r) * _lanes(r) + 0.4 for r in recordings)


def _check_recording(recording: object) -> None:
    if not isinstance(recording, Recording):
        raise TypeError(
            f"plot_timeline() draws a Recording, not {clip(repr(recording), 60)}: "
            "pass what `run_in_turn(CHORES)` or `await run_together(CHORES)` returns."
        )
