"""The costs, really measured: orders that hold everywhere, and processes that all end."""

import asyncio
import signal
import subprocess
import sys
import time

import psutil
import pytest

from asyncteach.course.costs import measure_costs as costs_module
from asyncteach.course.costs.cost_table import UNITS
from asyncteach.course.costs.measure_costs import measure_costs, run_job

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="ends processes as Linux does")


@pytest.fixture(scope="module")
def costs():
    """Measure once, shortly, but to the end, however busy this machine is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs_module, "SPARE", 200)

        async def cell():  # as in a notebook, while a loop is running
            return measure_costs(seconds=1, most=100)

        return asyncio.run(cell())


def median_of(costs, kind, what):
    """Return a median, of the greatest number."""
    return costs[(costs["kind"] == kind) & (costs["what"] == what)]["median"].iloc[-1]


def test_every_kind_is_measured_in_the_order_that_the_lessons_tell(costs):
    assert set(costs["kind"]) == set(UNITS)
    assert costs.left_out == []
    assert costs[costs["median"] <= 0].empty
    for kind, first, second, third, factor in (
        ("switch", "send to a generator", "Event between tasks", "to_thread and back", 5),
        ("start", "task", "thread", "spawned process", 1),
        ("memory", "task", "thread", "process", 3),
    ):
        assert median_of(costs, kind, first) * factor < median_of(costs, kind, second)
        assert median_of(costs, kind, second) < median_of(costs, kind, third)


def test_a_child_that_dies_or_takes_too_long_is_a_reason():
    why = "the process that measured it ended early: KeyError: 'fly'"
    assert run_job("fly", {}, 20) == ([], why)
    why = "it wasn't done after 2 seconds and was stopped"
    assert run_job("lateness", {"seconds": 1000}, 2) == ([], why)


def test_without_a_python_to_start_everything_is_left_out(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    costs = measure_costs(seconds=1, most=100)
    assert len(costs) == 0
    assert all("can't start a Python process" in one for one in costs.left_out)


@needs_linux
@pytest.mark.full
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_process_is_left_behind(how):
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from asyncteach import measure_costs; measure_costs(seconds=30)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as script:
        while len(found := psutil.Process(script.pid).children(recursive=True)) < 2:
            time.sleep(0.02)
        script.send_signal(how)
        assert script.wait(timeout=20) == -how
    _, alive = psutil.wait_procs(found, timeout=20)
    assert alive == []


@pytest.mark.parametrize("how", ["script", "piped"])
def test_a_script_needs_no_guard(how, tmp_path):
    """The children don't run it again, nor import what is beside it in place of Python's own."""
    (tmp_path / "random.py").write_text("raise SystemExit('not yours')")
    text = f"""
import sys
sys.path[:] = [p for p in sys.path if p not in ('', {str(tmp_path)!r})]
print("once")
from asyncteach.course.costs.measure_costs import run_job
print(len(run_job("preemption", {{"seconds": 0}}, 100)[0]) > 3)
"""
    (tmp_path / "lesson.py").write_text(text)
    command = [sys.executable, "lesson.py"] if how == "script" else [sys.executable, "-"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, input=text)
    assert (done.stdout, done.stderr) == ("once\nTrue\n", "")
