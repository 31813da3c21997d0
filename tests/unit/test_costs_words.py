"""The costs in words and in a picture: made-up numbers, no process."""

import importlib.util
import math

import IPython.display
import psutil
import pytest

from asyncteach.course.costs import measure_costs as costs_module
from asyncteach.course.costs.measure_costs import measure_costs, no_room, run_jobs, tabulate

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


def made(samples, left_out=()):
    """Return the costs of made-up samples."""
    return tabulate(samples, list(left_out))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"seconds": 0}, ValueError, "from 1 to 300, but got 0: 30 gives steady numbers"),
        ({"seconds": math.nan}, ValueError, "got nan"),
        ({"seconds": "30"}, TypeError, "takes a number of seconds but got '30'"),
        ({"most": 10}, ValueError, "from 100 to 100,000, but got 10"),
        ({"most": 1000.5}, TypeError, "takes a whole number but got 1000.5"),
    ],
)
def test_an_option_that_makes_no_sense_gets_a_sentence(options, error, words):
    with pytest.raises(error, match=words):
        measure_costs(**options)


def test_without_psutil_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install psutil"):
        measure_costs()


def test_a_row_has_its_unit_and_its_spread():
    row = made({("switch", "pipe", 2): [1.0, 2.0, 3.0, 4.0, 100.0]}).iloc[0]
    assert (row["low"], row["median"], row["high"]) == (2.0, 3.0, 4.0)
    assert (row["unit"], row["rounds"]) == ("µs", 5)


def test_sentences_follow_the_numbers():
    text = made(EVEN).explain()
    for words in (
        "a Lock between threads took 2.0 times as long as by an Event",
        "to another process took 1.0 times as long as by such an Event",
        "a thread took 12 times as long as a task",
        "A waiting thread takes 11 times the memory of a task",
        "woke 100 µs late alone, 5.1 ms late beside 1 thread that only calculate",
        "not switching that sets tasks apart",
    ):
        assert words in text


def test_there_is_no_conclusion_without_its_numbers():
    dear = EVEN | {("switch", "Lock between threads", 2): [80.0, 82.0, 84.0]}
    assert "not switching" not in made(dear).explain()
    assert "Costs" in str(made({}))
    assert made({}).figure.axes == []
    few = {key: values for key, values in EVEN.items() if key[0] == "switch"}
    assert "memory" not in made(few).explain()
    assert made({}).explain() == ""


def test_the_text_is_grouped_in_units_for_people():
    text = str(made(EVEN, ["memory of thread (10,000): no room"]))
    for words in ("\nSwitching", "\nMemory", "16.5 kB", "(4.05 µs to 4.15 µs)", "no room"):
        assert words in text
    assert all(len(line) < 120 for line in text.splitlines())


def test_the_figure_shows_every_row_but_preemption():
    costs = made(EVEN | {("preemption", "work shared by threads", 10): [1.0]})
    picture = costs.figure
    assert sum(len(ax.texts) for ax in picture.axes) == len(EVEN)
    assert {ax.get_xscale() for ax in picture.axes} == {"log"}
    assert len({ax.get_xlim() for ax in picture.axes}) == 2  # of times and of memory
    assert picture.alt.startswith("Costs on this machine")
    assert costs.explain() in picture.alt


def test_a_notebook_shows_table_sentences_and_figure(monkeypatch, capsys):
    shown = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    costs = made(EVEN)
    costs._ipython_display_()
    assert capsys.readouterr().out == f"{costs}\n"
    assert "Costs" in shown[0].alt


def test_what_would_take_too_much_memory_is_not_tried(monkeypatch):
    free = type("Memory", (), {"available": 100e6})
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    assert no_room("task", 1000) == ""
    words = "40 MB of memory, which is more than a quarter of the 100 MB that are free"
    assert words in no_room("thread", 1000)


@pytest.fixture
def jobs(monkeypatch):
    """Collect the jobs that are run, on a clock that goes on by 10 seconds a job."""
    run, now = [], [0.0]

    def run_job(job, options, timeout):
        run.append((job, *options.values()))
        now[0] += 10
        if job == "start":
            return [["start", "task", 1, 5.0], ["start", "thread", 1, "refused"]], "it broke"
        return [[job, options.get("what", "a"), options.get("number", 1), 1.0]], ""

    monkeypatch.setattr(costs_module, "run_job", run_job)
    monkeypatch.setattr(costs_module, "perf_counter", lambda: now[0])
    return run


def test_all_jobs_are_run_and_what_failed_is_left_out(jobs):
    samples, left_out = run_jobs(300, 2000)
    what = [("process", 1), *((what, n) for n in (1000, 2000) for what in ("task", "thread"))]
    assert jobs[:5] == [("memory", *one) for one in what]
    assert len(samples["memory", "thread", 2000]) == 1
    assert left_out == ["start of thread (1): refused", "start of the rest (1): it broke"]


def test_what_there_was_no_time_for_is_left_out(jobs):
    samples, left_out = run_jobs(20, 1000)
    assert len(jobs) == 4
    assert [key[0] for key in samples] == ["memory"] * 3 + ["switch"]
    kinds = ["start", "lateness", "preemption"]
    assert [one.split(" of ")[0] for one in left_out] == kinds
    assert "measure_costs(seconds=40)" in left_out[0]
