"""Findings and sentences: what they say, and when they say nothing."""

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


def recording_of(trace):
    return Recording.from_source("by hand", lambda: trace)


def task(label, **columns):
    usual = {"coroutine": label, "spawned": 0.0, "finished": 1.0, "outcome": "returned"}
    return TaskRecord(label, label, **{**usual, **columns})


def make_trace(rows, slices=(), *, waits=(), blocks=(), events=(), duration=1.0, **more):
    columns = list(zip(*slices, strict=True)) or [[], [], [], []]
    codes = [STATES.index(state) for state in columns[1]]
    return Trace(
        list(rows),
        make_slices(columns[0], codes, columns[2], columns[3]),
        duration,
        events=list(events),
        find_waits=lambda: list(waits),
        find_blocks=lambda: list(blocks),
        **more,
    )


def findings_of(rows, *args, **keywords):
    return recording_of(make_trace(rows, *args, **keywords)).findings


def only(findings):
    (found,) = findings
    return found


# How long a step held the loop, and which tasks it delayed


def block_at(line, *, seconds=0.31, delayed=((1, 0.25),), define="async def", **more):
    path = cell(f"import time\nfrom time import sleep\n{define} parse(page):\n    {line}\n")
    here = place(path, 4, "parse")
    usual = {"task": 0, "name": "fetch-1", "start": 0.0, "end": seconds, "place": here}
    return Block(**{**usual, "places": (here,), "doing": "", "delayed": delayed, **more})


def tasks(number):
    return [task(f"fetch-{n + 1}") for n in range(number)]


def test_what_held_the_loop_for_how_long_and_which_task_waited():
    found = only(findings_of(tasks(2), blocks=[block_at("time.sleep(0.3)")]))
    assert found.kind == "blocked-loop"
    assert found.message == (
        "parse() held the loop for 0.31 s at In [7], line 4, in task fetch-1: "
        "this delayed fetch-2 by 0.25 s."
    )
    assert found.delayed == (("fetch-2", 0.25),)
    assert (found.task, found.file, found.line, found.seconds) == ("fetch-1", "In [7]", 4, 0.31)


def test_many_delayed_tasks_are_not_all_named():
    delayed = [(n, 0.3 - n / 100) for n in range(1, 11)]
    found = only(findings_of(tasks(11), blocks=[block_at("time.sleep(1)", delayed=delayed)]))
    assert found.message.endswith(
        "this delayed fetch-2 by 0.29 s, fetch-3 by 0.28 s, fetch-4 by 0.27 s and 7 more tasks."
    )


def test_one_line_is_one_finding_however_often_it_held_the_loop():
    one = block_at("sleep(0.3)")
    found = only(findings_of(tasks(2), blocks=[one, one._replace(start=1.0, end=1.2)]))
    assert "held the loop twice at In [7], line 4, for 0.51 s in all" in found.message


@pytest.mark.parametrize(
    ("line", "doing", "advice"),
    [
        ("time.sleep(0.3)", "", "`await asyncio.sleep(...)`"),
        ("sleep(0.3)", "", "`await asyncio.sleep(...)`"),
        ("page = requests.get(url)", "SSLSocket.read", "httpx2.AsyncClient"),
        ("page = urllib.request.urlopen(url).read()", "socket.recv", "httpx2.AsyncClient"),
        ("page = client.load(url)", "SocketIO.readinto", "asyncio's streams"),
        ("name = box.get()", "Condition.wait", "asyncio's own Lock, Event or Queue"),
        ("name = job.result()", "Condition.wait", "asyncio.to_thread"),
        ("text = open(path).read()", "", "Files can't be awaited"),
        ("text = Path('a').read_text()", "", "Files can't be awaited"),
        ("subprocess.run(['ls'])", "Popen.wait", "create_subprocess_exec"),
        ("os.system('ls')", "", "create_subprocess_exec"),
        ("rows = cursor.execute('select')", "", "async driver for the database"),
        ("worker.join()", "Thread.join", "asyncio.to_thread"),
        ("import pandas", "_find_and_load", "at the top of the file"),
        ("ready = select.select([box], [], [])", "", "asyncio's streams"),
        ("done = os.waitpid(page, 0)", "", "create_subprocess_exec"),
        ("tree = grow(page)", "", "Hand it to a thread"),
    ],
)
def test_the_advice_depends_on_what_the_line_does(line, doing, advice):
    blocks = [block_at(line, doing=doing)]
    assert advice in only(findings_of(tasks(2), blocks=blocks, cpu=0.3)).fix


