"""Programs whose schedule is known exactly, compared slice by slice on the virtual clock."""

import asyncio
import contextlib
import gc
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from lanes import blocks, check_invariants, lane, lanes, waits

from asyncteach import record, virtual_time

eager_tasks = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="Python 3.12 brought eager tasks"
)
CASES = {}


def case(own_lanes=None, own_waits=(), own_blocks=None, outcomes=None):
    """Expect of the function below, as the main coroutine, these lanes, waits and so on."""

    def keep(main):
        CASES[main.__name__] = main, own_lanes or {}, own_waits, own_blocks, outcomes or {}
        return main

    return keep


def watch(main, **options):
    """Record a coroutine function, whose lane is called main."""

    async def named():
        asyncio.current_task().set_name("main")
        return await main()

    with virtual_time(), record(**options) as recording:
        asyncio.run(named())
    check_invariants(recording)
    return recording


def outcomes_of(recording):
    return {row.label: row.outcome for row in recording.trace.rows}


def parents_of(recording):
    rows = recording.trace.rows
    return {row.label: None if row.parent is None else rows[row.parent].label for row in rows}


def spawn(coroutine, name):
    return asyncio.create_task(coroutine, name=name)


@case(
    {"main": "0 running 0 waiting 1.5 running 1.5"},
    [("main", 0.0, 1.5, "sleep", "a sleep of 1.5 s")],
)
async def a_sleep_is_a_wait_of_just_that_long():
    await asyncio.sleep(1.5)


@case(
    {
        "main": "0 running 0 waiting 3.5 running 3.5",
        "cook": "0 running 0 waiting 3 ready 3.5 running 3.5",
        "wash": "0 running 0.5 waiting 2.5 running 3.5",
    },
    own_blocks=[
        ("wash", 0.0, 0.5, "wash", {}),
        ("wash", 2.5, 3.5, "wash", {"cook": 0.5}),
    ],
)
async def gathered_tasks_wait_at_the_same_time_and_run_one_after_another():
    async def cook():
        await asyncio.sleep(3)

    async def wash():
        time.sleep(0.5)
        await asyncio.sleep(2)
        time.sleep(1)

    await asyncio.gather(cook(), wash())


@case(
    {
        "main": "0 running 0 waiting 3 running 3",
        "hold 1": "0 running 0 waiting 1 running 1",
        "hold 2": "0 running 0 waiting 1 running 1 waiting 3 running 3",
    },
    [
        ("hold 2", 0.0, 1.0, "lock", "a lock"),
        ("main", 0.0, 3.0, "tasks", "the tasks of its group"),
    ],
)
async def a_lock_is_waited_for_in_turn():
    lock = asyncio.Lock()

    async def hold(seconds):
        async with lock:
            await asyncio.sleep(seconds)

    async with asyncio.TaskGroup() as group:
        for seconds in (1, 2):
            group.create_task(hold(seconds), name=f"hold {seconds}")


@case(
    {
        "main": "0 running 0 waiting 1 ready 1.5 running 1.5",
        "ring": "0 running 0 waiting 1 running 1.5",
    },
    [("main", 0.0, 1.0, "event", "an event")],
)
async def a_task_is_ready_from_when_an_event_is_set_although_the_loop_is_held():
    event = asyncio.Event()

    async def ring():
        await asyncio.sleep(1)
        event.set()
        time.sleep(0.5)

    spawn(ring(), "ring")
    await event.wait()


@case(
    {"giver": "0 running 0 waiting 1 running 1 waiting 2 running 2"},
    [
        ("giver", 0.0, 1.0, "queue", "room in a queue"),
        ("taker", 4.0, 6.0, "queue", "an item from a queue"),
        ("main", 0.0, 2.0, "task", "giver"),
        ("main", 2.0, 3.0, "queue", "all items of a queue to be done"),
    ],
)
async def a_queue_is_waited_for_on_both_sides():
    queue = asyncio.Queue(1)

    async def give():
        for number in range(3):
            await queue.put(number)

    async def take():
        await asyncio.sleep(1)
        for _ in range(3):
            await queue.get()
            queue.task_done()
            await asyncio.sleep(1)
        await queue.get()

    giver, taker = spawn(give(), "giver"), spawn(take(), "taker")
    await giver
    await queue.join()
    await asyncio.sleep(3)
    await queue.put(3)
    await taker


