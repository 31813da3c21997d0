"""An answer that hangs or holds the loop is stopped, and nothing of it is left."""

import asyncio
import contextlib
import functools
import inspect
import io
import signal
import sys
import threading
import time

import pytest

from asyncteach import check
from asyncteach.checks import timeout
from asyncteach.checks.timeout import run_within
from asyncteach.virtual_clock.virtual_time import virtual_time

ON_POSIX = pytest.mark.skipif(sys.platform == "win32", reason="a signal wakes them")
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


async def raise_error(error):
    raise error


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        *(
            (functools.partial(raise_error, kind()), kind)
            for kind in (KeyError, asyncio.CancelledError, SystemExit, KeyboardInterrupt)
        ),
        (lambda: 5, TypeError),
    ],
)
def test_an_exception_comes_back(answer, error):
    ending = stop(answer, 60)
    assert isinstance(ending.error, error)
    assert not ending.stopped


def test_a_value_comes_back_long_before_the_deadline_and_what_is_left_is_stopped():
    left = []

    async def leave_one():
        left.append(asyncio.create_task(asyncio.sleep(1000)))
        return 5

    assert stop(leave_one, 3600) == timeout.Ending(5)
    assert left[0].cancelled()


# What hangs


async def hang():
    await asyncio.Event().wait()  # HERE


async def sleep_again_and_again():
    while True:
        await asyncio.sleep(0.01)  # HERE


async def swallow_cancellation():
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(1000)  # HERE


async def group_some():
    async with asyncio.TaskGroup() as group:
        group.create_task(swallow_cancellation())
        group.create_task(asyncio.sleep(0))


async def shield_one():
    await asyncio.shield(hang())


HANGS = {
    hang: hang,
    sleep_again_and_again: sleep_again_and_again,
    swallow_cancellation: swallow_cancellation,
    group_some: swallow_cancellation,
    shield_one: hang,
}


@named(HANGS)
@REAL_AND_VIRTUAL
def test_what_hangs_is_stopped_and_its_line_is_named(answer, virtual):
    ending = stop(answer, virtual=virtual)
    assert (ending.stopped, ending.held, ending.left) == (True, False, False)
    assert ending.place.line == line_of(HANGS[answer])


def test_a_task_that_catches_everything_is_left_and_a_sentence_says_so():
    is_free = False

    async def swallow_everything():
        while not is_free:
            with contextlib.suppress(BaseException):
                await asyncio.sleep(0.01)

    async def main():
        nonlocal is_free
        verdict = await check(swallow_everything, deadline=SHORT)
        is_free = True
        return str(verdict)

    assert "One of its tasks can't be stopped: restart the kernel" in asyncio.run(main())


# What holds the loop


async def spin():
    while True:
        pass


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


SPINS = [spin, swallow_exceptions_and_spin, gather_two_spins, leave_a_spin]


async def sleep_in_the_thread():
    time.sleep(1000)


async def wait_for_a_lock():
    lock = threading.Lock()
    with lock, lock:
        pass


BLOCKS = [sleep_in_the_thread, wait_for_a_lock]


@named([*SPINS, *(pytest.param(one, marks=ON_POSIX) for one in BLOCKS)])
@REAL_AND_VIRTUAL
def test_what_holds_the_loop_is_stopped(answer, virtual):
    if virtual and answer is sleep_in_the_thread:
        pytest.skip("in virtual time it ends")
    # Two rounds of the loop go by before the spin that is left begins.
    ending = stop(answer, 0.5 if answer is leave_a_spin else SHORT, virtual=virtual)
    assert (ending.stopped, ending.held, ending.left) == (True, True, False)
    assert ending.place.file.endswith("test_timeout.py")


def test_a_callback_that_holds_the_loop(caplog):
    async def spin_in_a_callback():
        asyncio.get_running_loop().call_soon(lambda: [None for _ in iter(int, 1)])
        await asyncio.sleep(5)

    assert stop(spin_in_a_callback).held
    assert "Exception in callback" in caplog.text


@pytest.mark.parametrize("is_main", [True, False])
def test_a_step_that_cannot_be_stopped_gets_at_most_one_exception_and_a_sentence(
    monkeypatch, is_main
):
    """One that catches everything, or any in another thread than the main one."""
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    caught, endings = [], []

    async def swallow_and_spin():
        while not said.getvalue():
            try:
                while not said.getvalue():
                    pass
            except BaseException as error:
                caught.append(error)

    def run():
        # Another thread's loop still stops what hangs.
        endings.extend(stop(answer) for answer in (swallow_and_spin, hang))

    if is_main:
        run()
    else:
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(30)
    assert len(caught) == is_main
    assert endings[1].stopped
    assert "can't be stopped at test_timeout.py:" in said.getvalue()
    assert "restart the kernel" in said.getvalue()


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
    assert f"it was at test_timeout.py:{line_of(answer)}. A thread that it started goes on" in said


def test_real_seconds_count_in_virtual_time():
    async def main():
        with virtual_time() as clock:
            ending = await run_within(SHORT, sleep_again_and_again)
            assert clock.seconds > 1
            return ending, await run_within(60, functools.partial(asyncio.sleep, 3600, "slept"))

    ending, ended = asyncio.run(main())
    assert ending.stopped
    assert ended.value == "slept"


def test_tasks_and_objects_of_the_notebook_stay_usable():
    """A task of another cell goes on, even if the answer waits for it."""

    async def main():
        task = asyncio.create_task(asyncio.sleep(4 * SHORT, "other"))
        gate = asyncio.Semaphore(1)

        async def answer():
            async with gate:
                await asyncio.shield(task)
                await hang()

        assert (await run_within(SHORT, answer)).stopped
        async with asyncio.timeout(5), gate:
            return await task

    assert asyncio.run(main()) == "other"


def test_one_inside_another():
    async def outer():
        assert (await run_within(SHORT, spin)).held
        await run_within(60, hang)

    ending = stop(outer, 1)
    assert (ending.stopped, ending.held) == (True, False)


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


@ON_POSIX
@pytest.mark.parametrize(
    ("answer", "seconds"), [(hang, 3600), (swallow_cancellation, 3600), (spin, 1)]
)
def test_ctrl_c_stops_what_hangs_at_once_and_what_holds_the_loop_at_the_deadline(answer, seconds):
    """The answer is stopped in good order, and the interrupt arrives as it always does."""
    main = threading.main_thread().ident
    timer = threading.Timer(0.1, signal.pthread_kill, [main, signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(run_within(seconds, answer))
    timer.join()


def test_what_waits_for_all_tasks_is_stopped_and_the_others_go_on():
    """A cancelled gather cancels all that it waits for: here they aren't the answer's."""

    async def answer():
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})

    async def main():
        stranger = asyncio.create_task(asyncio.sleep(60))
        assert (await run_within(SHORT, answer)).stopped
        assert asyncio.all_tasks() == {asyncio.current_task(), stranger}

    asyncio.run(main())
