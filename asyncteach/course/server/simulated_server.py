"""The slow server without sockets, for graders: it answers in virtual time."""

import asyncio
from typing import Any

from asyncteach.course.server.behaviour import Behaviour, Server

ADDRESS = "http://127.0.0.1:9"
"""No server listens here: a request without the simulated client is refused at once."""


class SimulatedServer(Server):
    """The pages of `slow_server(...)`, with its keywords, behind an `httpx2.AsyncClient`."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self._behaviour = Behaviour(**options)

    def client(self) -> Any:
        """Return a client for this server, without a timeout and without a limit of connections."""
        import httpx2

        transport = httpx2.MockTransport(self._answer)
        return httpx2.AsyncClient(transport=transport, base_url=ADDRESS, timeout=None)

    async def _answer(self, call: Any) -> Any:
        import httpx2

        now = asyncio.get_running_loop().time
        request = self.begin(call.url.path, now())
        answer = self._behaviour.choose_answer(request.path, request.start)
        given = None
        try:
            async with asyncio.timeout(call.extensions["timeout"]["read"]):
                if answer.fault == "hang":
                    await asyncio.Event().wait()
                if answer.latency:
                    await asyncio.sleep(answer.latency)
            if not answer.fault:
                given = answer
        except TimeoutError:
            raise httpx2.ReadTimeout("no answer in time", request=call) from None
        finally:
            self.end(request, now(), given)
        if given is None:
            raise httpx2.RemoteProtocolError("the connection was closed", request=call)
        headers = {"Retry-After": str(answer.retry_after)} if answer.retry_after else {}
        return httpx2.Response(answer.status, headers=headers, content=answer.body)