@case(
    own_waits=[
        ("second", 0.0, 1.0, "semaphore", "a semaphore"),
        ("told", 0.0, 0.5, "condition", "a condition"),
        ("told", 0.5, 0.75, "barrier", "a barrier"),
        ("main", 0.75, 2.0, "tasks", "tasks"),
    ]
)
async def semaphore_condition_and_barrier_are_called_by_their_names():
    semaphore, condition, barrier = asyncio.Semaphore(1), asyncio.Condition(), asyncio.Barrier(2)

    async def guarded():
        async with semaphore:
            await asyncio.sleep(1)

    async def told():
        async with condition:
            await condition.wait()
        await barrier.wait()

    tasks = [spawn(guarded(), "first"), spawn(guarded(), "second"), spawn(told(), "told")]
    await asyncio.sleep(0.5)
    async with condition:
        condition.notify()
    await asyncio.sleep(0.25)
    await barrier.wait()
    await asyncio.wait(tasks)


@case(
    {"main": "0 running 0 waiting 0.5 ready 2 running 2 waiting 3 running 3"},
    [("main", 0.0, 0.5, "sleep", "a sleep of 10 s"), ("main", 2.0, 3.0, "event", "an event")],
    [("hold", 0, 2, "hold", {"main": 1.5})],
)
async def a_timeout_that_is_due_during_a_block_makes_its_task_ready_at_that_time():
    async def hold():
        time.sleep(2)

    with suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            asyncio.create_task(hold())
            await asyncio.sleep(10)
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            await asyncio.Event().wait()


@case(
    {
        "inner": "0 running 0 waiting 3 running 3",
        "outer": "0 running 0 waiting 1 running 1",
    },
    outcomes={"inner": "returned", "outer": "cancelled"},
)
async def a_shielded_task_goes_on_after_its_waiter_was_cancelled():
    inner = spawn(asyncio.sleep(3), "inner")

    async def outer():
        await asyncio.shield(inner)

    task = spawn(outer(), "outer")
    await asyncio.sleep(1)
    task.cancel()
    await inner