@pytest.mark.parametrize(
    ("line", "define", "more", "advice"),
    [
        ("time.sleep(1)", "def", {}, "`await asyncio.to_thread(parse)`"),
        ("subprocess.run(['ls'])", "def", {}, "`await asyncio.to_thread(parse)`"),
        ("tree = grow(page)", "def", {"busy": 0.9}, "It computed"),
        ("tree = grow(page)", "async def", {"busy": 0.9}, "`await asyncio.to_thread(...)`"),
        ("tree = grow(page)", "def", {"task": None}, "`loop.run_in_executor(None, parse)`"),
    ],
)
def test_the_advice_fits_the_place(line, define, more, advice):
    """In a plain function nothing can be awaited, and in a callback neither."""
    found = only(findings_of(tasks(2), blocks=[block_at(line, define=define, **more)]))
    assert advice in found.fix
    assert define != "def" or "asyncio.sleep" not in found.fix


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


def test_a_chain_of_calls_is_told_from_the_inside_out():
    found = only(findings_of([task("GET /report"), task("tick")], blocks=[chain()]))
    assert found.message == (
        "nap() held the loop for 0.31 s at api.py:3, called by slow_query() at api.py:5, called by "
        "report() at api.py:7, in task GET /report: this delayed tick by 0.25 s."
    )
    assert "`await asyncio.to_thread(slow_query, 'select')` in report()" in found.fix


def test_a_step_that_was_at_two_lines_is_not_given_to_one_of_them_whole():
    elsewhere = place("lesson.py", 9, "crunch", "lesson.py")
    found = only(findings_of(tasks(2), blocks=[chain(also=((elsewhere, 0.4),))]))
    assert found.message.endswith(" For about 0.12 s of that it was crunch() at lesson.py:9.")


def test_what_a_library_calls_is_not_offered_to_a_thread():
    path = cell("class Slow:\n  def emit(self): wait()\nasync def main():\n  log.info('x')\n")
    places = (place(path, 4, "main"), place(path, 2, "Slow.emit"))
    found = only(findings_of(tasks(2), blocks=[block_at("", place=places[1], places=places)]))
    assert "`await asyncio.to_thread(...)` in main()" in found.fix


def test_a_task_that_is_called_like_its_coroutine_is_not_named_twice():
    found = only(findings_of([task("report"), task("tick")], blocks=[chain()]))
    assert "in task" not in found.message


def test_a_block_that_delayed_no_task_is_no_finding_but_a_sentence():
    recording = recording_of(make_trace(tasks(1), blocks=[block_at("grow(page)", delayed=())]))
    assert recording.findings == []
    assert recording.explain().endswith(
        "parse() held the loop for 0.31 s at In [7], line 4, in task fetch-1, while no other task "
        "was ready."
    )
    assert "never held" not in recording.explain()


def test_a_step_that_was_long_because_the_computer_was_busy_is_no_finding():
    recording = recording_of(make_trace(tasks(2), blocks=[block_at("return page", lost=0.29)]))
    assert recording.findings == []
    assert recording.blocked().empty
    assert "The computer gave this program no time for 0.29 s." in recording.explain()
    longer = block_at("return page", lost=0.2)
    assert only(findings_of(tasks(2), blocks=[longer])).kind == "blocked-loop"


def test_where_the_line_was_seen_only_at_the_end_both_explanations_are_named():
    found = only(findings_of(tasks(2), blocks=[block_at("return page", unseen=0.3)]))
    assert "either C code kept the GIL" in found.message
    assert "or the computer gave this program no time" in found.message


