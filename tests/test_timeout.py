"""An answer that hangs or holds the loop is stopped, and nothing of it is left."""

import asyncio
import contextlib
import functools
import inspect
import io
import queue
import signal
import sys
import threading
import time

import pytest

from asyncteach import check
from asyncteach.checks import timeout
from asyncteach.checks.timeout import run_within
from asyncteach.recorder.record import record
from asyncteach.virtual_clock.virtual_time import virtual_time

ON_MAIN = pytest.mark.skipif(sys.platform == "win32", reason="a signal wakes them")
SHORT = 0.05
REAL_AND_VIRTUAL = pytest.mark.parametrize("virtual", [False, True], ids=["real", "virtual"])


@pytest.fixture(autouse=True)
def _nothing_is_left(monkeypatch):
    """Signal handlers are what they were, whatever was stopped."""
    monkeypatch.setattr(timeout, "GRACE", 10)
    monkeypatch.setattr(timeout, "PAUSE", 0.03)
    numbers = (signal.SIGINT, getattr(signal, "SIGURG", signal.SIGINT))
    before = [signal.getsignal(n) for n in numbers]
    yield
    assert [signal.getsignal(n) for n in numbers] == before


def stop(answer, seconds=SHORT, *, virtual=False):
    """Run an answer on a loop of its own, see that all is quiet afterwards; return its ending."""

    async def main():
        with virtual_time() if virtual else contextlib.nullcontext():
            ending = await run_within(seconds, answer)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert await asyncio.sleep(0.01, "alive") == "alive"
        return ending

    return asyncio.run(main())


def line_of(answer, text="HERE"):
    """Return the number of the line of a function that has this text."""
    lines, first = inspect.getsourcelines(answer)
    return first + next(n for n, line in enumerate(lines) if text in line)


def named(functions):
    return pytest.mark.parametrize("answer", functions, ids=lambda one: one.__name__)


# What ends by itself


async def fail():
    raise KeyError("k")


async def give_up():
    raise asyncio.CancelledError


async def leave_python():
    sys.exit(3)


async def interrupt_itself():
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (fail, KeyError),
        (give_up, asyncio.CancelledError),
        (leave_python, SystemExit),
        (interrupt_itself, KeyboardInterrupt),
        (lambda: 5, TypeError),
    ],
)
def test_an_exception_comes_back(answer, error):
    ending = stop(answer, 60)
    assert isinstance(ending.error, error)
    assert not ending.stopped


def test_a_value_comes_back_long_before_the_deadline():
    assert stop(functools.partial(asyncio.sleep, 0, 5), 3600) == timeout.Ending(5)


def test_what_is_left_running_is_stopped_too():
    left = []

    async def leave_one():
        left.append(asyncio.create_task(asyncio.sleep(1000)))
        return 5

    assert stop(leave_one, 60) == timeout.Ending(5)
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


async def swallow_and_wait_on():
    lock = asyncio.Lock()
    await lock.acquire()
    try:
        await lock.acquire()  # HERE
    except BaseException:
        await asyncio.sleep(1000)


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
        await asyncio.create_task(swallow_cancellation())

    await asyncio.create_task(parent())


HANGS = {
    **{
        one: one
        for one in (
            hang, sleep_long, sleep_again_and_again, yield_again_and_again, swallow_cancellation,
            swallow_and_wait_on,
        )
    },
    gather_some: hang,
    group_some: swallow_cancellation,
    shield_one: hang,
    wait_for_a_grandchild: swallow_cancellation,
}  # fmt: skip


@named(HANGS)
@REAL_AND_VIRTUAL
def test_what_hangs_is_stopped_and_its_line_is_named(answer, virtual):
    if virtual and answer in (sleep_long, swallow_and_wait_on):
        pytest.skip("in virtual time a sleep ends")
    ending = stop(answer, virtual=virtual)
    assert (ending.stopped, ending.held, ending.left) == (True, False, "")
    assert ending.place.line == line_of(HANGS[answer])


def test_a_task_that_catches_everything_is_left_and_a_sentence_says_so():
    is_free = False

    async def swallow_everything():
        while not is_free:
            with contextlib.suppress(BaseException):
                await asyncio.sleep(0.01)

    async def main():
        nonlocal is_free
        ending = await run_within(SHORT, swallow_everything)
        is_free = True
        return ending

    assert "restart the kernel" in asyncio.run(main()).left


# What holds the loop


async def spin():
    while True:
        pass


async def call_and_call():
    def help_out(n):
        return n + 1

    n = 0
    while True:
        n = help_out(n)


async def spin_in_an_expression():
    return sum(1 for _ in iter(int, 1))


async def swallow_exceptions_and_spin():
    while True:
        with contextlib.suppress(Exception):
            while True:
                pass


async def gather_two_spins():
    await asyncio.gather(spin(), spin())


async def leave_a_spin():
    asyncio.get_running_loop().call_soon(asyncio.ensure_future, spin())
    await hang()


def spin_without_async():
    while True:
        pass


SPINS = [
    spin, call_and_call, spin_in_an_expression, swallow_exceptions_and_spin, gather_two_spins,
    leave_a_spin, spin_without_async,
]  # fmt: skip


