import asyncio


async def fetch(page):
    await asyncio.sleep(0.15)  # a server's answer
    return page


async def main():
    pages = await asyncio.gather(*(fetch(page) for page in range(400)))  # HERE
    print(len(pages), "pages")


if __name__ == "__main__":
    asyncio.run(main())
