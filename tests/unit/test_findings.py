"""Findings and sentences: a program, or a trace written by hand, and what is said about it."""

import asyncio
import linecache
from itertools import count
from math import nan

import pytest

from asyncteach import CHORES, LEISURE, Recording, async_task, run_in_turn, run_together
from asyncteach import virtual_time as virtual_time_block
from asyncteach.places import Place
from asyncteach.recorder.record import record
from asyncteach.trace import (
    RUNNING,
    STATES,
    WAITING,
    Block,
    Event,
    TaskRecord,
    Trace,
    Wait,
    make_slices,
)

_cells = count(1)


def cell(text):
    """Keep a text where linecache finds it, as a notebook keeps its cells."""
    path = f"<cell {next(_cells)}>"
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
    return path


def place(path, line, function="main", name="In [7]"):
    return Place(name, line, function, path)


def task(label, **columns):
    usual = {"coroutine": label, "spawned": 0.0, "finished": 1.0, "outcome": "returned"}
    return TaskRecord(label, label, **{**usual, **columns})


def tasks(number):
    return [task(f"fetch-{n + 1}") for n in range(number)]


def recording_of(rows, slices=(), *, waits=(), blocks=(), events=(), final=True, **more):
    columns = list(zip(*slices, strict=True)) or [[], [], [], []]
    codes = [STATES.index(state) for state in columns[1]]
    trace = Trace(
        list(rows),
        make_slices(columns[0], codes, columns[2], columns[3]),
        **{"duration": 1.0, **more},
        is_final=final,
        events=list(events),
        find_waits=lambda: list(waits),
        find_blocks=lambda: list(blocks),
    )
    return Recording.from_source("by hand", lambda: trace)


def only(recording):
    (found,) = recording.findings
    return found


# How long a step held the loop, and which tasks it delayed


def block_at(line="time.sleep(0.3)", *, seconds=0.31, define="async def", **more):
    path = cell(f"import time\nfrom time import sleep\n{define} parse(page):\n    {line}\n")
    here = place(path, 4, "parse")
    usual = {"task": 0, "name": "fetch-1", "start": 0.0, "end": seconds, "place": here}
    usual |= {"places": (here,), "doing": "", "delayed": ((1, 0.25),)}
    return Block(**{**usual, **more})


def chain(**more):
    """Return a block of nap(), a plain function that report() calls through another one."""
    path = cell(
        "import time\n"
        "def nap():\n"
        "    time.sleep(1)\n"
        "def slow_query(text):\n"
        "    nap()\n"
        "async def report():\n"
        "    slow_query('select')\n"
    )
    names = ((7, "report"), (5, "slow_query"), (3, "nap"))
    places = tuple(place(path, line, function, "api.py") for line, function in names)
    return block_at("", place=places[-1], **{"places": places, **more})


def test_what_held_the_loop_for_how_long_and_which_task_it_delayed():
    found = only(recording_of(tasks(2), blocks=[block_at()]))
    assert found.kind == "blocked-loop"
    assert found.message == (
        "parse() held the loop for 0.31 s at In [7], line 4, in task fetch-1: "
        "this delayed fetch-2 by 0.25 s."
    )
    assert found.delayed == (("fetch-2", 0.25),)
    assert (found.task, found.file, found.line, found.seconds) == ("fetch-1", "In [7]", 4, 0.31)


ELSEWHERE = place("lesson.py", 9, "crunch", "lesson.py")
LATE = [(n, 0.3 - n / 100) for n in range(1, 11)]
NOWHERE = {"place": None, "places": ()}


