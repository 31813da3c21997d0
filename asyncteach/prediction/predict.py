"""`predict()`: a guess made before a run, compared with what happened."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isnan
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from asyncteach.arguments import check_number, show
from asyncteach.formatting import clip, join_words, printable
from asyncteach.prediction.guesses import (
    ORDER,
    TOTAL,
    Guess,
    Hit,
    check_known,
    format_amount,
    read_guesses,
)
from asyncteach.recording import Recording

if TYPE_CHECKING:
    from asyncteach.timeline.figure import Picture

__all__ = ["Outcome", "Prediction", "predict"]

_EXACT, _REAL = 0.01, 0.05
"""A guess may be off by this share of the whole, in virtual and in real time."""


def predict(what: object = None, **guesses: object) -> "Prediction":
    """Commit to a guess before you run something; `compare` shows it next to what happened.

    - `predict(CHORES, together=25)`: the whole takes 25 story minutes. The ways are `in_turn`,
      `together`, `threads`, `processes` and `interpreters`; you may guess several at once.
    - `predict(CHORES, together={"cook rice": 25})`: when each task is done.
    - `predict({"news": 2, "weather": 4})`: the same for tasks of your code, in seconds.
    - `predict(seconds=6)`, `predict(minutes=40)`: how long all of it takes.
    - `predict(order=["news", "weather"])`: the order in which tasks finish.

    Three dots in place of a number mean that there is no guess yet: `predict` then prints what to
    fill in. It runs nothing, prints one line, and returns a Prediction. It raises TypeError or
    ValueError for wrong arguments.

    >>> from asyncteach import CHORES, run_in_turn
    >>> guess = predict(CHORES, in_turn=90)
    Your guess, in turn: 90 minutes.
    >>> print(guess.compare(run_in_turn(CHORES, clock="virtual")).sentence)
    Not quite: you guessed 90 minutes, and it took 100 minutes.
    """
    __tracebackhide__ = True
    prediction = Prediction(read_guesses(what, guesses))
    print(prediction)
    return prediction


class Prediction:
    """A user's guess: made by `predict`, compared with what happened by `compare`."""

    def __init__(self, guesses: Sequence[Guess]) -> None:
        self._guesses = list(guesses)

    @property
    def given(self) -> bool:
        """Whether anything has been guessed; False while there are only dots."""
        return any(guess.given for guess in self._guesses)

    def compare(self, happened: object, *, within: float | None = None) -> "Outcome":
        """Compare the guess with what happened; the Outcome shows itself at the end of a cell.

        `happened` is a Recording, the result of `compare(...)` if you guessed several ways, a list
        of events if you guessed an order, or a number of seconds for a total. A guess is right if
        it is off by at most the share `within` of the whole, by default 0.01 in virtual time and
        0.05 in real time. `recording.explain()` describes why it took so long. Raises TypeError
        or ValueError if the guess can't be compared with `happened`.
        """
        __tracebackhide__ = True
        if within is not None:
            within = check_number(within, "within", fix="write a share of the whole, such as 0.05")
        outcome = Outcome("" if self.given else self._describe_open())
        if isinstance(happened, Recording):
            self._compare_recording(outcome, happened, within)
        elif isinstance(recordings := getattr(happened, "recordings", None), Mapping):
            self._compare_ways(outcome, recordings, within)
        else:
            self._compare_value(outcome, happened, within)
        if self.given:
            outcome.add(self._describe_open())
        return outcome

    def _compare_recording(
        self, outcome: "Outcome", recording: Recording, within: float | None
    ) -> None:
        __tracebackhide__ = True
        ways = [guess.way for guess in self._guesses if guess.given and guess.way]
        if len(ways) > 1:
            raise TypeError(
                f"You guessed {' and '.join(ways)}, but this is one recording: pass the result of "
                f"compare(..., ways=[{', '.join(map(repr, ways))}])."
            )
        outcome.compare(recording, [guess for guess in self._guesses if guess.given], within)

    def _compare_ways(
        self, outcome: "Outcome", recordings: Mapping[str, Recording], within: float | None
    ) -> None:
        __tracebackhide__ = True
        for guess in self._guesses:
            if guess.given and guess.way not in recordings:
                known = join_words([repr(way) for way in recordings], 5)
                raise ValueError(
                    f"Your guess is for {repr(guess.way) if guess.way else 'no way'}, but what "
                    f"happened has {known}: guess those, as in predict(CHORES, together=40)."
                )
        for way, recording in recordings.items():
            own = [guess for guess in self._guesses if guess.way == way and guess.given]
            outcome.compare(recording, own, within, way=way.capitalize())

    def _compare_value(self, outcome: "Outcome", happened: Any, within: float | None) -> None:
        __tracebackhide__ = True
        _check_value(happened)
        order = [name for guess in self._guesses for name in guess.order]
        total = next((g for g in self._guesses if TOTAL in g.times), None)
        if isinstance(happened, Real):
            if total:
                fact = float(happened) / (60 if total.unit == "minutes" else 1)
                slack = (_REAL if within is None else within) * fact
                own = total.times[TOTAL]
                hit = Hit(TOTAL, own, fact, abs(own - fact) <= slack)
                outcome.add_times([hit], total.unit)
            elif self.given:
                raise TypeError(
                    f"You guessed no total to compare with {happened:g} seconds: pass a recording."
                )
            else:
                outcome.add(f"It took {happened:.3g} seconds.")
        elif order:
            outcome.add_order(order, [printable(event) for event in happened])
        elif self.given:
            raise TypeError(
                "You guessed times, but this is a list of events: compare it with a guess such as "
                f"predict({ORDER}), or compare your times with a recording."
            )
        else:
            outcome.add(f"What came: {_list(map(printable, happened)) or 'nothing'}.")

    def _describe_open(self) -> str:
        names = [name for guess in self._guesses for name in guess.open]
        if not self.given:
            return "No guess yet: make one in the cell with predict(...), and run both again."
        return f"Still open: {_join(names)}." if names else ""

    def __str__(self) -> str:
        given = [guess for guess in self._guesses if guess.given]
        if given:
            colon = ", " if given[0].way else ": "
            words = "; ".join(map(str, given))
            return f"Your guess{colon}{words}. {self._describe_open()}".rstrip()
        begun = [text for guess in self._guesses for text in guess.open.values()][:4]
        if begun == [ORDER]:
            examples, noun = ORDER, "names"
        else:
            numbered = enumerate(begun or ["seconds="])
            examples, noun = ", ".join(f"{text}{12 + 7 * n}" for n, text in numbered), "numbers"
        return (
            f"No guess yet: put yours in place of the dots, as in {examples} "
            f"(the {noun} are only an example), and run this cell again."
        )

    def __repr__(self) -> str:
        return f"<Prediction: {'given' if self.given else 'no guess yet'}>"


