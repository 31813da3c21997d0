import asyncio


async def fetch(page):
    await asyncio.sleep(0.2)
    return f"page {page}"


async def main():
    pages = await asyncio.gather(fetch(1), fetch(2), fetch(3))
    print(pages)


if __name__ == "__main__":
    asyncio.run(main())
