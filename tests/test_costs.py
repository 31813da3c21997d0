"""The costs: what is measured, what is left out and why, and that no process stays behind."""

import asyncio
import math
import os
import signal
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path

import pytest

from asyncteach.course.costs import bounds, jobs, plan
from asyncteach.course.costs.jobs import run_job
from asyncteach.course.costs.meaning import explain
from asyncteach.course.costs.measure_costs import Costs, _tabulate, measure_costs
from asyncteach.course.costs.plan import UNITS, Findings

ROOT = Path(__file__).parent.parent
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
needs_posix = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX system")


@pytest.fixture(scope="module")
def costs() -> Costs:
    """Measure once, shortly, but to the end, however busy this machine is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "SPARE", 200)
        patch.setattr(plan, "_REPEATS", 1)
        return measure_costs(seconds=1, most=100)


def find(costs: Costs, kind: str, what: str) -> float:
    """Return a median, of the greatest number."""
    return next(
        r["median"] for r in reversed(costs.rows()) if (r["kind"], r["what"]) == (kind, what)
    )


def made(samples: dict[tuple[str, str, int], list[float]], **facts: object) -> Costs:
    """Return the costs of made-up samples."""
    found = Findings()
    found.samples, found.facts = samples, facts
    return _tabulate(found)


EVEN = {
    ("switch", "Event between tasks", 2): [4.0, 4.1, 4.2],
    ("switch", "Lock between threads", 2): [8.0, 8.2, 8.4],
    ("switch", "pipe between processes", 2): [4.1, 4.2, 4.3],
    ("start", "task", 1): [5.0],
    ("start", "thread", 1): [60.0],
    ("memory", "task", 1000): [1.5],
    ("memory", "thread", 1000): [16.5],
    ("lateness", "loop beside busy threads", 0): [0.1],
    ("lateness", "loop beside busy threads", 1): [5.1],
}


# The measurement


@needs_posix
def test_the_costs_have_the_order_that_the_lessons_tell(costs: Costs) -> None:
    """Wide margins only: a generator before a task, a task before a thread, then a process."""
    assert find(costs, "switch", "send to a generator") * 5 < find(
        costs, "switch", "Event between tasks"
    )
    assert find(costs, "switch", "Event between tasks") < find(
        costs, "switch", "to_thread and back"
    )
    assert costs.order("start")[:2] == ["task", "thread"]
    assert costs.order("start")[-1] == "spawned process"


@needs_linux
def test_memory_is_told_of_tasks_threads_and_one_process(costs: Costs) -> None:
    """Resident and reserved, a task far below a thread."""
    for kind in ("memory", "address space"):
        assert costs.order(kind) == ["task", "thread", "process"]
    assert find(costs, "memory", "thread") > 3 * find(costs, "memory", "task")


def test_a_row_has_its_unit_and_its_spread(costs: Costs) -> None:
    """The median lies between the quartiles, and each kind has one unit."""
    assert set(costs["kind"]) == set(UNITS)
    for row in costs.rows():
        assert row["low"] <= row["median"] <= row["high"]
        assert row["unit"] == UNITS[row["kind"]]
        assert row["rounds"] >= 1


def test_what_was_left_out_has_its_reason(costs: Costs) -> None:
    """A thousand processes are never tried, and nothing is both measured and left out."""
    left = costs.left_out
    never = left[(left["what"] == "process") & (left["number"] == 1000)]
    assert never["why"].str.contains("never tried").all()
    assert len(never) == 2
    both = set(zip(left["kind"], left["what"], left["number"], strict=True)) & set(
        zip(costs["kind"], costs["what"], costs["number"], strict=True)
    )
    assert not both


def test_what_is_derived_is_an_ordinary_frame(costs: Costs) -> None:
    """A selection has no figure."""
    assert type(costs[costs["kind"] == "switch"]).__name__ == "DataFrame"
    assert type(costs.head()).__name__ == "DataFrame"


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"seconds": 0}, ValueError, "seconds=0 must be from 1 to 300: 30 gives"),
        ({"seconds": math.nan}, ValueError, "seconds=nan must be"),
        ({"seconds": "30"}, TypeError, "seconds must be a number and is of type str"),
        ({"most": 10}, ValueError, "most=10 must be from 100 to 100,000"),
        ({"most": True}, TypeError, "most must be a number"),
        ({"most": 1000.5}, TypeError, "must be whole: 1000"),
    ],
)
def test_an_option_that_makes_no_sense_is_told(
    options: dict[str, object], error: type[Exception], words: str
) -> None:
    """One sentence names the cause and the fix."""
    with pytest.raises(error, match=words):
        measure_costs(**options)  # type: ignore[arg-type]


def test_an_unknown_kind_of_cost_is_told(costs: Costs) -> None:
    """The kinds that there are stand in the sentence."""
    with pytest.raises(ValueError, match="'speed' is not a kind of cost: there are switch, start"):
        costs.order("speed")


# What it means


def test_sentences_follow_the_numbers() -> None:
    """Ratios are told, with care where the spreads overlap."""
    said = made(EVEN).explain()
    assert "a Lock between threads took 2.0 times as long as to hand over an Event" in said
    assert "to another process took about as long as such an Event" in said
    assert "a thread took 12 times as long as a task" in said
    assert "A waiting thread takes 11 times a task's memory (16.5 kB and 1.5 kB)" in said
    assert "woke 100 µs late without another thread, 5.1 ms late beside a thread" in said
    assert "not switching that sets tasks apart" in said


def test_no_conclusion_without_its_numbers() -> None:
    """Where threads switch as dearly as they start, nothing is claimed; nor of nothing."""
    dear = EVEN | {("switch", "Lock between threads", 2): [80.0, 82.0, 84.0]}
    assert "not switching" not in made(dear).explain()
    few = {key: values for key, values in EVEN.items() if key[0] == "switch"}
    assert "memory" not in made(few).explain()
    assert explain([], {}) == []


def test_the_order_counts_each_thing_once_at_its_greatest_number() -> None:
    """Whether a thousand or ten thousand take more each doesn't matter."""
    samples = {
        ("memory", "task", 1000): [99.0],
        ("memory", "task", 10_000): [1.5],
        ("memory", "thread", 1000): [16.0],
    }
    assert made(samples).order("memory") == ["task", "thread"]


