"""The server's thread, in which Tornado answers HTTP requests, and the log of the requests."""

import _thread
import asyncio
import contextlib
import math
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import unquote

from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from asyncteach.course.server.behaviour import Answer, Behaviour, refuse

PIECES = 10
"""A slow body is sent in so many pieces."""

BACKLOG = 512
"""So many connections may wait for the server to take them."""


class ServerThread:
    """An open server in a thread of its own. It has to be closed: its thread keeps it alive.

    The thread is started with `_thread`, so `record_threads()` doesn't show it; and it has an
    event loop of its own, so `record()` doesn't either.
    """

    def __init__(self, behaviour: Behaviour, log: "RequestLog", most: int) -> None:
        self._sockets = bind_sockets(0, "127.0.0.1", backlog=BACKLOG)
        self.url = f"http://127.0.0.1:{self._sockets[0].getsockname()[1]}"
        options = {"behaviour": behaviour, "log": log, "most": most}
        self._application = Application(
            [(r".*", Handler, options)], log_function=lambda handler: None
        )
        self._loop = IOLoop(asyncio_loop=asyncio.SelectorEventLoop(), make_current=False)
        self._stop = asyncio.Event()
        self._has_ended = threading.Event()
        _thread.start_new_thread(self._run, ())

    def close(self) -> None:
        """Close the server and all its connections, and wait until the thread has ended."""
        self._loop.add_callback(self._stop.set)
        self._has_ended.wait()

    def _run(self) -> None:
        try:
            self._loop.run_sync(self._serve)
        finally:
            self._loop.close(all_fds=True)
            self._has_ended.set()

    async def _serve(self) -> None:
        server = HTTPServer(self._application)
        server.add_sockets(self._sockets)
        await self._stop.wait()
        server.stop()
        await server.close_all_connections()
        requests = asyncio.all_tasks() - {asyncio.current_task()}
        for task in requests:
            task.cancel()
        await asyncio.gather(*requests, return_exceptions=True)


class Handler(RequestHandler):
    """Answers one request as the server's Behaviour determines."""

    def initialize(self, behaviour: Behaviour, log: "RequestLog", most: int) -> None:
        """Keep the objects that all requests share: Tornado calls this from `__init__`."""
        self._behaviour, self._requests, self._most = behaviour, log, most
        self._task: asyncio.Task[Any] | None = None

    def set_default_headers(self) -> None:
        """Name the server, and tell browsers not to cache pages."""
        self.set_header("Server", "asyncteach")
        self.set_header("Cache-Control", "no-store")

    def compute_etag(self) -> None:
        """Send every page in full, even if the client has it already."""

    async def answer(self) -> None:
        """Log the request and answer it, unless a fault prevents that."""
        self._task = asyncio.current_task()
        visit = self._requests.begin(unquote(self.request.path), self._has_left)
        if len(self._requests.open) > self._most:
            answer = refuse(503, "Too many requests at once: wait for some of them first.", 1)
        else:
            answer = self._behaviour.choose_answer(visit.path, visit.start)
        # The task is cancelled when the client disconnects, and when the server closes.
        with contextlib.suppress(asyncio.CancelledError, StreamClosedError):
            await asyncio.sleep(answer.latency)
            if answer.fault == "hang":
                await asyncio.Event().wait()
            if not answer.fault:
                await self._send(answer, visit)
        if visit in self._requests.open:  # there was no answer, so the connection is closed
            self._requests.end(visit, None)
            self.detach().close()

    get = head = post = put = patch = delete = options = answer

    async def _send(self, answer: Answer, visit: "OpenVisit") -> None:
        body = answer.body
        kind = "html" if body.lstrip().startswith(b"<") else "plain"
        self.set_status(answer.status)
        self.set_header("Content-Type", f"text/{kind}; charset=utf-8")
        self.set_header("Content-Length", str(len(body)))
        if answer.retry_after:
            self.set_header("Retry-After", str(answer.retry_after))
        if answer.drip:
            await self.flush()
            size = max(1, math.ceil(len(body) / PIECES))
            for start in range(0, len(body), size):
                await asyncio.sleep(answer.drip * size / len(body))
                self.write(body[start : start + size])
                if start + size < len(body):
                    await self.flush()
        else:
            self.write(body)
        # First the log: a client that has the answer may read it at once.
        self._requests.end(visit, answer.status)
        await self.finish()

    def on_connection_close(self) -> None:
        """Stop answering: the client has disconnected."""
        if self._task is not None:
            self._task.cancel()

    def _has_left(self) -> bool:
        """Tell if the client has closed the connection, even if the loop doesn't know it yet."""
        stream: Any = getattr(self.request.connection, "stream", None)
        if stream is None or stream.closed():
            return True
        try:
            return bool(stream.socket.recv(1, socket.MSG_PEEK) == b"")
        except BlockingIOError:
            return False
        except OSError:
            return True


class Visit(NamedTuple):
    """One request: `start` and `end` in seconds since the server began.

    `status` is the status of the answer, or None if there was no answer: the connection was
    dropped, or the client had disconnected before.
    """

    path: str
    status: int | None
    start: float
    end: float


class OpenVisit:
    """A request that has not ended yet."""

    def __init__(self, path: str, start: float, has_left: Callable[[], bool]) -> None:
        self.path = path
        self.start = start
        self.has_left = has_left


class RequestLog:
    """The requests of a server: written in the server's thread, read in any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.most_at_once = 0
        self.open: set[OpenVisit] = set()
        self._ended: list[Visit] = []
        self._clock, self._began = clock, clock()

    def begin(self, path: str, has_left: Callable[[], bool]) -> OpenVisit:
        """Add a new request; `has_left()` tells if its client has disconnected."""
        visit = OpenVisit(path, self._clock() - self._began, has_left)
        self.open.add(visit)
        if len(self.open) > self.most_at_once:
            # If a client gives up and tries again, the new request may come before the disconnect.
            for one in [one for one in self.open if one.has_left()]:
                self.end(one, None)
            self.most_at_once = max(self.most_at_once, len(self.open))
        return visit

    def end(self, visit: OpenVisit, status: int | None) -> None:
        """Log a request that has ended, unless it is logged already."""
        if visit in self.open:
            self.open.remove(visit)
            end = self._clock() - self._began
            self._ended.append(Visit(visit.path, status, visit.start, end))

    def visits(self) -> list[Visit]:
        """Return the requests that have ended, in the order in which they began."""
        return sorted(self._ended, key=lambda visit: visit.start)
