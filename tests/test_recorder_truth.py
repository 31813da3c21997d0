"""Programs whose schedule is known exactly, compared slice by slice on the virtual clock."""

import asyncio
import contextlib
import gc
import sys
import threading
import time
import warnings

import pytest
from lanes import blocks, check_invariants, lane, lanes, waits

from asyncteach import record, virtual_time

eager_tasks = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="Python 3.12 brought eager tasks"
)


def watch(main, *, inside=False, **options):
    """Record a coroutine function; the block is around the loop, or in the task within it."""
    if inside:

        async def within():
            with record(**options) as recording, virtual_time():
                await asyncio.create_task(main(), name="main")
            return recording

        recording = asyncio.run(within())
    else:
        with virtual_time(), record(**options) as recording:
            asyncio.run(main())
    check_invariants(recording)
    return recording


def outcomes(recording):
    return {row.label: row.outcome for row in recording.trace.rows}


def parents(recording):
    rows = recording.trace.rows
    return {row.label: None if row.parent is None else rows[row.parent].label for row in rows}


async def story():
    async def cook():
        await asyncio.sleep(3)

    async def wash():
        time.sleep(0.5)
        await asyncio.sleep(2)
        time.sleep(1)

    await asyncio.gather(cook(), wash())


def test_a_sleep_is_a_wait_of_just_that_long():
    async def main():
        await asyncio.sleep(1.5)

    recording = watch(main)
    assert lanes(recording) == {"main": "0 running 0 waiting 1.5 running 1.5"}
    assert waits(recording) == [("main", 0.0, 1.5, "sleep", "a sleep of 1.5 s")]
    (wait,) = recording.trace.waits
    (place,) = wait.places
    assert place.file == __file__
    assert place.line == main.__code__.co_firstlineno + 1
    assert place.function.endswith("main")


def test_gathered_tasks_wait_at_the_same_time_and_run_one_after_another():
    recording = watch(story)
    assert lanes(recording) == {
        "story": "0 running 0 waiting 3.5 running 3.5",
        "cook": "0 running 0 waiting 3 ready 3.5 running 3.5",
        "wash": "0 running 0.5 waiting 2.5 running 3.5",
    }
    assert blocks(recording) == [
        ("wash", 0.0, 0.5, "wash", {}),
        ("wash", 2.5, 3.5, "wash", {"cook": 0.5}),
    ]


def test_the_table_of_tasks_says_who_spawned_whom_when_and_how_it_ended():
    async def fail():
        await asyncio.sleep(1)
        raise ValueError("no such price")

    async def main():
        task = asyncio.create_task(asyncio.sleep(5), name="nap")
        with contextlib.suppress(ValueError):
            await asyncio.create_task(fail(), name="failing")
        task.cancel()
        await asyncio.wait([task])
        asyncio.current_task().set_name("renamed")

    recording = watch(main)
    table = recording.tasks()
    assert table["task"].tolist() == ["renamed", "nap", "failing"]
    assert table["parent"].fillna("").tolist() == ["", "renamed", "renamed"]
    assert [name.rpartition(".")[2] for name in table["coroutine"]] == ["main", "sleep", "fail"]
    assert table["spawned"].tolist() == [0, 0, 0]
    assert table["finished"].tolist() == [1, 1, 1]
    assert table["outcome"].tolist() == [
        "returned",
        "cancelled",
        "raised ValueError: no such price",
    ]
    assert table["waiting"].tolist() == [1, 1, 1]


def test_a_lock_is_waited_for_in_turn():
    async def main():
        lock = asyncio.Lock()

        async def hold(seconds):
            async with lock:
                await asyncio.sleep(seconds)

        async with asyncio.TaskGroup() as group:
            for seconds in (1, 2):
                group.create_task(hold(seconds), name=f"hold {seconds}")

    recording = watch(main)
    assert lanes(recording) == {
        "main": "0 running 0 waiting 3 running 3",
        "hold 1": "0 running 0 waiting 1 running 1",
        "hold 2": "0 running 0 waiting 1 running 1 waiting 3 running 3",
    }
    assert ("hold 2", 0.0, 1.0, "lock", "a lock") in waits(recording)
    assert ("main", 0.0, 3.0, "tasks", "the tasks of its group") in waits(recording)


def test_a_task_is_ready_from_when_an_event_is_set_although_the_loop_is_held():
    async def main():
        event = asyncio.Event()

        async def ring():
            await asyncio.sleep(1)
            event.set()
            time.sleep(0.5)

        asyncio.create_task(ring(), name="ring")
        await event.wait()

    recording = watch(main)
    assert lanes(recording) == {
        "main": "0 running 0 waiting 1 ready 1.5 running 1.5",
        "ring": "0 running 0 waiting 1 running 1.5",
    }
    assert ("main", 0.0, 1.0, "event", "an event") in waits(recording)


