"""A replay as one picture: the timeline, and below it the sentences of its moments."""

from collections.abc import Sequence
from textwrap import wrap

import matplotlib as mpl

from asyncteach.recording import Recording
from asyncteach.timeline.figure import Picture, plot_timeline
from asyncteach.timeline.fonts import drawable, families
from asyncteach.timeline.interval import view_of
from asyncteach.timeline.sheet import lay_sheet

_WIDTH = 9.0
_LETTERS = 112
_MOST = 24
_LINE = 0.19
_SIZE = 9.0


def draw_filmstrip(recording: Recording, sentences: Sequence[str]) -> Picture:
    """Return the picture for those who can't step: the words are in it, and in its alt text."""
    lines = []
    for number, text in enumerate(sentences, 1):
        first, *more = wrap(text, _LETTERS)
        lines += [f"{number:>3}. {first}", *(f"       {line}" for line in more)]
    if len(lines) > _MOST:
        lines[_MOST - 1 :] = ["       and so on"]
    sheet = lay_sheet(view_of(recording.trace), page=_WIDTH)
    heights = [1.2 + sheet.height, 0.1 + _LINE * len(lines)]
    picture = Picture(figsize=(_WIDTH, sum(heights)), layout="constrained")
    above, below = picture.subplots(2, height_ratios=heights)
    plot_timeline(recording, ax=above)
    below.set_axis_off()
    shown = [drawable(line) for line in lines]
    below.text(
        0, 1, "\n".join(shown), fontsize=_SIZE, fontfamily=families(shown), linespacing=1.45,
        color=mpl.rcParams["text.color"], verticalalignment="top", parse_math=False,
        transform=below.transAxes,
    )  # fmt: skip
    picture.alt = f"{recording.describe()} Moment by moment: {' '.join(sentences[:_MOST])}"
    return picture
