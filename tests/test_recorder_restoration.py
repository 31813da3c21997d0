"""When a recording has ended, nothing is left of it: everything is as it was."""

import asyncio
import concurrent.futures
import contextvars
import gc
import logging
import signal
import sys
import threading
import time
import warnings
from asyncio import events, runners
from concurrent.futures import ThreadPoolExecutor

import pytest

from asyncteach import record, virtual_time
from asyncteach.recorder.record import registry
from asyncteach.recorder.scope import current_session

OF_THE_PROGRAM = ("__warningregistry__", "_event_loop_policy", "_threads_queues", "_active")


def surroundings():
    """Return what a recorder may have replaced in the process."""
    from concurrent.futures import ProcessPoolExecutor

    owners = (
        *(asyncio.BaseEventLoop, asyncio.SelectorEventLoop, asyncio.Runner, asyncio.Task),
        *(asyncio.Future, asyncio.Handle, asyncio.TimerHandle, threading.Thread),
        *(ThreadPoolExecutor, ProcessPoolExecutor, concurrent.futures.Future),
    )
    found = {owner: dict(vars(owner)) for owner in owners}
    modules = (asyncio, asyncio.tasks, asyncio.events, runners, asyncio.base_events)
    found |= {
        module.__name__: {k: v for k, v in vars(module).items() if k not in OF_THE_PROGRAM}
        for module in (*modules, threading, time, sys.modules["concurrent.futures.thread"])
    }
    found["warnings"] = warnings._warn_unawaited_coroutine, warnings.showwarning, warnings.warn
    found["hooks"] = (
        *(sys.gettrace(), sys.getprofile(), sys.excepthook, sys.unraisablehook),
        *(threading.excepthook, sys.displayhook, tuple(gc.callbacks)),
        *(sys.get_coroutine_origin_tracking_depth(), sys.getswitchinterval()),
        tuple(sys.get_asyncgen_hooks()),
    )
    found["handlers"] = {
        number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)
    }
    found["logging"] = list(logging.getLogger("asyncio").filters)
    found["context"] = set(contextvars.copy_context())
    found["threads"] = set(threading.enumerate())
    return found


def state_of(loop):
    """Return what a recorder may have replaced on a loop."""
    own = dict(vars(loop))
    for name in ("_ready", "_scheduled", "_timer_cancelled_count", "_default_executor"):
        own.pop(name, None)
    return own, dict(vars(loop._selector)), type(loop), loop.get_task_factory()


@pytest.fixture(autouse=True)
def nothing_left_behind():
    before = surroundings()
    yield
    after = surroundings()
    for key, value in before.items():
        if key == "threads":
            assert after[key] <= value
        else:
            assert after[key] == value, key
    assert current_session.get() is None
    assert not registry._sessions
    assert not registry._patches


async def nap():
    await asyncio.sleep(0.001)


def on_a_loop(body):
    """Run `body(loop)`, a coroutine function, and see that the loop is as it was, inside too."""

    async def main():
        loop = asyncio.get_running_loop()
        before = state_of(loop)
        await body(loop)
        assert state_of(loop) == before
        return loop

    return asyncio.run(main())


def test_after_a_recording_as_an_async_block():
    async def body(loop):
        async with record():
            await nap()

    on_a_loop(body)


@pytest.mark.parametrize(
    "kind", [ValueError, KeyboardInterrupt, SystemExit, asyncio.CancelledError]
)
def test_after_an_error(kind):
    async def body(loop):
        with pytest.raises(kind), record():
            await nap()
            raise kind

    on_a_loop(body)
    with pytest.raises(kind), record():
        raise kind


def test_after_an_interrupt_by_a_signal():
    async def main():
        asyncio.get_running_loop().call_later(0.02, signal.raise_signal, signal.SIGINT)
        await asyncio.sleep(10)

    with pytest.raises(KeyboardInterrupt), record():
        asyncio.run(main())


