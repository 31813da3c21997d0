"""Answers to the exercises of lesson 13."""

ANSWERS = {
    "the ticket office": """
### a lock around the payment only | Sold: 5, free: -3
-        async with self.lock:
-            if self.free == 0:
-                return False
-            await pay(name)
-            self.free -= 1
-            self.sold.append(name)
-            return True
+        if self.free == 0:
+            return False
+        async with self.lock:
+            await pay(name)
+        self.free -= 1
+        self.sold.append(name)
+        return True

### one lock for all offices | one of them waits for the other
-class Office:
+lock = asyncio.Lock()
+
+
+class Office:
-        self.lock = asyncio.Lock()

-        async with self.lock:
+        async with lock:

### a lock that isn't given back | her sell() still waited after 30 s
-        async with self.lock:
+        if await self.lock.acquire():
-                return False
+                self.lock.release()
+                return False
-            self.sold.append(name)
+            self.sold.append(name)
+            self.lock.release()

### a lock for threads | stopped
-class Office:
+import threading
+
+
+class Office:
-        self.lock = asyncio.Lock()
+        self.lock = threading.Lock()
-        async with self.lock:
+        with self.lock:

### nothing returned | It gave None
-            return True

### right
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

### a seat that isn't given back | her sell() returned False
-        try:
-            await pay(name)
-        except BaseException:
-            self.free += 1
-            raise
+        await pay(name)

### an error swallowed | Bo had no money, and sell() returned False
-        except BaseException:
+        except ValueError:
-            raise
+            return False

### only errors give the seat back | cancelled while paying
-        except BaseException:
+        except Exception:

### without a payment | no customer paid
-        try:
-            await pay(name)
-        except BaseException:
-            self.free += 1
-            raise
+        pay(name).close()

### right
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
    "the parcels": """
### join without task_done | stopped
-        while not queue.empty():
-            parcel = queue.get_nowait()
+        while True:
+            parcel = await queue.get()
-        for _ in range(workers):
-            group.create_task(work())
+        tasks = [group.create_task(work()) for _ in range(workers)]
+        await queue.join()
+        for task in tasks:
+            task.cancel()

### join waits for a worker that has failed | still waited after 1000 s
-        while not queue.empty():
-            parcel = queue.get_nowait()
+        while True:
+            parcel = await queue.get()
-            packed[parcel] = await pack(parcel)
+            packed[parcel] = await pack(parcel)
+            queue.task_done()
-    async with asyncio.TaskGroup() as group:
-        for _ in range(workers):
-            group.create_task(work())
+    tasks = [asyncio.create_task(work()) for _ in range(workers)]
+    await queue.join()
+    for task in tasks:
+        task.cancel()
+    await asyncio.gather(*tasks, return_exceptions=True)

### gather leaves the others at work | left running at the end
-    async with asyncio.TaskGroup() as group:
-        for _ in range(workers):
-            group.create_task(work())
+    await asyncio.gather(*(work() for _ in range(workers)))

### in the order in which they are done | order
-    return [packed[parcel] for parcel in parcels]
+    return list(packed.values())

### an error swallowed | Where does the worker's error go
-            packed[parcel] = await pack(parcel)
+            try:
+                packed[parcel] = await pack(parcel)
+            except ValueError:
+                packed[parcel] = None

### the caller's list emptied | the result is []
-    queue, packed = asyncio.Queue(), {}
-    for parcel in parcels:
-        queue.put_nowait(parcel)
+    packed = {}
-        while not queue.empty():
-            parcel = queue.get_nowait()
+        while parcels:
+            parcel = parcels.pop(0)

### right
async def pack_all(parcels, pack, workers):
    turn = asyncio.Semaphore(workers)

    async def pack_one(parcel):
        async with turn:
            return await pack(parcel)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(pack_one(parcel)) for parcel in parcels]
    return [task.result() for task in tasks]

### one after another | the most at once were 1
-    turn = asyncio.Semaphore(workers)
+    turn = asyncio.Semaphore(1)

### all at once | the most at once were 4
-    turn = asyncio.Semaphore(workers)
+    turn = asyncio.Semaphore(100)

### in batches | it took 9 s
async def pack_all(parcels, pack, workers):
    packed = []
    for start in range(0, len(parcels), workers):
        batch = parcels[start : start + workers]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(pack(parcel)) for parcel in batch]
        packed += [task.result() for task in tasks]
    return packed

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
""",
}
