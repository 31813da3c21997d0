"""Lesson 15, the fourteen mistakes: a newspaper and a journey, with three of them in each."""

import asyncio
import math
import time
from collections.abc import Sequence
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import as_list, end_of, exercise, grade_in_turn


@exercise(
    "the newspaper",
    lesson=15,
    starter="""
async def make_paper(topics, fetch_page, print_page, archive):
    pages = []
    for topic in topics:
        pages.append(await fetch_page(topic))
    for page in pages:
        print_page(page)
        archive(page)
    return pages
""",
    stronger="`asyncio.gather` fetches all pages at once; a thread can stand beside the printer; "
    "and what is called or started has to be awaited before make_paper returns.",
)
async def grade_newspaper(make_paper: Any) -> Check:
    """Mend `make_paper` so that all topics are fetched at once and the loop is never held."""
    return await grade_in_turn(
        _make_one(make_paper, {"news": 20, "weather": 30, "sports": 20}),
        _make_one(make_paper, {"chess": 25, "gardens": 20}),
    )


async def _make_one(make_paper: Any, topics: dict[str, int]) -> Check:
    printed: list[str] = []
    archived: list[str] = []
    done: list[list[str]] = [[], []]

    async def fetch_page(topic: str) -> str:
        await asyncio.sleep(topics[topic])
        return f"the {topic} page"

    def print_page(page: str) -> None:
        time.sleep(1)
        printed.append(page)

    async def archive(page: str) -> None:
        await asyncio.sleep(1)
        archived.append(page)

    async def main() -> Any:
        paper = await make_paper(list(topics), fetch_page, print_page, archive)
        done[:] = sorted(printed), sorted(archived)
        return as_list(paper)

    pages = [f"the {topic} page" for topic in topics]
    verdict = await check(main, virtual=True, name="make_paper")
    return (
        verdict.result(pages)
        .that(
            done[0] == sorted(pages),
            "every page is printed once before make_paper returns",
            hint=f"Printed by then: {len(done[0])} of {len(pages)}. See number 2 of the table.",
        )
        .that(
            done[1] == sorted(pages),
            "every page is archived once before make_paper returns",
            hint=f"Archived by then: {len(done[1])} of {len(pages)}. See number 4 of the table: "
            "what does calling a coroutine function do?",
        )
        .never_blocked(
            hint="Number 2 of the table: print_page is an ordinary function that takes a while."
        )
        .took(
            # The pages fetched together, then each of them printed and archived in its turn.
            at_most_seconds=max(topics.values()) + 2 * len(topics),
            hint="Number 3 of the table: when does the second page begin to be fetched?",
        )
        .nothing_left_running(hint="Number 10 of the table: what is started has to be awaited.")
    )


@exercise(
    "the journey",
    lesson=15,
    starter="""
async def travel(book_flight, book_hotel, send_tickets):
    try:
        tickets = await asyncio.gather(book_flight(), book_hotel())
        asyncio.create_task(send_tickets(tickets))
        return tickets
    except BaseException:
        return None
""",
    stronger="A TaskGroup around both bookings cancels the other one and waits for it; `except* "
    "ValueError` and nothing else means None; if there are tickets, await the mail.",
)
async def grade_journey(travel: Any) -> Check:
    """Mend `travel` so that a failed booking ends it all, and so does a cancellation."""
    return await grade_in_turn(
        _travel_well(travel),
        _stop_travelling(travel, "returned None", fails="flight"),
        _stop_travelling(travel, "returned None", fails="hotel"),
        _stop_travelling(travel, "was cancelled", cancel_after=1),
    )


class _Agency:
    """Books flights and hotels, one of which may be sold out, and notes what it does."""

    def __init__(self, fails: str = "") -> None:
        self.fails = fails
        self.booked: list[str] = []
        self.sent: list[list[str]] = []

    async def book_flight(self) -> str:
        return await self._book("flight", 2)

    async def book_hotel(self) -> str:
        return await self._book("hotel", 3)

    async def send_tickets(self, tickets: Sequence[str]) -> None:
        await asyncio.sleep(1)
        self.sent.append(list(tickets))

    async def _book(self, what: str, seconds: float) -> str:
        if what == self.fails:
            await asyncio.sleep(1)
            raise ValueError(f"no {what} left")
        await asyncio.sleep(seconds)
        self.booked.append(what)
        return f"the ticket of the {what}"


async def _travel_well(travel: Any) -> Check:
    agency = _Agency()
    expected = ["the ticket of the flight", "the ticket of the hotel"]
    sent: list[list[str]] = []

    async def main() -> Any:
        tickets = await travel(agency.book_flight, agency.book_hotel, agency.send_tickets)
        sent.extend(agency.sent)
        return as_list(tickets)

    verdict = await check(main, virtual=True, name="travel")
    return (
        verdict.result(expected)
        .that(
            sent == [expected],
            "the two tickets are sent once before travel returns",
            hint="Number 10 of the table: what waits until the tickets are sent?",
        )
        .took(
            at_most_seconds=4,
            hint="Number 3 of the table: both bookings can go on at the same time.",
        )
        .nothing_left_running()
    )


async def _stop_travelling(
    travel: Any, expected: str, *, fails: str = "", cancel_after: float = math.inf
) -> Check:
    agency = _Agency(fails)

    async def main() -> str:
        call = travel(agency.book_flight, agency.book_hotel, agency.send_tickets)
        end = await end_of(call, cancel_after=cancel_after, name="travel")
        await asyncio.sleep(10)  # whatever was left running would be booked by now
        return end

    verdict = await check(main, virtual=True, name="travel")
    when = f"when the {fails} is sold out" if fails else "when travel is cancelled"
    return (
        verdict.that(
            not agency.booked,
            f"nothing more is booked {when}",
            hint=f"Booked later: {', '.join(agency.booked)}. See number 6 of the table: what "
            "happens to the other booking?",
        )
        .that(
            not agency.sent,
            f"no tickets are sent {when}",
            hint="There are tickets only if both bookings went well.",
        )
        .that(
            verdict.value == expected,
            f"travel {expected} {when}",
            hint=f"It {verdict.value}. See number 8 of the table: what does your except catch?",
        )
        .nothing_left_running()
    )
