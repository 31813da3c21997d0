"""Threads, processes and interpreters: what they do, what they can't, and what they leave."""

import asyncio
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from itertools import pairwise

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncteach import CHORES, LEISURE, chore, leisure, run_in_processes, run_in_threads
from asyncteach import run_in_interpreters as run_in_interpreters
from asyncteach import virtual_time as virtual_time_block
from asyncteach.activities import Activity
from asyncteach.runners.limits import find_limit
from asyncteach.runners.machine import count_cores, has_gil
from asyncteach.runners.processes import MOST_WORKERS
from asyncteach.runners.schedule import work_out
from asyncteach.trace import READY, RUNNING, WAITING

MINUTE = 0.002
THERE = []
NEW = sys.version_info >= (3, 14)
WAYS = [run_in_threads, run_in_processes, *([run_in_interpreters] if NEW else [])]
posix = pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals there")


def rows(recording, state=None):
    frame = recording.to_frame()
    found = frame if state is None else frame[frame["state"] == state]
    return [tuple(row) for row in found.itertuples(index=False)]


def overlap(recording):
    """Return how many minutes two or more activities were running at once."""
    edges = sorted(edge for _, _, a, b in rows(recording, RUNNING) for edge in ((a, 1), (b, -1)))
    depth = total = 0
    for (at, change), (after, _) in pairwise([*edges, (recording.minutes, 0)]):
        depth += change
        total += (after - at) * (depth > 1)
    return total


def threads():
    return {thread.name for thread in threading.enumerate()}


def children(of=None):
    """Return the processes that a process has started, and theirs, that are still there.

    Those of other tests don't count: multiprocessing keeps one of its own, once it was used.
    """
    return [one for one in psutil.Process(of).children(recursive=True) if one not in THERE]


@pytest.fixture(autouse=True)
def _look_who_is_there():
    THERE[:] = psutil.Process().children(recursive=True)


# In virtual time


@pytest.mark.parametrize("run", [run_in_threads, run_in_processes])
def test_chores_overlap_in_every_way(run):
    recording = run(CHORES, clock="virtual")
    assert recording.minutes == 40
    assert rows(recording, WAITING) == [
        ("cook rice", "waiting", 0, 40),
        ("wash clothes", "waiting", 0, 30),
        ("wash dishes", "waiting", 0, 30),
    ]


def test_threads_take_turns_at_leisure():
    recording = run_in_threads([leisure("read", 1), leisure("write", 0.75)], clock="virtual")
    assert rows(recording, RUNNING) == [
        ("read", "running", 0, 0.25),
        ("write", "running", 0.25, 0.5),
        ("read", "running", 0.5, 0.75),
        ("write", "running", 0.75, 1),
        ("read", "running", 1, 1.25),
        ("write", "running", 1.25, 1.5),
        ("read", "running", 1.5, 1.75),
    ]
    assert recording.lanes()[0][0] == "the GIL"
    assert overlap(recording) == 0


def test_processes_share_two_cores():
    recording = run_in_processes(LEISURE, clock="virtual")
    assert recording.minutes == 55
    assert recording.attention == 100
    assert "the GIL" not in dict(recording.lanes())
    assert overlap(recording) == 45


def test_a_thread_that_comes_back_queues_up_for_its_turn():
    recording = run_in_threads(
        [chore("wash", 3, start=1, finish=1), leisure("jog", 4)], clock="virtual"
    )
    assert recording.minutes == 6
    frame = recording.tasks().set_index("task")
    assert frame.loc["wash", "waiting"] == 1
    assert frame.loc["wash", "running"] == 2
    assert frame.loc["jog", "running"] == 4
    assert overlap(recording) == 0


PLANS = st.lists(
    st.lists(st.tuples(st.booleans(), st.integers(0, 20).map(float)), max_size=4),
    min_size=1,
    max_size=6,
)


@settings(max_examples=150, deadline=None)
@given(PLANS, st.integers(1, 4))
def test_whatever_the_plans_the_schedule_is_one_that_can_be(plans, servers):
    """Everyone gets what they need, nobody has two servers, no server rests while one is wanted."""
    diaries = work_out(plans, servers, 1.0)
    ns = 1_000_000_000
    edges = []
    for plan, stretches in zip(plans, diaries, strict=True):
        total = dict.fromkeys((RUNNING, READY, WAITING), 0)
        for state, start, end in stretches:
            total[state] += end - start
        assert total[RUNNING] == sum(m for needs_you, m in plan if needs_you) * ns
        assert total[WAITING] == sum(m for needs_you, m in plan if not needs_you) * ns
        assert all(a[2] == b[1] for a, b in pairwise(stretches))
        assert stretches[0][1] == 0
        edges += [
            (at, change, state)
            for state, start, end in stretches
            if end > start
            for at, change in ((start, 1), (end, -1))
        ]
    depth = {RUNNING: 0, READY: 0, WAITING: 0}
    for at in sorted({at for at, _, _ in edges}):
        for _, change, state in (edge for edge in edges if edge[0] == at):
            depth[state] += change
        assert depth[RUNNING] <= servers
        assert depth[READY] == 0 or depth[RUNNING] == servers


