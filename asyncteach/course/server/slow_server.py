"""`slow_server()`: a real HTTP server, as slow, limited and unreliable as a lesson needs it."""

import urllib.request
import warnings
from collections.abc import Mapping

from asyncteach.arguments import check_whole
from asyncteach.course.server.behaviour import Behaviour, Faulty
from asyncteach.virtual_clock.clock import running_clock

try:  # imported here: an import in a cell would hold the loop while it is recorded
    from asyncteach.course.server import handler
except ImportError:  # pragma: no cover - tested in an interpreter of its own
    _HAS_TORNADO = False
else:
    _HAS_TORNADO = True

__all__ = ["slow_server"]


class slow_server:
    """Serve pages over real HTTP on this machine, slowly: `with slow_server(latency=0.2) as url:`.

    `url` is a text such as "http://127.0.0.1:43121". Every path answers with a short text after
    `latency` seconds, and any number of clients can wait at once. Other machines can't reach the
    server. It has a thread and an event loop of its own, so it doesn't use yours, and recordings
    don't show it.

    - `jitter`: adds up to so many seconds at random.
    - `rate=(10, 1.0)`: answers at most 10 requests per second, and any other one at once with
      status 429 and `Retry-After` in whole seconds.
    - `drip`: sends the body in pieces, over so many seconds.
    - `fail` answers 500, `drop` closes the connection without an answer, `hang` never answers.
      Each takes a share of all requests (`fail=0.1`), paths whose first request fails
      (`drop=["/news"]`), or a number of requests by path (`hang={"/news": 3}`, or `math.inf`).
    - `pages`: a dictionary of texts by path; any other path is answered 404.
    - `seed`: random values depend only on it, the path and the number of earlier requests for the
      path, not on the order in which requests come.
    - `most`: while so many requests are open, another one is answered 503.

    `server.log` is a list of Visit(path, status, start, end), sorted by start, in seconds since
    the server began; it is complete when the block has ended. `status` is None if there was no
    answer. `server.most_at_once` is the largest number of requests that were open at once.

    When the block ends, also by an error or an interrupt, the server closes all connections at
    once. Raises TypeError or ValueError for wrong arguments; RuntimeError inside `virtual_time()`,
    which would jump past the answers; ImportError without Tornado (`pip install tornado`), which
    comes with Jupyter.

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
                "slow_server() needs Tornado, which comes with Jupyter: type `pip install tornado`."
            )
        self._options = {
            "latency": latency, "jitter": jitter, "fail": fail, "rate": rate, "drip": drip,
            "drop": drop, "hang": hang, "pages": pages, "seed": seed,
        }  # fmt: skip
        Behaviour(**self._options)  # raises for wrong arguments already here
        self._most = check_whole(most, "slow_server(most=...)", most=500)
        self._thread: handler.ServerThread | None = None
        self._log = handler.RequestLog()

    @property
    def url(self) -> str:
        """The address, or "" if the server isn't open."""
        return self._thread.url if self._thread else ""

    @property
    def log(self) -> "list[handler.Visit]":
        """The requests that have ended, in the order in which they began."""
        return self._log.visits()

    @property
    def most_at_once(self) -> int:
        """The largest number of requests that were open at the same moment."""
        return self._log.most_at_once

    def __enter__(self) -> str:
        __tracebackhide__ = True
        if self._thread is not None:
            raise RuntimeError("this server is already open: make another one for a second block.")
        if running_clock() is not None:
            raise RuntimeError(
                "the server answers in real time, and virtual time would jump past its answers: "
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
    """Warn if clients would use a proxy, which can't reach this server."""
    proxies = urllib.request.getproxies()
    if {"http", "all"} & set(proxies) and not urllib.request.proxy_bypass("127.0.0.1"):
        warnings.warn(
            "a proxy is set, so clients will use it and not reach this server: put 127.0.0.1 into "
            'NO_PROXY, as in `os.environ["NO_PROXY"] = "127.0.0.1"`, before you make a client.',
            RuntimeWarning,
            stacklevel=3,
        )
