"""Answers to the exercise of lesson 6."""

from . import Answers

ANSWERS = {
    "ten thousand at the gate": Answers(
        right=[
            """
def hold(number, gate):
    tasks = []
    for _ in range(number):
        tasks.append(asyncio.create_task(gate.wait()))
    return tasks
""",
            """
def hold(number, gate):
    async def one():
        await gate.wait()
        return "through"

    return [asyncio.ensure_future(one()) for _ in range(number)]
""",
            """
async def wait_at(gate, number):
    await gate.wait()
    return number


def hold(number, gate):
    loop = asyncio.get_running_loop()
    return [loop.create_task(wait_at(gate, n), name=f"guest-{n}") for n in range(number)]
""",
            """
async def hold(number, gate):
    return [asyncio.create_task(gate.wait()) for _ in range(number)]
""",
        ],
        wrong=[
            (
                "plans that nobody carries out",
                """
def hold(number, gate):
    return [gate.wait() for _ in range(number)]
""",
                "different tasks",
            ),
            (
                "one task, many times",
                """
def hold(number, gate):
    return [asyncio.create_task(gate.wait())] * number
""",
                "here it's 1",
            ),
            (
                "nothing returned",
                """
def hold(number, gate):
    for _ in range(number):
        asyncio.create_task(gate.wait())
""",
                "returned a list",
            ),
            (
                "everything in one gather",
                """
def hold(number, gate):
    return asyncio.gather(*(gate.wait() for _ in range(number)))
""",
                "returned a list",
            ),
            (
                "a sleep in place of the gate",
                """
def hold(number, gate):
    return [asyncio.create_task(asyncio.sleep(30)) for _ in range(number)]
""",
                "before the gate opens",
            ),
            (
                "a gate of its own",
                """
def hold(number, gate):
    gate = asyncio.Event()
    return [asyncio.create_task(gate.wait()) for _ in range(number)]
""",
                "when the gate is open",
            ),
            (
                "the gate opened by hold",
                """
def hold(number, gate):
    tasks = [asyncio.create_task(gate.wait()) for _ in range(number)]
    gate.set()
    return tasks
""",
                "before the gate opens",
            ),
            (
                "the number of the task text",
                """
def hold(number, gate):
    return [asyncio.create_task(gate.wait()) for _ in range(10)]
""",
                "10,000 different tasks",
            ),
            (
                "hold waits itself",
                """
async def hold(number, gate):
    tasks = [asyncio.create_task(gate.wait()) for _ in range(number)]
    await asyncio.gather(*tasks)
    return tasks
""",
                "stopped",
            ),
            (
                "the function itself",
                """
def hold(number, gate):
    return [asyncio.create_task(gate.wait) for _ in range(number)]
""",
                "missing behind its name",
            ),
            (
                "hold looks again and again",
                """
def hold(number, gate):
    tasks = [asyncio.create_task(gate.wait()) for _ in range(number)]
    while not gate.is_set():
        pass
    return tasks
""",
                "stopped",
            ),
        ],
    )
}
