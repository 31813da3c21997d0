"""Well-written asyncio code, of every kind: none of it gives a finding.

Each coroutine function whose name has no underscore before it is a program.
"""

import asyncio
import sys
import threading
import time
from contextlib import asynccontextmanager, suppress
from inspect import iscoroutinefunction


async def _fetch(page, seconds=0.03):
    await asyncio.sleep(seconds)
    return page


async def _fail(seconds=0.02):
    await asyncio.sleep(seconds)
    raise ValueError("no such page")


async def _beat():
    while True:
        await asyncio.sleep(0.02)


async def _end(*tasks):
    for task in tasks:
        task.cancel()
    return await asyncio.gather(*tasks, return_exceptions=True)


# Awaits that need each other


class Connection:
    """One conversation: its parts have their order."""

    async def send(self, text):
        await asyncio.sleep(0.05)


async def functions_that_share_an_object():
    async def greet(connection):
        await connection.send("hello")

    async def part(connection):
        await connection.send("goodbye")

    connection = Connection()
    await greet(connection)
    await part(connection)


SHELF = []


async def _fill_shelf():
    await asyncio.sleep(0.05)
    SHELF.append("rice")


async def _empty_shelf():
    await asyncio.sleep(0.05)
    SHELF.clear()


async def functions_that_share_a_global():
    await _fill_shelf()
    await _empty_shelf()


async def functions_that_share_a_variable_around_them():
    count = 0

    async def add():
        nonlocal count
        await asyncio.sleep(0.05)
        count += 1

    async def double():
        nonlocal count
        await asyncio.sleep(0.05)
        count *= 2

    await add()
    await double()
    assert count == 2


CURRENCY = "EUR"


async def _choose_currency():
    global CURRENCY
    await asyncio.sleep(0.05)
    CURRENCY = "USD"


async def _convert(amount):
    await asyncio.sleep(0.05)
    return f"{amount} {CURRENCY}"


async def a_global_that_one_function_binds_anew():
    await _choose_currency()
    print(await _convert(3))


# Loops that wait


async def retry_with_backoff():
    tries = 0

    async def _fetch():
        nonlocal tries
        await asyncio.sleep(0.02)
        tries += 1
        if tries < 3:
            raise ConnectionError("not yet")
        return "page"

    for attempt in range(5):
        try:
            assert await _fetch() == "page"
            break
        except ConnectionError:
            await asyncio.sleep(0.01 * 2**attempt)


async def a_cache_that_sometimes_needs_no_waiting():
    cache = {}

    async def _fetch(page):
        if page not in cache:
            await asyncio.sleep(0.01)
            cache[page] = 2 * page
        return cache[page]

    for number in range(200):
        await _fetch(number % 3)


async def an_async_generator_that_is_asked_one_by_one():
    async def pages():
        yield await _fetch(1)
        yield await _fetch(2)
        yield await _fetch(3)

    async for page in pages():
        if page == 2:
            break


# Tasks that share queues, locks and pages


async def producer_and_consumers():
    queue = asyncio.Queue(maxsize=2)
    seen = []

    async def produce():
        for number in range(9):
            await queue.put(number)
            await asyncio.sleep(0.01)

    async def consume():
        while True:
            seen.append(await queue.get())
            await asyncio.sleep(0.02)
            queue.task_done()

    consumers = [asyncio.create_task(consume()) for _ in range(3)]
    await produce()
    await queue.join()
    await _end(*consumers)
    assert len(seen) == 9


async def five_hundred_fetches_by_ten_workers():
    pages = list(range(500))

    async def work():
        while pages:
            await _fetch(pages.pop(), 0.01)

    async with asyncio.TaskGroup() as group:
        for _ in range(10):
            group.create_task(work())


async def a_rate_limit():
    turn = asyncio.Lock()

    async def _fetch(page):
        async with turn:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.03)
        return page

    await asyncio.gather(*(_fetch(page) for page in range(10)))


async def results_as_they_come():
    pages = [_fetch(page, 0.01 * page) for page in (3, 1, 2)]
    assert sorted([await one for one in asyncio.as_completed(pages)]) == [1, 2, 3]


# Cancelling, timeouts and errors


async def cleaning_up_and_raising_again():
    cleaned = []

    async def work():
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            await asyncio.sleep(0.02)
            cleaned.append(True)
            raise

    task = asyncio.create_task(work())
    await asyncio.sleep(0.05)
    await _end(task)
    assert cleaned


async def a_timeout_that_is_handled():
    with suppress(TimeoutError):
        async with asyncio.timeout(0.05):
            await _fetch(1, 10)
    with suppress(TimeoutError):
        await asyncio.wait_for(_fetch(2, 10), 0.05)


