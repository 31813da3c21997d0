"""The sliders of `explore()`, and the picture below them."""

from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

from asyncteach.interaction.dials import Dial
from asyncteach.interaction.kitchen import RANGES
from asyncteach.interaction.pictures import show_image
from asyncteach.timeline.svg import draw_svg

if TYPE_CHECKING:
    from asyncteach.explorer import Explorer


class Panel:
    """The widgets of one view of an Explorer."""

    def __init__(self, widgets: Any, explorer: "Explorer") -> None:
        self._explorer = explorer
        self.dials = {}
        for name, known in RANGES.items():
            value = getattr(explorer.settings, name)
            dial = Dial(
                widgets, known.name, known.meaning, value, known.least, known.most, room=190
            )
            dial.observe(partial(self._change, name))
            self.dials[name] = dial
        self.sentence = widgets.HTML()
        self.picture = widgets.HTML()
        self.picture.layout.max_width = "900px"
        controls = widgets.VBox([dial.box for dial in self.dials.values()])
        self.root = widgets.VBox([controls, self.sentence, self.picture])
        self._show("status")

    def _change(self, name: str, amount: int) -> None:
        self._explorer.change(**{name: amount})
        self._show("alert")

    def _show(self, role: str) -> None:
        recording = self._explorer.recording
        self.sentence.value = (
            f'<div role="{role}" style="font-size:1.05em;line-height:1.5;min-height:3em">'
            f"{escape(self._explorer.sentence)}</div>"
        )
        self.picture.value = show_image(draw_svg(recording), recording.describe())