def test_the_text_is_grouped_in_units_for_people() -> None:
    """Each kind has its heading, amounts their unit, and what is missing its reason."""
    found = Findings()
    found.samples = {**EVEN, ("address space", "thread", 1000): [8400.0]}
    for kind in ("memory", "address space"):
        found.left_out[(kind, "thread", 10_000)] = "no room"
    text = str(_tabulate(found))
    assert text.count("no room") == 1
    assert "memory (10,000 × thread), address space (10,000 × thread): no room" in text  # noqa: RUF001
    for words in ("Switching", "Starting", "Memory", "8.4 MB", "(4.05 to 4.15 µs)"):
        assert words in text
    assert all(len(line) < 120 for line in text.split("Left out")[0].splitlines())


# The figure


def test_the_figure_shows_every_row_but_preemption(costs: Costs) -> None:
    """A mark for each row, its amount beside it, logarithmic axes, words for who can't see it."""
    picture = costs.figure
    marks = [line for ax in picture.axes for line in ax.lines]
    drawn = [row for row in costs.rows() if row["kind"] != "preemption"]
    assert len(marks) == len(drawn)
    assert [line.get_gid() for line in marks].count("switch") == list(costs["kind"]).count("switch")
    assert {ax.get_xscale() for ax in picture.axes} == {"log"}
    assert sum(len(ax.texts) for ax in picture.axes) == len(drawn)
    assert picture.alt.startswith("Costs on this machine")
    assert costs.explain() in picture.alt
    times = [ax for ax in picture.axes if "space" not in ax.get_title(loc="left")][:3]
    assert len({ax.get_xlim() for ax in times}) == 1


def test_nothing_measured_is_drawn_and_written_too() -> None:
    """No row at all is no error."""
    empty = made({})
    assert "Costs" in str(empty)
    assert empty.figure.axes == []
    assert empty.order("switch") == []


