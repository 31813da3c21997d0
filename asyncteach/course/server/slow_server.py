"""A real server to talk to, as slow and as rude as a lesson needs it.

    slow_server(latency=0.2, *, jitter=0.0, fail=0.0, rate=None, drip=None, drop=(), hang=(),
                pages=None, seed=0, most=100, patience=30.0)
    make_site(count=200, *, seed=0)     paths and HTML for `pages=`

`with slow_server(...) as url:` gives its address; `server.log` and `server.most_at_once` tell what
it has seen, `/drop`, `/hang`, `/status/503`, `/drip?seconds=2` and `?latency=0.5` steer a request.
"""

import os
import warnings
from collections.abc import Mapping
from types import TracebackType

from asyncteach.course.server import amounts, site
from asyncteach.course.server.faults import Faulty
from asyncteach.course.server.house import House
from asyncteach.course.server.manners import Manners
from asyncteach.course.server.visits import Visit, VisitBook
from asyncteach.virtual_clock.clock import running_clock

try:  # here and not at the first use, which may be in a cell that shows who holds the loop
    from asyncteach.course.server import desk as _desk
except ImportError:  # pragma: no cover - tested in an interpreter of its own
    _HAS_TORNADO = False
else:
    _HAS_TORNADO = _desk is not None

__all__ = ["Visit", "make_site", "slow_server"]

MOST_CONNECTIONS = 500


class slow_server:
    """Serve pages over real HTTP on this machine, slowly: `with slow_server(latency=0.2) as url:`.

    `url` is a text such as "http://127.0.0.1:43121". Any path answers a short text after `latency`
    seconds, to any number of clients at once; nobody else on the network can reach it. The server
    has a thread and an event loop of its own, so your loop is free, and no recording shows them.

    `jitter`: up to so many seconds more, at random. `rate=(10, 1.0)`: more than 10 requests in a
    second are answered 429 at once, with `Retry-After` in whole seconds. `drip`: bodies come in
    pieces, over so many seconds (`{path: seconds}`: only these). `fail` answers 500, `drop` closes
    the connection without an answer, `hang` never answers: each takes a share of all visits
    (`fail=0.1`), paths that go wrong at their first visit (`drop=["/news"]`) or how often they do
    (`hang={"/news": 3}`, for ever: `math.inf`). What is random depends on `seed`, path and number
    of the visit only, so it's the same in whatever order requests come. `pages`: a dictionary of
    paths and texts, any other path is answered 404.

    A request can steer itself: `/news?latency=0.5`, `/news?drip=1`, `/news?status=503`, and where
    `pages` has nothing by that name `/status/503`, `/drop`, `/hang` and `/drip?seconds=2`.

    Beyond `most` connections at once, whoever comes is answered 503 and the connection closed; a
    request that takes longer than `patience` seconds, and a connection that is idle for so long,
    are closed. Headers and bodies that are too long are refused.

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
        rate: tuple[int, float] | float | None = None,
        drip: float | Mapping[str, float] | None = None, drop: Faulty = (), hang: Faulty = (),
        pages: Mapping[str, str | bytes] | None = None, seed: int = 0, most: int = 100,
        patience: float = 30.0,
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
        Manners(**self._options)  # what makes no sense is told here
        self._most = amounts.read_count("most", most, MOST_CONNECTIONS)
        self._patience = amounts.read_seconds("patience", patience, 0.05, 600)
        self._house: House | None = None
        self._book = VisitBook()
        self._url = ""

    @property
    def url(self) -> str:
        """The address, "" where the server is not open."""
        return self._url

    @property
    def log(self) -> list[Visit]:
        """Every visit that has ended, in the order in which they began."""
        return self._book.read()

    @property
    def most_at_once(self) -> int:
        """How many requests were open at the same moment, at most."""
        return self._book.most_at_once

    def __enter__(self) -> str:
        __tracebackhide__ = True
        if self._house is not None:
            raise RuntimeError("this server is open already: make another one for a second block.")
        if running_clock() is not None:
            raise RuntimeError(
                "a server answers in real time, and virtual time would jump past its answers: "
                "open slow_server() outside of virtual_time()."
            )
        _warn_of_proxy()
        try:
            self._house = House(Manners(**self._options), self._most, self._patience)
            self._book = self._house.book
            self._url = self._house.open()
        except BaseException:  # an interrupt may come at any line
            self.__exit__(None, None, None)
            raise
        return self._url

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        interrupt: KeyboardInterrupt | None = None
        while self._house is not None:
            try:
                self._house.close()
                self._house = None
                self._url = ""
            except KeyboardInterrupt as one:  # first everything is closed
                interrupt = one
        if interrupt is not None:
            raise interrupt

    def __del__(self) -> None:
        # Of a block that was never left: a generator that nobody has run to its end.
        if getattr(self, "_house", None) is not None:
            self.__exit__(None, None, None)

    def __repr__(self) -> str:
        state = f"open at {self._url}" if self._url else "closed"
        return (
            f"<slow_server, {state}: {len(self.log)} visits, {self.most_at_once} at once at most>"
        )


def _warn_of_proxy() -> None:
    """Say it if clients would ask a proxy, which can't see this machine's own server."""
    known = {name.lower(): value for name, value in os.environ.items() if value}
    proxy = next((name for name in ("http_proxy", "all_proxy") if name in known), None)
    spared = [one.strip() for one in known.get("no_proxy", "").split(",")]
    if proxy and not {"*", "127.0.0.1"} & set(spared):
        warnings.warn(
            f"{proxy.upper()} is set, so clients will ask that proxy instead of this server: put "
            '127.0.0.1 into NO_PROXY, as in `os.environ["NO_PROXY"] = "127.0.0.1"`, before you '
            "make a client.",
            RuntimeWarning,
            stacklevel=3,
        )


def make_site(count: int = 200, *, seed: int = 0) -> dict[str, str]:
    """Return a site to crawl: `count` pages of HTML by path, for `slow_server(pages=...)`.

    The first is "/", and links lead from it to every other page, by one way or several: pages link
    to each other, back, to themselves and twice to the same. The same `seed` gives the same site.
    Raises TypeError or ValueError, one sentence, for a count that makes no sense.

    >>> site = make_site(3)
    >>> len(site), list(site)[0], site["/"].count("<a href=") > 0
    (3, '/', True)
    """
    __tracebackhide__ = True
    count = amounts.read_count("count", count, amounts.MOST_PAGES)
    return site.build(count, amounts.read_seed(seed))
