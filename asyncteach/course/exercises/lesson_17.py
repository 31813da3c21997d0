"""The exercise of lesson 17, the capstone: a crawler, on servers that get worse and worse."""

import math
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.checks.results import show
from asyncteach.course.exercises import end_of, exercise, find_retries, grade_in_turn
from asyncteach.course.server.behaviour import make_site
from asyncteach.course.server.simulated_server import SimulatedServer
from asyncteach.formatting import join_words


@exercise(
    "the crawler",
    lesson=17,
    starter="""\
async def crawl(client, start, most=10, show=None): ...
""",
    stronger="`most` workers take paths from a queue; a link is noted as known when it is queued. "
    "Around a request stand `asyncio.timeout(1)`, `except (httpx2.TransportError, TimeoutError)` "
    "and a loop of five tries, each with its pause; a page has the status 200. When "
    "`queue.join()` is over, cancel the workers and await them.",
)
async def grade_crawler(crawl: Any) -> Check:
    """Write `crawl` so that it gets every page of a site, politely, whatever the server does."""
    return await grade_in_turn(
        _crawl_easy_site(crawl),
        _stop_crawling(crawl),
        _crawl_on_a_bad_day(crawl),
        _crawl_with_a_limit(crawl),
        _crawl_with_everything(crawl),
    )


class _CrawlerRun:
    """One crawler on one server, and what became of it."""

    def __init__(self, site: dict[str, str], **faults: Any) -> None:
        self.server = SimulatedServer(pages=site, latency=0.1, jitter=0.05, **faults)
        self.shown: list[tuple[int, int]] = []
        self.verdict: Check

    async def crawl(self, crawl: Any, most: int = 10) -> None:
        """Let it crawl the whole site."""
        await self.run(lambda client: crawl(client, "/", most, lambda *now: self.shown.append(now)))

    async def run(self, main: Callable[[Any], Any]) -> None:
        """Check what `main(client)` does."""

        async def run_with_client() -> Any:
            async with self.server.client() as client:
                return await main(client)

        self.verdict = await check(run_with_client, virtual=True, name="crawl")

    def judge_pages(self, wanted: dict[str, str], when: str, most: int, hint: str) -> Check:
        """Judge whether it was polite, returned all pages there are, and fetched each only once."""
        value, open_at_once = self.verdict.value, self.server.most_at_once
        pages = value if isinstance(value, dict) else {}
        missing = [path for path in wanted if path not in pages]
        got = Counter(request.path for request in self.server.log if request.status == 200)
        twice = [path for path, number in got.items() if number > 1]
        return (
            self.verdict.that(
                isinstance(value, dict),
                "crawl returns a dictionary with its pages",
                hint=f"It returned {show(value)}.",
            )
            .that(
                bool(self.server.log),
                "it asks the server for pages",
                hint="The server has seen no request: each has to be made with `client`.",
            )
            .that(
                not missing,
                f"all {len(wanted)} pages are there {when}",
                hint=f"Missing: {join_words(missing)}. {hint}",
            )
            .that(
                pages == wanted,
                f"each path has the text of its page {when}, and nothing else is there",
                hint="Which answers are pages? Only those with the status 200.",
            )
            .that(
                not twice,
                "each page is fetched once",
                hint=f"Fetched more than once: {join_words(twice)}. Two pages may link to the same "
                "one: where do you note which pages are known?",
            )
            .that(
                open_at_once <= most,
                f"there are never more than {most} requests open at once",
                hint=f"The server has seen {open_at_once} at once. What keeps the next request "
                "from starting?",
            )
        )

    def shortest_pause(self, status: int | None = None) -> float:
        """Return the shortest time from a failure, with that status, to the next try."""
        pauses = [
            pause
            for request, pause in find_retries(self.server)
            if status in (None, request.status)
        ]
        return min(pauses, default=math.inf)


