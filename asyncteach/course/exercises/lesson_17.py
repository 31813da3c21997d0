"""The exercise of lesson 17, the capstone: a crawler, on servers that get worse and worse."""

import asyncio
import math
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import exercise, grade_in_turn
from asyncteach.course.server.behaviour import make_site
from asyncteach.course.server.simulated_server import SimulatedServer


@exercise(
    "the crawler",
    lesson=17,
    starter="""\
async def crawl(client, start, most=10, show=None): ...
""",
    task="Write `crawl` so that it gets every page of a site, politely, whatever the server does",
)
async def grade_crawler(crawl: Any) -> Check:
    """An easy site, a stop, a bad day, a page that hangs, and two hundred pages with all of it."""
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

        verdict = await check(run_with_client, virtual=True, name="crawl")
        self.verdict = _explain_stop(verdict) if verdict.stopped else verdict

    def judge_pages(self, wanted: dict[str, str], when: str, hint: str, stronger: str) -> Check:
        """Judge if it returns what can be had, and has got each page only once."""
        value = self.verdict.value
        pages = value if isinstance(value, dict) else {}
        missing = [path for path in wanted if path not in pages]
        got = Counter(visit.path for visit in self.server.log if visit.status == 200)
        twice = [path for path, number in got.items() if number > 1]
        some = f"{len(missing)} are missing, {missing[0]} for example" if missing else ""
        return (
            self.verdict.that(
                isinstance(value, dict),
                "crawl returns a dictionary with its pages",
                hint="is there a return at the end of crawl, and what does it return?",
                stronger="keep each page as `pages[path] = text`, and `return pages` at the end.",
            )
            .that(
                bool(self.server.log),
                "it asks the server for pages",
                hint="the server has seen no request: each has to be made with `client`.",
                stronger="`await client.get(path)` asks the server; `httpx2.get` doesn't know it, "
                "and blocks the loop.",
            )
            .that(
                not missing,
                f"all {len(wanted)} pages are there {when}",
                hint=f"{some}. {hint}",
                stronger=f"{some}. {stronger}",
            )
            .that(
                pages == wanted,
                f"each path has the text of its page {when}, and nothing else is there",
                hint="which answers are pages? Only those with the status 200.",
                stronger="keep `response.text` and only if `response.status_code == 200`; "
                "what has failed five times is left out.",
            )
            .that(
                not twice,
                "each page is got once",
                hint=f"{len(twice)} were got more than once. Two pages may have a link to the same "
                "one: where is noted what is known?",
                stronger="note a link as known when you put it into the queue, not when it's done.",
            )
        )

    def judge_limit(self, most: int) -> Check:
        """Judge if it was polite."""
        return self.verdict.that(
            self.server.most_at_once <= most,
            f"there are never more than {most} requests open at once",
            hint=f"the server has seen {self.server.most_at_once} at once. What keeps the next "
            "request from starting?",
            stronger="start `most` workers that take from a queue, or `async with` a "
            "Semaphore(most) around each request.",
        )

    def shortest_pause(self, status: int | None = None) -> float:
        """Return how long it was at least from a failed visit to the next to the same page."""
        ended: dict[str, float] = {}
        pauses = [math.inf]
        for visit in self.server.log:
            if visit.path in ended:
                pauses.append(visit.start - ended.pop(visit.path))
            if visit.status != 200 and status in (None, visit.status):
                ended[visit.path] = visit.end
        return min(pauses)


def _explain_stop(verdict: Check) -> Check:
    """Say of a crawler that had to be stopped which worker failed: the others wait for it."""
    for row in verdict.recording.trace.rows:
        if row.outcome.startswith("raised "):
            error = row.outcome.removesuffix(".")
            return check(verdict.recording, name="crawl").that(
                False,
                f"crawl comes to an end: it had to be stopped since {row.label} {error}",
                hint="what waits for the work of this task waits for ever.",
                stronger="should the error be caught in the task, or is it a mistake in it? A "
                "TaskGroup would have raised it, where create_task alone keeps it quiet.",
                task=row.label,
            )
    return verdict


async def _crawl_easy_site(crawl: Any) -> Check:
    site = make_site(30, seed=11)
    run = _CrawlerRun(site)
    await run.crawl(crawl)
    run.judge_pages(
        site,
        "from an easy site",
        "are all links of a page followed, and does it wait for the last page?",
        "queue.join() is over when all is done.",
    )
    done = [now[0] for now in run.shown]
    return (
        run.judge_limit(10)
        .that(
            run.server.most_at_once >= 4,
            "it fetches several pages at the same time",
            hint=f"there was never more than {run.server.most_at_once} request open: which one "
            "waits for which?",
            stronger="one task alone fetches one page after another; `most` workers can do more. "
            "Each request has to be awaited.",
        )
        .that(
            len(done) >= 30 and run.shown[-1] == (30, 30) and done == sorted(done),
            "show is called after each page: how many it has, and of how many it knows",
            hint=f"on a site of 30 pages it was called {len(done)} times, and the last call has "
            "to be show(30, 30).",
            stronger="after each page: `show(len(pages), len(known))`, if show is not None.",
        )
        .nothing_left_running()
    )


