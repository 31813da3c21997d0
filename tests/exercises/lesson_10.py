"""Answers to the exercise of lesson 10."""

ANSWERS = {
    "the tills": """
### async def around what blocks | held the loop
-def count_one(open_till, name):
+async def count_one(open_till, name):
-    visits = [asyncio.to_thread(count_one, open_till, name) for name in names]
+    visits = [count_one(open_till, name) for name in names]

### opened here, asked there | A connection belongs to the thread
-def count_one(open_till, name):
+async def count_one(open_till, name):
-        return database.execute("select count(*) from sales").fetchone()[0]
+        cursor = await asyncio.to_thread(database.execute, "select count(*) from sales")
+        return cursor.fetchone()[0]
-    visits = [asyncio.to_thread(count_one, open_till, name) for name in names]
+    visits = [count_one(open_till, name) for name in names]

### one thread after another | 6 s
-    visits = [asyncio.to_thread(count_one, open_till, name) for name in names]
-    return dict(zip(names, await asyncio.gather(*visits)))
+    return {name: await asyncio.to_thread(count_one, open_till, name) for name in names}

### a forgotten await | Is there an `await`?
-    return dict(zip(names, await asyncio.gather(*visits)))
+    return dict(zip(names, visits))

### nothing is closed | closed
-        database.close()
+        pass

### right
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

### a pool that is left before its jobs are done | held the loop
-        await asyncio.wait(jobs)
+        pass

### right
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
}