@pytest.mark.parametrize(
    ("name", "blocks", "words"),
    [
        (
            "GET /report",
            [chain()],
            "nap() held the loop for 0.31 s at api.py:3, called by slow_query() at api.py:5, "
            "called by report() at api.py:7, in task GET /report: this delayed",
        ),
        ("report", [chain()], "called by report() at api.py:7: this delayed"),
        (
            "main",
            [block_at(delayed=LATE)],
            "fetch-2 by 0.29 s, fetch-3 by 0.28 s, fetch-4 by 0.27 s and 7 more.",
        ),
        ("main", [chain(also=((ELSEWHERE, 0.4),))], "For about 0.12 s of that it was crunch()"),
        ("main", [block_at(unseen=0.3)], "either C code kept the GIL, here or earlier"),
        ("main", [block_at(lost=0.2)], "parse() held the loop for 0.31 s"),
        (
            "main",
            [block_at(task=None, name="Kernel.dispatch", **NOWHERE)],
            "The callback Kernel.dispatch held",
        ),
        ("main", [block_at(doing="ssl.read", **NOWHERE)], "main held the loop for 0.31 s inside"),
    ],
)  # fmt: skip
def test_sentences_about_a_block(name, blocks, words):
    assert words in only(recording_of([task(name), *tasks(11)[1:]], blocks=blocks)).message


def test_one_line_is_one_finding_however_often_it_held_the_loop():
    one = block_at("sleep(0.3)")
    found = only(recording_of(tasks(2), blocks=[one, one._replace(start=1.0, end=1.2)]))
    assert "held the loop twice at In [7], line 4, for 0.51 s in all" in found.message


@pytest.mark.parametrize(
    ("line", "more", "advice"),
    [
        ("time.sleep(0.3)", {}, "`await asyncio.sleep(...)`"),
        ("sleep(0.3)", {}, "`await asyncio.sleep(...)`"),
        ("page = requests.get(url)", {"doing": "SSLSocket.read"}, "httpx2.AsyncClient"),
        ("page = urllib.request.urlopen(url).read()", {"doing": "socket.recv"}, "httpx2.Async"),
        ("name = box.get()", {"doing": "Condition.wait"}, "Hand it to a thread"),
        ("text = open(path).read()", {}, "Files can't be awaited"),
        ("text = Path('a').read_text()", {}, "Files can't be awaited"),
        ("subprocess.run(['ls'])", {"doing": "Popen.wait"}, "create_subprocess_exec"),
        ("os.system('ls')", {}, "create_subprocess_exec"),
        ("rows = cursor.execute('select')", {}, "async driver for the database"),
        ("tree = grow(page)", {}, "Hand it to a thread"),
        ("tree = grow(page)", {"busy": 0.9}, "`await asyncio.to_thread(...)`. To use several"),
        # In a plain function nothing can be awaited, and in a callback neither.
        ("time.sleep(1)", {"define": "def"}, "`await asyncio.to_thread(parse)`"),
        ("subprocess.run(['ls'])", {"define": "def"}, "`await asyncio.to_thread(parse)`"),
        ("grow(page)", {"define": "def", "task": None}, "`loop.run_in_executor(None, parse)`"),
    ],
)
def test_the_advice_depends_on_what_the_line_does_and_on_its_place(line, more, advice):
    found = only(recording_of(tasks(2), blocks=[block_at(line, **more)], is_virtual=False))
    assert advice in found.fix
    assert "define" not in more or "asyncio.sleep" not in found.fix


def test_what_goes_to_a_thread_is_spelled_as_it_is_called_and_not_if_a_library_calls_it():
    found = only(recording_of(tasks(2), blocks=[chain()]))
    assert "`await asyncio.to_thread(slow_query, 'select')` in report()" in found.fix
    path = cell("class Slow:\n  def emit(self): wait()\nasync def main():\n  log.info('x')\n")
    places = (place(path, 4, "main"), place(path, 2, "Slow.emit"))
    found = only(recording_of(tasks(2), blocks=[block_at(place=places[1], places=places)]))
    assert "`await asyncio.to_thread(...)` in main()" in found.fix


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (
            block_at("grow(page)", delayed=()),
            "parse() held the loop for 0.31 s at In [7], line 4, in task fetch-1, while no other "
            "task was ready.",
        ),
        (block_at("return page", lost=0.29), "The computer gave this program no time for 0.29 s."),
    ],
)
def test_a_block_that_delayed_no_task_or_was_the_computers_is_a_sentence(block, words):
    recording = recording_of(tasks(2), blocks=[block])
    assert recording.findings == []
    assert recording.explain().endswith(words)
    assert "never held" not in recording.explain()


