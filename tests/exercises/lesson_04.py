"""Answers to the exercise of lesson 4."""

from . import Answers

ANSWERS = {
    "the printer": Answers(
        right=[
            """
async def serve(name, print_receipt):
    await asyncio.sleep(2)
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, print_receipt, name)
""",
            """
async def serve(name, print_receipt):
    await asyncio.sleep(2)
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(print_receipt, name))
""",
            """
async def find_money():
    await asyncio.sleep(2)


async def serve(name, print_receipt):
    await find_money()
    await asyncio.create_task(asyncio.to_thread(lambda: print_receipt(name)))
""",
        ],
        wrong=[
            (
                "a forgotten await",
                """
async def serve(name, print_receipt):
    await asyncio.sleep(2)
    asyncio.to_thread(print_receipt, name)
""",
                "receipt",
            ),
            (
                "a plan in place of the call",
                """
async def print_it(name, print_receipt):
    print_receipt(name)


async def serve(name, print_receipt):
    await asyncio.sleep(2)
    await print_it(name, print_receipt)
""",
                "held the loop",
            ),
            (
                "called before it is handed over",
                """
async def serve(name, print_receipt):
    await asyncio.sleep(2)
    try:
        await asyncio.to_thread(print_receipt(name))
    except TypeError:
        pass
""",
                "held the loop",
            ),
            (
                "called before it is handed over, and the error let out",
                """
async def serve(name, print_receipt):
    await asyncio.sleep(2)
    await asyncio.to_thread(print_receipt(name))
""",
                "called too early",
            ),
            (
                "only a chance for the others",
                """
async def serve(name, print_receipt):
    await asyncio.sleep(2)
    await asyncio.sleep(0)
    print_receipt(name)
""",
                "held the loop",
            ),
            (
                "the receipt before the money",
                """
async def serve(name, print_receipt):
    await asyncio.gather(asyncio.sleep(2), asyncio.to_thread(print_receipt, name))
""",
                "3 s",
            ),
            (
                "one printer for all",
                """
lock = asyncio.Lock()


async def serve(name, print_receipt):
    await asyncio.sleep(2)
    async with lock:
        await asyncio.to_thread(print_receipt, name)
""",
                "11 s",
            ),
            (
                "a task that nobody waits for",
                """
async def serve(name, print_receipt):
    await asyncio.sleep(2)
    asyncio.create_task(asyncio.to_thread(print_receipt, name))
""",
                "receipt",
            ),
            (
                "a receipt that nobody has printed",
                """
async def serve(name, print_receipt):
    await asyncio.sleep(5)
""",
                "receipt",
            ),
            (
                "a customer who never leaves",
                """
async def serve(name, print_receipt):
    await asyncio.to_thread(print_receipt, name)
    await asyncio.Event().wait()
""",
                "stopped",
            ),
            (
                "a customer who looks for money for ever",
                """
async def serve(name, print_receipt):
    money = 0
    while not money:
        pass
    await asyncio.to_thread(print_receipt, name)
""",
                "stopped",
            ),
        ],
    )
}
