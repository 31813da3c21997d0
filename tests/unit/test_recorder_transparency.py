"""A recorder can't be noticed: code does the same with it as without it."""

import asyncio
import contextlib
import contextvars
import gc
import inspect
import io
import logging
import sys
import threading
import time
import traceback
import warnings

import pytest
import random_programs
from hypothesis import given
from hypothesis import strategies as st
from random_programs import often

from asyncteach import record, virtual_time

number = contextvars.ContextVar("number", default=0)


# Random programs


@contextlib.contextmanager
def no_recording():
    yield


def run_program(program, *, around=no_recording, within=no_recording, debug=False, eager=False):
    async def main(clock):
        if eager:
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        return await random_programs.main(program, clock, within)

    with virtual_time() as clock, around():
        return asyncio.run(main(clock), debug=debug)


@pytest.mark.filterwarnings("ignore:coroutine 'perform' was never awaited")
@often
@given(random_programs.programs(), st.booleans())
def test_random_programs_do_the_same_in_the_same_order(program, eager):
    """Results, exceptions with their lines and context, names, contexts, and when it all was."""
    eager = eager and hasattr(asyncio, "eager_task_factory")
    plain = run_program(program, eager=eager)
    assert run_program(program, eager=eager, around=record) == plain
    assert run_program(program, eager=eager, within=record) == plain
    assert run_program(program, eager=eager, within=record, debug=True) == plain


# What each of these returns is the same with and without a recorder, and what it should be.


async def coroutine_of_a_task_is_the_users_own():
    async def work():
        await asyncio.sleep(0)

    coroutine = work()
    task = asyncio.create_task(coroutine)
    found = task.get_coro() is coroutine, inspect.iscoroutine(task.get_coro()), "work" in repr(task)
    await task
    return found, (True, True, True)


async def type_of_a_task_and_of_the_loop():
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(asyncio.sleep(0))
    await task
    return (type(task), type(loop), loop.get_task_factory()), (
        asyncio.Task,
        asyncio.SelectorEventLoop,
        None,
    )


async def names_that_asyncio_gives():
    tasks = [asyncio.create_task(asyncio.sleep(0)) for _ in range(3)]
    await asyncio.gather(*tasks)
    first, *others = (int(task.get_name().removeprefix("Task-")) for task in tasks)
    return [other - first for other in others], [1, 2]


async def traceback_of_an_awaited_task():
    async def inner():
        raise ValueError("broken")

    async def work():
        await asyncio.sleep(0)
        await inner()

    try:
        await asyncio.create_task(work())
    except ValueError as error:
        names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    return names, ["traceback_of_an_awaited_task", "work", "inner"]


async def traceback_of_what_a_thread_raises():
    def work():
        raise ValueError("broken")

    try:
        await asyncio.to_thread(work)
    except ValueError as error:
        names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    return names, names


async def a_context_of_its_own():
    context = contextvars.Context()
    task = asyncio.get_running_loop().create_task(asyncio.sleep(0), context=context)
    await task
    return len(context), 0


async def an_exception_that_nobody_retrieves():
    heard = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: heard.append(context["message"]))

    async def fail():
        raise KeyError

    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    gc.collect()
    loop.set_exception_handler(None)
    return heard, ["Task exception was never retrieved"]


async def a_task_that_is_destroyed():
    heard = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: heard.append(context["message"]))

    async def lost():
        await loop.create_future()

    task = asyncio.create_task(lost())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    gc.collect()
    loop.set_exception_handler(None)
    return heard, ["Task was destroyed but it is pending!"]


async def a_callback_that_raises():
    heard = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(
        lambda _, context: heard.append((sorted(context), str(context["exception"])))
    )
    loop.call_soon(int, "x")
    loop.call_later(0, int, "y")
    await asyncio.sleep(0.002)
    loop.set_exception_handler(None)
    text = "invalid literal for int() with base 10: "
    keys = ["exception", "handle", "message"]
    return heard, [(keys, f"{text}'x'"), (keys, f"{text}'y'")]


async def reprs_of_handles():
    loop = asyncio.get_running_loop()
    handles = [loop.call_soon(print), loop.call_later(60, print)]
    kinds = [type(handle).__name__ for handle in handles]
    texts = [repr(handle).partition(" at ")[0].partition(" when")[0] for handle in handles]
    state = [isinstance(handles[0], asyncio.Handle), isinstance(handles[1], asyncio.TimerHandle)]
    for handle in handles:
        handle.cancel()
        state.append(handle.cancelled())
    return (kinds, texts, state), (
        ["Handle", "TimerHandle"],
        [f"<Handle {print.__name__}()>", "<TimerHandle"],
        [True] * 4,
    )


async def a_warning_of_the_debug_mode_names_the_task():
    loop, heard = asyncio.get_running_loop(), io.StringIO()
    handler = logging.StreamHandler(heard)
    logger = logging.getLogger("asyncio")
    logger.addHandler(handler)
    loop.set_debug(True)
    loop.slow_callback_duration = 0.01

    async def slow():
        time.sleep(0.02)

    await asyncio.create_task(slow())
    loop.set_debug(False)
    logger.removeHandler(handler)
    return ("slow()" in heard.getvalue(), "stepper" in heard.getvalue()), (True, False)


