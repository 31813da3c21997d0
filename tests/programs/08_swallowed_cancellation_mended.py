import asyncio


async def watch():
    while True:
        try:
            await asyncio.sleep(0.05)
            print("watching")
        except asyncio.CancelledError:
            print("time to go")
            raise


async def main():
    watcher = asyncio.create_task(watch())
    await asyncio.sleep(0.12)
    watcher.cancel()
    try:
        await watcher
    except asyncio.CancelledError:
        print("the watcher is gone")
    print("done")


if __name__ == "__main__":
    asyncio.run(main())
