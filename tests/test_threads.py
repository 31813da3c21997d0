"""record_threads(): which thread had the GIL when, and that nothing of it stays."""

import asyncio
import contextlib
import gc
import hashlib
import itertools
import json
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import mean
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from asyncteach import record, virtual_time
from asyncteach.thread_recorder import stamps
from asyncteach.thread_recorder.record_threads import record_threads
from asyncteach.trace import READY, RUNNING, STATES, WAITING

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
        assert measures.interval == measures.first_interval == pytest.approx(interval)
        # Not the median: on a busy machine one turn begins late, and the next is longer by that.
        turns.append(mean(measures.turns))
        assert turns[-1] > 0.7 * interval
    assert turns[2] > 1.4 * turns[0]


@with_gil
def test_three_that_compute_are_ready_most_of_the_time():
    recording = two_who_compute(count=3)
    for name in ("work-0", "work-1", "work-2"):
        assert total(recording, name, READY) > 0.3 * total(recording, name, RUNNING)
    assert recording.trace.measures.overlap < 0.05 * recording.seconds


@with_gil
def test_the_lane_on_top_is_the_gil():
    recording = two_who_compute(50_000)
    assert recording.lanes()[0][0] == "the GIL"
    assert recording.names == ["MainThread", "work-0", "work-1"]


def test_without_a_gil_lanes_run_side_by_side_and_none_is_on_top(monkeypatch):
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    recording = two_who_compute(50_000)
    assert [name for name, _ in recording.lanes()] == ["MainThread", "work-0", "work-1"]
    assert "has no GIL" in recording.explain()
    assert "the GIL is elsewhere" not in legend(recording)
    assert "the processor is elsewhere" in legend(recording)


# What threads wait for


def test_sleep_is_waiting():
    def sleep():
        time.sleep(0.05)

    with record_threads() as recording:
        run_all(("sleeper", sleep))
    check_lanes(recording)
    assert total(recording, "sleeper", WAITING) > 0.04
    assert total(recording, "MainThread", WAITING) > 0.02
    waits = [wait for wait in recording.trace.waits if wait.task == 1]
    assert waits[0].kind == "sleep"
    assert waits[0].what == "time.sleep()"
    assert waits[0].places[0].function.endswith("sleep")


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


@pytest.mark.parametrize("way", ["acquire", "with", "one line"])
def test_a_lock_is_waited_for(way):
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
        if way == "acquire":
            lock.acquire()
            lock.release()
        elif way == "with":
            with lock:
                compute(10)
        else:
            with lock: compute(10)  # fmt: skip  # noqa: E701

    with record_threads() as recording:
        run_all(("holder", hold), ("wanter", want))
    check_lanes(recording)
    assert total(recording, "wanter", WAITING) > 0.02
    longest = max((w for w in recording.trace.waits if w.task == 2), key=lambda w: w.end - w.start)
    assert longest.kind == "lock"


def test_a_queue_and_a_socket_are_waited_for():
    items = queue.Queue()
    here, there = socket.socketpair()

    begun = threading.Event()

    def give():
        begun.wait()
        time.sleep(0.1)
        items.put(1)
        time.sleep(0.1)
        there.send(b"x")

    def take():
        begun.set()
        items.get()
        here.recv(1)

    with here, there, record_threads() as recording:
        run_all(("giver", give), ("taker", take))
    check_lanes(recording)
    assert total(recording, "taker", WAITING) > 0.05
    kinds = [wait.kind for wait in recording.trace.waits if wait.task == 2]
    assert kinds[0] == "lock"
    assert kinds[-1] == "socket"


def test_a_long_call_into_c_is_running():
    def long_call():
        sum(range(3_000_000))

    with record_threads() as recording:
        run_all(("worker", long_call))
    check_lanes(recording)
    assert total(recording, "worker", RUNNING) > total(recording, "worker", WAITING)
    assert recording.trace.measures.stamps < 10_000


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two processors")
def test_calls_that_let_go_of_the_gil_run_at_once_and_that_is_no_error():
    data = b"x" * 60_000_000

    def digest():
        for _ in range(4):
            hashlib.sha256(data).digest()

    with record_threads() as recording:
        run_all(("a", digest), ("b", digest))
    check_lanes(recording)
    measures = recording.trace.measures
    # Where other programs have the processors they can't, and were ready instead.
    ready = total(recording, "a", READY) + total(recording, "b", READY)
    waiting = total(recording, "a", WAITING) + total(recording, "b", WAITING)
    assert measures.parallel + ready + waiting > 0.1 * total(recording, "a", RUNNING)
    assert measures.overlap < 0.05 * total(recording, "a", RUNNING)