@pytest.mark.parametrize(
    ("fields", "who"),
    [
        ({"task": None, "name": "Kernel.dispatch"}, "The callback Kernel.dispatch"),
        ({"task": 0}, "fetch-1"),
        ({"task": 0, "doing": "ssl.read"}, "fetch-1 held the loop for 0.31 s inside ssl.read()"),
    ],
)
def test_where_no_line_is_known_what_held_the_loop_is_told_all_the_same(fields, who):
    block = block_at("x", place=None, places=(), **fields)
    assert only(findings_of(tasks(2), blocks=[block])).message.startswith(who)


def test_many_short_steps_that_make_a_task_wait_are_no_reason_for_praise():
    slices = [(0, "ready", 0.0, 0.2), *((1, RUNNING, n / 50, n / 50 + 0.02) for n in range(10))]
    said = recording_of(make_trace(tasks(2), slices)).explain()
    assert "fetch-1 was ready for 0.2 s before it ran" in said
    assert "never held" not in said


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
    lines = (
        "async def double(page):",
        f"    {body}",
        "async def work():",
        "    for page in range(9):",
    )
    path = cell("\n".join([*lines, "        await double(page)"]))
    places = (place(path, 5, "work"), place(path, 2, "double"))
    block = block_at("x", place=places[1], places=places, busy=busy)
    one = only(findings_of(tasks(2), blocks=[block]))
    assert ("Awaiting double() never gives the loop back" in one.message) == found
    assert ("`await asyncio.sleep(0)` between its steps" in one.fix) == (found and busy > 0.5)


# Awaits that could as well have waited together: in virtual time, to the second


async def fetch(page):
    await asyncio.sleep(10)
    return page


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
            "for n in range(3):\n    pages.append(await fetch(n))",
            "three rounds", 30, 10, "*(fetch(n) for n in range(3))",
        ),
        ("return [await fetch(n) for n in range(4)]", "four rounds", 40, 10, "*(fetch(n) for n in"),
        (
            "one = await fetch(1)\ntwo = await fetch(2)\nreturn await fetch(one) + two",
            "two awaits", 20, 10, "fetch(1), fetch(2)",
        ),
        (
            "await async_task('rice', 40)\nawait async_task('clothes', 30)",
            "two awaits", 70, 40, "async_task('rice', 40), async_task(",
        ),
        (
            "for name, seconds in SECONDS.items():\n    await async_task(name, seconds)",
            "two rounds", 70, 40, "*(async_task(name, seconds) for",
        ),
    ],
)  # fmt: skip
def test_awaits_that_could_wait_together(body, what, total, together, call):
    found = only(run_body(body).findings)
    first = next(n for n, line in enumerate(body.splitlines(), 2) if "await " in line)
    assert (found.kind, found.line) == ("one-after-another", first)
    assert what in found.message
    assert f"ran one after another: {total} s; if no" in found.message
    assert found.message.endswith(f"together they could take {together} s.")
    assert f"`await asyncio.gather({call}" in found.fix


def test_each_child_of_a_gather_is_looked_at_and_told_once():
    async def child():
        await fetch(1)
        await fetch(2)

    async def beat():
        for _ in range(20):
            await asyncio.sleep(1)

    async def main():
        await asyncio.gather(child(), child(), child(), beat())

    with record() as recording, virtual_time_block():
        asyncio.run(main())
    message = only(recording.findings).message
    assert "ran one after another, three times: 20 s on average; if none needs" in message


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("for _ in range(3): await job()", True),
        ("for n in (1, 2, 3): await job(n)", True),
        ("for n in (1, 2): x = await client.get(n)", "and all can use `client` at the same time"),
        ("for n in (1, 2): x = await client.get()", False),
        ("for n in (1, 2): await client.get(n)", False),  # for its effect, in its order
        ("for n in (1, 2): x = await job(x)", False),
        ("for n in (1, 2): pages.append(await job(n))", "gather(*(job(n) for n in (1, 2)))"),
        ("for step in (job, job): await step()", True),
        ("for step in (fill, fill): await step(pages)", False),
        ("for n in (1, 2):\n  if n: await job(n)", False),
        ("for n in (1, 2):\n  if await job(n): break", False),
        ("for n in (1, 2):\n  await job(n)\n  await asyncio.sleep(10)", False),
        ("for n in (1, 2):\n  async with limit: await job(n)", False),
        ("for n in (1, 2): await queue.put(await job(n))", False),
        ("while x := await job(x): pass", False),
        (
            "x = await client.get(1)\ny = await client.get(2)",
            "and all can use `client` at the same",
        ),
        ("await client.get(1)\nawait client.get(2)", False),
        ("x = await client.get(1)\ny = await client.post(1)", True),
        ("async with Client() as c:\n  x = await c.get(1)\n  y = await c.get(2)", True),
        ("async with limit:\n  await job(1)\n  await job(2)", False),
        ("await asyncio.sleep(10)\nawait asyncio.sleep(20)", False),
        ("first = await job(1)\nsecond = await job(2)", True),
        ("first = await job(1)\nsecond = await job(first)", False),
    ],
)
def test_dependence_is_judged_by_the_names_of_one_block(body, told):
    recording = run_body(body)
    kinds = [found.kind for found in recording.findings]
    assert kinds == (["one-after-another"] if told else [])
    assert not isinstance(told, str) or told in recording.explain()


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

    def open(self, number):
        return Client()


