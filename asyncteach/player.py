"""replay(): a recording step by step, with the source beside it."""

import inspect
from functools import cached_property
from html import escape
from typing import Any

from asyncteach.formatting import article
from asyncteach.interaction.dials import Dial
from asyncteach.interaction.lines import Library, write_html, write_text
from asyncteach.interaction.moments import Script
from asyncteach.interaction.pictures import Curtain
from asyncteach.interaction.shelf import add_view, find_widgets, say_missing, wants_static
from asyncteach.interaction.telling import Teller
from asyncteach.recording import Recording

__all__ = ["Player", "replay"]

_LISTED = 40


class Player:
    """A recording as a row of moments, with buttons and a slider in a notebook.

    `sentences` says what happens at each, `source(number)` shows the lines of it. Where there
    are no widgets, in a terminal or on a page, it is the timeline with the sentences below it.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.script = Script(recording.trace)
        self.teller = Teller(self.script, recording.unit)
        self.library = Library()

    def __len__(self) -> int:
        """Return how many moments there are."""
        return len(self.script.moments)

    @cached_property
    def sentences(self) -> list[str]:
        """What happens, a sentence for each moment."""
        return self._tell_first(len(self))

    def _tell_first(self, number: int) -> list[str]:
        return [self.teller.sentence(index) for index in range(min(number, len(self)))]

    def source(self, number: int) -> str:
        """Return the lines around the one at which the moment of that number, from 1, is."""
        if not 1 <= number <= len(self):
            raise IndexError(f"there is no moment {number}: choose one from 1 to {len(self)}.")
        return write_text(self.library.around(self.script.moments[number - 1].places))

    def __str__(self) -> str:
        """Return the list of the moments."""
        width = len(str(len(self)))
        lines = [f"Replay of {self.recording.heading()}"]
        shown = self._tell_first(_LISTED)
        lines += [f"{number:>{width}}. {text}" for number, text in enumerate(shown, 1)]
        left = len(self) - len(shown)
        if left or self.script.cut:
            lines.append(f"... and {left + self.script.cut:,} more moments")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Replay of {len(self)} moments: {self.recording.heading()}>"

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        from asyncteach.interaction.filmstrip import draw_filmstrip

        png, about = draw_filmstrip(self.recording, self._tell_first(_LISTED))._repr_png_()
        data: dict[str, Any] = {"image/png": png, "text/plain": str(self)}
        widgets = None if wants_static() else find_widgets()
        if widgets is not None:
            screen = Screen(widgets, self)
            add_view(data, screen.root, screen.parts)
        elif not wants_static():
            print(say_missing("buttons"))
        return data, {"image/png": about}


def replay(recording: Recording, **others: object) -> Player:
    """Step through a recording: who starts and stops running, gets ready, waits for what.

    Shows itself at the end of a notebook's cell: buttons and a slider, the timeline up to the
    moment, what happens then in a sentence, and the line of source where the task is, marked by
    a sign. Takes any Recording, of `run_together` and the other runners as well as of `record()`
    and `%%timeline`; only those of code have lines. Nothing is run again. Times are in the unit
    of the recording, story minutes or seconds. Of more than 2,000 steps the first are shown.

    The Player that comes back has the same for other uses: `sentences`, a list, and
    `source(number)`. Raises TypeError for what isn't a Recording, and for options: it has none.

    >>> from asyncteach import CHORES, run_in_turn
    >>> player = replay(run_in_turn(CHORES, clock="virtual"))
    >>> print(player.sentences[1])
    At 40 min cook rice runs for a moment and is done.
    """
    __tracebackhide__ = True
    if not isinstance(recording, Recording):
        raise TypeError(_say_wrong(recording))
    for name in others:
        raise TypeError(
            f"replay() has no option {name!r}: it steps through the whole recording; to see a "
            "part of it, draw it with recording.plot(start=0.1, end=0.4)."
        )
    return Player(recording)


def _say_wrong(thing: object) -> str:
    if hasattr(thing, "recordings"):
        fix = 'pass one of its ways, as in comparison.recordings["together"]'
    elif inspect.isawaitable(thing):
        fix = "await it first, as in `replay(await run_together(CHORES))`"
    else:
        fix = "pass what `with record() as recording:` or `await run_together(CHORES)` gives"
    kind = type(thing).__name__.lstrip("_")
    return f"replay() steps through a Recording and got {article(kind)}: {fix}."


_PAUSE = 1500
_WIDE, _NARROW = 900, 620
_SIGNS = {"running": "\N{BLACK SQUARE}", "ready": "▨", "waiting": "\N{WHITE SQUARE}"}


class Screen:
    """The widgets of one view of a Player."""

    def __init__(self, widgets: Any, player: Player) -> None:
        self._player = player
        last = len(player) - 1
        has_source = any(moment.places for moment in player.script.moments)
        self._curtain = Curtain(player.recording, _NARROW if has_source else _WIDE)
        self.back = widgets.Button(description="Back", tooltip="Go one moment back")
        self.next = widgets.Button(description="Next", tooltip="Go on to the next moment")
        self.play = widgets.ToggleButton(description="Play", tooltip="Go on by itself, or pause")
        for button in (self.back, self.next, self.play):
            button.layout.width = "80px"
        self.dial = Dial(widgets, "Moment", "Which moment is shown", 1, 1, last + 1)
        motor = widgets.Play(min=1, max=last + 1, value=1, interval=_PAUSE)
        motor.layout.display = "none"  # its own buttons have no names
        self.motor = motor
        self.sentence = widgets.HTML()
        self.picture = widgets.HTML(self._curtain.picture())
        self.curtain = widgets.HTML()
        self.source = widgets.HTML() if has_source else None
        self.states = widgets.HTML()
        self.root = self._arrange(widgets, has_source)
        # The front end moves the slider by itself: nothing here has to keep the time.
        link = widgets.jslink((motor, "value"), (self.dial.slider, "value"))
        self.parts = [link]
        self._connect()
        self._show(1, "status")

    def _arrange(self, widgets: Any, has_source: bool) -> Any:
        flow = {"flex_flow": "row wrap", "align_items": "center"}
        controls = widgets.Box(
            [self.back, self.play, self.next, self.dial.box, self.motor], layout=flow
        )
        for one in (self.picture, self.curtain):
            one.layout.grid_area = "all"
            one.layout.margin = "0"
        picture = widgets.GridBox(
            [self.picture, self.curtain],
            layout={"grid_template_areas": '"all"', "grid_template_columns": "100%"},
        )
        wide = self._curtain.wide
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
        dial, play, motor = self.dial, self.play, self.motor

        def step(by: int) -> None:
            motor.playing = False
            dial.value += by

        def toggle(change: Any) -> None:
            if change.new and dial.value == len(self._player):
                dial.value = 1
            motor.playing = change.new
            play.description = "Pause" if change.new else "Play"

        self.back.on_click(lambda _: step(-1))
        self.next.on_click(lambda _: step(1))
        play.observe(toggle, "value")
        motor.observe(lambda change: setattr(play, "value", change.new), "playing")
        dial.observe(lambda number: self._show(number, "alert"))

    def _show(self, number: int, role: str) -> None:
        player, index = self._player, number - 1
        moment = player.script.moments[index]
        words = escape(player.teller.sentence(index))
        count = f"Moment {number:,} of {len(player):,}"
        # A new element with that role is read out by screen readers.
        self.sentence.value = (
            f'<div role="{role}" style="font-size:1.05em;line-height:1.5;min-height:3em">'
            f"<strong>{count}.</strong> {words}</div>"
        )
        self.curtain.value = self._curtain.drawn_to(moment.at)
        if self.source is not None:
            self.source.value = self._write_source(index)
        self.states.value = "".join(
            f'<div style="line-height:1.5">{_SIGNS[state]} <strong>{state}</strong>: '
            f"{escape(who)}</div>"
            for state, who in player.teller.states(index)
        )
        self.back.disabled = number == 1
        self.next.disabled = number == len(player)

    def _write_source(self, index: int) -> str:
        places = self._player.script.moments[index].places
        if not places:
            return ""
        here = places[-1]
        name = here.file if here.file.startswith("In [") else here.file.rpartition("/")[2]
        lines = self._player.library.around(places)
        if not lines:
            return f"<p>{escape(str(here))} (its source can't be read)</p>"
        return f"<div><strong>{escape(name)}</strong></div>{write_html(lines)}"
