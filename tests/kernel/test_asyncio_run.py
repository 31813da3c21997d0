"""A script that ends in asyncio.run(main()) runs in a cell of a real kernel, queued with others."""

import sys
import textwrap

import ipykernel
import pytest

from .harness import faults, live_kernel, run_all

ON = "from asyncteach import disable_asyncio_run, enable_asyncio_run\nenable_asyncio_run()"
OFF = "disable_asyncio_run()"
NEW_IPYKERNEL = ipykernel.version_info[:2] >= (7, 1)

SCRIPT = textwrap.dedent(
    """
    import asyncio

    async def chore(name):
        await asyncio.sleep(0.05)
        print(name)
        return name

    async def main():
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            tasks = [group.create_task(chore(name)) for name in ("rice", "clothes")]
        await asyncio.wait_for(asyncio.to_thread(print, "thread"), 60)
        assert asyncio.current_task() in asyncio.all_tasks()
        return [task.result() for task in tasks]

    if __name__ == "__main__":
        print(asyncio.run(main()))
    """
)
SCRIPT_OUTPUT = "rice\nclothes\nthread\n['rice', 'clothes']\n"

# Written without the library's own list of what it touches.
SNAPSHOT = textwrap.dedent(
    """
    import asyncio, asyncio.events, nest_asyncio, nest_asyncio2, sys, tornado.concurrent

    def snapshot():
        loop = asyncio.get_running_loop()
        spaces = [module for name, module in sys.modules.items()
                  if name.split(".")[0] in ("asyncio", "tornado", "nest_asyncio", "nest_asyncio2")]
        spaces += type(loop).__mro__
        spaces += type(getattr(asyncio.events, "_event_loop_policy", None)).__mro__
        found = {(space, name): value
                 for space in spaces for name, value in vars(space).items()}
        return found, set(vars(loop)), loop.get_debug(), sys.get_asyncgen_hooks()

    def same(one, other):
        assert one[0].keys() == other[0].keys(), one[0].keys() ^ other[0].keys()
        different = [key for key in one[0] if one[0][key] is not other[0][key]]
        assert not different, different
        assert one[1:] == other[1:], (one[1:], other[1:])

    before = snapshot()
    """
)


@pytest.fixture(scope="module")
def kernel():
    """One kernel for the tests that leave it as it was."""
    with live_kernel() as kernel:
        yield kernel


def run_clean(kernel, *sources):
    """Queue the cells with asyncio.run() switched on before and off after, and expect no error."""
    runs = kernel.run_all([ON, *map(textwrap.dedent, sources), OFF])
    assert [run.error for run in runs] == [None] * len(runs)
    assert [run.status for run in runs] == ["ok"] * len(runs)
    return runs[1:-1]


def test_scripts_run_queued_and_undone():
    """Scripts queued behind each other all run, plain awaits go on working, then all is undone."""
    same = "same(before, snapshot())"
    top_level = "print(await main())"
    first = [SNAPSHOT, ON, SCRIPT, SCRIPT, SCRIPT, top_level, OFF, same, "asyncio.run(main())"]
    again = [ON, SCRIPT, top_level, OFF, same, top_level]
    runs = run_all([*first, *again], may_raise={8})
    assert faults(runs, must_raise={8}) == []
    outputs = [run.stdout for run in runs]
    assert outputs[2:6] + outputs[10:12] + outputs[14:] == [SCRIPT_OUTPUT] * 7
    assert runs[8].error.ename == "RuntimeError"
    assert "cannot be called from a running event loop" in runs[8].error.evalue


def test_it_says_which_package_it_took(kernel):
    """One line names the package and the reason, and one line says that it is undone."""
    on, off = (run.stdout for run in kernel.run_all([ON, OFF]))
    if NEW_IPYKERNEL:
        assert on == (
            "asyncio.run() now works in this notebook: took nest_asyncio2, because with ipykernel "
            "7.1 and later nest_asyncio loses the cells queued behind asyncio.run().\n"
        )
    elif sys.version_info >= (3, 14):
        assert "took nest_asyncio2, because from Python 3.14 on" in on
    else:
        assert "took nest_asyncio, which is sound" in on
    assert off == "asyncio.run() is Python's own again: in a notebook write `await main()`.\n"


