"""What a replay looks like in a notebook: buttons, a slider, a picture, a sentence, the source."""

from html import escape
from typing import TYPE_CHECKING, Any

from asyncteach.interaction.dials import Dial
from asyncteach.interaction.lines import write_html
from asyncteach.interaction.pictures import Curtain

if TYPE_CHECKING:
    from asyncteach.player import Player

_PAUSE = 1500
_WIDE, _NARROW = 900, 620
_SIGNS = {"running": "\N{BLACK SQUARE}", "ready": "▨", "waiting": "\N{WHITE SQUARE}"}


class Screen:
    """The widgets of one view of a Player."""

    def __init__(self, widgets: Any, player: "Player") -> None:
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
