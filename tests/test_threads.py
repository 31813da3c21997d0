"""record_threads(): which thread had the GIL when, and that nothing of it stays."""

import asyncio
import contextlib
import hashlib
import queue
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from statistics import mean

import pytest

from asyncteach import record, virtual_time
from asyncteach.thread_recorder import stamps
from asyncteach.thread_recorder.record_threads import record_threads
from asyncteach.thread_recorder.stamps import ENTRY
from asyncteach.trace import READY, RUNNING, WAITING

# A debugger or a coverage tool that traces these tests has the place that they need.
pytestmark = pytest.mark.skipif(
    bool(sys.gettrace() or sys.getprofile()), reason="something traces this thread already"
)
has_gil = getattr(sys, "_is_gil_enabled", lambda: True)()
with_gil = pytest.mark.skipif(not has_gil, reason="this Python has no GIL")


@pytest.fixture(autouse=True)
def _nothing_stays():
    before = threading.Thread.start, time.sleep, sys.getswitchinterval()
    yield
    sys.setswitchinterval(before[2])
    assert (threading.Thread.start, time.sleep) == before[:2]
    assert sys.gettrace() is sys.getprofile() is None
    assert threading.gettrace() is threading.getprofile() is None


def compute(turns):
    total = 0
    for number in range(turns):
        total += number
    return total