@pytest.mark.parametrize(
    ("body", "busy", "found"),
    [
        ("return page * 2", 0.9, True),
        ("return page * 2", 0.1, True),
        ("await asyncio.sleep(0)", 0.9, False),
        ("async with lock: return page", 0.9, False),
    ],
)
def test_an_await_of_what_has_nothing_to_wait_for(body, busy, found):
    lines = ("async def double(page):", f"    {body}", "async def work():", "    await double(1)")
    path = cell("\n".join(lines))
    places = (place(path, 4, "work"), place(path, 2, "double"))
    block = block_at(place=places[1], places=places, busy=busy)
    one = only(recording_of(tasks(2), blocks=[block]))
    assert ("Awaiting double() never gives the loop back" in one.message) == found
    assert ("`await asyncio.sleep(0)` between its steps" in one.fix) == (found and busy > 0.5)


# Awaits that could have waited together: in virtual time, to the second


async def fetch(page):
    await asyncio.sleep(10)
    return page


async def job(number=1):
    await asyncio.sleep(10)
    return number - 1


async def fill(box):
    box[len(box) :] = [await job()]


class Client:
    """An object that may or may not serve several at once."""

    async def __aenter__(self):
        await asyncio.sleep(1)
        return self

    async def __aexit__(self, *_):
        pass

    async def get(self, number=0):
        await asyncio.sleep(10)
        return self

    post = get


def run_body(body):
    """Record a cell's main(), whose helpers are a library's as far as can be known there."""
    text = "async def main(x=2):\n" + "".join(f"    {line}\n" for line in body.splitlines())
    names = {"asyncio": asyncio, "job": job, "client": Client(), "Client": Client, "pages": []}
    names |= {"fill": fill, "limit": asyncio.Lock(), "queue": asyncio.Queue()}
    names |= {"fetch": fetch, "async_task": async_task, "SECONDS": {"rice": 40, "dishes": 30}}
    exec(compile(text, cell(text), "exec"), names)
    with record() as recording, virtual_time_block():
        asyncio.run(names["main"]())
    return recording


SHARED = "and all can use `client` at the same time, together"


@pytest.mark.parametrize(
    ("body", "what", "total", "together", "call"),
    [
        ("await job(1)\nawait job(2)\nawait job(9)", "three awaits", 30, 10, "job(1), job(2)"),
        (
            "one = await fetch(1)\nprint('one is there')\ntwo = await fetch(2)\nreturn one + two",
            "two awaits in main()", 20, 10, "fetch(1), fetch(2)",
        ),
        ("return await fetch(1), await fetch(2)", "two awaits", 20, 10, "fetch(1), fetch(2)"),
        (
            "one = await asyncio.create_task(fetch(1))\ntwo = await asyncio.create_task(fetch(2))",
            "two awaits", 20, 10, "asyncio.create_task(fetch(1)), asyncio.create_task(fetch(2))",
        ),
        (
            "one = await fetch(1)\ntwo = await fetch(2)\nreturn await fetch(one) + two",
            "two awaits", 20, 10, "fetch(1), fetch(2)",
        ),
        (
            "await async_task('rice', 40)\nawait async_task('clothes', 30)",
            "two awaits", 70, 40, "async_task('rice', 40), async_task(",
        ),
        (
            "for n in range(3):\n    pages.append(await fetch(n))",
            "three rounds", 30, 10, "*(fetch(n) for n in range(3))",
        ),
        (
            "for name, seconds in SECONDS.items():\n    await async_task(name, seconds)",
            "two rounds", 70, 40, "*(async_task(name, seconds) for",
        ),
        ("for _ in range(3): await job()", "three rounds", 30, 10, "*(job() for _ in range(3)"),
        ("for step in (job, job): await step()", "two rounds", 20, 10, "*(step() for step in (job"),
        ("return [await fetch(n) for n in range(4)]", "four rounds", 40, 10, "*(fetch(n) for n in"),
        ("for n in (1, 2): x = await client.get(n)", SHARED, 20, 10, "*(client.get(n) for n in"),
        ("x = await client.get(1)\ny = await client.post(1)", SHARED, 20, 10, "client.get(1), cli"),
        (
            "async with Client() as c:\n  x = await c.get(1)\n  y = await c.get(2)",
            "all can use `c` at the same", 20, 10, "c.get(1), c.get(2)",
        ),
    ],
)  # fmt: skip
def test_awaits_that_could_wait_together(body, what, total, together, call):
    found = only(run_body(body))
    line = next(n for n, text in enumerate(body.splitlines(), 2) if "await " in text)
    assert (found.kind, found.line) == ("one-after-another", line)
    assert what in found.message
    assert f"ran one after another: {total} s; if no" in found.message
    assert found.message.endswith(f"together they could take {together} s.")
    assert f"`await asyncio.gather({call}" in found.fix


