"""The exercise of lesson 9: several pages at once, and not more often than the server likes."""

from collections.abc import Mapping
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import as_list, exercise, grade_in_turn
from asyncteach.course.server.simulated_server import ADDRESS, SimulatedServer

_MOST = 5
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
    return (
        verdict.never_blocked(
            hint="is there a call that doesn't hand the loop back? Think of the client that "
            "doesn't await.",
            stronger="everything that waits has to be awaited: `client.get` as well as the pause.",
        )
        .that(
            not refused,
            "every page is fetched with `client`",
            hint="a request was made without it, and found no server.",
            stronger="`httpx2.get` blocks the loop until the answer is there: write "
            "`await client.get(url)`.",
        )
        .that(
            most <= _MOST,
            f"at most {_MOST} requests are open at once (the most were {most})",
            hint="what lets only a few in at a time? And do all tasks use the same one?",
            stronger="one asyncio.Semaphore(5) for all pages, made before the first task and held "
            "while a request is open.",
        )
        .that(
            most >= 3,
            f"several requests are open at once (the most were {most})",
            hint="what starts the second request, and when?",
            stronger="an await in a loop is one after another: start the pages with gather or a "
            "TaskGroup, and limit them.",
        )
        .that(
            not any(str(text).startswith("Too many requests") for text in texts),
            "no text is a refusal of the server",
            hint="look at `status_code`: is every answer a page?",
            stronger="after a 429 wait, and ask for the same page again, until it is there.",
        )
        .result(
            list(pages.values()),
            hint="it returns a list of the texts, in the order of the addresses.",
            stronger="gather returns results in the order of its arguments; `response.text` is "
            "the text of an answer.",
        )
        .that(
            not _came_early(server),
            "no page is asked for again before the time that the server said",
            hint=_came_early(server) or "how long should one wait after a 429?",
            stronger='the header "Retry-After" has the seconds: sleep for so long, in every round.',
        )
        .nothing_left_running()
    )


def _came_early(server: SimulatedServer) -> str:
    """Return a sentence on the first page that was asked for too early after a 429."""
    for number, visit in enumerate(server.log):
        later = [one for one in server.log[number + 1 :] if one.path == visit.path]
        if visit.status == 429 and later:
            waited = later[0].start - visit.end
            if waited < visit.retry_after - 1e-6:
                return (
                    f"{visit.path} was asked for again after {waited:.3g} s, and Retry-After "
                    f"was {visit.retry_after} s."
                )
    return ""
