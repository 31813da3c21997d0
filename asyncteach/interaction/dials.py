"""A slider with a number beside it: one for the hand, one that has its name for a screen reader."""

from collections.abc import Callable
from typing import Any


class Dial:
    """A whole number that is set by a slider or in a field; both show the same.

    The handle of a slider of ipywidgets has no name that is read out, a field has.
    """

    def __init__(
        self, widgets: Any, name: str, meaning: str, value: int, least: int, most: int,
        *, room: int = 70,
    ) -> None:  # fmt: skip
        self.slider = widgets.IntSlider(
            value=value, min=least, max=most, description=name, tooltip=meaning,
            continuous_update=True, readout=False,
        )  # fmt: skip
        self.slider.style.description_width = f"{room}px"
        self.slider.layout.width = f"min({room + 260}px, 100% - 90px)"
        self.field = widgets.BoundedIntText(
            value=value, min=least, max=most, description=name, tooltip=meaning
        )
        # The name stands at the slider already; here it is for those who don't see it.
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
