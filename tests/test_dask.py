"""The same activities on a Dask cluster: real schedulers and worker processes, and their ends."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

import psutil
import pytest

from asyncteach import CHORES, LEISURE, chore, dask, leisure, virtual_time
from asyncteach.dask import Start, make_trace, run_on_dask
from asyncteach.runners.scenario import Scenario

distributed = pytest.importorskip(
    "distributed", reason='Dask is not installed: pip install "asyncteach[dask]"'
)

LONG = 60.0
"""Seconds that nothing here takes, unless it doesn't end when it should."""

TOPIC = "asyncteach-"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """The client of a cluster of two processes."""
    folder = str(tmp_path_factory.mktemp("dask"))
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL, local_directory=folder,
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):  # fmt: skip
        yield client


def until(condition):
    end = time.monotonic() + LONG
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def begun_by(client):
    """Return the addresses of the workers that have begun anything, by Dask's own events."""
    return [
        note[1]
        for topic, events in client.get_events().items()
        if str(topic).startswith(TOPIC)
        for _, note in events[1:]
    ]


def processes(of=None):
    """Return the workers that run_on_dask has started in a process."""
    found = psutil.Process(of).children(recursive=True)
    with contextlib.suppress(psutil.Error):
        return [one for one in found if "dask_worker" in " ".join(one.cmdline())]
    return processes(of)


def names_in(recording):
    """Return the names of activities by that of their worker, and check that the books balance."""
    trace = recording.trace
    found = {row.name: [] for row in trace.rows if row.parent is None}
    for index, row in enumerate(trace.rows):
        own = trace.slices[trace.slices.task == index]
        assert list(own.start[1:]) == pytest.approx(list(own.end[:-1])) or row.parent is None
        if row.parent is not None:
            found[trace.rows[row.parent].name].append(row.name)
            assert float(own.start[0]) == row.spawned == 0
            assert float(own.end[-1]) == row.finished <= trace.duration == recording.minutes
    return found


def activities_in(recording):
    return sorted(name for names in names_in(recording).values() for name in names)


def names_of(activities):
    return sorted(activity.name for activity in activities)


PAIR = [chore("wait", 100), leisure("think", 100)]


@contextlib.contextmanager
def meanwhile(work):
    """Do something in another thread, which has to have worked when the block is over."""
    errors = []

    def run():
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        assert not errors


def test_two_workers_are_busy_at_one_moment(client):
    for activities in (CHORES, LEISURE):
        recording = run_on_dask(activities, client, minute=0.03)
        assert activities_in(recording) == names_of(activities)
        assert list(names_in(recording)) == ["worker 1", "worker 2"]
        assert recording.title.endswith(", on Dask (2 workers)")
        slices = recording.trace.slices
        workers = [slices[slices.task == n] for n, row in enumerate(recording.trace.rows)
                   if row.parent is None]  # fmt: skip
        assert max(own.start.min() for own in workers) < min(own.end.max() for own in workers)
    assert client.status == "running"


def test_each_activity_does_its_steps_and_is_ready_until_it_begins(client):
    activities = [chore("wash", 30, start=5, finish=5)] * 3
    recording = run_on_dask(iter(activities), client, minute=0.004)
    assert activities_in(recording) == ["wash", "wash (2)", "wash (3)"]
    for index, row in enumerate(recording.trace.rows):
        own = recording.trace.slices[recording.trace.slices.task == index]
        if row.parent is not None:
            assert all(len(own.of(state)) for state in ("running", "ready", "waiting"))
            assert sum(own.of("waiting").seconds()) >= 19.9


@pytest.mark.parametrize(
    "activities",
    [[leisure("blink", 0)] * 5, [chore("a-b-1c2", 1), chore("\ud800", 1), chore("worker 1", 1)]],
)
def test_any_activities_are_done(client, activities):
    recording = run_on_dask(activities, client, minute=0.001)
    assert len(activities_in(recording)) == len(activities)
    assert str(recording)
    assert len(set(recording.names)) == len(recording.names)


