"""What stands between the brackets of `predict`, checked."""

import difflib
from collections.abc import Mapping
from numbers import Real
from types import EllipsisType
from typing import Any

from asyncteach.activities import Activity, check_activities
from asyncteach.prediction.guesses import (
    WAYS,
    Guess,
    check_time,
    read_order,
    read_spans,
)

_KEYWORDS = (*WAYS, "minutes", "seconds", "order")


def check_keyword(keyword: str) -> None:
    """Raise TypeError, with the keyword that was meant perhaps, for one that isn't there."""
    __tracebackhide__ = True
    if keyword in _KEYWORDS:
        return
    near = difflib.get_close_matches(keyword.lower(), _KEYWORDS, 1)
    hint = f"did you mean {near[0]}=?" if near else f"take one of {', '.join(_KEYWORDS)}."
    raise TypeError(f"predict() knows no {keyword}=: {hint}")


def read_activities(what: object) -> list[Activity] | None:
    """Return the activities that the guess is about; None where it names none."""
    __tracebackhide__ = True
    if what is None or isinstance(what, Mapping | EllipsisType):
        return None
    if isinstance(what, Real) and not isinstance(what, bool):
        raise TypeError(
            f"predict({what}) lacks a unit: write predict(minutes={what}) or "
            f"predict(seconds={what})."
        )
    if isinstance(what, list | tuple) and what and all(isinstance(one, str) for one in what):
        raise TypeError(
            "predict() got a list of names: for an order write predict(order=[...]), for times "
            'predict({"tea": 25}).'
        )
    return check_activities(what)


def read_plain(what: object, guesses: Mapping[str, Any]) -> Guess:
    """Return what was guessed without a way."""
    __tracebackhide__ = True
    if "minutes" in guesses and "seconds" in guesses:
        raise TypeError("predict() takes minutes= or seconds=, not both: leave one of them out.")
    plain = Guess()
    for unit in ("minutes", "seconds"):
        if unit in guesses:
            plain.unit = unit
            if isinstance(guesses[unit], EllipsisType):
                plain.open = unit
            else:
                plain.total = check_time(guesses[unit], unit, unit)
    if "order" in guesses:
        plain.order = read_order(guesses["order"])
        if not plain.order:
            plain.open = "order"
    if isinstance(what, Mapping):
        read_spans(plain, what, None, example='predict({"tea": 25})')
    return plain
