"""`predict()`: a guess before the run, compared with what happened after it."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Any

from asyncteach.activities import Activity
from asyncteach.arguments import check_number, show
from asyncteach.formatting import clip, printable
from asyncteach.prediction import facts
from asyncteach.prediction.guesses import (
    Guess,
    describe_missing,
    describe_open,
    read_activities,
    read_guesses,
)
from asyncteach.recording import Recording

if TYPE_CHECKING:
    from asyncteach.timeline.figure import Picture

__all__ = ["Outcome", "Prediction", "predict"]


def predict(what: object = None, **guesses: object) -> "Prediction":
    """Commit to a guess before you run something; `compare` shows it beside what happened.

    - `predict(CHORES, together=25)`: the whole takes 25 story minutes. The ways are `in_turn`,
      `together`, `threads`, `processes` and `interpreters`; you may guess several at once.
    - `predict(CHORES, together={"cook rice": 25})`: when each task is done, or a pair such as
      `(5, 25)` for when it first runs and when it is done.
    - `predict({"news": 2, "weather": 4})`: the same for tasks of your code, in seconds.
    - `predict(seconds=6)`, `predict(minutes=40)`: how long all of it takes.
    - `predict(order=["news", "weather"])`: the order in which tasks finish; `"start of news"`
      is an event too.

    Three dots in place of a number mean that there is no guess yet: `predict` then prints what to
    fill in. It runs nothing, prints one line, and returns a Prediction. It raises TypeError or
    ValueError for wrong arguments.

    >>> from asyncteach import CHORES, run_in_turn
    >>> guess = predict(CHORES, in_turn=90)
    Your guess, in turn: 90 minutes.
    >>> print(guess.compare(run_in_turn(CHORES, clock="virtual")).sentence)
    Not quite: you guessed 90 minutes and it took 100 minutes, 10 minutes more.
    """
    __tracebackhide__ = True
    activities = read_activities(what)
    prediction = Prediction(read_guesses(what, guesses, activities), activities or [])
    print(prediction)
    return prediction


class Prediction:
    """A user's guess: made by `predict`, compared with what happened by `compare`."""

    def __init__(self, guesses: Sequence[Guess], activities: Sequence[Activity] = ()) -> None:
        self._guesses = list(guesses)
        self._activities = list(activities)

    @property
    def given(self) -> bool:
        """True if anything is guessed; False while there are only dots."""
        return any(guess.given for guess in self._guesses)

    def compare(self, happened: object, *, within: float | None = None) -> "Outcome":
        """Compare the guess with what happened; the Outcome shows itself at the end of a cell.

        `happened` is a Recording, or the result of `compare(...)` for guesses of several ways, or
        a list of events for an order, or a number of seconds for a total. A guess is right if it
        is off by at most the share `within` of the whole, by default 0.01 in virtual time and
        0.05 in real time. `recording.explain()` describes why it took so long. Raises TypeError
        or ValueError if the guess can't be compared with `happened`.
        """
        __tracebackhide__ = True
        if within is not None:
            within = check_number(within, "within", fix="give a part of the whole, such as 0.05")
        if not isinstance(happened, Recording):
            _check_happened(happened)
        if isinstance(happened, Real):
            return self._compare_number(float(happened), within)
        recordings = getattr(happened, "recordings", None)
        if isinstance(recordings, Mapping):
            return self._compare_ways(recordings, within)
        if isinstance(happened, Recording):
            return self._compare_one(happened, within)
        return self._compare_events([printable(event) for event in happened])  # type: ignore[attr-defined]

    def _compare_one(self, recording: Recording, within: float | None) -> "Outcome":
        __tracebackhide__ = True
        given = [guess for guess in self._guesses if guess.given]
        ways = [guess.way for guess in given if guess.way]
        if len(ways) > 1:
            raise TypeError(
                f"You guessed {' and '.join(ways)}, and this is one recording: pass the result of "
                f"compare(..., ways=[{', '.join(map(repr, ways))}])."
            )
        outcome = Outcome(self._open_line(happened=True))
        outcome.add(recording, given, within)
        return outcome

    def _compare_ways(self, recordings: Mapping[str, Recording], within: float | None) -> "Outcome":
        __tracebackhide__ = True
        outcome = Outcome(self._open_line(happened=True))
        for guess in self._guesses:
            if guess.given and guess.way not in recordings:
                known = ", ".join(map(repr, recordings))
                raise ValueError(
                    f"Your guess is for {guess.way!r}, and what happened has {known}: "
                    f"give compare() the way too, or guess one of those."
                    if guess.way
                    else "Your guess names no way, and what happened has several: write, say, "
                    "predict(CHORES, together=...)."
                )
        for way, recording in recordings.items():
            own = [guess for guess in self._guesses if guess.way == way and guess.given]
            outcome.add(recording, own, within, way=way if len(recordings) > 1 else "")
        return outcome

    def _compare_events(self, events: list[str]) -> "Outcome":
        __tracebackhide__ = True
        order = [name for guess in self._guesses for name in guess.order]
        if self.given and not order:
            raise TypeError(
                "You guessed times, and this is a list of events: compare it with a guess such as "
                'predict(order=["tea", "toast"]), or compare your times with a recording.'
            )
        if not order:
            came = ", ".join(clip(event, 30) for event in events[:12]) or "nothing"
            return Outcome(f"{self._open_line(happened=True)} What came: {came}.")
        outcome = Outcome("")
        outcome.add_order(facts.compare_order(order, events))
        return outcome

    def _compare_number(self, seconds: float, within: float | None) -> "Outcome":
        __tracebackhide__ = True
        totals = [guess for guess in self._guesses if guess.total is not None]
        if self.given and not totals:
            raise TypeError(
                f"You guessed no total to compare with {seconds:g} seconds: pass a recording."
            )
        if not totals:
            return Outcome(f"{self._open_line(happened=True)} It took {seconds:.3g} seconds.")
        outcome = Outcome("")
        outcome.add_total(facts.compare_seconds(totals[0], seconds, within))
        return outcome

    def _open_line(self, *, happened: bool = False) -> str:
        if self.given:
            return describe_missing(self._guesses)
        if happened:
            return "No guess yet: make one in the cell with predict(...), and run both again."
        return describe_open(self._guesses, self._activities)

    def __str__(self) -> str:
        if not self.given:
            return self._open_line()
        given = [guess for guess in self._guesses if guess.given]
        colon = ", " if given[0].way else ": "
        return f"Your guess{colon}{'; '.join(map(str, given))}. {self._open_line()}".rstrip()

    def __repr__(self) -> str:
        return f"<Prediction: {'given' if self.given else 'no guess yet'}>"


