"""Virtual time: exact, the same everywhere, and gone without a trace."""

import asyncio
import concurrent.futures
import queue
import signal
import threading
import time
import types
from time import perf_counter, sleep

import pytest

from asyncteach import virtual_time
from asyncteach.virtual_clock import clock as virtual_clock
from asyncteach.virtual_clock import virtual_loop

NAMES = ["sleep", "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"]
REAL = types.SimpleNamespace(**{name: getattr(time, name) for name in NAMES})
METHODS = [
    (threading.Thread, "start"),
    (concurrent.futures.ThreadPoolExecutor, "submit"),
    (asyncio.BaseEventLoop, "run_forever"),
    (asyncio.Runner, "run"),
]
ORIGINALS = [getattr(owner, name) for owner, name in METHODS]


def assert_untouched(loop=None):
    assert [getattr(time, name) for name in NAMES] == [getattr(REAL, name) for name in NAMES]
    assert (sleep, perf_counter) == (REAL.sleep, REAL.perf_counter)
    assert [getattr(owner, name) for owner, name in METHODS] == ORIGINALS
    if loop is not None:
        assert not {"call_at", "_run_once", "_add_reader", "_add_writer"} & set(vars(loop))
        assert "select" not in vars(loop._selector)


@pytest.fixture(autouse=True)
def nothing_left_behind():
    """Every test leaves the time module, the classes, the loops and the threads as they were."""
    before = set(threading.enumerate())
    yield
    assert_untouched()
    assert not virtual_loop._loops
    assert set(threading.enumerate()) <= before


def in_block(main):
    """Return what an async function gives back inside a block, and the clock's seconds after."""

    async def run():
        with virtual_time() as clock:
            result = await main(clock)
            seconds = clock.seconds
        assert_untouched(asyncio.get_running_loop())
        return result, seconds

    return asyncio.run(run())


def test_all_clocks_agree_to_the_nanosecond():
    def read():
        whole = time.time_ns(), time.monotonic_ns(), time.perf_counter_ns()
        return [*whole, time.time(), time.monotonic(), perf_counter()]

    before = [time.time(), time.monotonic(), time.perf_counter()]
    with virtual_time() as clock:
        began = read()
        sleep(0.5)
        time.sleep(2399.5)
        ended = read()
        assert clock.seconds == 2400.0
    assert all(a <= b for a, b in zip(before, began[3:], strict=True))
    differences = [b - a for a, b in zip(began, ended, strict=True)]
    assert differences == [2400 * 10**9] * 3 + [2400.0] * 3


def test_timeouts_and_calls_follow_the_clock():
    calls = []

    async def main(clock):
        loop = asyncio.get_running_loop()
        began = loop.time()
        loop.call_later(90, lambda: calls.append(clock.seconds))
        loop.call_later(30, calls.append, "never").cancel()
        for wait in (1e300, float("inf")):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(60):
                    await asyncio.sleep(wait)
        return loop.time() - began

    assert in_block(main) == (120.0, 120.0)
    assert calls == [90.0]


def test_many_sleeps_end_in_their_order_and_equal_ones_as_they_were_made():
    async def main(clock):
        clock.starts["monotonic"] += 10**9 * 10**7  # on a machine that has been up for four months
        order = []

        async def sleeper(n):
            for _ in range(10):
                await asyncio.sleep(n % 97 / 10)
            order.append((n % 97, n))

        await asyncio.gather(*[sleeper(n) for n in range(500)])
        return order == sorted(order)

    assert in_block(main) == (True, 96.0)


# Threads


def test_blocking_sleeps_and_threads_share_the_clock():
    async def main(clock):
        log = []

        def in_thread(name, seconds):
            time.sleep(seconds)
            log.append((name, clock.seconds / 60))

        async def polite():
            await asyncio.sleep(600)
            log.append(("polite", clock.seconds / 60))

        async def blocking():
            await asyncio.sleep(60)
            time.sleep(1800)
            log.append(("blocking", clock.seconds / 60))

        threads = [asyncio.to_thread(in_thread, *args) for args in (("short", 300), ("long", 2400))]
        await asyncio.gather(*threads, polite(), blocking())
        return log

    # The short thread is due while the loop is blocked, and isn't delayed by it.
    log, _ = in_block(main)
    assert log == [("short", 5.0), ("blocking", 31.0), ("polite", 31.0), ("long", 40.0)]


