"""What is drawn over a timeline afterwards, as a guess is, or the place of a mistake."""

from collections.abc import Sequence
from typing import Protocol

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from asyncteach.timeline.sheet import Sheet


class Overlay(Protocol):
    """Something that is drawn over one timeline."""

    room: float
    """How many inches it wants above the lanes."""
    alt: str
    """What it shows, for those who can't see it."""

    def draw(self, ax: Axes, sheet: Sheet) -> Sequence[Patch]:
        """Draw it, and return what the legend has to explain."""
        ...
