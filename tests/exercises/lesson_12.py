"""Answers to the exercises of lesson 12."""

from . import Answers

ANSWERS = {
    "the connection": Answers(
        right=[
            """
async def read_page(connect, page):
    connection = connect(page)
    try:
        return await asyncio.wait_for(connection.read(), timeout=5)
    except asyncio.TimeoutError:
        return None
    finally:
        await connection.close()
""",
            """
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def connected(connect, page):
    connection = connect(page)
    try:
        yield connection
    finally:
        await connection.close()


async def read_page(connect, page):
    async with connected(connect, page) as connection:
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                return await connection.read()
""",
            """
async def read_page(connect, page):
    connection = connect(page)
    reading = asyncio.create_task(connection.read())
    try:
        done, _ = await asyncio.wait([reading], timeout=5)
        return reading.result() if done else None
    finally:
        if not reading.done():
            reading.cancel()
            await asyncio.wait([reading])
        await connection.close()
""",
            """
async def read_page(connect, page):
    connection = connect(page)
    text = None
    try:
        async with asyncio.timeout(5) as alarm:
            text = await connection.read()
    except TimeoutError:
        assert alarm.expired()
    except BaseException:
        await connection.close()
        raise
    await connection.close()
    return text
""",
        ],
        wrong=[
            (
                "no timeout",
                """
async def read_page(connect, page):
    connection = connect(page)
    try:
        return await connection.read()
    finally:
        await connection.close()
""",
                "60 seconds",
            ),
            (
                "nobody catches the TimeoutError",
                """
async def read_page(connect, page):
    connection = connect(page)
    try:
        async with asyncio.timeout(5):
            return await connection.read()
    finally:
        await connection.close()
""",
                "no TimeoutError",
            ),
            (
                "closed only when all went well",
                """
async def read_page(connect, page):
    connection = connect(page)
    try:
        async with asyncio.timeout(5):
            text = await connection.read()
    except TimeoutError:
        return None
    await connection.close()
    return text
""",
                "left open",
            ),
            (
                "a close without an await",
                """
async def read_page(connect, page):
    connection = connect(page)
    try:
        async with asyncio.timeout(5):
            return await connection.read()
    except TimeoutError:
        return None
    finally:
        closing = connection.close()
        closing.close()
""",
                "left open",
            ),
            (
                "the alarm stands around close() too",
                """
async def read_page(connect, page):
    connection = connect(page)
    try:
        async with asyncio.timeout(5):
            try:
                return await connection.read()
            finally:
                await connection.close()
    except TimeoutError:
        return None
""",
                "within 5 seconds",
            ),
            (
                "closed twice",
                """
async def read_page(connect, page):
    connection = connect(page)
    try:
        async with asyncio.timeout(5):
            return await connection.read()
    except TimeoutError:
        await connection.close()
        return None
    finally:
        await connection.close()
""",
                "only once",
            ),
            (
                "a cancellation swallowed",
                """
async def read_page(connect, page):
    connection = connect(page)
    try:
        return await asyncio.wait_for(connection.read(), 5)
    except (TimeoutError, asyncio.CancelledError):
        return None
    finally:
        await connection.close()
""",
                "as if nothing had been",
            ),
            (
                "every error swallowed",
                """
async def read_page(connect, page):
    connection = connect(page)
    try:
        return await asyncio.wait_for(connection.read(), 5)
    except Exception:
        return None
    finally:
        await connection.close()
""",
                "never heard of it",
            ),
            (
                "a return in finally",
                """
async def read_page(connect, page):
    connection = connect(page)
    text = None
    try:
        async with asyncio.timeout(5):
            text = await connection.read()
    except BaseException:
        pass
    await connection.close()
    return text
""",
                "never heard of it",
            ),
            (
                "the reading is left alone",
                """
async def read_page(connect, page):
    connection = connect(page)
    reading = asyncio.create_task(connection.read())
    try:
        async with asyncio.timeout(5):
            return await asyncio.shield(reading)
    except TimeoutError:
        return None
    finally:
        await connection.close()
""",
                "its read() went on",
            ),
            (
                "nothing returned",
                """
async def read_page(connect, page):
    connection = connect(page)
    try:
        async with asyncio.timeout(5):
            await connection.read()
    except TimeoutError:
        pass
    finally:
        await connection.close()
""",
                "return",
            ),
            (
                "always the same text",
                """
async def read_page(connect, page):
    connection = connect(page)
    await connection.close()
    return "good news"
""",
                "returned as it is",
            ),
            (
                "a wait for the clock that never ends",
                """
async def read_page(connect, page):
    connection = connect(page)
    reading = asyncio.create_task(connection.read())
    while not reading.done():
        pass
    await connection.close()
    return reading.result()
""",
                "stopped",
            ),
            (
                "a read() that nobody awaits",
                """
async def read_page(connect, page):
    connection = connect(page)
    try:
        async with asyncio.timeout(5):
            return connection.read()
    except TimeoutError:
        return None
    finally:
        await connection.close()
""",
                "Is there an `await`?",
            ),
            (
                "a timeout with the other `with`",
                """
async def read_page(connect, page):
    connection = connect(page)
    try:
        with asyncio.timeout(5):
            return await connection.read()
    except TimeoutError:
        return None
    finally:
        await connection.close()
""",
                "two kinds of `with`",
            ),
            (
                "a reading that is shielded",
                """
async def read_page(connect, page):
    connection = connect(page)
    try:
        return await asyncio.wait_for(asyncio.shield(connection.read()), 5)
    except TimeoutError:
        return None
    finally:
        await connection.close()
""",
                "its read() went on",
            ),
            ("no function at all", "read_page = None\n", "read_page is None"),
        ],
    ),
    "ask again": Answers(
        right=[
            """
async def ask_until_answered(ask, pause=1):
    try:
        return await ask()
    except Exception as error:
        print("once more after", error)
        await asyncio.sleep(pause)
    return await ask_until_answered(ask, pause)
""",
            """
async def ask_until_answered(ask):
    while True:
        (answer,) = await asyncio.gather(ask(), return_exceptions=True)
        if not isinstance(answer, Exception):
            return answer
        await asyncio.sleep(1)
""",
            """
async def ask_until_answered(ask):
    while True:
        try:
            return await ask()
        except asyncio.CancelledError:
            raise
        except BaseException:
            await asyncio.sleep(1)
""",
            """
from contextlib import suppress


async def ask_until_answered(ask):
    while True:
        with suppress(Exception):
            return await ask()
        await asyncio.sleep(1)
""",
            """
async def ask_until_answered(ask):
    answers = await asyncio.gather(ask(), return_exceptions=True)
    while isinstance(answers[0], Exception):
        await asyncio.sleep(1)
        answers = await asyncio.gather(ask(), return_exceptions=True)
    return answers[0]
""",
        ],
        wrong=[
            (
                "a bare except",
                """
async def ask_until_answered(ask):
    while True:
        try:
            return await ask()
        except:
            await asyncio.sleep(1)
""",
                "still asking",
            ),
            (
                "the pause inside of try as well",
                """
async def ask_until_answered(ask):
    answer = None
    while answer is None:
        try:
            answer = await ask()
        except (Exception, asyncio.CancelledError):
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                pass
    return answer
""",
                "still asking",
            ),
            (
                "only some errors",
                """
async def ask_until_answered(ask):
    while True:
        try:
            return await ask()
        except ValueError:
            await asyncio.sleep(1)
""",
                "gave up at a ConnectionError",
            ),
            (
                "no second try",
                """
async def ask_until_answered(ask):
    return await ask()
""",
                "gave up at a ValueError",
            ),
            (
                "a cancellation taken for an answer",
                """
async def ask_until_answered(ask):
    while True:
        try:
            return await ask()
        except asyncio.CancelledError:
            return None
        except Exception:
            await asyncio.sleep(1)
""",
                "as if nobody had cancelled it",
            ),
            (
                "it stops later",
                """
async def ask_until_answered(ask):
    while True:
        try:
            return await ask()
        except asyncio.CancelledError:
            await asyncio.sleep(2)
            raise
        except Exception:
            await asyncio.sleep(1)
""",
                "2 s",
            ),
            (
                "no pause",
                """
async def ask_until_answered(ask):
    while True:
        try:
            return await ask()
        except Exception:
            pass
""",
                "14 seconds",
            ),
            (
                "a pause that blocks",
                """
async def ask_until_answered(ask):
    while True:
        try:
            return await ask()
        except Exception:
            time.sleep(1)
""",
                "held the loop",
            ),
            (
                "nothing returned",
                """
async def ask_until_answered(ask):
    while True:
        try:
            await ask()
            break
        except Exception:
            await asyncio.sleep(1)
""",
                "return",
            ),
            (
                "always the same answer",
                """
async def ask_until_answered(ask):
    await asyncio.sleep(14)
    return "42"
""",
                "forty-two",
            ),
            (
                "a question that is shielded",
                """
async def ask_until_answered(ask):
    while True:
        try:
            return await asyncio.shield(ask())
        except Exception:
            await asyncio.sleep(1)
""",
                "its ask() went on",
            ),
            (
                "three tries",
                """
async def ask_until_answered(ask):
    for _ in range(3):
        try:
            return await ask()
        except Exception:
            await asyncio.sleep(1)
""",
                "called 3 times",
            ),
            (
                "no brackets, and a mistake that is caught",
                """
async def ask_until_answered(ask):
    while True:
        try:
            return await ask
        except Exception:
            await asyncio.sleep(1)
""",
                "called 0 times",
            ),
        ],
    ),
}