def test_threads_full_pools_and_loops_in_threads_follow_the_clock():
    async def main(clock):
        loop = asyncio.get_running_loop()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            jobs = [loop.run_in_executor(pool, time.sleep, 60) for _ in range(5)]
            jobs.pop().cancel()
            await asyncio.gather(*jobs)
        await asyncio.gather(asyncio.to_thread(asyncio.run, asyncio.sleep(90)), asyncio.sleep(60))

    assert in_block(main) == (None, 210.0)
    with virtual_time() as clock:
        thread = threading.Thread(target=time.sleep, args=(300,))
        thread.start()
        thread.join()
        assert clock.seconds == 300.0
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(time.sleep, 60) for _ in range(3)]:
                future.result()
        assert clock.seconds == 420.0
        asyncio.run(asyncio.sleep(100))
        assert clock.seconds == 520.0


def test_a_job_that_ends_at_once_is_counted():
    """Its end may come before the caller of submit() goes on."""

    async def call_early():
        await asyncio.sleep(2)
        await asyncio.to_thread(time.sleep(3))

    async def main(clock):
        ended = await asyncio.gather(*(call_early() for _ in range(3)), return_exceptions=True)
        return {type(one) for one in ended}

    assert in_block(main) == ({TypeError}, 11.0)


def test_the_loop_hears_of_a_thread_before_the_clock_jumps():
    async def main(clock):
        for number in range(200):
            other = asyncio.create_task(asyncio.sleep(1000))
            await asyncio.to_thread(time.sleep, 1)
            assert clock.seconds == number + 1
            other.cancel()

    assert in_block(main) == (None, 200.0)


def test_real_work_and_waits_for_the_loop_take_no_virtual_time():
    async def main(clock):
        box, woken = queue.Queue(), threading.Event()

        def work():
            REAL.sleep(0.1)
            return clock.seconds

        def wake():
            woken.wait()
            time.sleep(1)  # a thread that is woken isn't overtaken by a jump
            return clock.seconds

        async def put():
            await asyncio.sleep(10)
            woken.set()
            await asyncio.sleep(50)
            box.put("post")

        jobs = [asyncio.to_thread(job) for job in (work, wake, box.get)]
        return await asyncio.gather(*jobs, put())

    assert [in_block(main) for _ in range(5)] == [([0.0, 11.0, "post", None], 60.0)] * 5


# Busy waiting


def test_busy_waiting_ends(monkeypatch):
    monkeypatch.setattr(virtual_clock, "PATIENT_READS", 1000)

    async def main(clock):
        task = asyncio.create_task(asyncio.sleep(5))
        while not task.done():
            await asyncio.sleep(0)

    assert in_block(main) == (None, 5.0)
    with virtual_time() as clock:
        end = time.monotonic() + 0.1
        while time.monotonic() < end:
            pass
        assert 0.1 <= clock.seconds <= 0.1 + 2 * virtual_clock.READ_STEP / 1e9


def test_honest_programs_do_not_move_the_clock_by_reading_it(monkeypatch):
    monkeypatch.setattr(virtual_clock, "PATIENT_READS", 100_000)

    async def main(clock):
        for _ in range(2000):
            async with asyncio.timeout(10):
                pass
        await asyncio.gather(*[asyncio.sleep(60) for _ in range(2000)])

    assert in_block(main) == (None, 60.0)


# What stays as it was


def test_what_runs_outside_the_block_keeps_real_time():
    async def main():
        ticks = []

        async def tick():
            while True:
                await asyncio.sleep(0.001)
                ticks.append(time.monotonic())

        ticker = asyncio.create_task(tick())
        async with asyncio.timeout(30):  # does not fire early
            await asyncio.sleep(0.01)
            before = len(ticks)
            with virtual_time():
                await asyncio.sleep(24 * 3600)
        # A day of ticks would be 86,400,000 of them.
        assert len(ticks) - before < 10_000
        assert ticks == sorted(ticks)
        assert ticks[-1] <= time.monotonic()
        ticker.cancel()

    asyncio.run(main())


