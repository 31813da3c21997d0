"""The same activities on a Dask cluster: real schedulers and worker processes, and their ends."""

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import psutil
import pytest

from asyncteach import CHORES, LEISURE, chore, leisure, virtual_time
from asyncteach.dask import _run_on_cluster, make_recording, run_on_dask
from asyncteach.runners.run import Scenario

distributed = pytest.importorskip(
    "distributed", reason='Dask is not installed: pip install "asyncteach[dask]"'
)

LONG = 60.0
"""Seconds that nothing here takes, unless it doesn't end when it should."""

PAIR = [chore("wait", 100), leisure("think", 100)]


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


def executing(dask_worker):
    return len(dask_worker.state.executing)


def busy(client):
    """Return the addresses of the workers that do an activity."""
    return [address for address, number in client.run(executing).items() if number]


def processes(of=None):
    """Return the workers that run_on_dask has started in a process."""
    found = psutil.Process(of).children(recursive=True)
    with contextlib.suppress(psutil.Error):
        return [one for one in found if "spawn_main" in " ".join(one.cmdline())]
    return processes(of)


def names_in(recording):
    """Return the names of activities by that of their worker, and check that the books balance."""
    trace = recording.trace
    found = {row.name: [] for row in trace.rows if row.parent is None}
    for index, row in enumerate(trace.rows):
        own = trace.slices[trace.slices.task == index]
        if row.parent is not None:
            found[trace.rows[row.parent].name].append(row.name)
            assert list(own.start[1:]) == pytest.approx(list(own.end[:-1]))
            assert float(own.start[0]) == row.spawned == 0
            assert float(own.end[-1]) == row.finished <= trace.duration == recording.minutes
    return found


def activities_in(recording):
    return sorted(name for names in names_in(recording).values() for name in names)


@contextlib.contextmanager
def meanwhile(work):
    """Do something in another thread, which has to have worked when the block is over."""
    with ThreadPoolExecutor(1) as threads:
        done = threads.submit(work)
        yield
    done.result()


def test_two_workers_are_busy_at_one_moment(client):
    recording = run_on_dask(LEISURE, client, minute=0.03)
    assert activities_in(recording) == sorted(a.name for a in LEISURE)
    assert list(names_in(recording)) == ["worker 1", "worker 2"]
    assert recording.title == "Leisure, on Dask (2 workers)"
    frame = recording.to_frame()
    one, two = (frame[frame.task == name] for name in names_in(recording))
    assert max(one.start.min(), two.start.min()) < min(one.end.max(), two.end.max())
    assert client.status == "running"


def test_each_activity_does_its_steps_and_is_ready_until_it_begins(client):
    activities = [chore("wash", 30, start=5, finish=5)] * 3
    activities += [leisure("blink", 0), chore("\ud800", 1), chore("worker 1", 1)]
    recording = run_on_dask(iter(activities), client, minute=0.004)
    names = ["?", "blink", "wash", "wash (2)", "wash (3)", "worker 1"]
    assert activities_in(recording) == names
    assert str(recording)
    for index in range(3):
        own = recording.trace.slices[recording.trace.slices.task == index]
        assert all(len(own.of(state)) for state in ("running", "ready", "waiting"))
        assert sum(own.of("waiting").seconds()) >= 19.9


def test_an_interrupt_frees_the_workers_of_a_cluster_and_leaves_it_alone(client):
    def interrupt():
        until(lambda: busy(client))
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    with meanwhile(interrupt), pytest.raises(KeyboardInterrupt):
        run_on_dask(PAIR, client, minute=LONG / 100)
    until(lambda: not busy(client))
    assert activities_in(run_on_dask(CHORES, client, minute=0.001)) == sorted(
        a.name for a in CHORES
    )


