"""A real server to talk to, as slow, limited and unreliable as a lesson needs it."""

import urllib.request
import warnings
from collections.abc import Mapping

from asyncteach.arguments import check_whole
from asyncteach.course.server.behaviour import Behaviour, Faulty
from asyncteach.virtual_clock.clock import running_clock

try:  # here and not at the first use, which may be in a cell that shows what holds the loop
    from asyncteach.course.server import handler
except ImportError:  # pragma: no cover - tested in an interpreter of its own
    _HAS_TORNADO = False
else:
    _HAS_TORNADO = True

__all__ = ["slow_server"]


class slow_server:
    """Serve pages over real HTTP on this machine, slowly: `with slow_server(latency=0.2) as url:`.

    `url` is a text such as "http://127.0.0.1:43121". Any path answers a short text after `latency`
    seconds, to any number of clients at once; no other machine can reach it. The server has a
    thread and an event loop of its own, so your loop is free, and no recording shows them.

    `jitter`: up to so many seconds more, at random. `rate=(10, 1.0)`: more than 10 requests in a
    second are answered 429 at once, with `Retry-After` in whole seconds. `drip`: bodies come in
    pieces, over so many seconds. `fail` answers 500, `drop` closes the connection without an
    answer, `hang` never answers: each takes a share of all requests (`fail=0.1`), paths whose first
    request goes wrong (`drop=["/news"]`), or how many of them do (`hang={"/news": 3}`, for ever:
    `math.inf`). What is random depends only on `seed`, the path and how often it was asked for, so
    it is the same in whatever order requests come. `pages`: a dictionary of texts by path; any
    other path is answered 404. While `most` requests are open, another one is answered 503.

    `server.log` is a list of Visit(path, status, start, end), in seconds since the server began and
    in the order of the starts, complete when the block has ended; `status` is None where there was
    no answer. `server.most_at_once` is how many requests were open at once.

    When the block ends, by an error or an interrupt too, everything is closed at once, requests
    that are still open with it. Raises TypeError or ValueError, one sentence, for values that make
    no sense; RuntimeError inside `virtual_time()`, which would jump past the answers; ImportError
    without Tornado, which comes with Jupyter: `pip install tornado`.

    >>> from urllib.request import urlopen
    >>> server = slow_server(latency=0.01)
    >>> with server as url:
    ...     print(urlopen(url + "/news").read().decode())
    This is /news
    >>> [(visit.path, visit.status) for visit in server.log], server.most_at_once
    ([('/news', 200)], 1)
    """

    def __init__(
        self, latency: float = 0.2, *, jitter: float = 0.0, fail: Faulty = 0.0,
        rate: tuple[int, float] | int | None = None, drip: float = 0.0, drop: Faulty = (),
        hang: Faulty = (), pages: Mapping[str, str | bytes] | None = None, seed: int = 0,
        most: int = 100,
    ) -> None:  # fmt: skip
        __tracebackhide__ = True
        if not _HAS_TORNADO:
            raise ImportError(
                "slow_server() is built on Tornado, which comes with Jupyter: "
                "type `pip install tornado`."
            )
        self._options = {
            "latency": latency, "jitter": jitter, "fail": fail, "rate": rate, "drip": drip,
            "drop": drop, "hang": hang, "pages": pages, "seed": seed,
        }  # fmt: skip
        Behaviour(**self._options)  # raises here for what makes no sense
        self._most = check_whole(most, "slow_server(most=...)", most=500)
        self._thread: handler.ServerThread | None = None
        self._log = handler.RequestLog()

    @property
    def url(self) -> str:
        """The address, "" where the server is not open."""
        return self._thread.url if self._thread else ""

    @property
    def log(self) -> "list[handler.Visit]":
        """Every request that has ended, in the order in which they began."""
        return self._log.visits()

    @property
    def most_at_once(self) -> int:
        """How many requests were open at the same moment, at most."""
        return self._log.most_at_once

    def __enter__(self) -> str:
        __tracebackhide__ = True
        if self._thread is not None:
            raise RuntimeError("this server is open already: make another one for a second block.")
        if running_clock() is not None:
            raise RuntimeError(
                "a server answers in real time, and virtual time would jump past its answers: "
                "open slow_server() outside of virtual_time()."
            )
        _warn_of_proxy()
        self._log = handler.RequestLog()
        self._thread = handler.ServerThread(Behaviour(**self._options), self._log, self._most)
        return self._thread.url

    def __exit__(self, *error: object) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.close()

    def __repr__(self) -> str:
        state = f"open at {self.url}" if self.url else "closed"
        return (
            f"<slow_server, {state}: {len(self.log)} requests, {self.most_at_once} at once at most>"
        )


def _warn_of_proxy() -> None:
    """Warn if clients would ask a proxy, which can't see this machine's own server."""
    proxies = urllib.request.getproxies()
    if {"http", "all"} & set(proxies) and not urllib.request.proxy_bypass("127.0.0.1"):
        warnings.warn(
            "a proxy is set, so clients will ask it instead of this server: put 127.0.0.1 into "
            'NO_PROXY, as in `os.environ["NO_PROXY"] = "127.0.0.1"`, before you make a client.',
            RuntimeWarning,
            stacklevel=3,
        )
