"""record() as one uses it: whose tasks it sees, what it refuses, that it is never in the way."""

import asyncio
import concurrent.futures
import gc
import math
import re
import sys
import time
import warnings
import weakref

import pytest
from lanes import check_invariants

from asyncteach import Recording, record, replay, virtual_time
from asyncteach.recorder.task_events import TaskEvents
from asyncteach.recorder.task_table import TaskTable
from asyncteach.runners.workers import has_gil


async def nap(seconds=0.001):
    await asyncio.sleep(seconds)


def coroutines(recording):
    return sorted(name.rpartition(".")[2] for name in recording.tasks()["coroutine"])


# Where it may stand


def test_inside_a_coroutine_it_sees_the_task_that_opens_it_and_what_that_spawns():
    async def main():
        stranger = asyncio.create_task(nap(0.003))
        await asyncio.sleep(0)
        with record() as recording:
            await asyncio.gather(nap(), asyncio.create_task(nap()))
        await stranger
        return recording

    recording = asyncio.run(main())
    check_invariants(recording)
    assert coroutines(recording) == ["main", "nap", "nap"]
    table = recording.tasks()
    assert table["outcome"].tolist() == ["still running", "returned", "returned"]
    assert table["parent"].fillna("").tolist() == ["", table["task"][0], table["task"][0]]


def test_without_any_loop_it_is_empty_and_can_be_shown():
    with record(title="Nothing") as recording:
        pass
    check_invariants(recording)
    assert recording.names == []
    assert len(recording.to_frame()) == len(recording.tasks()) == len(recording.blocked()) == 0
    assert "Nothing" in str(recording)


def test_in_a_script_threads_and_pools_are_seen_without_a_loop():
    with record() as recording, concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert pool.submit(max, 1, 2).result() == 2
        with pytest.raises(ZeroDivisionError):
            pool.submit(divmod, 1, 0).result()
    check_invariants(recording)
    table = recording.tasks()
    assert table["task"].tolist() == ["max", "divmod"]
    assert table["outcome"][0] == "returned"
    assert table["outcome"][1].startswith("raised ZeroDivisionError")


def test_a_task_has_one_name_in_pictures_sentences_and_tables():
    async def hold():
        await asyncio.sleep(0.02)
        time.sleep(0.1)

    async def main():
        await asyncio.gather(hold(), asyncio.create_task(asyncio.sleep(0.05), name="tick"))

    with record() as recording:
        asyncio.run(main())
    tasks, block = recording.tasks(), recording.blocked().iloc[0]
    assert list(tasks.label) == ["main", "tick", "hold"]
    assert tasks.task[1] == "tick"
    assert str(tasks.task[2]).startswith("Task-")
    assert (block.label, block.task, block.delayed) == ("hold", tasks.task[2], ["tick"])
    assert set(recording.to_frame().label) == {"main", "tick", "hold"}
    assert {"hold", "tick"} <= set(str(recording).split())
    assert recording.explain().count("hold() held the loop") == 1
    assert list(recording.to_frame()) == ["task", "label", "state", "start", "end"]
    assert list(tasks) == [
        *("task", "label", "parent", "coroutine", "spawned", "finished", "outcome"),
        *("running", "ready", "waiting"),
    ]
    assert list(block.index) == [
        *("task", "label", "start", "seconds", "file", "line", "function", "delayed", "delays"),
    ]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: record("Three fetches"), "write record(title='Three fetches')"),
        (lambda: record(nap()), "write `with record() as recording:`"),
        (lambda: replay(Recording("empty", []), start=1), "recording.plot(start=0.1, end=0.4)"),
        (lambda: Recording("empty", []).plot(figsize=(9, 9)), "plt.subplots(figsize="),
    ],
)
@pytest.mark.filterwarnings("ignore:coroutine 'nap' was never awaited")
def test_options_that_do_not_exist_are_answered_with_what_to_write(wrong, words):
    with pytest.raises(TypeError, match=re.escape(words)):
        wrong()


