"""How requests are taken and answered: Tornado reads and writes HTTP, this says what and when."""

import asyncio
import contextlib
import socket
from http import HTTPStatus
from typing import Any

from tornado import httputil
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream, StreamClosedError

from asyncteach.course.server.manners import Manners, Treatment, refuse
from asyncteach.course.server.visits import OpenVisit, VisitBook

MOST_HEADER_BYTES = 16_384
MOST_BODY_BYTES = 65_536
"""Of a request; longer ones are read, forgotten and answered 413."""

MOST_READ_BYTES = 2**20
"""Whoever sends more than that is cut off."""

SPARE = 50
"""Connections beyond the most that are told so; those beyond are closed without a word."""

DROPS = 10
"""The pieces that a slow body comes in."""

HEADERS = {"Server": "asyncteach", "Cache-Control": "no-store"}


class Desk(HTTPServer):
    """A server for one loop: who may come in, and the tasks that answer."""

    def prepare(self, manners: Manners, book: VisitBook, most: int, patience: float) -> None:
        """Say how to treat requests: `__init__` belongs to Tornado."""
        self.manners, self.book, self.patience = manners, book, patience
        self.began = asyncio.get_running_loop().time()
        self.tasks: set[asyncio.Task[None]] = set()
        self._most = most
        self._open = 0
        self._beyond: set[Any] = set()

    def now(self) -> float:
        """Return the seconds since the server began."""
        return asyncio.get_running_loop().time() - self.began

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        """Take a connection, or close it."""
        if self._open >= self._most + SPARE:
            stream.close()
            return
        self._open += 1
        if self._open > self._most:
            self._beyond.add(stream)
        super().handle_stream(stream, address)

    def start_request(self, server_conn: Any, request_conn: Any) -> "_Request":
        """Take a request on a connection."""
        return _Request(self, request_conn, server_conn.stream in self._beyond)

    def on_close(self, server_conn: Any) -> None:
        """Let a connection go."""
        self._open -= 1
        self._beyond.discard(server_conn.stream)
        super().on_close(server_conn)

    async def leave(self) -> None:
        """Close everything: no task, no connection and no listening socket is left."""
        self.stop()
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.book.end_all(self.now())
        await self.close_all_connections()


class _Request(httputil.HTTPMessageDelegate):
    """One request: read by Tornado, answered by a task of its own."""

    def __init__(self, desk: Desk, connection: Any, is_beyond: bool) -> None:
        self._desk = desk
        self._connection = connection
        self._stream: IOStream = connection.stream
        self._is_beyond = is_beyond
        self._start_line: Any = None
        self._task: asyncio.Task[None] | None = None
        self._bytes = 0

    def headers_received(self, start_line: Any, headers: httputil.HTTPHeaders) -> None:
        self._start_line = start_line

    def data_received(self, chunk: bytes) -> None:
        self._bytes += len(chunk)

    def finish(self) -> None:
        """Answer: all of the request is there."""
        desk, now = self._desk, self._desk.now()
        path, treatment = desk.manners.treat(self._start_line.path, now)
        if self._bytes > MOST_BODY_BYTES:
            treatment = refuse(413, f"A body may have {MOST_BODY_BYTES} bytes at most.")
        if self._is_beyond:
            treatment = refuse(503, "Too many connections: close some, or use fewer at once.", 1)
        visit = OpenVisit(path, now, self._has_left)
        desk.book.begin(visit)
        self._connection.set_close_callback(self.on_connection_close)
        self._task = asyncio.get_running_loop().create_task(self._serve(visit, treatment))
        desk.tasks.add(self._task)
        self._task.add_done_callback(desk.tasks.discard)

    def on_connection_close(self) -> None:
        """Give up: the client has gone."""
        if self._task is not None:
            self._task.cancel()

    async def _serve(self, visit: OpenVisit, treatment: Treatment) -> None:
        try:
            with contextlib.suppress(TimeoutError, StreamClosedError):
                async with asyncio.timeout(self._desk.patience):
                    await asyncio.sleep(treatment.latency)
                    if treatment.kind == "hang":
                        await asyncio.get_running_loop().create_future()
                    elif treatment.kind == "answer":
                        await self._answer(visit, treatment)
                        return
            self._end(visit, None)
            self._connection.close()
        finally:
            self._end(visit, None)

    async def _answer(self, visit: OpenVisit, treatment: Treatment) -> None:
        status, body = treatment.status, treatment.body
        has_body = status not in (204, 304)
        headers = httputil.HTTPHeaders(HEADERS | treatment.headers)
        if has_body:
            kind = "html" if body.lstrip().startswith(b"<") else "plain"
            headers["Content-Type"] = f"text/{kind}; charset=utf-8"
            headers["Content-Length"] = str(len(body))
        if self._is_beyond:
            headers["Connection"] = "close"
        start = httputil.ResponseStartLine("HTTP/1.1", status, _name(status))
        pieces = [body] if has_body and self._start_line.method != "HEAD" else []
        if treatment.drip and pieces:
            pieces = _cut(body)
            pause = treatment.drip / len(pieces)
            await self._connection.write_headers(start, headers)
            for piece in pieces[:-1]:
                await asyncio.sleep(pause)
                await self._connection.write(piece)
            await asyncio.sleep(pause)
            self._end(visit, status)
            written = self._connection.write(pieces[-1])
        else:
            # First the log: whoever has the answer may read it at once.
            self._end(visit, status)
            written = self._connection.write_headers(start, headers, b"".join(pieces))
        self._connection.finish()
        await written
        if self._is_beyond:
            self._connection.close()

    def _end(self, visit: OpenVisit, status: int | None) -> None:
        self._desk.book.end(visit, status, self._desk.now())

    def _has_left(self) -> bool:
        """Tell if the client has closed its end, although the loop has not come to hear of it."""
        own: socket.socket | None = self._stream.socket
        if self._stream.closed() or own is None:
            return True
        try:
            return own.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True


def _name(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _cut(body: bytes) -> list[bytes]:
    size = max(1, -(-len(body) // DROPS))
    return [body[at : at + size] for at in range(0, len(body), size)] or [b""]
