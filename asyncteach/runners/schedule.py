"""What threads and processes would do in virtual time, worked out without any of them."""

import heapq
import sys
from collections import deque
from collections.abc import Sequence

from asyncteach.runners.workers import NS, Interval, Plan
from asyncteach.states import READY, RUNNING, WAITING

CORES = 2
"""How many processor cores the machine of virtual time has."""

TURN = 0.25
"""Story minutes that one keeps the GIL, or a core, when others want it: at the usual 20 ms for a
minute these are the 5 ms of `sys.getswitchinterval()`."""


def work_out(
    plans: Sequence[Plan], servers: int, minute: float, *, at_once: int = sys.maxsize
) -> list[list[Interval]]:
    """Return the intervals of each plan, in nanoseconds from 0, where they share the servers.

    One server is the GIL, two are two cores. A plan that needs one queues up for it, and gives it
    back after a turn if others want it too; one that waits needs none. Of more than `at_once`
    plans the others begin when one before them has ended.
    """
    turn = round(TURN * minute * NS)
    intervals: list[list[Interval]] = [[] for _ in plans]
    left = [deque(_lengths(plan, minute)) for plan in plans]
    since = [0] * len(plans)
    queue: deque[int] = deque()
    events: list[tuple[int, int, int, int]] = []  # when, in which order, which plan, how much done
    free, order = servers, 0
    later = deque(range(len(plans)))

    def note(plan: int, state: str, start: int, end: int) -> None:
        own = intervals[plan]
        if own and own[-1][0] == state and own[-1][2] == start:
            start = own.pop()[1]
        if end > start or state == RUNNING:
            own.append((state, start, end))

    def go_on(plan: int, now: int) -> None:
        nonlocal order
        since[plan] = now
        if not left[plan]:
            begin()
            return
        needs_you, length = left[plan][0]
        if needs_you:
            queue.append(plan)
            return
        left[plan].popleft()
        note(plan, WAITING, now, now + length)
        order += 1
        heapq.heappush(events, (now + length, order, plan, -1))

    def serve(now: int) -> None:
        nonlocal free, order
        while free and queue:
            plan = queue.popleft()
            note(plan, READY, since[plan], now)
            part = min(turn, left[plan][0][1])
            note(plan, RUNNING, now, now + part)
            free -= 1
            order += 1
            heapq.heappush(events, (now + part, order, plan, part))

    def begin() -> None:
        if later:  # it has been ready from the beginning
            go_on(later.popleft(), 0)

    for _ in range(min(at_once, len(plans))):
        begin()
    serve(0)
    while events:
        now, _, plan, part = heapq.heappop(events)
        if part >= 0:
            free += 1
            _, length = left[plan].popleft()
            if length > part:
                left[plan].appendleft((True, length - part))
        go_on(plan, now)
        if not events or events[0][0] > now:
            serve(now)
    return intervals


def _lengths(plan: Plan, minute: float) -> list[tuple[bool, int]]:
    """Return the steps in nanoseconds, with a moment of running before and after each wait."""
    lengths: list[tuple[bool, int]] = [(True, 0)]
    for needs_you, minutes in plan:
        length = round(minutes * minute * NS)
        if needs_you:
            lengths[-1] = (True, lengths[-1][1] + length)
        else:
            lengths += [(False, length), (True, 0)]
    return lengths