# More than one


def test_an_outer_recording_sees_what_an_inner_one_sees():
    async def inner():
        with record() as recording:
            await asyncio.create_task(nap())
        return recording

    async def main():
        with record() as outer:
            await asyncio.create_task(nap())
            task = asyncio.create_task(inner(), name="inner")
            within = await task
            await asyncio.create_task(nap())
        return outer, within

    with virtual_time():
        outer, within = asyncio.run(main())
    for recording in (outer, within):
        check_invariants(recording)
    assert coroutines(within) == ["inner", "nap"]
    assert coroutines(outer) == ["inner", "main", "nap", "nap", "nap"]
    assert within.trace.rows[0].label == "inner"


def test_recordings_in_two_tasks_at_once_each_see_their_own():
    async def watched(count, seconds):
        with record() as recording:
            await asyncio.gather(*(nap(seconds) for _ in range(count)))
        return recording

    async def main():
        return await asyncio.gather(watched(1, 5), watched(2, 3), watched(3, 4))

    with virtual_time():
        recordings = asyncio.run(main())
    for count, recording in enumerate(recordings, start=1):
        check_invariants(recording)
        assert coroutines(recording) == ["nap"] * count + ["watched"]
    assert [recording.seconds for recording in recordings] == [5, 3, 4]


def test_a_clock_that_is_opened_in_the_first_step_jumps_after_that_step():
    async def main():
        with record() as recording:
            with virtual_time():
                await asyncio.sleep(60)
            with virtual_time():
                await asyncio.sleep(60)
        return recording

    recording = asyncio.run(main())
    check_invariants(recording)
    assert recording.blocked().empty
    (row,) = recording.tasks().to_dict("records")
    assert round(row["waiting"]) == 120
    assert row["running"] < 60


# What it refuses


def test_the_same_block_twice_is_refused():
    recorder = record()
    with (
        recorder,
        pytest.raises(RuntimeError, match=r"already open: write another `with record\(\):`"),
    ):
        recorder.__enter__()
    with recorder as recording:  # one after another is fine
        asyncio.run(nap())
    assert coroutines(recording) == ["nap"]


@pytest.mark.parametrize("name", ["threshold", "max_slices"])
@pytest.mark.parametrize("amount", ["1", None, True, [1], 0, -1, math.nan, math.inf])
def test_amounts_that_make_no_sense_are_refused(name, amount):
    with pytest.raises((TypeError, ValueError), match=rf"record\({name}=...\) takes a"):
        record(**{name: amount})


class Unwatchable(asyncio.SelectorEventLoop):
    """Stands for uvloop's, which has none of asyncio's insides."""

    def __getattribute__(self, name):
        if name == "_selector" and sys._getframe(1).f_code.co_filename.endswith("loop_patch.py"):
            raise AttributeError(name)
        return super().__getattribute__(name)


def test_a_loop_that_cant_be_watched_gets_a_clear_sentence(capsys):
    async def main():
        with pytest.raises(RuntimeError, match=words), record():
            pass
        return 7

    words = r"^record\(\) can't watch the event loop .*Unwatchable: .*asyncio\.run\(main\(\)\)"
    with asyncio.Runner(loop_factory=Unwatchable) as runner:
        assert runner.run(main()) == 7
    # Around it nothing is raised, even where warnings are errors.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with record() as recording, asyncio.Runner(loop_factory=Unwatchable) as runner:
            assert runner.run(nap()) is None
    assert "can't watch the event loop" in recording.explain()
    assert "can't watch the event loop" in capsys.readouterr().err


# Never in the way


def breaks(*_, **__):
    raise ZeroDivisionError("in the recorder")