@with_gil
def test_who_waits_briefly_and_often_needs_the_gil_each_time():
    """The convoy: each wait lets go of the GIL, and the other thread keeps it for an interval."""
    sys.setswitchinterval(0.02)
    done = threading.Event()

    def work():
        while not done.is_set():
            compute(1000)

    def wait():
        for _ in range(12):
            select.select([], [], [], 0.001)
        done.set()

    with record_threads() as recording:
        run_all(("worker", work), ("waiter", wait))
    check_lanes(recording)
    states = states_of(recording, "waiter")
    assert list(itertools.pairwise(states)).count((WAITING, READY)) >= 1


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
    with record_threads() as recording:
        run_all(("fails", fail), ("spawns", spawn))
        stays.start()
    go.set()
    stays.join()
    check_lanes(recording)
    table = recording.tasks().set_index("task")
    assert dict(table["outcome"]) == {
        "MainThread": "still running",
        "fails": "raised ValueError: no such price",
        "spawns": "returned",
        "inner": "returned",
        "stays": "still running",
    }
    assert table.loc["inner", "parent"] == "spawns"
    assert table.loc["fails", "parent"] == "MainThread"
    assert table.loc["fails", "coroutine"].endswith("fail")
    assert table["finished"].isna().sum() == 2


def test_threads_of_one_name_are_told_apart():
    with record_threads() as recording:
        run_all(("work", lambda: None), ("work", lambda: None))
    assert recording.names == ["MainThread", "work", "work (2)"]


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


def test_inside_a_running_loop():
    async def main():
        with record_threads() as recording:
            await asyncio.to_thread(compute, 1000)
            await asyncio.sleep(0.03)
        return recording

    recording = asyncio.run(main())
    check_lanes(recording)
    assert recording.names == ["MainThread", "asyncio_0"]
    # The loop's own wait is a call into C as any other.
    assert total(recording, "MainThread", WAITING) > 0.01


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
    assert set(found["record"].tasks()["outcome"]) == {"returned"}
    assert len(found["record"].names) == 4


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


# A guest in the house


def test_results_errors_and_tracebacks_are_the_same(monkeypatch):
    seen = []
    monkeypatch.setattr(threading, "excepthook", lambda args: seen.append(frames(args[2])))

    def frames(traceback):
        names = []
        while traceback is not None:
            names.append(traceback.tb_frame.f_code.co_name)
            traceback = traceback.tb_next
        return names

    def fail():
        raise KeyError("x")

    def sleep_badly():
        time.sleep("x")

    def look(error):
        return type(error), str(error), frames(error.__traceback__)

    for around in (contextlib.nullcontext, record_threads):
        with around():
            run_all(("fails", fail))
            for bad in (sleep_badly, lambda: time.sleep(-1), lambda: time.sleep(), fail):
                with pytest.raises((TypeError, ValueError, KeyError)) as info:
                    bad()
                seen.append(look(info.value))
            with pytest.raises(RuntimeError) as info:
                threading.current_thread().start()
            seen.append(look(info.value))
    half = len(seen) // 2
    assert seen[:half] == seen[half:]


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


def test_while_the_block_is_open_it_shows_what_is_known():
    with record_threads() as recording:
        run_all(("work", lambda: compute(1000)))
        early = recording.names, len(recording)
    assert early[0] == recording.names == ["MainThread", "work"]
    assert early[1] >= 2


def test_two_at_once_are_refused_and_the_outer_one_goes_on():
    with record_threads() as recording:
        with pytest.raises(RuntimeError, match="leave the outer block first"):
            record_threads().__enter__()
        run_all(("work", lambda: None))
    assert recording.names == ["MainThread", "work"]
    block = record_threads()
    with block, pytest.raises(RuntimeError, match="write `with record_threads\\(\\):` anew"):
        block.__enter__()


def test_virtual_time_is_refused():
    with virtual_time(), pytest.raises(RuntimeError, match="put it around code that is not"):
        record_threads().__enter__()


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


def test_a_debugger_that_comes_later_stays():
    def tool(*_):
        return None

    with record_threads():
        sys.settrace(tool)
    assert sys.gettrace() is tool
    sys.settrace(None)


def test_amounts_that_make_no_sense_are_refused():
    with pytest.raises(TypeError, match="takes a whole number and got str: leave it out for"):
        record_threads(max_slices="many")
    with pytest.raises(ValueError, match="must be more than 0"):
        record_threads(max_slices=0)


def test_a_recorder_that_fails_warns_once_and_lets_the_code_go_on(monkeypatch):
    def fail():
        raise OSError("no counter")

    monkeypatch.setattr(stamps, "count_rests", lambda: 0)
    results = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with record_threads() as recording:
            monkeypatch.setattr(stamps, "count_rests", fail)
            run_all(("sleeper", lambda: results.append(time.sleep(0.01))))
            results.append(compute(100))
    assert results == [None, 4950]
    assert [str(one.message) for one in caught] == [
        "record_threads() has failed and stopped recording; your code went on: "
        "OSError('no counter')"
    ]
    assert recording.names[0] == "MainThread"
    str(recording)


