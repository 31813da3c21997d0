"""What holds the loop: found whatever it is, in findings that agree with `blocked()`, by any name.

Small programs are texts here, written to a file `api.py` that the sentences name.
"""

import asyncio
import inspect
import itertools
import linecache
import os
import re
import sys
import time
from collections import Counter
from contextlib import ExitStack, suppress
from functools import cache

import pytest
import random_programs
from hypothesis import event, given
from hypothesis import strategies as st
from random_programs import eager_or_not, often, rarely, run_recorded

from asyncteach import record, virtual_time

# A program that is cut off may leave coroutines that it meant to start.
pytestmark = pytest.mark.filterwarnings("ignore:coroutine 'perform' was never awaited")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("program") / "api.py"


def load(text, path, **names):
    """Write a program to the file, execute it and return its names."""
    path.write_text(text)
    linecache.clearcache()  # the next text may be as long and as old, by the clock of the files
    exec(compile(text, str(path), "exec"), names)
    return names


def add_delays(table):
    """Return for how long each task was ready during the blocks of a table."""
    delays = Counter()
    for row in table.itertuples():
        delays.update(dict(zip(row.delayed, row.delays, strict=True)))
    return dict(delays)


def watch(main):
    """Record a coroutine function in virtual time."""
    with virtual_time(), record() as recording:
        asyncio.run(main())
    return recording


# Ways to hold the loop. The line is the last one, or that with a comment.

WAITING = {
    "sleep": "time.sleep(0.25)",
    "a function of one line": "def nap(): time.sleep(0.25)  # HOLDS\nnap()",
    "called back by a library": """
        def describe(_): time.sleep(0.25); return ""  # HOLDS
        json.dumps(object(), default=describe)""",
    "a lock": "lock = threading.Lock()\nlock.acquire()\nlock.acquire(timeout=0.25)",
    "an event": "threading.Event().wait(0.25)",
    "a queue": "with suppress(queue.Empty): queue.Queue().get(timeout=0.25)",
    "a future": "with ThreadPoolExecutor(1) as pool: pool.submit(time.sleep, 0.25).result()",
    "a thread": "thread = threading.Timer(0.25, print)\nthread.start()\nthread.join()",
    "a program": "subprocess.run(PROGRAM, check=True)",
    "receive": """
        one, other = map(stack.enter_context, socket.socketpair())
        one.settimeout(0.25)
        with suppress(TimeoutError): one.recv(1)""",
    "accept": """
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        server.settimeout(0.25)
        with suppress(TimeoutError): server.accept()""",
    "a pipe": """
        reading, writing = os.pipe()
        threading.Timer(0.25, os.close, (writing,)).start()
        with open(reading, "rb") as pipe: pipe.read()""",
    "a database": """
        path = stack.enter_context(tempfile.TemporaryDirectory()) + "/shop.db"
        one, other = (sqlite3.connect(path, timeout=0.25) for _ in range(2))
        stack.enter_context(closing(one)), stack.enter_context(closing(other))
        one.execute("begin exclusive")
        with suppress(sqlite3.OperationalError): other.execute("begin exclusive")""",
    "a slow server": """
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        threading.Thread(target=answer_late, args=(server,)).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        urllib.request.urlopen(url).close()""",
}
ON_POSIX = {
    "select": "select.select([], [], [], 0.25)",
    "a child": "child = os.posix_spawn(PROGRAM[0], PROGRAM, os.environ)\nos.waitpid(child, 0)",
    "a locked file": """
        file = stack.enter_context(tempfile.NamedTemporaryFile())
        again = stack.enter_context(open(file.name))
        fcntl.flock(file, fcntl.LOCK_EX)
        threading.Timer(0.25, fcntl.flock, (file, fcntl.LOCK_UN)).start()
        fcntl.flock(again, fcntl.LOCK_EX)""",
    "C without the GIL": "ctypes.CDLL(None).usleep(250_000)",
    # No other thread can look meanwhile. But a thread that wants the GIL gets it as soon as the
    # call is over, before the next line: so this one can be named, as those in C below.
    "C with the GIL": "ctypes.PyDLL(None).usleep(250_000)",
}
COMPUTING = {
    "computing": "any(time.thread_time() > end for _ in itertools.repeat(None))",
    "computing in a loop": "while time.thread_time() < end: pass",
    "one call in C": "sum(range(2**number))",
    "one call in C that sorts": "sorted(range(2**number), key=str)",
    "a regular expression": "re.match('(a+)+b', 'a' * number)",
    "C that hands over the GIL": "hashlib.pbkdf2_hmac('sha256', b'key', b'salt', 2**number)",
}
WAYS = {**WAITING, **COMPUTING, **(ON_POSIX if sys.platform != "win32" else {})}

STARTS = {
    "a task": 'await asyncio.create_task(work(), name="worker")',
    "a coroutine": "await work()",
    "call_soon": "asyncio.get_running_loop().call_soon(report)",
    "call_later": "asyncio.get_running_loop().call_later(0.01, report)",
    "a done-callback": "asyncio.create_task(asyncio.sleep(0.01)).add_done_callback(report)",
}

