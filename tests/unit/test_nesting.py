"""asyncio.run() in notebooks: which package is taken, what is refused, and that all is undone."""

import asyncio
import functools
import gc
import sys

import pytest

from asyncteach.notebook import asyncio_run as nesting
from asyncteach.notebook.asyncio_run import disable_asyncio_run, enable_asyncio_run

LOSES_CELLS = (
    "because with ipykernel 7.1 and later nest_asyncio loses the cells queued behind asyncio.run()"
)
BREAKS_GROUPS = "because from Python 3.14 on nest_asyncio breaks TaskGroup and asyncio.timeout()"
SOUND = "which works with this version of Python and of ipykernel"
PACKAGES = ["nest_asyncio2"] if sys.version_info >= (3, 14) else ["nest_asyncio", "nest_asyncio2"]


@pytest.fixture(params=PACKAGES)
def package(request, monkeypatch):
    """Either package that is sound on this Python."""
    monkeypatch.setattr(nesting, "_choose", lambda *versions: (request.param, "for the test"))
    return request.param


def in_a_notebook(cell):
    """Run an async test as a cell: on a loop that is running, with asyncio.run() switched on."""

    @functools.wraps(cell)
    def test(*args, **kwargs):
        async def run_cell():
            enable_asyncio_run()
            try:
                await cell(*args, **kwargs)
            finally:
                disable_asyncio_run()

        asyncio.run(run_cell())

    return test


@pytest.mark.parametrize(
    ("python", "ipykernel", "expected"),
    [
        ((3, 11), (6, 31), ("nest_asyncio", SOUND)),
        ((3, 11), (), ("nest_asyncio", SOUND)),
        ((3, 11), (7, 1), ("nest_asyncio2", LOSES_CELLS)),
        ((3, 14), (7, 4), ("nest_asyncio2", LOSES_CELLS)),
        ((3, 14), (6, 31), ("nest_asyncio2", BREAKS_GROUPS)),
        ((3, 14), (), ("nest_asyncio2", BREAKS_GROUPS)),
    ],
)
def test_the_package_follows_from_the_versions(python, ipykernel, expected):
    """nest_asyncio is taken wherever it neither loses cells nor breaks TaskGroup."""
    assert nesting._choose(python, ipykernel) == expected


def test_a_script_needs_nothing(capsys):
    """Without a running loop nothing is changed, and asyncio.run() works anyway."""
    run = asyncio.run
    enable_asyncio_run()
    assert asyncio.run is run
    assert "No event loop is running here" in capsys.readouterr().out
    assert asyncio.run(asyncio.sleep(0, "ran")) == "ran"


def test_a_patch_of_the_users_own_is_left_alone(monkeypatch, capsys):
    """It is named, and neither doubled nor undone."""
    monkeypatch.setattr(asyncio, "_nest_patched", True, raising=False)
    run = asyncio.run

    async def cell():
        enable_asyncio_run()
        disable_asyncio_run()

    run(cell())
    said = capsys.readouterr().out
    assert "has already been applied here" in said
    assert "Nothing to undo" in said
    assert asyncio.run is run


def test_it_is_on_once_and_then_off(package, capsys):
    """A second call says that it is on; switching off puts back run, Task, Future and the loop."""
    names = ("run", "Task", "Future", "get_event_loop")
    before = [getattr(asyncio, name) for name in names]

    async def cell():
        loop = asyncio.get_running_loop()
        attributes, methods = set(vars(loop)), dict(vars(type(loop)))
        for _ in range(2):
            enable_asyncio_run()
            assert asyncio.run is not before[0]
            assert asyncio.run(asyncio.sleep(0, "nested")) == "nested"
            enable_asyncio_run()
            disable_asyncio_run()
            assert set(vars(loop)) == attributes
            assert dict(vars(type(loop))) == methods
        return [getattr(asyncio, name) for name in names]

    assert asyncio.run(cell()) == before
    lines = [
        f"asyncio.run() now works in this notebook: took {package}, for the test.",
        f"asyncio.run() already works in this notebook, with {package}.",
        "asyncio.run() is Python's own again: in a notebook write `await main()`.",
    ]
    assert capsys.readouterr().out.splitlines() == lines * 2


