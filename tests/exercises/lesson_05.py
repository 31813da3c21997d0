"""Answers to the exercise of lesson 5."""

from . import Answers

ANSWERS = {
    "the till": Answers(
        right=[
            """
def sell(read_card, till, lock):
    read_card()
    lock.acquire()
    try:
        till.put(till.look() + 1)
    finally:
        lock.release()
""",
            """
my_lock = threading.RLock()


def sell(read_card, till, lock):
    read_card()
    with my_lock:
        money = till.look()
        till.put(money + 1)
""",
            """
def sell(read_card, till, lock):
    with lock:
        money = till.look()
        till.put(money + 1)
    read_card()
""",
        ],
        wrong=[
            (
                "no lock at all",
                """
def sell(read_card, till, lock):
    read_card()
    till.put(till.look() + 1)
""",
                "the money for 30 tickets",
            ),
            (
                "a lock around everything",
                """
def sell(read_card, till, lock):
    with lock:
        read_card()
        money = till.look()
        till.put(money + 1)
""",
                "several cards",
            ),
            (
                "a lock around the putting only",
                """
def sell(read_card, till, lock):
    read_card()
    money = till.look()
    with lock:
        till.put(money + 1)
""",
                "the money for 30 tickets",
            ),
            (
                "two locked blocks",
                """
def sell(read_card, till, lock):
    read_card()
    with lock:
        money = till.look()
    with lock:
        till.put(money + 1)
""",
                "the money for 30 tickets",
            ),
            (
                "a lock for each",
                """
def sell(read_card, till, lock):
    read_card()
    with threading.Lock():
        money = till.look()
        till.put(money + 1)
""",
                "the money for 30 tickets",
            ),
            (
                "a lock that isn't given back",
                """
def sell(read_card, till, lock):
    read_card()
    lock.acquire()
    money = till.look()
    till.put(money + 1)
""",
                "gives it back",
            ),
            (
                "taken twice",
                """
def sell(read_card, till, lock):
    read_card()
    with lock:
        money = till.look()
        with lock:
            till.put(money + 1)
""",
                "gives it back",
            ),
            (
                "no card",
                """
def sell(read_card, till, lock):
    with lock:
        till.put(till.look() + 1)
""",
                "card has been read",
            ),
            (
                "what should be in the till",
                """
def sell(read_card, till, lock):
    read_card()
    till.put(30)
""",
                "the money for 30 tickets",
            ),
            (
                "async with a lock of threads",
                """
async def sell(read_card, till, lock):
    read_card()
    async with lock:
        money = till.look()
        till.put(money + 1)
""",
                "`async def`",
            ),
            (
                "looking until it is free",
                """
def sell(read_card, till, lock):
    read_card()
    while till.look() >= 0:
        pass
""",
                "all tickets are sold",
            ),
        ],
    )
}
