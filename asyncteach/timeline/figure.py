"""The pictures: a lane for you or the loop, one for each task, three states, and the total."""

import base64
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from asyncteach.arguments import check_number, check_recording
from asyncteach.formatting import article, clip
from asyncteach.timeline import artists
from asyncteach.timeline.lanes import View, view_of
from asyncteach.timeline.layout import Sheet, lay_sheet
from asyncteach.timeline.text import describe

if TYPE_CHECKING:
    from asyncteach.recording import Recording

_WIDTH = 9.0
_DPI = 100


def plot_timeline(
    recording: "Recording", *, ax: Axes | None = None, start: float | None = None,
    end: float | None = None, tasks: Sequence[str] | None = None,
) -> Axes:  # fmt: skip
    """Draw a recording: when each task was running (solid), ready (hatched) and waiting (pale).

    The top lane is yours or, for `record()`, the event loop's; below it each task has a lane. A
    dotted line marks the total. What held the loop is outlined, with its line. `start` and `end`
    show a part, in story minutes or in seconds, `tasks` only the tasks of those names. If there are
    too many tasks, those that are alike share one lane: a colour is as high as its share of them.

    Draws on `ax`, or on a new pyplot figure of a fitting height; returns the Axes and never calls
    `plt.show`. For several on one figure, create it with `plt.subplots(..., layout="constrained")`,
    so that names, title and legend have room. A script that Matplotlib's own font lacks needs
    another font: `plt.rcParams["font.family"] = ["DejaVu Sans", "Noto Sans CJK JP"]`.

    Raises TypeError for anything but a Recording or Axes, ValueError for a part that doesn't exist.

    >>> from asyncteach import CHORES, run_in_turn
    >>> from matplotlib.figure import Figure
    >>> ax = plot_timeline(run_in_turn(CHORES, clock="virtual"), ax=Figure().subplots())
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['you', 'cook rice', 'wash clothes', 'wash dishes']
    """
    trace = check_recording(recording, "plot_timeline").trace
    if ax is not None and not isinstance(ax, Axes):
        raise TypeError(
            f"ax must be one Axes but is {article(type(ax).__name__)}: pick one of several, as in "
            "axes[0]."
        )
    view = view_of(trace, start, end, tasks)
    where: Axes | Figure
    if ax is None:
        import matplotlib.pyplot as plt

        sheet = lay_sheet(view, page=_WIDTH)
        where, ax = plt.subplots(figsize=(_WIDTH, _height([sheet])), layout="constrained")
    else:
        box, where = ax.get_window_extent(), ax
        sheet = lay_sheet(view, axes=(box.width / ax.figure.dpi, box.height / ax.figure.dpi))
    _draw(ax, sheet, view.end)
    artists.add_legend(where, [sheet])
    return ax


class Picture(Figure):
    """A Matplotlib figure that a notebook shows by itself, though pyplot doesn't know it.

    `alt` describes what it shows, for readers who can't see it.
    """

    alt = ""

    def _repr_png_(self) -> tuple[str, dict[str, Any]]:
        """Return a base64 PNG of double density, its size in a page's pixels, and its alt text."""
        file = io.BytesIO()
        with mpl.rc_context({"savefig.bbox": None}):  # so that the returned size is the real one
            self.savefig(file, format="png", dpi=2 * _DPI)
        width, height = (round(inches * _DPI) for inches in self.get_size_inches())
        png = base64.b64encode(file.getvalue()).decode("ascii")
        return png, {"width": width, "height": height, "alt": self.alt}

    def _ipython_display_(self) -> None:
        """Show it with its alt text: once pyplot is loaded, IPython shows figures in its own way.

        IPython's own way of showing figures comes before `_repr_png_`, and has no alt text.
        """
        import IPython.display as ipython

        display: Any = ipython.display
        png, about = self._repr_png_()
        bundle = {"image/png": png, "text/plain": repr(self)}
        display(bundle, raw=True, metadata={"image/png": about})