def test_a_notebook_shows_table_sentences_and_figure(
    costs: Costs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both outputs have a text form, and the picture its words."""
    display = pytest.importorskip("IPython.display")
    shown: list[tuple[dict[str, str], dict[str, object]]] = []
    monkeypatch.setattr(display, "display", lambda data, **more: shown.append((data, more)))
    costs._ipython_display_()
    (table, _), (picture, more) = shown
    assert "<table" in table["text/html"]
    assert "never tried" in table["text/html"]
    assert table["text/plain"] == str(costs)
    assert picture["image/png"]
    assert "Costs" in more["metadata"]["image/png"]["alt"]  # type: ignore[index]


# Bounds


def test_what_would_take_too_much_memory_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of what is free is the most."""
    monkeypatch.setattr(bounds, "free_memory", lambda: 100e6)
    reason = bounds.refuse("thread", 1000)
    assert reason is not None
    assert "40 MB of memory, which is more than a quarter of the 100 MB that are free" in reason
    assert bounds.refuse("task", 1000) is None


def test_threads_beyond_half_of_what_is_allowed_are_not_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Half of the threads are left to others."""
    monkeypatch.setattr(bounds, "free_memory", lambda: 100e9)
    monkeypatch.setattr(bounds, "free_threads", lambda: 1500)
    assert "allows 1,500 more threads" in (bounds.refuse("thread", 1000) or "")
    assert bounds.refuse("task", 10_000) is None


@pytest.mark.parametrize(
    ("limit", "words"), [("maps", "500 memory areas"), ("space", "2 GB of address space")]
)
def test_limits_of_a_process_are_asked_first(
    limit: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory areas and address space may be short where memory isn't."""
    monkeypatch.setattr(bounds, "free_memory", lambda: 100e9)
    monkeypatch.setattr(bounds, "free_threads", lambda: 100_000)
    maps, space = (500, math.inf) if limit == "maps" else (math.inf, 2e9)
    monkeypatch.setattr(bounds, "_read_number", lambda path, otherwise=0: maps)
    monkeypatch.setattr(bounds, "_limit", lambda name: space)
    assert words in (bounds.refuse("thread", 1000) or "")


def test_where_nothing_is_told_no_more_than_a_thousand_are_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An unknown system is spared."""
    monkeypatch.setattr(bounds, "free_memory", lambda: math.inf)
    monkeypatch.setattr(bounds, "free_threads", lambda: math.inf)
    monkeypatch.setattr(bounds, "_read_number", lambda path, otherwise=0: math.inf)
    monkeypatch.setattr(bounds, "_limit", lambda name: math.inf)
    assert bounds.refuse("thread", 1000) is None
    assert "doesn't tell" in (bounds.refuse("thread", 10_000) or "")


@pytest.mark.parametrize("version", [1, 2])
def test_a_containers_limits_count(
    version: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of either version of control groups, and of a group above ours."""
    monkeypatch.setattr(bounds, "_CGROUPS", tmp_path)
    lines = {1: "4:memory:/a/b\n3:pids:/a/b\n", 2: "0::/a/b\n"}[version]
    monkeypatch.setattr(bounds, "_own_groups", lambda: lines.splitlines())
    memory, pids = ("memory", "pids") if version == 1 else ("", "")
    most, used = bounds._MEMORY_FILES[version % 2]
    for folder, name, text in (
        (memory, most, "300"),
        (memory, used, "100"),
        (pids, "pids.max", "max"),
        (pids, "pids.current", "7"),
    ):
        (tmp_path / folder / "a").mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "a" / name).write_text(text)
    assert list(bounds._group_memory()) == [200]
    (tmp_path / pids / "a" / "pids.max").write_text("10")
    assert bounds.free_threads() == 3


