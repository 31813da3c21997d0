"""Answers to the exercise of lesson 5."""

ANSWERS = {
    "the till": """
### no lock at all | the money for 30 tickets
def sell(read_card, till, lock):
    read_card()
    till.put(till.look() + 1)

### a lock for each | the money for 30 tickets
-    with lock:
+    with threading.Lock():

### a lock that isn't given back | all tickets are sold
def sell(read_card, till, lock):
    read_card()
    lock.acquire()
    money = till.look()
    till.put(money + 1)

### async with a lock of threads | `async def`
-def sell(read_card, till, lock):
+async def sell(read_card, till, lock):
-    with lock:
+    async with lock:

### looking until it is free | all tickets are sold
def sell(read_card, till, lock):
    read_card()
    while till.look() >= 0:
        pass

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

### a lock around everything | several cards
-    with lock:
+    with lock:
+        read_card()
-    read_card()

### no card | card has been read
def sell(read_card, till, lock):
    with lock:
        till.put(till.look() + 1)
""",
}
