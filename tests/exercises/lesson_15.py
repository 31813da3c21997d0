"""Answers to the exercises of lesson 15."""

from . import Answers

NEWSPAPER = Answers(
    right=[
        """
async def make_paper(topics, fetch_page, print_page, archive):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(fetch_page(topic)) for topic in topics]
    pages = [task.result() for task in tasks]
    async with asyncio.TaskGroup() as group:
        for page in pages:
            group.create_task(asyncio.to_thread(print_page, page))
            group.create_task(archive(page))
    return pages
""",
        """
async def make_page(topic, fetch_page, print_page, archive):
    page = await fetch_page(topic)
    await asyncio.gather(asyncio.to_thread(print_page, page), archive(page))
    return page


async def make_paper(topics, fetch_page, print_page, archive):
    makers = (make_page(topic, fetch_page, print_page, archive) for topic in topics)
    return await asyncio.gather(*makers)
""",
        """
async def make_paper(topics, fetch_page, print_page, archive):
    loop = asyncio.get_running_loop()
    tasks = [asyncio.create_task(fetch_page(topic)) for topic in topics]
    pages = []
    for task in tasks:
        page = await task
        await loop.run_in_executor(None, print_page, page)
        await archive(page)
        pages.append(page)
    return tuple(pages)
""",
    ],
    wrong=[
        (
            "awaits in a row",
            """
async def make_paper(topics, fetch_page, print_page, archive):
    pages = []
    for topic in topics:
        pages.append(await fetch_page(topic))
    for page in pages:
        await asyncio.to_thread(print_page, page)
        await archive(page)
    return pages
""",
            "number 3 of the table",
        ),
        (
            "the archive is a plan still",
            """
async def make_paper(topics, fetch_page, print_page, archive):
    pages = await asyncio.gather(*(fetch_page(topic) for topic in topics))
    for page in pages:
        await asyncio.to_thread(print_page, page)
        archive(page)
    return pages
""",
            "number 4 of the table",
        ),
        (
            "the printer holds the loop",
            """
async def make_paper(topics, fetch_page, print_page, archive):
    pages = await asyncio.gather(*(fetch_page(topic) for topic in topics))
    for page in pages:
        print_page(page)
        await archive(page)
    return pages
""",
            "held the loop",
        ),
        (
            "a thread that is forgotten",
            """
async def make_paper(topics, fetch_page, print_page, archive):
    pages = await asyncio.gather(*(fetch_page(topic) for topic in topics))
    for page in pages:
        asyncio.to_thread(print_page, page)
        await archive(page)
    return pages
""",
            "every page is printed once",
        ),
        (
            "a task that nobody awaits",
            """
async def make_paper(topics, fetch_page, print_page, archive):
    pages = await asyncio.gather(*(fetch_page(topic) for topic in topics))
    for page in pages:
        await asyncio.to_thread(print_page, page)
        asyncio.create_task(archive(page))
    return pages
""",
            "every page is archived once",
        ),
        (
            "nothing is returned",
            """
async def make_paper(topics, fetch_page, print_page, archive):
    pages = await asyncio.gather(*(fetch_page(topic) for topic in topics))
    for page in pages:
        await asyncio.to_thread(print_page, page)
        await archive(page)
""",
            "return",
        ),
        (
            "pages as they come",
            """
async def make_paper(topics, fetch_page, print_page, archive):
    pages = []
    for one in asyncio.as_completed([fetch_page(topic) for topic in topics]):
        page = await one
        await asyncio.to_thread(print_page, page)
        await archive(page)
        pages.append(page)
    return pages
""",
            "the result",
        ),
        (
            "for the notebook's own topics only",
            """
async def make_paper(topics, fetch_page, print_page, archive):
    pages = await asyncio.gather(
        fetch_page("news"), fetch_page("weather"), fetch_page("sports")
    )
    for page in pages:
        await asyncio.to_thread(print_page, page)
        await archive(page)
    return pages
""",
            "KeyError",
        ),
        (
            "plans in place of pages",
            """
async def make_paper(topics, fetch_page, print_page, archive):
    return [fetch_page(topic) for topic in topics]
""",
            "await",
        ),
        (
            "it never comes out",
            """
async def make_paper(topics, fetch_page, print_page, archive):
    await asyncio.gather(*(fetch_page(topic) for topic in topics))
    await asyncio.Event().wait()
""",
            "stopped",
        ),
    ],
)