@dataclass
class Outcome:
    """A guess compared with what happened: the names `right` and `missed`, and a `sentence`.

    In a notebook an Outcome shows the timeline with the guess as outlines, and the sentence below.
    """

    sentence: str
    right: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    _parts: list[tuple[Recording, list[Hit]]] = field(default_factory=list, repr=False)

    def compare(
        self, recording: Recording, guesses: Sequence[Guess], within: float | None, way: str = ""
    ) -> None:
        """Add a recording and the guesses about it."""
        __tracebackhide__ = True
        hits = [hit for guess in guesses for hit in _compare_times(guess, recording, within)]
        self._parts.append((recording, hits))
        self.add_times(hits, recording.unit, way)
        if order := [name for guess in guesses for name in guess.order]:
            self.add_order(order, _order_of(recording, order))

    def add_times(self, hits: Sequence[Hit], unit: str | None, way: str = "") -> None:
        """Add guessed times: a sentence about the total, and one or more about the tasks."""
        tasks = [hit for hit in hits if hit.name != TOTAL]
        right = [hit.name for hit in tasks if hit.right]
        self.right += [hit.name for hit in hits if hit.right]
        self.missed += [hit.name for hit in hits if not hit.right]
        words = []
        for hit in hits:
            if hit.name == TOTAL and hit.fact is not None:
                guess, fact = format_amount(hit.guess, unit), format_amount(hit.fact, unit)
                verdict = "Right" if hit.right else "Not quite"
                words.append(f"{verdict}: you guessed {guess}, and it took {fact}.")
        if tasks:
            names = f": {_join(right)}" if right else ""
            words.append(f"{len(right)} of {len(tasks)} right{names}.")
        for hit in tasks:
            if not hit.right:
                guess = format_amount(hit.guess, unit)
                fact = (
                    "still running at the end"
                    if hit.fact is None
                    else format_amount(hit.fact, unit)
                )
                words.append(f"{clip(hit.name, 30)}: you guessed {guess}, it was {fact}.")
        if words:
            self.add(f"{way}: {' '.join(words)}" if way else " ".join(words), "\n" if way else " ")

    def add_order(self, guess: Sequence[str], came: Sequence[str]) -> None:
        """Add a guessed order; an event is right if it came in the guessed place."""
        places = dict(enumerate(came))
        for place, name in enumerate(guess):
            (self.right if places.get(place) == name else self.missed).append(name)
        right = list(guess) == list(came)
        self.add(
            f"{'Right' if right else 'Not quite'}: you guessed {_list(guess)}; "
            f"it was {_list(came) or 'nothing'}."
        )

    def add(self, sentence: str, after: str = " ") -> None:
        """Add a sentence."""
        self.sentence = f"{self.sentence}{after}{sentence}".strip()

    @property
    def picture(self) -> "Picture | None":
        """The timeline with the guess as outlines; None if nothing was recorded."""
        if not self._parts:
            return None
        from asyncteach.prediction.outlines import draw_guess

        return draw_guess(self._parts)

    def __str__(self) -> str:
        return "\n".join([*(str(recording) for recording, _ in self._parts), self.sentence])

    def _ipython_display_(self) -> None:
        import IPython.display as ipython

        display: Any = ipython.display
        if self._parts:
            png, about = self.picture._repr_png_()  # type: ignore[union-attr]
            text = "\n".join(str(recording) for recording, _ in self._parts)
            display({"image/png": png, "text/plain": text}, raw=True, metadata={"image/png": about})
        print(self.sentence)


