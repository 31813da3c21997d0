"""An answer that hangs or spins is stopped, whatever it does, and nothing of it is left."""

import asyncio
import contextlib
import functools
import gc
import inspect
import queue
import signal
import sys
import threading
import time
import warnings

import pytest

from asyncteach.checks import deadline
from asyncteach.checks.deadline import run_within
from asyncteach.recorder.record import record
from asyncteach.virtual_clock.virtual_time import virtual_time

ON_MAIN = pytest.mark.skipif(sys.platform == "win32", reason="a signal wakes them")
SHORT = 0.2


@pytest.fixture(autouse=True)
def _nothing_is_left():
    """Handlers, traces and threads are what they were, whatever was stopped."""
    numbers = (signal.SIGINT, *(getattr(signal, n, signal.SIGINT) for n in ("SIGURG", "SIGWINCH")))
    before = [signal.getsignal(n) for n in numbers], sys.gettrace(), threading.active_count()
    yield
    after = [signal.getsignal(n) for n in numbers], sys.gettrace()
    assert after == before[:2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


def stop(answer, seconds=SHORT):
    """Run an answer on a loop of its own, see that all is quiet afterwards; return the outcome."""

    async def main():
        outcome = await run_within(seconds, answer)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert await asyncio.sleep(0.01, "alive") == "alive"
        assert asyncio.get_running_loop().get_task_factory() is None
        return outcome

    return asyncio.run(main())


def line_of(answer, text):
    """Return the number of the line of a function that has this text."""
    lines, first = inspect.getsourcelines(answer)
    return first + next(n for n, line in enumerate(lines) if text in line)


# What ends by itself


def test_a_value_comes_back():
    assert stop(functools.partial(asyncio.sleep, 0, 5), 60) == deadline.Outcome(5)


def test_an_exception_comes_back_as_it_was():
    async def fail():
        raise KeyError("k")

    outcome = stop(fail, 60)
    assert isinstance(outcome.error, KeyError)
    assert outcome.error.__traceback__.tb_next.tb_next is None
    assert not outcome.stopped


def test_what_makes_nothing_to_await_is_an_error():
    assert isinstance(stop(lambda: 5, 60).error, TypeError)


def test_an_answer_that_cancels_itself():
    async def give_up():
        raise asyncio.CancelledError

    assert isinstance(stop(give_up, 60).error, asyncio.CancelledError)


def test_an_answer_that_leaves_python_does_not():
    async def leave():
        sys.exit(3)

    assert isinstance(stop(leave, 60).error, SystemExit)


def test_a_deadline_that_is_far_away_costs_nothing():
    started = time.perf_counter()
    stop(functools.partial(asyncio.sleep, 0), 3600)
    assert time.perf_counter() - started < 20


def test_what_is_left_running_is_stopped_too():
    left = []

    async def leave_one():
        left.append(asyncio.create_task(asyncio.sleep(1000)))
        return 5

    assert stop(leave_one, 60) == deadline.Outcome(5)
    assert left[0].cancelled()


# What hangs


async def hang():
    await asyncio.Event().wait()  # HERE


async def sleep_long():
    await asyncio.sleep(1000)  # HERE


async def sleep_again_and_again():
    while True:
        await asyncio.sleep(0.01)  # HERE


async def yield_again_and_again():
    while True:
        await asyncio.sleep(0)  # HERE


async def swallow_cancellation():
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(1000)  # HERE


async def swallow_everything():
    while True:
        try:  # noqa: SIM105
            await asyncio.sleep(1000)  # HERE
        except BaseException:
            pass


async def swallow_and_wait_on():
    lock = asyncio.Lock()
    await lock.acquire()
    try:
        await lock.acquire()  # HERE
    except BaseException:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(1000)


async def look_beside_others():
    await asyncio.gather(asyncio.sleep(1000), asyncio.sleep(1000), yield_again_and_again())


async def gather_some():
    await asyncio.gather(hang(), sleep_long())


async def group_some():
    async with asyncio.TaskGroup() as group:
        group.create_task(swallow_cancellation())
        group.create_task(asyncio.sleep(0))


async def shield_one():
    await asyncio.shield(hang())


async def wait_for_a_grandchild():
    async def parent():
        await asyncio.create_task(swallow_everything())

    await asyncio.create_task(parent())


async def wait_for_oneself():
    task = asyncio.current_task()
    queue_ = asyncio.Queue()
    task.mine = queue_
    await queue_.get()  # HERE


HANGS = {
    one: one
    for one in (
        hang, sleep_long, sleep_again_and_again, yield_again_and_again, swallow_cancellation,
        swallow_everything, swallow_and_wait_on, wait_for_oneself,
    )
} | {
    gather_some: hang,
    look_beside_others: yield_again_and_again,
    group_some: swallow_cancellation,
    shield_one: None,
    wait_for_a_grandchild: swallow_everything,
}  # fmt: skip


@pytest.mark.parametrize("answer", HANGS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("virtual", [False, True], ids=["real", "virtual"])
def test_what_hangs_is_stopped(answer, virtual):
    async def in_virtual_time():
        with virtual_time():
            return await answer()

    if virtual and answer in (sleep_long, gather_some):
        pytest.skip("in virtual time it ends")
    outcome = stop(in_virtual_time if virtual else answer)
    assert outcome.stopped
    assert outcome.how == "hung"
    assert outcome.left == ""
    if where := HANGS[answer]:
        assert outcome.place.line == line_of(where, "HERE")


def test_the_deadline_is_real_under_virtual_time_of_the_caller():
    async def main():
        with virtual_time() as clock:
            outcome = await run_within(0.2, sleep_again_and_again)
            assert clock.seconds > 5
            ended = await run_within(0.5, functools.partial(asyncio.sleep, 3600, "slept"))
        return outcome, ended

    outcome, ended = asyncio.run(main())
    assert outcome.how == "hung"
    assert ended.value == "slept"


# What spins


async def spin():
    while True:
        pass


async def count_up():
    n = 0
    while True:
        n += 1


async def call_and_call():
    def help_out(n):
        return n + 1

    n = 0
    while True:
        n = help_out(n)


async def spin_in_an_expression():
    return sum(1 for _ in iter(int, 1))


async def swallow_and_spin():
    while True:
        try:  # noqa: SIM105
            time.perf_counter()
        except BaseException:
            pass


async def swallow_around_a_spin():
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass


async def swallow_twice():
    while True:
        try:
            while True:
                try:
                    while True:
                        pass
                except BaseException:
                    pass
        except BaseException:
            pass


async def suppress_and_spin():
    while True:
        with contextlib.suppress(BaseException):
            while True:
                time.perf_counter()


async def keep_what_is_caught():
    kept = []
    while True:
        try:
            while True:
                pass
        except BaseException as error:
            kept.append(error)


async def spawn_a_spin():
    await asyncio.gather(spin(), asyncio.sleep(0))


async def spawn_a_spin_that_swallows():
    async def parent():
        await asyncio.create_task(swallow_around_a_spin())

    await asyncio.gather(parent(), hang())


async def spin_in_a_callback():
    asyncio.get_running_loop().call_soon(lambda: [None for _ in iter(int, 1)])
    await asyncio.sleep(5)


def spin_without_async():
    while True:
        pass


async def spin_when_cancelled():
    try:
        await asyncio.sleep(1000)
    finally:
        while True:
            pass


SPINS = [
    spin, count_up, call_and_call, spin_in_an_expression, swallow_and_spin, swallow_around_a_spin,
    swallow_twice, suppress_and_spin, keep_what_is_caught, spawn_a_spin,
    spawn_a_spin_that_swallows, spin_without_async,
]  # fmt: skip


@pytest.mark.parametrize("answer", SPINS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("virtual", [False, True], ids=["real", "virtual"])
def test_what_spins_is_stopped(answer, virtual):
    async def in_virtual_time():
        with virtual_time():
            return await answer()

    outcome = stop(in_virtual_time if virtual else answer)
    assert outcome.stopped
    assert outcome.how == "spun"
    assert outcome.left == ""
    assert outcome.place.file.endswith("test_deadline.py")


def test_the_line_that_spins_is_told():
    outcome = stop(count_up)
    lines, first = inspect.getsourcelines(count_up)
    assert first + 2 <= outcome.place.line <= first + len(lines)


def test_a_spin_in_what_cleans_up():
    outcome = stop(spin_when_cancelled)
    assert outcome.how == "hung"


def test_a_callback_that_spins(caplog):
    assert stop(spin_in_a_callback).how == "spun"
    assert "Exception in callback" in caplog.text


@pytest.mark.parametrize("answer", SPINS, ids=lambda one: one.__name__)
def test_a_recording_of_what_is_stopped_is_whole(answer):
    recordings = []

    async def recorded():
        with record() as recording:
            recordings.append(recording)
            return await answer()

    assert stop(recorded).stopped
    assert recordings[0].seconds > 0


# What blocks


def sleep_in_the_thread():
    time.sleep(1000)


def wait_for_a_lock():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def wait_with_a_lock():
    lock = threading.Lock()
    with lock, lock:
        pass


def wait_for_an_event():
    threading.Event().wait()


def wait_for_an_item():
    queue.Queue().get()


def sleep_and_swallow():
    while True:
        try:  # noqa: SIM105
            time.sleep(1000)
        except BaseException:
            pass


BLOCKS = [
    sleep_in_the_thread, wait_for_a_lock, wait_with_a_lock, wait_for_an_event, wait_for_an_item,
    sleep_and_swallow,
]  # fmt: skip


@ON_MAIN
@pytest.mark.parametrize("block", BLOCKS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("virtual", [False, True], ids=["real", "virtual"])
def test_what_blocks_the_thread_is_stopped(block, virtual):
    async def answer():
        with virtual_time() if virtual else contextlib.nullcontext():
            await asyncio.sleep(0)
            block()

    if virtual and block is sleep_in_the_thread:
        pytest.skip("in virtual time it ends")
    outcome = stop(answer)
    assert outcome.stopped
    assert outcome.how == "spun"
    assert outcome.place.file.endswith("test_deadline.py")


# In another thread than the main one


def in_a_thread(call):
    """Return what a function gives that is called in another thread."""
    results = []
    thread = threading.Thread(target=lambda: results.append(call()), daemon=True)
    thread.start()
    thread.join(15)
    assert results, "it never came back"
    return results[0]


ELSEWHERE = [one for one in SPINS if one not in (swallow_twice,)]


@pytest.mark.parametrize("answer", ELSEWHERE, ids=lambda one: one.__name__)
def test_a_spin_in_another_thread_is_stopped(answer):
    outcome = in_a_thread(lambda: stop(answer))
    assert outcome.stopped
    assert outcome.how == "spun"


@pytest.mark.parametrize("answer", HANGS, ids=lambda one: one.__name__)
def test_a_hang_in_another_thread_is_stopped(answer):
    outcome = in_a_thread(lambda: stop(answer))
    assert outcome.stopped
    assert outcome.how == "hung"


# Threads that it has started


def test_a_thread_that_waits_cannot_be_stopped_and_that_is_told():
    free = threading.Event()

    async def answer():
        await asyncio.to_thread(free.wait)  # HERE

    async def main():
        outcome = await run_within(SHORT, answer)
        free.set()
        return outcome

    outcome = asyncio.run(main())
    assert outcome.how == "hung"
    assert outcome.place.line == line_of(answer, "HERE")
    assert outcome.left == deadline.LEFT_THREAD


def test_threads_that_never_come_back_take_no_room_from_others():
    free = threading.Event()

    async def answer():
        await asyncio.gather(*(asyncio.to_thread(free.wait) for _ in range(50)))

    async def main():
        outcome = await run_within(SHORT, answer)
        try:
            async with asyncio.timeout(10):
                return outcome, await asyncio.to_thread(threading.get_ident)
        finally:
            free.set()

    outcome, ident = asyncio.run(main())
    assert outcome.left == deadline.LEFT_THREAD
    assert ident != threading.get_ident()


def test_a_thread_that_spins_is_stopped():
    async def answer():
        await asyncio.to_thread(spin_without_async)

    outcome = stop(answer)
    assert outcome.how == "hung"
    assert outcome.left == ""


def test_a_thread_of_somebody_else_goes_on():
    free = threading.Event()

    async def main():
        other = asyncio.create_task(asyncio.to_thread(free.wait, 60))
        await asyncio.sleep(0.05)
        outcome = await run_within(SHORT, hang)
        free.set()
        return outcome, await other

    outcome, other = asyncio.run(main())
    assert outcome.left == ""
    assert other is True


# Everybody else


def test_tasks_of_others_are_left_alone():
    """A task of another cell goes on, even if the answer waits for it."""
    done = []

    async def other():
        await asyncio.sleep(0.6)
        done.append("other")

    async def main():
        task = asyncio.create_task(other())

        async def answer():
            await asyncio.shield(task)
            await hang()

        assert (await run_within(SHORT, answer)).stopped
        await task

    asyncio.run(main())
    assert done == ["other"]


def test_objects_of_the_notebook_stay_usable():
    async def main():
        gate = asyncio.Semaphore(1)

        async def take():
            async with gate:
                await asyncio.sleep(1000)

        assert (await run_within(SHORT, take)).stopped
        async with asyncio.timeout(5), gate:
            return True

    assert asyncio.run(main())


def test_one_inside_another():
    async def outer():
        inner = await run_within(SHORT, spin)
        assert inner.how == "spun"
        inner = await run_within(60, hang)

    outcome = stop(outer, 1)
    assert outcome.how == "hung"


def test_many_one_after_another():
    async def main():
        return [await run_within(0.02, answer) for answer in (hang, spin) * 10]

    assert [one.how for one in asyncio.run(main())] == ["hung", "spun"] * 10


def test_whoever_is_cancelled_stops_the_answer_at_once():
    ended = []

    async def answer():
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append("answer")

    async def main():
        task = asyncio.create_task(run_within(3600, answer))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    assert ended == ["answer"]


@ON_MAIN
@pytest.mark.parametrize("answer", [hang, spin, swallow_cancellation, swallow_around_a_spin])
def test_ctrl_c_stops_it_at_once(answer):
    """The answer is stopped in good order, and the interrupt arrives as it always does."""
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    if hasattr(signal, "pthread_kill"):
        main = threading.main_thread().ident
        timer = threading.Timer(0.3, signal.pthread_kill, [main, signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(run_within(3600, answer))
    timer.join()


# Others' tasks


def test_a_keyboard_interrupt_of_its_own_is_an_error_like_any_other():
    async def leave():
        raise KeyboardInterrupt

    assert isinstance(stop(leave, 60).error, KeyboardInterrupt)


@pytest.mark.parametrize("below", [False, True], ids=["itself", "a task of it"])
def test_who_waits_for_everybody_is_stopped_and_the_others_go_on(below):
    """A cancelled gather cancels all that it waits for: here they aren't the answer's."""

    async def wait_for_all():
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})

    async def answer():
        await (asyncio.create_task(wait_for_all()) if below else wait_for_all())

    async def main():
        stranger = asyncio.create_task(asyncio.sleep(60), name="stranger")
        outcome = await run_within(SHORT, answer)
        assert outcome.stopped
        assert not stranger.done()
        assert asyncio.all_tasks() == {asyncio.current_task(), stranger}
        stranger.cancel()

    asyncio.run(main())