def test_a_block_that_is_never_left_is_closed_by_the_collector():
    def blocks():
        with record_threads():
            yield

    one = blocks()
    next(one)
    del one
    gc.collect()
    assert sys.gettrace() is None


def test_a_block_in_a_context_manager_sees_the_lines_of_its_user():
    @contextlib.contextmanager
    def around():
        with record_threads() as recording:
            yield recording

    with around() as recording:
        for _ in range(1000):
            pass
    assert recording.trace.measures.stamps > 900


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_is_not_watched():
    code = (
        "import os, sys, time\n"
        "from asyncteach.thread_recorder.record_threads import record_threads\n"
        "sleep = time.sleep\n"
        "with record_threads():\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        x = 1\n"
        "        is_plain = sys.gettrace() is None and time.sleep is sleep\n"
        "        os._exit(0 if is_plain else 1)\n"
        "    status = os.waitpid(child, 0)[1]\n"
        "sys.exit(status != 0)\n"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False).returncode == 0


# An interrupt that lands where the collector closes a block is swallowed by Python.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers")
def test_interrupts_at_any_time_leave_nothing_behind():
    before = threading.Thread.start, time.sleep
    landed = []

    def interrupt(*_):
        landed.append(sys._getframe(1).f_code.co_filename)
        raise KeyboardInterrupt

    def watch(number):
        signal.setitimer(signal.ITIMER_REAL, 1e-5 * 1.04**number)
        # Not Thread.start: an interrupt in there leaves locks of its own half done.
        with record_threads():
            compute(100)
            time.sleep(0.0001)
        while len(landed) == number:
            time.sleep(0.0001)

    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        for number in range(150):
            with contextlib.suppress(KeyboardInterrupt):
                watch(number)
            assert len(landed) == number + 1
            assert (threading.Thread.start, time.sleep) == before
            assert sys.gettrace() is sys.getprofile() is None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert any("switching" in file for file in landed)
    with record_threads():
        pass


def test_memory_is_bounded():
    def nap():
        for _ in range(30):
            time.sleep(0.001)

    with record_threads(max_slices=10) as recording:
        run_all(("a", nap), ("b", nap))
    assert recording.dropped >= 20
    assert len(recording) <= 40
    check_lanes(recording)
    assert "could not be kept" in recording.explain()


# What it shows


def legend(recording):
    from asyncteach import draw_timelines

    return " ".join(text.get_text() for text in draw_timelines([recording]).legends[0].get_texts())


def test_the_picture_has_plain_names_and_says_what_the_states_mean():
    recording = two_who_compute(50_000)
    ax = recording.plot(ax=Figure().subplots())
    names = [label.get_text().strip() for label in ax.get_yticklabels()]
    assert names == ["the GIL", "MainThread", "work-0", "work-1"] if has_gil else names[1:]
    assert "it could go on, the GIL is elsewhere" in legend(recording)
    part = recording.plot(ax=Figure().subplots(), start=0.0, end=recording.seconds / 2)
    assert "part" in part.get_title(loc="left")


def test_text_svg_trace_and_words():
    recording = two_who_compute(50_000)
    assert "(thread)" not in str(recording)
    assert "work-1" in str(recording)
    assert "work-1: running" in recording.describe()
    ElementTree.fromstring(recording.to_svg())
    trace = recording.to_chrome_trace()
    names = [e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "thread_name"]
    assert names[-3:] == ["MainThread", "work-0", "work-1"]
    json.dumps(trace)
    assert set(recording.to_frame()["state"]) <= set(STATES)


@with_gil
def test_explain_says_how_long_turns_were_and_how_well_that_is_known():
    sys.setswitchinterval(0.005)
    recording = two_who_compute()
    said = recording.explain()
    assert said.startswith("3 threads, ")
    assert "The GIL changed hands" in said
    assert "the switch interval is 5 ms" in said
    assert "looks at the clock" in said
    assert "that is the error" in said
    assert "loop" not in said
    assert recording.findings == []


def test_nothing_happened():
    with record_threads() as recording:
        pass
    assert recording.names == ["MainThread"]
    assert "nobody had to let go of it" in recording.explain() or not has_gil
    str(recording)
    recording.plot(ax=Figure().subplots())


@with_gil
def test_coroutines_of_one_thread_switch_only_at_await():
    """The same program on one thread: nobody takes the loop away."""

    async def work():
        for _ in range(3):
            compute(60_000)
            await asyncio.sleep(0)

    async def main():
        await asyncio.gather(work(), work())

    with record() as recording:
        asyncio.run(main())
    steps = [one for one in recording if one.task.startswith("Task") and one.state == RUNNING]
    assert len(steps) <= 10


def test_a_run_of_the_threads_own_stays_its_own():
    done = []
    thread = threading.Thread(name="mine")
    thread.run = lambda: done.append(1)
    own = thread.run
    with record_threads() as recording:
        thread.start()
        thread.join()
    assert done == [1]
    assert vars(thread)["run"] is own
    assert recording.names == ["MainThread", "mine"]
