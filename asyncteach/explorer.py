"""explore(): sliders that change an evening of chores, and its timeline at once."""

from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from html import escape
from typing import Any, NamedTuple

from asyncteach.activities import chore
from asyncteach.arguments import check_options, check_whole
from asyncteach.formatting import count
from asyncteach.recording import Recording
from asyncteach.runners.run import Scenario, run_on_own_loop
from asyncteach.timeline.figure import draw_timelines
from asyncteach.widgets import Slider, format_status, show_picture, show_view

__all__ = ["Explorer", "explore"]

MOST = 12


class Setting(NamedTuple):
    """The name of a setting, its limits, and its meaning."""

    name: str
    least: int
    most: int
    meaning: str


SETTINGS = {
    "chores": Setting("Chores", 1, MOST, "how many chores there are"),
    "start": Setting("Your minutes at the start", 0, 15, "how long each needs you at its start"),
    "machine": Setting("The machine's minutes", 0, 60, "how long the machine works on each"),
    "finish": Setting("Your minutes at the end", 0, 15, "how long each needs you at its end"),
    "at_once": Setting("At most at once", 1, MOST, "how many chores may be under way at once"),
}


@dataclass(frozen=True)
class Evening:
    """An evening of identical chores."""

    chores: int = 6
    start: int = 2
    machine: int = 25
    finish: int = 3
    at_once: int = MOST
    """As many as there are chores, or more, means no limit."""

    @property
    def limited(self) -> bool:
        """Whether there are more chores than may be under way at once."""
        return self.at_once < self.chores

    @property
    def each(self) -> int:
        """How long a chore takes by itself, in story minutes."""
        return self.start + self.machine + self.finish

    def run(self, title: str = "") -> Recording:
        """Do them together, in virtual time."""
        activities = [
            chore(f"chore {number}", self.each, start=self.start, finish=self.finish)
            for number in range(1, self.chores + 1)
        ]
        scenario = Scenario(activities, clock="virtual", minute=1)
        recording = run_on_own_loop(scenario, self.at_once if self.limited else None)
        limit = f", at most {self.at_once} at once" if self.limited else ""
        recording.title = title or f"{count(self.chores, 'chore')}{limit}"
        return recording

    def describe(self, total: float) -> str:
        """Describe how long they take, what limits it, and how long it would be without that."""
        words = f"{count(self.chores, 'chore')} of {_amount(self.each)}"
        if self.chores == 1:
            words += f" takes {_amount(total)}"
        else:
            alone = _amount(self.chores * self.each)
            words += f" each: {_amount(total)} together, {alone} one after another"
        words += f". You are busy for {_amount(self.chores * (self.start + self.finish))}. "
        free = replace(self, at_once=MOST).run().minutes if self.limited else total
        if total > free + 1e-9:
            limit = f"at most {self.at_once} at once; with no limit it would be {_amount(free)}."
        elif total > self.each:
            limit = "your attention; chores are ready and you are busy with others."
        else:
            limit = "the length of a chore; more hands would not make it shorter."
        return f"{words}What limits it: {limit}"


def _amount(minutes: float) -> str:
    return f"{minutes:.4g} minute{'' if minutes == 1 else 's'}"


class Explorer:
    """Identical chores, with sliders for what they need.

    `recording` is the recording with the current settings, `sentence` describes how long it took
    and what limits it, and `change()` changes the settings without sliders.
    """

    def __init__(self, settings: Evening) -> None:
        self.settings = settings

    @cached_property
    def recording(self) -> Recording:
        """What the chores did, in virtual time."""
        return self.settings.run()

    @property
    def sentence(self) -> str:
        """How long it took, and what limits it."""
        return self.settings.describe(self.recording.minutes)

    def change(self, **settings: int) -> "Explorer":
        """Set some of `chores`, `start`, `machine`, `finish` and `at_once`; return the Explorer."""
        __tracebackhide__ = True
        _check(settings)
        self.settings = replace(self.settings, **settings)
        self.__dict__.pop("recording", None)
        return self

    def __str__(self) -> str:
        """Return the timeline as text, and what changes if one thing changes."""
        changes = [f"{one.title}: {_amount(one.minutes)}." for one in self._changed()]
        return "\n".join([str(self.recording), "", self.sentence, *changes])

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in asdict(self.settings).items())
        return f"<Explorer: {settings}: {_amount(self.recording.minutes)}>"

    def _changed(self) -> list[Recording]:
        """Return what a reader without sliders would try: one thing changed at a time."""
        now, tries = self.settings, {}
        if now.limited:
            tries["no limit"] = replace(now, at_once=MOST)
        elif now.chores > 2:
            tries["at most 2 at once"] = replace(now, at_once=2)
        more = min(15, now.start + 3)
        tries[f"{_amount(more)} of yours at each start"] = replace(now, start=more)
        return [settings.run(f"One change: {words}") for words, settings in tries.items()]

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        png, about = draw_timelines([self.recording, *self._changed()])._repr_png_()
        show_view(lambda widgets: Panel(widgets, self).root, "sliders")
        return {"image/png": png, "text/plain": str(self)}, {"image/png": about}


def _check(settings: dict[str, Any]) -> None:
    __tracebackhide__ = True
    check_options("explore", settings, list(SETTINGS))
    for name, amount in settings.items():
        known = SETTINGS[name]
        check_whole(amount, name, least=known.least, most=known.most, fix=f"it is {known.meaning}")


def explore(**settings: int) -> Explorer:
    """Move sliders and see at once how long some chores take together, and what limits it.

    It shows itself at the end of a notebook cell. The keywords set the initial values:
    `chores`, their number (1 to 12); `start` and `finish`, the story minutes that each needs you at
    its beginning and end (0 to 15); `machine`, the minutes that its machine works (0 to 60);
    `at_once`, how many may run at the same time (1 to 12). Everything runs in virtual time.

    Returns an Explorer with `recording`, `sentence` and `change()`, which changes the settings
    without sliders. Raises TypeError or ValueError for wrong settings.

    >>> evening = explore(chores=6, at_once=2)
    >>> evening.recording.minutes
    95.0
    >>> evening.change(at_once=6).recording.minutes
    45.0
    """
    __tracebackhide__ = True
    _check(settings)
    return Explorer(Evening(**settings))


class Panel:
    """The widgets of one view of an Explorer."""

    def __init__(self, widgets: Any, explorer: Explorer) -> None:
        self._explorer = explorer
        self.sliders = {}
        for name, known in SETTINGS.items():
            limits, value = (known.least, known.most), getattr(explorer.settings, name)
            slider = Slider(widgets, known.name, known.meaning, value, *limits, room=190)
            slider.observe(partial(self._change, name))
            self.sliders[name] = slider
        self.sentence, self.picture = widgets.HTML(), widgets.HTML()
        self.picture.layout.max_width = "900px"
        controls = widgets.VBox([slider.box for slider in self.sliders.values()])
        self.root = widgets.VBox([controls, self.sentence, self.picture])
        self._show("status")

    def _change(self, name: str, amount: int) -> None:
        self._explorer.change(**{name: amount})
        self._show("alert")

    def _show(self, role: str) -> None:
        self.sentence.value = format_status(escape(self._explorer.sentence), role)
        self.picture.value = show_picture(draw_timelines([self._explorer.recording]))
