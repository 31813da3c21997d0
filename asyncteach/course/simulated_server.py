"""A server for graders, without sockets: it answers in virtual time, the same on every machine."""

import asyncio
import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

ADDRESS = "http://127.0.0.1:9"
"""Where nothing listens: a request that isn't made with the server's client is refused at once."""


@dataclass
class SimulatedVisit:
    """One request: when it began and ended, and its status, None where there was no answer."""

    path: str
    start: float
    end: float = math.nan
    status: int | None = None
    retry_after: int = 0


class SimulatedServer:
    """Pages behind an `httpx.AsyncClient`: slow, limited, and failing where it is asked to.

    `rate=(6, 1.0)`: more than 6 requests within a second are answered 429, with `Retry-After`.
    `drop`, `fail` and `hang` say how often a path gets no answer, gets a 500, or never ends.
    """

    def __init__(
        self,
        pages: Mapping[str, str],
        *,
        latency: float,
        rate: tuple[int, float] | None = None,
        drop: Collection[str] = (),
        fail: Mapping[str, float] | None = None,
        hang: Mapping[str, float] | None = None,
    ) -> None:
        self.log: list[SimulatedVisit] = []
        self.most_at_once = 0
        self._pages = pages
        self._latency = latency
        self._rate = rate
        self._left = {"drop": dict.fromkeys(drop, 1.0), "fail": fail or {}, "hang": hang or {}}
        self._accepted: list[float] = []
        self._visits: Counter[str] = Counter()
        self._open = 0

    def client(self) -> Any:
        """Return a client for it; it has no timeout and opens as many connections as asked for."""
        import httpx

        transport = httpx.MockTransport(self._answer)
        return httpx.AsyncClient(transport=transport, base_url=ADDRESS, timeout=None)

    async def _answer(self, request: Any) -> Any:
        import httpx

        clock = asyncio.get_running_loop().time
        visit = SimulatedVisit(request.url.path, clock())
        self.log.append(visit)
        self._open += 1
        self.most_at_once = max(self.most_at_once, self._open)
        try:
            async with asyncio.timeout(request.extensions["timeout"]["read"]):
                text = await self._find_answer(visit)
        except TimeoutError:
            raise httpx.ReadTimeout("no answer in time", request=request) from None
        finally:
            self._open -= 1
            visit.end = clock()
        if visit.status is None:
            raise httpx.RemoteProtocolError("the connection was closed", request=request)
        headers = {"Retry-After": str(visit.retry_after)} if visit.retry_after else {}
        return httpx.Response(visit.status, headers=headers, text=text)

    async def _find_answer(self, visit: SimulatedVisit) -> str:
        """Take the time that the answer takes, and return its text."""
        if self._rate is not None:
            most, seconds = self._rate
            recent = [at for at in self._accepted if at > visit.start - seconds]
            if len(recent) >= most:
                visit.status = 429
                visit.retry_after = math.ceil(recent[-most] + seconds - visit.start)
                return "Too many requests"
        self._accepted.append(visit.start)
        self._visits[visit.path] += 1
        fault = next((f for f, m in self._left.items() if self._is_due(m, visit.path)), None)
        if fault == "hang":
            await asyncio.Event().wait()
        # Some answers take longer than others, so they come in another order.
        await asyncio.sleep(self._latency * (1 + 7 * len(self.log) % 10 / 20))
        if fault == "drop":
            return ""
        if fault == "fail":
            visit.status = 500
            return "Internal server error"
        visit.status = 200 if visit.path in self._pages else 404
        return self._pages.get(visit.path, "Not found")

    def _is_due(self, faults: Mapping[str, float], path: str) -> bool:
        return self._visits[path] <= faults.get(path, 0)