def test_what_saves_little_is_not_worth_a_word():
    body = "await job(1)\nawait job(2)\nawait asyncio.sleep(1000)"
    assert run_body(body).findings == []


def sequence_in_cells(calling, defining, *, names=("first", "second")):
    """Return the findings about two awaits of a cell whose functions another one defined."""
    caller, callee = cell(calling), cell(defining)
    lines = [n for n, text in enumerate(calling.splitlines(), 1) if "await" in text]
    starts = [n for n, text in enumerate(defining.splitlines(), 1) if text.startswith("async")]
    waits = [
        Wait(0, 10.0 * n, 10.0 * n + 10, "sleep", "a sleep", places, (1, 2 + n))
        for n, places in enumerate(
            (place(caller, line, "<module>"), place(callee, start + 1, name, "In [6]"))
            for line, start, name in zip(lines, starts, names, strict=True)
        )
    ]
    slices = [(0, WAITING, 0.0, 10.0), (0, WAITING, 10.0, 20.0)]
    rows = [task("cell", finished=nan, outcome="still running", was_there=True)]
    return findings_of(rows, slices, waits=waits, duration=20.0)


PLAIN = "async def one(x=0):\n    await wait()\nasync def two(x=0):\n    await wait()\n"


def test_functions_may_come_from_another_cell():
    found = only(sequence_in_cells("await one()\nawait two()\n", PLAIN, names=("one", "two")))
    assert "These two awaits at In [7], line 1 (to line 2) ran one after another" in found.message


@pytest.mark.parametrize(
    ("calling", "defining"),
    [
        ("await one(box)\nawait two(box)", PLAIN.replace("wait()", "x.get()")),
        ("box = await one()\nawait two(box)", PLAIN),
        ("box = await one()\nlid = box + 1\nawait two(lid)", PLAIN),
        ("if await one():\n    await two()", PLAIN),
        ("x = await one() or 0\nawait two()", PLAIN),
        ("await one()\nif x: print()\nawait two()", PLAIN),
        ("await one()\nassert box\nawait two()", PLAIN),
        ("try:\n    await one()\n    await two()\nfinally:\n    pass", PLAIN),
        ("async with box:\n    await one()\n    await two()", PLAIN),
        ("while True:\n    await one()\n    await two()", PLAIN),
        ("await one('a.txt')\nawait two('a.txt')", PLAIN),
        ("await one()\nawait two()", f"box = []\n{PLAIN.replace('wait()', 'box.append(1)')}"),
        ("await one()\nawait two(", PLAIN),
    ],
)
def test_awaits_that_may_need_each_other_are_left_alone(calling, defining):
    assert sequence_in_cells(calling, defining, names=("one", "two")) == []


# Remarks


LESSON = cell("async def work():\n    await nap()\nwork()\n")
KEPT = linecache.cache[LESSON]


@pytest.fixture(autouse=True)
def keep_lesson():
    """Other tests may have emptied the cache since this file was read."""
    linecache.cache[LESSON] = KEPT


HERE = Place("lesson.py", 3, "main", LESSON)


