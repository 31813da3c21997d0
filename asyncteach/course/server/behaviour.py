"""What a server does with a request, the log of the requests, and a site to serve."""

import math
import random
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from asyncteach.arguments import check_number, check_whole, show

__all__ = ["make_site"]

MOST_SECONDS = 60

Faulty = float | str | Iterable[str] | Mapping[str, float]
"""A share from 0 to 1, paths whose first request fails, or numbers of failing requests by path."""

_FAULTS = ("drop", "hang", "fail")


@dataclass
class Answer:
    """An answer, sent after `latency` seconds; none if `fault` is "drop" or "hang"."""

    status: int
    body: bytes
    latency: float = 0.0
    retry_after: int = 0
    fault: str = ""


@dataclass(eq=False)
class Request:
    """One request: `start` and `end` in seconds since the server began.

    `status` is the status of the answer, or None if there was no answer: the connection was
    dropped, or the client had disconnected before.
    """

    path: str
    start: float
    status: int | None = None
    end: float = math.nan
    retry_after: int = 0


class Server:
    """The log of a server: written in its own thread, read in any thread."""

    def __init__(self) -> None:
        self.most_at_once = 0
        self._open: list[Request] = []
        self._ended: list[Request] = []

    @property
    def log(self) -> list[Request]:
        """The requests that have ended, in the order in which they began."""
        return sorted(self._ended, key=lambda request: request.start)

    def begin(self, path: str, now: float) -> Request:
        """Log a new request."""
        request = Request(path, now)
        self._open.append(request)
        self.most_at_once = max(self.most_at_once, len(self._open))
        return request

    def end(self, request: Request, now: float, answer: Answer | None = None) -> None:
        """Log the end of a request."""
        request.end = now
        if answer:
            request.status, request.retry_after = answer.status, answer.retry_after
        self._open.remove(request)
        self._ended.append(request)


class Behaviour:
    """The keywords of a server, and its memory of earlier requests."""

    def __init__(
        self, *, latency: Any = 0.0, jitter: Any = 0.0, rate: Any = None, pages: Any = None,
        seed: Any = 0, **faulty: Any,
    ) -> None:  # fmt: skip
        __tracebackhide__ = True
        self._latency, self._jitter = _check_seconds(latency=latency, jitter=jitter)
        self._seed = check_whole(seed, "slow_server(seed=...)", least=-math.inf)
        self._rate_limit = None if rate is None else RateLimit(rate)
        self._pages = None if pages is None else _check_pages(pages)
        self._faults = {name: _check_faults(name, faulty.get(name, 0)) for name in _FAULTS}
        self._requests: Counter[str] = Counter()

    def choose_answer(self, path: str, now: float) -> Answer:
        """Return the answer to a request for a path that arrives at `now`, in seconds."""
        wait = self._rate_limit.seconds_to_wait(now) if self._rate_limit else 0
        if wait:
            sentence = f"Too many requests: try again in {wait} s.\n"
            return Answer(429, sentence.encode(), retry_after=wait)
        number = self._requests[path]
        self._requests[path] += 1
        latency = self._latency + self._jitter * self._random("jitter", path, number)
        answer = Answer(200, b"", latency)
        if self._pages is None:
            answer.body = f"This is {path}\n".encode(errors="replace")
        elif path in self._pages:
            answer.body = self._pages[path]
        else:
            answer.status, answer.body = 404, f"There is no page {path}.\n".encode()
        fault = next((name for name in _FAULTS if self._goes_wrong(name, path, number)), "")
        if fault == "fail":
            answer.status, answer.body = 500, b"500: Internal Server Error.\n"
        else:
            answer.fault = fault
        return answer

    def _goes_wrong(self, name: str, path: str, number: int) -> bool:
        faulty = self._faults[name]
        if not isinstance(faulty, dict):
            return self._random(name, path, number) < faulty
        left = faulty.get(path, 0)
        faulty[path] = left - 1
        return left > 0

    def _random(self, name: str, path: str, number: int) -> float:
        """Return a random number that doesn't depend on the order of the requests."""
        return random.Random(f"{self._seed} {name} {path} {number}").random()