def compute_for(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        compute(300)


def run_all(works):
    threads = [threading.Thread(target=work, name=name) for name, work in works.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def watch(**works):
    """Return a recording of that work, each in a thread of its own."""
    with record_threads() as recording:
        run_all(works)
    check_lanes(recording)
    return recording


def total(recording, name, state):
    return recording.tasks().set_index("task").loc[name, state]


def states_of(recording, name):
    return [one.state for one in recording if one.task == name]


def check_lanes(recording):
    """Refuse lanes with gaps in them, or that overlap themselves."""
    trace = recording.trace
    for number, row in enumerate(trace.rows):
        own = trace.slices[trace.slices.task == number]
        assert row.kind == "thread"
        assert row.parent is None or trace.rows[row.parent].spawned <= row.spawned
        if len(own) and not trace.dropped:
            assert own.start[0] == row.spawned
            assert (own.start[1:] == own.end[:-1]).all()
            assert (own.state[1:] != own.state[:-1]).all()
            if row.outcome != "still running":
                assert own.end[-1] == row.finished
        assert (own.end <= trace.duration + 1e-9).all()


# Who had the GIL


@with_gil
def test_two_that_compute_take_turns():
    recording = watch(a=partial(compute, 300_000), b=partial(compute, 300_000))
    measures = recording.trace.measures
    assert measures.switches >= 6
    # Python doesn't take it away earlier, and a busy machine may take it away later.
    assert mean(measures.turns) > 0.7 * measures.interval
    assert measures.overlap < 0.05 * recording.seconds
    # A busy machine cuts runs in two; all the same they alternate.
    runs = [one.task for one in recording if one.state == RUNNING and one.task != "MainThread"]
    assert sum(one != after for one, after in pairwise(runs)) >= 5
    assert READY in states_of(recording, "a")
    assert total(recording, "a", WAITING) < 0.2 * recording.seconds
    text = recording.explain()
    words = "3 threads, ", "The GIL changed hands", "read the clock", "that is the error"
    assert [word for word in words if word not in text] == []
    assert recording.lanes()[0][0] == "the GIL"
    assert recording.findings == []


@with_gil
def test_twice_the_switch_interval_makes_turns_twice_as_long():
    turns = []
    for interval in (0.02, 0.04, 0.08):
        sys.setswitchinterval(interval)
        work = partial(compute_for, 14 * interval)
        measures = watch(a=work, b=work).trace.measures
        assert measures.interval == pytest.approx(interval)
        # Not the median: on a busy machine one turn begins late, and the next is longer by that.
        turns.append(mean(measures.turns))
        assert turns[-1] > 0.7 * interval
    assert turns[2] > 1.4 * turns[0]


def test_without_a_gil_lanes_run_side_by_side_and_none_is_on_top(monkeypatch):
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    recording = watch(a=partial(compute, 50_000), b=partial(compute, 50_000))
    assert [name for name, _ in recording.lanes()] == ["MainThread", "a", "b"]
    assert "has no GIL" in recording.explain()


# What threads wait for


@with_gil
def test_a_sleeper_is_ready_from_when_its_sleep_is_over():
    sys.setswitchinterval(0.02)

    def sleep():
        for _ in range(4):
            time.sleep(0.01)

    recording = watch(worker=partial(compute, 600_000), sleeper=sleep)
    # Each time it had to wait for an interval, as long as the other one computed.
    states = states_of(recording, "sleeper")
    assert (WAITING, READY, RUNNING) in zip(states, states[1:], states[2:], strict=False)
    assert total(recording, "sleeper", READY) > 0.01
    assert 0.03 < total(recording, "sleeper", WAITING) < 0.045


def test_a_long_call_into_c_is_running():
    data = b"x" * 60_000_000

    def work():
        sum(range(3_000_000))
        hashlib.sha256(data)  # lets go of the GIL meanwhile

    recording = watch(worker=work)
    # On a busy machine it lacks a processor besides.
    assert total(recording, "worker", RUNNING) > 0.1 * recording.seconds
    assert recording.trace.measures.stamps < 10_000


def test_what_threads_wait_for_is_named():
    lock, held, items = threading.Lock(), threading.Event(), queue.Queue()
    here, there = socket.socketpair()

    def give():
        with lock, there:
            held.set()
            time.sleep(0.1)
            items.put(1)
            there.send(b"x")

    def want_lock():
        held.wait()
        with lock:
            compute(10)

    def receive():
        with here:
            here.recv(1)

    recording = watch(give=give, takes=want_lock, gets=items.get, receives=receive)
    longest = {}
    for wait in sorted(recording.trace.waits, key=lambda wait: wait.end - wait.start):
        longest[recording.names[wait.task]] = wait
    del longest["MainThread"]
    assert {name: (wait.kind, wait.what) for name, wait in longest.items()} == {
        "give": ("sleep", "time.sleep()"),
        "takes": ("lock", ENTRY if sys.version_info < (3, 14) else "lock.__enter__()"),
        "gets": ("lock", "lock.acquire()"),
        "receives": ("socket", "socket.recv()"),
    }
    assert all(total(recording, name, WAITING) > 0.02 for name in longest)


# How threads end, and where they come from


def test_outcomes_and_parents(monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    go = threading.Event()

    def fail():
        raise ValueError("no such price")

    def spawn():
        for _ in range(2):
            run_all({"inner": partial(compute, 10)})

    stays = threading.Thread(target=go.wait, name="stays")
    stays.run = own = stays.run
    with record_threads() as recording:
        run_all({"fails": fail, "spawns": spawn})
        assert recording.names[-1] == "inner (2)"  # while it is open, too
        stays.start()
    go.set()
    stays.join()
    check_lanes(recording)
    table = recording.tasks().set_index("task")
    assert dict(table["outcome"]) == {
        "MainThread": "still running",
        "fails": "raised ValueError: no such price",
        **dict.fromkeys(("spawns", "inner", "inner (2)"), "returned"),
        "stays": "still running",
    }
    assert stays.run is own
    assert table.loc["inner", "parent"] == "spawns"
    assert table.loc["fails", "parent"] == "MainThread"
    assert table.loc["fails", "coroutine"].endswith("fail")
    assert table["finished"].isna().sum() == 2


@pytest.mark.parametrize("first", ["record", "record_threads"])
def test_executors_and_to_thread_are_seen_and_record_may_be_open_too(first):
    async def main():
        await asyncio.gather(*(asyncio.to_thread(time.sleep, 0.03) for _ in range(2)))

    found = {}
    with contextlib.ExitStack() as stack:
        for kind in sorted((record, record_threads), key=lambda kind: kind.__name__ != first):
            found[kind] = stack.enter_context(kind())
        with ThreadPoolExecutor(1, thread_name_prefix="pool") as pool:
            assert pool.submit(compute, 10).result() == 45
        asyncio.run(main())
    recording = found[record_threads]
    check_lanes(recording)
    # The loop ends its own pool in a thread.
    assert recording.names[:4] == ["MainThread", "pool_0", "asyncio_0", "asyncio_1"]
    assert total(recording, "asyncio_0", WAITING) > 0.02
    assert set(found[record].tasks()["outcome"]) == {"returned"}


def test_threads_of_others_are_left_alone():
    stop, traced = threading.Event(), []

    def other():
        stop.wait()
        traced.append(sys.gettrace())
        run_all({"of another": lambda: traced.append(sys.getprofile())})

    thread = threading.Thread(target=other, name="older")
    thread.start()
    with record_threads() as recording:
        stop.set()
        thread.join()
    assert recording.names == ["MainThread"]
    assert traced == [None, None]


# What it leaves as it was


def test_names_of_sleep_are_put_back():
    from time import sleep

    names = {"nap": sleep, "record_threads": record_threads, "time": time}
    code = "with record_threads() as r:\n    nap(0.02)\n    inside = nap\n"
    exec(code, names)
    assert names["nap"] is sleep
    assert names["inside"] is not sleep
    assert [wait.kind for wait in names["r"].trace.waits] == ["sleep"]


def test_a_thread_that_outlives_the_block_is_traced_no_longer():
    go, found = threading.Event(), []

    def outlive():
        go.wait()
        compute(10)
        found.append((sys.gettrace(), sys.getprofile(), sys._getframe().f_trace))

    thread = threading.Thread(target=outlive)
    with pytest.raises(KeyboardInterrupt), record_threads() as recording:
        thread.start()
        raise KeyboardInterrupt
    went_on = len(recording), recording.trace.measures.stamps
    go.set()
    thread.join()
    assert found == [(None, None, None)]
    assert (len(recording), recording.trace.measures.stamps) == went_on


def test_a_recorder_that_fails_warns_once_and_lets_the_code_go_on(monkeypatch):
    def fail(*_):
        raise OSError("no counter")

    monkeypatch.setattr(stamps, "_find_call", fail)
    results = []
    warned = pytest.warns(RuntimeWarning, match=r"your code went on: OSError")
    with warned as caught, record_threads() as recording:
        run_all({"sleeper": lambda: results.append(time.sleep(0.01))})
        results.append(compute(100))
    assert results == [None, 4950]
    assert len(caught) == 1
    assert "MainThread" in str(recording)


def test_results_and_errors_are_the_same(monkeypatch):
    seen = []
    monkeypatch.setattr(threading, "excepthook", lambda args: seen.append(repr(args[1])))

    def fail():
        raise KeyError("x")

    calls = [lambda n=n: time.sleep(*n) for n in (["x"], [-1], [])]
    for around in (contextlib.nullcontext, record_threads):
        with around():
            run_all({"fails": fail})
            for bad in (*calls, fail, threading.current_thread().start):
                with pytest.raises((TypeError, ValueError, KeyError, RuntimeError)) as info:
                    bad()
                seen.append(repr(info.value))
    assert seen[: len(seen) // 2] == seen[len(seen) // 2 :]


# What it refuses


def test_what_there_is_no_room_for_is_counted():
    with record_threads(max_slices=10) as recording:
        for _ in range(30):
            time.sleep(0.001)
    assert "No thread had to let go of the GIL" in recording.explain() or not has_gil
    assert "more gaps could not be kept" in recording.explain()
    assert recording.dropped >= 20
    assert len(recording) <= 40


def test_other_blocks_around_it_are_refused():
    with virtual_time(), pytest.raises(RuntimeError, match="real time"):
        record_threads().__enter__()
    block = record_threads()
    with block, pytest.raises(RuntimeError, match="leave the outer block first"):
        record_threads().__enter__()
    with pytest.raises(RuntimeError, match=r"write a new `with record_threads\(\):`"):
        block.__enter__()


@pytest.mark.parametrize("owner", [sys, threading])
@pytest.mark.parametrize("name", ["settrace", "setprofile"])
def test_a_debugger_is_left_its_place(owner, name):
    def tool(*_):
        return None

    getattr(owner, name)(tool)
    try:
        with pytest.raises(RuntimeError, match="run this code without that tool"):
            record_threads().__enter__()
        assert getattr(owner, name.replace("set", "get"))() is tool
    finally:
        getattr(owner, name)(None)
    with record_threads():
        sys.settrace(tool)
    assert sys.gettrace() is tool  # one that comes later stays, too
    sys.settrace(None)