def test_somebodys_virtual_time_passes_as_it_would_have():
    with virtual_time_block() as clock:
        assert run_in_threads(CHORES).minutes == pytest.approx(40)
        assert clock.seconds == pytest.approx(40 * 0.02)
        assert run_in_processes(LEISURE).minutes == pytest.approx(55)


# For real


@pytest.mark.parametrize("run", WAYS)
def test_waiting_overlaps(run):
    recording = run(CHORES, minute=MINUTE)
    assert 40 <= recording.minutes < 80
    waiting = rows(recording, WAITING)
    assert max(start for _, _, start, _ in waiting) < min(end for _, _, _, end in waiting)


@pytest.mark.skipif(not has_gil(), reason="this Python has no GIL")
def test_two_threads_never_run_at_once():
    recording = run_in_threads(LEISURE, minute=MINUTE)
    assert recording.minutes > 95
    assert recording.attention == pytest.approx(100, rel=0.2)
    assert overlap(recording) < 0.05 * recording.minutes
    order = [task for task, *_ in rows(recording, RUNNING)]
    turns = sum(a != b for a, b in pairwise(order))
    assert turns > 10
    assert recording.lanes()[0][0] == "the GIL"


@pytest.mark.skipif(count_cores() < 2, reason="one core can't do two things at once")
@pytest.mark.parametrize("run", WAYS[1:])
def test_two_processes_run_at_once(run):
    recording = run(LEISURE, minute=5 * MINUTE)
    limit = find_limit("processes", LEISURE, recording, virtual=False)
    assert overlap(recording) > 0 or limit.endswith(", shared with other work")
    assert recording.attention == pytest.approx(100, rel=0.2)
    assert recording.lanes()[0][0] == "watch tv"


@pytest.mark.parametrize("run", WAYS)
def test_the_books_balance(run):
    recording = run([*CHORES, leisure("jog", 20), chore("x", 9, start=2, finish=3)], minute=MINUTE)
    tasks = recording.tasks()
    total = tasks["running"] + tasks["ready"] + tasks["waiting"]
    assert list(total) == pytest.approx(list(tasks["finished"] - tasks["spawned"]), abs=1e-6)
    assert set(tasks["spawned"]) == {0}
    assert list(tasks["waiting"])[:3] == pytest.approx([40, 30, 30], rel=0.2)


@pytest.mark.parametrize("run", WAYS)
def test_nothing_is_left(run):
    before = threads()
    run(CHORES, minute=0.0005)
    assert threads() == before
    assert children() == []


def test_it_is_a_plain_call_where_a_loop_is_running():
    async def main():
        return [run(CHORES, minute=0.0005).minutes for run in WAYS]

    assert all(minutes >= 40 for minutes in asyncio.run(main()))


def test_more_activities_than_workers_take_turns():
    many = [chore(f"nap {n}", 1) for n in range(MOST_WORKERS + 3)]
    recording = run_in_processes(many, minute=0.001)
    assert len(recording.tasks()) == len(many)
    assert list(recording.tasks()["waiting"]) == pytest.approx([1] * len(many), rel=3)


@pytest.mark.skipif(NEW, reason="this Python has interpreters")
def test_a_python_without_interpreters_says_so():
    with pytest.raises(RuntimeError, match=r"needs Python 3.14 or later, and this is 3\.1\d: use "):
        run_in_interpreters(CHORES)


@pytest.mark.parametrize("run", [*WAYS, run_in_threads])
@pytest.mark.parametrize(
    ("junk", "error"), [("chores", TypeError), ([], ValueError), ([1], TypeError)]
)
def test_bad_activities_are_refused_in_the_words_of_every_runner(run, junk, error):
    with pytest.raises(error):
        run(junk)
    with pytest.raises(ValueError, match="write clock="):
        run(CHORES, clock="sun")


# When it goes wrong


class Secret(Activity):
    """An activity of somebody's own that pickle can't copy."""

    def __reduce__(self):
        raise pickle.PicklingError("it holds a lock")


def test_what_pickle_cannot_copy_is_named():
    with pytest.raises(TypeError, match=r"'hide' can't go to another process, because pickle "):
        run_in_processes([*CHORES, Secret("hide", ())])
    assert children() == []


@posix
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_that_is_killed_is_told_at_once(number):
    """Long before the hours that the run would have taken."""

    def kill():
        while len(workers := children()) < 2:
            time.sleep(0.01)
        time.sleep(0.3)
        workers[0].send_signal(number)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(RuntimeError, match=rf"a worker process was killed by signal {number:d}"):
        run_in_processes([chore("sleep", 1), chore("sleep on", 1)], minute=3600)
    killer.join()
    assert children() == []