PROGRAM = """
import asyncio, ctypes, hashlib, itertools, json, os, queue, re, select, socket, sqlite3
import subprocess, sys, tempfile, threading, time, urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
with suppress(ImportError):
    import fcntl
PROGRAM = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(0.25)"]
def answer_late(server):
    connection, _ = server.accept()
    with connection:
        connection.recv(4096)
        time.sleep(0.25)
        connection.sendall(b"HTTP/1.0 204 No Content\\r\\n\\r\\n")
async def start():
    {start}
async def work():
    report()
def report(*_):
    slow_query()
def slow_query():
    end = time.thread_time() + 0.25
    {way}
"""


@cache
def enough(line):
    """Return the first number with which a line takes 0.2 s of this machine's processor."""
    code = compile(f"import hashlib, re\n{line}", "<a line>", "exec")

    def seconds(number):
        start = time.thread_time()
        exec(code, {"number": number})
        return time.thread_time() - start

    return next(number for number in itertools.count(1) if seconds(number) > 0.2)


async def beside_a_tick(start):
    """Start what holds the loop beside a task that wants it every 20 ms; return its worst delay."""
    late = []

    async def tick():
        while True:
            due = time.perf_counter() + 0.02
            await asyncio.sleep(0.02)
            late.append(time.perf_counter() - due)

    ticking = asyncio.create_task(tick(), name="tick")
    await asyncio.sleep(0.05)
    await start()
    await asyncio.sleep(0.05)
    ticking.cancel()
    with suppress(asyncio.CancelledError):
        await ticking
    return max(late)


@pytest.mark.parametrize(
    ("start", "way"),
    [*(("a task", way) for way in WAYS), *((start, "sleep") for start in list(STARTS)[1:])],
)
def test_whatever_holds_the_loop_is_one_finding_that_names_its_line_and_its_victim(
    start, way, path
):
    body = inspect.cleandoc(WAYS[way])
    number = enough(body) if "number" in body else None
    text = PROGRAM.format(start=STARTS[start], way=body.replace("\n", "\n    "))
    line = len(text.partition("# HOLDS")[0].splitlines())
    with ExitStack() as stack:
        program = load(text, path, stack=stack, number=number)
        # On a busy machine any step may take a while, but hardly as long as this.
        with record(threshold=0.1) as recording:
            late = asyncio.run(beside_a_tick(program["start"]))
    # The watchdog too needs a processor in that time, to see the line.
    is_unseen = any(finding.line is None for finding in recording.findings)
    if (recording.trace.stalls or is_unseen) and os.getloadavg()[0] > (os.cpu_count() or 1):
        pytest.skip("the computer gave this program too little time")
    (found,) = recording.findings
    assert (found.kind, found.file, found.line) == ("blocked-loop", str(path), line)
    chain = [*re.findall(r"def (\w+)", body)[::-1], "slow_query", "report", "work"]
    calls = [f"{name}()" for name in (chain[:-1] if "call" in start else chain)]
    assert not [word for word in [*calls, f"api.py:{line}", "tick"] if word not in found.message]
    delay = dict(found.delayed)["tick"]
    assert delay == pytest.approx(add_delays(recording.blocked())["tick"], abs=0.01)
    assert 0.8 < delay / late < 1.25
    said = recording.explain()
    assert found.message in said
    assert not re.search("never held|waited at the same time", said)


# What is promised beside that: in virtual time, where numbers are exact


def hold(seconds):
    time.sleep(seconds)


HELD = f"hold() held the loop{{}} at test_blocks.py:{hold.__code__.co_firstlineno + 1}"


def test_blocks_at_one_line_are_one_finding_that_counts_and_adds_them():
    async def main():
        async def tick():
            for _ in range(3):
                await asyncio.sleep(0.2)

        ticking = asyncio.create_task(tick())
        for _ in range(3):
            await asyncio.sleep(0.1)
            hold(0.2)
        await ticking

    (found,) = watch(main).findings
    assert f"{HELD.format(' three times')}, for 0.6 s in all, called by main()" in found.message
    assert found.delayed == (("tick", pytest.approx(0.3)),)


def test_a_stretch_that_delayed_no_task_is_a_sentence_and_no_finding():
    async def main():
        hold(0.2)

    recording = watch(main)
    assert recording.findings == []
    assert f"{HELD.format(' for 0.2 s')}, called by main()" in recording.explain()
    assert "never held" not in recording.explain()


@pytest.mark.parametrize(("tasks", "praised"), [(2, True), (10, False)])
def test_many_short_steps_that_keep_a_task_waiting_are_not_praised(tasks, praised):
    async def step():
        await asyncio.sleep(0.01)
        hold(0.02)

    async def main():
        await asyncio.gather(*(step() for _ in range(tasks)))

    recording = watch(main)
    assert recording.blocked().empty
    assert recording.findings == []
    assert ("the loop was never held for longer than 50 ms" in recording.explain()) == praised


async def compute():
    end = time.thread_time() + 0.25
    any(time.thread_time() > end for _ in itertools.repeat(None))


