"""record_threads(): which thread had the GIL when, and that nothing of it stays."""

import asyncio
import contextlib
import hashlib
import itertools
import queue
import socket
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import mean

import pytest

from asyncteach import record, virtual_time
from asyncteach.thread_recorder import stamps
from asyncteach.thread_recorder.record_threads import record_threads
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


def run_all(*works):
    threads = [threading.Thread(target=work, name=name) for name, work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def total(recording, name, state):
    frame = recording.tasks().set_index("task")
    return frame.loc[name, state]


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


def two_who_compute(turns=300_000, count=2):
    with record_threads(title="Two who compute") as recording:
        run_all(*((f"work-{n}", lambda: compute(turns)) for n in range(count)))
    check_lanes(recording)
    return recording


@with_gil
def test_two_that_compute_take_turns():
    recording = two_who_compute()
    measures = recording.trace.measures
    assert measures.switches >= 6
    # Python doesn't take it away earlier, and a busy machine may take it away later.
    assert mean(measures.turns) > 0.7 * measures.interval
    assert measures.overlap < 0.05 * recording.seconds
    first, second = (
        [(s.start, s.end) for s in recording if (s.task, s.state) == (name, RUNNING)]
        for name in ("work-0", "work-1")
    )
    assert min(len(first), len(second)) >= 3
    runs = sorted([*((*run, 0) for run in first), *((*run, 1) for run in second)])
    # A busy machine cuts runs in two; all the same they alternate.
    assert sum(a[2] != b[2] for a, b in itertools.pairwise(runs)) >= 5
    assert READY in states_of(recording, "work-0")
    assert total(recording, "work-0", WAITING) < 0.2 * recording.seconds


@with_gil
def test_twice_the_switch_interval_makes_turns_twice_as_long():
    turns = []
    for interval in (0.02, 0.04, 0.08):
        sys.setswitchinterval(interval)
        with record_threads() as recording:
            run_all(*((name, partial(compute_for, 14 * interval)) for name in "ab"))
        measures = recording.trace.measures
        assert measures.interval == pytest.approx(interval)
        # Not the median: on a busy machine one turn begins late, and the next is longer by that.
        turns.append(mean(measures.turns))
        assert turns[-1] > 0.7 * interval
    assert turns[2] > 1.4 * turns[0]


def test_without_a_gil_lanes_run_side_by_side_and_none_is_on_top(monkeypatch):
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    recording = two_who_compute(50_000)
    assert [name for name, _ in recording.lanes()] == ["MainThread", "work-0", "work-1"]
    assert "has no GIL" in recording.explain()


# What threads wait for


@with_gil
def test_a_sleeper_is_ready_from_when_its_sleep_is_over():
    sys.setswitchinterval(0.02)

    def sleep():
        for _ in range(4):
            time.sleep(0.01)

    with record_threads() as recording:
        run_all(("worker", lambda: compute(600_000)), ("sleeper", sleep))
    check_lanes(recording)
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

    with record_threads() as recording:
        run_all(("worker", work))
    check_lanes(recording)
    # On a busy machine it lacks a processor besides.
    assert total(recording, "worker", RUNNING) > 0.1 * recording.seconds
    assert recording.trace.measures.stamps < 10_000


# How threads end, and where they come from


def test_outcomes_and_parents(monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    go = threading.Event()

    def fail():
        raise ValueError("no such price")

    def spawn():
        inner = threading.Thread(target=compute, args=(10,), name="inner")
        inner.start()
        inner.join()

    stays = threading.Thread(target=go.wait, name="stays")
    stays.run = own = stays.run
    with record_threads() as recording:
        run_all(("fails", fail), ("spawns", spawn), ("spawns", spawn))
        assert "inner (2)" in recording.names  # while it is open, too
        stays.start()
    go.set()
    stays.join()
    check_lanes(recording)
    table = recording.tasks().set_index("task")
    assert dict(table["outcome"]) == {
        "MainThread": "still running",
        "fails": "raised ValueError: no such price",
        **dict.fromkeys(("spawns", "spawns (2)", "inner", "inner (2)"), "returned"),
        "stays": "still running",
    }
    assert stays.run is own
    assert table.loc["inner", "parent"] == "spawns"
    assert table.loc["fails", "parent"] == "MainThread"
    assert table.loc["fails", "coroutine"].endswith("fail")
    assert table["finished"].isna().sum() == 2


def test_an_executor_and_to_thread_are_seen():
    async def main():
        return await asyncio.gather(*(asyncio.to_thread(time.sleep, 0.03) for _ in range(2)))

    with record_threads() as recording:
        with ThreadPoolExecutor(1, thread_name_prefix="pool") as pool:
            assert pool.submit(compute, 10).result() == 45
        asyncio.run(main())
    check_lanes(recording)
    # The loop ends its own pool in a thread.
    assert recording.names[:4] == ["MainThread", "pool_0", "asyncio_0", "asyncio_1"]
    assert total(recording, "asyncio_0", WAITING) > 0.02


@pytest.mark.parametrize("first", ["record", "record_threads"])
def test_together_with_record(first):
    async def main():
        await asyncio.gather(asyncio.sleep(0.01), asyncio.to_thread(compute, 1000))

    kinds = {"record": record, "record_threads": record_threads}
    with contextlib.ExitStack() as stack:
        found = {
            name: stack.enter_context(kinds[name]())
            for name in sorted(kinds, reverse=first != "record")
        }
        asyncio.run(main())
    check_lanes(found["record_threads"])
    assert found["record_threads"].names[:2] == ["MainThread", "asyncio_0"]
    assert list(found["record"].tasks()["outcome"])[:4] == ["returned"] * 4


def test_threads_of_others_are_left_alone():
    stop, traced = threading.Event(), []

    def other():
        stop.wait()
        traced.append(sys.gettrace())

        def start():
            traced.append(sys.getprofile())

        thread = threading.Thread(target=start, name="of another")
        thread.start()
        thread.join()

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
    with record_threads() as recording:
        thread.start()
    went_on = len(recording), recording.trace.measures.stamps
    go.set()
    thread.join()
    assert found == [(None, None, None)]
    assert (len(recording), recording.trace.measures.stamps) == went_on


def test_a_recorder_that_fails_warns_once_and_lets_the_code_go_on(monkeypatch):
    def fail(*_):
        raise OSError("no counter")

    results = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with record_threads() as recording:
            monkeypatch.setattr(stamps, "_find_call", fail)
            run_all(("sleeper", lambda: results.append(time.sleep(0.01))))
            results.append(compute(100))
    assert results == [None, 4950]
    assert [str(one.message) for one in caught] == [
        "record_threads() has failed and stopped recording; your code went on: "
        "OSError('no counter')"
    ]
    assert recording.names[0] == "MainThread"
    str(recording)


def test_an_interrupt_of_the_users_code_leaves_nothing_behind():
    with pytest.raises(KeyboardInterrupt), record_threads() as recording:
        time.sleep(0.001)
        raise KeyboardInterrupt
    assert recording.names == ["MainThread"]


# What its waits are called


def nap():
    time.sleep(0.05)


def take_lock(kind):
    lock = threading.Lock()
    held, wanted = threading.Event(), threading.Event()

    def hold():
        with lock:
            held.set()
            wanted.wait()
            time.sleep(0.1)

    def want():
        held.wait()
        wanted.set()
        if kind == "acquire":
            lock.acquire()
            lock.release()
        else:
            with lock:
                compute(10)

    return hold, want


def receive():
    here, there = socket.socketpair()

    def send():
        time.sleep(0.1)
        with there:
            there.send(b"x")

    def take():
        with here:
            here.recv(1)

    return send, take


def take_item():
    items = queue.Queue()

    def put():
        time.sleep(0.1)
        items.put(1)

    return put, items.get


@pytest.mark.parametrize(
    ("works", "kind", "what"),
    [
        (lambda: (compute_little, nap), "sleep", "time.sleep()"),
        (partial(take_lock, "acquire"), "lock", ""),
        (partial(take_lock, "with"), "lock", ""),
        (take_item, "lock", "lock.acquire()"),
        (receive, "socket", "socket.recv()"),
    ],
)
def test_what_a_thread_waits_for_is_named(works, kind, what):
    other, work = works()
    with record_threads() as recording:
        run_all(("other", other), ("waits", work))
    check_lanes(recording)
    assert total(recording, "waits", WAITING) > 0.02
    longest = max((w for w in recording.trace.waits if w.task == 2), key=lambda w: w.end - w.start)
    assert longest.kind == kind
    assert what in longest.what


def compute_little():
    compute(10)


# What it says, and what it refuses


def test_results_and_errors_are_the_same(monkeypatch):
    seen = []
    monkeypatch.setattr(threading, "excepthook", lambda args: seen.append(args[:2]))

    def fail():
        raise KeyError("x")

    calls = [lambda n=n: time.sleep(*n) for n in (["x"], [-1], [])]
    for around in (contextlib.nullcontext, record_threads):
        with around():
            run_all(("fails", fail))
            for bad in (*calls, fail, threading.current_thread().start):
                with pytest.raises((TypeError, ValueError, KeyError, RuntimeError)) as info:
                    bad()
                seen.append((type(info.value), info.value))
    half = len(seen) // 2
    first, second = (
        [(kind, str(error)) for kind, error in part] for part in (seen[:half], seen[half:])
    )
    assert first == second


def test_explain_says_how_long_turns_were_and_how_well_that_is_known():
    sys.setswitchinterval(0.005)
    recording = two_who_compute(count=3)
    text = recording.explain()
    words = "4 threads, ", "looks at the clock", "its turn is as long"
    if has_gil:
        words += "The GIL changed hands", "the switch interval is 5 ms", "that is the error"
        assert recording.lanes()[0][0] == "the GIL"
    assert [word for word in words if word not in text] == []
    assert recording.findings == []


def test_what_there_is_no_room_for_is_counted():
    with record_threads(max_slices=10) as recording:
        for _ in range(30):
            time.sleep(0.001)
    assert "No thread had to let go of the GIL" in recording.explain() or not has_gil
    assert "gaps more could not be kept" in recording.explain()
    assert recording.dropped >= 20
    assert len(recording) <= 40


def test_other_blocks_around_it_are_refused():
    with virtual_time(), pytest.raises(RuntimeError, match="real time"):
        record_threads().__enter__()
    block = record_threads()
    with block, pytest.raises(RuntimeError, match="leave the outer block first"):
        record_threads().__enter__()
    with pytest.raises(RuntimeError, match="write `with record_threads\\(\\):` anew"):
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
