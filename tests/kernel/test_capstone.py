"""The crawler of the capstone lesson in a real kernel: the stop button ends it, and all of it."""

import re
from pathlib import Path

from .harness import cells_of, faults, live_kernel, needs_signals

LESSON = Path(__file__).parents[2] / "notebooks" / "17-capstone-crawler.ipynb"

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
CLOSED = ["left: [] []", "all: False", "late: 0", "at once: 10"]


@needs_signals
def test_the_stop_button_ends_the_crawl_and_nothing_is_left():
    """No worker goes on, no request begins after it, and the next cells run."""
    cells = {name: "".join(cell["source"]) for name, cell in cells_of(LESSON).items()}
    # The crawler that is folded away in the lesson.
    (solution,) = re.findall(r"```python\n(.*?)```", cells["exercise-solution"], re.S)
    with live_kernel(cwd=LESSON.parent) as kernel:
        assert faults(kernel.run_all([cells["imports"], cells["find-links"], solution, OPEN])) == []
        crawling = kernel.run(CRAWL, interrupt_at="15 pages", timeout=60)
        assert crawling.error is not None
        assert crawling.error.ename in ("KeyboardInterrupt", "CancelledError")
        closing = kernel.run(CLOSE)
        assert closing.error is None, closing.error
        assert closing.stdout.splitlines() == CLOSED
