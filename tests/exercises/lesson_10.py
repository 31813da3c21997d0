"""Answers to the exercise of lesson 10."""

from . import Answers

ANSWERS = {
    "the tills": Answers(
        right=[
            """
async def count_sales(open_till, names):
    def count(name):
        with closing(open_till(name)) as database:
            (number,) = database.cursor().execute("select count(*) from sales").fetchone()
            return number

    async with asyncio.TaskGroup() as group:
        tasks = {n: group.create_task(asyncio.to_thread(count, n)) for n in names}
    return {name: task.result() for name, task in tasks.items()}
""",
            """
def count(open_till, name, counts):
    database = open_till(name)
    rows = database.execute("select * from sales").fetchall()
    database.close()
    counts[name] = len(rows)


async def count_sales(open_till, names):
    counts = {}
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(len(names)) as pool:
        jobs = [loop.run_in_executor(pool, count, open_till, name, counts) for name in names]
        await asyncio.wait(jobs)
    return counts
""",
            """
async def count_one(open_till, name):
    with ThreadPoolExecutor(1) as pool:
        async def call(function, *args):
            return await asyncio.get_running_loop().run_in_executor(pool, function, *args)

        database = await call(open_till, name)
        cursor = await call(database.execute, "select count(*) from sales")
        row = await call(cursor.fetchone)
        await call(database.close)
    return name, row[0]


async def count_sales(open_till, names):
    return dict(await asyncio.gather(*(count_one(open_till, name) for name in names)))
""",
        ],
        wrong=[
            (
                "async def around what blocks",
                """
async def count_one(open_till, name):
    with closing(open_till(name)) as database:
        return database.execute("select count(*) from sales").fetchone()[0]


async def count_sales(open_till, names):
    counts = await asyncio.gather(*(count_one(open_till, name) for name in names))
    return dict(zip(names, counts))
""",
                "held the loop",
            ),
            (
                "opened here, asked there",
                """
async def count_one(open_till, name):
    with closing(open_till(name)) as database:
        cursor = await asyncio.to_thread(database.execute, "select count(*) from sales")
        return cursor.fetchone()[0]


async def count_sales(open_till, names):
    counts = await asyncio.gather(*(count_one(open_till, name) for name in names))
    return dict(zip(names, counts))
""",
                "A connection belongs to the thread",
            ),
            (
                "one thread after another",
                """
def count_one(open_till, name):
    with closing(open_till(name)) as database:
        return database.execute("select count(*) from sales").fetchone()[0]


async def count_sales(open_till, names):
    return {name: await asyncio.to_thread(count_one, open_till, name) for name in names}
""",
                "6 s",
            ),
            (
                "called before it is handed over",
                """
def count_one(open_till, name):
    with closing(open_till(name)) as database:
        return database.execute("select count(*) from sales").fetchone()[0]


async def count_sales(open_till, names):
    jobs = [asyncio.to_thread(count_one(open_till, name)) for name in names]
    return dict(zip(names, await asyncio.gather(*jobs)))
""",
                "TypeError",
            ),
            (
                "a forgotten await",
                """
def count_one(open_till, name):
    with closing(open_till(name)) as database:
        return database.execute("select count(*) from sales").fetchone()[0]


async def count_sales(open_till, names):
    return {name: asyncio.to_thread(count_one, open_till, name) for name in names}
""",
                "dictionary",
            ),
            (
                "numbers without names",
                """
def count_one(open_till, name):
    with closing(open_till(name)) as database:
        return database.execute("select count(*) from sales").fetchone()[0]


async def count_sales(open_till, names):
    return await asyncio.gather(
        *(asyncio.to_thread(count_one, open_till, name) for name in names)
    )
""",
                "dictionary",
            ),
            (
                "nothing is closed",
                """
def count_one(open_till, name):
    return open_till(name).execute("select count(*) from sales").fetchone()[0]


async def count_sales(open_till, names):
    jobs = [asyncio.to_thread(count_one, open_till, name) for name in names]
    return dict(zip(names, await asyncio.gather(*jobs)))
""",
                "closed",
            ),
            (
                "numbers that were right once",
                """
async def count_sales(open_till, names):
    await asyncio.sleep(2)
    return {"front": 3, "back": 5, "door": 2}
""",
                "closed",
            ),
            (
                "one thread for all",
                """
def count_all(open_till, names):
    counts = {}
    for name in names:
        with closing(open_till(name)) as database:
            counts[name] = database.execute("select count(*) from sales").fetchone()[0]
    return counts


async def count_sales(open_till, names):
    return await asyncio.to_thread(count_all, open_till, names)
""",
                "6 s",
            ),
            (
                "waiting for the pool instead of awaiting",
                """
def count_one(open_till, name):
    with closing(open_till(name)) as database:
        return database.execute("select count(*) from sales").fetchone()[0]


async def count_sales(open_till, names):
    with ThreadPoolExecutor() as pool:
        counts = list(pool.map(lambda name: count_one(open_till, name), names))
    return dict(zip(names, counts))
""",
                "held the loop",
            ),
            (
                "an event that nobody sets",
                """
def count_one(open_till, name):
    with closing(open_till(name)) as database:
        return database.execute("select count(*) from sales").fetchone()[0]


async def count_sales(open_till, names):
    done = asyncio.Event()
    jobs = [asyncio.to_thread(count_one, open_till, name) for name in names]
    counts = await asyncio.gather(*jobs)
    await done.wait()
    return dict(zip(names, counts))
""",
                "stopped",
            ),
        ],
    )
}
