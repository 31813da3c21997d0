"""Answers to the exercise of lesson 6."""

ANSWERS = {
    "ten thousand at the gate": """
### plans that nobody carries out | different tasks
def hold(number, gate):
    return [gate.wait() for _ in range(number)]

### one task, many times | returned: 1.
def hold(number, gate):
    return [asyncio.create_task(gate.wait())] * number

### nothing returned | returned a list
def hold(number, gate):
    for _ in range(number):
        asyncio.create_task(gate.wait())

### a sleep in place of the gate | before the gate opens
def hold(number, gate):
    return [asyncio.create_task(asyncio.sleep(30)) for _ in range(number)]

### a gate of its own | when the gate is open
def hold(number, gate):
    gate = asyncio.Event()
    return [asyncio.create_task(gate.wait()) for _ in range(number)]

### the number of the task text | 10,000 different tasks
def hold(number, gate):
    return [asyncio.create_task(gate.wait()) for _ in range(10)]

### right
def hold(number, gate):
    async def one():
        await gate.wait()
        return "through"

    return [asyncio.ensure_future(one()) for _ in range(number)]

### right
async def wait_at(gate, number):
    await gate.wait()
    return number


def hold(number, gate):
    loop = asyncio.get_running_loop()
    return [loop.create_task(wait_at(gate, n), name=f"guest-{n}") for n in range(number)]

### right
async def hold(number, gate):
    return [asyncio.create_task(gate.wait()) for _ in range(number)]

### hold waits itself | stopped
async def hold(number, gate):
    tasks = [asyncio.create_task(gate.wait()) for _ in range(number)]
    await asyncio.gather(*tasks)
    return tasks
""",
}
