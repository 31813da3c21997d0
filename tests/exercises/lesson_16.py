"""Answers to the exercises of lesson 16."""

ANSWERS = {
    "the inspector": """
### only a slower fake | one page after another
async def test_fetch_all(fetch_all):
    async def get(page):
        await asyncio.sleep(1)
        return page.upper()

    with virtual_time():
        assert await fetch_all(get, ["a", "b", "c"]) == ["A", "B", "C"]

### all take the same time | as they come
async def test_fetch_all(fetch_all):
    async def get(page):
        await asyncio.sleep(5)
        return page.upper()

    with virtual_time() as clock:
        assert sorted(await fetch_all(get, ["a", "b", "c"])) == ["A", "B", "C"]
    assert clock.seconds == 5

### no look at the calls | twice at the same time
async def test_fetch_all(fetch_all):
    seconds = {"a": 3, "c": 1, "b": 2}

    async def get(page):
        await asyncio.sleep(seconds[page])
        return page

    with virtual_time(), record() as recording:
        assert await fetch_all(get, ["a", "c", "b"]) == ["a", "c", "b"]
    assert check(recording).took(seconds=3).nothing_left_running()

### two pages only | two pages at a time
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

### a test that is always red | AssertionError
async def test_fetch_all(fetch_all):
    async def get(page):
        return page.upper()

    assert await fetch_all(get, ["a", "b"]) == ["a", "b"]

### more than was asked for | Does that line ask for more
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

### right
async def test_fetch_all(fetch_all):
    seconds, calls = [6, 4, 5], []

    async def get(page):
        calls.append(page)
        await asyncio.sleep(seconds[page])
        return page * 10

    verdict = await check(lambda: fetch_all(get, [0, 1, 2]), virtual=True)
    assert verdict.result([0, 10, 20]).took(seconds=6).nothing_left_running(), str(verdict)
    assert sorted(calls) == [0, 1, 2]

### nobody looks for what is left | leaves a task behind
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

### real sleeps | stopped
async def test_fetch_all(fetch_all):
    async def get(page):
        await asyncio.sleep(20)
        return page

    assert await fetch_all(get, ["a", "b", "c"]) == ["a", "b", "c"]

### right
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
    "the reminder": """
### a longer sleep | busy
async def test_reminder(remind):
    rung = []
    task = asyncio.create_task(remind(0.1, rung.append))
    await asyncio.sleep(0.05)
    assert rung == []
    await asyncio.sleep(0.2)
    assert rung == ["ring"]
    await task

### awaited, and nothing else | a bit early
async def test_reminder(remind):
    rung = []
    with virtual_time():
        await remind(60, rung.append)
    assert rung == ["ring"]

### not counted | rings twice
-        await remind(60, lambda word: rung.append((word, clock.seconds)))
-    assert rung == [("ring", 60)]
+        await remind(60, lambda word: rung.append(clock.seconds))
+    assert rung[0] == 60

### the word is ignored | another word
-        await remind(60, lambda word: rung.append((word, clock.seconds)))
-    assert rung == [("ring", 60)]
+        await remind(60, lambda word: rung.append(clock.seconds))
+    assert rung == [60]

### a forgotten await | never rings
async def test_reminder(remind):
    rung = []
    with virtual_time():
        remind(60, rung.append)

### right
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

### no look at the lateness | too late
-        task = asyncio.create_task(remind(3600, rung.append))
-        await asyncio.sleep(3599)
+        task = asyncio.create_task(remind(60, rung.append))
+        await asyncio.sleep(59)
-        await asyncio.sleep(2)
-        assert rung == ["ring"]

### right
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
}
