"""The same activities done every way: one table, one figure."""

from typing import TYPE_CHECKING, Any, cast

import pandas

from asyncteach.recording import Recording

if TYPE_CHECKING:
    from asyncteach.timeline import Picture


class Comparison(pandas.DataFrame):
    """A table with one row a way and the columns minutes, attention minutes and speed-up.

    In a notebook it shows itself with the timelines of all ways on one axis. It is made by
    `compare`; `.recordings` holds the Recording of each way, `.figure` is a Matplotlib figure.
    What you derive from it (a selection, a sum) is an ordinary DataFrame.
    """

    _metadata = ["recordings"]  # noqa: RUF012  (the way that pandas asks for attributes)
    recordings: dict[str, Recording]

    @property
    def _constructor(self) -> type[pandas.DataFrame]:
        return pandas.DataFrame

    @property
    def figure(self) -> "Picture":
        """A new Matplotlib figure of all ways, below each other on one axis of story minutes."""
        from asyncteach.timeline import draw_timelines

        return draw_timelines(list(self.recordings.values()))

    def __str__(self) -> str:
        return self.to_string(float_format="{:.1f}".format)

    __repr__ = __str__

    def _ipython_display_(self) -> None:
        import IPython.display as ipython

        display: Any = ipython.display
        html = self.to_html(float_format="{:.1f}".format)
        display({"text/html": html, "text/plain": str(self)}, raw=True)
        png, about = self.figure._repr_png_()
        headings = "\n".join(recording.heading() for recording in self.recordings.values())
        display({"image/png": png, "text/plain": headings}, raw=True, metadata={"image/png": about})


def make_comparison(recordings: dict[str, Recording]) -> Comparison:
    """Make the table of some ways, the first of them being what the others are measured by."""
    first = next(iter(recordings.values())).minutes
    rows = {
        "minutes": [r.minutes for r in recordings.values()],
        "attention minutes": [r.attention for r in recordings.values()],
        "speed-up": [first / r.minutes if r.minutes else 1.0 for r in recordings.values()],
    }
    comparison = cast(Any, Comparison)(rows, index=pandas.Index(recordings, name="way"))
    comparison.recordings = recordings
    return cast(Comparison, comparison)
