"""replay(): a recording step by step, with the source beside it."""

import inspect
from functools import cached_property
from typing import Any

from asyncteach.interaction.lines import Library, write_text
from asyncteach.interaction.moments import Script
from asyncteach.interaction.shelf import add_view, find_widgets, say_missing, wants_static
from asyncteach.interaction.telling import Teller
from asyncteach.recording import Recording

__all__ = ["Player", "replay"]

_LISTED = 40


class Player:
    """A recording as a row of moments, with buttons and a slider in a notebook.

    `sentences` says what happens at each, `source(number)` shows the lines of it. Where there
    are no widgets, in a terminal or on a page, it is the timeline with the sentences below it.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.script = Script(recording.tape)
        self.teller = Teller(self.script, recording.unit)
        self.library = Library()

    def __len__(self) -> int:
        """Return how many moments there are."""
        return len(self.script.moments)

    @cached_property
    def sentences(self) -> list[str]:
        """What happens, a sentence for each moment."""
        return self._tell_first(len(self))

    def _tell_first(self, number: int) -> list[str]:
        return [self.teller.sentence(index) for index in range(min(number, len(self)))]

    def source(self, number: int) -> str:
        """Return the lines around the one at which the moment of that number, from 1, is."""
        if not 1 <= number <= len(self):
            raise IndexError(f"there is no moment {number}: choose one from 1 to {len(self)}.")
        return write_text(self.library.around(self.script.moments[number - 1].places))

    def __str__(self) -> str:
        """Return the list of the moments."""
        width = len(str(len(self)))
        lines = [f"Replay of {self.recording.heading()}"]
        shown = self._tell_first(_LISTED)
        lines += [f"{number:>{width}}. {text}" for number, text in enumerate(shown, 1)]
        left = len(self) - len(shown)
        if left or self.script.cut:
            lines.append(f"... and {left + self.script.cut:,} more moments")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Replay of {len(self)} moments: {self.recording.heading()}>"

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        from asyncteach.interaction.filmstrip import draw_filmstrip

        png, about = draw_filmstrip(self.recording, self._tell_first(_LISTED))._repr_png_()
        data: dict[str, Any] = {"image/png": png, "text/plain": str(self)}
        widgets = None if wants_static() else find_widgets()
        if widgets is not None:
            from asyncteach.interaction.screen import Screen

            screen = Screen(widgets, self)
            add_view(data, screen.root, screen.parts)
        elif not wants_static():
            print(say_missing("buttons"))
        return data, {"image/png": about}


def replay(recording: Recording, **others: object) -> Player:
    """Step through a recording: who starts and stops running, gets ready, waits for what.

    Shows itself at the end of a notebook's cell: buttons and a slider, the timeline up to the
    moment, what happens then in a sentence, and the line of source where the task is, marked by
    a sign. Takes any Recording, of `run_together` and the other runners as well as of `record()`
    and `%%timeline`; only those of code have lines. Nothing is run again. Times are in the unit
    of the recording, story minutes or seconds. Of more than 2,000 steps the first are shown.

    The Player that comes back has the same for other uses: `sentences`, a list, and
    `source(number)`. Raises TypeError for what isn't a Recording, and for options: it has none.

    >>> from asyncteach import CHORES, run_in_turn
    >>> player = replay(run_in_turn(CHORES, clock="virtual"))
    >>> print(player.sentences[1])
    At 40 min cook rice runs for a moment and is done.
    """
    __tracebackhide__ = True
    if not isinstance(recording, Recording):
        raise TypeError(_say_wrong(recording))
    for name in others:
        raise TypeError(
            f"replay() has no option {name!r}: it steps through the whole recording; to see a "
            "part of it, draw it with recording.plot(start=0.1, end=0.4)."
        )
    return Player(recording)


def _say_wrong(thing: object) -> str:
    if hasattr(thing, "recordings"):
        fix = 'pass one of its ways, as in comparison.recordings["together"]'
    elif inspect.isawaitable(thing):
        fix = "await it first, as in `replay(await run_together(CHORES))`"
    else:
        fix = "pass what `with record() as recording:` or `await run_together(CHORES)` gives"
    kind = type(thing).__name__.lstrip("_")
    article = "an" if kind[:1].lower() in "aeiou" else "a"
    return f"replay() steps through a Recording and got {article} {kind}: {fix}."
