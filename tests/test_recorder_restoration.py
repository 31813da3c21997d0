"""When a recording has ended, nothing is left of it: everything is as it was."""

import asyncio
import concurrent.futures
import contextvars
import gc
import inspect
import logging
import signal
import sys
import threading
import time
import warnings
from asyncio import events, runners
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from asyncteach import record, virtual_time
from asyncteach.recorder.record import registry
from asyncteach.recorder.scope import current_session

OF_THE_PROGRAM = ("__warningregistry__", "_event_loop_policy", "_threads_queues", "_active")
OWNERS = (
    *(asyncio.BaseEventLoop, asyncio.SelectorEventLoop, asyncio.Runner, asyncio.Task),
    *(asyncio.Future, asyncio.Handle, asyncio.TimerHandle, asyncio.Lock, threading.Thread),
    *(ThreadPoolExecutor, ProcessPoolExecutor, concurrent.futures.Future),
    *(asyncio, asyncio.tasks, asyncio.events, runners, asyncio.base_events, threading, time),
    *(concurrent.futures.thread, warnings),
)


def surroundings():
    """Return what a recorder may have replaced in the process."""
    found = {
        owner: {k: v for k, v in vars(owner).items() if k not in OF_THE_PROGRAM} for owner in OWNERS
    }
    found["hooks"] = (
        *(sys.gettrace(), sys.getprofile(), sys.excepthook, sys.unraisablehook),
        *(threading.excepthook, sys.displayhook, tuple(gc.callbacks)),
        *(sys.get_coroutine_origin_tracking_depth(), sys.getswitchinterval()),
        *(tuple(sys.get_asyncgen_hooks()), signal.getsignal(signal.SIGINT)),
        list(logging.getLogger("asyncio").filters),
    )
    found["context"] = set(contextvars.copy_context())
    return found


def state_of(loop):
    """Return what a recorder may have replaced on a loop."""
    own = dict(vars(loop))
    for name in ("_ready", "_scheduled", "_timer_cancelled_count", "_default_executor"):
        own.pop(name, None)
    return own, dict(vars(loop._selector)), type(loop), loop.get_task_factory()


@pytest.fixture(autouse=True)
def nothing_left_behind():
    before, threads = surroundings(), set(threading.enumerate())
    yield
    after = surroundings()
    assert [key for key in before if before[key] != after[key]] == []
    assert set(threading.enumerate()) <= threads
    assert current_session.get() is None
    assert not registry._sessions
    assert not registry.patches


async def nap():
    await asyncio.sleep(0.001)


# Each of these is run on a loop which must then be as it was


async def after_a_recording_that_leaves_tasks_and_timers(loop):
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
    assert {type(handle) for handle in (timer, cancelled, *loop._scheduled)} == {events.TimerHandle}
    assert all(isinstance(handle, asyncio.Handle) for handle in (soon, safe, late))
    assert await task == "slept"
    await job
    assert fired == ["soon", "safe", "late", "timer"]


async def what_others_had_put_on_the_loop_before_is_there_again_and_is_called(loop):
    calls, stock = [], loop.call_soon

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


async def what_others_have_put_on_the_loop_meanwhile_stays(loop):
    with record():
        before = loop.call_soon
        loop.call_soon = theirs = lambda *args, context=None: before(*args, context=context)
        await nap()
    assert loop.call_soon is theirs
    await asyncio.gather(nap(), nap())
    del loop.call_soon


async def an_exception_handler_and_a_task_factory_are_kept_also_if_set_inside(loop):
    def factory(loop, coroutine, **keywords):
        return asyncio.Task(coroutine, loop=loop, **keywords)

    with record():
        loop.set_exception_handler(handler := lambda *_: None)
        loop.set_task_factory(factory)
        await asyncio.create_task(nap())
    assert (loop.get_exception_handler(), loop.get_task_factory()) == (handler, factory)
    loop.set_exception_handler(None)
    loop.set_task_factory(None)


async def locks_are_as_before(loop):
    lock = asyncio.Lock()
    with record():
        await lock.acquire()
    assert lock.locked()
    lock.release()
    assert not lock.locked()


BODIES = [
    function
    for function in list(globals().values())
    if inspect.isfunction(function)
    and inspect.iscoroutinefunction(function)
    and function is not nap
]


def on_a_loop(body):
    async def main():
        loop = asyncio.get_running_loop()
        before = state_of(loop)
        await body(loop)
        assert state_of(loop) == before

    asyncio.run(main())


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
def test_the_loop_is_as_it_was(body):
    on_a_loop(body)


@pytest.mark.parametrize("kinds", [(record, virtual_time), (virtual_time, record), (record,) * 2])
@pytest.mark.parametrize("crossed", [False, True])
def test_two_blocks_that_end_in_either_order(kinds, crossed):
    async def body(loop):
        blocks = [kind() for kind in kinds]
        for block in blocks:
            block.__enter__()
        await asyncio.gather(asyncio.sleep(60 if virtual_time in kinds else 0), nap())
        for block in blocks if crossed else blocks[::-1]:
            block.__exit__(None, None, None)
        await nap()

    on_a_loop(body)


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, asyncio.CancelledError])
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

    with pytest.raises(KeyboardInterrupt), record() as recording:
        asyncio.run(main())
    assert recording.tasks()["outcome"].tolist() == ["cancelled"]


@pytest.mark.parametrize("in_a_thread", [False, True])
def test_after_a_loop_that_outlives_the_recording(in_a_thread):
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(nap())
        before = state_of(loop)
        with record() as recording:
            if in_a_thread:
                thread = threading.Thread(target=loop.run_until_complete, args=(nap(),))
                thread.start()
                thread.join()
            else:
                loop.run_until_complete(nap())
        assert state_of(loop) == before
        loop.run_until_complete(nap())
        assert len(recording.names) == 1
    finally:
        loop.close()
