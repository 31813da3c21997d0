"""What the recorder sees beside steps: threads that wake tasks, held locks, pools, connections."""

import asyncio
import contextlib
import sys
import threading
import time
import warnings

import pytest

from asyncteach import record, virtual_time
from asyncteach.recorder.task_table import TaskTable


def run(program):
    """Return the recording of a program that is like a notebook's cell: its loop goes on after."""

    async def cell():
        with record() as recording:
            await program()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        return recording

    return asyncio.run(cell())


def kinds(recording):
    return [found.kind for found in recording.findings]


# Tasks that can't go on


async def a_lock_taken_twice():
    lock = asyncio.Lock()

    async def inner():
        async with lock:  # HERE
            pass

    async def outer():
        async with lock:
            await inner()

    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(outer(), 0.05)


async def two_locks_in_two_orders():
    first, second = asyncio.Lock(), asyncio.Lock()

    async def work(one, other):
        async with one:
            await asyncio.sleep(0.02)
            async with other:
                pass

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.1):
            await asyncio.gather(work(first, second), work(second, first))


async def three_in_a_circle():
    locks = [asyncio.Lock() for _ in range(3)]

    async def work(number):
        async with locks[number]:
            await asyncio.sleep(0.02)
            async with locks[number - 1]:
                pass

    # Nothing ends it: it is seen as it is when the recording ends.
    await asyncio.wait([asyncio.create_task(work(n)) for n in range(3)], timeout=0.1)


async def a_lock_held_while_awaiting_a_task_that_wants_it():
    lock = asyncio.Lock()

    async def other():
        async with lock:
            pass

    async with lock:
        await asyncio.wait_for(asyncio.create_task(other(), name="other"), 0.05)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (a_lock_taken_twice, "for a lock that it held: no task can take"),
        (two_locks_in_two_orders, "for a lock that work (2) held; work (2) waited"),
        (three_in_a_circle, "none of them could go on"),
    ],
)
def test_a_deadlock_is_reported_with_each_task_and_its_line(program, words):
    recording = run(program)
    found = [one for one in recording.findings if one.kind == "deadlock"]
    assert len(found) == 1
    assert words in found[0].message
    assert "test_recorder_seen.py:" in found[0].message


def test_a_task_that_holds_the_lock_which_the_awaited_one_wants_waits_for_itself():
    async def program():
        with contextlib.suppress(TimeoutError):
            await a_lock_held_while_awaiting_a_task_that_wants_it()

    (found,) = run(program).findings
    assert found.kind == "deadlock"
    assert "other waited" in found.message


def test_locks_that_are_waited_for_and_taken_in_turn_are_no_deadlock():
    async def program():
        lock = asyncio.Lock()

        async def work():
            for _ in range(3):
                async with lock:
                    await asyncio.sleep(0.005)

        await asyncio.gather(*(work() for _ in range(4)))

    assert run(program).findings == []


def test_locks_are_as_before_once_the_recording_is_over():
    lock = asyncio.Lock()
    with record():
        asyncio.run(lock.acquire())
    assert lock.locked()
    assert "_locked" not in vars(asyncio.Lock)
    lock.release()
    assert not lock.locked()


@pytest.mark.parametrize("done", [False, True])
def test_a_queue_that_is_never_done_is_reported_and_one_that_is_worked_on_is_not(done):
    async def program():
        queue = asyncio.Queue()

        async def worker():
            while True:
                item = await queue.get()
                await asyncio.sleep(0.005 if item else 10)
                if done:
                    queue.task_done()

        for item in (3, 2, 0 if done else 1):
            queue.put_nowait(item)
        workers = [asyncio.create_task(worker()) for _ in range(2)]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(queue.join(), 0.05)
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    recording = run(program)
    assert kinds(recording) == ([] if done else ["queue-never-done"])
    assert done or "had not been called for 3 of the items" in recording.explain()


def test_siblings_of_a_failed_gather_that_outlive_the_recording_are_reported():
    async def program():
        async def fail():
            await asyncio.sleep(0.01)
            raise ValueError("sold out")

        with contextlib.suppress(ValueError):
            await asyncio.gather(fail(), asyncio.sleep(5))

    (found,) = run(program).findings
    assert found.kind == "siblings-ran-on"
    assert "sleep went on past the end of the recording" in found.message


# Threads


@pytest.mark.parametrize("timer", [False, True])
def test_a_method_of_asyncio_as_the_function_of_a_thread_is_in_the_wrong_thread(timer):
    async def program():
        event = asyncio.Event()
        waiting = asyncio.create_task(event.wait())
        await asyncio.sleep(0.01)
        thread = threading.Timer(0.02, event.set) if timer else threading.Thread(target=event.set)
        thread.start()
        await asyncio.sleep(0.1)
        thread.join()
        assert waiting.done()

    recording = run(program)
    assert kinds(recording) == ["wrong-thread"]
    assert "to run `Event.set()`" in recording.findings[0].message
    assert recording.findings[0].file == __file__


def test_a_thread_that_still_works_when_the_recording_ends_is_reported():
    async def program():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(time.sleep, 0.3), 0.05)

    (found,) = run(program).findings
    assert found.kind == "thread-outlived-timeout"
    assert "sleep was still at work in its thread when the recording ended" in found.message


def test_a_thread_that_is_awaited_when_the_recording_ends_is_not():
    async def program():
        asyncio.ensure_future(asyncio.to_thread(time.sleep, 0.1))
        await asyncio.sleep(0.02)

    assert "thread-outlived-timeout" not in kinds(run(program))


# Pools


def test_of_what_is_queued_for_one_worker_one_job_runs_at_a_time():
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


# Warnings as errors


def test_a_recorder_that_fails_raises_nothing_where_warnings_are_errors(monkeypatch, capsys):
    def breaks(*_):
        raise ZeroDivisionError("in the recorder")

    monkeypatch.setattr(TaskTable, "finish", breaks)

    async def main():
        return await asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, 2))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with record() as recording:
            assert asyncio.run(main()) == [1, 2]
    assert "record() failed and stopped recording: ZeroDivisionError" in recording.explain()
    assert "record() has failed and stopped recording" in capsys.readouterr().err


def test_a_loop_that_cannot_be_watched_raises_nothing_where_warnings_are_errors(capsys):
    class Loop(asyncio.SelectorEventLoop):
        """Stands for uvloop's, which has none of asyncio's insides."""

        def __getattribute__(self, name):
            if name == "_selector" and sys._getframe(1).f_code.co_filename.endswith(
                "loop_patch.py"
            ):
                raise AttributeError(name)
            return super().__getattribute__(name)

    async def main():
        return 7

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with record() as recording, asyncio.Runner(loop_factory=Loop) as runner:
            assert runner.run(main()) == 7
    assert "can't watch the event loop" in recording.explain()
    assert "can't watch the event loop" in capsys.readouterr().err


def test_virtual_locks_and_pools_leave_nothing_in_the_sentences():
    async def main():
        lock = asyncio.Lock()

        async def work():
            async with lock:
                await asyncio.sleep(1)

        await asyncio.gather(work(), work())

    with virtual_time(), record() as recording:
        asyncio.run(main())
    assert recording.findings == []


def test_work_in_a_thread_that_takes_no_virtual_time_is_a_moment():
    async def program():
        await asyncio.gather(asyncio.to_thread(int), asyncio.sleep(1))

    with virtual_time():
        recording = run(program)
    slices = [(one.state, one.start, one.end) for one in recording if one.task == "int"]
    assert slices == [("running", 0, 0)]
