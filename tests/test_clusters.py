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

import pytest

from asyncteach import CHORES, LEISURE, chore, leisure, virtual_time
from asyncteach.activities import Activity, Step
from asyncteach.dask.errands import Errands, Start, send_out
from asyncteach.dask.ledger import make_trace
from asyncteach.dask.run_on_dask import run_on_dask

distributed = pytest.importorskip(
    "distributed", reason='Dask is not installed: pip install "asyncteach[dask]"'
)
dask = pytest.importorskip("dask", reason="distributed brings it")
psutil = pytest.importorskip("psutil", reason="distributed brings it")

LONG = 60.0
"""Seconds that nothing here takes, unless it is not ended when it should be."""

TOPIC = "asyncteach-"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """A cluster of Dask's own, of two processes that do not have asyncteach."""
    folder = str(tmp_path_factory.mktemp("dask"))
    with (
        dask.config.set({"temporary-directory": folder}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


def hide_asyncteach():
    sys.modules["asyncteach"] = None


def until(condition):
    end = time.monotonic() + LONG
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def begun_by(client):
    """Return the addresses of the workers that have begun anything, by Dask's own events."""
    return [
        note["worker"]
        for topic, events in client.get_events().items()
        if str(topic).startswith(TOPIC)
        for _, note in events[1:]
    ]


def own_workers(process=None):
    """Return the processes of a cluster that run_on_dask has started."""
    children = (process or psutil.Process()).children()
    return [child for child in children if "asyncteach.dask.embedded" in " ".join(child.cmdline())]


def rows(recording):
    """Return the names of activities by that of their worker, and check that the books balance."""
    trace = recording.trace
    found = {row.name: [] for row in trace.rows if row.parent is None}
    for index, row in enumerate(trace.rows):
        own = trace.slices[trace.slices.task == index]
        assert list(own.start[1:]) == pytest.approx(list(own.end[:-1])) or row.parent is None
        if row.parent is not None:
            found[trace.rows[row.parent].name].append(row.name)
            assert float(own.start[0]) == row.spawned
            assert float(own.end[-1]) == row.finished <= trace.duration == recording.minutes
    return found


def activities_of(recording):
    return sorted(name for names in rows(recording).values() for name in names)


def names_of(activities):
    return sorted(activity.name for activity in activities)


def pair():
    """Two activities that take long enough to be interrupted."""
    return [chore("wait", 100), leisure("think", 100)]


def busy(recording):
    """Return for each worker from when to when it had something to do."""
    trace = recording.trace
    found = {}
    for index, row in enumerate(trace.rows):
        if row.parent is None:
            own = trace.slices[trace.slices.task == index]
            found[row.name] = float(own.start.min()), float(own.end.max())
    return found


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


def test_a_cluster_of_its_own_does_everything_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    levels = [handler.level for handler in logging.getLogger("distributed").handlers]
    path, threads = list(sys.path), set(threading.enumerate())
    recording = run_on_dask([*CHORES, *LEISURE], minute=0.01)
    assert recording.title == "Chores and leisure, on Dask (2 workers)" or os.cpu_count() > 2
    assert activities_of(recording) == names_of([*CHORES, *LEISURE])
    assert all(name.startswith("worker ") for name in rows(recording))
    assert {row.outcome for row in recording.trace.rows} == {"returned"}
    assert recording.attention == pytest.approx(100, rel=0.3)
    assert own_workers() == []
    assert list(tmp_path.iterdir()) == []
    assert sys.path == path
    # One thread that waits for work stays with whoever has used Dask: the process's, not a run's.
    left = {thread.name for thread in set(threading.enumerate()) - threads}
    assert left <= {"Dask-Offload_0"}
    assert [handler.level for handler in logging.getLogger("distributed").handlers] == levels
    with pytest.raises(ValueError, match="No global client"):
        distributed.get_client()


def test_two_workers_are_busy_at_one_moment(client):
    client.run(hide_asyncteach)
    for activities in (CHORES, LEISURE):
        recording = run_on_dask(activities, client, minute=0.03)
        assert activities_of(recording) == names_of(activities)
        (first, last), (begin, end) = busy(recording).values()
        assert max(first, begin) < min(last, end)
        assert list(rows(recording)) == ["worker 0", "worker 1"]
    assert client.status == "running"


def test_each_activity_does_its_steps_and_is_ready_until_it_begins(client):
    recording = run_on_dask([chore("wash", 30, start=5, finish=5)] * 3, client, minute=0.004)
    assert activities_of(recording) == ["wash", "wash (2)", "wash (3)"]
    for index, row in enumerate(recording.trace.rows):
        own = recording.trace.slices[recording.trace.slices.task == index]
        if row.parent is not None:
            states = own.of("running"), own.of("ready"), own.of("waiting")
            assert all(map(len, states))
            assert sum(states[2].seconds()) >= 19.9
            assert row.spawned == 0 == states[1].start[0]


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
    names = activities_of(recording)
    lost = [name for name in names if name.endswith(" (lost)")]
    assert sorted(set(names) - set(lost)) == names_of(activities)
    assert len(lost) == 1
    outcomes = {row.name: row.outcome for row in recording.trace.rows}
    died = next(name for name, outcome in outcomes.items() if outcome == "died")
    assert outcomes[lost[0]] == f"lost: {died} died"
    assert outcomes[lost[0].removesuffix(" (lost)")] == f"returned (ran again: {died} died)"
    by_name = {row.name: row for row in recording.trace.rows}
    again = by_name[lost[0].removesuffix(" (lost)")]
    assert by_name[lost[0]].finished == again.spawned < again.finished


def test_nothing_is_lost_when_a_worker_of_its_own_is_killed():
    def kill():
        begin = until(lambda: own_workers()[1:] and own_workers())
        time.sleep(0.5)  # before or after it has begun: either way nothing is lost
        os.kill(begin[0].pid, signal.SIGKILL)

    activities = [*LEISURE, *CHORES]
    with meanwhile(kill):
        try:
            recording = run_on_dask(activities, minute=0.01)
        except RuntimeError as error:
            assert "before it had anything to do" in str(error)  # noqa: PT017
            return
    finished = [name for name in activities_of(recording) if not name.endswith(" (lost)")]
    assert finished == names_of(activities)


async def crowd(count=1, **options):
    """Return a scheduler and its workers, all on this loop, and a client."""
    scheduler = await distributed.Scheduler(
        host="127.0.0.1", dashboard=False, dashboard_address="127.0.0.1:0", **options
    )
    workers = [
        await distributed.Worker(
            scheduler.address, name=f"w{n}", nthreads=1, dashboard_address="127.0.0.1:0"
        )
        for n in range(count)
    ]
    client = await distributed.Client(
        scheduler.address, asynchronous=True, set_as_default=False, timeout=2
    )
    return scheduler, workers, client


async def end_in_mid_run(end, count=1, **options):
    """Run on a cluster, do something to it when an activity has begun, and close what is left."""
    scheduler, workers, client = await crowd(count, **options)
    try:
        run = asyncio.ensure_future(run_on_dask(pair(), client, minute=LONG / 100))
        while not any(str(topic).startswith(TOPIC) and len(events) > 1
                      for topic, events in (await client.get_events()).items()):  # fmt: skip
            await asyncio.sleep(0.01)
        await end(scheduler, workers, run)
        return await run
    finally:
        await client.close()
        for worker in workers:
            await worker.close()
        await scheduler.close()


@pytest.fixture
def _quiet(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    handlers = logging.getLogger("distributed").handlers
    for handler in handlers:
        monkeypatch.setattr(handler, "level", logging.CRITICAL + 1)


@pytest.mark.usefixtures("_quiet")
def test_a_scheduler_that_goes_away_is_told_in_a_sentence():
    async def end(scheduler, workers, run):
        await scheduler.close()

    with pytest.raises(RuntimeError, match="its scheduler is gone or was restarted: run it again"):
        asyncio.run(end_in_mid_run(end))


@pytest.mark.usefixtures("_quiet")
def test_workers_that_keep_dying_are_told_in_a_sentence():
    async def end(scheduler, workers, run):
        for worker in workers:
            await scheduler.remove_worker(worker.address, stimulus_id="test")

    with pytest.raises(RuntimeError, match=r"'(wait|think)' was given to 1 Dask workers and each"):
        asyncio.run(end_in_mid_run(end, allowed_failures=0))


@pytest.mark.usefixtures("_quiet")
def test_workers_that_are_all_gone_are_told_in_a_sentence():
    def kill():
        for worker in until(lambda: own_workers()[1:] and own_workers()):
            os.kill(worker.pid, signal.SIGKILL)

    with (
        meanwhile(kill),
        pytest.raises(RuntimeError, match=r"all workers .* are gone|before it had anything to do"),
    ):
        run_on_dask(pair(), minute=LONG / 100)
    assert own_workers() == []


@pytest.mark.usefixtures("_quiet")
def test_a_cancelled_run_ends_what_its_workers_do():
    async def end(scheduler, workers, run):
        run.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await run
        while any(worker.state.executing for worker in workers):
            await asyncio.sleep(0.01)

    began = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(end_in_mid_run(end, 2))
    assert time.monotonic() < began + LONG


def executing(dask_worker):
    return len(dask_worker.state.executing)


def test_an_interrupt_frees_the_workers_of_a_cluster_and_leaves_it_alone(client):
    before = len(begun_by(client))

    def interrupt():
        until(lambda: len(begun_by(client)) > before)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    with meanwhile(interrupt), pytest.raises(KeyboardInterrupt):
        run_on_dask(pair(), client, minute=LONG / 100)
    until(lambda: not any(client.run(executing).values()))
    assert activities_of(run_on_dask(CHORES, client, minute=0.001)) == names_of(CHORES)


def test_a_running_loop_awaits_it():
    async def main():
        run = run_on_dask([chore("cook rice", 4)])
        assert "write `await run_on_dask(...)`" in repr(run)
        with pytest.raises(AttributeError, match=r"recording = await run_on_dask\(\.\.\.\)"):
            _ = run.minutes
        return await run

    recording = asyncio.run(main())
    assert activities_of(recording) == ["cook rice"]
    assert recording.minutes >= 4
    assert own_workers() == []


def test_forgetting_to_await_it_starts_nothing():
    async def main():
        run_on_dask(CHORES)
        gc.collect()

    with pytest.warns(RuntimeWarning, match="'run_on_dask' was never awaited"):
        asyncio.run(main())


def test_an_asynchronous_client_is_awaited_and_an_ordinary_one_is_not(client):
    async def main():
        address = client.scheduler.address
        async with distributed.Client(address, asynchronous=True, set_as_default=False) as own:
            recording = await run_on_dask(CHORES, own, minute=0.002)
            assert own.status == "running"
        return recording, run_on_dask(CHORES, client, minute=0.002)

    for recording in asyncio.run(main()):
        assert activities_of(recording) == names_of(CHORES)


@pytest.mark.parametrize(
    "activities",
    [
        [leisure("blink", 0)] * 5,
        [chore("a-b-1c2", 1), chore("\ud800", 1), chore("x" * 3000, 1), chore("worker 0", 1)],
        [Activity("nothing", (Step(False, 1.0),)) for _ in range(20)],
    ],
    ids=["no time", "odd names", "many"],
)
def test_any_activities_are_done(client, activities):
    recording = run_on_dask(iter(activities), client, minute=0.001)
    assert sum(map(len, rows(recording).values())) == len(activities)
    assert str(recording)
    assert len(set(recording.names)) == len(recording.names)


SCRIPT = """
import sys
from asyncteach import chore, leisure
from asyncteach.dask.run_on_dask import run_on_dask
print("the script ran")
print(run_on_dask([chore("a", 1), leisure("b", 1)], minute={minute}).title)
"""


def script(tmp_path, minute):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.format(minute=minute))
    environment = {**os.environ, "TMPDIR": str(tmp_path / "temp")}
    (tmp_path / "temp").mkdir()
    return path, environment


@pytest.mark.parametrize("how", ["by its name", "from standard input"])
def test_a_script_needs_no_guard(tmp_path, how):
    path, environment = script(tmp_path, 0.001)
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-" if how == "from standard input" else str(path)],
        input=path.read_text(), capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    expected = "the script ran\nChores and leisure, on Dask (2 workers)\n"
    assert (ran.stdout, ran.stderr) == (expected, "")
    assert list((tmp_path / "temp").iterdir()) == []


@contextlib.contextmanager
def long_script(tmp_path):
    """Give a script in mid-run and its workers."""
    path, environment = script(tmp_path, LONG)
    with subprocess.Popen(
        [sys.executable, "-W", "error", str(path)], stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL, text=True, env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as run:  # fmt: skip
        try:
            process = psutil.Process(run.pid)
            workers = until(lambda: own_workers(process)[1:] and own_workers(process))
            until(lambda: all(worker.net_connections() for worker in workers))
            yield run, workers
        finally:
            run.kill()


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    with long_script(tmp_path) as (run, workers):
        run.kill()
        _, alive = psutil.wait_procs(workers, timeout=LONG)
    assert alive == []


def test_an_interrupt_leaves_no_process_and_no_file(tmp_path):
    with long_script(tmp_path) as (run, workers):
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate(timeout=LONG)
        _, alive = psutil.wait_procs(workers, timeout=LONG)
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert alive == []
    assert list((tmp_path / "temp").iterdir()) == []


def test_virtual_time_is_refused():
    with pytest.raises(ValueError, match="can't be made to jump"):
        run_on_dask(CHORES, clock="virtual")
    with virtual_time(), pytest.raises(ValueError, match="can't be made to jump"):
        run_on_dask(CHORES)


@pytest.mark.parametrize("keywords", [{"clock": "sundial"}, {"minute": 0}, {"minute": 600}])
def test_bad_keywords_are_refused_at_once(keywords):
    with pytest.raises(ValueError, match=r"write clock=|too short|hours of real time"):
        run_on_dask(CHORES, **keywords)


def test_bad_activities_are_refused_at_once():
    with pytest.raises(ValueError, match="an empty one"):
        run_on_dask([])


def test_what_is_no_client_is_refused():
    with pytest.raises(TypeError, match=r"not of type str: write run_on_dask\(activities, Client"):
        run_on_dask(CHORES, "tcp://127.0.0.1:8786")


def test_a_closed_client_is_refused(client):
    other = distributed.Client(client.scheduler.address, set_as_default=False)
    other.close()
    with pytest.raises(RuntimeError, match=r"not connected .*'closed'.* make a new one"):
        run_on_dask(CHORES, other)


def test_an_asynchronous_client_needs_its_running_loop(client):
    async def connect():
        return await distributed.Client(
            client.scheduler.address, asynchronous=True, set_as_default=False
        )

    loop = asyncio.new_event_loop()
    own = loop.run_until_complete(connect())
    with pytest.raises(RuntimeError, match=r"asynchronous .* `client = await Client"):
        run_on_dask(CHORES, own)
    loop.run_until_complete(own.close())
    loop.close()


@pytest.mark.usefixtures("_quiet")
def test_a_cluster_without_workers_is_refused():
    async def main():
        scheduler, _, client = await crowd(0)
        try:
            await run_on_dask(CHORES, client)
        finally:
            await client.close()
            await scheduler.close()

    with pytest.raises(RuntimeError, match=r"no workers: .* client\.wait_for_workers\(1\)"):
        asyncio.run(main())


def test_workers_of_another_python_are_refused():
    class Client:
        async def get_versions(self):
            return {"workers": {"tcp://far:1": {"host": {"python": "3.8.10.final.0"}}}}

    with pytest.raises(RuntimeError, match=r"tcp://far:1 runs Python 3\.8, and this is Python 3"):
        asyncio.run(send_out(Client(), None, comes_back=True))


def test_without_dask_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r'pip install "asyncteach\[dask\]"'):
        run_on_dask(CHORES)


def test_dask_is_imported_when_it_is_used():
    code = "import asyncteach.dask.run_on_dask, sys; sys.exit('distributed' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


S = 1_000_000_000


def errands(*done, deaths=None):
    """Return what Dask would have recorded, of a scheduler whose time began at 1000."""
    starts, stream, stretches = [], {}, {}
    for key, (worker, thread, begun, *states) in done:
        starts.append(Start(begun, key, worker, worker))
        at, stretches[key] = 7 * S, []
        for state, seconds in [("ready", 0), *states]:
            stretches[key].append((state, at, at := at + seconds * S))
        record = {"action": "compute", "start": begun, "stop": begun + (at / S - 7)}
        stream[key] = {"worker": worker, "thread": thread, "startstops": [record]}
    keys = list(stream)
    return Errands(keys, 2, 1.0, 1000.0, starts, stream, stretches, deaths or {})


def told(trace):
    names, states = [row.name for row in trace.rows], ("running", "ready", "waiting")
    columns = (trace.slices.task, trace.slices.state, trace.slices.start, trace.slices.end)
    return [
        (names[task], states[state], start, end)
        for task, state, start, end in zip(*(column.tolist() for column in columns), strict=True)
        if end > start
    ]


def test_a_worker_is_running_while_one_of_its_threads_is():
    trace = make_trace(
        [chore("a", 4), leisure("b", 2)],
        errands(
            ("a-1", ("w", 1, 1000.0, ("waiting", 4))), ("b-1", ("w", 2, 1001.0, ("running", 2)))
        ),
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


def test_what_one_thread_did_does_not_overlap_whatever_its_clock_says():
    trace = make_trace(
        LEISURE[:2],
        errands(
            ("a-1", ("w", 1, 999.5, ("running", 4))), ("b-1", ("w", 1, 1003.0, ("running", 2)))
        ),
    )
    assert [row[1:] for row in told(trace) if row[0] == "w"] == [("running", 0, 6)]
    assert trace.duration == 6


def test_workers_are_in_the_order_of_their_numbers_and_strangers_get_some():
    names = ["10", "9", "tcp://b:1", "tcp://a:1", "desk"]
    starts = [(f"{n}-1", (name, 1, 1000.0, ("waiting", 1))) for n, name in enumerate(names)]
    trace = make_trace([chore(str(n), 1) for n in range(5)], errands(*starts))
    workers = [row.name for row in trace.rows if row.parent is None]
    assert workers == ["desk", "worker 4", "worker 5", "worker 9", "worker 10"]


def test_what_a_dead_worker_did_is_told_by_the_plan_up_to_its_death():
    given = errands(("wash-1", ("w1", 1, 1010.0, ("running", 2), ("waiting", 8))))
    given.starts.insert(0, Start(1001.0, "wash-1", "w0", "w0"))
    given.deaths["w0"] = 1005.0
    trace = make_trace([chore("wash", 10, start=2)], given)
    assert [(row.name, row.outcome) for row in trace.rows] == [
        ("w0", "died"),
        ("wash (lost)", "lost: w0 died"),
        ("w1", "returned"),
        ("wash", "returned (ran again: w0 died)"),
    ]
    assert [row for row in told(trace) if row[0].startswith("wash")] == [
        ("wash (lost)", "ready", 0, 1),
        ("wash (lost)", "running", 1, 3),
        ("wash (lost)", "waiting", 3, 5),
        ("wash", "ready", 5, 10),
        ("wash", "running", 10, 12),
        ("wash", "waiting", 12, 20),
    ]


def test_our_own_note_stands_in_for_a_record_that_dask_no_longer_has():
    given = errands(("a-1", ("w", 1, 1003.0, ("waiting", 4))))
    given.stream.clear()
    assert told(make_trace(CHORES[:1], given))[-1] == ("cook rice", "waiting", 3, 7)