@pytest.mark.usefixtures("package")
@in_a_notebook
async def test_what_is_no_coroutine_is_refused():
    """A function without its brackets is answered with the line to write."""

    async def chores(*names):
        return names

    with pytest.raises(TypeError, match=r"write asyncio\.run\(chores\(\)\), with brackets"):
        asyncio.run(chores)
    with pytest.raises(TypeError, match="42"):
        asyncio.run(42)
    assert asyncio.run(chores("rice"), debug=True) == ("rice",)
    assert await asyncio.to_thread(asyncio.run, chores("in a thread")) == ("in a thread",)
    assert asyncio.run.__doc__ == asyncio.runners.run.__doc__


@pytest.mark.usefixtures("package")
@in_a_notebook
async def test_it_can_be_nested_and_a_thread_gets_a_loop_of_its_own():
    async def inner():
        await asyncio.sleep(0.001)
        return asyncio.get_running_loop()

    async def outer():
        return asyncio.run(inner()), await asyncio.to_thread(asyncio.run, inner())

    here, there = asyncio.run(outer())
    assert here is asyncio.get_running_loop() is not there
    assert there.is_closed()


@pytest.mark.usefixtures("package")
def test_tasks_outlive_the_switch_in_both_directions():
    async def long_chore(gate):
        await gate.wait()
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            task = group.create_task(asyncio.to_thread(lambda: "washed"))
        return task.result()

    async def cell():
        for switch in (enable_asyncio_run, disable_asyncio_run):
            gate = asyncio.Event()
            task = asyncio.create_task(long_chore(gate))
            await asyncio.sleep(0)
            switch()
            gate.set()
            assert await task == "washed"

    asyncio.run(cell())


@pytest.mark.usefixtures("package")
@in_a_notebook
async def test_errors_come_out_as_they_are():
    """An error, a cancellation, an exit and an interrupt keep their type and are reported once."""
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))

    async def fail(error):
        await asyncio.sleep(0)
        raise error

    for error in (KeyError("rice"), asyncio.CancelledError(), SystemExit(3), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            asyncio.run(fail(error))
    with pytest.raises(ExceptionGroup, match="both"):
        asyncio.run(fail(ExceptionGroup("both", [ValueError(), KeyError()])))
    gc.collect()
    assert told == []


@pytest.mark.usefixtures("package")
@in_a_notebook
async def test_tasks_left_behind_end_with_it():
    """Its own tasks are cancelled and awaited, a failure among them is reported; others go on."""
    loop = asyncio.get_running_loop()
    told = []
    loop.set_exception_handler(lambda loop, context: told.append(context))
    finished = []

    async def forever(name, error=None):
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            finished.append(name)
            if error is not None:
                raise error

    async def spawn():
        return [
            asyncio.create_task(forever("rice")),
            asyncio.create_task(forever("clothes", OSError("flood"))),
        ]

    async def main():
        tasks = await asyncio.create_task(spawn())
        await asyncio.sleep(0)
        return tasks

    mine = asyncio.create_task(forever("mine"))
    await asyncio.sleep(0)
    rice, clothes = asyncio.run(main())
    assert rice.cancelled()
    assert sorted(finished) == ["clothes", "rice"]
    assert not mine.done()
    assert [(context["task"], str(context["exception"])) for context in told] == [
        (clothes, "flood")
    ]
    mine.cancel()
    await asyncio.wait([mine])


@pytest.mark.usefixtures("package")
def test_a_name_that_is_kept_works_while_it_is_on():
    """What `from asyncio import run` took while it was on follows the switch."""

    async def cell():
        enable_asyncio_run()
        run = asyncio.run
        disable_asyncio_run()
        coroutine = asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="cannot be called from a running event loop"):
            run(coroutine)
        coroutine.close()
        enable_asyncio_run()
        assert run(asyncio.sleep(0, "on again")) == "on again"
        disable_asyncio_run()
        return run

    run = asyncio.run(cell())
    assert run(asyncio.sleep(0, "no loop")) == "no loop"
