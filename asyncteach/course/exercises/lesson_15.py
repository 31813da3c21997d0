"""Lesson 15, the fourteen mistakes: a newspaper and a journey, with three of them in each."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import as_list, exercise, grade_in_turn


@exercise(
    "the newspaper",
    lesson=15,
    task="Mend `make_paper` so that all topics are fetched at once and the loop is never held",
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
)
async def grade_newspaper(make_paper: Any) -> Check:
    """Make two papers of different pages: nothing may depend on the notebook's own."""
    return await grade_in_turn(
        _make_one(make_paper, {"news": 20, "weather": 30, "sports": 20}),
        _make_one(make_paper, {"chess": 25, "gardens": 20}),
    )


async def _make_one(make_paper: Any, topics: dict[str, int]) -> Check:
    fetched: list[str] = []
    printed: list[str] = []
    archived: list[str] = []
    was_printed: list[str] = []
    was_archived: list[str] = []

    async def fetch_page(topic: str) -> str:
        await asyncio.sleep(topics[topic])
        fetched.append(topic)
        return f"the {topic} page"

    def print_page(page: str) -> None:
        time.sleep(1)
        printed.append(page)

    async def archive(page: str) -> None:
        await asyncio.sleep(1)
        archived.append(page)

    async def main() -> Any:
        paper = await make_paper(list(topics), fetch_page, print_page, archive)
        was_printed[:], was_archived[:] = sorted(printed), sorted(archived)
        return as_list(paper)

    pages = [f"the {topic} page" for topic in topics]
    verdict = await check(main, virtual=True, name="make_paper")
    return (
        verdict.result(pages)
        .that(
            was_printed == sorted(pages),
            "every page is printed once",
            hint="number 2 of the table: let a thread stand beside the printer.",
            stronger="`await asyncio.to_thread(print_page, page)`: without the await it isn't "
            "sure that it is done.",
        )
        .that(
            was_archived == sorted(pages),
            "every page is archived once before make_paper returns",
            hint="number 4 of the table: what does calling a coroutine function do?",
            stronger="archive(page) alone makes a coroutine and throws it away; a task of it is "
            "cut off when make_paper returns. What awaits it?",
        )
        .never_blocked(
            hint="number 2 of the table: print_page is an ordinary function that takes a while.",
            stronger="a thread can stand beside the printer: asyncio.to_thread.",
        )
        .took(
            # The pages fetched together, then each of them printed and archived in its turn.
            at_most_seconds=max(topics.values()) + 2 * len(topics),
            hint="number 3 of the table: when does the second page begin to be fetched?",
            stronger="make all the fetch_page(topic) first, and hand them to asyncio.gather.",
        )
        .nothing_left_running(
            hint="number 10 of the table: what is started has to be awaited.",
            stronger="await each task before make_paper returns; a TaskGroup does it by itself.",
        )
    )


@exercise(
    "the journey",
    lesson=15,
    task="Mend `travel` so that a failed booking ends it all, and so does a cancellation",
    starter="""
async def travel(book_flight, book_hotel, send_tickets):
    try:
        tickets = await asyncio.gather(book_flight(), book_hotel())
        asyncio.create_task(send_tickets(tickets))
        return tickets
    except BaseException:
        return None
""",
)
async def grade_journey(travel: Any) -> Check:
    """Let everything go well, then each booking fail, then the journey be cancelled."""
    return await grade_in_turn(
        _travel_well(travel),
        _fail_to_travel(travel, "flight"),
        _fail_to_travel(travel, "hotel"),
        _cancel_journey(travel),
    )


class _Agency:
    """Books flights and hotels, one of which may be sold out, and notes what it does."""

    def __init__(self, fails: str = "") -> None:
        self.fails = fails
        self.booked: list[str] = []
        self.sent: list[list[str]] = []

    def tools(self) -> tuple[Callable[..., Awaitable[Any]], ...]:
        async def book_flight() -> str:
            return await self._book("flight", 2)

        async def book_hotel() -> str:
            return await self._book("hotel", 3)

        async def send_tickets(tickets: Sequence[str]) -> None:
            await asyncio.sleep(1)
            self.sent.append(list(tickets))

        return book_flight, book_hotel, send_tickets

    async def _book(self, what: str, seconds: float) -> str:
        if what == self.fails:
            await asyncio.sleep(1)
            raise ValueError(f"no {what} left")
        await asyncio.sleep(seconds)
        self.booked.append(what)
        return f"the ticket of the {what}"


TICKETS = ["the ticket of the flight", "the ticket of the hotel"]


async def _travel_well(travel: Any) -> Check:
    agency = _Agency()
    sent: list[list[str]] = []

    async def main() -> Any:
        tickets = await travel(*agency.tools())
        sent.extend(agency.sent)
        return as_list(tickets)

    verdict = await check(main, virtual=True, name="travel")
    return (
        verdict.result(TICKETS)
        .that(
            sent == [TICKETS],
            "the two tickets are sent once before travel returns",
            hint="number 10 of the table: what waits until the tickets are sent?",
            stronger="you need no task for it: `await send_tickets(tickets)`.",
        )
        .took(
            at_most_seconds=4,
            hint="number 3 of the table: both bookings can go on at the same time.",
            stronger="start both in a TaskGroup, then wait for both.",
        )
        .nothing_left_running()
    )


async def _fail_to_travel(travel: Any, fails: str) -> Check:
    agency = _Agency(fails)
    other = "hotel" if fails == "flight" else "flight"

    async def main() -> Any:
        tickets = await travel(*agency.tools())
        await asyncio.sleep(10)  # whatever was left going would be booked by now
        return tickets

    verdict = await check(main, virtual=True, name="travel")
    return (
        verdict.that(
            not agency.booked,
            f"no {other} is booked when the {fails} is sold out",
            hint="number 6 of the table: what does gather do with the others when one fails?",
            stronger="A TaskGroup cancels the other booking and waits until it has stopped.",
        )
        .that(
            not agency.sent,
            f"no tickets are sent when the {fails} is sold out",
            hint="there are tickets only if both bookings went well.",
            stronger="send the tickets after the two bookings, and only if neither has failed.",
        )
        .that(
            verdict.value is None,
            f"it returns None when the {fails} is sold out",
            hint="which value should the caller of travel get when there are no tickets?",
            stronger="set `tickets = None` first, and return it at the end.",
        )
        .nothing_left_running()
    )


async def _cancel_journey(travel: Any) -> Check:
    agency = _Agency()

    async def main() -> bool:
        journey = asyncio.create_task(travel(*agency.tools()), name="travel")
        await asyncio.sleep(1)
        journey.cancel()
        await asyncio.wait([journey])
        await asyncio.sleep(10)
        return journey.cancelled()

    verdict = await check(main, virtual=True, name="travel")
    return (
        verdict.that(
            verdict.value is True,
            "travel stops as cancelled when it is cancelled",
            hint="number 8 of the table: which errors does your except catch?",
            stronger="CancelledError has to go through: catch ValueError and nothing else.",
        )
        .that(
            not agency.booked,
            "nothing is booked after travel was cancelled",
            hint="a task that stops has to stop what it has started, too.",
            stronger="A TaskGroup that is cancelled cancels its tasks; so does gather.",
        )
        .nothing_left_running()
    )
