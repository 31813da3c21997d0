"""Too many at once: hundreds of tasks of a kind that wait outside the program together."""

from collections.abc import Iterator

from asyncteach.tapes.tape import Tape, Wait
from asyncteach.teaching.findings import Finding, finding
from asyncteach.teaching.phrases import called, words_of

MANY = 250

# What somebody else has to answer: a socket or a process each.
_OUTSIDE = ("socket", "subprocess")
# A sleep may stand for a request in a lesson; then its function is called like one.
_STANDS_FOR = {
    *("ask", "call", "crawl", "download", "fetch", "get", "load", "lookup", "ping", "post"),
    *("query", "read", "request", "requests", "scrape", "upload", "visit"),
}


def find_crowds(tape: Tape) -> Iterator[Finding]:
    """Give a finding for each coroutine of which hundreds were waiting at the same moment."""
    groups: dict[tuple[int, str], list[Wait]] = {}
    for wait in tape.waits:
        row = tape.rows[wait.task]
        # Those who serve don't choose how many come: their tasks have no parent.
        if row.parent is not None and row.place is not None and _is_outside(wait):
            groups.setdefault((row.parent, row.coroutine), []).append(wait)
    for (parent, coroutine), waits in groups.items():
        if (most := _most_at_once(waits)) < MANY:
            continue
        name = called(coroutine)
        longest = max(waits, key=lambda wait: wait.end - wait.start)
        first = tape.rows[min(waits, key=lambda wait: wait.start).task]
        if all(wait.kind == "sleep" for wait in waits):
            means = (
                f"{most:,} of {name} were asleep at once. A sleep costs little; a real request "
                f"holds a connection each, and servers and systems allow only so many."
            )
        else:
            means = (
                f"{most:,} requests of {name} were open at once: each holds a connection, and "
                f"servers and systems allow only so many."
            )
        fix = (
            "Let a few in at a time: `limit = asyncio.Semaphore(20)`, and inside the function "
            "`async with limit:`."
        )
        seconds = longest.end - longest.start
        yield finding("unbounded", tape.rows[parent], seconds, first.place, means, fix)


def _is_outside(wait: Wait) -> bool:
    if wait.kind in _OUTSIDE:
        return bool(wait.places)
    if wait.kind not in ("sleep", "future"):
        return False
    words = set().union(*(words_of(place.function) for place in wait.places))
    return bool(words & _STANDS_FOR)


def _most_at_once(waits: list[Wait]) -> int:
    """Return how many of the waits overlapped at most; one that ends makes room at once."""
    moments = sorted([(w.start, 1) for w in waits] + [(w.end, -1) for w in waits])
    most = now = 0
    for _, change in moments:
        now += change
        most = max(most, now)
    return most
