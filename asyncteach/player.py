"""replay(): a recording step by step, with the source beside it."""

import linecache
from collections.abc import Sequence
from functools import cached_property
from html import escape
from textwrap import wrap
from typing import Any, NamedTuple

from asyncteach.arguments import check_options, check_recording
from asyncteach.formatting import printable
from asyncteach.interaction.moments import MomentSentences, Script
from asyncteach.interaction.widgets import Playhead, Slider, format_status, show_view
from asyncteach.places import Place
from asyncteach.recording import Recording

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
        self.sentence_maker = MomentSentences(self.script)
        self.source_lines = SourceLines()

    def __len__(self) -> int:
        """Return how many moments there are."""
        return len(self.script.moments)

    @cached_property
    def sentences(self) -> list[str]:
        """What happens, a sentence for each moment."""
        return self._describe_first(len(self))

    def _describe_first(self, number: int) -> list[str]:
        return [self.sentence_maker.sentence(index) for index in range(min(number, len(self)))]

    def source(self, number: int) -> str:
        """Return the lines around the one at which the moment of that number, from 1, is."""
        if not 1 <= number <= len(self):
            raise IndexError(f"there is no moment {number}: choose one from 1 to {len(self)}.")
        return format_text(self.source_lines.around(self.script.moments[number - 1].places))

    def __str__(self) -> str:
        """Return the list of the moments."""
        width = len(str(len(self)))
        lines = [f"Replay of {self.recording.heading()}"]
        shown = self._describe_first(_LISTED)
        lines += [f"{number:>{width}}. {text}" for number, text in enumerate(shown, 1)]
        left = len(self) - len(shown)
        if left or self.script.cut:
            lines.append(f"... and {left + self.script.cut:,} more moments")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Replay of {len(self)} moments: {self.recording.heading()}>"

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        png, about = draw_filmstrip(self.recording, self._describe_first(_LISTED))._repr_png_()
        show_view(lambda widgets: Screen(widgets, self).root, "buttons")
        return {"image/png": png, "text/plain": str(self)}, {"image/png": about}


