import asyncio
import os
import tempfile
import threading
import time


def slow_disk(path, text):
    """Stands in for a slow disk: a named pipe gives what it holds after a while."""
    os.mkfifo(path)

    def deliver():
        time.sleep(0.2)
        with open(path, "w") as pipe:
            pipe.write(text)

    threading.Thread(target=deliver).start()


async def read(path):
    with open(path) as file:  # HERE
        return file.read()


async def main():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "letter.txt")
        slow_disk(path, "Dear Ann")
        letter, _ = await asyncio.gather(read(path), asyncio.sleep(0.05))
        print(letter)


if __name__ == "__main__":
    asyncio.run(main())
