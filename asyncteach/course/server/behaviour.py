"""What a server does with a request: how long it takes, what it answers, and what goes wrong."""

import math
import random
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from asyncteach.arguments import check_number, check_whole, show

MOST_SECONDS = 60

Faulty = float | str | Iterable[str] | Mapping[str, float]
"""A share from 0 to 1, paths whose first request fails, or numbers of failing requests by path."""


@dataclass
class Answer:
    """An answer: its body is sent after `latency` seconds, over `drip` more seconds.

    If `fault` is "drop" or "hang", there is no answer.
    """

    status: int
    body: bytes
    latency: float = 0.0
    drip: float = 0.0
    retry_after: int = 0
    fault: str = ""


class Behaviour:
    """The keywords of a server, and its memory of earlier requests."""

    def __init__(
        self, *, latency: Any = 0.0, jitter: Any = 0.0, fail: Any = 0.0, rate: Any = None,
        drip: Any = 0.0, drop: Any = (), hang: Any = (), pages: Any = None, seed: Any = 0,
    ) -> None:  # fmt: skip
        __tracebackhide__ = True
        self._latency = _check_seconds("latency", latency)
        self._jitter = _check_seconds("jitter", jitter)
        self._drip = _check_seconds("drip", drip)
        self._seed = check_whole(seed, "slow_server(seed=...)", least=-math.inf)
        self._rate_limit = None if rate is None else RateLimit(rate)
        self._pages = None if pages is None else _check_pages(pages)
        self._faults = {
            name: Faults(name, faulty, self._seed)
            for name, faulty in {"drop": drop, "hang": hang, "fail": fail}.items()
        }
        self._requests: Counter[str] = Counter()

    def choose_answer(self, path: str, now: float) -> Answer:
        """Return the answer to a request for a path that arrives at `now`, in seconds."""
        wait = self._rate_limit.seconds_to_wait(now) if self._rate_limit else 0
        if wait:
            return refuse(429, f"Too many requests: try again in {wait} s.", wait)
        number = self._requests[path]
        self._requests[path] += 1
        latency = self._latency + self._jitter * _random(self._seed, "jitter", path, number)
        answer = Answer(200, b"", latency, self._drip)
        if self._pages is None:
            answer.body = f"This is {path}\n".encode(errors="replace")
        elif path in self._pages:
            answer.body = self._pages[path]
        else:
            answer.status, answer.body = 404, f"There is no page {path}.\n".encode()
        for name, faults in self._faults.items():
            if faults.meet(path, number):
                if name == "fail":
                    answer.status, answer.body = 500, b"500: Internal Server Error.\n"
                else:
                    answer.fault = name
                break
        return answer


def refuse(status: int, sentence: str, retry_after: int) -> Answer:
    """Return an immediate answer that says why the request is refused, and when to try again."""
    return Answer(status, f"{sentence}\n".encode(), retry_after=retry_after)


class RateLimit:
    """A limit on requests per time: `rate=(10, 1.0)` for 10 in a second, or short `rate=10`."""

    def __init__(self, rate: Any) -> None:
        __tracebackhide__ = True
        what, fix = "slow_server(rate=...)", "rate=(10, 1.0) answers 10 requests per second"
        pair = rate if isinstance(rate, tuple | list) else (rate, 1.0)
        if len(pair) != 2:
            raise TypeError(f"{what} takes two numbers and got {len(pair)}: {fix}.")
        self._most = check_whole(pair[0], what, fix=fix)
        self._seconds = check_number(
            pair[1], what, unit="seconds", least=0.01, most=MOST_SECONDS, fix=fix
        )
        self._answered: deque[float] = deque()

    def seconds_to_wait(self, now: float) -> int:
        """Return how many whole seconds a client has to wait; if 0, count its request."""
        while self._answered and self._answered[0] <= now - self._seconds:
            self._answered.popleft()
        if len(self._answered) < self._most:
            self._answered.append(now)
            return 0
        return max(1, math.ceil(self._answered[0] + self._seconds - now))


class Faults:
    """The requests that fail in one way: a share of all, or the first ones for some paths."""

    def __init__(self, name: str, faulty: Any, seed: int) -> None:
        __tracebackhide__ = True
        self._name, self._seed, self._share = name, seed, 0.0
        self._left: dict[str, float] = {}
        what = f"slow_server({name}=...)"
        fix = (
            f'write {name}=0.1 for a share of all requests, {name}=["/news"] for paths whose first '
            f'request fails, or {name}={{"/news": 3}} for several'
        )
        if isinstance(faulty, Mapping):
            for path, times in faulty.items():
                # math.inf stands for all requests.
                self._left[_check_path(name, path)] = (
                    times if times == math.inf else check_number(times, what, fix=fix)
                )
        elif isinstance(faulty, Iterable) and not isinstance(faulty, bytes):
            paths = [faulty] if isinstance(faulty, str) else faulty
            self._left = {_check_path(name, path): 1 for path in paths}
        else:
            self._share = check_number(faulty, what, most=1, fix=fix)

    def meet(self, path: str, number: int) -> bool:
        """Tell if a request for a path fails; `number` counts its requests from 0."""
        if self._left.get(path, 0) > 0:
            self._left[path] -= 1
            return True
        return _random(self._seed, self._name, path, number) < self._share


def _random(seed: int, name: str, path: str, number: int) -> float:
    """Return a random number that doesn't depend on the order of the requests."""
    return random.Random(f"{seed} {name} {path} {number}").random()


def _check_seconds(name: str, value: Any) -> float:
    __tracebackhide__ = True
    return check_number(
        value, f"slow_server({name}=...)", unit="seconds", most=MOST_SECONDS,
        fix=f"write it as in {name}=0.2",
    )  # fmt: skip


def _check_path(name: str, path: Any) -> str:
    __tracebackhide__ = True
    if not isinstance(path, str):
        raise TypeError(f'slow_server({name}=...) takes paths such as "/news", not {show(path)}.')
    if not path.startswith("/"):
        raise ValueError(f"slow_server({name}=...) takes paths that begin with a slash: '/{path}'.")
    return path


def _check_pages(pages: Any) -> dict[str, bytes]:
    __tracebackhide__ = True
    if not isinstance(pages, Mapping):
        raise TypeError(
            f"slow_server(pages=...) takes a dictionary of texts by path and got {show(pages)}: "
            'write it as in pages={"/": "<p>Hello</p>"}, or pages=make_site(200).'
        )
    for path, text in pages.items():
        _check_path("pages", path)
        if not isinstance(text, str | bytes):
            raise TypeError(
                f"slow_server(pages=...) takes a text for each path, and {path!r} has {show(text)}."
            )
    return {path: text.encode() if isinstance(text, str) else text for path, text in pages.items()}
