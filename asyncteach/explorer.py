"""explore(): sliders that change an evening of chores, and its timeline at once."""

from dataclasses import asdict, replace
from functools import cached_property, partial
from html import escape
from typing import Any

from asyncteach.interaction.dials import Dial
from asyncteach.interaction.kitchen import MOST, RANGES, Settings, check, say
from asyncteach.interaction.pictures import show_image
from asyncteach.interaction.shelf import add_view, find_widgets, say_missing, wants_static
from asyncteach.recording import Recording
from asyncteach.timeline.svg import draw_svg

__all__ = ["Explorer", "explore"]


class Explorer:
    """Chores that are all alike, and sliders for what they need.

    `recording` is what they did with the settings of now, `sentence` says how long it took and
    what limits it, and `change()` sets what the sliders set.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def recording(self) -> Recording:
        """What the chores did, in virtual time."""
        return self.settings.run()

    @cached_property
    def sentence(self) -> str:
        """How long it took, and what limits it."""
        return self.settings.tell(self.recording)

    def change(self, **settings: int) -> "Explorer":
        """Set some of `chores`, `start`, `machine`, `finish` and `at_once`; return the Explorer."""
        __tracebackhide__ = True
        check(settings)
        self.settings = replace(self.settings, **settings)
        self.__dict__.pop("recording", None)
        self.__dict__.pop("sentence", None)
        return self

    def __str__(self) -> str:
        """Return the timeline in characters, and what changes if one thing changes."""
        lines = [str(self.recording), "", self.sentence]
        lines += [f"One change: {words}: {say(one.minutes)}." for words, one in self._changed()]
        return "\n".join(lines)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in asdict(self.settings).items())
        return f"<Explorer: {settings}: {say(self.recording.minutes)}>"

    def _changed(self) -> list[tuple[str, Recording]]:
        """Return what a reader without sliders would try: one thing changed at a time."""
        now, tries = self.settings, []
        if now.limited:
            tries.append(("no limit", replace(now, at_once=MOST)))
        elif now.chores > 2:
            tries.append(("at most 2 at once", replace(now, at_once=2)))
        more = min(15, now.start + 3)
        tries.append((f"{say(more)} of yours at each start", replace(now, start=more)))
        found = []
        for words, settings in tries:
            recording = settings.run()
            recording.title = f"One change: {words}"
            found.append((words, recording))
        return found

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        from asyncteach.timeline.figure import draw_timelines

        shown = [self.recording, *(recording for _, recording in self._changed())]
        png, about = draw_timelines(shown)._repr_png_()
        data: dict[str, Any] = {"image/png": png, "text/plain": str(self)}
        widgets = None if wants_static() else find_widgets()
        if widgets is not None:
            panel = Panel(widgets, self)
            add_view(data, panel.root, [])
        elif not wants_static():
            print(say_missing("sliders"))
        return data, {"image/png": about}


def explore(**settings: int) -> Explorer:
    """Move sliders and see at once how long some chores take together, and what limits it.

    Shows itself at the end of a notebook's cell. The settings, which may be given to begin with:
    `chores`, how many (1 to 12); `start` and `finish`, story minutes that each needs you at its
    beginning and end (0 to 15); `machine`, minutes that its machine works (0 to 60); `at_once`,
    how many may be under way at the same time (1 to 12). Everything happens in virtual time.

    Returns an Explorer with `recording`, `sentence` and `change()`, which does without sliders what
    they do. Raises TypeError or ValueError, one sentence each, for what can't be set.

    >>> evening = explore(chores=6, at_once=2)
    >>> evening.recording.minutes
    95.0
    >>> evening.change(at_once=6).recording.minutes
    45.0
    """
    __tracebackhide__ = True
    check(settings)
    return Explorer(Settings(**settings))


class Panel:
    """The widgets of one view of an Explorer."""

    def __init__(self, widgets: Any, explorer: Explorer) -> None:
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
        self.picture.value = show_image(draw_svg(recording.trace), recording.describe())
