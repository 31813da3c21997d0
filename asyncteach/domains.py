"""What a recording is about: the story, code on an event loop, or threads."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from asyncteach.formatting import Unit, format_duration, format_time, unit_for


@dataclass(frozen=True)
class Domain:
    """The unit and the words of a recording, and how much of it a picture shows.

    There are three: STORY, CODE and THREADS. This is all that differs between them.
    """

    unit: str
    """What its times are: `minutes` of the story, or `seconds`."""
    seconds: float
    """How many seconds the unit lasts."""
    meanings: Mapping[str | None, dict[str, str]]
    """What the states mean, for each lane that can be on top."""
    mixed: dict[str, str]
    """What the states mean in a picture of recordings with different lanes on top."""
    lanes: int = 60
    """The most lanes in a picture: with more, tasks of one kind share a lane."""
    columns: int = 720
    """The columns of a crowded lane: about one for each pixel of a page."""

    def meaning(self, heads: Collection[str | None]) -> dict[str, str]:
        """Return what the states mean, for a legend."""
        (head,) = heads if len(heads) == 1 else ("",)
        return self.meanings.get(head, self.mixed)

    def format(self, amount: float, *, rough: bool = False) -> str:
        """Return an amount of time with its unit: `40.0 minutes`, `310 ms`; with `rough` 0.31 s."""
        if self is not STORY and rough:
            return format_duration(amount, rough=True)
        return format_time(amount, self.unit)

    def format_total(self, amount: float) -> str:
        """Return an amount of time in few characters: `40 min`, `310 ms`."""
        if self is not STORY:
            return format_duration(amount)
        return (f"{amount:,.1f}".removesuffix(".0") if amount >= 1 else f"{amount:.2g}") + " min"

    def axis_unit(self, length: float) -> Unit:
        """Return the unit of an axis of that length; `per_second` counts per domain unit."""
        return Unit("minutes", "min", 1.0) if self is STORY else unit_for(length)


def _meanings(running: str, ready: str, waiting: str) -> dict[str, str]:
    return {"running": running, "ready": ready, "waiting": waiting}


STORY = Domain(
    "minutes",
    60.0,
    {
        "you": _meanings("your hands are on it", "it needs you, you are busy", "the machine works"),
        "the GIL": _meanings("it has the GIL", "it wants the GIL", "the machine works"),
        None: _meanings("a core works on it", "it wants a core", "the machine works"),
    },
    # In one picture the hands may be yours, the GIL's and those of several cores.
    _meanings("hands are on it", "it needs hands, they are busy", "the machine works"),
    lanes=1000,  # the story is short: each of its tasks is shown
    columns=80,
)  # fmt: skip
_OF_CODE = _meanings("its code executes", "it could go on, the loop is busy", "it awaits something")
CODE = Domain("seconds", 1.0, {"loop": _OF_CODE}, _OF_CODE)
_NO_GIL = "it could go on, the processor is elsewhere"
THREADS = Domain(
    "seconds",
    1.0,
    {
        "the GIL": _meanings(
            "its code executes", "it could go on, the GIL is elsewhere", "it waits in a call"
        ),
    },
    _meanings("its code executes", _NO_GIL, "it waits in a call"),
)  # fmt: skip
