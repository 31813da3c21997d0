"""In a cell one writes `await main()`; a script needs asyncio.run()."""

import asyncio


async def main():
    print("hello")
    await asyncio.sleep(0.05)
    print("world")


if __name__ == "__main__":
    asyncio.run(main())
