"""Answers to the exercises of lesson 11."""

ANSWERS = {
    "what worked": """
### gather without return_exceptions | lets the others go on
-    answers = await asyncio.gather(*(ask() for ask in sources.values()), return_exceptions=True)
+    answers = await asyncio.gather(*(ask() for ask in sources.values()))

### errors among the answers | In it, and failed: weather
-        if not isinstance(answer, BaseException)

### None taken for a failure | Missing: c, which answered None
-        if not isinstance(answer, BaseException)
+        if answer and not isinstance(answer, BaseException)

### one after another | it took 8 s
-    answers = await asyncio.gather(*(ask() for ask in sources.values()), return_exceptions=True)
+    answers = []
+    for ask in sources.values():
+        answers += await asyncio.gather(ask(), return_exceptions=True)

### tasks in place of answers | Not yet
async def ask_all(sources):
    return {name: asyncio.create_task(ask()) for name, ask in sources.items()}

### only those that are there first | Missing: news
async def ask_all(sources):
    tasks = {name: asyncio.create_task(ask()) for name, ask in sources.items()}
    done, left = await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_COMPLETED)
    return {n: task.result() for n, task in tasks.items() if task in done and not task.exception()}

### right
async def ask_all(sources):
    answers = {}

    async def ask_one(name, ask):
        try:
            answers[name] = await ask()
        except Exception as error:
            print(name, "failed:", error)

    async with asyncio.TaskGroup() as group:
        for name, ask in sources.items():
            group.create_task(ask_one(name, ask))
    return answers

### right
async def ask_all(sources):
    async def ask_one(name):
        return name, await sources[name]()

    worked = {}
    for next_one in asyncio.as_completed([ask_one(name) for name in sources]):
        try:
            name, answer = await next_one
        except Exception:
            continue
        worked[name] = answer
    return worked
""",
    "the fastest mirror": """
### the first one that is done | which mirrors may still have one
-            try:
-                return await next_one
-            except Exception as error:
-                last_error = error
-        raise last_error
+            return await next_one

### cancelled, and not awaited | still at work when it returned
-        await asyncio.gather(*tasks, return_exceptions=True)

### waits for all | it took 5 s
-    tasks = [asyncio.create_task(ask()) for ask in mirrors]
+    answers, tasks = [], [asyncio.create_task(ask()) for ask in mirrors]
-                return await next_one
+                answers.append(await next_one)
-        raise last_error
+        return answers[0]

### one after another | is there first
-    tasks = [asyncio.create_task(ask()) for ask in mirrors]
+    tasks = []
-        for next_one in asyncio.as_completed(tasks):
+        for ask in mirrors:
-                return await next_one
+                return await ask()

### nobody has an answer, and nobody says so | every mirror fails
-        raise last_error

### right
async def ask_fastest(mirrors):
    pending = {asyncio.create_task(ask()) for ask in mirrors}
    errors = []
    try:
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if task.exception() is None:
                    return task.result()
                errors.append(task.exception())
        raise ExceptionGroup("no mirror answers", errors)
    finally:
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.wait(pending)

### right
class Found(Exception):
    pass


async def ask_fastest(mirrors):
    async def ask_one(ask):
        try:
            answer = await ask()
        except Exception:
            return
        raise Found(answer)

    answer = None
    try:
        async with asyncio.TaskGroup() as group:
            for ask in mirrors:
                group.create_task(ask_one(ask))
    except* Found as found:
        answer = found.exceptions[0].args[0]
    if answer is None:
        raise RuntimeError("no mirror answers")
    return answer
""",
}
