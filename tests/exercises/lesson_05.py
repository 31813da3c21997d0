"""Answers to the exercise of lesson 5."""

from . import read_answers

ANSWERS = {
    "the till": read_answers(
        """
### right
my_lock = threading.RLock()


def sell(read_card, till, lock):
    read_card()
    with my_lock:
        money = till.look()
        till.put(money + 1)

### right
def sell(read_card, till, lock):
    with lock:
        money = till.look()
        till.put(money + 1)
    read_card()

### no lock at all | the money for 30 tickets
def sell(read_card, till, lock):
    read_card()
    till.put(till.look() + 1)

### a lock around everything | several cards
def sell(read_card, till, lock):
    with lock:
        read_card()
        money = till.look()
        till.put(money + 1)

### a lock for each | the money for 30 tickets
def sell(read_card, till, lock):
    read_card()
    with threading.Lock():
        money = till.look()
        till.put(money + 1)

### a lock that isn't given back | gives it back
def sell(read_card, till, lock):
    read_card()
    lock.acquire()
    money = till.look()
    till.put(money + 1)

### no card | card has been read
def sell(read_card, till, lock):
    with lock:
        till.put(till.look() + 1)

### async with a lock of threads | `async def`
async def sell(read_card, till, lock):
    read_card()
    async with lock:
        money = till.look()
        till.put(money + 1)

### looking until it is free | all tickets are sold
def sell(read_card, till, lock):
    read_card()
    while till.look() >= 0:
        pass
"""
    ),
}