def test_tasks_and_threads_that_outlive_the_block_go_on():
    async def main():
        with virtual_time():
            short = asyncio.create_task(asyncio.sleep(2400.05, "short"))
            long = asyncio.create_task(asyncio.sleep(5000))
            thread = asyncio.ensure_future(asyncio.to_thread(time.sleep, 3600))
            await asyncio.sleep(2400)
        began = time.monotonic()
        await thread  # wakes at once
        assert await short == "short"
        assert time.monotonic() - began >= 0.04
        assert not long.done()
        long.cancel()

    asyncio.run(main())


def test_everything_is_put_back_after_an_error():
    async def main():
        with pytest.raises(asyncio.CancelledError), virtual_time():
            await asyncio.sleep(60)
            raise asyncio.CancelledError
        assert_untouched(asyncio.get_running_loop())

    asyncio.run(main())


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer signals")
def test_interrupts_of_a_sleep_leave_nothing_behind():
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        for trial in range(50):
            with pytest.raises(KeyboardInterrupt), virtual_time():
                signal.setitimer(signal.ITIMER_REAL, 0.0005 + trial * 0.00002)
                while True:
                    time.sleep(1)
            assert_untouched()
    finally:
        signal.signal(signal.SIGALRM, before)


# What is refused


def test_a_block_inside_another_joins_its_clock_and_one_elsewhere_is_refused():
    async def block(seconds):
        with virtual_time() as clock, virtual_time() as inner:
            await asyncio.sleep(seconds)
        return clock is inner, clock.seconds

    async def main():
        return await asyncio.gather(block(60), block(7), return_exceptions=True)

    first, second = asyncio.run(main())
    assert first == (True, 60.0)
    assert isinstance(second, RuntimeError)
    assert "put one `with virtual_time():` around both" in str(second)


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.parametrize("where", ["inside", "around"])
def test_a_foreign_loop_is_refused_in_one_sentence(where):
    class ForeignLoop(asyncio.SelectorEventLoop):
        def time(self):
            return 0.0

    async def main():
        with virtual_time():
            pass

    runner = asyncio.Runner(loop_factory=ForeignLoop)
    with runner, pytest.raises(RuntimeError, match=r"can't control the event loop .*ForeignLoop"):
        if where == "inside":
            runner.run(main())
        else:
            with virtual_time():
                runner.run(main())


def test_a_real_connection_is_warned_about():
    async def answer(reader, writer):
        writer.write(await reader.readline())
        writer.close()
        await writer.wait_closed()

    async def main():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with virtual_time():
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"hello\n")
            assert await reader.readline() == b"hello\n"
            writer.close()
            await writer.wait_closed()
        server.close()
        await server.wait_closed()

    with pytest.warns(RuntimeWarning, match="real connection"):
        asyncio.run(main())


@pytest.mark.parametrize(
    ("seconds", "error"),
    [(-1, ValueError), (float("nan"), ValueError), (float("inf"), OverflowError), ("1", TypeError)],
)
def test_time_sleep_refuses_what_it_always_refuses(seconds, error):
    with virtual_time(), pytest.raises(error):
        time.sleep(seconds)


def test_the_end_of_a_pool_is_not_missed():
    """From 3.12 on asyncio.run() waits 300 seconds for the threads of its pool to end."""
    for _ in range(20):
        with virtual_time() as clock:
            asyncio.run(asyncio.to_thread(time.sleep, 2))
        assert clock.seconds == 2


@pytest.mark.parametrize(("timers", "noticed"), [([4], 4), ([], 1)])
def test_a_loop_that_sleeps_for_a_timer_does_not_notice_another_thread(timers, noticed):
    async def main():
        done = asyncio.Event()

        def work():
            time.sleep(1)
            done.set()  # the wrong way: call_soon_threadsafe would wake the loop

        async def wait():
            await done.wait()
            return clock.seconds

        with virtual_time() as clock:
            threading.Thread(target=work).start()
            return (await asyncio.gather(wait(), *map(asyncio.sleep, timers)))[0]

    assert asyncio.run(main()) == noticed