def test_an_interrupt_frees_the_workers_of_a_cluster_and_leaves_it_alone(client):
    before = len(begun_by(client))

    def interrupt():
        until(lambda: len(begun_by(client)) > before)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    with meanwhile(interrupt), pytest.raises(KeyboardInterrupt):
        run_on_dask(PAIR, client, minute=LONG / 100)
    until(lambda: not any(client.run(executing).values()))
    assert activities_in(run_on_dask(CHORES, client, minute=0.001)) == names_of(CHORES)


def executing(dask_worker):
    return len(dask_worker.state.executing)


def test_an_asynchronous_client_is_awaited_and_an_ordinary_one_is_not(client):
    async def main():
        address = client.scheduler.address
        async with distributed.Client(address, asynchronous=True, set_as_default=False) as own:
            recording = await run_on_dask(CHORES, own, minute=0.002)
            assert own.status == "running"
        return recording, run_on_dask(CHORES, client, minute=0.002)

    for recording in asyncio.run(main()):
        assert activities_in(recording) == names_of(CHORES)


def test_a_client_that_is_not_connected_here_is_refused(client):
    async def connect():
        return await distributed.Client(
            client.scheduler.address, asynchronous=True, set_as_default=False
        )

    closed = distributed.Client(client.scheduler.address, set_as_default=False)
    closed.close()
    loop = asyncio.new_event_loop()
    elsewhere = loop.run_until_complete(connect())
    for other in (closed, elsewhere):
        with pytest.raises(RuntimeError, match=r"not connected here .*: make a new one"):
            run_on_dask(CHORES, other)
    loop.run_until_complete(elsewhere.close())
    loop.close()


@pytest.mark.parametrize(
    ("arguments", "keywords", "words"),
    [
        ((CHORES,), {"clock": "virtual"}, "takes real time only"),
        ((CHORES,), {"clock": "sundial"}, "clock doesn't know"),
        ((CHORES,), {"minute": 600}, "hours of real time"),
        (([],), {}, "an empty one"),
        ((CHORES, "tcp://127.0.0.1:8786"), {}, r"not of type str: write run_on_dask\(activities, "),
    ],
)
def test_wrong_arguments_are_refused_at_once(arguments, keywords, words):
    with pytest.raises((TypeError, ValueError), match=words):
        run_on_dask(*arguments, **keywords)


def test_virtual_time_is_refused():
    with virtual_time(), pytest.raises(ValueError, match="takes real time only"):
        run_on_dask(CHORES)


def test_without_dask_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r'pip install "asyncteach\[dask\]"'):
        run_on_dask(CHORES)


def test_dask_is_imported_when_it_is_used():
    code = "import asyncteach.dask, sys; sys.exit('distributed' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_forgetting_to_await_it_starts_nothing():
    async def main():
        run = run_on_dask(CHORES)
        assert "write `await run_on_dask(...)`" in repr(run)
        with pytest.raises(AttributeError, match=r"recording = await run_on_dask\(\.\.\.\)"):
            _ = run.minutes
        del run
        gc.collect()

    with pytest.warns(RuntimeWarning, match="'run_on_dask' was never awaited"):
        asyncio.run(main())


# A cluster of its own


def test_a_cluster_of_its_own_does_everything_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    levels = [handler.level for handler in logging.getLogger("distributed").handlers]
    path, threads, before = list(sys.path), set(threading.enumerate()), set(processes())

    async def main():
        return await run_on_dask([*CHORES, *LEISURE], minute=0.01)

    recording = asyncio.run(main())
    assert activities_in(recording) == names_of([*CHORES, *LEISURE])
    assert {row.outcome for row in recording.trace.rows} == {"returned"}
    assert recording.attention == pytest.approx(100, rel=0.3)
    assert set(processes()) == before
    assert list(tmp_path.iterdir()) == []
    assert sys.path == path
    # Dask keeps one thread that waits for work, for the whole process.
    left = {thread.name for thread in set(threading.enumerate()) - threads}
    assert left <= {"Dask-Offload_0"}
    assert [handler.level for handler in logging.getLogger("distributed").handlers] == levels
    with pytest.raises(ValueError, match="No global client"):
        distributed.get_client()


SCRIPT = """
from asyncteach import chore, leisure, run_on_dask
print("the script ran")
print(run_on_dask([chore("a", 1), leisure("b", 1)], minute={minute}).title)
"""


