"""The exercise of lesson 9: several pages at once, and not more often than the server likes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import exercise
from asyncteach.course.server.slow_server import Visit, slow_server

MOST = 5
LATENCY = 0.25
_HELD = 0.24  # a blocking client holds the loop for all of the latency
_EARLY = 0.15  # seconds that it takes to say and to hear how long to wait


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
async def judge_polite_reader(fetch_all: Any) -> Check:
    """Change `fetch_all` so that at most 5 pages are fetched at once and all of them come."""
    towns = {f"/{name}": f"The weather in {name}.\n" for name in _TOWNS}
    verdict = await _read(fetch_all, towns, rate=None)
    if verdict.passed:  # and from a server that counts
        pages = {f"/{number}": f"Page {number}.\n" for number in range(12)}
        verdict.also(await _read(fetch_all, pages, rate=(8, 2.0)))
    return verdict


_TOWNS = ("Oslo", "Rome", "Lima", "Cork", "Bern", "Riga", "Pisa", "Graz")


async def _read(fetch_all: Any, pages: Mapping[str, str], rate: tuple[int, float] | None) -> Check:
    import httpx

    server = slow_server(latency=LATENCY, jitter=0.1, rate=rate, pages=pages)
    async with httpx.AsyncClient(trust_env=False, timeout=15) as client:
        with slow_server(latency=0) as other:
            await client.get(other)  # what httpx does once is not the answer's
        with server as url:

            async def read() -> Any:
                texts = await fetch_all(client, [url + path for path in pages])
                return list(texts) if isinstance(texts, tuple) else texts

            verdict = await check(read, deadline=12, name="fetch_all")
    log, texts = server.log, verdict.value if isinstance(verdict.value, list) else []
    return (
        verdict.never_blocked(
            _HELD,
            hint="is there a call that doesn't hand the loop back? Think of the client that "
            "doesn't await.",
            stronger="everything that waits has to be awaited: `client.get` as well as the pause.",
        )
        .that(
            server.most_at_once <= MOST,
            f"at most {MOST} requests are open at once (the most were {server.most_at_once})",
            hint="what lets only a few in at a time? And do all tasks use the same one?",
            stronger="one asyncio.Semaphore(5) for all pages, made before the first task and held "
            "while a request is under way.",
        )
        .that(
            server.most_at_once >= 3,
            f"several requests are open at once (the most were {server.most_at_once})",
            hint="what starts the second request, and when?",
            stronger="an await in a loop is one after another: start the pages with gather or a "
            "TaskGroup, and bound them.",
        )
        .that(
            not any(_is_refusal(text) for text in texts),
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
            rate is None or not _find_early(log, *rate),
            "nobody came back before the time that the server had said",
            hint="how long should one wait after a 429?",
            stronger='the header "Retry-After" has the seconds: sleep for so long, in every round.',
        )
        .nothing_left_running()
    )


def _is_refusal(text: Any) -> bool:
    return isinstance(text, str) and text.startswith("Too many requests")


def _find_early(log: Sequence[Visit], most: int, seconds: float) -> list[Visit]:
    """Return the visits of pages that came back before the time that was said."""
    found = []
    for number, visit in enumerate(log):
        if visit.status != 429:
            continue
        answered = [one.start for one in log[:number] if one.status != 429]
        wait = math.ceil(answered[-most] + seconds - visit.start)
        later = [one for one in log[number + 1 :] if one.path == visit.path]
        if later and later[0].start < visit.end + wait - _EARLY:
            found.append(later[0])
    return found