async def sleep_in_the_thread():
    time.sleep(1000)


async def wait_for_a_lock():
    lock = threading.Lock()
    with lock, lock:
        pass


async def wait_for_an_event():
    threading.Event().wait()


async def wait_for_an_item():
    queue.Queue().get()


BLOCKS = [sleep_in_the_thread, wait_for_a_lock, wait_for_an_event, wait_for_an_item]


@named([*SPINS, *(pytest.param(one, marks=ON_MAIN) for one in BLOCKS)])
@REAL_AND_VIRTUAL
def test_what_holds_the_loop_is_stopped(answer, virtual):
    if virtual and answer is sleep_in_the_thread:
        pytest.skip("in virtual time it ends")
    ending = stop(answer, virtual=virtual)
    assert (ending.stopped, ending.held, ending.left) == (True, True, "")
    assert ending.place.file.endswith("test_timeout.py")


@named([spin, gather_two_spins, hang, swallow_cancellation])
def test_it_works_in_another_thread_than_the_main_one(answer):
    endings = []
    thread = threading.Thread(target=lambda: endings.append(stop(answer)), daemon=True)
    thread.start()
    thread.join(15)
    assert endings[0].stopped
    assert endings[0].held == (answer in SPINS)


def test_cleaning_up_may_hold_the_loop_too():
    async def spin_when_cancelled():
        try:
            await asyncio.sleep(1000)
        finally:
            while True:
                pass

    assert not stop(spin_when_cancelled).held


def test_a_callback_that_holds_the_loop(caplog):
    async def spin_in_a_callback():
        asyncio.get_running_loop().call_soon(lambda: [None for _ in iter(int, 1)])
        await asyncio.sleep(5)

    assert stop(spin_in_a_callback).held
    assert "Exception in callback" in caplog.text


def test_a_step_that_catches_everything_gets_one_exception_and_a_sentence(monkeypatch):
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    caught = []

    async def swallow_and_spin():
        while not said.getvalue():
            try:
                while not said.getvalue():
                    pass
            except BaseException as error:
                caught.append(error)

    stop(swallow_and_spin)
    assert len(caught) == 1
    assert "catches every exception and goes on at test_timeout.py:" in said.getvalue()
    assert "Restart the kernel" in said.getvalue()


@named([hang, spin])
def test_a_recording_of_what_is_stopped_is_whole(answer):
    recordings = []

    async def recorded():
        with record() as recording:
            recordings.append(recording)
            return await answer()

    assert stop(recorded).stopped
    assert recordings[0].seconds > 0


# What else runs


def test_a_thread_goes_on_and_a_sentence_says_so():
    free = threading.Event()

    async def answer():
        await asyncio.to_thread(free.wait)  # HERE

    async def main():
        verdict = await check(answer, deadline=SHORT)
        free.set()
        return str(verdict)

    said = asyncio.run(main())
    assert f"it was at test_timeout.py:{line_of(answer)}. A thread that it started" in said


def test_real_seconds_count_in_virtual_time():
    async def main():
        with virtual_time() as clock:
            ending = await run_within(SHORT, sleep_again_and_again)
            assert clock.seconds > 1
            return ending, await run_within(60, functools.partial(asyncio.sleep, 3600, "slept"))

    ending, ended = asyncio.run(main())
    assert ending.stopped
    assert ended.value == "slept"


def test_tasks_of_others_are_left_alone():
    """A task of another cell goes on, even if the answer waits for it."""

    async def main():
        task = asyncio.create_task(asyncio.sleep(4 * SHORT, "other"))

        async def answer():
            await asyncio.shield(task)
            await hang()

        assert (await run_within(SHORT, answer)).stopped
        return await task

    assert asyncio.run(main()) == "other"


@pytest.mark.parametrize("below", [False, True], ids=["itself", "a task of it"])
def test_what_waits_for_all_tasks_is_stopped_and_the_others_go_on(below):
    """A cancelled gather cancels all that it waits for: here they aren't the answer's."""

    async def wait_for_all():
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})

    async def answer():
        await (asyncio.create_task(wait_for_all()) if below else wait_for_all())

    async def main():
        stranger = asyncio.create_task(asyncio.sleep(60), name="stranger")
        assert (await run_within(SHORT, answer)).stopped
        assert asyncio.all_tasks() == {asyncio.current_task(), stranger}
        stranger.cancel()

    asyncio.run(main())


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
        assert (await run_within(SHORT, spin)).held
        await run_within(60, hang)

    assert not stop(outer, 1).held


def test_what_is_cancelled_stops_the_answer_at_once():
    ended = []

    async def answer():
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append("answer")

    async def main():
        task = asyncio.create_task(run_within(3600, answer))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    assert ended == ["answer"]


@ON_MAIN
@named([hang, spin, swallow_cancellation])
def test_ctrl_c_stops_it_at_once(answer):
    """The answer is stopped in good order, and the interrupt arrives as it always does."""
    main = threading.main_thread().ident
    timer = threading.Timer(0.1, signal.pthread_kill, [main, signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(run_within(3600, answer))
    timer.join()
