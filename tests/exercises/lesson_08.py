"""Answers to the exercise of lesson 8."""

ANSWERS = {
    "one oven": """
### nobody waits | only one cake
-            await my_turn

### free in between, looked at again | First come
-        if self.is_taken:
+        while self.is_taken:
-    def give_back(self):
+    def give_back(self):
+        self.is_taken = False
-        else:
-            self.is_taken = False

### looks again and again | stopped
-            my_turn = self.make_future()
-            self.queue.append(my_turn)
-            await my_turn
+            while self.is_taken:
+                await asyncio.sleep(0)

### nobody is woken | stopped
-        if self.queue:
-            self.queue.popleft().set_result(None)
-        else:
-            self.is_taken = False
+        self.is_taken = False

### take is no coroutine function | has to be a coroutine
-    async def take(self):
+    def take(self):
-            await my_turn
+            return my_turn

### right
class Oven:
    def __init__(self, make_future):
        self.make_future = make_future
        self.last = None
        self.current = None

    async def take(self):
        before, mine = self.last, self.make_future()
        self.last = mine
        if before is not None:
            await before
        self.current = mine

    def give_back(self):
        self.current.set_result(None)

### asyncio's own lock | make_future
class Oven:
    def __init__(self, make_future):
        self.lock = asyncio.Lock()

    async def take(self):
        await self.lock.acquire()

    def give_back(self):
        self.lock.release()

### one queue for all ovens | as soon as it is given back
class Oven:
    queue = deque()

    def __init__(self, make_future):
        self.make_future = make_future

    async def take(self):
        turn = self.make_future()
        self.queue.append(turn)
        if len(self.queue) == 1:
            turn.set_result(None)
        await turn

    def give_back(self):
        self.queue.popleft()
        if self.queue:
            self.queue[0].set_result(None)

### right
class Oven:
    def __init__(self, make_future):
        self.make_future = make_future
        self.free = True
        self.tickets = []

    async def take(self):
        if self.free:
            self.free = False
            return
        ticket = self.make_future()
        self.tickets += [ticket]
        await ticket

    async def give_back(self):
        self.free = not self.tickets
        for ticket in self.tickets[:1]:
            self.tickets.remove(ticket)
            ticket.set_result("your turn")
""",
}