def test_a_second_call_says_that_it_is_on(kernel):
    """Calling it twice patches once, and one call undoes it."""
    again, off = run_clean(kernel, "enable_asyncio_run()", f"{OFF}\n{OFF}\nenable_asyncio_run()")
    assert again.stdout.startswith("asyncio.run() already works in this notebook, with nest_asyn")
    assert "Nothing to undo: enable_asyncio_run() is not on.\n" in off.stdout


def test_an_error_in_main_keeps_its_type_and_place(kernel):
    """What main() raises comes out of asyncio.run() with the learner's own line."""
    on, run, off = kernel.run_all(
        [ON, "import asyncio\nasync def main():\n    {}['rice']\n\nasyncio.run(main())", OFF],
        may_raise={1},
    )
    assert (on.status, off.status) == ("ok", "ok")
    assert (run.error.ename, run.error.evalue) == ("KeyError", "'rice'")
    assert "{}['rice']" in run.error.traceback


def test_a_forgotten_bracket_is_named(kernel):
    """asyncio.run(main) is answered with the line to write."""
    source = "import asyncio\nasync def main(): pass\nasyncio.run(main)"
    _, run, _ = kernel.run_all([ON, source, OFF], may_raise={1})
    assert run.error.ename == "TypeError"
    assert run.error.evalue == (
        "asyncio.run() needs a coroutine: write asyncio.run(main()), with brackets"
    )


def test_tasks_left_behind_are_cancelled_and_no_others(kernel):
    """asyncio.run() cancels what main() spawned; the notebook's own tasks go on."""
    run, after = run_clean(
        kernel,
        """
        import asyncio

        ended = []

        async def forever(name):
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(name)

        mine = asyncio.create_task(forever("mine"))
        await asyncio.sleep(0)

        async def main():
            asyncio.create_task(forever("left behind"))
            await asyncio.sleep(0)

        asyncio.run(main())
        print(ended, mine.done())
        """,
        "print(mine.done()); mine.cancel(); await asyncio.wait([mine]); print(ended)",
    )
    assert run.stdout == "['left behind'] False\n"
    assert after.stdout == "False\n['left behind', 'mine']\n"


def test_tasks_outlive_the_switch_in_both_directions(kernel):
    """A task spawned before switching on or off goes on after it, timeouts and all."""
    source = """
        import asyncio

        async def long_chore():
            await gate.wait()
            async with asyncio.timeout(60), asyncio.TaskGroup() as group:
                task = group.create_task(asyncio.to_thread(lambda: "washed"))
            return task.result()
        """
    spawn = (
        "gate = asyncio.Event(); task = asyncio.create_task(long_chore())\nawait asyncio.sleep(0)"
    )
    finish = "gate.set(); print(await task)"
    sources = [textwrap.dedent(source), spawn, ON, finish, spawn, OFF, finish]
    runs = kernel.run_all(sources)
    assert [run.error for run in runs] == [None] * len(runs)
    assert [runs[3].stdout, runs[6].stdout] == ["washed\n", "washed\n"]


def test_the_debug_flag_is_put_back(kernel):
    """debug=True holds inside asyncio.run() only, and without it the flag stays as it is."""
    (run,) = run_clean(
        kernel,
        """
        import asyncio, sys
        loop = asyncio.get_running_loop()

        async def flag():
            return asyncio.get_running_loop().get_debug()

        print(asyncio.run(flag(), debug=True), loop.get_debug())
        loop.set_debug(True)
        try:
            print(asyncio.run(flag()), asyncio.run(flag(), debug=False), loop.get_debug())
        finally:
            loop.set_debug(False)
        await asyncio.sleep(0)
        print(sys.get_coroutine_origin_tracking_depth())
        """,
    )
    assert run.stdout == "True False\nTrue False True\n0\n"