async def a_source_traceback_of_the_debug_mode():
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    handles = [
        loop.call_soon(print),
        loop.call_later(60, print),
        loop.call_soon_threadsafe(print),
    ]
    task = asyncio.create_task(asyncio.sleep(0))
    loop.set_debug(False)
    names = [handle._source_traceback[-1].name for handle in handles]
    names.append(task._source_traceback[-1].name)
    for handle in handles:
        handle.cancel()
    await task
    here = "a_source_traceback_of_the_debug_mode"
    return (names[0], names[2]), (here, here)


async def a_coroutine_that_is_never_awaited():
    async def forgotten():
        pass

    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        forgotten()
        gc.collect()
    text = "coroutine 'a_coroutine_that_is_never_awaited.<locals>.forgotten' was never awaited"
    return [str(one.message).partition("\n")[0] for one in heard], [text]


async def a_task_factory_of_the_users_own():
    made = []

    class Own(asyncio.Task):
        pass

    def factory(loop, coroutine, **keywords):
        made.append(coroutine.__qualname__)
        return Own(coroutine, loop=loop, **keywords)

    loop = asyncio.get_running_loop()
    loop.set_task_factory(factory)
    task = asyncio.create_task(asyncio.sleep(0, "done"), name="own")
    loop.set_task_factory(None)
    return (type(task) is Own, task.get_name(), await task, made), (True, "own", "done", ["sleep"])


async def order_of_callbacks():
    log = []
    loop = asyncio.get_running_loop()

    async def work(name):
        for part in range(3):
            log.append(f"{name}{part}")
            await asyncio.sleep(0)

    loop.call_soon(log.append, "soon")
    loop.call_later(0, log.append, "later")
    tasks = [asyncio.create_task(work(name)) for name in "ab"]
    tasks[0].add_done_callback(lambda _: log.append("done"))
    loop.call_soon_threadsafe(log.append, "safe")
    await asyncio.gather(*tasks)
    log.remove("later")  # a timer of no delay comes when the clock has moved
    return log, ["soon", "a0", "b0", "safe", "a1", "b1", "a2", "b2", "done"]


async def thread_attributes():
    names = []
    thread = threading.Thread(target=lambda: names.append(threading.current_thread().name))
    thread.start()
    thread.join()
    return (names == [thread.name], sorted(set(vars(thread)) & {"run"})), (True, [])


def same(check):
    plain, expected = asyncio.run(check())

    async def recorded_within():
        with record():
            return await check()

    within, _ = asyncio.run(recorded_within())
    with record():
        around, _ = asyncio.run(check())
    with record(), record():
        twice, _ = asyncio.run(recorded_within())
    assert [plain, within, around, twice] == [expected] * 4


CHECKS = [
    check
    for check in list(globals().values())
    if inspect.isfunction(check) and inspect.iscoroutinefunction(check)
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_same_is_seen_with_and_without_a_recorder(check):
    same(check)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.12 brought eager tasks")
def test_eager_tasks_begin_at_once_and_end_as_they_would():
    async def work(name, log):
        log.append(f"{name} begins")
        await asyncio.sleep(0)
        log.append(f"{name} ends")
        return asyncio.current_task().get_name()

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_task_factory(asyncio.eager_task_factory)
        log = []
        tasks = [asyncio.create_task(work(name, log), name=name) for name in "ab"]
        log.append("made")
        names = await asyncio.gather(*tasks)
        done = asyncio.create_task(asyncio.sleep(-1))
        return log, names, done.done()

    plain = asyncio.run(main())
    with record():
        assert asyncio.run(main()) == plain


# What comes out of asyncio.run


def frames(error):
    return [(frame.name, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("where", ["main", "task", "callback", "thread"])
def test_an_exception_out_of_asyncio_run_has_the_frames_that_it_would_have(kind, where):
    async def fail():
        await asyncio.sleep(0)
        raise kind("broken")

    def fail_now():
        raise kind("broken")

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        if where == "main":
            await fail()
        elif where == "task":
            task = asyncio.create_task(fail())
            await task
        elif where == "callback":
            asyncio.get_running_loop().call_soon(fail_now)
            await asyncio.sleep(0.01)
        else:
            await asyncio.to_thread(fail_now)

    def run(around):
        try:
            with around():
                asyncio.run(main())
        except BaseException as error:
            # All but the one line of this function.
            return type(error), str(error), [frame[0] for frame in frames(error)]

    plain = run(no_recording)
    assert run(record) == plain
    gc.collect()


def test_a_runner_and_a_loop_used_by_hand_do_the_same():
    async def fail():
        raise ValueError("broken")

    def by_runner():
        with asyncio.Runner() as runner:
            assert runner.run(asyncio.sleep(0, "one")) == "one"
            assert runner.run(asyncio.sleep(0, "two")) == "two"
            runner.run(fail())

    def by_loop():
        loop = asyncio.new_event_loop()
        try:
            assert loop.run_until_complete(asyncio.sleep(0, "one")) == "one"
            loop.run_until_complete(fail())
        finally:
            loop.close()

    for run in (by_runner, by_loop):
        found = []
        for around in (no_recording, record):
            with pytest.raises(ValueError, match="broken") as caught, around():
                run()
            found.append([frame[0] for frame in frames(caught.value)])
        assert found[0] == found[1]
