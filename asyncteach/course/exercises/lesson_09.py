"""The exercise of lesson 9: several pages at once, and not more often than the server likes."""

from collections.abc import Mapping
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import as_list, exercise, find_retries, grade_in_turn
from asyncteach.course.server.simulated_server import ADDRESS, SimulatedServer

_TOWNS = ("Oslo", "Rome", "Lima", "Cork", "Bern", "Riga", "Pisa", "Graz")


@exercise(
    "the polite reader",
    lesson=9,
    starter="""\
async def fetch_all(client, urls):
    texts = []
    for url in urls:
        response = await client.get(url)
        texts.append(response.text)
    return texts
""",
    stronger="One asyncio.Semaphore(5), made before the tasks and shared by all, is held while a "
    "request is open; after a 429 sleep for the seconds of `Retry-After` and ask again, in a loop.",
)
async def grade_polite_reader(fetch_all: Any) -> Check:
    """Change `fetch_all` so that at most 5 pages are fetched at once and all of them come."""
    towns = {f"/{name}": f"The weather in {name}.\n" for name in _TOWNS}
    pages = {f"/{number}": f"Page {number}.\n" for number in range(12)}
    return await grade_in_turn(
        _read(fetch_all, towns, rate=None), _read(fetch_all, pages, rate=(8, 2.0))
    )


async def _read(fetch_all: Any, pages: Mapping[str, str], rate: tuple[int, float] | None) -> Check:
    import httpx2

    server = SimulatedServer(pages=pages, latency=0.25, jitter=0.1, rate=rate)
    refused: list[str] = []

    async def read() -> Any:
        async with server.client() as client:
            try:
                return as_list(await fetch_all(client, [ADDRESS + path for path in pages]))
            except httpx2.ConnectError as error:
                refused.append(str(error))

    verdict = await check(read, virtual=True, name="fetch_all")
    texts = verdict.value if isinstance(verdict.value, list) else []
    most = server.most_at_once
    early = [
        f"{request.path} was asked for again after {pause:.3g} s, expected {request.retry_after} s"
        for request, pause in find_retries(server)
        if pause < request.retry_after - 1e-6
    ]
    return (
        verdict.never_blocked(
            hint="Is there a call that doesn't hand the loop back? Think of the client that "
            "doesn't await."
        )
        .that(
            not refused,
            "every page is fetched with `client`",
            hint="A request was made without it, and found no server.",
        )
        .that(
            3 <= most <= 5,
            "several requests are open at once, and at most 5",
            hint=f"The most were {most}. What starts the second request, and what lets only a few "
            "in at a time?",
        )
        .that(
            not any(str(text).startswith("Too many requests") for text in texts),
            "no text is a refusal of the server",
            hint="Look at `status_code`: is every answer a page?",
        )
        .result(list(pages.values()))
        .that(
            not early,
            "no page is asked for again before the time that the server said",
            hint=f"{early[0]}." if early else "",
        )
        .nothing_left_running()
    )