def test_a_queue_is_waited_for_on_both_sides():
    async def main():
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

        giver = asyncio.create_task(give(), name="giver")
        taker = asyncio.create_task(take(), name="taker")
        await giver
        await queue.join()
        await asyncio.sleep(3)
        await queue.put(3)
        await taker

    recording = watch(main)
    found = waits(recording)
    assert lanes(recording)["giver"] == "0 running 0 waiting 1 running 1 waiting 2 running 2"
    assert ("giver", 0.0, 1.0, "queue", "room in a queue") in found
    assert ("taker", 4.0, 6.0, "queue", "an item of a queue") in found
    assert ("main", 0.0, 2.0, "task", "giver") in found
    assert ("main", 2.0, 3.0, "queue", "all items of a queue to be done") in found


def test_semaphore_condition_and_barrier_are_called_by_their_names():
    async def main():
        semaphore, condition, barrier = (
            asyncio.Semaphore(1),
            asyncio.Condition(),
            asyncio.Barrier(2),
        )

        async def guarded():
            async with semaphore:
                await asyncio.sleep(1)

        async def told():
            async with condition:
                await condition.wait()
            await barrier.wait()

        tasks = [asyncio.create_task(guarded(), name=name) for name in ("first", "second")]
        tasks.append(asyncio.create_task(told(), name="told"))
        await asyncio.sleep(0.5)
        async with condition:
            condition.notify()
        await asyncio.sleep(0.25)
        await barrier.wait()
        await asyncio.wait(tasks)

    found = waits(watch(main))
    assert ("second", 0.0, 1.0, "semaphore", "a semaphore") in found
    assert ("told", 0.0, 0.5, "condition", "a condition") in found
    assert ("told", 0.5, 0.75, "barrier", "a barrier") in found
    assert next(one for one in found if one[:2] == ("main", 0.75))[2:4] == (2.0, "tasks")


def test_wait_for_and_timeout_end_a_wait_when_they_are_due():
    async def main():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.Event().wait()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(5), 2)

    recording = watch(main)
    kinds = {(start, end): kind for who, start, end, kind, _ in waits(recording) if who == "main"}
    # On 3.11 wait_for() makes a task of its own for what is awaited.
    assert kinds in ({(0, 1): "event", (1, 3): "sleep"}, {(0, 1): "event", (1, 3): "task"})
    assert recording.trace.rows[0].finished == 3


def test_a_timer_that_is_due_during_a_block_makes_its_task_ready_at_that_time():
    async def main():
        async def hold():
            time.sleep(2)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                asyncio.create_task(hold())
                await asyncio.sleep(10)

    recording = watch(main)
    assert lanes(recording)["main"] == "0 running 0 waiting 0.5 ready 2 running 2"
    assert blocks(recording) == [("hold", 0, 2, "hold", {"main": 1.5})]


def test_a_shielded_task_goes_on_after_its_waiter_was_cancelled():
    async def main():
        inner = asyncio.create_task(asyncio.sleep(3), name="inner")

        async def outer():
            await asyncio.shield(inner)

        task = asyncio.create_task(outer(), name="outer")
        await asyncio.sleep(1)
        task.cancel()
        await inner

    recording = watch(main)
    assert lanes(recording)["inner"] == "0 running 0 waiting 3 running 3"
    assert lanes(recording)["outer"] == "0 running 0 waiting 1 running 1"
    assert outcomes(recording)["outer"] == "cancelled"


def test_a_group_cancels_the_others_when_one_fails():
    async def main():
        async def fail():
            await asyncio.sleep(1)
            raise ValueError("broken")

        with contextlib.suppress(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(fail(), name="failing")
                group.create_task(asyncio.sleep(5), name="other")

    recording = watch(main)
    assert outcomes(recording) == {
        "main": "returned",
        "failing": "raised ValueError: broken",
        "other": "cancelled",
    }
    assert parents(recording) == {"main": None, "failing": "main", "other": "main"}
    assert recording.trace.rows[2].finished == 1
    assert not [one for one in recording.trace.events if one.kind == "swallowed-cancellation"]


def test_the_handler_and_the_end_of_a_cancelled_task_are_drawn_as_they_run():
    async def main():
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

        task = asyncio.create_task(work(), name="work")
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])

    recording = watch(main)
    assert lanes(recording)["work"] == (
        "0 running 0 waiting 1 running 1.25 waiting 1.75 running 1.75 waiting 2.75 running 3.5"
    )
    assert outcomes(recording)["work"] == "cancelled"


