"""A guess as outlines over a timeline: in the lane of each task, or around the whole."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke

from asyncteach.formatting import clip
from asyncteach.prediction.guesses import Hit, format_amount
from asyncteach.recording import Recording
from asyncteach.timeline.figure import Picture, draw_views
from asyncteach.timeline.lanes import view_of
from asyncteach.timeline.layout import NOTE_SIZE, Sheet

COLOR = "#8c2d5a"
STYLES: dict[bool, Any] = {True: "solid", False: (0, (3.5, 2.5))}
"""Right and missed differ in more than colour: in the line style and in the words."""

_LABELS = {True: "your guess, right", False: "your guess, missed"}
_GAP = 0.11
"""The gap between an outline and its bar, in lanes: blocks have outlines without a gap."""
_BAND = 0.27
_READABLE = 0.15
_BEYOND = 3.0
"""The picture ends at this multiple of the real time: a guess beyond it is cut off."""


class Outlines:
    """The guess of one run, drawn over its timeline."""

    def __init__(self, recording: Recording, hits: Sequence[Hit]) -> None:
        self._recording = recording
        self._hits = hits
        self.room = _BAND if any(hit.row is None for hit in hits) else 0.0
        words = [
            f"{clip(hit.name, 40)} {format_amount(hit.guess, recording.unit)}, {self._verdict(hit)}"
            for hit in hits
        ]
        self.alt = f"Your guess, as outlines: {'; '.join(words)}."

    def draw(self, ax: Axes, sheet: Sheet) -> list[Patch]:
        """Draw an outline for each guess, with a word; return the patches for the legend."""
        ax.set_ylim(sheet.bottom, sheet.top - self.room / sheet.inches)
        longest = max((hit.guess for hit in self._hits), default=0.0) * 1.1
        most = max(ax.get_xlim()[1], self._recording.trace.duration * _BEYOND)
        ax.set_xlim(ax.get_xlim()[0], max(ax.get_xlim()[1], min(longest, most)))
        for text in ax.texts:
            if text.get_gid() == "total":  # readable if an outline crosses it
                text.set_zorder(8)
                text.set_bbox(_paper())
        drawn = {hit.right for hit in self._hits if self._outline(ax, sheet, hit)}
        return [
            Patch(
                facecolor="none", edgecolor=COLOR, linestyle=STYLES[right], linewidth=1.8,
                label=_LABELS[right],
            )
            for right in (True, False)
            if right in drawn
        ]  # fmt: skip

    def _outline(self, ax: Axes, sheet: Sheet, hit: Hit) -> bool:
        """Draw one outline; return False if its lane stands for many tasks."""
        end, words = hit.guess, self._verdict(hit)
        if hit.row is None:
            begun, (top, bottom) = 0.0, (sheet.top, sheet.bottom - 0.06)
            y = sheet.top - self.room / sheet.inches / 2
            words = f"your guess: {format_amount(end, self._recording.unit)}, {words}"
        else:
            lane = int(sheet.view.lane_of[hit.row])
            if lane < 0 or sheet.view.lanes[lane].folded:
                return False
            begun = self._recording.trace.rows[hit.row].spawned
            top, bottom = sheet.bar(lane)
            top, bottom = top - _GAP, bottom + _GAP
            y = (top + bottom) / 2
        start = begun if begun < end else 0.0
        halo = withStroke(linewidth=3.6, foreground=mpl.rcParams["axes.facecolor"])
        ax.add_patch(
            Rectangle(
                (start, top), end - start, bottom - top, fill=False, edgecolor=COLOR,
                linestyle=STYLES[hit.right], linewidth=1.8, zorder=6,
                clip_on=end > ax.get_xlim()[1],
                path_effects=None if hit.row is None else [halo],
                gid=f"guess, {'right' if hit.right else 'missed'}",
            )
        )  # fmt: skip
        if hit.row is None or sheet.inches >= _READABLE:
            self._write(ax, words, start, end, y)
        return True

    def _write(self, ax: Axes, words: str, start: float, end: float, y: float) -> None:
        """Write words at the end of an outline: inside it, if they fit."""
        low, high = ax.get_xlim()
        inches = ax.get_window_extent().width / ax.figure.dpi
        need = (len(words) + 2) * NOTE_SIZE * 0.62 / 72 / inches * (high - low)
        end = min(end, high)
        inside = end - start >= need or end + need > high
        pad = (high - low) * 0.008
        x = max(end, low + need) - pad if inside else end + pad
        ax.text(
            x, y, words, color=COLOR, fontsize=NOTE_SIZE, fontweight="bold", zorder=7, gid="guess",
            horizontalalignment="right" if inside else "left", verticalalignment="center",
            bbox=_paper(),
        )  # fmt: skip

    def _verdict(self, hit: Hit) -> str:
        """Return `right`, or how far off the guess is."""
        if hit.right:
            return "right"
        if hit.fact is None:
            return "missed: still running"
        off = hit.guess - hit.fact
        amount = format_amount(abs(off), self._recording.unit)
        return f"{amount} too {'late' if off > 0 else 'early'}"


def _paper() -> dict[str, Any]:
    """Return the background of words that an outline may cross."""
    paper = mpl.rcParams["axes.facecolor"]
    return {"edgecolor": "none", "boxstyle": "round,pad=0.2", "facecolor": paper}


def draw_guess(parts: Sequence[tuple[Recording, Sequence[Hit]]]) -> Picture:
    """Draw recordings on one axis, each with its guesses as outlines."""
    views = [view_of(recording.trace) for recording, _ in parts]
    return draw_views(views, [Outlines(*part) if part[1] else None for part in parts])
