"""What was right and what was missed, in a sentence or two, and what to fill in."""

from collections.abc import Iterator, Sequence

from asyncteach.activities import Activity
from asyncteach.formatting import clip
from asyncteach.prediction.facts import Hit, Place
from asyncteach.prediction.guesses import Guess, Span, names_of
from asyncteach.prediction.reasons import join, reason_for, say
from asyncteach.recording import Recording

_TOLD = 3
"""So many missed guesses are told in a sentence of their own."""


def say_hits(hits: Sequence[Hit], recording: Recording) -> str:
    """Return what was right and what was missed of some times, with the reasons."""
    unit = recording.unit
    total = [say_total(hit, unit, reason_for(recording, hit)) for hit in hits if hit.row is None]
    tasks = [hit for hit in hits if hit.row is not None]
    if not tasks:
        return " ".join(total)
    right = [hit for hit in tasks if hit.right]
    missed = [hit for hit in tasks if not hit.right]
    words = [*total, _say_right(right, len(tasks), unit)]
    words += [_say_missed(hit, recording) for hit in missed[:_TOLD]]
    if missed[_TOLD:]:
        words.append(f"Missed too: {join([hit.name for hit in missed[_TOLD:]])}.")
    return " ".join(words)


def say_total(hit: Hit, unit: str, reason: str = "") -> str:
    """Return whether the total was right, and if not by how much it was missed."""
    assert hit.fact is not None
    guess, fact = say(hit.guess.end, unit), say(hit.fact.end, unit)
    if hit.right:
        if guess == fact:
            return f"Right: it took {fact}, as you guessed."
        return f"Right: you guessed {guess}, and it took {fact}."
    more = f"{say(abs(hit.off), unit)} {'less' if hit.off > 0 else 'more'}"
    tail = f": {reason}" if reason else ""
    return f"Not quite: you guessed {guess} and it took {fact}, {more}{tail}."


def _say_right(right: Sequence[Hit], count: int, unit: str) -> str:
    if not right:
        return "Not right this time." if count == 1 else f"None of the {count} is right this time."
    names = join([hit.name for hit in right])
    if len(right) < count:
        return f"{len(right)} of {count} right: {names}."
    if count == 1 and right[0].fact is not None:
        return f"Right: {names} was done after {say(right[0].fact.end, unit)}."
    return f"All {count} right: {names}." if count > 2 else f"Both right: {names}."


def _say_missed(hit: Hit, recording: Recording) -> str:
    unit, name = recording.unit, clip(hit.name, 30)
    if hit.fact is None:
        return f"{name} was still going at the end, and you guessed {_say_span(hit.guess, unit)}."
    reason = reason_for(recording, hit)
    tail = f": {reason}" if reason else ""
    if hit.guess.start is not None:
        fact = Span(hit.fact.end, hit.fact.start)
        return (
            f"{name} went {_say_span(fact, unit)}, and you guessed "
            f"{_say_span(hit.guess, unit)}{tail}."
        )
    off = f"{say(abs(hit.off), unit)} {'earlier' if hit.off > 0 else 'later'}"
    return f"{name} was done after {say(hit.fact.end, unit)}, {off} than you guessed{tail}."


def _say_span(span: Span, unit: str) -> str:
    if span.start is None:
        return say(span.end, unit)
    start = say(span.start, unit)
    if unit == "minutes":
        start = start.split()[0]
    return f"from {start} to {say(span.end, unit)}"


def say_order(places: Sequence[Place]) -> str:
    """Return whether an order was right, and what it was."""
    came = [place.fact for place in places if place.fact is not None]
    wrong = [place for place in places if not place.right]
    order = ", ".join(clip(name, 30) for name in came[:12]) + (", ..." if came[12:] else "")
    if not wrong:
        return f"Right: it was {order}, as you guessed."
    said = f"Not quite: it was {order or 'nothing at all'}."
    guessed = len([place for place in places if place.guess is not None])
    if guessed != len(came):
        came_words = "1 came" if len(came) == 1 else f"{len(came)} came"
        return f"{said} You guessed {guessed}, and {came_words}."
    if len(wrong) == 2 and wrong[0].guess == wrong[1].fact and wrong[1].guess == wrong[0].fact:
        return f"{said} Only {wrong[0].fact} and {wrong[1].fact} are the other way round."
    right = [place.guess for place in places if place.right and place.guess is not None]
    if right:
        return f"{said} In its place: {join(right)}."
    return f"{said} You began with {wrong[0].guess}, and it began with {wrong[0].fact}."


def say_guess(guess: Guess) -> str:
    """Return what was guessed, in a few words."""
    unit = guess.unit or "seconds"
    words = [] if guess.total is None else [say(guess.total, unit)]
    short = unit if guess.unit else ""
    for name, span in guess.spans.items():
        at = f"{span.end:g}" if span.start is None else f"{span.start:g} to {span.end:g}"
        words.append(f"{clip(name, 30)} {at}")
    text = ", ".join(words) + (f" {short}" if guess.spans and short else "")
    if guess.order:
        text += (", " if text else "") + "first " + ", then ".join(guess.order)
    return f"{guess.way}: {text}" if guess.way else text


def say_open(guesses: Sequence[Guess], activities: Sequence[Activity]) -> str:
    """Return what to put in place of the dots, with numbers that are nobody's answer."""
    ways = [guess.open for guess in guesses if guess.way]
    numbers = _other_numbers(activities)
    if len(ways) > 1 and all(ways):
        example = ", ".join(f"{way}={next(numbers)}" for way in ways)
    else:
        example = _example(guesses[0], activities)
    noun = "names" if guesses[0].open == "order" else "numbers"
    return (
        f"No guess yet: put yours in place of the dots, as in {example} "
        f"(the {noun} are only an example), and run this cell again."
    )


def say_missing(guesses: Sequence[Guess]) -> str:
    """Return for which tasks and ways there is no guess yet; nothing if none is missing."""
    names = [name for guess in guesses for name in guess.missing]
    names += [guess.open for guess in guesses if guess.open]
    return f"Still open: {join(names)}." if names else ""


def _example(guess: Guess, activities: Sequence[Activity]) -> str:
    numbers = _other_numbers(activities)
    if guess.missing:
        return ", ".join(f'"{clip(name, 30)}": {next(numbers)}' for name in guess.missing[:3])
    if guess.open == "order":
        return 'order=["tea", "toast"]'
    if guess.open in ("minutes", "seconds") or not activities:
        return f"{guess.open or 'seconds'}={next(numbers)}"
    way = guess.open or "together"
    names = names_of(activities)[:2]
    tasks = ", ".join(f'"{clip(name, 30)}": {next(numbers)}' for name in names)
    more = ", ..." if len(activities) > len(names) else ""
    return f"{way}={next(numbers)} for the whole, in minutes, or {way}={{{tasks}{more}}} for each"


def _other_numbers(activities: Sequence[Activity]) -> Iterator[int]:
    """Give numbers for examples, none of which can be the answer."""
    lengths = [activity.minutes for activity in activities]
    sums = {sum(lengths[:n]) for n in range(len(lengths) + 1)} | {*lengths}
    number = 12
    while True:
        if number not in sums:
            yield number
        number += 7
