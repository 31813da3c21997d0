"""A site to crawl: pages that link to each other, all reachable from the first."""

import math
import random
from html import escape

from asyncteach.arguments import check_whole

__all__ = ["make_site"]

MOST_PAGES = 20_000
MOST_LINKS = 6

# fmt: off
WORDS = (
    "amber", "basil", "cedar", "delta", "ember", "fjord", "grove", "hazel", "inlet", "juniper",
    "kelp", "larch", "meadow", "nectar", "olive", "pebble", "quartz", "reed", "sorrel", "thistle",
    "umber", "violet", "willow", "yarrow",
)
# fmt: on


def make_site(count: int = 200, *, seed: int = 0) -> dict[str, str]:
    """Return a site to crawl: `count` pages of HTML by path, for `slow_server(pages=...)`.

    The first page is "/", and every other page can be reached from it. Pages link forward, back,
    to themselves, and sometimes twice to the same page. The same `seed` gives the same site.
    Raises TypeError or ValueError for a wrong count or seed.

    >>> site = make_site(3)
    >>> len(site), list(site)[0], site["/"].count("<a href=") > 0
    (3, '/', True)
    """
    __tracebackhide__ = True
    check_whole(count, "make_site(count=...)", most=MOST_PAGES, fix="write it as in make_site(200)")
    check_whole(seed, "make_site(seed=...)", least=-math.inf)
    chance = random.Random(f"site {seed}")
    paths = ["/", *(f"/{chance.choice(WORDS)}-{number}" for number in range(1, count))]
    links: list[list[int]] = [[] for _ in paths]
    for number in range(1, count):
        # From any earlier page in the second half: neither a chain nor a star.
        links[chance.randrange(max(0, number // 2 - 5), number)].append(number)
    for number, own in enumerate(links):
        for _ in range(chance.randrange(1, MOST_LINKS)):
            own.append(
                chance.randrange(count)
            )  # back, forward, to itself, or twice to the same page
        chance.shuffle(own)
        links[number] = own
    return {path: _write(path, [paths[n] for n in links[i]]) for i, path in enumerate(paths)}


def _write(path: str, links: list[str]) -> str:
    title = "Start" if path == "/" else path.removeprefix("/").replace("-", " ")
    items = "\n".join(f'<li><a href="{escape(one)}">{escape(one)}</a></li>' for one in links)
    return (
        "<!DOCTYPE html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title></head>\n'
        f"<body><h1>{escape(title)}</h1>\n<ul>\n{items}\n</ul></body></html>\n"
    )
