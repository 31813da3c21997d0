"""In a cell of a notebook, whose loop goes on when the cell is done."""

import asyncio
from contextlib import suppress


async def tick():
    while True:
        print("tick")
        await asyncio.sleep(0.05)


async def main():
    ticker = asyncio.create_task(tick())
    await asyncio.sleep(0.12)
    ticker.cancel()
    with suppress(asyncio.CancelledError):
        await ticker
    print("all is done")


if __name__ == "__main__":
    asyncio.run(main())
