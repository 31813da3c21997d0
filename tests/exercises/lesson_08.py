"""Answers to the exercise of lesson 8."""

from . import Answers

_HEAD = """
class Oven:
    def __init__(self, make_future):
        self.make_future = make_future
        self.is_taken = False
        self.queue = deque()

"""

ANSWERS = {
    "one oven": Answers(
        right=[
            # Each one waits for whoever is before it.
            """
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
""",
            # A free oven is a future that is set; the queue has one for each, the first too.
            """
class Oven:
    def __init__(self, make_future):
        self.make_future = make_future
        self.queue = deque()

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
""",
            # A plain list, a ticket and an async give_back.
            """
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
        ],
        wrong=[
            (
                "nobody waits",
                _HEAD
                + """
    async def take(self):
        self.is_taken = True

    def give_back(self):
        self.is_taken = False
""",
                "only one cake",
            ),
            (
                "a future that nobody awaits",
                _HEAD
                + """
    async def take(self):
        if self.is_taken:
            my_turn = self.make_future()
            self.queue.append(my_turn)
        self.is_taken = True

    def give_back(self):
        if self.queue:
            self.queue.popleft().set_result(None)
        else:
            self.is_taken = False
""",
                "only one cake",
            ),
            (
                "free in between, looked at once",
                _HEAD
                + """
    async def take(self):
        if self.is_taken:
            my_turn = self.make_future()
            self.queue.append(my_turn)
            await my_turn
        self.is_taken = True

    def give_back(self):
        self.is_taken = False
        if self.queue:
            self.queue.popleft().set_result(None)
""",
                "only one cake",
            ),
            (
                "free in between, looked at again",
                _HEAD
                + """
    async def take(self):
        while self.is_taken:
            my_turn = self.make_future()
            self.queue.append(my_turn)
            await my_turn
        self.is_taken = True

    def give_back(self):
        self.is_taken = False
        if self.queue:
            self.queue.popleft().set_result(None)
""",
                "Who came first",
            ),
            (
                "the last one first",
                _HEAD
                + """
    async def take(self):
        if self.is_taken:
            my_turn = self.make_future()
            self.queue.append(my_turn)
            await my_turn
        self.is_taken = True

    def give_back(self):
        if self.queue:
            self.queue.pop().set_result(None)
        else:
            self.is_taken = False
""",
                "Who came first",
            ),
            (
                "all are woken",
                _HEAD
                + """
    async def take(self):
        if self.is_taken:
            my_turn = self.make_future()
            self.queue.append(my_turn)
            await my_turn
        self.is_taken = True

    def give_back(self):
        while self.queue:
            self.queue.popleft().set_result(None)
        self.is_taken = False
""",
                "only one cake",
            ),
            (
                "looks again and again",
                _HEAD
                + """
    async def take(self):
        while self.is_taken:
            await asyncio.sleep(0.1)
        self.is_taken = True

    def give_back(self):
        self.is_taken = False
""",
                "again and again",
            ),
            (
                "looks again without a pause for the clock",
                _HEAD
                + """
    async def take(self):
        while self.is_taken:
            await asyncio.sleep(0)
        self.is_taken = True

    def give_back(self):
        self.is_taken = False
""",
                # A fast machine gets to the end, and finds that the turns are wrong; on a slow one
                # it is stopped there.
                "line 10|Who came first gets it first",
            ),
            (
                "nobody is woken",
                _HEAD
                + """
    async def take(self):
        if self.is_taken:
            my_turn = self.make_future()
            self.queue.append(my_turn)
            await my_turn
        self.is_taken = True

    def give_back(self):
        self.is_taken = False
""",
                "stopped",
            ),
            (
                "never free again",
                _HEAD
                + """
    async def take(self):
        if self.is_taken:
            my_turn = self.make_future()
            self.queue.append(my_turn)
            await my_turn
        self.is_taken = True

    def give_back(self):
        if self.queue:
            self.queue.popleft().set_result(None)
""",
                "stopped",
            ),
            (
                "an empty queue",
                _HEAD
                + """
    async def take(self):
        if self.is_taken:
            my_turn = self.make_future()
            self.queue.append(my_turn)
            await my_turn
        self.is_taken = True

    def give_back(self):
        self.queue.popleft().set_result(None)
""",
                "IndexError",
            ),
            (
                "blocks the loop",
                _HEAD
                + """
    async def take(self):
        while self.is_taken:
            pass
        self.is_taken = True

    def give_back(self):
        self.is_taken = False
""",
                "stopped",
            ),
            (
                "asyncio's own lock",
                """
class Oven:
    def __init__(self, make_future):
        self.lock = asyncio.Lock()

    async def take(self):
        await self.lock.acquire()

    def give_back(self):
        self.lock.release()
""",
                "make_future",
            ),
            (
                "take is no coroutine function",
                _HEAD
                + """
    def take(self):
        if self.is_taken:
            my_turn = self.make_future()
            self.queue.append(my_turn)
            return my_turn
        self.is_taken = True

    def give_back(self):
        if self.queue:
            self.queue.popleft().set_result(None)
        else:
            self.is_taken = False
""",
                "has to be a coroutine",
            ),
            (
                "one queue for all ovens",
                """
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
""",
                "as soon as it is given back",
            ),
        ],
    )
}