def _check_value(happened: object) -> None:
    """Raise TypeError for anything but a number or a list of events."""
    __tracebackhide__ = True
    if inspect.isawaitable(happened):
        raise TypeError(
            "This hasn't run yet: await it first, as in "
            "`recording = await run_together(CHORES)`, and compare with that."
        )
    if not isinstance(happened, Real | Iterable) or isinstance(happened, str | bool):
        raise TypeError(
            f"A guess can't be compared with {show(happened)}: pass a recording (made by "
            "`with record() as recording:`), a list of events, or a number of seconds."
        )


# What happened


def _compare_times(guess: Guess, recording: Recording, within: float | None) -> list[Hit]:
    trace = recording.trace
    factor = 1.0
    if guess.unit and guess.unit != trace.unit:
        factor = 60.0 if trace.unit == "seconds" else 1 / 60
    if within is None:  # virtual times are round numbers, real ones never are
        ends = trace.slices.end
        within = _EXACT if np.all(np.abs(ends - np.round(ends, 3)) < 1e-9) else _REAL
    slack = within * trace.duration + 1e-9
    hits = []
    for name, guessed in guess.times.items():
        row = None if name == TOTAL else _find_row(recording, name)
        end = trace.duration if row is None else trace.rows[row].finished
        right = abs(guessed * factor - end) <= slack
        hits.append(Hit(name, guessed * factor, None if isnan(end) else end, right, row))
    return hits


def _order_of(recording: Recording, names: Sequence[str]) -> list[str]:
    """Return the tasks in the order in which they ended; if two ended at once, as guessed."""
    __tracebackhide__ = True
    ends = [recording.trace.rows[_find_row(recording, name)].finished for name in names]
    order = sorted(range(len(names)), key=lambda one: inf if isnan(ends[one]) else ends[one])
    return [names[one] for one in order]


def _find_row(recording: Recording, name: str) -> int:
    """Return the row of a task by its name or its label; raise ValueError if there is none."""
    __tracebackhide__ = True
    rows = recording.trace.rows
    for names in ([row.name for row in rows], [row.label for row in rows]):
        if name in names:
            return names.index(name)
    labels = [row.label or row.name for row in rows]
    check_known(name, [*labels, *recording.names], "in this recording")
    raise AssertionError(name)


def _list(events: Iterable[str]) -> str:
    return ", ".join(clip(event, 30) for event in events)


def _join(names: Sequence[str]) -> str:
    return join_words([clip(name, 30) for name in names], 12)
