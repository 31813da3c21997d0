import asyncio
import threading
import time


def download(stop):
    for _ in range(60):
        if stop.is_set():
            return "half a file"
        time.sleep(0.01)
    return "a large file"


async def main():
    stop = threading.Event()
    work = asyncio.create_task(asyncio.to_thread(download, stop))
    done, _ = await asyncio.wait([work], timeout=0.1)
    if not done:
        print("too slow: the download has to stop")
        stop.set()
    print(await work)


if __name__ == "__main__":
    asyncio.run(main())
