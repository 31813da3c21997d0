"""Answers to the exercise of lesson 4."""

ANSWERS = {
    "the printer": """
### a forgotten await | receipt
-    await asyncio.to_thread(print_receipt, name)
+    asyncio.to_thread(print_receipt, name)

### a plan in place of the call | held the loop
async def print_it(name, print_receipt):
    print_receipt(name)


async def serve(name, print_receipt):
    await asyncio.sleep(2)
    await print_it(name, print_receipt)

### called before it is handed over, and the error let out | call the function itself
-    await asyncio.to_thread(print_receipt, name)
+    await asyncio.to_thread(print_receipt(name))

### the receipt before the money | 3 s
async def serve(name, print_receipt):
    await asyncio.gather(asyncio.sleep(2), asyncio.to_thread(print_receipt, name))

### one printer for all | 11 s
lock = asyncio.Lock()


async def serve(name, print_receipt):
    await asyncio.sleep(2)
    async with lock:
        await asyncio.to_thread(print_receipt, name)

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
""",
}
