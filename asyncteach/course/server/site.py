"""A site to crawl: pages that link to each other, all of them to be found from the first."""

import random
from html import escape

MOST_LINKS = 6

# fmt: off
WORDS = (
    "amber", "basil", "cedar", "delta", "ember", "fjord", "grove", "hazel", "inlet", "juniper",
    "kelp", "larch", "meadow", "nectar", "olive", "pebble", "quartz", "reed", "sorrel", "thistle",
    "umber", "violet", "willow", "yarrow",
)
# fmt: on


def build(count: int, seed: int) -> dict[str, str]:
    """Return `count` pages by path: each is linked from an earlier one, and others across."""
    chance = random.Random(f"site {seed}")
    paths = ["/", *(f"/{chance.choice(WORDS)}-{number}" for number in range(1, count))]
    links: list[list[int]] = [[] for _ in paths]
    for number in range(1, count):
        # Not from the last ones alone, which would be a chain, nor all from the first.
        links[chance.randrange(max(0, number // 2 - 5), number)].append(number)
    for number, own in enumerate(links):
        for _ in range(chance.randrange(1, MOST_LINKS)):
            own.append(chance.randrange(count))  # back, ahead, to itself, twice to the same
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
