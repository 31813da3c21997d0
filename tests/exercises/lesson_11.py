"""Answers to the exercises of lesson 11."""

from . import Answers

ANSWERS = {
    "what worked": Answers(
        right=[
            """
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
""",
            """
async def ask_all(sources):
    tasks = {name: asyncio.create_task(ask()) for name, ask in sources.items()}
    await asyncio.wait(tasks.values())
    return {name: task.result() for name, task in tasks.items() if not task.exception()}
""",
            """
async def ask_all(sources):
    tasks = [(name, asyncio.create_task(ask())) for name, ask in sources.items()]
    worked = {}
    for name, task in tasks:
        try:
            worked[name] = await task
        except ConnectionError:
            pass
    return worked
""",
            """
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
        ],
        wrong=[
            (
                "one after another",
                """
async def ask_all(sources):
    answers = {}
    for name, ask in sources.items():
        try:
            answers[name] = await ask()
        except Exception:
            pass
    return answers
""",
                "who waits for whom",
            ),
            (
                "gather without return_exceptions",
                """
async def ask_all(sources):
    answers = await asyncio.gather(*(ask() for ask in sources.values()))
    return dict(zip(sources, answers))
""",
                "lets the others go on",
            ),
            (
                "the first error ends it all",
                """
async def ask_all(sources):
    answers = {}
    try:
        results = await asyncio.gather(*(ask() for ask in sources.values()))
        answers = dict(zip(sources, results))
    except Exception:
        pass
    return answers
""",
                "{}",
            ),
            (
                "a TaskGroup that cancels the others",
                """
async def ask_all(sources):
    async with asyncio.TaskGroup() as group:
        tasks = {name: group.create_task(ask()) for name, ask in sources.items()}
    return {name: task.result() for name, task in tasks.items()}
""",
                "lets the others go on",
            ),
            (
                "errors among the answers",
                """
async def ask_all(sources):
    answers = await asyncio.gather(*(ask() for ask in sources.values()), return_exceptions=True)
    return dict(zip(sources, answers))
""",
                "An error is no answer",
            ),
            (
                "nothing returned",
                """
async def ask_all(sources):
    answers = await asyncio.gather(*(ask() for ask in sources.values()), return_exceptions=True)
    {name: a for name, a in zip(sources, answers) if not isinstance(a, Exception)}
""",
                "return",
            ),
            (
                "tasks in place of answers",
                """
async def ask_all(sources):
    return {name: asyncio.create_task(ask()) for name, ask in sources.items()}
""",
                "Not yet",
            ),
            (
                "coroutines in place of answers",
                """
async def ask_all(sources):
    return {name: ask() for name, ask in sources.items()}
""",
                "Not yet",
            ),
            (
                "the answers in another order than the names",
                """
async def ask_all(sources):
    answers = []
    for next_one in asyncio.as_completed([ask() for ask in sources.values()]):
        try:
            answers.append(await next_one)
        except Exception:
            pass
    return dict(zip(sources, answers))
""",
                "Not yet",
            ),
            (
                "whatever is something to an if",
                """
async def ask_all(sources):
    answers = await asyncio.gather(*(ask() for ask in sources.values()), return_exceptions=True)
    return {n: a for n, a in zip(sources, answers) if a and not isinstance(a, Exception)}
""",
                "Not yet",
            ),
            (
                "the notebook's own names",
                """
async def ask_all(sources):
    names = ["news", "sports"]
    answers = await asyncio.gather(*(sources[n]() for n in sources), return_exceptions=True)
    return {n: a for n, a in zip(sources, answers) if n in names}
""",
                "Not yet",
            ),
            (
                "comes back at the first error",
                """
async def ask_all(sources):
    tasks = {name: asyncio.create_task(ask()) for name, ask in sources.items()}
    await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_EXCEPTION)
    return {n: t.result() for n, t in tasks.items() if t.done() and not t.exception()}
""",
                "Not yet",
            ),
            (
                "waits for all once more",
                """
async def ask_all(sources):
    tasks = {name: asyncio.create_task(ask()) for name, ask in sources.items()}
    await asyncio.sleep(10)
    return {n: t.result() for n, t in tasks.items() if not t.exception()}
""",
                "who waits for whom",
            ),
            (
                "waits for nobody",
                """
async def ask_all(sources):
    tasks = {name: asyncio.create_task(ask()) for name, ask in sources.items()}
    while not all(task.done() for task in tasks.values()):
        pass
    return {n: t.result() for n, t in tasks.items() if not t.exception()}
""",
                "stopped",
            ),
            (
                "None taken for a failure",
                """
async def ask_all(sources):
    async def ask_one(ask):
        try:
            return await ask()
        except Exception:
            return None

    answers = await asyncio.gather(*(ask_one(ask) for ask in sources.values()))
    return {name: one for name, one in zip(sources, answers) if one is not None}
""",
                "'c' has answered, with None",
            ),
            (
                "the texts of the errors",
                """
async def ask_all(sources):
    answers = await asyncio.gather(*(ask() for ask in sources.values()), return_exceptions=True)
    return {name: str(one) for name, one in zip(sources, answers)}
""",
                "'weather' has failed, and is there",
            ),
            (
                "only those that are there first",
                """
async def ask_all(sources):
    tasks = {name: asyncio.create_task(ask()) for name, ask in sources.items()}
    done, left = await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_COMPLETED)
    return {n: task.result() for n, task in tasks.items() if task in done and not task.exception()}
""",
                "'news' has answered, and its answer is missing",
            ),
        ],
    ),
    "the fastest mirror": Answers(
        right=[
            """
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
""",
            """
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
            """
async def ask_fastest(mirrors):
    answers = asyncio.Queue()

    async def ask_one(ask):
        try:
            answers.put_nowait((await ask(), None))
        except Exception as error:
            answers.put_nowait((None, error))

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask_one(ask)) for ask in mirrors]
        for _ in tasks:
            answer, error = await answers.get()
            if error is None:
                break
        for task in tasks:
            task.cancel()
    if error:
        raise error
    return answer
""",
        ],
        wrong=[
            (
                "the first one that is done",
                """
async def ask_fastest(mirrors):
    tasks = [asyncio.create_task(ask()) for ask in mirrors]
    try:
        for next_one in asyncio.as_completed(tasks):
            return await next_one
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
""",
                "who may still have one",
            ),
            (
                "the others go on",
                """
async def ask_fastest(mirrors):
    tasks = [asyncio.create_task(ask()) for ask in mirrors]
    for next_one in asyncio.as_completed(tasks):
        try:
            return await next_one
        except Exception as error:
            last = error
    raise last
""",
                "Who still works for you",
            ),
            (
                "cancelled, and not awaited",
                """
async def ask_fastest(mirrors):
    tasks = [asyncio.create_task(ask()) for ask in mirrors]
    try:
        for next_one in asyncio.as_completed(tasks):
            try:
                return await next_one
            except Exception as error:
                last = error
        raise last
    finally:
        for task in tasks:
            task.cancel()
""",
                "Who still works for you",
            ),
            (
                "waits for all",
                """
async def ask_fastest(mirrors):
    tasks = [asyncio.create_task(ask()) for ask in mirrors]
    answers = []
    for next_one in asyncio.as_completed(tasks):
        try:
            answers.append(await next_one)
        except Exception:
            pass
    return answers[0]
""",
                "hom do you still wait for",
            ),
            (
                "one after another",
                """
async def ask_fastest(mirrors):
    for ask in mirrors:
        try:
            return await ask()
        except Exception as error:
            last = error
    raise last
""",
                "is there first",
            ),
            (
                "the first of the list",
                """
async def ask_fastest(mirrors):
    answers = await asyncio.gather(*(ask() for ask in mirrors), return_exceptions=True)
    for answer in answers:
        if not isinstance(answer, Exception):
            return answer
    raise ConnectionError("no mirror answers")
""",
                "is there first",
            ),
            (
                "nothing returned",
                """
async def ask_fastest(mirrors):
    tasks = [asyncio.create_task(ask()) for ask in mirrors]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
""",
                "return",
            ),
            (
                "nobody has an answer, and nobody says so",
                """
async def ask_fastest(mirrors):
    tasks = [asyncio.create_task(ask()) for ask in mirrors]
    answer = None
    for next_one in asyncio.as_completed(tasks):
        try:
            answer = await next_one
            break
        except Exception:
            pass
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return answer
""",
                "every mirror fails",
            ),
            (
                "waits for an answer for ever",
                """
async def ask_fastest(mirrors):
    answer = asyncio.get_running_loop().create_future()

    async def ask_one(ask):
        try:
            result = await ask()
            if not answer.done():
                answer.set_result(result)
        except Exception:
            pass

    tasks = [asyncio.create_task(ask_one(ask)) for ask in mirrors]
    try:
        return await answer
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
""",
                "stopped",
            ),
            (
                "spins until somebody is done",
                """
async def ask_fastest(mirrors):
    tasks = [asyncio.create_task(ask()) for ask in mirrors]
    while not any(task.done() for task in tasks):
        pass
    return next(task.result() for task in tasks if task.done())
""",
                "stopped",
            ),
            (
                "coroutines for wait",
                """
async def ask_fastest(mirrors):
    done, left = await asyncio.wait(
        [ask() for ask in mirrors], return_when=asyncio.FIRST_COMPLETED
    )
    return done.pop().result()
""",
                "`asyncio.wait` wants tasks",
            ),
        ],
    ),
}
