"""Answers to the exercises of lesson 12."""

from . import read_answers

ANSWERS = {
    "the connection": read_answers(
        """
### right
async def read_page(connect, page):
    connection = connect(page)
    try:
        return await asyncio.wait_for(connection.read(), timeout=5)
    except asyncio.TimeoutError:
        return None
    finally:
        await connection.close()

### right
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

### no timeout | 60 seconds
async def read_page(connect, page):
    connection = connect(page)
    try:
        return await connection.read()
    finally:
        await connection.close()

### nobody catches the TimeoutError | no TimeoutError
async def read_page(connect, page):
    connection = connect(page)
    try:
        async with asyncio.timeout(5):
            return await connection.read()
    finally:
        await connection.close()

### closed only when all went well | left open
async def read_page(connect, page):
    connection = connect(page)
    try:
        async with asyncio.timeout(5):
            text = await connection.read()
    except TimeoutError:
        return None
    await connection.close()
    return text

### the alarm stands around close() too | within 5 seconds
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

### closed twice | only once
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

### a cancellation swallowed | as if nothing had happened
async def read_page(connect, page):
    connection = connect(page)
    try:
        return await asyncio.wait_for(connection.read(), 5)
    except (TimeoutError, asyncio.CancelledError):
        return None
    finally:
        await connection.close()

### every error swallowed | and read_page didn't
async def read_page(connect, page):
    connection = connect(page)
    try:
        return await asyncio.wait_for(connection.read(), 5)
    except Exception:
        return None
    finally:
        await connection.close()

### the reading is left alone | its read() went on
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

### nothing returned | return
async def read_page(connect, page):
    connection = connect(page)
    try:
        async with asyncio.timeout(5):
            await connection.read()
    except TimeoutError:
        pass
    finally:
        await connection.close()

### a wait for the clock that never ends | stopped
async def read_page(connect, page):
    connection = connect(page)
    reading = asyncio.create_task(connection.read())
    while not reading.done():
        pass
    await connection.close()
    return reading.result()
"""
    ),
    "ask again": read_answers(
        """
### right
async def ask_until_answered(ask, pause=1):
    try:
        return await ask()
    except Exception as error:
        print("once more after", error)
        await asyncio.sleep(pause)
    return await ask_until_answered(ask, pause)

### right
async def ask_until_answered(ask):
    while True:
        (answer,) = await asyncio.gather(ask(), return_exceptions=True)
        if not isinstance(answer, Exception):
            return answer
        await asyncio.sleep(1)

### right
from contextlib import suppress


async def ask_until_answered(ask):
    while True:
        with suppress(Exception):
            return await ask()
        await asyncio.sleep(1)

### a bare except | still asking
async def ask_until_answered(ask):
    while True:
        try:
            return await ask()
        except:
            await asyncio.sleep(1)

### only some errors | gave up at a ConnectionError
async def ask_until_answered(ask):
    while True:
        try:
            return await ask()
        except ValueError:
            await asyncio.sleep(1)

### a cancellation taken for an answer | as if it had not been
async def ask_until_answered(ask):
    while True:
        try:
            return await ask()
        except asyncio.CancelledError:
            return None
        except Exception:
            await asyncio.sleep(1)

### it stops later | 2 s
async def ask_until_answered(ask):
    while True:
        try:
            return await ask()
        except asyncio.CancelledError:
            await asyncio.sleep(2)
            raise
        except Exception:
            await asyncio.sleep(1)

### no pause | 14 seconds
async def ask_until_answered(ask):
    while True:
        try:
            return await ask()
        except Exception:
            pass

### a pause that blocks | held the loop
async def ask_until_answered(ask):
    while True:
        try:
            return await ask()
        except Exception:
            time.sleep(1)

### a question that is shielded | its ask() went on
async def ask_until_answered(ask):
    while True:
        try:
            return await asyncio.shield(ask())
        except Exception:
            await asyncio.sleep(1)

### three tries | called 3 times
async def ask_until_answered(ask):
    for _ in range(3):
        try:
            return await ask()
        except Exception:
            await asyncio.sleep(1)

### no brackets, and a mistake that is caught | called 0 times
async def ask_until_answered(ask):
    while True:
        try:
            return await ask
        except Exception:
            await asyncio.sleep(1)
"""
    ),
}