def test_after_a_recording_that_leaves_tasks_and_timers():
    async def body(loop):
        fired = []
        with record():
            task = asyncio.create_task(asyncio.sleep(0.03, "slept"))
            timer = loop.call_later(0.02, fired.append, "timer")
            soon = loop.call_soon(fired.append, "soon")
            safe = loop.call_soon_threadsafe(fired.append, "safe")
            job = asyncio.ensure_future(asyncio.to_thread(time.sleep, 0.02))
            await asyncio.sleep(0)
            late = loop.call_soon(fired.append, "late")
            cancelled = loop.call_later(0.01, fired.append, "cancelled")
            cancelled.cancel()
        assert type(timer) is events.TimerHandle
        assert type(cancelled) is events.TimerHandle
        assert {type(handle) for handle in loop._scheduled} == {events.TimerHandle}
        for handle in (soon, safe, late):
            assert isinstance(handle, asyncio.Handle)
        assert await task == "slept"
        await job
        assert fired == ["soon", "safe", "late", "timer"]

    on_a_loop(body)


def test_after_a_loop_that_outlives_the_recording():
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(nap())
        before = state_of(loop)
        with record() as recording:
            loop.run_until_complete(nap())
        assert state_of(loop) == before
        loop.run_until_complete(nap())
        assert len(recording.names) == 1
    finally:
        loop.close()


@pytest.mark.parametrize(
    "order", ["recording first", "clock first", "recording outlives", "clock outlives"]
)
def test_together_with_virtual_time(order):
    async def body(loop):
        recorder, clock = record(), virtual_time()
        is_first = order in ("recording first", "clock outlives")
        blocks = [recorder, clock] if is_first else [clock, recorder]
        for block in blocks:
            block.__enter__()
        await asyncio.gather(asyncio.sleep(60), nap())
        for block in blocks if "outlives" in order else blocks[::-1]:
            block.__exit__(None, None, None)

    on_a_loop(body)


@pytest.mark.parametrize("crossed", [False, True])
def test_two_recordings_that_end_in_either_order(crossed):
    async def body(loop):
        blocks = [record(), record()]
        for block in blocks:
            block.__enter__()
        await nap()
        for block in blocks if crossed else blocks[::-1]:
            block.__exit__(None, None, None)
        await nap()

    on_a_loop(body)


def test_what_others_have_put_on_the_loop_meanwhile_stays():
    async def main():
        loop = asyncio.get_running_loop()
        with record():
            before = loop.call_soon

            def theirs(callback, *args, context=None):
                return before(callback, *args, context=context)

            loop.call_soon = theirs
            await nap()
        assert loop.call_soon is theirs
        await asyncio.gather(nap(), nap())
        del loop.call_soon

    asyncio.run(main())


def test_what_others_had_put_on_the_loop_before_is_there_again_and_is_called():
    async def body(loop):
        calls = []
        stock = loop.call_soon

        def theirs(callback, *args, context=None):
            calls.append(callback)
            return stock(callback, *args, context=context)

        loop.call_soon = theirs
        with record() as recording:
            await asyncio.gather(nap(), nap())
        assert loop.call_soon is theirs
        assert len(calls) > 4
        assert len(recording.names) == 3
        del loop.call_soon

    on_a_loop(body)


def test_an_exception_handler_and_a_task_factory_are_kept_also_if_set_inside():
    async def body(loop):
        def handler(loop, context):
            pass

        def factory(loop, coroutine, **keywords):
            return asyncio.Task(coroutine, loop=loop, **keywords)

        with record():
            loop.set_exception_handler(handler)
            loop.set_task_factory(factory)
            await asyncio.create_task(nap())
        assert loop.get_exception_handler() is handler
        assert loop.get_task_factory() is factory
        loop.set_exception_handler(None)
        loop.set_task_factory(None)

    on_a_loop(body)


def test_a_loop_that_another_thread_runs_is_put_back_too():
    loop = asyncio.new_event_loop()
    before = state_of(loop)
    with record() as recording:
        thread = threading.Thread(target=loop.run_until_complete, args=(nap(),))
        thread.start()
        thread.join()
    assert state_of(loop) == before
    assert len(recording.names) == 1
    loop.close()


def test_no_recorder_no_cost():
    """With nothing recorded, nothing is patched: also while the package is imported."""
    assert vars(asyncio.BaseEventLoop)["run_forever"].__module__ == "asyncio.base_events"
    assert vars(asyncio.Runner)["run"].__module__ == "asyncio.runners"
    assert vars(threading.Thread)["start"].__module__ == "threading"
