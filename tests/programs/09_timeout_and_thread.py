import asyncio
import time


def download():
    time.sleep(0.6)
    return "a large file"


async def main():
    try:
        print(await asyncio.wait_for(asyncio.to_thread(download), timeout=0.1))  # HERE
    except TimeoutError:
        print("too slow: the download is stopped")
    await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main())