def test_a_task_that_is_cancelled_before_it_began():
    async def main():
        task = asyncio.create_task(asyncio.sleep(1), name="never")
        task.cancel()
        await asyncio.wait([task])

    recording = watch(main)
    assert lanes(recording)["never"] == "0 running 0"
    assert outcomes(recording)["never"] == "cancelled"


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
    functions = [
        [place.function.rpartition(".")[2] for place in wait.places]
        for wait in recording.trace.waits
    ]
    assert functions == [["main", "opened"], *[["main", "numbers"]] * 3, ["main", "opened"]]


def test_work_in_threads_has_a_lane_of_its_own():
    async def main():
        def work(seconds):
            time.sleep(seconds)

        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.to_thread(work, 2), name="waiter")
            group.create_task(asyncio.sleep(1), name="nap")

    recording = watch(main)
    rows = {row.kind: number for number, row in enumerate(recording.trace.rows)}
    job = recording.trace.rows[rows["thread"]]
    assert lane(recording, rows["thread"]) == "0 running 2"
    assert job.outcome == "returned"
    assert recording.trace.rows[job.parent].label == "waiter"
    (wait,) = [one for one in recording.trace.waits if one.kind == "thread"]
    assert (wait.start, wait.end, wait.target) == (0, 2, rows["thread"])


def test_jobs_wait_for_a_free_thread():
    async def main():
        from concurrent.futures import ThreadPoolExecutor

        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as pool:
            await asyncio.gather(
                loop.run_in_executor(pool, time.sleep, 1), loop.run_in_executor(pool, time.sleep, 2)
            )

    recording = watch(main)
    jobs = [n for n, row in enumerate(recording.trace.rows) if row.kind == "thread"]
    assert [lane(recording, n) for n in jobs] == ["0 running 1", "0 ready 1 running 3"]


@eager_tasks
def test_eager_tasks_run_inside_the_step_that_makes_them():
    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)

        async def work():
            time.sleep(0.5)
            await asyncio.sleep(1)

        async def around():
            await asyncio.create_task(work(), name="inner")

        async def at_once():
            time.sleep(0.25)

        time.sleep(0.125)
        done = asyncio.create_task(at_once())
        assert done.done()
        await asyncio.create_task(around(), name="around")

    recording = watch(main)
    # By their coroutines: some versions name a task that is done at once too late, or "None".
    rows = recording.trace.rows
    own = {row.coroutine.rpartition(".")[2]: lane(recording, n) for n, row in enumerate(rows)}
    assert own == {
        "main": "0 running 0.125 ready 0.375 ready 0.875 running 0.875 waiting 1.875 running 1.875",
        "at_once": "0.125 running 0.375",
        "around": "0.375 ready 0.875 running 0.875 waiting 1.875 running 1.875",
        "work": "0.375 running 0.875 waiting 1.875 running 1.875",
    }
    assert parents(recording)["inner"] == "around"
    assert parents(recording)["around"] == "main"
    assert set(outcomes(recording).values()) == {"returned"}


def test_tasks_of_the_same_name_and_of_classes_of_their_own_are_told_apart():
    class Own(asyncio.Task):
        pass

    async def main():
        tasks = [asyncio.create_task(asyncio.sleep(n), name="same") for n in (1, 2)]
        tasks.append(Own(asyncio.sleep(3), name="own"))
        tasks.append(asyncio.Task(asyncio.sleep(4), name="plain"))
        tasks.append(asyncio.ensure_future(asyncio.sleep(5)))
        await asyncio.wait(tasks)

    recording = watch(main)
    ends = {row.name: row.finished for row in recording.trace.rows[1:]}
    automatic = {name for name in ends if name.startswith("Task-")}
    assert {name: end for name, end in ends.items() if name not in automatic} == {
        "same": 1,
        "same (2)": 2,
        "own": 3,
        "plain": 4,
    }
    assert [ends[name] for name in automatic] == [5]
    assert {row.parent for row in recording.trace.rows[1:]} == {0}


def test_a_task_that_garbage_collection_ends_keeps_its_lane():
    async def lost():
        await asyncio.get_running_loop().create_future()

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        task = asyncio.create_task(lost())
        await asyncio.sleep(1)
        del task
        gc.collect()
        await asyncio.sleep(1)

    recording = watch(main)
    assert lanes(recording)["lost"] == "0 running 0 waiting 1"
    assert outcomes(recording)["lost"] == "garbage-collected"


