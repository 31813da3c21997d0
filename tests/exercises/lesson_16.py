"""Answers to the exercises of lesson 16: they are tests."""

from . import Answers

ANSWERS = {
    "the inspector": Answers(
        right=[
            """
async def test_fetch_all(fetch_all):
    seconds, calls = [6, 4, 5], []

    async def get(page):
        calls.append(page)
        await asyncio.sleep(seconds[page])
        return page * 10

    verdict = await check(lambda: fetch_all(get, [0, 1, 2]), virtual=True)
    assert verdict.result([0, 10, 20]).took(seconds=6).nothing_left_running(), str(verdict)
    assert sorted(calls) == [0, 1, 2]
""",
            """
async def test_fetch_all(fetch_all):
    active, most, calls = 0, 0, []

    async def get(page):
        nonlocal active, most
        calls.append(page)
        active += 1
        most = max(most, active)
        await asyncio.sleep(10 - page)
        active -= 1
        return page * page

    before = asyncio.all_tasks()
    with virtual_time():
        found = await fetch_all(get, [5, 1, 3, 2])
    assert list(found) == [25, 1, 9, 4]
    assert most == 4
    assert sorted(calls) == [1, 2, 3, 5]
    assert asyncio.all_tasks() <= before
""",
            """
async def test_fetch_all(fetch_all):
    seconds = {"x": 0.6, "z": 0.5, "y": 0.4}

    async def slow(page):
        await asyncio.sleep(seconds[page])
        return f"<{page}>"

    get = AsyncMock(side_effect=slow)
    with virtual_time(), record() as recording:
        async with asyncio.timeout(0.85):
            assert await fetch_all(get, list(seconds)) == ["<x>", "<z>", "<y>"]
    assert get.await_count == 3
    assert check(recording).nothing_left_running()
""",
            """
async def test_fetch_all(fetch_all):
    gates = {page: asyncio.Event() for page in "cab"}
    calls = []

    async def get(page):
        calls.append(page)
        if len(calls) == 3:
            for gate in gates.values():
                gate.set()
        await gates[page].wait()
        if page == "c":
            await asyncio.sleep(1)
        return page

    with virtual_time(), record() as recording:
        async with asyncio.timeout(60):
            assert await fetch_all(get, list("cab")) == list("cab")
    assert len(calls) == 3
    verdict = check(recording).nothing_left_running()
    assert verdict.passed, str(verdict)
""",
        ],
        wrong=[
            (
                "only a slower fake",
                """
async def test_fetch_all(fetch_all):
    async def get(page):
        await asyncio.sleep(1)
        return page.upper()

    with virtual_time():
        assert await fetch_all(get, ["a", "b", "c"]) == ["A", "B", "C"]
""",
                "one page after another",
            ),
            (
                "all take the same time",
                """
async def test_fetch_all(fetch_all):
    async def get(page):
        await asyncio.sleep(5)
        return page.upper()

    with virtual_time() as clock:
        assert sorted(await fetch_all(get, ["a", "b", "c"])) == ["A", "B", "C"]
    assert clock.seconds == 5
""",
                "as they come",
            ),
            (
                "no look at the calls",
                """
async def test_fetch_all(fetch_all):
    seconds = {"a": 3, "c": 1, "b": 2}

    async def get(page):
        await asyncio.sleep(seconds[page])
        return page

    with virtual_time(), record() as recording:
        assert await fetch_all(get, ["a", "c", "b"]) == ["a", "c", "b"]
    assert check(recording).took(seconds=3).nothing_left_running()
""",
                "twice at the same time",
            ),
            (
                "two pages only",
                """
async def test_fetch_all(fetch_all):
    calls = []

    async def get(page):
        calls.append(page)
        await asyncio.sleep(3 if page == "a" else 1)
        return page

    with virtual_time(), record() as recording:
        assert await fetch_all(get, ["a", "b"]) == ["a", "b"]
    assert len(calls) == 2
    assert check(recording).took(seconds=3).nothing_left_running()
""",
                "two pages at a time",
            ),
            (
                "nobody looks for what is left",
                """
async def test_fetch_all(fetch_all):
    calls = []

    async def get(page):
        calls.append(page)
        await asyncio.sleep(5 - page)
        return page

    with virtual_time() as clock:
        assert await fetch_all(get, [1, 3, 2]) == [1, 3, 2]
    assert len(calls) == 3
    assert clock.seconds == 4
""",
                "leaves a task behind",
            ),
            (
                "a check without assert",
                """
async def test_fetch_all(fetch_all):
    async def get(page):
        await asyncio.sleep(3)
        return page.upper()

    with virtual_time(), record() as recording:
        assert await fetch_all(get, ["a", "b"]) == ["A", "B"]
    check(recording).took(seconds=3).nothing_left_running()
""",
                "one page after another",
            ),
            (
                "a forgotten await",
                """
async def test_fetch_all(fetch_all):
    async def get(page):
        return page.upper()

    assert fetch_all(get, ["a", "b"])
""",
                "leaves out the last page",
            ),
            (
                "a test that is always red",
                """
async def test_fetch_all(fetch_all):
    async def get(page):
        return page.upper()

    assert await fetch_all(get, ["a", "b"]) == ["a", "b"]
""",
                "AssertionError",
            ),
            (
                "more than was asked for",
                """
async def test_fetch_all(fetch_all):
    calls = []

    async def get(page):
        calls.append(page)
        await asyncio.sleep(1)
        return page

    with virtual_time(), record() as recording:
        assert await fetch_all(get, ["a", "b", "c"]) == ["a", "b", "c"]
    assert calls == ["a", "b", "c"]
    assert check(recording).took(seconds=1).nothing_left_running()
""",
                "a good one raised an AssertionError",
            ),
            (
                "real sleeps",
                """
async def test_fetch_all(fetch_all):
    async def get(page):
        await asyncio.sleep(20)
        return page

    assert await fetch_all(get, ["a", "b", "c"]) == ["a", "b", "c"]
""",
                "stopped",
            ),
            (
                "every error caught",
                """
async def test_fetch_all(fetch_all):
    async def get(page):
        await asyncio.sleep(1)
        return page

    try:
        with virtual_time() as clock:
            assert await fetch_all(get, ["a", "b"]) == ["a", "b"]
        assert clock.seconds == 1
    except AssertionError:
        print("something is wrong")
""",
                "leaves out the last page",
            ),
        ],
    ),
    "the reminder": Answers(
        right=[
            """
async def test_reminder(remind):
    rung = []
    with virtual_time():
        task = asyncio.create_task(remind(3600, rung.append))
        await asyncio.sleep(3599)
        assert rung == []
        await asyncio.sleep(2)
        assert rung == ["ring"]
        await task
    assert rung == ["ring"]
""",
            """
async def test_reminder(remind):
    ring = AsyncMock()
    words = []
    with virtual_time(), record() as recording:
        await remind(10, words.append)
    assert words == ["ring"]
    verdict = check(recording).took(seconds=10)
    assert verdict
    rung = []
    with virtual_time() as clock:
        await remind(5, lambda word: rung.append(clock.seconds))
    assert rung == [5]
""",
            """
async def test_reminder(remind):
    rung = asyncio.Queue()
    with virtual_time() as clock:
        async with asyncio.timeout(100):
            task = asyncio.create_task(remind(20, rung.put_nowait))
            assert await rung.get() == "ring"
            assert clock.seconds == 20
            await task
    assert rung.empty()
""",
        ],
        wrong=[
            (
                "a longer sleep",
                """
async def test_reminder(remind):
    rung = []
    task = asyncio.create_task(remind(0.1, rung.append))
    await asyncio.sleep(0.05)
    assert rung == []
    await asyncio.sleep(0.2)
    assert rung == ["ring"]
    await task
""",
                "the test was red",
            ),
            (
                "awaited, and nothing else",
                """
async def test_reminder(remind):
    rung = []
    with virtual_time():
        await remind(60, rung.append)
    assert rung == ["ring"]
""",
                "rings at once",
            ),
            (
                "no look at the lateness",
                """
async def test_reminder(remind):
    rung = []
    with virtual_time():
        task = asyncio.create_task(remind(60, rung.append))
        await asyncio.sleep(59)
        assert rung == []
        await task
    assert rung == ["ring"]
""",
                "too late",
            ),
            (
                "a look in the middle only",
                """
async def test_reminder(remind):
    rung = []
    with virtual_time():
        task = asyncio.create_task(remind(60, rung.append))
        await asyncio.sleep(30)
        assert rung == []
        await asyncio.sleep(31)
        assert rung == ["ring"]
        await task
""",
                "a bit early",
            ),
            (
                "not counted",
                """
async def test_reminder(remind):
    rung = []
    with virtual_time() as clock:
        await remind(60, lambda word: rung.append(clock.seconds))
    assert rung[0] == 60
""",
                "rings twice",
            ),
            (
                "the word is ignored",
                """
async def test_reminder(remind):
    rung = []
    with virtual_time() as clock:
        await remind(60, lambda word: rung.append(clock.seconds))
    assert rung == [60]
""",
                "another word",
            ),
            (
                "a forgotten await",
                """
async def test_reminder(remind):
    rung = []
    with virtual_time():
        remind(60, rung.append)
""",
                "never rings",
            ),
            (
                "no assert",
                """
async def test_reminder(remind):
    rung = []
    with virtual_time():
        await remind(60, rung.append)
    rung == ["ring"]
""",
                "never rings",
            ),
            (
                "an hour of real time",
                """
async def test_reminder(remind):
    rung = []
    await remind(3600, rung.append)
    assert rung == ["ring"]
""",
                "stopped",
            ),
            (
                "the wrong word expected",
                """
async def test_reminder(remind):
    rung = []
    with virtual_time():
        await remind(60, rung.append)
    assert rung == "ring"
""",
                "AssertionError",
            ),
        ],
    ),
}