@case(
    {"other": "0 running 0 waiting 1 running 1"},
    outcomes={
        "main": "returned",
        "failing": "raised ValueError: broken",
        "other": "cancelled",
        "never": "cancelled",
    },
)
async def a_group_cancels_the_others_when_one_fails():
    async def fail():
        await asyncio.sleep(1)
        raise ValueError("broken")

    spawn(asyncio.sleep(1), "never").cancel()
    with suppress(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            group.create_task(fail(), name="failing")
            group.create_task(asyncio.sleep(5), name="other")


@case(
    {
        "work": "0 running 0 waiting 1 running 1.25 waiting 1.75 running 1.75 waiting 2.75 "
        "running 3.5"
    },
    outcomes={"work": "cancelled"},
)
async def the_handler_and_the_end_of_a_cancelled_task_are_drawn_as_they_run():
    async def work():
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            time.sleep(0.25)
            await asyncio.sleep(0.5)
            raise
        finally:
            await asyncio.sleep(1)
            time.sleep(0.75)

    task = spawn(work(), "work")
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait([task])


@case({"lost": "0 running 0 waiting 1"}, outcomes={"lost": "garbage-collected"})
async def a_task_that_garbage_collection_ends_keeps_its_lane():
    async def lost():
        await asyncio.get_running_loop().create_future()

    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    task = asyncio.create_task(lost())
    await asyncio.sleep(1)
    del task
    gc.collect()
    await asyncio.sleep(1)


@case({"left": "0 running 0 waiting 1 running 1"}, outcomes={"left": "cancelled"})
async def tasks_that_are_left_are_cancelled_at_the_end_of_asyncio_run():
    spawn(asyncio.sleep(10), "left")
    await asyncio.sleep(1)


@case(
    {"main": "0 running 0 waiting 0.5 ready 0.75 running 0.75"},
    own_blocks=[("call_later.<locals>.hold", 0.25, 0.75, "hold", {"main": 0.25})],
)
async def a_plain_callback_that_holds_the_loop_is_named():
    def hold():
        time.sleep(0.5)

    hold.__qualname__ = "call_later.<locals>.hold"
    asyncio.get_running_loop().call_later(0.25, hold)
    await asyncio.sleep(0.5)


@pytest.mark.parametrize("name", CASES)
def test_a_program_is_recorded_exactly(name):
    main, own_lanes, own_waits, own_blocks, outcomes = CASES[name]
    recording = watch(main)
    found = lanes(recording)
    assert {name: found[name] for name in own_lanes} == own_lanes
    assert [wait for wait in own_waits if wait not in waits(recording)] == []
    assert own_blocks is None or blocks(recording) == own_blocks
    found = outcomes_of(recording)
    assert {name: found[name] for name in outcomes} == outcomes
    kinds = {one.kind for one in recording.trace.events}
    assert kinds == ({"cancelled-at-exit"} if "left" in outcomes else kinds - {"cancelled-at-exit"})
    assert "swallowed-cancellation" not in kinds


def test_a_threshold_decides_what_counts_as_held():
    main = CASES["gathered_tasks_wait_at_the_same_time_and_run_one_after_another"][0]
    found = [watch(main, threshold=t).blocked()["seconds"].tolist() for t in (0.4, 0.75, 2)]
    assert found == [[0.5, 1], [1], []]


def test_the_table_of_tasks_says_who_spawned_whom_when_and_how_it_ended():
    class Own(asyncio.Task):
        pass

    async def fail():
        await asyncio.sleep(1)
        raise ValueError("no such price")

    async def main():
        nap = spawn(asyncio.sleep(5), "nap")
        with suppress(ValueError):
            await spawn(fail(), "failing")
        nap.cancel()
        others = [spawn(asyncio.sleep(n), "same") for n in (1, 2)]
        others += [Own(asyncio.sleep(3), name="own"), asyncio.Task(asyncio.sleep(4), name="plain")]
        await asyncio.wait([nap, *others, asyncio.ensure_future(asyncio.sleep(5))])
        asyncio.current_task().set_name("renamed")

    table = watch(main).tasks()
    names = ["renamed", "nap", "failing", "same", "same (2)", "own", "plain"]
    assert table["task"].tolist()[:-1] == names
    assert table["parent"].fillna("").tolist() == ["", *["renamed"] * 7]
    assert [name.rpartition(".")[2] for name in table["coroutine"][1:3]] == ["sleep", "fail"]
    assert table["spawned"].tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
    assert table["finished"].tolist() == [6, 1, 1, 2, 3, 4, 5, 6]
    assert table["waiting"].tolist() == [6, 1, 1, 1, 2, 3, 4, 5]
    assert table["outcome"].tolist() == [
        *("returned", "cancelled", "raised ValueError: no such price"),
        *["returned"] * 5,
    ]


def test_async_generators_and_async_with_wait_at_the_lines_of_both():
    @contextlib.asynccontextmanager
    async def opened():
        await asyncio.sleep(1)
        yield
        await asyncio.sleep(2)

    async def numbers():
        try:
            for number in range(2):
                await asyncio.sleep(0.5)
                yield number
        finally:
            await asyncio.sleep(0.25)

    async def main():
        async with opened():
            async for _ in numbers():
                time.sleep(0.125)

    recording = watch(main)
    assert lanes(recording)["main"] == (
        "0 running 0 waiting 1 running 1 waiting 1.5 running 1.625 waiting 2.125 running 2.25 "
        "waiting 2.5 running 2.5 waiting 4.5 running 4.5"
    )
    places = [wait.places[1:] for wait in recording.trace.waits]
    functions = [[place.function.rpartition(".")[2] for place in some] for some in places]
    assert functions == [["main", "opened"], *[["main", "numbers"]] * 3, ["main", "opened"]]
    assert places[0][0].file == __file__
    assert places[0][0].line == main.__code__.co_firstlineno + 1


def test_jobs_have_lanes_of_their_own_and_wait_for_a_free_thread():
    async def main():
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as pool:
            jobs = [loop.run_in_executor(pool, time.sleep, seconds) for seconds in (1, 2)]
            await spawn(asyncio.to_thread(time.sleep, 5), "waiter")
            await asyncio.gather(*jobs)

    recording = watch(main)
    rows = recording.trace.rows
    jobs = [n for n, row in enumerate(rows) if row.kind == "thread"]
    assert [lane(recording, n) for n in jobs] == [
        *("0 running 1", "0 ready 1 running 3", "0 running 5")
    ]
    assert [rows[rows[n].parent].label for n in jobs] == ["main", "main", "waiter"]
    assert {rows[n].outcome for n in jobs} == {"returned"}
    (wait,) = [one for one in recording.trace.waits if one.kind == "thread"]
    assert (wait.start, wait.end, wait.target) == (0, 5, jobs[2])


@eager_tasks
def test_eager_tasks_run_inside_the_step_that_makes_them():
    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)

        async def work():
            time.sleep(0.5)
            await asyncio.sleep(1)

        async def around():
            await spawn(work(), "inner")

        async def at_once():
            time.sleep(0.25)

        time.sleep(0.125)
        done = asyncio.create_task(at_once())
        assert done.done()
        await spawn(around(), "around")

    recording = watch(main)
    # By their coroutines: some versions name a task that is done at once too late, or "None".
    rows = recording.trace.rows
    own = {row.coroutine.rpartition(".")[2]: lane(recording, n) for n, row in enumerate(rows)}
    assert own == {
        "named": "0 running 0.125 ready 0.375 ready 0.875 running 0.875 waiting 1.875 "
        "running 1.875",
        "at_once": "0.125 running 0.375",
        "around": "0.375 ready 0.875 running 0.875 waiting 1.875 running 1.875",
        "work": "0.375 running 0.875 waiting 1.875 running 1.875",
    }
    assert parents_of(recording)["inner"] == "around"
    assert parents_of(recording)["around"] == "main"
    assert set(outcomes_of(recording).values()) == {"returned"}


