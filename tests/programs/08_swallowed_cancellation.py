import asyncio


async def watch():
    while True:
        try:
            await asyncio.sleep(0.05)  # HERE
            print("watching")
        except asyncio.CancelledError:
            print("time to go")
            return


async def main():
    watcher = asyncio.create_task(watch())
    await asyncio.sleep(0.12)
    watcher.cancel()
    await watcher
    print("done")


if __name__ == "__main__":
    asyncio.run(main())
