import asyncio


async def add_up(row):
    return sum(number * number for number in range(row % 7, 20_000))  # HERE


async def count():
    total = 0
    for row in range(250):
        total += await add_up(row)
    print("total", total)


async def tick():
    for _ in range(10):
        print("tick")
        await asyncio.sleep(0.08)


async def main():
    await asyncio.gather(tick(), count())


if __name__ == "__main__":
    asyncio.run(main())