def test_two_loops_one_after_another_are_on_one_time():
    with virtual_time(), record() as recording:
        asyncio.run(asyncio.sleep(1))
        time.sleep(1)
        asyncio.run(asyncio.sleep(2))
    check_invariants(recording)
    assert [lane(recording, n) for n in (0, 1)] == [
        "0 running 0 waiting 1 running 1",
        "2 running 2 waiting 4 running 4",
    ]
    assert len(recording.trace.loops) == 2


def test_loops_in_threads_are_seen_beside_the_first_one():
    async def main():
        def nap(seconds):
            asyncio.run(asyncio.sleep(seconds))

        thread = threading.Thread(target=nap, args=(1,))
        thread.start()
        await asyncio.to_thread(nap, 2)
        await asyncio.to_thread(thread.join)

    recording = watch(main)
    tasks = [n for n, row in enumerate(recording.trace.rows) if row.kind == "task"]
    assert {recording.trace.rows[n].loop for n in tasks} == {0, 1, 2}
    assert sorted(lane(recording, n) for n in tasks[1:]) == [
        "0 running 0 waiting 1 running 1",
        "0 running 0 waiting 2 running 2",
    ]


# In real time: no amounts, only who, where and in which order


@eager_tasks
def test_a_block_in_an_eager_task_names_its_line():
    async def hold_by_sleeping():
        time.sleep(0.3)

    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        nap = spawn(asyncio.sleep(0.05), "victim")
        await spawn(hold_by_sleeping(), "eager")
        await nap

    with record() as recording:
        asyncio.run(main())
    check_invariants(recording)
    (block,) = recording.trace.blocks
    assert block.place.function.endswith("hold_by_sleeping")
    assert [recording.trace.rows[task].name for task, _ in block.delayed][:1] == ["victim"]


async def streams():
    async def answer(reader, writer):
        await reader.readline()
        await asyncio.sleep(0.02)
        writer.write(b"hello\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        await asyncio.sleep(0.02)
        writer.write(b"hi\n")
        assert await reader.readline() == b"hello\n"
        writer.close()
        await writer.wait_closed()


async def subprocesses():
    code = "import sys, time; time.sleep(0.05); print('out'); sys.stdout.flush(); time.sleep(0.05)"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-c", code), stdout=asyncio.subprocess.PIPE
    )
    assert (await process.stdout.readline()).strip() == b"out"
    assert await process.wait() == 0


@pytest.mark.parametrize(
    ("main", "expected"),
    [
        (streams, {("streams", "data from a stream"), ("answer", "data from a stream")}),
        (
            subprocesses,
            {("subprocesses", "output of a subprocess"), ("subprocesses", "a subprocess")},
        ),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="its own loop for subprocesses isn't watched")
def test_the_world_outside_is_waited_for_by_its_name(main, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with record() as recording:
            asyncio.run(main())
    check_invariants(recording)
    found = {
        (who, what)
        for who, _, _, kind, what in waits(recording)
        if kind in ("socket", "subprocess")
    }
    assert expected <= found