@needs_linux
def test_a_machine_that_starts_no_more_threads_is_told() -> None:
    """In a process with little address space the threads end with a reason, not an error."""
    code = (
        "import resource, json, sys; resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from asyncteach.course.costs.jobs import run_job\n"
        "print(json.dumps(run_job('holding', {'what': 'thread', 'number': 2000}, 100)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == ""
    assert "this machine refused: can't start new thread" in done.stdout


# Children


def test_a_child_that_dies_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cost is left out, with the words that the child ended with; nothing is raised."""
    monkeypatch.setattr(jobs, "_CODE", "raise SystemExit('the roof fell in')")
    costs = measure_costs(seconds=1, most=100)
    assert costs.rows() == []
    assert costs.left_out["why"].str.contains("ended early: the roof fell in").sum() >= 6


def test_without_a_python_to_start_everything_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a browser: a reason, no error."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    costs = measure_costs(seconds=1, most=100)
    assert costs.rows() == []
    assert costs.left_out["why"].str.contains("can't start a Python process").any()


def test_a_child_that_takes_too_long_is_stopped_and_its_findings_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it told before counts."""
    code = """
import os, time
os.write(1, b'["sample", "switch", "pipe", 1, 2.5]\\n["samp')
time.sleep(100)
"""
    monkeypatch.setattr(jobs, "_CODE", code)
    told = run_job("switching", {}, 1)
    assert told.findings == [["sample", "switch", "pipe", 1, 2.5]]
    assert told.failure == "it wasn't done after 1 seconds and was stopped"


def test_what_there_was_no_time_for_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is asked before each job."""
    clock = iter(range(0, 100_000, 20))
    monkeypatch.setattr(plan, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(plan, "run_job", lambda *_: jobs.Told([], None))
    found = plan.measure(1, 100, lambda doing: None)
    assert found.samples == {}
    assert any("the time was up" in why for why in found.left_out.values())


def test_what_a_broken_job_had_planned_is_missing() -> None:
    """Samples stay; what was planned and has none is left out."""
    found = Findings()
    told = [
        ["planned", "switch", "a", 1],
        ["planned", "switch", "b", 1],
        ["sample", "switch", "a", 1, 2],
    ]
    found.sort(told, "it broke", ["switch"])
    found.settle()
    assert found.samples == {("switch", "a", 1): [2]}
    assert found.left_out == {("switch", "b", 1): "it broke"}


def processes(mark: str) -> set[str]:
    """Return the processes in whose environment there is a mark."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark.encode() in path.read_bytes():
                found.add(path.parent.name)
    return found


@needs_linux
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_process_is_left_behind(how: signal.Signals) -> None:
    """After an interrupt, and even if the learner's process is killed."""
    mark = uuid.uuid4().hex
    code = (
        f"import sys, signal; sys.path.insert(0, {str(ROOT)!r})\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from asyncteach.course.costs.measure_costs import measure_costs\n"
        "print('ready', flush=True); measure_costs(seconds=30)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"MARK": mark},
    ) as learner:
        assert learner.stdout is not None
        learner.stdout.readline()
        while len(processes(mark)) < 3 and learner.poll() is None:
            time.sleep(0.02)
        learner.send_signal(how)
        assert learner.wait(timeout=20) == (-how if how == signal.SIGKILL else -signal.SIGINT)
    deadline = time.monotonic() + 20
    while (left := processes(mark)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not left


@needs_linux
def test_nothing_is_left_behind_after_an_ordinary_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job has ended, with all that it started, once what it told is there."""
    mark = uuid.uuid4().hex
    monkeypatch.setenv("MARK", mark)
    told = run_job("switching", {"seconds": 0.1, "tasks": 10, "threads": 10}, 20)
    assert told.failure is None
    deadline = time.monotonic() + 10  # killed at once, and gone when the system has time for it
    while processes(mark) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not processes(mark)


# Where it may be called


SHORT = """
from asyncteach.course.costs import plan
plan._JOBS, plan._REPEATS = {"sharing": ("preemption", 0.1)}, 0
from asyncteach.course.costs.measure_costs import measure_costs
print(len(measure_costs(seconds=1, most=100)))
"""


def test_it_is_a_plain_call_while_a_loop_is_running(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a notebook's cell."""
    monkeypatch.setattr(plan, "_JOBS", {"sharing": ("preemption", 0.1)})
    monkeypatch.setattr(plan, "_REPEATS", 0)

    async def cell() -> Costs:
        return measure_costs(seconds=1, most=100)

    assert len(asyncio.run(cell()))


@pytest.mark.parametrize("how", ["script", "piped"])
def test_a_script_needs_no_guard(how: str, tmp_path: Path) -> None:
    """A script is not run again by the children; nor is what is piped into Python, nor are the
    modules beside it imported in place of Python's own.
    """
    (tmp_path / "random.py").write_text("raise SystemExit('not yours')")
    text = f"import sys; sys.path[:] = [p for p in sys.path if p not in ('', {str(tmp_path)!r})]\n"
    text += f"sys.path.insert(0, {str(ROOT)!r})\nprint('once')\n{SHORT}\n"
    (tmp_path / "lesson.py").write_text(text)
    command = [sys.executable, "lesson.py"] if how == "script" else [sys.executable, "-"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, input=text)
    assert done.stderr == ""
    once, number = done.stdout.split()
    assert once == "once"
    assert int(number) > 0


@needs_linux
def test_a_child_runs_in_a_session_of_its_own() -> None:
    """So that all of it can be ended at once, and Ctrl-C reaches only the learner's process."""
    told = run_job("holding", {"what": "process", "number": 1}, 20)
    assert told.failure is None
    assert [finding[0] for finding in told.findings] == ["sample", "sample"]
