"""Parts of `replay()` and `explore()` in a notebook: sliders, pictures, and what is stored."""

import base64
import os
from collections.abc import Callable
from html import escape
from importlib import import_module
from typing import Any

from asyncteach.recording import Recording
from asyncteach.timeline.svg import draw_svg, scale_of

STATIC = "ASYNCTEACH_STATIC"
"""The environment variable that asks for the static form alone, as stored notebooks hold it."""

VIEW = "application/vnd.jupyter.widget-view+json"

# A stored view has no widget without the kernel that made it: JupyterLab then shows an error in
# its place. The output that holds this style is followed by the view, and that by the picture:
# the picture gives way to a view that is alive, and a view that isn't gives way to the picture.
_ONE_OF_TWO = """<style class="asyncteach-view">
.jp-OutputArea-child:has(.asyncteach-view),
.jp-OutputArea-child:has(.asyncteach-view) + .jp-OutputArea-child:not(:has(.widget-vbox)),
.jp-OutputArea-child:has(.asyncteach-view) + .jp-OutputArea-child:has(.widget-vbox)
  + .jp-OutputArea-child {display: none}
</style>"""


def show_view(make: Callable[[Any], Any], what: str) -> None:
    """Show the widgets that `make` returns for ipywidgets; without that say how to get it."""
    if os.environ.get(STATIC):
        return
    try:
        widgets = import_module("ipywidgets")
    except ImportError:
        print(
            f"The {what} need ipywidgets: run `%pip install ipywidgets` in a cell, restart the "
            "kernel and reload the page."
        )
        return
    from IPython.core.interactiveshell import InteractiveShell

    if not InteractiveShell.initialized():
        return
    publish = InteractiveShell.instance().display_pub.publish
    publish({"text/html": _ONE_OF_TWO})
    publish({VIEW: make(widgets)._repr_mimebundle_()[VIEW]})


class Slider:
    """A whole number that is set by a slider or in a field; both show the same.

    The handle of a slider of ipywidgets has no name for a screen reader, a field has.
    """

    def __init__(
        self, widgets: Any, name: str, meaning: str, value: int, least: int, most: int,
        *, room: int = 70,
    ) -> None:  # fmt: skip
        common = {"value": value, "min": least, "max": most, "description": name}
        self.slider = widgets.IntSlider(**common, tooltip=meaning, readout=False)
        self.slider.style.description_width = f"{room}px"
        self.slider.layout.width = f"min({room + 260}px, 100% - 90px)"
        self.field = widgets.BoundedIntText(**common, tooltip=meaning)
        # The slider shows the name already; this one is for screen readers.
        self.field.style.description_width = "0px"
        self.field.layout.width = "70px"
        self.box = widgets.Box([self.slider, self.field], layout={"width": f"{room + 350}px"})
        self.box.layout.max_width = "100%"
        self.link = widgets.link((self.slider, "value"), (self.field, "value"))

    @property
    def value(self) -> int:
        """The number that is set."""
        return int(self.slider.value)

    @value.setter
    def value(self, value: int) -> None:
        self.slider.value = min(max(value, self.slider.min), self.slider.max)

    def observe(self, act: Callable[[int], None]) -> None:
        """Call `act` with the number whenever it changes."""
        self.slider.observe(lambda change: act(change.new), "value")


def format_status(words: str, role: str) -> str:
    """Return the sentence as HTML; screen readers read out a new element with such a role."""
    style = "font-size:1.05em;line-height:1.5;min-height:3em"
    return f'<div role="{role}" style="{style}">{words}</div>'


def show_image(svg: str, alt: str) -> str:
    """Return HTML that shows an SVG, with its words; with none it is decoration."""
    data = base64.b64encode(svg.encode("utf-8")).decode("ascii")
    hidden = "" if alt else ' aria-hidden="true"'
    style = "display:block;width:100%;height:auto"
    source = f"data:image/svg+xml;base64,{data}"
    return f'<img src="{source}" alt="{escape(alt, quote=True)}"{hidden} style="{style}">'


# What is outside of an image doesn't change its colours.
_STYLE = (
    ".veil{fill:#fff;fill-opacity:.93}.cursor{stroke:#1c2529;fill:#1c2529}"
    "@media (prefers-color-scheme:dark){.veil{fill:#161b1e}.cursor{stroke:#e8edef;fill:#e8edef}}"
)


class Playhead:
    """The picture of a recording, drawn once, and what hides the part that is still to come."""

    def __init__(self, recording: Recording, wide: int) -> None:
        self.recording, self.wide = recording, wide
        self.scale = scale_of(recording.trace, wide)

    def picture(self) -> str:
        """Return the whole picture as HTML."""
        return show_image(draw_svg(self.recording.trace, self.wide), self.recording.describe())

    def drawn_to(self, at: float) -> str:
        """Return HTML to be laid over the picture: it shows what there was up to that time."""
        scale = self.scale
        x, top = scale.x(at), scale.top - 12
        # A step that took no time is drawn as a mark, and has to be seen when it is there.
        begin = x + 3
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{scale.width}" '
            f'height="{scale.height:.0f}" viewBox="0 0 {scale.width} {scale.height:.0f}">'
            f"<style>{_STYLE}</style>"
        )
        if at < scale.sheet.view.end:
            svg += (
                f'<rect class="veil" x="{begin:.1f}" y="{top:.1f}" '
                f'width="{scale.width - begin:.1f}" height="{scale.floor - top - 1:.1f}"/>'
            )
        svg += (
            f'<path class="cursor" stroke-width="1.5" '
            f'd="M{x:.1f} {scale.floor:.1f}V{top + 7:.1f}l-5 -8h10l-5 8"/></svg>'
        )
        return show_image(svg, "")