def replay(recording: Recording, **others: object) -> Player:
    """Step through a recording: which task starts and stops running, gets ready, waits for what.

    At the end of a notebook's cell it shows buttons and a slider, the timeline up to the moment, a
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
    check_options(
        "replay",
        others,
        (),
        "it steps through the whole recording; to see a part of it, draw it with "
        "recording.plot(start=0.1, end=0.4)",
    )
    return Player(check_recording(recording, "replay", "steps through"))


_INCHES = 9.0
_SHOWN = 24
"""So many lines of sentences stand below the picture."""


def draw_filmstrip(recording: Recording, sentences: Sequence[str]) -> Any:
    """Return the picture where nothing can be clicked: the words are in it, and in its alt text."""
    import matplotlib as mpl

    from asyncteach.timeline.figure import Picture, plot_timeline
    from asyncteach.timeline.lanes import view_of
    from asyncteach.timeline.layout import lay_sheet

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
    below.text(
        0, 1, "\n".join(lines), fontsize=9.0, linespacing=1.45,
        color=mpl.rcParams["text.color"], verticalalignment="top", parse_math=False,
        transform=below.transAxes,
    )  # fmt: skip
    picture.alt = f"{recording.describe()} Moment by moment: {' '.join(sentences[:_SHOWN])}"
    return picture


_PAUSE = 1500
_WIDE, _NARROW = 900, 620
_SIGNS = {"running": "\N{BLACK SQUARE}", "ready": "▨", "waiting": "\N{WHITE SQUARE}"}


class Screen:
    """The widgets of one view of a Player."""

    def __init__(self, widgets: Any, player: Player) -> None:
        self._player = player
        last = len(player) - 1
        has_source = any(moment.places for moment in player.script.moments)
        self._playhead = Playhead(player.recording, _NARROW if has_source else _WIDE)
        self.back = widgets.Button(description="Back", tooltip="Go one moment back")
        self.next = widgets.Button(description="Next", tooltip="Go on to the next moment")
        self.play = widgets.ToggleButton(description="Play", tooltip="Go on by itself, or pause")
        for button in (self.back, self.next, self.play):
            button.layout.width = "80px"
        self.slider = Slider(widgets, "Moment", "Which moment is shown", 1, 1, last + 1)
        motor = widgets.Play(min=1, max=last + 1, value=1, interval=_PAUSE)
        motor.layout.display = "none"  # its own buttons have no names
        self.motor = motor
        self.sentence = widgets.HTML()
        self.picture = widgets.HTML(self._playhead.picture())
        self.playhead = widgets.HTML()
        self.source = widgets.HTML() if has_source else None
        self.states = widgets.HTML()
        self.root = self._arrange(widgets, has_source)
        # The front end moves the slider by itself: nothing here has to keep the time.
        self.link = widgets.jslink((motor, "value"), (self.slider.slider, "value"))
        self._connect()
        self._show(1, "status")

    def _arrange(self, widgets: Any, has_source: bool) -> Any:
        flow = {"flex_flow": "row wrap", "align_items": "center"}
        controls = widgets.Box(
            [self.back, self.play, self.next, self.slider.box, self.motor], layout=flow
        )
        for one in (self.picture, self.playhead):
            one.layout.grid_area = "all"
            one.layout.margin = "0"
        picture = widgets.GridBox(
            [self.picture, self.playhead],
            layout={"grid_template_areas": '"all"', "grid_template_columns": "100%"},
        )
        wide = self._playhead.wide
        left = widgets.VBox([picture, self.states])
        left.layout.flex, left.layout.max_width = f"1 1 {wide * 2 // 3}px", f"{wide}px"
        beside = [left]
        if has_source:
            beside.append(
                widgets.VBox([self.source], layout={"flex": "1 1 280px", "min_width": "0"})
            )
        flow = {"flex_flow": "row wrap", "align_items": "flex-start"}
        stage = widgets.Box(beside, layout=flow)
        return widgets.VBox([controls, self.sentence, stage])

    def _connect(self) -> None:
        slider, play, motor = self.slider, self.play, self.motor

        def step(by: int) -> None:
            motor.playing = False
            slider.value += by

        def toggle(change: Any) -> None:
            if change.new and slider.value == len(self._player):
                slider.value = 1
            motor.playing = change.new
            play.description = "Pause" if change.new else "Play"

        self.back.on_click(lambda _: step(-1))
        self.next.on_click(lambda _: step(1))
        play.observe(toggle, "value")
        motor.observe(lambda change: setattr(play, "value", change.new), "playing")
        slider.observe(lambda number: self._show(number, "alert"))

    def _show(self, number: int, role: str) -> None:
        player, index = self._player, number - 1
        moment = player.script.moments[index]
        words = escape(player.sentence_maker.sentence(index))
        count = f"Moment {number:,} of {len(player):,}"
        self.sentence.value = format_status(f"<strong>{count}.</strong> {words}", role)
        self.playhead.value = self._playhead.drawn_to(moment.at)
        if self.source is not None:
            self.source.value = self._write_source(index)
        self.states.value = "".join(
            f'<div style="line-height:1.5">{_SIGNS[state]} <strong>{state}</strong>: '
            f"{escape(names)}</div>"
            for state, names in player.sentence_maker.states(index)
        )
        self.back.disabled = number == 1
        self.next.disabled = number == len(player)

    def _write_source(self, index: int) -> str:
        places = self._player.script.moments[index].places
        if not places:
            return ""
        here = places[-1]
        name = here.file if here.file.startswith("In [") else here.file.rpartition("/")[2]
        lines = self._player.source_lines.around(places)
        if not lines:
            return f"<p>{escape(str(here))} (its source can't be read)</p>"
        return f"<div><strong>{escape(name)}</strong></div>{format_html(lines)}"


HERE, CALLER = "\N{BLACK RIGHT-POINTING POINTER}", "\N{WHITE RIGHT-POINTING POINTER}"
"""The signs before the line that it is at, and before the lines from which that was called."""

_LINES = 15
_COLUMNS = 90


class Line(NamedTuple):
    """A line of source: its number, its text, and the sign before it."""

    number: int
    text: str
    sign: str = " "


class SourceLines:
    """The user's files and cells as they were when they were first looked at."""

    def __init__(self) -> None:
        self._files: dict[str, list[str]] = {}

    def around(self, places: Sequence[Place]) -> list[Line]:
        """Return the lines around the last of the places; none where they can't be read."""
        if not places:
            return []
        here = places[-1]
        text = self._read(here.path or here.file)
        if not 1 <= here.line <= len(text):
            return []
        first = max(1, min(here.line - _LINES // 2, len(text) - _LINES + 1))
        signs = {place.line: CALLER for place in places if place.file == here.file}
        signs[here.line] = HERE
        return [
            Line(number, _shorten(text[number - 1]), signs.get(number, " "))
            for number in range(first, min(first + _LINES, len(text) + 1))
        ]

    def _read(self, path: str) -> list[str]:
        if path not in self._files:
            self._files[path] = [line.rstrip("\r\n") for line in linecache.getlines(path)]
        return self._files[path]


def _shorten(text: str) -> str:
    text = "".join(c if c.isprintable() else " " for c in printable(text.expandtabs(4)))
    return text if len(text) <= _COLUMNS else text[: _COLUMNS - 1] + "…"


def format_text(lines: Sequence[Line]) -> str:
    """Return the lines as text."""
    room = len(str(lines[-1].number)) if lines else 0
    return "\n".join(f"{one.sign} {one.number:>{room}}  {one.text}".rstrip() for one in lines)


def format_html(lines: Sequence[Line]) -> str:
    """Return the lines as HTML; a screen reader hears which is the current one."""
    parts = []
    for text, one in zip(format_text(lines).split("\n"), lines, strict=True):
        current = ' aria-current="true"' if one.sign == HERE else ""
        tag = "strong" if one.sign == HERE else "span"
        parts.append(f"<{tag}{current}>{escape(text)}</{tag}>")
    style = "margin:0;padding:2px 8px;overflow-x:auto;white-space:pre;line-height:1.4"
    return f'<pre style="{style}">' + "\n".join(parts) + "</pre>"
