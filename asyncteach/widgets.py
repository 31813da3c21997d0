"""What `replay()` and `explore()` share in a notebook: a slider, a picture, and what is stored."""

import os
from collections.abc import Callable
from html import escape
from importlib import import_module
from typing import Any

from asyncteach.timeline.figure import Picture

STATIC = "ASYNCTEACH_STATIC"
"""The environment variable that asks for the static form alone, as stored notebooks hold it."""

VIEW = "application/vnd.jupyter.widget-view+json"

# A stored view has no widget without the kernel that made it: JupyterLab then shows an error in
# its place. The output that holds this style is followed by the view, and that by the picture:
# the picture is hidden if the view works, and the view is hidden if it doesn't.
_ONE_OF_TWO = """<style class="asyncteach-view">
.jp-OutputArea-child:has(.asyncteach-view),
.jp-OutputArea-child:has(.asyncteach-view) + .jp-OutputArea-child:not(:has(.widget-vbox)),
.jp-OutputArea-child:has(.asyncteach-view) + .jp-OutputArea-child:has(.widget-vbox)
  + .jp-OutputArea-child {display: none}
</style>"""


def show_view(make: Callable[[Any], Any], what: str) -> None:
    """Show the widgets that `make` returns, or print how to install ipywidgets."""
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

    if InteractiveShell.initialized():
        publish = InteractiveShell.instance().display_pub.publish
        publish({"text/html": _ONE_OF_TWO})
        publish({VIEW: make(widgets)._repr_mimebundle_()[VIEW]})


class Slider:
    """A whole number that is set by a slider or in a field; both show the same.

    The handle of an ipywidgets slider has no name for a screen reader; a field has one.
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
        # The slider already shows the name; this one is for screen readers.
        self.field.style.description_width = "0px"
        self.field.layout.width = "70px"
        self.box = widgets.Box([self.slider, self.field], layout={"width": f"{room + 350}px"})
        self.box.layout.max_width = "100%"
        self.link = widgets.link((self.slider, "value"), (self.field, "value"))

    def observe(self, act: Callable[[int], None]) -> None:
        """Call `act` with the number whenever it changes."""
        self.slider.observe(lambda change: act(change.new), "value")


def format_status(words: str, role: str) -> str:
    """Return the sentence as HTML; screen readers read out a new element with this role."""
    style = "font-size:1.05em;line-height:1.5;min-height:3em"
    return f'<div role="{role}" style="{style}">{words}</div>'


def show_picture(picture: Picture) -> str:
    """Return HTML that shows a picture, with its alt text."""
    png, about = picture._repr_png_()
    return format_image("png", png, f'alt="{escape(about["alt"], quote=True)}"')


def format_image(kind: str, data: str, attributes: str) -> str:
    """Return an image element of base64 data that is as wide as there is room."""
    source = f"data:image/{kind};base64,{data}"
    return f'<img src="{source}" {attributes} style="display:block;width:100%;height:auto">'
