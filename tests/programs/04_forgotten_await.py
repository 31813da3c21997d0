import asyncio


async def save(text):
    await asyncio.sleep(0.05)
    print("saved", text)


async def main():
    save("my essay")  # HERE
    await asyncio.sleep(0.1)
    print("done")


if __name__ == "__main__":
    asyncio.run(main())