def remarked(kind, *, rows=None, at=0.4, **fields):
    rows = [task("main"), task("work", parent=0, place=HERE)] if rows is None else rows
    usual = {"task": 1, "place": None, "text": ""}
    return findings_of(rows, events=[Event(kind, at=at, **{**usual, **fields})])


@pytest.mark.parametrize(
    ("kind", "fields", "told", "message"),
    [
        (
            "exception-never-retrieved",
            {"text": "ValueError: sold out"},
            "exception-never-retrieved",
            "work, started at lesson.py:3, failed with ValueError: sold out, and its exception was",
        ),
        (
            "destroyed-pending",
            {},
            "task-lost",
            "work, started at lesson.py:3, was garbage-collected before it had finished",
        ),
        (
            "cancelled-at-exit",
            {},
            "task-lost",
            "work was started at lesson.py:3 and never awaited: it was cancelled when",
        ),
        (
            "thread-outlived",
            {"others": (1,), "seconds": 0.5, "place": HERE},
            "thread-outlived-timeout",
            "work was still at work in its thread for 0.5 s after the wait for it at",
        ),
        (
            "never-awaited",
            {"text": "save", "place": HERE, "task": None},
            "never-awaited",
            "The coroutine that save() returned was dropped at lesson.py:3, never awaited",
        ),
        (
            "never-awaited",
            {"text": "work", "place": HERE, "task": None},
            "never-awaited",
            "work() was called at lesson.py:3 but never awaited",
        ),
        (
            "connections",
            {"text": "1000", "place": HERE},
            "unbounded",
            "1,000 connections were open at once, the last of them opened at lesson.py:3",
        ),
        (
            "join-unfinished",
            {"text": "3", "place": HERE, "rows": [task("main"), task("work", parent=0)]},
            "queue-never-done",
            "`task_done()` had not been called for 3 of the items taken from it",
        ),
        (
            "raised",
            {
                "text": "RuntimeError: asyncio.run() cannot be called from a running event loop",
                "place": HERE,
                "task": None,
            },
            "asyncio-run-inside-loop",
            "An event loop was started at lesson.py:3 while another one was already running",
        ),
    ],
)
def test_what_was_remarked_becomes_a_sentence(kind, fields, told, message):
    found = only(remarked(kind, **fields))
    assert found.kind == told
    assert message in found.message
    assert (found.file, found.line) == ("lesson.py", 3)


def test_calls_that_were_never_awaited_are_counted():
    events = [Event("never-awaited", None, 0.1, HERE, "work")] * 3
    found = only(findings_of([task("main")], events=events))
    assert "work() was called 3 times at lesson.py:3" in found.message


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
            {
                "rows": [task("main"), task("work", parent=0, outcome="cancelled")],
                "task": 0,
                "others": (1,),
            },
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
def test_what_has_an_innocent_explanation_is_no_finding(kind, fields):
    assert remarked(kind, **fields) == []


def test_a_task_that_was_cancelled_and_ended_as_if_not_is_told_at_the_line():
    found = only(remarked("swallowed-cancellation", place=HERE))
    assert found.message.startswith("work swallowed its cancellation at lesson.py:3: it was")


def test_a_task_that_goes_round_may_end_with_the_program():
    rows = [task("main"), task("beat", parent=0, place=HERE, outcome="cancelled")]
    here = place(LESSON, 2, "work")
    waits = [Wait(1, n / 4, n / 4 + 0.2, "sleep", "", (here,), (1,)) for n in range(3)]
    events = [Event("cancelled-at-exit", 1, 1.0, HERE, "")]
    assert findings_of(rows, waits=waits, events=events) == []
    assert len(findings_of(rows, waits=waits[:1], events=events)) == 1


def left_running(**columns):
    opener = task("cell", was_there=True, finished=nan, outcome="still running")
    usual = {"parent": 0, "place": HERE, "finished": nan, "outcome": "still running"}
    return make_trace([opener, task("tick", **{**usual, **columns})])


def test_a_task_that_goes_on_beside_later_cells():
    found = only(recording_of(left_running()).findings)
    assert (found.kind, found.task, found.line) == ("left-running", "tick", 3)
    assert (
        found.message
        == "tick was started at lesson.py:3 and hadn't finished when the recording ended."
    )