@pytest.mark.parametrize("are_errors", [False, True])
@pytest.mark.parametrize(
    ("owner", "method"), [(TaskEvents, "waited"), (TaskEvents, "joined"), (TaskTable, "finish")]
)
def test_a_recorder_that_fails_warns_once_and_the_code_goes_on(
    owner, method, are_errors, monkeypatch, capsys
):
    async def work(number):
        await nap(0.002)
        await nap(0.002)
        return number

    async def main():
        with record() as recording:
            result = await asyncio.gather(*map(work, range(5)))
        return result, recording

    monkeypatch.setattr(owner, method, breaks)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("error" if are_errors else "always")
        result, recording = asyncio.run(main())
    assert result == list(range(5))
    texts = [capsys.readouterr().err] if are_errors else [str(one.message) for one in heard]
    assert len(texts) == 1, texts
    assert "record() has failed and stopped recording; your code goes on" in texts[0]
    assert "in the recorder" in texts[0]
    assert "record() failed and stopped recording: ZeroDivisionError" in recording.explain()
    monkeypatch.undo()
    _, recording = asyncio.run(main())  # the next one works
    assert len(recording.names) == 6


def test_a_recording_keeps_no_task_and_none_of_its_locals_alive():
    """Not even until the next garbage collection."""

    class Local:
        pass

    async def work(seen):
        local = Local()
        seen.append(weakref.ref(local))
        await nap()
        await asyncio.to_thread(int)

    async def main():
        seen = []
        with record() as recording:
            task = asyncio.create_task(work(seen))
            seen += [weakref.ref(task), weakref.ref(task.get_coro())]
            await task
            await asyncio.sleep(0)
            del task
            assert [one() for one in seen] == [None] * 3
        return recording

    gc.disable()
    try:
        recording = asyncio.run(main())
    finally:
        gc.enable()
    assert len(recording.tasks()) == 3


@pytest.mark.parametrize("make", [asyncio.Task, asyncio.tasks._PyTask], ids=["C", "Python"])
def test_what_nobody_retrieves_is_said_as_soon_as_it_is_without_a_recorder(make):
    """A traceback leads to the frames that have run the task: those must not lead back to it."""

    async def fail():
        raise ValueError("broken")

    async def main():
        heard = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: heard.append(context["message"])
        )
        make(fail())
        await asyncio.sleep(0)
        return heard

    async def within():
        with record():
            return await main()

    gc.disable()
    try:
        expected = ["Task exception was never retrieved"]
        assert asyncio.run(main()) == expected
        assert asyncio.run(within()) == expected
        with record():
            assert asyncio.run(main()) == expected
    finally:
        gc.enable()


def test_a_loop_is_not_kept_alive_once_the_recording_was_looked_at():
    loop = asyncio.new_event_loop()
    with record() as recording:
        loop.run_until_complete(nap())
        loop.close()
    assert len(recording) > 0
    reference = weakref.ref(loop)
    del loop
    gc.collect()
    assert reference() is None


def test_memory_is_bounded_and_what_was_dropped_is_counted():
    async def main():
        for _ in range(1000):
            await asyncio.sleep(0)

    with record(max_slices=100) as recording:
        asyncio.run(main())
    assert len(recording) <= 100
    assert recording.dropped >= 900
    with record() as recording:
        asyncio.run(main())
    assert recording.dropped == 0


@pytest.mark.skipif(not has_gil(), reason="this Python has no GIL")
def test_who_is_due_while_a_thread_keeps_the_gil_is_ready():
    """The loop is idle then, and yet it isn't the timer that is late."""

    async def tick():
        await asyncio.sleep(0.02)

    async def main():
        # A call into C that never lets go of the GIL.
        await asyncio.gather(tick(), asyncio.to_thread(sum, range(20_000_000)))

    with record() as recording:
        asyncio.run(main())
    tasks = recording.tasks()
    late = tasks[tasks["coroutine"].str.endswith("tick")].iloc[0]
    assert late["ready"] > late["waiting"]
