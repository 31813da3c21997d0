"""Answers to the exercises of lesson 13."""

from . import read_answers

OFFICE = """\
class Office:
    def __init__(self, seats):
        self.free = seats
        self.sold = []
"""

ANSWERS = {
    "the ticket office": read_answers(
        """
### right

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

### right
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

### looked twice | paid, and the tickets are for

    async def sell(self, name, pay):
        if self.free == 0:
            return False
        await pay(name)
        if self.free == 0:
            return False
        self.free -= 1
        self.sold.append(name)
        return True

### a lock around the payment only | tickets were sold for two seats
        self.lock = asyncio.Lock()

    async def sell(self, name, pay):
        if self.free == 0:
            return False
        async with self.lock:
            await pay(name)
        self.free -= 1
        self.sold.append(name)
        return True

### one lock for all offices | one of them waits for the other
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

### a lock that isn't given back | still waiting at the counter
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

### a seat that isn't given back | Ada, who has, got False

    async def sell(self, name, pay):
        if self.free == 0:
            return False
        self.free -= 1
        await pay(name)
        self.sold.append(name)
        return True

### an error swallowed | no error for it

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

### only errors give the seat back | lesson 12

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

### without a payment | nobody paid

    async def sell(self, name, pay):
        if self.free == 0:
            return False
        self.free -= 1
        pay(name).close()
        self.sold.append(name)
        return True

### a lock for threads | stopped
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

### nothing returned | it gave None
        self.lock = asyncio.Lock()

    async def sell(self, name, pay):
        async with self.lock:
            if self.free > 0:
                await pay(name)
                self.free -= 1
                self.sold.append(name)
""",
        OFFICE,
    ),
    "the parcels": read_answers(
        """
### right
async def pack_all(parcels, pack, workers):
    turn = asyncio.Semaphore(workers)

    async def pack_one(parcel):
        async with turn:
            return await pack(parcel)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(pack_one(parcel)) for parcel in parcels]
    return [task.result() for task in tasks]

### right
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

### join without task_done | a task still waits
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

### the workers are left standing | left running at the end
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

### join waits for a worker that has failed | waits for it for ever
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

### gather leaves the others at work | left running at the end
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

### one after another | 2 workers
async def pack_all(parcels, pack, workers):
    return [await pack(parcel) for parcel in parcels]

### all at once | one parcel at a time
async def pack_all(parcels, pack, workers):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(pack(parcel)) for parcel in parcels]
    return [task.result() for task in tasks]

### in the order in which they are done | order
async def pack_all(parcels, pack, workers):
    left, packed = iter(parcels), []

    async def work():
        for parcel in left:
            packed.append(await pack(parcel))

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())
    return packed

### in batches | it took 9 s
async def pack_all(parcels, pack, workers):
    packed = []
    for start in range(0, len(parcels), workers):
        batch = parcels[start : start + workers]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(pack(parcel)) for parcel in batch]
        packed += [task.result() for task in tasks]
    return packed

### an error swallowed | and pack_all didn't
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

### the caller's list emptied | was emptied on the way
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
"""
    ),
}