@pytest.mark.parametrize(
    "body",
    [
        "for n in (1, 2): x = await client.get()",
        "for n in (1, 2): await client.get(n)",  # for its effect, in its order
        "for n in (1, 2): x = await job(x)",
        "token = 0\nfor n in (1, 2): token = await client.get(token)",
        "await client.get(1)\nawait client.post(2)",
        "await asyncio.sleep(10)\nawait job(1)\nawait asyncio.sleep(10)",
        "for step in (fill, fill): await step(pages)",
        "for n in (1, 2):\n  if n: await job(n)",
        "for n in (1, 2):\n  if await job(n): break",
        "for n in (1, 2):\n  await job(n)\n  await asyncio.sleep(10)",
        "for n in (1, 2):\n  async with limit: await job(n)",
        "for n in (1, 2): await queue.put(await job(n))",
        "while x := await job(x): pass",
        "await client.get(1)\nawait client.get(2)",
        "async with limit:\n  await job(1)\n  await job(2)",
        "await asyncio.sleep(10)\nawait asyncio.sleep(20)",
        "first = await job(1)\nsecond = await job(first)",
        "if await job(2): await fetch(1)",
        "x = await job(1) or 0\ny = await job(2)",
        "box = await job(3)\nlid = box + 1\nawait fetch(lid)",
        "pages.append(await job(3))\nawait fetch(pages)",
        "await job(1)\nif x: print()\nawait job(2)",
        "await fetch('a.txt')\nawait client.get('a.txt')",
        "try:\n  await job(1)\n  await job(2)\nfinally: pass",
        "await job(1)\nawait job(2)\nawait asyncio.sleep(1000)",  # it would save little
    ],
)
def test_awaits_whose_order_is_meant(body):
    assert run_body(body).findings == []


def test_the_children_of_a_gather_are_one_finding():
    async def child():
        await fetch(1)
        await fetch(2)

    async def main():
        await asyncio.gather(child(), child(), child())

    with record() as recording, virtual_time_block():
        asyncio.run(main())
    message = only(recording).message
    assert "ran one after another, three times: 20 s on average; if none needs" in message


# Events

LESSON = cell("async def work():\n    await nap()\nwork()\n")
KEPT = linecache.cache[LESSON]
HERE = Place("lesson.py", 3, "main", LESSON)


@pytest.fixture(autouse=True)
def keep_lesson():
    """Other tests may have emptied the cache since this file was read."""
    linecache.cache[LESSON] = KEPT


def with_event(kind, *, rows=None, **fields):
    rows = [task("main"), task("work", parent=0, place=HERE)] if rows is None else rows
    usual = {"task": 1, "place": None, "text": "", "at": 0.4}
    return recording_of(rows, events=[Event(kind, **{**usual, **fields})])


NESTED = "RuntimeError: asyncio.run() cannot be called from a running event loop"