async def _stop_crawling(crawl: Any) -> Check:
    # It is stopped while requests are open and no answer comes: Python 3.11's wait_for() loses
    # a cancellation that comes at the same moment as an answer.
    site = make_site(60, seed=12)
    first = re.findall('href="([^"]+)"', site["/"])[0]
    run = _CrawlerRun(site, hang={first: math.inf})
    done = False

    async def main(client: Any) -> bool:
        nonlocal done
        crawling = asyncio.create_task(crawl(client, "/", 10, None), name="crawl")
        await asyncio.sleep(0.315)
        crawling.cancel()
        await asyncio.wait([crawling], timeout=1)
        done = crawling.done()
        return crawling.cancelled()

    await run.run(main)
    return (
        run.verdict.that(
            done,
            "it ends within a second when it is cancelled",
            hint="which of your `except` could catch a CancelledError?",
            stronger="a bare `except:` and `except BaseException:` take a cancellation for a "
            "failure: name those that you mean. Python 3.11's `asyncio.wait_for` may lose one, "
            "too; `asyncio.timeout` doesn't.",
        )
        .that(
            run.verdict.value is True,
            "it ends as cancelled when it is cancelled",
            hint="the CancelledError has to come out of crawl.",
            stronger="clean up in `finally`, or `raise` at the end of the `except`.",
        )
        .nothing_left_running()
    )


async def _crawl_on_a_bad_day(crawl: Any) -> Check:
    site = make_site(25, seed=13)
    paths = list(site)
    run = _CrawlerRun(site, drop=[paths[4]], hang=[paths[9]], fail={paths[7]: 2})
    await run.crawl(crawl, 3)
    run.judge_pages(
        site,
        "when a connection is dropped, one hangs, and a page fails twice",
        "is a page tried again that didn't come in a second, or came with another status than 200?",
        "catch httpx2.TransportError and TimeoutError, look at `response.status_code`, and try up "
        "to five times.",
    )
    pause = run.shortest_pause()
    return run.judge_limit(3).that(
        pause >= 0.0999,
        "there is a pause of 0.1 seconds or more before a page is tried again",
        hint=f"it was tried again after {pause:.3g} s. A server on a bad day needs some time.",
        stronger="`await asyncio.sleep(0.1)` after a failure, and twice as long each time.",
    )


async def _crawl_with_a_limit(crawl: Any) -> Check:
    site = make_site(14, seed=16)
    run = _CrawlerRun(site, rate=(6, 1.0))
    await run.crawl(crawl)
    pause = run.shortest_pause(429)
    run.verdict.that(
        pause >= 0.999,
        "it waits for as long as Retry-After says",
        hint=f"the server has said 1 s with its status 429, and you waited for {pause:.3g} s.",
        stronger='`float(response.headers["Retry-After"])` seconds, if there is that header.',
    )
    return run.judge_pages(
        site,
        "from a server that answers 429 to those who ask too often",
        "429 is a failure, and the page is there when it is asked for again.",
        "try again what was answered 429, after as many seconds as Retry-After says.",
    )


async def _crawl_with_everything(crawl: Any) -> Check:
    """200 pages, and one more that never comes."""
    site = make_site(201, seed=15)
    paths = list(site)
    broken = next(path for path in reversed(paths) if _is_a_dead_end(site, path))
    run = _CrawlerRun(
        site,
        drop=paths[30:33],
        hang={paths[60]: 1},
        rate=(80, 1.0),
        fail={paths[90]: 1, paths[120]: 2, broken: math.inf},
    )
    await run.crawl(crawl)
    run.judge_pages(
        {path: text for path, text in site.items() if path != broken},
        "from a large site on a bad day",
        "the server answers 429 when it's too much, and one page fails each time.",
        "429 is a failure like others, with another pause; after five tries go on without a page.",
    )
    tries = sum(visit.path == broken for visit in run.server.log)
    return (
        run.judge_limit(10)
        .that(
            tries >= 5,
            "a page is tried five times before it is left out",
            hint=f"it was tried {tries} times.",
            stronger="`for attempt in range(5):` around the request.",
        )
        .nothing_left_running()
    )


def _is_a_dead_end(site: dict[str, str], path: str) -> bool:
    """Tell if all the other pages can be found without this one."""
    found, to_do = {"/"}, ["/"]
    while to_do:
        for link in re.findall('href="([^"]+)"', site[to_do.pop()]):
            if link != path and link not in found:
                found.add(link)
                to_do.append(link)
    return len(found) == len(site) - 1