JOURNEY = Answers(
    right=[
        """
async def travel(book_flight, book_hotel, send_tickets):
    flight = asyncio.create_task(book_flight())
    hotel = asyncio.create_task(book_hotel())
    try:
        tickets = await asyncio.gather(flight, hotel)
    except ValueError:
        flight.cancel()
        hotel.cancel()
        await asyncio.wait([flight, hotel])
        return None
    await send_tickets(tickets)
    return tickets
""",
        """
async def travel(book_flight, book_hotel, send_tickets):
    try:
        async with asyncio.TaskGroup() as group:
            tasks = group.create_task(book_flight()), group.create_task(book_hotel())
    except ExceptionGroup:
        return None
    tickets = tuple(task.result() for task in tasks)
    mail = asyncio.create_task(send_tickets(tickets))
    await mail
    return tickets
""",
        """
async def book(what, book_one, tickets):
    tickets[what] = await book_one()


async def travel(book_flight, book_hotel, send_tickets):
    booked = {}
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(book("hotel", book_hotel, booked))
            group.create_task(book("flight", book_flight, booked))
    except* ValueError:
        booked.clear()
    if not booked:
        return None
    tickets = [booked["flight"], booked["hotel"]]
    await send_tickets(tickets)
    return tickets
""",
    ],
    wrong=[
        (
            "an except that doesn't look into the group",
            """
async def travel(book_flight, book_hotel, send_tickets):
    try:
        async with asyncio.TaskGroup() as group:
            flight = group.create_task(book_flight())
            hotel = group.create_task(book_hotel())
    except ValueError:
        return None
    tickets = [flight.result(), hotel.result()]
    await send_tickets(tickets)
    return tickets
""",
            "doesn't look into a group",
        ),
        (
            "gather and its siblings",
            """
async def travel(book_flight, book_hotel, send_tickets):
    try:
        tickets = await asyncio.gather(book_flight(), book_hotel())
    except ValueError:
        return None
    await send_tickets(tickets)
    return tickets
""",
            "number 6 of the table",
        ),
        (
            "a mail that nobody waits for",
            """
async def travel(book_flight, book_hotel, send_tickets):
    try:
        async with asyncio.TaskGroup() as group:
            flight = group.create_task(book_flight())
            hotel = group.create_task(book_hotel())
    except ExceptionGroup:
        return None
    asyncio.create_task(send_tickets([flight.result(), hotel.result()]))
    return [flight.result(), hotel.result()]
""",
            "number 10 of the table",
        ),
        (
            "a mail that is a plan",
            """
async def travel(book_flight, book_hotel, send_tickets):
    try:
        async with asyncio.TaskGroup() as group:
            flight = group.create_task(book_flight())
            hotel = group.create_task(book_hotel())
    except ExceptionGroup:
        return None
    send_tickets([flight.result(), hotel.result()])
    return [flight.result(), hotel.result()]
""",
            "the two tickets are sent once",
        ),
        (
            "a cancellation that is swallowed",
            """
async def travel(book_flight, book_hotel, send_tickets):
    try:
        async with asyncio.TaskGroup() as group:
            flight = group.create_task(book_flight())
            hotel = group.create_task(book_hotel())
    except BaseException:
        return None
    await send_tickets([flight.result(), hotel.result()])
    return [flight.result(), hotel.result()]
""",
            "number 8 of the table",
        ),
        (
            "one booking after the other",
            """
async def travel(book_flight, book_hotel, send_tickets):
    try:
        tickets = [await book_flight(), await book_hotel()]
    except ValueError:
        return None
    await send_tickets(tickets)
    return tickets
""",
            "number 3 of the table",
        ),
        (
            "an error that comes out",
            """
async def travel(book_flight, book_hotel, send_tickets):
    async with asyncio.TaskGroup() as group:
        flight = group.create_task(book_flight())
        hotel = group.create_task(book_hotel())
    await send_tickets([flight.result(), hotel.result()])
    return [flight.result(), hotel.result()]
""",
            "ExceptionGroup",
        ),
        (
            "errors taken for tickets",
            """
async def travel(book_flight, book_hotel, send_tickets):
    tickets = await asyncio.gather(book_flight(), book_hotel(), return_exceptions=True)
    await send_tickets(tickets)
    return tickets
""",
            "is booked when",
        ),
        (
            "a shield around the bookings",
            """
async def travel(book_flight, book_hotel, send_tickets):
    flight = asyncio.create_task(book_flight())
    hotel = asyncio.create_task(book_hotel())
    try:
        tickets = list(await asyncio.shield(asyncio.gather(flight, hotel)))
    except ValueError:
        flight.cancel()
        hotel.cancel()
        await asyncio.wait([flight, hotel])
        return None
    await send_tickets(tickets)
    return tickets
""",
            "nothing is booked after",
        ),
        (
            "no tickets come back",
            """
async def travel(book_flight, book_hotel, send_tickets):
    async with asyncio.TaskGroup() as group:
        group.create_task(book_flight())
        group.create_task(book_hotel())
""",
            "return",
        ),
    ],
)

ANSWERS = {"the newspaper": NEWSPAPER, "the journey": JOURNEY}