def test_as_long_as_the_block_is_open_tasks_may_be_at_work():
    trace = left_running()
    trace.is_final = False
    assert recording_of(trace).findings == []


@pytest.mark.parametrize(
    "columns",
    [{"kind": "thread"}, {"loop": 1}, {"place": None}, {"parent": None}, {"was_there": True}],
)
def test_what_is_not_the_cells_own_may_go_on(columns):
    assert recording_of(left_running(**columns)).findings == []


# What explain() says


def test_the_costliest_comes_first_and_each_has_its_number():
    blocks = [
        block_at("time.sleep(0.1)", seconds=0.1),
        block_at("time.sleep(0.3)", seconds=0.3),
    ]
    events = [Event("never-awaited", None, 0.1, HERE, "save")]
    recording = recording_of(make_trace(tasks(2), blocks=blocks, events=events))
    assert [found.seconds for found in recording.findings] == [0.3, 0.1, 0.0]
    lines = recording.explain().splitlines()
    assert lines[0].startswith("1 s, 2 tasks. Added up, they were running for")
    assert [line[:2] for line in lines if line[:1].isdigit()][1:] == ["1.", "2.", "3."]


def test_where_nothing_is_wrong_it_says_what_went_well():
    slices = [(0, WAITING, 0.0, 40.0), (1, WAITING, 0.0, 30.0), (2, WAITING, 0.0, 30.0)]
    said = recording_of(make_trace(tasks(3), slices, duration=40.0)).explain()
    assert said.splitlines()[-1] == (
        "3 tasks waited at the same time: 100 s of waiting took 40 s; "
        "the loop was never held for longer than 50 ms."
    )


def test_a_parent_that_waits_for_its_children_is_not_counted_twice():
    rows = [task("main"), task("a", parent=0), task("b", parent=0)]
    slices = [(n, WAITING, 0.0, 1.0) for n in range(3)]
    assert (
        "2 tasks waited at the same time: 2 s of"
        in recording_of(make_trace(rows, slices)).explain()
    )


def test_what_a_parent_waits_for_itself_is_counted():
    async def fetch():
        await asyncio.create_task(asyncio.sleep(1))  # as a client opens a connection
        await asyncio.sleep(9)

    async def main():
        await asyncio.gather(fetch(), fetch())

    with virtual_time_block(), record() as recording:
        asyncio.run(main())
    assert "2 tasks waited at the same time: 20 s of waiting took 10 s" in recording.explain()


def test_what_could_not_be_kept_or_watched_is_said():
    events = [Event("loop-not-watched", None, 0.0, None, "record() can't watch uvloop.")]
    said = recording_of(make_trace(tasks(1), events=events, dropped=1000)).explain()
    assert "record() can't watch uvloop." in said
    assert "1,000 more steps could not be kept" in said


def test_an_error_that_ended_the_recording_is_said():
    events = [Event("raised", None, 0.5, HERE, "ValueError: sold out")]
    said = recording_of(make_trace(tasks(1), events=events)).explain()
    assert "It ended with ValueError: sold out at lesson.py:3." in said


def test_jobs_in_threads_are_named_as_such():
    rows = [task("main"), task("read", kind="thread"), task("write", kind="thread")]
    assert "1 task and 2 jobs in threads." in recording_of(make_trace(rows)).explain()


def test_the_story_is_told_in_minutes():
    chores = asyncio.run(run_together(CHORES, clock="virtual"))
    assert chores.findings == []
    assert chores.explain().splitlines()[-1] == (
        "3 tasks waited at the same time: 100.0 minutes of waiting took 40.0 minutes."
    )
    in_turn = run_in_turn(CHORES, clock="virtual")
    assert "was waiting, for one thing at a time" in in_turn.explain()
    leisure = asyncio.run(run_together(LEISURE, clock="virtual"))
    assert leisure.explain().endswith("100.0 minutes of 100.0 minutes was work of your own.")


def test_an_empty_recording_can_be_explained():
    assert Recording("nothing", []).explain().endswith("No task ran.")