@pytest.mark.parametrize(
    ("kind", "fields", "expected", "message"),
    [
        (
            "exception-never-retrieved", {"text": "ValueError: sold out"},
            "exception-never-retrieved",
            "work, started at lesson.py:3, failed with ValueError: sold out, and its exception was",
        ),
        (
            "destroyed-pending", {}, "task-lost",
            "work, started at lesson.py:3, was garbage-collected before it had finished",
        ),
        (
            "cancelled-at-exit", {}, "task-lost",
            "work was started at lesson.py:3 and never awaited: it was cancelled when main",
        ),
        (
            "thread-outlived", {"others": (1,), "seconds": 0.5, "place": HERE},
            "thread-outlived-timeout",
            "work was still at work in its thread for 0.5 s after the wait for it at lesson.py:3",
        ),
        (
            "never-awaited", {"text": "save", "place": HERE, "task": None}, "never-awaited",
            "The coroutine that save() returned was dropped at lesson.py:3, never awaited",
        ),
        (
            "never-awaited", {"text": "work", "place": HERE, "task": None}, "never-awaited",
            "work() was called at lesson.py:3 but never awaited",
        ),
        (
            "connections", {"text": "1000", "place": HERE}, "unbounded",
            "1,000 connections were open at once, the last of them opened at lesson.py:3",
        ),
        (
            "join-unfinished", {"text": "3"}, "queue-never-done",
            "`task_done()` had not been called for 3 of the items taken from it",
        ),
        (
            "swallowed-cancellation", {"place": HERE}, "cancellation-swallowed",
            "work swallowed its cancellation at lesson.py:3: it was",
        ),
        (
            "raised", {"text": NESTED, "place": HERE, "task": None}, "asyncio-run-inside-loop",
            "An event loop was started at lesson.py:3 while another one was already running",
        ),
        (
            "siblings-ran-on", {"text": "ValueError: x", "place": HERE, "task": 0, "others": (1,)},
            "siblings-ran-on", "gather() raised ValueError: x at lesson.py:3, but work went on for",
        ),
    ],
)  # fmt: skip
def test_an_event_becomes_a_sentence(kind, fields, expected, message):
    found = only(with_event(kind, **fields))
    assert found.kind == expected
    assert message in found.message
    assert (found.file, found.line) == ("lesson.py", 3)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("raised", {"text": "ValueError: sold out"}),
        ("thread-outlived", {"others": (1,), "seconds": 0.05}),
        ("cancelled-at-exit", {"rows": [task("main"), task("handler")]}),
        (
            "cancelled-at-exit",
            {"rows": [task("main", outcome="raised ValueError"), task("w", parent=0, place=HERE)]},
        ),
        (
            "siblings-ran-on",
            {"rows": [task("main"), task("work", outcome="cancelled")], "task": 0, "others": (1,)},
        ),
        ("swallowed-cancellation", {"place": None}),  # somewhere in a library
        ("connections", {"text": "249"}),
        (  # the third task may still work on them
            "join-unfinished",
            {"text": "3", "rows": [task("main"), task("join", parent=0), task("worker")]},
        ),
        ("loop-not-watched", {"text": "record() can't watch the event loop."}),
    ],
)
def test_an_event_with_an_innocent_explanation_is_no_finding(kind, fields):
    assert with_event(kind, **fields).findings == []


def test_a_task_that_goes_round_may_end_with_the_program():
    rows = [task("main"), task("beat", parent=0, place=HERE, outcome="cancelled")]
    here = place(LESSON, 2, "work")
    waits = [Wait(1, n / 4, n / 4 + 0.2, "sleep", "", (here,), (1,)) for n in range(3)]
    events = [Event("cancelled-at-exit", 1, 1.0, HERE, "")]
    assert recording_of(rows, waits=waits, events=events).findings == []
    assert len(recording_of(rows, waits=waits[:1], events=events).findings) == 1


