import asyncio
import threading
import time


def work(done):
    time.sleep(0.1)
    done.set()  # HERE


async def main():
    done = asyncio.Event()
    thread = threading.Thread(target=work, args=(done,))
    thread.start()
    try:
        await asyncio.wait_for(done.wait(), timeout=0.4)
        print("the thread is done")
    except TimeoutError:
        print("nothing heard of the thread")
    thread.join()


if __name__ == "__main__":
    asyncio.run(main())
