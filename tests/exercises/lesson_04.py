"""Answers to the exercise of lesson 4."""

from . import read_answers

ANSWERS = {
    "the printer": read_answers(
        """
### right
async def serve(name, print_receipt):
    await asyncio.sleep(2)
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, print_receipt, name)

### right
async def find_money():
    await asyncio.sleep(2)


async def serve(name, print_receipt):
    await find_money()
    await asyncio.create_task(asyncio.to_thread(lambda: print_receipt(name)))

### a forgotten await | receipt
async def serve(name, print_receipt):
    await asyncio.sleep(2)
    asyncio.to_thread(print_receipt, name)

### a plan in place of the call | held the loop
async def print_it(name, print_receipt):
    print_receipt(name)


async def serve(name, print_receipt):
    await asyncio.sleep(2)
    await print_it(name, print_receipt)

### called before it is handed over, and the error let out | call the function itself
async def serve(name, print_receipt):
    await asyncio.sleep(2)
    await asyncio.to_thread(print_receipt(name))

### the receipt before the money | 3 s
async def serve(name, print_receipt):
    await asyncio.gather(asyncio.sleep(2), asyncio.to_thread(print_receipt, name))

### one printer for all | 11 s
lock = asyncio.Lock()


async def serve(name, print_receipt):
    await asyncio.sleep(2)
    async with lock:
        await asyncio.to_thread(print_receipt, name)

### a customer who never leaves | stopped
async def serve(name, print_receipt):
    await asyncio.to_thread(print_receipt, name)
    await asyncio.Event().wait()

### a customer who looks for money for ever | stopped
async def serve(name, print_receipt):
    money = 0
    while not money:
        pass
    await asyncio.to_thread(print_receipt, name)
"""
    ),
}
