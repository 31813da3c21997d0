"""Which visits go wrong: a share of all, or the first ones of some paths."""

import math
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from asyncteach.course.server.amounts import is_number, read_path

Faulty = float | str | Iterable[str] | Mapping[str, float]
"""A share from 0 to 1; a path or several, the first visit of each; or how many visits by path."""


class Faults:
    """One way to go wrong, and whom it has met."""

    def __init__(self, name: str, faulty: Faulty, seed: int) -> None:
        __tracebackhide__ = True
        self._name = name
        self._seed = seed
        self._share, self._times = _read(name, faulty)
        self._met: Counter[str] = Counter()

    def meet(self, path: str, number: int) -> bool:
        """Tell if the visit of a path with that number, from 0 on, goes wrong."""
        if self._met[path] < self._times.get(path, 0):
            self._met[path] += 1
            return True
        return bool(self._share) and draw(self._seed, self._name, path, number) < self._share


def draw(seed: int, name: str, path: str, number: int) -> float:
    """Return a random number that is the same in whatever order the visits come."""
    return random.Random(f"{seed} {name} {path} {number}").random()


def _read(name: str, faulty: Any) -> tuple[float, dict[str, float]]:
    __tracebackhide__ = True
    if is_number(faulty):
        if not 0 <= faulty <= 1:
            raise ValueError(f"{_takes(name)}, and got {faulty!r}.")
        return float(faulty), {}
    if isinstance(faulty, str):
        faulty = [faulty]
    if isinstance(faulty, Mapping):
        times = {read_path(name, path): times for path, times in faulty.items()}
        for number in times.values():
            if not is_number(number) or math.isnan(number) or number < 0:
                raise ValueError(f"{_takes(name)}, and got {number!r} as how many times.")
        return 0.0, times
    if isinstance(faulty, Iterable) and not isinstance(faulty, bytes):
        return 0.0, {read_path(name, path): 1 for path in faulty}
    raise TypeError(f"{_takes(name)}, and got {faulty!r}.")


def _takes(name: str) -> str:
    return (
        f"{name}= takes a share of all visits from 0 to 1 ({name}=0.1), paths that go wrong at "
        f'their first visit ({name}=["/news"]), or how many times ({name}={{"/news": 3}})'
    )
