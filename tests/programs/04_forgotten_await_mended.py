import asyncio


async def save(text):
    await asyncio.sleep(0.05)
    print("saved", text)


async def main():
    await save("my essay")
    await asyncio.sleep(0.1)
    print("done")


if __name__ == "__main__":
    asyncio.run(main())
