import asyncio
import threading
import time


def work(loop, done):
    time.sleep(0.1)
    loop.call_soon_threadsafe(done.set)


async def main():
    done = asyncio.Event()
    thread = threading.Thread(target=work, args=(asyncio.get_running_loop(), done))
    thread.start()
    try:
        await asyncio.wait_for(done.wait(), timeout=0.4)
        print("the thread is done")
    except TimeoutError:
        print("nothing heard of the thread")
    thread.join()


if __name__ == "__main__":
    asyncio.run(main())
