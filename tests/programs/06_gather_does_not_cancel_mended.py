import asyncio


async def book_flight():
    await asyncio.sleep(0.1)
    raise ValueError("sold out")


async def book_hotel():
    await asyncio.sleep(0.5)
    print("the hotel is booked")


async def main():
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(book_flight())
            group.create_task(book_hotel())
    except* ValueError as errors:
        print("no journey:", errors.exceptions)
    await asyncio.sleep(0.6)


if __name__ == "__main__":
    asyncio.run(main())
