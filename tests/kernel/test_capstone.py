"""The crawler of the capstone lesson in a real kernel: the stop button ends it, and all of it."""

import json
import re
from pathlib import Path

import pytest

from .harness import faults, live_kernel
from .watching import needs_signals

LESSON = Path(__file__).parents[2] / "notebooks" / "17-capstone-crawler.ipynb"


@pytest.fixture(scope="module")
def cells():
    """The cells of the lesson by their ids."""
    return {
        cell["id"]: "".join(cell["source"])
        for cell in json.loads(LESSON.read_text(encoding="utf-8"))["cells"]
    }


def solution(cells):
    """The crawler that is folded away in the lesson."""
    (source,) = re.findall(r"```python\n(.*?)```", cells["exercise-solution"], re.S)
    return source


OPEN = """
import threading, time
site = make_site(200, seed=4)
first = find_links(site["/"])[0]
# One page never comes, so one worker is always waiting in the middle of a request.
server = slow_server(latency=0.2, pages=site, hang={first: 99})
threads = set(threading.enumerate())
url = server.__enter__()
client = httpx2.AsyncClient(base_url=url, timeout=None, trust_env=False)
tell = lambda done, known: print(f"{done} pages", flush=True)
"""

CRAWL = """
began = time.monotonic()
try:
    await crawl(client, "/", 10, tell)
finally:
    lasted = time.monotonic() - began
"""

CLOSE = """
mine = [t for t in asyncio.all_tasks() if "17-capstone" in repr(t) or "visit_pages" in repr(t)]
await asyncio.sleep(1.5)
await client.aclose()
server.__exit__(None, None, None)
starts = [visit.start for visit in server.log]
print("left:", mine, [t.name for t in set(threading.enumerate()) - threads])
print("all:", len(starts) >= 200)
print("late:", sum(start - starts[0] > lasted + 1 for start in starts))
print("at once:", server.most_at_once)
"""


@needs_signals
def test_the_stop_button_ends_the_crawl_and_nothing_is_left(cells):
    """No worker goes on, no request begins after it, and the next cells run."""
    with live_kernel(cwd=LESSON.parent) as kernel:
        before = [cells["imports"], cells["find-links"], solution(cells), OPEN]
        assert faults(kernel.run_all(before)) == []
        crawling = kernel.run(CRAWL, interrupt_at="15 pages", timeout=60)
        assert crawling.error is not None
        assert crawling.error.ename in ("KeyboardInterrupt", "CancelledError")
        closing = kernel.run(CLOSE)
        assert closing.error is None, closing.error
        assert closing.stdout.splitlines() == [
            "left: [] []",
            "all: False",
            "late: 0",
            "at once: 10",
        ]