async def the_first_of_two_wins():
    tasks = [asyncio.create_task(_fetch(page, seconds)) for page, seconds in ((1, 0.05), (2, 10))]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    await _end(*pending)
    assert done.pop().result() == 1


async def a_shielded_task_that_is_awaited_in_the_end():
    saving = asyncio.create_task(_fetch("saved", 0.1))
    try:
        await asyncio.wait_for(asyncio.shield(saving), 0.03)
    except TimeoutError:
        assert await saving == "saved"


async def a_group_that_fails_and_a_task_that_is_cancelled_later():
    heart = asyncio.create_task(_beat())
    with suppress(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            group.create_task(_fail())
            group.create_task(_beat())
    heart.cancel()
    with suppress(asyncio.CancelledError):
        await heart


async def a_failed_gather_whose_rest_is_awaited():
    tasks = [asyncio.create_task(_fail()), asyncio.create_task(_fetch(1, 0.08))]
    try:
        await asyncio.gather(*tasks)
    except ValueError:
        await asyncio.wait(tasks)


async def a_failed_gather_whose_rest_is_cancelled():
    tasks = [asyncio.create_task(_fail()), asyncio.create_task(_beat())]
    try:
        await asyncio.gather(*tasks)
    except ValueError:
        await _end(*tasks)


async def waiting_for_some_with_a_deadline():
    tasks = [asyncio.create_task(_fetch(1, seconds)) for seconds in (0.02, 0.04, 10)]
    done, pending = await asyncio.wait(tasks, timeout=0.1)
    assert (len(done), len(pending)) == (2, 1)
    pending.pop().cancel()
    await asyncio.sleep(0)


async def errors_that_are_looked_at():
    results = await asyncio.gather(_fail(), _fetch(1), return_exceptions=True)
    assert [type(result) for result in results] == [ValueError, int]
    errors = []
    task = asyncio.create_task(_fail())
    task.add_done_callback(lambda done: errors.append(done.exception()))
    await asyncio.sleep(0.06)
    assert len(errors) == 1
    del task


async def a_set_of_background_tasks():
    background = set()
    for page in range(3):
        task = asyncio.create_task(_fetch(page))
        background.add(task)
        task.add_done_callback(background.discard)
    await asyncio.sleep(0.01)
    await asyncio.gather(*background)


async def a_graceful_shutdown():
    unwanted = _fetch(1)
    unwanted.close()
    stop = asyncio.Event()

    async def serve():
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.02)

    servers = [asyncio.create_task(serve()) for _ in range(3)]
    await asyncio.sleep(0.1)
    stop.set()
    await asyncio.gather(*servers)


# Threads, processes, sockets, computing


async def a_thread_that_signals_rightly():
    loop, heard = asyncio.get_running_loop(), asyncio.Event()

    def work():
        time.sleep(0.05)
        loop.call_soon_threadsafe(heard.set)

    thread = threading.Thread(target=work)
    thread.start()
    await heard.wait()
    thread.join()


async def threads_that_run_coroutines():
    loop = asyncio.get_running_loop()

    def work():
        return asyncio.run_coroutine_threadsafe(_fetch(7), loop).result()

    assert await asyncio.to_thread(work) == 7
    assert await asyncio.to_thread(lambda: asyncio.run(_fetch(7))) == 7


async def a_slow_thread_that_a_shield_protects():
    job = asyncio.ensure_future(asyncio.to_thread(time.sleep, 0.2))
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(job), 0.05)
    await job


async def a_subprocess():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-c", "print(6 * 7)", stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert int(output) == 42


async def a_server_and_its_clients():
    async def answer(reader, writer):
        while line := await reader.readline():
            await asyncio.sleep(0.01)
            writer.write(line.upper())
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def ask(reader, writer, question):
        writer.write(question + b"\n")
        await writer.drain()
        return await reader.readline()

    async def talk(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        first = await ask(reader, writer, b"hello")
        second = await ask(reader, writer, b"goodbye")
        writer.close()
        await writer.wait_closed()
        return first + second

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        assert await talk(port) == b"HELLO\nGOODBYE\n"
        await asyncio.gather(*(talk(port) for _ in range(5)))
        # The handlers see their clients go.
        await asyncio.sleep(0.05)


async def something_set_up_and_torn_down():
    @asynccontextmanager
    async def session():
        await asyncio.sleep(0.03)
        yield "session"
        await asyncio.sleep(0.03)

    async with session() as one:
        assert one == "session"
        await asyncio.sleep(0.03)


async def computing_that_delays_no_task():
    async def count():
        for _ in range(40):
            sum(number * number for number in range(5_000))
            await asyncio.sleep(0)

    await asyncio.gather(count(), asyncio.sleep(0.2))
    assert sum(number * number for number in range(1_000_000))


INNOCENTS = [
    function
    for name, function in list(globals().items())
    if iscoroutinefunction(function) and not name.startswith("_")
]
