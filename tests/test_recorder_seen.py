"""What the recorder sees in addition to steps: held locks, queues, threads, pools."""

import asyncio
import threading
import time
import warnings
from contextlib import suppress

import pytest

from asyncteach import record, virtual_time


def run(program):
    """Return the recording of a program that is like a notebook's cell: its loop goes on after."""

    async def cell():
        with record() as recording, suppress(TimeoutError):
            await program()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        return recording

    return asyncio.run(cell())


def work_with(locks, *orders):
    """Return a coroutine for each order in which locks, by their numbers, are taken."""

    async def work(order):
        if order:
            async with locks[order[0]]:
                await asyncio.sleep(0.02)
                await work(order[1:])

    return [work(order) for order in orders]


async def a_lock_taken_twice():
    await asyncio.wait_for(*work_with([asyncio.Lock()], (0, 0)), 0.1)


async def two_locks_in_two_orders():
    async with asyncio.timeout(0.1):
        await asyncio.gather(*work_with([asyncio.Lock(), asyncio.Lock()], (0, 1), (1, 0)))


async def three_locks_in_a_circle():
    # Nothing ends it: it is seen as it is when the recording ends.
    locks = [asyncio.Lock() for _ in range(3)]
    tasks = work_with(locks, (0, 1), (1, 2), (2, 0))
    await asyncio.wait([asyncio.create_task(task) for task in tasks], timeout=0.1)


async def a_lock_held_while_awaiting_a_task_that_wants_it():
    async with (lock := asyncio.Lock()):
        (other,) = work_with([lock], (0,))
        await asyncio.wait_for(asyncio.create_task(other, name="other"), 0.05)


async def one_lock_taken_in_turn():
    await asyncio.gather(*work_with([asyncio.Lock()], (0,), (0,), (0,), (0,)))


async def work_off(items, *, done):
    queue = asyncio.Queue()

    async def worker():
        while True:
            await asyncio.sleep(await queue.get())
            if done:
                queue.task_done()

    for item in items:
        queue.put_nowait(item)
    workers = [asyncio.create_task(worker()) for _ in range(2)]
    with suppress(TimeoutError):
        await asyncio.wait_for(queue.join(), 0.05)
    for task in workers:
        task.cancel()
    await asyncio.gather(*workers, return_exceptions=True)


async def a_queue_that_is_never_done():
    await work_off([0.005] * 3, done=False)


async def a_queue_that_is_still_worked_on():
    await work_off([0.005, 0.005, 10], done=True)


async def siblings_of_a_failed_gather():
    async def fail():
        await asyncio.sleep(0.01)
        raise ValueError("sold out")

    with suppress(ValueError):
        await asyncio.gather(fail(), asyncio.sleep(5))


async def wait_for_an_event_set_by(make_thread):
    event = asyncio.Event()
    waiting = asyncio.create_task(event.wait())
    await asyncio.sleep(0.01)
    thread = make_thread(event.set)
    thread.start()
    await asyncio.sleep(0.1)
    thread.join()
    assert waiting.done()


async def a_method_of_asyncio_as_the_function_of_a_thread():
    await wait_for_an_event_set_by(lambda method: threading.Thread(target=method))


async def a_method_of_asyncio_as_the_function_of_a_timer():
    await wait_for_an_event_set_by(lambda method: threading.Timer(0.02, method))


async def a_thread_that_works_on_after_a_timeout():
    await asyncio.wait_for(asyncio.to_thread(time.sleep, 0.3), 0.05)


async def a_thread_that_is_awaited_when_the_recording_ends():
    asyncio.ensure_future(asyncio.to_thread(time.sleep, 0.1))
    await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("program", "kind", "words"),
    [
        (a_lock_taken_twice, "deadlock", "for a lock that it held"),
        (two_locks_in_two_orders, "deadlock", "for a lock that work (2) held; work (2) waited"),
        (three_locks_in_a_circle, "deadlock", "none of them could go on"),
        (a_lock_held_while_awaiting_a_task_that_wants_it, "deadlock", "other waited"),
        (one_lock_taken_in_turn, None, ""),
        (a_queue_that_is_never_done, "queue-never-done", "had not been called for 3"),
        (a_queue_that_is_still_worked_on, None, ""),
        (siblings_of_a_failed_gather, "siblings-ran-on", "past the end of the recording"),
        (a_method_of_asyncio_as_the_function_of_a_thread, "wrong-thread", "to run `Event.set()`"),
        (a_method_of_asyncio_as_the_function_of_a_timer, "wrong-thread", "to run `Event.set()`"),
        (
            a_thread_that_works_on_after_a_timeout,
            "thread-outlived-timeout",
            "sleep was still at work in its thread when the recording ended",
        ),
        (a_thread_that_is_awaited_when_the_recording_ends, None, ""),
    ],
)
def test_what_happened_is_one_finding_or_none(program, kind, words):
    # A task that can't go on is left running, too.
    findings = [found for found in run(program).findings if found.kind != "left-running"]
    assert [found.kind for found in findings] == ([kind] if kind else [])
    for found in findings:
        assert words in found.message
        assert found.file == __file__


def test_of_what_is_queued_for_one_worker_process_one_job_runs_at_a_time():
    async def program():
        # Imported lazily, and only here: a pool is seen all the same.
        from concurrent.futures import ProcessPoolExecutor

        loop = asyncio.get_running_loop()
        with ProcessPoolExecutor(1) as pool:
            jobs = [loop.run_in_executor(pool, time.sleep, 0.05) for _ in range(3)]
            await asyncio.gather(*jobs)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads
        frame = run(program).to_frame()
    jobs = frame[frame.label.str.startswith("sleep")]
    running = jobs[jobs.state == "running"].sort_values("start")
    assert len(running) == 3
    assert (running.start.to_numpy()[1:] >= running.end.to_numpy()[:-1]).all()
    assert len(jobs[jobs.state == "ready"]) == 2


def test_work_in_a_thread_that_takes_no_virtual_time_is_a_moment():
    async def program():
        await asyncio.gather(asyncio.to_thread(int), asyncio.sleep(1))

    with virtual_time():
        recording = run(program)
    slices = [(one.state, one.start, one.end) for one in recording if one.task == "int"]
    assert slices == [("running", 0, 0)]