def test_tasks_that_are_left_are_cancelled_at_the_end_of_asyncio_run():
    async def main():
        asyncio.create_task(asyncio.sleep(10), name="left")
        await asyncio.sleep(1)

    recording = watch(main)
    assert lanes(recording)["left"] == "0 running 0 waiting 1 running 1"
    assert outcomes(recording)["left"] == "cancelled"
    assert [one.kind for one in recording.trace.events] == ["cancelled-at-exit"]


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


def test_a_plain_callback_that_holds_the_loop_is_named():
    async def main():
        def hold():
            time.sleep(0.5)

        asyncio.get_running_loop().call_later(0.25, hold)
        await asyncio.sleep(0.5)

    recording = watch(main)
    assert lanes(recording)["main"] == "0 running 0 waiting 0.5 ready 0.75 running 0.75"
    ((who, *rest),) = blocks(recording)
    assert who.endswith("hold")
    assert rest == [0.25, 0.75, "hold", {"main": 0.25}]


def test_a_helpers_line_holds_the_loop_while_a_timer_is_due():
    """The promise: the line, and the victim ready from when its timer was due."""

    def helper():
        time.sleep(0.3)

    async def main():
        async def hold():
            await asyncio.sleep(0.1)
            helper()

        async with asyncio.TaskGroup() as group:
            group.create_task(hold(), name="holder")
            group.create_task(asyncio.sleep(0.2), name="victim")

    recording = watch(main)
    assert lanes(recording)["holder"] == "0 running 0 waiting 0.1 running 0.4"
    assert lanes(recording)["victim"] == "0 running 0 waiting 0.2 ready 0.4 running 0.4"
    (row,) = recording.blocked().to_dict("records")
    assert row["task"] == "holder"
    assert (row["start"], round(row["seconds"], 9)) == (0.1, 0.3)
    assert (row["file"], row["line"]) == (__file__, helper.__code__.co_firstlineno + 1)
    assert row["function"].endswith("helper")
    assert row["delayed"] == ["victim"]
    (block,) = recording.trace.blocks
    assert block.doing == ""  # nothing between that line and the interpreter


# In real time: no amounts, only who, where and in which order


def hold_by_sleeping():
    time.sleep(0.3)


@eager_tasks
def test_a_block_in_an_eager_task_names_its_line():
    async def work():
        hold_by_sleeping()

    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        nap = asyncio.create_task(asyncio.sleep(0.05), name="victim")
        await asyncio.create_task(work(), name="eager")
        await nap

    with record() as recording:
        asyncio.run(main())
    check_invariants(recording)
    (block,) = recording.trace.blocks
    assert block.place.function == "hold_by_sleeping"
    assert [recording.trace.rows[task].name for task, _ in block.delayed][:1] == ["victim"]


def test_a_threshold_decides_what_counts_as_held():
    def run(**options):
        return watch(story, **options).blocked()["seconds"].round(9).tolist()

    assert run(threshold=0.4) == [0.5, 1]
    assert run(threshold=0.75) == [1]
    assert run(threshold=2) == []


def test_streams_are_waited_for_as_sockets():
    async def answer(reader, writer):
        await reader.readline()
        await asyncio.sleep(0.02)
        writer.write(b"hello\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def main():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            await asyncio.sleep(0.02)
            writer.write(b"hi\n")
            assert await reader.readline() == b"hello\n"
            writer.close()
            await writer.wait_closed()
            await asyncio.sleep(0.01)

    with record() as recording:
        asyncio.run(main())
    check_invariants(recording)
    found = {(who, kind, what) for who, _, _, kind, what in waits(recording)}
    assert ("main", "socket", "data from a stream") in found
    assert ("answer", "socket", "data from a stream") in found


@pytest.mark.skipif(sys.platform == "win32", reason="its own loop for subprocesses isn't watched")
def test_subprocesses_are_waited_for_as_such():
    code = "import sys, time; time.sleep(0.05); print('out'); sys.stdout.flush(); time.sleep(0.05)"

    async def main():
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", code), stdout=asyncio.subprocess.PIPE
        )
        assert (await process.stdout.readline()).strip() == b"out"
        assert await process.wait() == 0

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with record() as recording:
            asyncio.run(main())
    check_invariants(recording)
    found = [(kind, what) for _, _, _, kind, what in waits(recording)]
    assert ("subprocess", "output of a subprocess") in found
    assert ("subprocess", "a subprocess") in found
