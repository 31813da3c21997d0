"""The slow server without sockets, for graders: it answers in virtual time."""

import asyncio
import math
from dataclasses import dataclass
from typing import Any

from asyncteach.course.server.behaviour import Answer, Behaviour

ADDRESS = "http://127.0.0.1:9"
"""No server listens here: a request without the simulated client is refused at once."""


@dataclass
class SimulatedVisit:
    """One request: when it began and ended, and its status, or None if there was no answer."""

    path: str
    start: float
    end: float = math.nan
    status: int | None = None
    retry_after: int = 0


class SimulatedServer:
    """The pages of `slow_server(...)`, with its keywords, behind an `httpx2.AsyncClient`."""

    def __init__(self, **options: Any) -> None:
        self.log: list[SimulatedVisit] = []
        self.most_at_once = 0
        self._behaviour = Behaviour(**options)
        self._open = 0

    def client(self) -> Any:
        """Return a client for this server, without a timeout and without a limit of connections."""
        import httpx2

        transport = httpx2.MockTransport(self._answer)
        return httpx2.AsyncClient(transport=transport, base_url=ADDRESS, timeout=None)

    async def _answer(self, request: Any) -> Any:
        import httpx2

        clock = asyncio.get_running_loop().time
        visit = SimulatedVisit(request.url.path, clock())
        self.log.append(visit)
        self._open += 1
        self.most_at_once = max(self.most_at_once, self._open)
        answer = self._behaviour.choose_answer(visit.path, visit.start)
        try:
            async with asyncio.timeout(request.extensions["timeout"]["read"]):
                await _wait_for(answer)
        except TimeoutError:
            raise httpx2.ReadTimeout("no answer in time", request=request) from None
        finally:
            self._open -= 1
            visit.end = clock()
        if answer.fault:
            raise httpx2.RemoteProtocolError("the connection was closed", request=request)
        visit.status, visit.retry_after = answer.status, answer.retry_after
        headers = {"Retry-After": str(answer.retry_after)} if answer.retry_after else {}
        return httpx2.Response(answer.status, headers=headers, content=answer.body)


async def _wait_for(answer: Answer) -> None:
    if answer.fault == "hang":
        await asyncio.Event().wait()
    if answer.latency:
        await asyncio.sleep(answer.latency)
