"""A script that ends in asyncio.run(main()) runs in a cell of a real kernel, queued with others."""

import textwrap

import ipykernel
import pytest

from .harness import faults, live_kernel, needs_signals, run_all

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


def test_scripts_run_queued_and_undone():
    """Scripts queued behind each other all run, plain awaits go on working, then all is undone.

    One line names the package and the reason, and one line says that it is undone.
    """
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
    if NEW_IPYKERNEL:
        assert outputs[1] == (
            "asyncio.run() now works in this notebook: took nest_asyncio2, because with ipykernel "
            "7.1 and later nest_asyncio loses the cells queued behind asyncio.run().\n"
        )
    assert outputs[6] == (
        "asyncio.run() is Python's own again: in a notebook write `await main()`.\n"
    )


@pytest.fixture(scope="module")
def kernel():
    """One kernel for the tests that leave it as it was."""
    with live_kernel() as kernel:
        yield kernel


@needs_signals
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
    source = f"""
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
    assert kernel.run(ON).status == "ok"
    for _ in range(10):
        run = kernel.run(textwrap.dedent(source), interrupt_at="started")
        assert run.error is not None, run
        assert run.error.ename == "KeyboardInterrupt"
        assert run.stdout == "started\ncleaned up\n"
    assert kernel.value("asyncio.run(asyncio.sleep(0, 'alive'))") == "'alive'"
    assert kernel.run(OFF).status == "ok"


@needs_signals
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
    runs = kernel.run_all([ON, textwrap.dedent(source), OFF])
    assert runs[1].stdout == "still here\nended True\n", runs[1]
