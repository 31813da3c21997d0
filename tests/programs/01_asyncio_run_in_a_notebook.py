"""In a cell of a notebook, where a loop is running already."""

import asyncio


async def main():
    print("hello")
    await asyncio.sleep(0.05)
    print("world")


if __name__ == "__main__":
    asyncio.run(main())  # HERE