async def _crawl_easy_site(crawl: Any) -> Check:
    site = make_site(30, seed=11)
    run = _CrawlerRun(site)
    await run.crawl(crawl)
    done = [now[0] for now in run.shown]
    return (
        run.judge_pages(
            site,
            "from an easy site",
            10,
            "are all links of a page followed, and does it wait for the last page?",
        )
        .that(
            run.server.most_at_once >= 4,
            "it fetches several pages at the same time",
            hint=f"The most requests open at once were {run.server.most_at_once}: which one waits "
            "for which?",
        )
        .that(
            len(done) >= 30 and run.shown[-1] == (30, 30) and done == sorted(done),
            "show is called after each page: how many it has, and of how many it knows",
            hint=f"On a site of 30 pages it was called {len(done)} times, and the last call has "
            "to be show(30, 30).",
        )
        .nothing_left_running()
    )


async def _stop_crawling(crawl: Any) -> Check:
    # It is stopped while requests are open and no answer comes: Python 3.11's wait_for() loses
    # a cancellation that comes at the same moment as an answer.
    site = make_site(60, seed=12)
    first = re.findall('href="([^"]+)"', site["/"])[0]
    run = _CrawlerRun(site, hang={first: math.inf})

    async def main(client: Any) -> str:
        return await end_of(crawl(client, "/", 10, None), cancel_after=0.315, name="crawl")

    await run.run(main)
    lasted = run.verdict.recording.seconds - 0.315
    return run.verdict.that(
        run.verdict.value == "was cancelled" and lasted < 1,
        "it ends as cancelled, within a second, when it is cancelled",
        hint=f"{lasted:.3g} s after cancel() it {run.verdict.value}. Which `except` catches a "
        "CancelledError? Python 3.11's `asyncio.wait_for` may lose one, too; "
        "`asyncio.timeout` doesn't.",
    ).nothing_left_running()


async def _crawl_on_a_bad_day(crawl: Any) -> Check:
    site = make_site(25, seed=13)
    paths = list(site)
    run = _CrawlerRun(site, drop=[paths[4]], hang=[paths[9]], fail={paths[7]: 2})
    await run.crawl(crawl, 3)
    pause = run.shortest_pause()
    return run.judge_pages(
        site,
        "when a connection is dropped, one hangs, and a page fails twice",
        3,
        "is a page tried again that didn't come in a second, or came with another status than 200?",
    ).that(
        pause >= 0.0999,
        "there is a pause of 0.1 seconds or more before a page is tried again",
        hint=f"It was tried again after {pause:.3g} s. A server on a bad day needs some time.",
    )


async def _crawl_with_a_limit(crawl: Any) -> Check:
    site = make_site(14, seed=16)
    run = _CrawlerRun(site, rate=(6, 1.0))
    await run.crawl(crawl)
    pause = run.shortest_pause(429)
    run.verdict.that(
        pause >= 0.999,
        "it waits for as long as Retry-After says",
        hint=f"The server has said 1 s with its status 429, and you waited for {pause:.3g} s.",
    )
    return run.judge_pages(
        site,
        "from a server that answers 429 to those who ask too often",
        10,
        "429 is a failure, and the page is there when it is asked for again.",
    )


async def _crawl_with_everything(crawl: Any) -> Check:
    """200 pages, and a last one that never comes: all others can be found without it."""
    site = make_site(201, seed=15)
    *paths, broken = site
    run = _CrawlerRun(
        site,
        drop=paths[30:33],
        hang={paths[60]: 1},
        rate=(80, 1.0),
        fail={paths[90]: 1, paths[120]: 2, broken: math.inf},
    )
    await run.crawl(crawl)
    tries = sum(request.path == broken for request in run.server.log)
    return (
        run.judge_pages(
            {path: text for path, text in site.items() if path != broken},
            "from a large site on a bad day",
            10,
            "the server answers 429 when it's too much, and one page fails each time.",
        )
        .that(
            tries >= 5,
            "a page is tried five times before it is left out",
            hint=f"Tries: {tries}.",
        )
        .nothing_left_running()
    )