def test_an_asynchronous_client_is_awaited_and_an_ordinary_one_is_not(client):
    async def main():
        address = client.scheduler.address
        async with distributed.Client(address, asynchronous=True, set_as_default=False) as own:
            cancelled = asyncio.create_task(run_on_dask(PAIR, own, minute=LONG / 100))
            while not any((await own.run(executing)).values()):
                await asyncio.sleep(0.02)
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled
            while any((await own.run(executing)).values()):
                await asyncio.sleep(0.02)
            recording = await run_on_dask(CHORES, own, minute=0.002)
            assert own.status == "running"
        return recording, run_on_dask(CHORES, client, minute=0.002)

    for recording in asyncio.run(main()):
        assert activities_in(recording) == sorted(a.name for a in CHORES)


@pytest.mark.parametrize(
    ("arguments", "keywords", "words"),
    [
        ((CHORES,), {"clock": "virtual"}, "needs real time"),
        ((CHORES,), {"clock": "sundial"}, "clock doesn't know"),
        ((CHORES,), {"minute": 600}, "minute takes a number"),
        (([],), {}, "an empty one"),
        ((CHORES, "tcp://127.0.0.1:8786"), {}, r"not of type str: write run_on_dask\(activities, "),
    ],
)
def test_wrong_arguments_are_refused_at_once(arguments, keywords, words):
    with pytest.raises((TypeError, ValueError), match=words):
        run_on_dask(*arguments, **keywords)
    with virtual_time(), pytest.raises(ValueError, match="needs real time"):
        run_on_dask(CHORES)


def test_without_dask_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r'pip install "asyncteach\[dask\]"'):
        run_on_dask(CHORES)


# A cluster of its own


def test_a_cluster_of_its_own_does_everything_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    levels = [handler.level for handler in logging.getLogger("distributed").handlers]
    threads, before = set(threading.enumerate()), set(processes())

    async def main():
        return await run_on_dask([*CHORES, *LEISURE], minute=0.01)

    recording = asyncio.run(main())
    assert activities_in(recording) == sorted(a.name for a in (*CHORES, *LEISURE))
    assert {row.outcome for row in recording.trace.rows} == {"returned"}
    assert recording.attention == pytest.approx(100, rel=0.3)
    assert set(processes()) == before
    assert list(tmp_path.iterdir()) == []
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
    """Start a script; yield it and its temporary folder."""
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
        assert "\nKeyboardInterrupt\n" in errors  # what follows are warnings of Dask about itself
        assert list(temp.iterdir()) == []


# Deaths


@pytest.mark.full
def test_nothing_is_lost_when_a_worker_is_killed_in_mid_run(client):
    pids = client.run(os.getpid)

    def kill():
        os.kill(pids[until(lambda: busy(client))[0]], signal.SIGKILL)

    activities = [leisure("think", 100), *(chore(f"machine {n}", 100) for n in range(4))]
    with meanwhile(kill):
        recording = run_on_dask(activities, client, minute=0.01)
    client.wait_for_workers(2)
    assert activities_in(recording) == sorted(a.name for a in activities)
    assert recording.title.endswith(", on Dask (2 workers, 1 lost)")


def test_a_cluster_without_workers_is_refused():
    async def run(function):
        return {}

    scenario = Scenario(CHORES, clock="real", minute=1)
    with pytest.raises(RuntimeError, match=r"no workers: .* client\.wait_for_workers\(1\)"):
        asyncio.run(_run_on_cluster(scenario, SimpleNamespace(run=run)))


def test_a_worker_is_running_while_one_of_its_threads_is():
    scenario, second = Scenario([chore("a", 4), leisure("b", 2)], clock="real", minute=1), 10**9
    results = [
        ("w", [("waiting", 0, 4 * second)]),
        ("w", [("running", 1 * second, 3 * second)]),
    ]
    recording = make_recording(scenario, "on Dask", results)
    assert [(row.name, row.parent) for row in recording.trace.rows] == [
        ("a", 2),
        ("b", 2),
        ("worker 1", None),
    ]
    assert [tuple(row) for row in recording.to_frame().itertuples(index=False)] == [
        ("a", "waiting", 0, 4),
        ("b", "ready", 0, 1),
        ("worker 1", "waiting", 0, 1),
        ("b", "running", 1, 3),
        ("worker 1", "running", 1, 3),
        ("worker 1", "waiting", 3, 4),
    ]
