"""A guess beside what happened: names, a sentence, a picture."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asyncteach.prediction import facts, sentences
from asyncteach.prediction.guesses import Guess
from asyncteach.recording import Recording

if TYPE_CHECKING:
    from asyncteach.timeline.figure import Picture


@dataclass
class Outcome:
    """A guess beside what happened: `right` and `missed` are names, `sentence` says it in words.

    In a notebook it shows the timeline with the guess as outlines, and the sentence below it.
    """

    sentence: str
    right: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    _parts: list[tuple[Recording, list[facts.Hit], list[facts.Place]]] = field(
        default_factory=list, repr=False
    )

    def add(
        self, recording: Recording, guesses: Sequence[Guess], within: float | None, way: str = ""
    ) -> None:
        """Add a recording, and what was guessed of it."""
        __tracebackhide__ = True
        hits = [hit for one in guesses for hit in facts.compare_times(one, recording, within)]
        order = [name for one in guesses for name in one.order]
        places = facts.compare_order(order, facts.order_of(recording, order))
        self._parts.append((recording, hits, places))
        self._note(hits)
        if hits:
            said = sentences.say_hits(hits, recording)
            self._say(f"{way[:1].upper()}{way[1:]}: {said}" if way else said)
        if places:
            self.add_places(places)

    def add_places(self, places: Sequence[facts.Place]) -> None:
        """Add a guessed order."""
        for place in places:
            if place.guess is not None:
                (self.right if place.right else self.missed).append(place.guess)
        self._say(sentences.say_order(places))

    def add_total(self, hit: facts.Hit) -> None:
        """Add a total in seconds that no recording belongs to."""
        self._note([hit])
        self._say(sentences.say_total(hit, "seconds"))

    def _note(self, hits: Sequence[facts.Hit]) -> None:
        for hit in hits:
            (self.right if hit.right else self.missed).append(hit.name)

    def _say(self, sentence: str) -> None:
        last = self.sentence
        self.sentence = f"{sentence} {last}".strip() if not self._told else f"{last}\n{sentence}"
        self._told = True

    _told = False

    @property
    def picture(self) -> "Picture | None":
        """The timeline with the guess as outlines; None where nothing was recorded."""
        if not self._parts:
            return None
        from asyncteach.prediction.outlines import draw_guess

        return draw_guess(self._parts)

    def __str__(self) -> str:
        return "\n".join([*(str(recording) for recording, *_ in self._parts), self.sentence])

    def _ipython_display_(self) -> None:
        import IPython.display as ipython

        display: Any = ipython.display
        if self._parts:
            png, about = self.picture._repr_png_()  # type: ignore[union-attr]
            text = "\n".join(str(recording) for recording, *_ in self._parts)
            display({"image/png": png, "text/plain": text}, raw=True, metadata={"image/png": about})
        print(self.sentence)
