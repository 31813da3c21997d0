import asyncio


async def book_flight():
    await asyncio.sleep(0.1)
    raise ValueError("sold out")


async def book_hotel():
    await asyncio.sleep(0.5)
    print("the hotel is booked")


async def main():
    try:
        await asyncio.gather(book_flight(), book_hotel())  # HERE
    except ValueError as error:
        print("no journey:", error)
    await asyncio.sleep(0.6)


if __name__ == "__main__":
    asyncio.run(main())