@contextlib.contextmanager
def start_script(tmp_path, minute):
    """Start a script and give it with what it takes for a temporary folder."""
    (tmp_path / "script.py").write_text(SCRIPT.format(minute=minute))
    (temp := tmp_path / "temp").mkdir()
    with subprocess.Popen(
        [sys.executable, "-W", "error", "script.py"], cwd=tmp_path, stderr=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(temp)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as script:  # fmt: skip
        try:
            yield script, temp
        finally:
            script.kill()


def test_a_script_needs_no_guard(tmp_path):
    with start_script(tmp_path, 0.001) as (script, temp):
        printed = script.communicate()
    assert printed == ("the script ran\nChores and leisure, on Dask (2 workers)\n", "")
    assert list(temp.iterdir()) == []


@pytest.mark.full
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_a_script_that_is_killed_or_interrupted(tmp_path, number):
    with start_script(tmp_path, LONG) as (script, temp):
        workers = until(lambda: processes(script.pid)[1:] and processes(script.pid))
        until(lambda: all(worker.net_connections() for worker in workers))
        script.send_signal(number)
        _, errors = script.communicate(timeout=LONG)
        _, alive = psutil.wait_procs(workers, timeout=LONG)
    assert alive == []
    if number == signal.SIGINT:
        assert errors.rstrip().endswith("KeyboardInterrupt")
        assert list(temp.iterdir()) == []


# Deaths


@pytest.mark.full
def test_nothing_is_lost_when_a_worker_is_killed_in_mid_run(client):
    pids = client.run(os.getpid)
    before = len(begun_by(client))

    def kill():
        worker = until(lambda: begun_by(client)[before:])[0]
        os.kill(pids[worker], signal.SIGKILL)

    activities = [leisure("think", 100), *(chore(f"machine {n}", 100) for n in range(4))]
    with meanwhile(kill):
        recording = run_on_dask(activities, client, minute=0.01)
    client.wait_for_workers(2)
    assert activities_in(recording) == names_of(activities)
    outcomes = [row.outcome for row in recording.trace.rows if row.parent is not None]
    assert any("returned (ran again: worker " in outcome for outcome in outcomes)
    assert recording.title.endswith(", on Dask (2 workers, 1 died)")


@pytest.fixture
def _quiet(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for handler in logging.getLogger("distributed").handlers:
        monkeypatch.setattr(handler, "level", logging.CRITICAL + 1)


async def end_in_mid_run(end, workers=1, **options):
    """Run on a cluster in this loop, and do something to it when an activity has begun."""
    async with contextlib.AsyncExitStack() as stack:
        here = {"dashboard_address": "127.0.0.1:0"}
        scheduler = await stack.enter_async_context(
            distributed.Scheduler(host="127.0.0.1", dashboard=False, **here, **options)
        )
        crowd = [
            await stack.enter_async_context(
                distributed.Worker(scheduler.address, name=f"w{n}", nthreads=1, **here)
            )
            for n in range(workers)
        ]
        client = await stack.enter_async_context(
            distributed.Client(
                scheduler.address, asynchronous=True, set_as_default=False, timeout=2
            )
        )
        run = asyncio.ensure_future(run_on_dask(PAIR, client, minute=LONG / 100))
        while workers and not any(worker.state.executing for worker in crowd):
            await asyncio.sleep(0.01)
        await end(scheduler, crowd, run)
        return await run


async def leave(scheduler, workers, run):
    pass


async def close_the_scheduler(scheduler, workers, run):
    await scheduler.close()


async def remove_the_workers(scheduler, workers, run):
    for worker in workers:
        await scheduler.remove_worker(worker.address, stimulus_id="test")


async def cancel(scheduler, workers, run):
    run.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await run
    while any(worker.state.executing for worker in workers):
        await asyncio.sleep(0.01)


@pytest.mark.full
@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize(
    ("end", "options", "error", "words"),
    [
        (leave, {"workers": 0}, RuntimeError, r"no workers: .* client\.wait_for_workers\(1\)"),
        (close_the_scheduler, {}, RuntimeError, "its scheduler is gone or was restarted: run it"),
        (
            remove_the_workers, {"allowed_failures": 0}, RuntimeError,
            "'(wait|think)' was given to 1 Dask worker and each of them died",
        ),
        (cancel, {"workers": 2}, asyncio.CancelledError, None),
    ],
)  # fmt: skip
def test_a_run_that_can_not_end_well_is_ended(end, options, error, words):
    began = time.monotonic()
    with pytest.raises(error, match=words):
        asyncio.run(end_in_mid_run(end, **options))
    assert time.monotonic() < began + LONG


@pytest.mark.full
@pytest.mark.usefixtures("_quiet")
def test_a_cluster_of_its_own_ends_when_all_its_workers_are_dead(monkeypatch):
    before, run_on_cluster = set(processes()), dask._run_on_cluster

    async def kill_all(client):
        async def notes():
            topics = await client.get_events()
            return [
                note for topic, (_, *found) in topics.items() if TOPIC in topic for note in found
            ]

        while len(await notes()) < len(PAIR):
            await asyncio.sleep(0.02)
        for worker in set(processes()) - before:
            worker.kill()

    async def run_and_kill(scenario, client):
        run, _ = await asyncio.gather(run_on_cluster(scenario, client), kill_all(client))
        return run

    monkeypatch.setattr(dask, "_run_on_cluster", run_and_kill)
    with pytest.raises(RuntimeError, match="2 Dask workers began this run and all of them have d"):
        run_on_dask(PAIR, minute=LONG / 100)
    assert set(processes()) == before


# What the notes of workers become

S = 1_000_000_000


def trace_of(activities, *done, lost=()):
    """Return the trace of a run that began at 1000, each worker's own clock at 7 s then."""
    starts, intervals = list(lost), {}
    for key, (worker, begun, *states) in done:
        starts.append(Start(begun, key, worker, worker))
        at, intervals[key] = round((begun - 993) * S), []
        for state, seconds in states:
            intervals[key].append((state, at, at := at + seconds * S))
    scenario = Scenario(activities, clock="real", minute=1)
    return make_trace(scenario, 1000.0, starts, intervals)[0]


def told(trace):
    names, states = [row.name for row in trace.rows], ("running", "ready", "waiting")
    columns = (trace.slices.task, trace.slices.state, trace.slices.start, trace.slices.end)
    return [
        (names[task], states[state], start, end)
        for task, state, start, end in zip(*(column.tolist() for column in columns), strict=True)
        if end > start
    ]


def test_a_worker_is_running_while_one_of_its_threads_is():
    trace = trace_of(
        [chore("a", 4), leisure("b", 2)],
        ("a-1", ("w", 1000.0, ("waiting", 4))),
        ("b-1", ("w", 1001.0, ("running", 2))),
    )
    assert [(row.name, row.parent) for row in trace.rows] == [("w", None), ("a", 0), ("b", 0)]
    assert told(trace) == [
        ("w", "waiting", 0, 1),
        ("a", "waiting", 0, 4),
        ("b", "ready", 0, 1),
        ("w", "running", 1, 3),
        ("b", "running", 1, 3),
        ("w", "waiting", 3, 4),
    ]


def test_workers_have_their_own_names_or_numbers():
    names = ["10", "tcp://b:1", "desk"]
    done = [(f"{n}-1", (name, 1000.0, ("waiting", 1))) for n, name in enumerate(names)]
    trace = trace_of([chore(str(n), 1) for n in range(3)], *done)
    workers = [row.name for row in trace.rows if row.parent is None]
    assert workers == ["worker 1", "worker 2", "desk"]


def test_what_a_dead_worker_took_along_is_told():
    trace = trace_of(
        [chore("wash", 10, start=2)],
        ("wash-1", ("w1", 1010.0, ("running", 2), ("waiting", 8))),
        lost=[Start(1001.0, "wash-1", "w0", "w0")],
    )
    assert [(row.name, row.outcome) for row in trace.rows] == [
        ("w1", "returned"),
        ("wash", "returned (ran again: w0 died)"),
    ]
    assert told(trace)[0] == ("wash", "ready", 0, 10)
