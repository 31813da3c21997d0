import asyncio


async def fetch(page, limit):
    async with limit:
        await asyncio.sleep(0.15)  # a server's answer
        return page


async def main():
    limit = asyncio.Semaphore(100)
    pages = await asyncio.gather(*(fetch(page, limit) for page in range(400)))
    print(len(pages), "pages")


if __name__ == "__main__":
    asyncio.run(main())
