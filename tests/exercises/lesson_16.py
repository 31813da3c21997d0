"""Answers to the exercises of lesson 16."""

ANSWERS = {
    "the inspector": """
### nobody looks for what is left | leaves a task behind
-    assert check(recording).took(seconds=5).nothing_left_running()
+    assert check(recording).took(seconds=5)

### real sleeps | stopped
-    with virtual_time(), record() as recording:
+    with record() as recording:

### only a slower fake | one page after another
-    with virtual_time(), record() as recording:
-        assert await fetch_all(get, ["a", "b", "c"]) == ["A", "B", "C"]
-    assert sorted(calls) == ["a", "b", "c"]
-    assert check(recording).took(seconds=5).nothing_left_running()
+    with virtual_time():
+        assert await fetch_all(get, ["a", "b", "c"]) == ["A", "B", "C"]

### all take the same time | as they come
-        await asyncio.sleep(seconds[page])
+        await asyncio.sleep(5)
-        assert await fetch_all(get, ["a", "b", "c"]) == ["A", "B", "C"]
+        assert sorted(await fetch_all(get, ["a", "b", "c"])) == ["A", "B", "C"]

### no look at the calls | twice at the same time
-    assert sorted(calls) == ["a", "b", "c"]

### two pages only | two pages at a time
-        assert await fetch_all(get, ["a", "b", "c"]) == ["A", "B", "C"]
-    assert sorted(calls) == ["a", "b", "c"]
+        assert await fetch_all(get, ["a", "b"]) == ["A", "B"]
+    assert sorted(calls) == ["a", "b"]

### more than was asked for | Does that line ask for more
-    assert sorted(calls) == ["a", "b", "c"]
+    assert calls == ["a", "b", "c"]

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
-    with virtual_time() as clock:
-        await remind(60, lambda word: rung.append((word, clock.seconds)))
-    assert rung == [("ring", 60)]
+    task = asyncio.create_task(remind(0.1, rung.append))
+    await asyncio.sleep(0.3)
+    assert rung == ["ring"]
+    await task

### awaited, and nothing else | a bit early
-        await remind(60, lambda word: rung.append((word, clock.seconds)))
-    assert rung == [("ring", 60)]
+        await remind(60, rung.append)
+    assert rung == ["ring"]

### not counted | rings twice
-    assert rung == [("ring", 60)]
+    assert rung[0] == ("ring", 60)

### the word is ignored | another word
-    assert rung == [("ring", 60)]
+    assert [when for word, when in rung] == [60]

### a forgotten await | never rings
-        await remind(60, lambda word: rung.append((word, clock.seconds)))
-    assert rung == [("ring", 60)]
+        remind(60, rung.append)

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
