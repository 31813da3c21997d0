"""Answers to the exercises of lesson 15."""

ANSWERS = {
    "the newspaper": """
### awaits in a row | number 3 of the table
-    pages = await asyncio.gather(*(fetch_page(topic) for topic in topics))
+    pages = [await fetch_page(topic) for topic in topics]

### the archive is a plan still | number 4 of the table
-        await archive(page)
+        archive(page)

### the printer holds the loop | held the loop
-        await asyncio.to_thread(print_page, page)
+        print_page(page)

### a thread that is forgotten | every page is printed once
-        await asyncio.to_thread(print_page, page)
+        asyncio.to_thread(print_page, page)

### right
async def make_page(topic, fetch_page, print_page, archive):
    page = await fetch_page(topic)
    await asyncio.gather(asyncio.to_thread(print_page, page), archive(page))
    return page


async def make_paper(topics, fetch_page, print_page, archive):
    makers = (make_page(topic, fetch_page, print_page, archive) for topic in topics)
    return await asyncio.gather(*makers)

### right
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
    "the journey": """
### right
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

### gather and its siblings | number 6 of the table
-        flight.cancel()
-        hotel.cancel()
-        await asyncio.wait([flight, hotel])
-        return None
+        return None

### one booking after the other | number 3 of the table
-    flight = asyncio.create_task(book_flight())
-    hotel = asyncio.create_task(book_hotel())
-    try:
-        tickets = await asyncio.gather(flight, hotel)
-    except ValueError:
-        flight.cancel()
-        hotel.cancel()
-        await asyncio.wait([flight, hotel])
-        return None
+    try:
+        tickets = [await book_flight(), await book_hotel()]
+    except ValueError:
+        return None

### a shield around the bookings | Booked later: flight, hotel
-        tickets = await asyncio.gather(flight, hotel)
+        tickets = list(await asyncio.shield(asyncio.gather(flight, hotel)))

### right
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

### an except that doesn't look into the group | doesn't look into a group
-    except ExceptionGroup:
+    except ValueError:

### a mail that nobody waits for | number 10 of the table
-    await mail

### a cancellation that is swallowed | number 8 of the table
-    except ExceptionGroup:
+    except BaseException:
""",
}
