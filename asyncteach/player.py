"""replay(): a recording step by step, with the source next to it."""

import base64
import linecache
from collections.abc import Sequence
from functools import cached_property
from html import escape
from textwrap import wrap
from typing import Any

import matplotlib as mpl

from asyncteach.arguments import check_options, check_recording
from asyncteach.moments import Script
from asyncteach.places import Place
from asyncteach.recording import Recording
from asyncteach.timeline.figure import Picture, draw_timelines, plot_timeline
from asyncteach.timeline.lanes import view_of
from asyncteach.timeline.layout import lay_sheet
from asyncteach.widgets import Slider, format_image, format_status, show_picture, show_view

__all__ = ["Player", "replay"]

_LISTED = 40


class Player:
    """A recording as a sequence of moments, with buttons and a slider in a notebook.

    `sentences` describe the moments, `source(number)` shows the lines of one. Without widgets, in
    a terminal or on a page, it shows the timeline with the sentences below.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.script = Script(recording.trace)

    def __len__(self) -> int:
        """Return how many moments there are."""
        return len(self.script.moments)

    @cached_property
    def sentences(self) -> list[str]:
        """What happens, a sentence for each moment."""
        return [self.script.sentence(index) for index in range(len(self))]

    def source(self, number: int) -> str:
        """Return the source around the line of a moment; the first moment is number 1."""
        if not 1 <= number <= len(self):
            raise IndexError(f"there is no moment {number}: choose one from 1 to {len(self)}.")
        return format_source(self.script.moments[number - 1].places)

    def __str__(self) -> str:
        """Return the list of the moments."""
        width = len(str(len(self)))
        lines = [f"Replay of {self.recording.heading()}"]
        shown = self.sentences[:_LISTED]
        lines += [f"{number:>{width}}. {text}" for number, text in enumerate(shown, 1)]
        if left := len(self) - len(shown) + self.script.cut:
            lines.append(f"... and {left:,} more moments")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Replay of {len(self)} moments: {self.recording.heading()}>"

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        png, about = draw_filmstrip(self.recording, self.sentences[:_LISTED])._repr_png_()
        show_view(lambda widgets: Screen(widgets, self).root, "buttons")
        return {"image/png": png, "text/plain": str(self)}, {"image/png": about}


def replay(recording: Recording, **others: object) -> Player:
    """Step through a recording: which task runs, which is ready, what each waits for, and where.

    At the end of a notebook cell it shows buttons and a slider, the timeline up to the moment, a
    sentence about what happens then, and the source with the task's current line marked. It takes
    any Recording, from a runner such as `run_together`, from `record()` or from `%%timeline`; only
    recordings of code have source lines. No code runs again. Times are in the unit of the
    recording, story minutes or seconds. Only the first 2,000 steps are shown.

    Returns a Player with the list `sentences` and the method `source(number)`. Raises TypeError
    for anything but a Recording.

    >>> from asyncteach import CHORES, run_in_turn
    >>> player = replay(run_in_turn(CHORES, clock="virtual"))
    >>> print(player.sentences[1])
    At 40 min cook rice runs for a moment and is done.
    """
    __tracebackhide__ = True
    part = "to see a part of it, draw it with recording.plot(start=0.1, end=0.4)"
    check_options("replay", others, (), f"it steps through the whole recording; {part}")
    return Player(check_recording(recording, "replay", "steps through"))


_INCHES = 9.0
_SHOWN = 24  # lines of sentences below the picture


def draw_filmstrip(recording: Recording, sentences: Sequence[str]) -> Picture:
    """Return the picture to show without widgets, with the sentences in it and in its alt text."""
    lines = []
    for number, text in enumerate(sentences, 1):
        first, *more = wrap(text, 112)
        lines += [f"{number:>3}. {first}", *(f"       {line}" for line in more)]
    if len(lines) > _SHOWN:
        lines[_SHOWN - 1 :] = ["       and so on"]
    sheet = lay_sheet(view_of(recording.trace), page=_INCHES)
    heights = [1.2 + sheet.height, 0.1 + 0.19 * len(lines)]
    picture = Picture(figsize=(_INCHES, sum(heights)), layout="constrained")
    above, below = picture.subplots(2, height_ratios=heights)
    plot_timeline(recording, ax=above)
    below.set_axis_off()
    words = below.text(0, 1, "\n".join(lines), verticalalignment="top", parse_math=False)
    words.set(fontsize=9.0, linespacing=1.45, transform=below.transAxes)
    picture.alt = f"{recording.describe()} Moment by moment: {' '.join(sentences[:_SHOWN])}"
    return picture


HERE, CALLER = "\N{BLACK RIGHT-POINTING POINTER}", "\N{WHITE RIGHT-POINTING POINTER}"
"""The signs before the current line, and before the lines that called it."""

_LINES = 15
_COLUMNS = 90


def format_source(places: Sequence[Place]) -> str:
    """Return the lines around the last of the places; empty if they can't be read."""
    if not places:
        return ""
    here = places[-1]
    text = linecache.getlines(here.path or here.file)
    if not 1 <= here.line <= len(text):
        return ""
    first = max(1, min(here.line - _LINES // 2, len(text) - _LINES + 1))
    signs = {place.line: CALLER for place in places if place.file == here.file}
    signs[here.line] = HERE
    shown = text[first - 1 : first - 1 + _LINES]
    room = len(str(first + len(shown) - 1))
    lines = []
    for number, line in enumerate(shown, first):
        plain = "".join(c if c.isprintable() else " " for c in line.expandtabs(4))[:_COLUMNS]
        lines.append(f"{signs.get(number, ' ')} {number:>{room}}  {plain}".rstrip())
    return "\n".join(lines)


def _format_html(places: Sequence[Place]) -> str:
    """Return the lines as HTML; a screen reader hears which is the current one."""
    lines = format_source(places)
    if not lines:
        return ""
    name = places[-1].file.rpartition("/")[2]
    marked = [
        f'<strong aria-current="true">{line}</strong>' if line.startswith(HERE) else line
        for line in escape(lines).split("\n")
    ]
    style = "margin:0;padding:2px 8px;overflow-x:auto;white-space:pre;line-height:1.4"
    source = "\n".join(marked)
    return f'<div><strong>{escape(name)}</strong></div><pre style="{style}">{source}</pre>'


_PAUSE = 1500
_WIDE, _NARROW = 9.0, 6.2
_SIGNS = {"running": "\N{BLACK SQUARE}", "ready": "▨", "waiting": "\N{WHITE SQUARE}"}


class Screen:
    """The widgets of one view of a Player."""

    def __init__(self, widgets: Any, player: Player) -> None:
        self._player, last = player, len(player)
        has_source = any(moment.places for moment in player.script.moments)
        inches = _NARROW if has_source else _WIDE
        self._drawn = draw_timelines([player.recording], width=inches)
        self.back = widgets.Button(description="Back", tooltip="Go one moment back")
        self.next = widgets.Button(description="Next", tooltip="Go on to the next moment")
        self.play = widgets.ToggleButton(description="Play", tooltip="Go on by itself, or pause")
        for button in (self.back, self.next, self.play):
            button.layout.width = "80px"
        self.slider = Slider(widgets, "Moment", "Which moment is shown", 1, 1, last)
        self.motor = widgets.Play(min=1, max=last, value=1, interval=_PAUSE)
        self.motor.layout.display = "none"  # its own buttons have no names
        # The front end moves the slider by itself: nothing here has to keep the time.
        self.link = widgets.jslink((self.motor, "value"), (self.slider.slider, "value"))
        self.sentence, self.states, self.source = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.picture, self.playhead = widgets.HTML(show_picture(self._drawn)), widgets.HTML()
        for one in (self.picture, self.playhead):  # one lies on the other
            one.layout.grid_area, one.layout.margin = "all", "0"
        areas = {"grid_template_areas": '"all"', "grid_template_columns": "100%"}
        picture = widgets.GridBox([self.picture, self.playhead], layout=areas)
        left = widgets.VBox([picture, self.states])
        left.layout.flex, left.layout.max_width = f"1 1 {inches * 67:.0f}px", f"{inches * 100}px"
        right = widgets.VBox([self.source], layout={"flex": "1 1 280px", "min_width": "0"})
        flow = {"flex_flow": "row wrap", "align_items": "center"}
        controls = [self.back, self.play, self.next, self.slider.box, self.motor]
        stage = widgets.Box([left, right] if has_source else [left], layout=flow)
        stage.layout.align_items = "flex-start"
        self.root = widgets.VBox([widgets.Box(controls, layout=flow), self.sentence, stage])
        self.back.on_click(lambda _: self._step(-1))
        self.next.on_click(lambda _: self._step(1))
        self.play.observe(self._toggle, "value")
        self.motor.observe(lambda change: setattr(self.play, "value", change.new), "playing")
        self.slider.observe(lambda number: self._show(number, "alert"))
        self._show(1, "status")

    def _step(self, by: int) -> None:
        self.motor.playing = False
        slider = self.slider.slider
        slider.value = min(max(slider.value + by, slider.min), slider.max)

    def _toggle(self, change: Any) -> None:
        if change.new and self.slider.slider.value == len(self._player):
            self.slider.slider.value = 1
        self.motor.playing = change.new
        self.play.description = "Pause" if change.new else "Play"

    def _show(self, number: int, role: str) -> None:
        script = self._player.script
        moment = script.moments[number - 1]
        count = f"Moment {number:,} of {len(self._player):,}"
        words = escape(script.sentence(number - 1))
        self.sentence.value = format_status(f"<strong>{count}.</strong> {words}", role)
        self.playhead.value = self._draw_playhead(moment.at)
        self.source.value = _format_html(moment.places)
        self.states.value = "".join(
            f'<div style="line-height:1.5">{_SIGNS[state]} <strong>{state}</strong>: '
            f"{escape(names)}</div>"
            for state, names in script.states(number - 1)
        )
        self.back.disabled = number == 1
        self.next.disabled = number == len(self._player)

    def _draw_playhead(self, at: float) -> str:
        """Return HTML to lay over the picture: it hides what comes after that time."""
        (wide, high), ax = self._drawn.bbox.size, self._drawn.axes[0]
        box, x = ax.get_window_extent(), ax.transData.transform((at, 0))[0]
        top, bottom = high - box.y1 - 8, high - box.y0
        paper, ink = mpl.rcParams["axes.facecolor"], mpl.rcParams["text.color"]
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.0f} {high:.0f}">'
        if at < self._player.recording.trace.duration:
            # A step that took no time is drawn as a mark, which has to be visible at its moment.
            svg += f'<rect fill="{paper}" fill-opacity=".93" x="{x + 3:.1f}" y="{top:.1f}" '
            svg += f'width="{wide - x:.1f}" height="{bottom - top - 1:.1f}"/>'
        svg += f'<path fill="{ink}" stroke="{ink}" d="M{x:.1f} {bottom:.1f}V{top:.1f}'
        data = base64.b64encode(f'{svg}l-5 -8h10l-5 8"/></svg>'.encode()).decode("ascii")
        return format_image("svg+xml", data, 'alt="" aria-hidden="true"')
