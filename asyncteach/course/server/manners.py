"""What a server does with a visit: how long it takes, what it says, and what goes wrong."""

import math
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from asyncteach.course.server import amounts
from asyncteach.course.server.faults import Faults, draw

RETRY = "Retry-After"


@dataclass
class Treatment:
    """What is done with one visit: after `latency` seconds the body comes, within `drip` more."""

    kind: Literal["answer", "drop", "hang"] = "answer"
    status: int = 200
    body: bytes = b""
    latency: float = 0.0
    drip: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)


class Manners:
    """The keywords of a server, and what it remembers of earlier visits."""

    def __init__(
        self, *, latency: Any, jitter: Any, fail: Any, rate: Any, drip: Any, drop: Any, hang: Any,
        pages: Any, seed: Any,
    ) -> None:  # fmt: skip
        __tracebackhide__ = True
        self._latency = amounts.read_seconds("latency", latency)
        self._jitter = amounts.read_seconds("jitter", jitter)
        self._seed = amounts.read_seed(seed)
        self._rate = amounts.read_rate(rate)
        self._drip = amounts.read_drip(drip)
        self._pages = amounts.read_pages(pages)
        self._fail = Faults("fail", fail, self._seed)
        self._drop = Faults("drop", drop, self._seed)
        self._hang = Faults("hang", hang, self._seed)
        self._visits: Counter[str] = Counter()
        self._taken: deque[float] = deque()

    def treat(self, target: str, now: float) -> tuple[str, Treatment]:
        """Return the path of a request and what is done with it."""
        parts = urlsplit(target)
        path = unquote(parts.path) or "/"
        wait = self._wait(now)
        if wait > 0:
            return path, refuse(429, f"Too many requests: try again in {wait} s.", wait)
        number = self._visits[path]
        self._visits[path] += 1
        treatment = Treatment(latency=self._latency, drip=self._drip_of(path))
        treatment.latency += self._jitter * draw(self._seed, "jitter", path, number)
        self._choose(path, treatment)
        problem = _steer(parse_qs(parts.query, keep_blank_values=True), path, treatment)
        if problem:
            return path, refuse(400, problem)
        self._spoil(path, number, treatment)
        return path, treatment

    def _wait(self, now: float) -> int:
        """Return for how many whole seconds a client has to wait, 0: it's welcome."""
        if self._rate is None:
            return 0
        number, seconds = self._rate
        while self._taken and self._taken[0] <= now - seconds:
            self._taken.popleft()
        if len(self._taken) < number:
            self._taken.append(now)
            return 0
        return max(1, math.ceil(self._taken[0] + seconds - now))

    def _drip_of(self, path: str) -> float:
        return self._drip.get(path, 0.0) if isinstance(self._drip, dict) else self._drip

    def _choose(self, path: str, treatment: Treatment) -> None:
        page = (self._pages or {}).get(path)
        if page is not None:
            treatment.body = page
        elif path in ("/drop", "/hang"):
            treatment.kind = "drop" if path == "/drop" else "hang"
        elif path == "/drip":
            treatment.body = b"drip " * 20
            treatment.drip = treatment.drip or 1.0
        elif path.startswith("/status/"):
            _set_status(treatment, path.removeprefix("/status/"))
        elif self._pages is not None:
            treatment.status, treatment.body = 404, f"There is no page {path}.\n".encode()
        else:
            treatment.body = f"This is {path}\n".encode(errors="replace")

    def _spoil(self, path: str, number: int, treatment: Treatment) -> None:
        if self._drop.meet(path, number):
            treatment.kind = "drop"
        elif self._hang.meet(path, number):
            treatment.kind = "hang"
        elif self._fail.meet(path, number):
            _set_status(treatment, "500")


def refuse(status: int, sentence: str, wait: int = 0) -> Treatment:
    """Return an answer that comes at once and says why there is no other."""
    headers = {RETRY: str(wait)} if wait else {}
    return Treatment(status=status, body=f"{sentence}\n".encode(errors="replace"), headers=headers)


def _set_status(treatment: Treatment, text: str) -> str:
    """Let the answer have a status; return what's wrong with it."""
    if not (text.isdecimal() and len(text) == 3 and 200 <= int(text) < 600):
        treatment.status = 400
        treatment.body = b"A status is a number from 200 to 599, for example /status/503.\n"
        return treatment.body.decode().strip()
    treatment.status = int(text)
    try:
        phrase = HTTPStatus(treatment.status).phrase
    except ValueError:
        phrase = "a status without a name"
    treatment.body = f"{text}: {phrase}.\n".encode()
    if treatment.status in (429, 503):
        treatment.headers[RETRY] = "1"
    return ""


def _steer(query: Mapping[str, list[str]], path: str, treatment: Treatment) -> str:
    """Let a query such as `?latency=0.5` have its way; return what's wrong with it."""
    for key, values in query.items():
        name = "drip" if (path, key) == ("/drip", "seconds") else key
        if name in ("latency", "drip"):
            try:
                setattr(treatment, name, amounts.read_seconds(name, float(values[-1])))
            except ValueError:
                return f"?{key}= takes seconds from 0 to {amounts.MOST_SECONDS}: ?{key}=0.5"
        elif name == "status":
            problem = _set_status(treatment, values[-1])
            if problem:
                return problem
    return ""
