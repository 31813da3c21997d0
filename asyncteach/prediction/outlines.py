"""A guess as outlines over a timeline: in the lane of each task, or around the whole."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path
from matplotlib.patheffects import withStroke

from asyncteach.formatting import clip
from asyncteach.prediction.facts import Hit, Rank, find_event
from asyncteach.prediction.guesses import format_amount
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
_PAPER: dict[str, Any] = {"edgecolor": "none", "boxstyle": "round,pad=0.2"}
_BAND = 0.27
_READABLE = 0.15
_BEYOND = 3.0
"""A guess beyond this multiple of the real time is drawn up to there, with an open end."""


class Outlines:
    """The guess of one run, drawn over its timeline."""

    def __init__(
        self, recording: Recording, hits: Sequence[Hit], places: Sequence[Rank] = ()
    ) -> None:
        self._recording = recording
        self._hits = hits
        self._places = [place for place in places if place.guess is not None]
        self.room = _BAND if any(hit.row is None for hit in hits) else 0.0
        self.alt = f"Your guess, as outlines: {'; '.join(self._describe())}."

    def draw(self, ax: Axes, sheet: Sheet) -> list[Patch]:
        """Draw an outline for each guess, with a word; return the patches for the legend."""
        band = self.room / sheet.inches
        if band:
            ax.set_ylim(sheet.bottom, sheet.top - band)
        longest = max((self._end(hit) for hit in self._hits), default=0.0)
        ax.set_xlim(ax.get_xlim()[0], max(ax.get_xlim()[1], longest * 1.1))
        for text in ax.texts:
            if text.get_gid() == "total":  # readable if an outline crosses it
                text.set_zorder(8)
                text.set_bbox(_PAPER | {"facecolor": mpl.rcParams["axes.facecolor"]})
        drawn: set[bool] = set()
        for hit in self._hits:
            lanes = self._lanes(hit.row, sheet)
            if lanes is not None:
                self._outline(ax, sheet, hit, lanes, band)
                drawn.add(hit.right)
        for place in self._places:
            if self._number(ax, sheet, place):
                drawn.add(place.right)
        return [
            Patch(
                facecolor="none", edgecolor=COLOR, linestyle=STYLES[right], linewidth=1.8,
                label=_LABELS[right],
            )
            for right in (True, False)
            if right in drawn
        ]  # fmt: skip

    def _outline(
        self, ax: Axes, sheet: Sheet, hit: Hit, edges: tuple[float, float], band: float
    ) -> None:
        top, bottom = edges
        start, end = self._begin(hit), self._end(hit)
        halo = withStroke(linewidth=3.6, foreground=mpl.rcParams["axes.facecolor"])
        # An outline that goes on beyond the picture has no right edge.
        corners = [(end, top), (start, top), (start, bottom), (end, bottom), (end, top)]
        path = Path(corners[:4] if self._goes_on(hit) else corners)
        ax.add_patch(
            PathPatch(
                path, fill=False, edgecolor=COLOR, linestyle=STYLES[hit.right], linewidth=1.8,
                zorder=6, clip_on=False, path_effects=[halo] if hit.row is not None else None,
                gid=f"guess, {'right' if hit.right else 'missed'}",
            )
        )  # fmt: skip
        if hit.row is None:
            guess = format_amount(hit.guess.end, self._recording.unit)
            words = f"your guess: {guess}, {self._verdict(hit)}"
            y = sheet.top - band / 2
        else:
            words, y = self._verdict(hit), (top + bottom) / 2
            if sheet.inches < _READABLE:
                return
        self._write(ax, words, start, end, y)

    def _write(self, ax: Axes, words: str, start: float, end: float, y: float) -> None:
        """Write words at the end of an outline: inside, if they fit in."""
        low, high = ax.get_xlim()
        inches = ax.get_window_extent().width / ax.figure.dpi
        need = (len(words) + 2) * NOTE_SIZE * 0.62 / 72 / inches * (high - low)
        inside = end - start >= need or end + need > high
        pad = (high - low) * 0.008
        ax.text(
            max(end, low + need) - pad if inside else end + pad,
            y,
            words,
            color=COLOR,
            fontsize=NOTE_SIZE,
            fontweight="bold",
            horizontalalignment="right" if inside else "left",
            verticalalignment="center",
            zorder=7,
            gid="guess",
            bbox=_PAPER | {"facecolor": mpl.rcParams["axes.facecolor"]},
        )

    def _number(self, ax: Axes, sheet: Sheet, place: Rank) -> bool:
        """Write the guessed place of an event into a small outline at the event."""
        row, is_start = find_event(self._recording, place.guess or "")
        record = self._recording.trace.rows[row]
        lanes = self._lanes(row, sheet)
        if lanes is None:
            return False
        at = record.spawned if is_start else record.finished
        if at != at:
            at = sheet.view.end
        low, high = ax.get_xlim()
        inner = (high - low) * 0.03
        ax.text(
            min(max(at, low + inner), high - inner),
            sum(lanes) / 2,
            str(place.number),
            color=COLOR,
            fontsize=NOTE_SIZE + 1,
            fontweight="bold",
            horizontalalignment="center",
            verticalalignment="center",
            zorder=7,
            gid="guess",
            bbox={
                "facecolor": mpl.rcParams["axes.facecolor"], "edgecolor": COLOR,
                "linestyle": STYLES[place.right], "linewidth": 1.5, "boxstyle": "round,pad=0.3",
            },
        )  # fmt: skip
        return True

    def _lanes(self, row: int | None, sheet: Sheet) -> tuple[float, float] | None:
        """Return the edges of a task's outline; None if its lane stands for many."""
        if row is None:
            return sheet.top, sheet.bottom - 0.06
        lane = int(sheet.view.lane_of[row])
        if lane < 0 or sheet.view.lanes[lane].folded:
            return None
        top, bottom = sheet.bar(lane)
        return top - _GAP, bottom + _GAP

    def _begin(self, hit: Hit) -> float:
        if hit.guess.start is not None:
            return hit.guess.start
        begun = 0.0 if hit.row is None else self._recording.trace.rows[hit.row].spawned
        return begun if begun < hit.guess.end else 0.0

    def _end(self, hit: Hit) -> float:
        most = self._recording.trace.duration * _BEYOND
        return most if self._goes_on(hit) else hit.guess.end

    def _goes_on(self, hit: Hit) -> bool:
        return 0 < self._recording.trace.duration * _BEYOND < hit.guess.end

    def _verdict(self, hit: Hit) -> str:
        """Return `right`, or by how much it was missed."""
        if hit.right:
            return "right"
        if hit.fact is None:
            return "missed: still going"
        off = format_amount(abs(hit.off), self._recording.unit).replace("minutes", "min")
        return f"{off.replace('minute', 'min')} too {'late' if hit.off > 0 else 'early'}"

    def _describe(self) -> list[str]:
        unit = self._recording.unit
        said = []
        for hit in self._hits:
            begin = (
                "" if hit.guess.start is None else f"from {format_amount(hit.guess.start, unit)} "
            )
            until = f"until {format_amount(hit.guess.end, unit)}"
            said.append(f"{clip(hit.name, 40)} {begin}{until}, {self._verdict(hit)}")
        for place in self._places:
            verdict = "right" if place.right else "missed"
            said.append(f"number {place.number} is {clip(place.guess, 40)}, {verdict}")
        return said


def draw_guess(
    parts: Sequence[tuple[Recording, Sequence[Hit], Sequence[Rank]]],
) -> Picture:
    """Draw recordings on one axis, each with its guesses as outlines."""
    overlays = [
        Outlines(recording, hits, places) if hits or places else None
        for recording, hits, places in parts
    ]
    return draw_views([view_of(recording.trace) for recording, *_ in parts], overlays)
