"""In a cell of a notebook, whose loop goes on when the cell is done."""

import asyncio


async def tick():
    while True:
        print("tick")
        await asyncio.sleep(0.05)


async def main():
    ticker = asyncio.create_task(tick())  # HERE
    await asyncio.sleep(0.12)
    print("the cell is done,", ticker.get_name(), "isn't")


if __name__ == "__main__":
    asyncio.run(main())
