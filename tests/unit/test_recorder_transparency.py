"""A recorder can't be noticed, and what it records adds up."""

import asyncio
import contextlib
import contextvars
import gc
import inspect
import sys
import traceback
import warnings

import pytest
import random_programs
from hypothesis import given
from hypothesis import strategies as st
from lanes import check_invariants
from random_programs import eager_or_not, often, rarely, run_recorded

from asyncteach import record, virtual_time

# A program that is cut off may leave coroutines that it meant to start.
pytestmark = pytest.mark.filterwarnings("ignore:coroutine 'perform' was never awaited")


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


@often
@given(random_programs.programs(), eager_or_not)
def test_random_programs_do_the_same_in_the_same_order(program, eager):
    """Results, exceptions with their lines and context, names, contexts, and when it all was."""
    plain = run_program(program, eager=eager)
    assert run_program(program, eager=eager, around=record) == plain
    assert run_program(program, eager=eager, within=record) == plain
    assert run_program(program, eager=eager, within=record, debug=True) == plain


# What each of these returns is the same with and without a recorder, and what it should be.


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


async def tasks_and_contexts_are_asyncios_own():
    async def work():
        await asyncio.sleep(0)

    context, coroutine = contextvars.Context(), work()
    loop = asyncio.get_running_loop()
    task = loop.create_task(coroutine, context=context)
    await task
    found = (type(task), type(loop), loop.get_task_factory(), task.get_coro(), len(context))
    return found == (asyncio.Task, asyncio.SelectorEventLoop, None, coroutine, 0), True


async def what_the_exception_handler_hears_of_lost_tasks():
    heard = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: heard.append(context["message"]))

    async def fail():
        raise KeyError

    async def lost():
        await loop.create_future()

    for work in (fail, lost):
        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task
        gc.collect()
    loop.set_exception_handler(None)
    return heard, ["Task exception was never retrieved", "Task was destroyed but it is pending!"]


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


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, GeneratorExit])
@pytest.mark.parametrize("where", ["main", "task", "callback", "thread", "runner", "loop"])
def test_an_exception_out_of_asyncio_run_has_the_frames_that_it_would_have(kind, where):
    def fail_now():
        raise kind("broken")

    async def fail():
        await asyncio.sleep(0)
        fail_now()

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        if where == "task":
            await asyncio.create_task(fail())
        elif where == "callback":
            asyncio.get_running_loop().call_soon(fail_now)
            await asyncio.sleep(0.01)
        elif where == "thread":
            await asyncio.to_thread(fail_now)
        else:
            await fail()

    def start():
        if where == "runner":
            with asyncio.Runner() as runner:
                runner.run(asyncio.sleep(0))
                runner.run(main())
        elif where == "loop":
            with contextlib.closing(asyncio.new_event_loop()) as loop:
                loop.run_until_complete(main())
        else:
            asyncio.run(main())

    def run(around):
        try:
            with around():
                start()
        except BaseException as error:
            frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
            return type(error), str(error), frames

    plain = run(no_recording)
    assert run(record) == plain
    gc.collect()


# Whatever a program does, its recording adds up


@often
@given(random_programs.programs(), st.booleans(), eager_or_not)
def test_slices_tile_the_life_of_each_task_and_never_overlap_on_a_loop(program, inside, eager):
    check_invariants(run_recorded(program, inside=inside, eager=eager))


@rarely
@given(random_programs.programs(depth=2), st.sampled_from([0.3, 1.1, 2.6]))
def test_a_recording_can_be_read_while_it_goes_on_and_ends_before_its_tasks(program, seconds):
    async def main(clock):
        with record() as recording:
            task = asyncio.create_task(random_programs.main(program, clock, no_recording))
            looks = []
            for _ in range(4):
                await asyncio.wait([task], timeout=seconds / 4)
                check_invariants(recording)
                looks.append(len(recording))
        assert looks == sorted(looks)
        check_invariants(recording)
        before = recording.tasks()
        await asyncio.wait([task])
        assert recording.tasks().equals(before)

    with virtual_time() as clock:
        asyncio.run(main(clock))


@rarely
@given(random_programs.programs(depth=2), st.integers(0, 40))
def test_every_task_is_closed_when_an_interrupt_ends_the_program(program, steps):
    async def interrupted(clock):
        async def interrupt():
            for _ in range(steps):
                await asyncio.sleep(0.1)
            raise KeyboardInterrupt

        bomb = asyncio.create_task(interrupt())
        await random_programs.main(program, clock, no_recording)
        await bomb

    with virtual_time() as clock, pytest.raises(KeyboardInterrupt), record() as recording:
        asyncio.run(interrupted(clock))
    check_invariants(recording)
    assert "still running" not in set(recording.tasks()["outcome"])


@rarely
@given(random_programs.programs(depth=2), st.integers(1, 30))
def test_what_does_not_fit_is_counted(program, most):
    whole = run_recorded(program, inside=True)
    part = run_recorded(program, inside=True, max_slices=most)
    assert len(part) <= most
    assert len(part.names) <= len(whole.names)
    assert whole.dropped == 0
    assert (part.dropped > 0) == (len(whole) > most)
