"""The thread and the event loop that a server lives in, from its opening to its end."""

import _thread
import asyncio
import contextlib
import os
import socket
import sys
from typing import Any

from asyncteach.course.server.manners import Manners
from asyncteach.course.server.visits import VisitBook

BACKLOG = 256
WAIT = 0.1


class House:
    """An open server. Close it: its thread keeps it alive.

    The thread is a bare one with a bare lock: an interrupt inside `Thread.start` or an Event would
    leave those half done. It has a context of its own, so no recording and no virtual clock of who
    has opened it can see it.
    """

    def __init__(self, manners: Manners, most: int, patience: float) -> None:
        self.book = VisitBook()
        self.error: BaseException | None = None
        """What has gone wrong in the server itself."""
        self._manners, self._most, self._patience = manners, most, patience
        self._process = os.getpid()
        self._thread: int | None = None
        self._alive = _thread.allocate_lock()  # held by the thread
        self._stop: asyncio.Event | None = None
        self._loop: Any = None
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._is_closed = False

    def open(self) -> str:
        """Begin to serve; return the address."""
        self._socket.setblocking(False)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(BACKLOG)  # from now on whoever connects is heard
        port = self._socket.getsockname()[1]
        self._stop = asyncio.Event()
        self._loop = asyncio.SelectorEventLoop()
        self._alive.acquire()
        try:
            _thread.start_new_thread(self._run, ())
        except BaseException:
            if self._thread is None:
                self._alive.release()
            raise
        return f"http://127.0.0.1:{port}"

    def close(self) -> None:
        """End it, with all that is open, and wait until it has gone; may be called again."""
        if self._is_closed:
            return
        if self._process != os.getpid():  # in a forked child there is no such thread
            self._socket.close()
        elif self._loop is not None and self._stop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                self._loop.call_soon_threadsafe(self._stop.set)
            # The garbage collector may have called from the very thread.
            if self._thread != _thread.get_ident():
                while not self._alive.acquire(timeout=WAIT):
                    if sys.is_finalizing():  # then threads stand still for ever
                        break
                else:
                    self._alive.release()
        self._socket.close()
        self._is_closed = True

    def _run(self) -> None:
        self._thread = _thread.get_ident()
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:
            self.error = error
        finally:
            self._put_away()
            self._alive.release()

    async def _serve(self) -> None:
        from tornado.ioloop import IOLoop

        from asyncteach.course.server import desk

        assert self._stop is not None
        self._tornado = IOLoop.current()
        server = desk.Desk(
            lambda request: None,
            max_header_size=desk.MOST_HEADER_BYTES,
            max_body_size=desk.MOST_READ_BYTES,
            max_buffer_size=2 * desk.MOST_READ_BYTES,
            body_timeout=self._patience,
            idle_connection_timeout=self._patience,
        )
        server.prepare(self._manners, self.book, self._most, self._patience)
        try:
            server.add_socket(self._socket)
            await self._stop.wait()
        finally:
            await server.leave()

    def _put_away(self) -> None:
        """Close the loop with all that is left on it, and let Tornado forget it."""
        try:
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            if left:
                self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        except BaseException as error:
            self.error = self.error or error
        finally:
            with contextlib.suppress(Exception):
                self._tornado.close()
            self._loop.close()