class RateLimit:
    """A limit on requests per time: `rate=(10, 1.0)` for 10 in a second, or short `rate=10`."""

    def __init__(self, rate: Any) -> None:
        __tracebackhide__ = True
        what, fix = "slow_server(rate=...)", "rate=(10, 1.0) answers 10 requests per second"
        is_pair = isinstance(rate, tuple | list) and len(rate) == 2
        number, seconds = rate if is_pair else (rate, 1.0)
        self._most = check_whole(number, what, fix=fix)
        self._seconds = check_number(
            seconds, what, unit="seconds", least=0.01, most=MOST_SECONDS, fix=fix
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


def _check_seconds(**values: Any) -> list[float]:
    __tracebackhide__ = True
    return [
        check_number(
            value, f"slow_server({name}=...)", unit="seconds", most=MOST_SECONDS,
            fix=f"write {name}=0.2, for example",
        )
        for name, value in values.items()
    ]  # fmt: skip


def _check_faults(name: str, faulty: Any) -> float | dict[str, float]:
    """Return a share of all requests, or how many requests fail by path."""
    __tracebackhide__ = True
    what = f"slow_server({name}=...)"
    fix = (
        f'write {name}=0.1 for a share of all requests, {name}=["/news"] for paths whose first '
        f'request fails, or {name}={{"/news": 3}} for several'
    )
    if not isinstance(faulty, Iterable) or isinstance(faulty, bytes):
        return check_number(faulty, what, most=1, fix=fix)
    if isinstance(faulty, str):
        faulty = [faulty]
    numbers = faulty if isinstance(faulty, Mapping) else dict.fromkeys(faulty, 1)
    for path, number in numbers.items():
        _check_path(what, path)
        if number != math.inf:  # all requests
            check_number(number, what, fix=fix)
    return dict(numbers)


def _check_path(what: str, path: Any) -> str:
    __tracebackhide__ = True
    if not isinstance(path, str) or not path.startswith("/"):
        raise (ValueError if isinstance(path, str) else TypeError)(
            f'{what} takes paths that begin with a slash, as "/news", but got {show(path)}.'
        )
    return path


def _check_pages(pages: Any) -> dict[str, bytes]:
    __tracebackhide__ = True
    what = "slow_server(pages=...)"
    texts = pages.values() if isinstance(pages, Mapping) else [pages]
    wrong = [text for text in texts if text is pages or not isinstance(text, str | bytes)]
    if wrong:
        raise TypeError(
            f"{what} takes a dictionary of texts by path but got {show(wrong[0])}: "
            'write pages={"/": "<p>Hello</p>"}, or pages=make_site(200).'
        )
    return {
        _check_path(what, path): text.encode() if isinstance(text, str) else text
        for path, text in pages.items()
    }


# A site to crawl

MOST_PAGES = 20_000
MOST_LINKS = 6

# fmt: off
WORDS = (
    "amber", "basil", "cedar", "delta", "ember", "fjord", "grove", "hazel", "inlet", "juniper",
    "kelp", "larch", "meadow", "nectar", "olive", "pebble", "quartz", "reed", "sorrel", "thistle",
    "umber", "violet", "willow", "yarrow",
)
# fmt: on


def make_site(count: int = 200, *, seed: int = 0) -> dict[str, str]:
    """Return a site to crawl: `count` pages of HTML by path, for `slow_server(pages=...)`.

    The first page is "/", and every other page can be reached from it. Pages link forward, back,
    to themselves, and sometimes twice to the same page. The same `seed` gives the same site.
    Raises TypeError or ValueError for a wrong count or seed.

    >>> site = make_site(3)
    >>> len(site), list(site)[0], site["/"].count("<a href=") > 0
    (3, '/', True)
    """
    __tracebackhide__ = True
    check_whole(count, "make_site(count=...)", most=MOST_PAGES, fix="write make_site(200)")
    check_whole(seed, "make_site(seed=...)", least=-math.inf)
    chance = random.Random(f"site {seed}")
    paths = ["/", *(f"/{chance.choice(WORDS)}-{number}" for number in range(1, count))]
    links: list[list[str]] = [[] for _ in paths]
    for number in range(1, count):
        # From any earlier page in the second half: neither a chain nor a star.
        links[chance.randrange(max(0, number // 2 - 5), number)].append(paths[number])
    for own in links:  # forward, back, to itself, or twice to the same page
        own += [paths[chance.randrange(count)] for _ in range(chance.randrange(1, MOST_LINKS))]
        chance.shuffle(own)
    return {path: _write_page(path, own) for path, own in zip(paths, links, strict=True)}


def _write_page(path: str, links: list[str]) -> str:
    title = "Start" if path == "/" else path.removeprefix("/").replace("-", " ")
    items = "\n".join(f'<li><a href="{escape(one)}">{escape(one)}</a></li>' for one in links)
    return (
        "<!DOCTYPE html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title></head>\n'
        f"<body><h1>{escape(title)}</h1>\n<ul>\n{items}\n</ul></body></html>\n"
    )
