"""Answers to the exercises of lesson 13."""

from . import Answers

ANSWERS = {
    "the ticket office": Answers(
        right=[
            """
class Office:
    def __init__(self, seats):
        self.free = seats
        self.sold = []

    async def sell(self, name, pay):
        if self.free == 0:
            return False
        self.free -= 1
        try:
            await pay(name)
        except BaseException:
            self.free += 1
            raise
        self.sold.append(name)
        return True
""",
            """
class Office:
    def __init__(self, seats):
        self.free = seats
        self.sold = []
        self.counter = asyncio.Semaphore(1)

    async def sell(self, name, pay):
        await self.counter.acquire()
        try:
            if self.free > 0:
                await pay(name)
                self.free -= 1
                self.sold.append(name)
                return True
            return False
        finally:
            self.counter.release()
""",
            """
class Office:
    def __init__(self, seats):
        self.seats = seats
        self.sold = []
        self.paying = 0
        self.changed = asyncio.Condition()

    @property
    def free(self):
        return self.seats - len(self.sold)

    async def sell(self, name, pay):
        async with self.changed:
            await self.changed.wait_for(lambda: self.free == 0 or self.paying < self.free)
            if self.free == 0:
                return False
            self.paying += 1
        try:
            await pay(name)
            self.sold.append(name)
        finally:
            self.paying -= 1
            async with self.changed:
                self.changed.notify_all()
        return True
""",
            """
class Office:
    def __init__(self, seats):
        self.free = seats
        self.sold = []
        self.busy = False

    async def sell(self, name, pay):
        while self.busy:
            await asyncio.sleep(0.1)
        self.busy = True
        try:
            if self.free == 0:
                return False
            await pay(name)
            self.free -= 1
            self.sold.append(name)
            return True
        finally:
            self.busy = False
""",
        ],
        wrong=[
            (
                "looked twice",
                """
class Office:
    def __init__(self, seats):
        self.free = seats
        self.sold = []

    async def sell(self, name, pay):
        if self.free == 0:
            return False
        await pay(name)
        if self.free == 0:
            return False
        self.free -= 1
        self.sold.append(name)
        return True
""",
                "paid, and the tickets are for",
            ),
            (
                "a lock around the payment only",
                """
class Office:
    def __init__(self, seats):
        self.free = seats
        self.sold = []
        self.lock = asyncio.Lock()

    async def sell(self, name, pay):
        if self.free == 0:
            return False
        async with self.lock:
            await pay(name)
        self.free -= 1
        self.sold.append(name)
        return True
""",
                "tickets were sold for two seats",
            ),
            (
                "a new lock for each sale",
                """
class Office:
    def __init__(self, seats):
        self.free = seats
        self.sold = []

    async def sell(self, name, pay):
        async with asyncio.Lock():
            if self.free == 0:
                return False
            await pay(name)
            self.free -= 1
            self.sold.append(name)
            return True
""",
                "tickets were sold for two seats",
            ),
            (
                "one lock for all offices",
                """
lock = asyncio.Lock()


class Office:
    def __init__(self, seats):
        self.free = seats
        self.sold = []

    async def sell(self, name, pay):
        async with lock:
            if self.free == 0:
                return False
            await pay(name)
            self.free -= 1
            self.sold.append(name)
            return True
""",
                "one of them waits for the other",
            ),
            (
                "a lock that isn't given back",
                """
class Office:
    def __init__(self, seats):
        self.free = seats
        self.sold = []
        self.lock = asyncio.Lock()

    async def sell(self, name, pay):
        await self.lock.acquire()
        if self.free == 0:
            self.lock.release()
            return False
        await pay(name)
        self.free -= 1
        self.sold.append(name)
        self.lock.release()
        return True
""",
                "still waiting at the counter",
            ),
            (
                "a seat that isn't given back",
                """
class Office:
    def __init__(self, seats):
        self.free = seats
        self.sold = []

    async def sell(self, name, pay):
        if self.free == 0:
            return False
        self.free -= 1
        await pay(name)
        self.sold.append(name)
        return True
""",
                "Ada, who has, got False",
            ),
            (
                "an error swallowed",
                """
class Office:
    def __init__(self, seats):
        self.free = seats
        self.sold = []

    async def sell(self, name, pay):
        if self.free == 0:
            return False
        self.free -= 1
        try:
            await pay(name)
        except ValueError:
            self.free += 1
            return False
        self.sold.append(name)
        return True
""",
                "no error for it",
            ),
            (
                "only errors give the seat back",
                """
class Office:
    def __init__(self, seats):
        self.free = seats
        self.sold = []

    async def sell(self, name, pay):
        if self.free == 0:
            return False
        self.free -= 1
        try:
            await pay(name)
        except Exception:
            self.free += 1
            raise
        self.sold.append(name)
        return True
""",
                "lesson 12",
            ),
            (
                "a look at the clock",
                """
class Office:
    def __init__(self, seats):
        self.free = seats
        self.sold = []
        self.busy = False

    async def sell(self, name, pay):
        while self.busy:
            await asyncio.sleep(0.1)
        await asyncio.sleep(0)
        self.busy = True
        try:
            if self.free == 0:
                return False
            await pay(name)
            self.free -= 1
            self.sold.append(name)
            return True
        finally:
            self.busy = False
""",
                "tickets were sold for two seats",
            ),
            (
                "without a payment",
                """
class Office:
    def __init__(self, seats):
        self.free = seats
        self.sold = []

    async def sell(self, name, pay):
        if self.free == 0:
            return False
        self.free -= 1
        pay(name).close()
        self.sold.append(name)
        return True
""",
                "nobody paid",
            ),
            (
                "a lock for threads",
                """
import threading


class Office:
    def __init__(self, seats):
        self.free = seats
        self.sold = []
        self.lock = threading.Lock()

    async def sell(self, name, pay):
        with self.lock:
            if self.free == 0:
                return False
            await pay(name)
            self.free -= 1
            self.sold.append(name)
            return True
""",
                "stopped",
            ),
            (
                "nothing returned",
                """
class Office:
    def __init__(self, seats):
        self.free = seats
        self.sold = []
        self.lock = asyncio.Lock()

    async def sell(self, name, pay):
        async with self.lock:
            if self.free > 0:
                await pay(name)
                self.free -= 1
                self.sold.append(name)
""",
                "it gave None",
            ),
        ],
    ),
    "the parcels": Answers(
        right=[
            """
async def pack_all(parcels, pack, workers):
    turn = asyncio.Semaphore(workers)

    async def pack_one(parcel):
        async with turn:
            return await pack(parcel)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(pack_one(parcel)) for parcel in parcels]
    return [task.result() for task in tasks]
""",
            """
async def pack_all(parcels, pack, workers):
    queue, packed = asyncio.Queue(), {}
    for parcel in [*parcels, *[None] * workers]:
        queue.put_nowait(parcel)

    async def work():
        while (parcel := await queue.get()) is not None:
            packed[parcel] = await pack(parcel)

    tasks = [asyncio.create_task(work()) for _ in range(workers)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [packed[parcel] for parcel in parcels]
""",
            """
async def pack_all(parcels, pack, workers):
    left, packed = iter(parcels), {}

    async def work():
        for parcel in left:
            packed[parcel] = await pack(parcel)

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())
    return [packed[parcel] for parcel in parcels]
""",
            """
async def pack_all(parcels, pack, workers):
    queue, packed = asyncio.Queue(), {}
    for parcel in parcels:
        queue.put_nowait(parcel)

    async def work():
        while True:
            parcel = await queue.get()
            packed[parcel] = await pack(parcel)
            queue.task_done()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work()) for _ in range(workers)]
        await queue.join()
        for task in tasks:
            task.cancel()
    return [packed[parcel] for parcel in parcels]
""",
        ],
        wrong=[
            (
                "join without task_done",
                """
async def pack_all(parcels, pack, workers):
    queue, packed = asyncio.Queue(), {}
    for parcel in parcels:
        queue.put_nowait(parcel)

    async def work():
        while True:
            parcel = await queue.get()
            packed[parcel] = await pack(parcel)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work()) for _ in range(workers)]
        await queue.join()
        for task in tasks:
            task.cancel()
    return [packed[parcel] for parcel in parcels]
""",
                "somebody still waits",
            ),
            (
                "the workers are left standing",
                """
async def pack_all(parcels, pack, workers):
    queue, packed = asyncio.Queue(), {}
    for parcel in parcels:
        queue.put_nowait(parcel)

    async def work():
        while True:
            parcel = await queue.get()
            packed[parcel] = await pack(parcel)
            queue.task_done()

    tasks = [asyncio.create_task(work()) for _ in range(workers)]
    await queue.join()
    return [packed[parcel] for parcel in parcels]
""",
                "still stands there",
            ),
            (
                "join waits for a worker that has failed",
                """
async def pack_all(parcels, pack, workers):
    queue, packed = asyncio.Queue(), {}
    for parcel in parcels:
        queue.put_nowait(parcel)

    async def work():
        while True:
            parcel = await queue.get()
            packed[parcel] = await pack(parcel)
            queue.task_done()

    tasks = [asyncio.create_task(work()) for _ in range(workers)]
    await queue.join()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return [packed[parcel] for parcel in parcels]
""",
                "waits for it for ever",
            ),
            (
                "gather leaves the others at work",
                """
async def pack_all(parcels, pack, workers):
    queue, packed = asyncio.Queue(), {}
    for parcel in parcels:
        queue.put_nowait(parcel)

    async def work():
        while not queue.empty():
            parcel = queue.get_nowait()
            packed[parcel] = await pack(parcel)

    await asyncio.gather(*(work() for _ in range(workers)))
    return [packed[parcel] for parcel in parcels]
""",
                "packs on although nobody waits",
            ),
            (
                "one after another",
                """
async def pack_all(parcels, pack, workers):
    return [await pack(parcel) for parcel in parcels]
""",
                "2 workers",
            ),
            (
                "all at once",
                """
async def pack_all(parcels, pack, workers):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(pack(parcel)) for parcel in parcels]
    return [task.result() for task in tasks]
""",
                "one parcel at a time",
            ),
            (
                "in the order in which they are done",
                """
async def pack_all(parcels, pack, workers):
    left, packed = iter(parcels), []

    async def work():
        for parcel in left:
            packed.append(await pack(parcel))

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())
    return packed
""",
                "order",
            ),
            (
                "in batches",
                """
async def pack_all(parcels, pack, workers):
    packed = []
    for start in range(0, len(parcels), workers):
        batch = parcels[start : start + workers]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(pack(parcel)) for parcel in batch]
        packed += [task.result() for task in tasks]
    return packed
""",
                "takes the next one at once",
            ),
            (
                "an error swallowed",
                """
async def pack_all(parcels, pack, workers):
    left, packed = iter(parcels), {}

    async def work():
        for parcel in left:
            try:
                packed[parcel] = await pack(parcel)
            except ValueError:
                packed[parcel] = None

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())
    return [packed[parcel] for parcel in parcels]
""",
                "never heard of it",
            ),
            (
                "nothing returned",
                """
async def pack_all(parcels, pack, workers):
    left = iter(parcels)

    async def work():
        for parcel in left:
            await pack(parcel)

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())
""",
                "return",
            ),
            (
                "plans in place of parcels",
                """
async def pack_all(parcels, pack, workers):
    return [asyncio.ensure_future(pack(parcel)) for parcel in parcels]
""",
                "await",
            ),
            (
                "a worker that goes round and round",
                """
async def pack_all(parcels, pack, workers):
    tasks = [asyncio.create_task(pack(parcel)) for parcel in parcels]
    while not all(task.done() for task in tasks):
        pass
    return [task.result() for task in tasks]
""",
                "stopped",
            ),
            (
                "the caller's list emptied",
                """
async def pack_all(parcels, pack, workers):
    packed = {}

    async def work():
        while parcels:
            parcel = parcels.pop(0)
            packed[parcel] = await pack(parcel)

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())
    return [packed[parcel] for parcel in parcels]
""",
                "was emptied on the way",
            ),
            (
                "looking again and again",
                """
async def pack_all(parcels, pack, workers):
    left, packed = list(parcels), {}

    async def work():
        while left:
            parcel = left.pop(0)
            packed[parcel] = await pack(parcel)

    tasks = [asyncio.create_task(work()) for _ in range(workers)]
    while len(packed) < len(parcels):
        await asyncio.sleep(0)
    return [packed[parcel] for parcel in parcels]
""",
                "stopped",
            ),
        ],
    ),
}