def test_a_worker_that_cannot_start_says_why(monkeypatch):
    monkeypatch.setattr("asyncteach.runners.processes._WORKER", "no_such_module")
    with pytest.raises(RuntimeError, match=r"ended with exit code 1 before .* last words: Module"):
        run_in_processes(CHORES)
    assert children() == []


def test_what_others_print_in_a_worker_does_no_harm(tmp_path, monkeypatch):
    """A sitecustomize module runs before anything of ours, and some of them print."""
    (tmp_path / "sitecustomize.py").write_text("print('hello', end='')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    assert run_in_processes(CHORES, minute=0.0005).minutes >= 40


def test_a_worker_that_says_nothing_sensible_is_given_up(monkeypatch, tmp_path):
    (tmp_path / "chatter.py").write_text(
        textwrap.dedent(
            """
            import sys, time

            def work():
                sys.stdout.write("\\0asyncteach\\nnonsense.")
                sys.stdout.flush()
                time.sleep(3600)
            """
        )
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("asyncteach.runners.processes._WORKER", "chatter")
    with pytest.raises(RuntimeError, match=r"a worker process .* before it had anything to do"):
        run_in_processes(CHORES)
    assert children() == []


@pytest.mark.skipif(sys.platform != "linux", reason="limits differ")
def test_no_room_for_a_process_is_one_sentence():
    process, source = python(
        """
        import resource
        run_in_threads([chore("nap", 1)], minute=0.001)  # what is imported needs files too
        resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
        try:
            run_in_processes([chore("nap", 1)] * 20)
        except RuntimeError as error:
            print(error)
        """
    )
    out, err = process.communicate(source)
    assert out.startswith("this machine has no room for one more process ("), (out, err)


SCRIPT = """
    import asyncteach, sys
    from asyncteach import LEISURE, chore, run_in_processes, run_in_threads

    {body}
"""


def python(body, **keywords):
    source = textwrap.dedent(SCRIPT).replace("{body}", textwrap.dedent(body))
    return subprocess.Popen(
        [sys.executable, "-P", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, **keywords,
    ), source  # fmt: skip


def test_a_script_needs_no_main_guard_and_no_file():
    process, source = python("print(run_in_processes(LEISURE, minute=0.001).minutes > 40)")
    out, err = process.communicate(source)
    assert (out, err) == ("True\n", "")


def test_a_learners_modules_do_not_come_in_the_way(tmp_path):
    """A queue.py beside the notebook is found in the parent, and nothing in sys.path is a must."""
    for name in ("queue", "random", "signal"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('not mine')")
    process, source = python(
        """
        from pathlib import Path

        sys.path[:0] = ["", Path("/nowhere")]
        print(asyncteach.run_in_processes(asyncteach.CHORES, minute=0.0005).minutes >= 40)
        """,
        cwd=tmp_path,
    )
    out, err = process.communicate(source)
    assert (out, err) == ("True\n", "")


@posix
def test_workers_end_with_their_parent():
    process, source = python(
        """
        print("here", flush=True)
        run_in_processes([asyncteach.leisure("think", 1)] * 2, minute=3600)
        """
    )
    process.stdin.write(source)
    process.stdin.close()
    assert process.stdout.readline() == "here\n"
    while len(workers := children(process.pid)) < 2:
        time.sleep(0.01)
    time.sleep(0.3)  # at work, or still on their way: both must end
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert alive == []
    process.stdout.close()
    process.stderr.close()


@posix
@pytest.mark.parametrize("run", [run.__name__ for run in WAYS])
def test_an_interrupt_at_any_moment_leaves_nothing_behind_and_never_hangs(run):
    process, source = python(
        f"""
        import psutil, random, signal

        signal.signal(signal.SIGALRM, signal.default_int_handler)
        for _ in range(60):
            try:
                signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0005, 0.02))
                asyncteach.{run}([chore("sleep", 1)] * 2, minute=3600)
            except KeyboardInterrupt:
                pass
        print(psutil.Process().children())
        if sys.version_info >= (3, 14):
            from concurrent import interpreters
            assert len(interpreters.list_all()) == 1
        """
    )
    out, err = process.communicate(source, timeout=120)
    assert (out, err) == ("[]\n", "")


@posix
@pytest.mark.parametrize("run", [run.__name__ for run in WAYS])
def test_an_interrupt_ends_all_of_it(run):
    process, source = python(
        f"""
        import signal, threading, time
        signal.signal(signal.SIGINT, signal.default_int_handler)
        main = threading.main_thread().ident
        threading.Timer(1, lambda: signal.pthread_kill(main, signal.SIGINT)).start()
        try:
            asyncteach.{run}([chore("sleep", 1), asyncteach.leisure("think", 1)], minute=3600)
        except KeyboardInterrupt:
            print(threading.enumerate() == [threading.main_thread()])
            print(__import__("psutil").Process().children())
        """
    )
    out, err = process.communicate(source, timeout=60)
    assert (out, err) == ("True\n[]\n", "")