def _check_happened(happened: object) -> None:
    __tracebackhide__ = True
    if inspect.isawaitable(happened):
        raise TypeError(
            "This hasn't run yet: await it first, as in "
            "`recording = await run_together(CHORES)`, and compare with that."
        )
    if happened is None:
        raise TypeError(
            "There is nothing to compare with, only None: pass a recording, as "
            "`with record() as recording:` gives one."
        )
    fits = isinstance(happened, Real | Iterable) and not isinstance(happened, str | bool)
    if not fits:
        raise TypeError(
            f"A guess can't be compared with {show(happened)}: pass a recording, a list "
            "of events, or a number of seconds."
        )


@dataclass
class Outcome:
    """A guess compared with what happened: the names `right` and `missed`, and a `sentence`.

    In a notebook an Outcome shows the timeline with the guess as outlines, and the sentence below.
    """

    sentence: str
    right: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    _parts: list[tuple[Recording, list[facts.Hit], list[facts.Rank]]] = field(
        default_factory=list, repr=False
    )

    def add(
        self, recording: Recording, guesses: Sequence[Guess], within: float | None, way: str = ""
    ) -> None:
        """Add a recording and the guesses about it."""
        __tracebackhide__ = True
        hits = [hit for one in guesses for hit in facts.compare_times(one, recording, within)]
        order = [name for one in guesses for name in one.order]
        places = facts.compare_order(order, facts.order_of(recording, order))
        self._parts.append((recording, hits, places))
        self._note(hits)
        if hits:
            said = facts.describe_hits(hits, recording.unit)
            self._add(f"{way[:1].upper()}{way[1:]}: {said}" if way else said)
        if places:
            self.add_order(places)

    def add_order(self, places: Sequence[facts.Rank]) -> None:
        """Add a guessed order."""
        for place in places:
            if place.guess is not None:
                (self.right if place.right else self.missed).append(place.guess)
        self._add(facts.describe_order(places))

    def add_total(self, hit: facts.Hit) -> None:
        """Add a total in seconds, without a recording."""
        self._note([hit])
        self._add(facts.describe_total(hit, "seconds"))

    def _note(self, hits: Sequence[facts.Hit]) -> None:
        for hit in hits:
            (self.right if hit.right else self.missed).append(hit.name)

    def _add(self, sentence: str) -> None:
        last = self.sentence
        self.sentence = f"{sentence} {last}".strip() if not self._told else f"{last}\n{sentence}"
        self._told = True

    _told = False

    @property
    def picture(self) -> "Picture | None":
        """The timeline with the guess as outlines; None if nothing was recorded."""
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
