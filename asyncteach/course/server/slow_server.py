"""`slow_server()`: a real HTTP server, as slow, limited and unreliable as a lesson needs."""

import _thread
import asyncio
import contextlib
import threading
import time
import urllib.request
import warnings
from collections.abc import Mapping
from socket import socket
from typing import Any
from urllib.parse import unquote

from asyncteach.arguments import check_whole
from asyncteach.course.server.behaviour import Answer, Behaviour, Faulty, Server
from asyncteach.virtual_clock.clock import running_clock

try:
    from tornado.httpserver import HTTPServer
    from tornado.iostream import StreamClosedError
    from tornado.netutil import bind_sockets
    from tornado.web import Application, RequestHandler
except ImportError as error:
    raise ImportError(
        "slow_server() needs Tornado, which comes with Jupyter: type `pip install tornado`."
    ) from error

__all__ = ["slow_server"]

BACKLOG = 512
"""How many connections may wait for the server to accept them."""


class slow_server(Server):
    """Serve pages over real HTTP on this machine, slowly: `with slow_server(latency=0.2) as url:`.

    `url` is a string such as "http://127.0.0.1:43121". Every path answers with a short text after
    `latency` seconds, and any number of clients can wait at once. Other machines can't reach the
    server. It has a thread and an event loop of its own, so it doesn't use yours, and recordings
    don't show it.

    - `jitter`: adds up to this many seconds at random.
    - `rate=(10, 1.0)`: answers at most 10 requests per second, and any other one at once with
      status 429 and `Retry-After` in whole seconds.
    - `fail` answers 500, `drop` closes the connection without an answer, `hang` never answers.
      Each takes a share of all requests (`fail=0.1`), paths whose first request fails
      (`drop=["/news"]`), or a number of requests by path (`hang={"/news": 3}`, or `math.inf`).
    - `pages`: a dictionary of texts by path; any other path is answered 404.
    - `seed`: random values depend only on it, the path and the number of earlier requests for the
      path, not on the order in which requests come.
    - `most`: while this many requests are open, another one is answered 503.

    `server.log` is a list of requests, each with `path`, `status`, `start` and `end`, sorted by
    start, in seconds since the server began; it is complete when the block has ended. `status` is
    None if there was no answer. `server.most_at_once` is the largest number of requests that were
    open at once.

    When the block ends, also by an error or an interrupt, the server closes all connections at
    once. Raises TypeError or ValueError for wrong arguments; RuntimeError inside `virtual_time()`,
    which would jump past the answers. It needs Tornado (`pip install tornado`), which comes with
    Jupyter.

    >>> from urllib.request import urlopen
    >>> server = slow_server(latency=0.01)
    >>> with server as url:
    ...     print(urlopen(url + "/news").read().decode())
    This is /news
    >>> [(request.path, request.status) for request in server.log], server.most_at_once
    ([('/news', 200)], 1)
    """

    def __init__(
        self, latency: float = 0.2, *, jitter: float = 0.0, fail: Faulty = 0.0,
        rate: tuple[int, float] | int | None = None, drop: Faulty = (),
        hang: Faulty = (), pages: Mapping[str, str | bytes] | None = None, seed: int = 0,
        most: int = 100,
    ) -> None:  # fmt: skip
        __tracebackhide__ = True
        super().__init__()
        self._options = {
            "latency": latency, "jitter": jitter, "fail": fail, "rate": rate, "drop": drop,
            "hang": hang, "pages": pages, "seed": seed,
        }  # fmt: skip
        Behaviour(**self._options)  # raises for wrong arguments here already
        self._most = check_whole(most, "slow_server(most=...)", most=500)
        self._runner: asyncio.Runner | None = None

    def __enter__(self) -> str:
        __tracebackhide__ = True
        if self._runner:
            raise RuntimeError("this server is already open: make another one for a second block.")
        if running_clock():
            raise RuntimeError(
                "the server answers in real time, and virtual time would jump past its answers: "
                "open slow_server() outside of virtual_time()."
            )
        proxies = urllib.request.getproxies()
        if {"http", "all"} & set(proxies) and not urllib.request.proxy_bypass("127.0.0.1"):
            warnings.warn(
                "a proxy is set, so clients will use it and not reach this server: put 127.0.0.1 "
                'into NO_PROXY, as in `os.environ["NO_PROXY"] = "127.0.0.1"`, before you make a '
                "client.",
                RuntimeWarning,
                stacklevel=2,
            )
        super().__init__()  # an empty log
        self._behaviour = Behaviour(**self._options)
        self._began = time.monotonic()
        sockets = bind_sockets(0, "127.0.0.1", backlog=BACKLOG)
        self._runner = asyncio.Runner(loop_factory=asyncio.SelectorEventLoop)
        self._loop = self._runner.get_loop()
        self._stop, self._has_stopped = asyncio.Event(), threading.Event()
        # record_threads() doesn't show a thread of _thread, nor record() its loop.
        _thread.start_new_thread(self._serve, (self._runner, sockets))
        return f"http://127.0.0.1:{sockets[0].getsockname()[1]}"

    def __exit__(self, *error: object) -> None:
        runner, self._runner = self._runner, None
        if runner:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._has_stopped.wait()

    def _serve(self, runner: asyncio.Runner, sockets: list[socket]) -> None:
        """Answer requests until the block ends: this runs in the server's thread."""

        async def serve() -> None:
            every_path = [(r".*", _Handler, {"server": self})]
            server = HTTPServer(Application(every_path, log_function=lambda handler: None))
            server.add_sockets(sockets)
            await self._stop.wait()
            server.stop()
            await server.close_all_connections()

        try:
            with runner:  # it cancels the tasks of open requests
                self._loop.run_until_complete(serve())
        finally:
            self._has_stopped.set()

    async def answer(self, handler: "_Handler") -> None:
        """Log a request and answer it, unless a fault prevents that."""
        for _ in range(5):  # so that the loop notices clients that have just disconnected
            await asyncio.sleep(0)
        request = self.begin(unquote(handler.request.path), self._now())
        if len(self._open) > self._most:
            sentence = b"Too many requests at once: wait for some of them first.\n"
            answer = Answer(503, sentence, retry_after=1)
        else:
            answer = self._behaviour.choose_answer(request.path, request.start)
        # The task is cancelled when the client disconnects, and when the server closes.
        with contextlib.suppress(asyncio.CancelledError, StreamClosedError):
            await asyncio.sleep(answer.latency)
            if answer.fault == "hang":
                await asyncio.Event().wait()
            if not answer.fault:
                # First the log: a client that has the answer may read it at once.
                self.end(request, self._now(), answer)
                await handler.send(answer)
        if request in self._open:
            self.end(request, self._now())
            handler.detach().close()

    def _now(self) -> float:
        return time.monotonic() - self._began


class _Handler(RequestHandler):
    """Tornado's side of one request."""

    def initialize(self, server: slow_server) -> None:
        self._server = server
        self._task: asyncio.Task[Any] | None = None

    async def answer(self) -> None:
        """Answer a request, whatever its method."""
        self._task = asyncio.current_task()
        await self._server.answer(self)

    get = head = post = put = patch = delete = options = answer

    async def send(self, answer: Answer) -> None:
        """Send an answer to the client."""
        self.set_status(answer.status)
        if not answer.body.lstrip().startswith(b"<"):
            self.set_header("Content-Type", "text/plain; charset=utf-8")
        if answer.retry_after:
            self.set_header("Retry-After", str(answer.retry_after))
        await self.finish(answer.body)

    def on_connection_close(self) -> None:
        """Stop answering: the client has disconnected."""
        if self._task:
            self._task.cancel()
