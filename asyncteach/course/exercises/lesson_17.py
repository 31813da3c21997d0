"""Lesson 17, the capstone: a crawler, let loose on servers that get worse and worse."""

import asyncio
import math
import re
from typing import Any

from asyncteach.checks.check import Check
from asyncteach.course.exercises import exercise
from asyncteach.course.exercises.outing import Outing
from asyncteach.course.server.site import make_site

STARTER = """\
async def crawl(client, start, most=10, show=None): ...
"""


@exercise(
    "the crawler",
    lesson=17,
    starter=STARTER,
    task="Write `crawl` so that it gets every page of a site, politely, whatever the server does",
)
async def judge_crawler(crawl: Any) -> Check:
    """An easy site, a stop, a bad day, a page that hangs, and two hundred pages with all of it."""
    verdict = await _judge_easy_site(crawl)
    for judge in (_judge_stop, _judge_bad_day, _judge_limit, _judge_hang, _judge_everything):
        if not verdict.passed:
            break
        verdict = verdict.also(await judge(crawl))
    return verdict


async def _judge_easy_site(crawl: Any) -> Check:
    site = make_site(30, seed=11)
    outing = await Outing(site, latency=0.05).run(crawl)
    hint = "are all links of a page followed, and does it wait for the last page?"
    outing.judge_pages(site, "from an easy site", hint, "queue.join() is over when all is done.")
    return (
        outing.judge_limit(10)
        .that(
            # A blocking client has one open, and so has who awaits one page after another.
            outing.server.most_at_once >= 4,
            "it fetches several pages at the same time",
            hint=f"there was never more than {outing.server.most_at_once} request open: who waits "
            "for whom?",
            stronger="one task alone fetches one page after another; `most` workers can do more. "
            "Each request has to be awaited.",
        )
        .that(
            _is_progress(outing.shown, len(site)),
            "show is told after each page how many it has, and of how many it knows",
            hint="in the end it has to be told show(30, 30) on a site of 30 pages.",
            stronger="after each page: `show(len(pages), len(known))`, if show is not None.",
        )
        .nothing_left_running(
            hint="what do your workers do when everything is done?",
            stronger="cancel the workers after queue.join(), and wait for them: a TaskGroup does.",
        )
    )


def _is_progress(shown: list[tuple[int, int]], count: int) -> bool:
    done = [now[0] for now in shown]
    return len(shown) >= count and shown[-1] == (count, count) and done == sorted(done)


async def _judge_stop(crawl: Any) -> Check:
    site = make_site(60, seed=12)
    first = re.findall('href="([^"]+)"', site["/"])[0]
    # It is stopped while ten requests are open and no answer comes: Python 3.11's wait_for()
    # loses a cancellation that comes at the same moment as an answer.
    outing = Outing(site, latency=0.4, hang={first: math.inf})
    ended: list[bool] = []

    async def main(client: Any) -> bool:
        crawling = asyncio.create_task(crawl(client, "/", 10, None), name="crawl")
        await asyncio.sleep(0.65)
        crawling.cancel()
        await asyncio.wait([crawling], timeout=1)
        ended.append(crawling.done())
        await outing.note("/stopped")
        await asyncio.sleep(0.5)
        return crawling.cancelled()

    await outing.run_main(main)
    log = outing.server.log
    stopped = next((visit.start for visit in log if visit.path == "/stopped"), math.inf)
    late = [visit for visit in log if visit.start > stopped + 0.25]
    return (
        outing.verdict.that(
            ended == [True],
            "it ends within a second when it is cancelled",
            hint="which of your `except` could catch a CancelledError?",
            stronger="a bare `except:` and `except BaseException:` take a cancellation for a "
            "failure: name those that you mean. Python 3.11's `asyncio.wait_for` may lose one, "
            "too; `asyncio.timeout` doesn't.",
        )
        .that(
            outing.verdict.value is True,
            "whoever cancels it can tell that it was cancelled",
            hint="the CancelledError has to come out of crawl.",
            stronger="clean up in `finally`, or `raise` at the end of the `except`.",
        )
        .that(
            not late,
            "it asks for nothing more after it was cancelled",
            hint=f"it asked for {len(late)} more pages. Who stops the tasks that crawl started?",
            stronger="a TaskGroup cancels its tasks when it is cancelled itself.",
        )
        .nothing_left_running(
            hint="who stops the tasks that crawl has started?",
            stronger="a TaskGroup cancels its tasks when it is cancelled itself.",
        )
    )


async def _judge_bad_day(crawl: Any) -> Check:
    site = make_site(25, seed=13)
    paths = list(site)
    manners = {"drop": [paths[4]], "fail": {paths[7]: 2, paths[11]: 1}}
    outing = await Outing(site, latency=0.03, **manners).run(crawl, 3)
    outing.judge_pages(
        site,
        "when a connection is dropped and a page fails twice",
        "is a page tried again that didn't come, or came with another status than 200?",
        "catch httpx.TransportError, look at `response.status_code`, and try up to five times.",
    )
    return outing.judge_limit(3).that(
        # 0.03 for the answer and 0.1 for the pause, if there is one.
        min(outing.pauses(), default=1) >= 0.09,
        "there is a pause before a page is tried again",
        hint="a server on a bad day needs some time. Where does yours get it?",
        stronger="`await asyncio.sleep(0.1)` after a failure, and twice as long each time.",
    )


async def _judge_limit(crawl: Any) -> Check:
    """A site that no machine is too slow for to be asked too often."""
    site = make_site(14, seed=16)
    outing = await Outing(site, latency=0.02, rate=(6, 1.0)).run(crawl)
    outing.verdict.that(
        # The server says 1 second; a timer may ring a little early.
        min(outing.pauses(429), default=1) >= 0.9,
        "it waits for as long as Retry-After says",
        hint="what does the server say beside the status 429?",
        stronger='`float(response.headers["Retry-After"])` seconds, if there is that header.',
    )
    return outing.judge_pages(
        site,
        "from a server that answers 429 to whoever asks too often",
        "429 is a failure, and the page is there when it is asked for again.",
        "try again what was answered 429, after as many seconds as Retry-After says.",
    )


async def _judge_hang(crawl: Any) -> Check:
    site = make_site(12, seed=14)
    outing = await Outing(site, latency=0.03, hang=[list(site)[5]]).run(crawl, deadline=8)
    return outing.judge_pages(
        site,
        "when one of them hangs at its first visit",
        "a page that hung is to be tried again.",
        "catch TimeoutError where you catch the other failures.",
    )


async def _judge_everything(crawl: Any) -> Check:
    """200 pages, and one more that nobody gets."""
    site = make_site(201, seed=15)
    paths = list(site)
    broken = next(path for path in reversed(paths) if _is_a_dead_end(site, path))
    wanted = {path: text for path, text in site.items() if path != broken}
    manners = {"drop": paths[30:33], "hang": [paths[60]], "rate": (80, 1.0)}
    fail = {paths[90]: 1, paths[120]: 2, broken: math.inf}
    outing = await Outing(site, latency=0.03, fail=fail, **manners).run(crawl, deadline=40)
    outing.judge_pages(
        wanted,
        "from a large site on a bad day",
        "the server answers 429 when it's too much, and one page fails each time.",
        "429 is a failure like others, with another pause; after five tries go on without a page.",
    )
    tries = sum(visit.path == broken for visit in outing.server.log)
    return (
        outing.judge_limit(10)
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