def test_asyncio_run_inside_asyncio_run_and_in_a_thread(kernel):
    """Nested calls each return their own value, and a thread gets a loop of its own as always."""
    (run,) = run_clean(
        kernel,
        """
        import asyncio, threading

        async def inner():
            await asyncio.sleep(0.01)
            return asyncio.get_running_loop()

        async def outer():
            return asyncio.run(inner()), await asyncio.to_thread(asyncio.run, inner())

        here, there = asyncio.run(outer())
        print(here is asyncio.get_running_loop(), there is here, there.is_closed())
        """,
    )
    assert run.stdout == "True False True\n"


def test_a_runner_still_refuses(kernel):
    """asyncio.Runner can't be had under either package: Python's own sentence says so."""
    source = """
        import asyncio

        async def main(): pass

        coroutine = main()
        with asyncio.Runner() as runner:
            try:
                runner.run(coroutine)
            except RuntimeError as error:
                print(error)
        coroutine.close()
        """
    (run,) = run_clean(kernel, source)
    assert "cannot be called from a running event loop" in run.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="an interrupt is not a signal there")
@pytest.mark.parametrize(
    ("naps", "first_line"),
    [
        pytest.param("0.05", "import asyncio", id="mostly idle"),
        # Most interrupts then come in the middle of asyncio's own bookkeeping.
        pytest.param("0", "import asyncio", id="never idle"),
        pytest.param("0.05", "import asyncio; await asyncio.sleep(0)", id="after an await"),
    ],
)
def test_an_interrupt_ends_asyncio_run(kernel, naps, first_line):
    """The stop button ends asyncio.run(), its tasks are cancelled, and the kernel lives on."""
    source = textwrap.dedent(
        f"""
        {first_line}

        async def main():
            try:
                print("started", flush=True)
                while True:
                    await asyncio.sleep({naps})
            finally:
                print("cleaned up")

        asyncio.run(main())
        """
    )
    assert kernel.run(ON).status == "ok"
    for _ in range(10):
        run = kernel.run(source, interrupt_at="started")
        assert run.error is not None, run
        assert run.error.ename == "KeyboardInterrupt"
        assert run.stdout == "started\ncleaned up\n"
    assert kernel.run("asyncio.run(asyncio.sleep(0, 'alive'))").displays[0]["text/plain"] == (
        "'alive'"
    )
    assert kernel.run(OFF).status == "ok"


@pytest.mark.skipif(sys.platform == "win32", reason="an interrupt is not a signal there")
def test_a_second_interrupt_ends_what_never_awaits(kernel):
    """As in a script: the first one waits for main() to hear of it, the second doesn't wait."""
    source = """
        import asyncio, os, signal, time

        async def main():
            os.kill(os.getpid(), signal.SIGINT)
            print("still here")
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60)

        before = signal.getsignal(signal.SIGINT)
        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            print("ended", signal.getsignal(signal.SIGINT) is before)
        """
    assert kernel.run(ON).status == "ok"
    run = kernel.run(textwrap.dedent(source))
    assert run.stdout == "still here\nended True\n", run
    assert kernel.run(OFF).status == "ok"


@pytest.mark.parametrize("package", ["nest_asyncio", "nest_asyncio2"])
def test_a_patch_of_the_users_own_is_left_alone(package):
    """A package that the user applied is named, and disable_asyncio_run() doesn't undo it."""
    apply = f"import asyncio, {package}; {package}.apply(); run = asyncio.run"
    with live_kernel() as kernel:
        runs = [kernel.run(source) for source in (apply, ON, OFF, "print(asyncio.run is run)")]
    assert [run.stdout for run in runs[1:]] == [
        f"{package} has already been applied here: nothing changed.\n",
        "Nothing to undo: enable_asyncio_run() is not on.\n",
        "True\n",
    ]