@pytest.mark.parametrize(
    ("columns", "final", "found"),
    [
        ({}, True, ["tick was started at lesson.py:3 and hadn't finished when"]),
        ({}, False, []),  # as long as the recording is open, tasks may be at work
        *(({name: value}, True, []) for name, value in [
            ("kind", "thread"), ("loop", 1), ("place", None), ("parent", None), ("was_there", True),
        ]),
    ],
)  # fmt: skip
def test_a_task_that_goes_on_beside_later_cells(columns, final, found):
    opener = task("cell", was_there=True, finished=nan, outcome="still running")
    usual = {"parent": 0, "place": HERE, "finished": nan, "outcome": "still running"}
    recording = recording_of([opener, task("tick", **{**usual, **columns})], final=final)
    assert [one.message[:56] for one in recording.findings] == found


# What explain() says


def test_the_costliest_comes_first_and_each_has_its_number():
    blocks = [block_at("time.sleep(0.1)", seconds=0.1), block_at("time.sleep(0.3)", seconds=0.3)]
    events = [Event("never-awaited", None, 0.1, HERE, "save")]
    recording = recording_of(tasks(2), blocks=blocks, events=events)
    assert [found.seconds for found in recording.findings] == [0.3, 0.1, 0.0]
    lines = recording.explain().splitlines()
    assert lines[0].startswith("1 s, 2 tasks. Added up, they were running for")
    assert [line[:2] for line in lines if line[:1].isdigit()][1:] == ["1.", "2.", "3."]


PARENT = [task("main"), task("a", parent=0), task("b", parent=0)]
SHORT_STEPS = [
    (0, "ready", 0.0, 0.2),
    *((1, RUNNING, n / 50, n / 50 + 0.02) for n in range(10)),
]


@pytest.mark.parametrize(
    ("rows", "slices", "more", "words"),
    [
        (
            tasks(3), [(0, WAITING, 0.0, 40.0), (1, WAITING, 0.0, 30.0), (2, WAITING, 0.0, 30.0)],
            {"duration": 40.0},
            "3 tasks waited at the same time: 100 s of waiting took 40 s; "
            "the loop was never held for longer than 50 ms.",
        ),
        # A parent that waits for its children doesn't count.
        (PARENT, [(n, WAITING, 0.0, 1.0) for n in range(3)], {}, "2 tasks waited at the same time"),
        (tasks(2), SHORT_STEPS, {}, "fetch-1 was ready for 0.2 s before it ran"),
        (tasks(1), [], {"dropped": 1000}, "1,000 more steps could not be kept"),
        (
            tasks(1), [], {"events": [Event("loop-not-watched", None, 0.0, None, "No uvloop.")]},
            "No uvloop.",
        ),
        (
            tasks(1), [], {"events": [Event("raised", None, 0.5, HERE, "ValueError: sold out")]},
            "It ended with ValueError: sold out at lesson.py:3.",
        ),
        (
            [task("main"), task("read", kind="thread"), task("write", kind="thread")], [], {},
            "1 task and 2 jobs in threads.",
        ),
        ([], [], {}, "No task ran."),
    ],
)  # fmt: skip
def test_what_else_is_said(rows, slices, more, words):
    said = recording_of(rows, slices, **more).explain()
    assert words in said
    assert slices is not SHORT_STEPS or "never held" not in said


def test_what_a_parent_waits_for_itself_is_counted():
    async def fetch():
        await asyncio.create_task(asyncio.sleep(1))  # as a client opens a connection
        await asyncio.sleep(9)

    async def main():
        await asyncio.gather(fetch(), fetch())

    with virtual_time_block(), record() as recording:
        asyncio.run(main())
    assert "2 tasks waited at the same time: 20 s of waiting took 10 s" in recording.explain()


def test_the_story_is_explained_in_minutes():
    chores = asyncio.run(run_together(CHORES, clock="virtual"))
    assert chores.findings == []
    assert chores.explain().splitlines()[-1] == (
        "3 tasks waited at the same time: 100.0 minutes of waiting took 40.0 minutes."
    )
    in_turn = run_in_turn(CHORES, clock="virtual")
    assert "was waiting, for one thing at a time" in in_turn.explain()
    leisure = asyncio.run(run_together(LEISURE, clock="virtual"))
    assert leisure.explain().endswith("100.0 minutes of 100.0 minutes was work of your own.")