async def two_that_compute():
    await asyncio.gather(compute(), compute(), asyncio.create_task(asyncio.sleep(0.1), name="tick"))


async def an_await_that_never_waits():
    ticking = asyncio.create_task(asyncio.sleep(0.1), name="tick")
    await asyncio.sleep(0.05)
    for _ in range(2):
        await compute()
    await ticking


@pytest.mark.parametrize(
    ("main", "advice"),
    [(two_that_compute, "process pool"), (an_await_that_never_waits, "asyncio.sleep(0)")],
)
def test_blocks_whose_cause_was_seen_are_one_finding_with_all_that_they_delayed(main, advice):
    with record(threshold=0.1) as recording:
        asyncio.run(main())
    (found,) = recording.findings
    assert found.kind == "blocked-loop"
    assert advice in found.fix
    assert "tick" in dict(found.delayed)
    assert dict(found.delayed) == pytest.approx(add_delays(recording.blocked()), abs=0.01)


# Findings, the table of blocks and the lanes, held against each other

# One task alone delays no other task, and many a random program doesn't hold the loop.
HOLD = [("block", 0.5), ("sleep", 0.25)]
several = st.lists(random_programs.programs(depth=2), min_size=2, max_size=4).map(
    lambda programs: [*(("spawn", [*program, *HOLD]) for program in programs), ("sleep", 3)]
)


@often
@given(st.one_of(random_programs.programs(), several), st.booleans(), eager_or_not)
def test_every_delay_of_the_table_of_blocks_is_in_exactly_one_finding(program, inside, eager):
    recording = run_recorded(program, inside=inside, eager=eager)
    table = recording.blocked()
    found = [one for one in recording.findings if one.kind == "blocked-loop"]
    event(f"{len(found)} findings")
    delays, said = Counter(), recording.explain()
    for one in found:
        assert one.delayed
        assert list(one.delayed) == sorted(one.delayed, key=lambda pair: -pair[1])
        assert one.message in said
        delays.update(dict(one.delayed))
        there = table[(table["file"] == one.file) & (table["line"] == one.line)]
        assert dict(one.delayed) == pytest.approx(add_delays(there))
    assert dict(delays) == pytest.approx(add_delays(table))
    ready = recording.to_frame().query("state == 'ready'")
    if "never held" in said:
        assert (len(table), found) == (0, [])
        assert not (ready["end"] - ready["start"] > 0.05).any()
    if not eager:  # a step that makes an eager task is ready while that one runs
        # On this clock a task is ready only while another one holds the loop: no delay is missing.
        times = recording.tasks().set_index("label")["ready"].to_dict()
        slack = 0.001 * len(table) + 1e-6  # delays under 1 ms don't count
        assert {label: delays[label] for label in times} == pytest.approx(times, abs=slack)


# Names mean nothing

SLEEPERS = """
async def ONE(TWO=1):
    await asyncio.sleep(10)
    return TWO
async def THREE(TWO=1):
    await asyncio.sleep(20)
    return TWO
def FOUR():
    time.sleep(0.3)
async def FIVE():
    FOUR()
async def MAIN():
    """
MAINS = {
    "await ONE()\nawait THREE()": ["one-after-another"],
    "SIX = await ONE(1)\nFOUR = await THREE(2)\nreturn SIX, FOUR": ["one-after-another"],
    "for _ in range(3): await ONE()": ["one-after-another"],
    "for SIX in (1, 2, 3): await ONE(SIX)": ["one-after-another"],
    "await asyncio.gather(FIVE(), asyncio.sleep(0.1))": ["blocked-loop"],
    "await asyncio.gather(*(ONE(SIX) for SIX in range(300)))": [],
}
PLACEHOLDERS = ["MAIN", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX"]
NAMES = [
    *("fetch", "job", "step", "demo", "x1", "connect", "sleep_well", "test", "_a", "start", "stop"),
    *("send", "open_door", "login", "close", "save", "pause", "measure", "retry", "poll", "build"),
    *("write", "order", "read_page", "handle", "visit", "get", "find_user", "main", "tick"),
]


@pytest.mark.parametrize(("body", "kinds"), MAINS.items())
@rarely
@given(names=st.permutations(NAMES))
def test_other_names_change_nothing_but_the_names_in_what_is_said(body, kinds, names, path):
    names = dict(zip(PLACEHOLDERS, names, strict=False))

    def rename(text):
        return re.sub(rf"\b({'|'.join(names)})\b", lambda match: names[match[0]], text)

    text = SLEEPERS + body.replace("\n", "\n    ")
    modules = {"asyncio": asyncio, "time": time}
    plain = watch(load(text, path, **modules)["MAIN"])
    findings, said = plain.findings, plain.explain()
    renamed = watch(load(rename(text), path, **modules)[names["MAIN"]])
    assert [one.kind for one in findings] == kinds
    assert renamed.explain() == rename(said)
    for one, other in zip(findings, renamed.findings, strict=True):
        assert (one.kind, one.line) == (other.kind, other.line)
        numbers = {"": one.seconds, **{rename(who): late for who, late in one.delayed}}
        assert numbers == pytest.approx({"": other.seconds, **dict(other.delayed)})