def draw_timelines(
    recordings: "Iterable[Recording]", *, width: float = _WIDTH, start: float | None = None,
    end: float | None = None, tasks: Sequence[str] | None = None,
) -> Picture:  # fmt: skip
    """Draw recordings below each other on one axis, to compare them; return the picture.

    It is `width` inches wide and shows itself at the end of a notebook cell; `savefig` saves it.
    `start`, `end` and `tasks` show a part of each, as in `plot_timeline`.

    Raises TypeError for anything but Recordings, ValueError for an empty list, for a mix of story
    minutes and seconds, and for a part that doesn't exist.

    >>> from asyncteach import CHORES, run_in_turn
    >>> picture = draw_timelines([run_in_turn(CHORES, clock="virtual")], width=7)
    >>> picture.alt[:54]
    'Timeline. Chores, one after another: 100.0 minutes, yo'
    """
    some = [recordings] if hasattr(recordings, "trace") else list(recordings)
    traces = [check_recording(one, "draw_timelines").trace for one in some]
    if not traces:
        raise ValueError("draw_timelines() got an empty list: give it at least one Recording.")
    check_number(width, "width", unit="inches", least=3, most=50, fix="9.0 suits a page")
    titles = {trace.unit: clip(trace.title, 60) for trace in traces}
    if len(titles) > 1:
        raise ValueError(
            f"{titles['minutes']!r} is in minutes of the story and {titles['seconds']!r} in "
            "seconds: they can't share an axis, so draw each in a picture of its own."
        )
    return draw_views([view_of(trace, start, end, tasks) for trace in traces], width=width)


def draw_views(
    views: Sequence[View], overlays: Sequence[Any] = (), *, width: float = _WIDTH
) -> Picture:
    """Draw views that share a unit below each other.

    An overlay is a drawing over one of them, such as a guess, or None. It has `room`, the inches
    that it needs above the lanes, `alt`, its words, and `draw(ax, sheet)`, which returns the
    patches for the legend.
    """
    overlays = overlays or [None] * len(views)
    longest = max(view.end for view in views)
    sheets = [lay_sheet(view, page=width, until=longest) for view in views]
    rooms = [overlay.room if overlay else 0.0 for overlay in overlays]
    picture = Picture(figsize=(width, _height(sheets) + sum(rooms)), layout="constrained")
    picture.alt = " ".join(describe(view.trace) for view in views)
    heights = [
        sheet.height + 1.2 * sheet.inches + room for sheet, room in zip(sheets, rooms, strict=True)
    ]
    axes = picture.subplots(len(views), sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    more: dict[str, Patch] = {}
    for ax, overlay, sheet in zip(axes, overlays, sheets, strict=True):
        _draw(ax, sheet, longest, last=sheet is sheets[-1])
        if overlay:
            more |= {str(one.get_label()): one for one in overlay.draw(ax, sheet)}
            picture.alt += f" {overlay.alt}"
    artists.add_legend(picture, sheets, list(more.values()))
    return picture


def _draw(ax: Axes, sheet: Sheet, longest: float, *, last: bool = True) -> None:
    """Draw all but the legend."""
    view = sheet.view
    low, high = view.start, (longest or 1.0) * (1 if view.part else 1.13)
    if not ax.get_autoscalex_on():  # on a shared axis what is there already stays whole
        low, high = min(low, ax.get_xlim()[0]), max(high, ax.get_xlim()[1])
    artists.draw_slices(ax, sheet, high - low)
    artists.draw_blocks(ax, sheet)
    artists.draw_failures(ax, sheet)
    artists.name_lanes(ax, sheet)
    artists.write_axis(ax, view, longest, last=last)
    ax.spines[["top", "right", "left"]].set_visible(False)
    if not view.part:
        artists.mark_total(ax, sheet, high)
    ax.set_xlim(low, high)


def _height(sheets: Sequence[Sheet]) -> float:
    return 0.9 + sum(sheet.height + 0.4 for sheet in sheets)
