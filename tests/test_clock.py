"""Virtual time: exact, the same everywhere, and gone without a trace."""

import asyncio
import concurrent.futures
import os
import queue
import signal
import threading
import time
import types
from time import perf_counter, sleep

import pytest

from asyncteach import virtual_time
from asyncteach.virtual_clock import loophook
from asyncteach.virtual_clock.clock import READ_STEP

ORIGINALS = types.SimpleNamespace(
    sleep=time.sleep,
    time=time.time,
    time_ns=time.time_ns,
    monotonic=time.monotonic,
    monotonic_ns=time.monotonic_ns,
    perf_counter=time.perf_counter,
    perf_counter_ns=time.perf_counter_ns,
)
THREAD_START = threading.Thread.start
POOL_SUBMIT = concurrent.futures.ThreadPoolExecutor.submit
RUN_FOREVER = asyncio.BaseEventLoop.run_forever
LOOP_ATTRIBUTES = {"call_at", "_run_once", "run_in_executor", "_add_reader", "_add_writer", "time"}


def assert_untouched(loop: asyncio.AbstractEventLoop | None = None) -> None:
    for name, original in vars(ORIGINALS).items():
        assert getattr(time, name) is original
    assert sleep is ORIGINALS.sleep
    assert perf_counter is ORIGINALS.perf_counter
    assert threading.Thread.start is THREAD_START
    assert concurrent.futures.ThreadPoolExecutor.submit is POOL_SUBMIT
    assert asyncio.BaseEventLoop.run_forever is RUN_FOREVER
    if loop is not None:
        assert not LOOP_ATTRIBUTES & set(vars(loop))
        assert "select" not in vars(loop._selector)


@pytest.fixture(autouse=True)
def nothing_left_behind():
    """Every test leaves the time module, the classes and the threads as they were."""
    before = set(threading.enumerate())
    yield
    assert_untouched()
    assert set(threading.enumerate()) <= before


def test_a_sleep_of_forty_minutes_ends_at_exactly_forty_minutes():
    async def main():
        loop = asyncio.get_running_loop()
        with virtual_time() as clock:
            began = loop.time(), time.time(), time.monotonic(), time.perf_counter()
            await asyncio.sleep(40 * 60)
            ended = loop.time(), time.time(), time.monotonic(), time.perf_counter()
            assert clock.seconds == 2400.0
        assert [b - a for a, b in zip(began, ended, strict=True)] == [2400.0] * 4
        assert_untouched(loop)

    asyncio.run(main())


def test_the_nanosecond_clocks_agree_to_the_nanosecond():
    with virtual_time():
        began = time.time_ns(), time.monotonic_ns(), time.perf_counter_ns()
        time.sleep(0.1)
        ended = time.time_ns(), time.monotonic_ns(), time.perf_counter_ns()
    assert [b - a for a, b in zip(began, ended, strict=True)] == [100_000_000] * 3


def test_clocks_do_not_run_backwards_when_a_block_begins():
    before = time.time(), time.monotonic(), time.perf_counter()
    with virtual_time():
        inside = time.time(), time.monotonic(), time.perf_counter()
    assert all(a <= b for a, b in zip(before, inside, strict=True))


def test_names_imported_from_time_follow_the_clock_too():
    with virtual_time() as clock:
        began = perf_counter()
        sleep(60)
        assert perf_counter() - began == clock.seconds == 60.0


def test_timeout_and_call_later_follow_the_clock():
    async def main():
        calls = []
        loop = asyncio.get_running_loop()
        with virtual_time() as clock:
            loop.call_later(90, lambda: calls.append(clock.seconds))
            loop.call_later(30, calls.append, "never").cancel()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(60):
                    await asyncio.sleep(3600)
            assert clock.seconds == 60.0
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.sleep(3600), 60)
            assert clock.seconds == 120.0
        assert calls == [90.0]

    asyncio.run(main())


def test_blocking_sleeps_and_threads_share_the_clock():
    async def main():
        log = []
        with virtual_time() as clock:

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

            await asyncio.gather(
                asyncio.to_thread(in_thread, "short", 300),
                asyncio.to_thread(in_thread, "long", 2400),
                polite(),
                blocking(),
            )
        return log

    # The short thread is due while the loop is blocked, and is not kept waiting by it.
    assert asyncio.run(main()) == [
        ("short", 5.0),
        ("blocking", 31.0),
        ("polite", 31.0),
        ("long", 40.0),
    ]


def test_run_in_executor_and_a_pool_that_is_full_follow_the_clock():
    async def main():
        loop = asyncio.get_running_loop()
        with virtual_time() as clock, concurrent.futures.ThreadPoolExecutor(2) as pool:
            await asyncio.gather(*[loop.run_in_executor(pool, time.sleep, 60) for _ in range(5)])
            return clock.seconds

    assert asyncio.run(main()) == 180.0


def test_threads_and_pools_without_a_loop_follow_the_clock():
    with virtual_time() as clock:
        thread = threading.Thread(target=time.sleep, args=(300,))
        thread.start()
        thread.join()
        assert clock.seconds == 300.0
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            futures = [pool.submit(time.sleep, 60) for _ in range(3)]
            for future in futures:
                future.result()
        assert clock.seconds == 420.0


def test_real_work_in_a_thread_takes_no_virtual_time():
    async def main():
        with virtual_time() as clock:

            def work():
                ORIGINALS.sleep(0.2)
                return clock.seconds

            async def sleeper():
                await asyncio.sleep(600)
                return clock.seconds

            return await asyncio.gather(asyncio.to_thread(work), sleeper())

    assert asyncio.run(main()) == [0.0, 600.0]


def test_a_thread_that_waits_for_the_loop_does_not_stop_the_clock():
    async def main():
        box = queue.Queue()
        with virtual_time() as clock:

            async def put():
                await asyncio.sleep(60)
                box.put("post")

            got, _ = await asyncio.gather(asyncio.to_thread(box.get), put())
            return got, clock.seconds

    assert asyncio.run(main()) == ("post", 60.0)


def test_a_thread_that_is_stuck_for_long_is_let_go_with_a_warning(monkeypatch):
    monkeypatch.setattr("asyncteach.virtual_clock.lookout.PATIENCE", 0.2)
    lock = threading.Lock()

    async def main():
        lock.acquire()
        with virtual_time() as clock:

            async def release():
                await asyncio.sleep(60)
                lock.release()

            await asyncio.gather(asyncio.to_thread(lock.acquire), release())
            return clock.seconds

    with pytest.warns(RuntimeWarning, match="goes on without the thread"):
        assert asyncio.run(main()) == 60.0


def test_a_loop_in_a_thread_of_the_block_shares_the_clock():
    with virtual_time() as clock:

        async def main():
            await asyncio.gather(
                asyncio.to_thread(asyncio.run, asyncio.sleep(90)), asyncio.sleep(60)
            )

        asyncio.run(main())
        assert clock.seconds == 90.0


def test_busy_waiting_ends():
    with virtual_time() as clock:
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            pass
        assert 0.5 <= clock.seconds <= 0.5 + 2 * READ_STEP / 1e9


def test_what_runs_outside_the_block_keeps_real_time():
    async def main():
        ticks = []

        async def tick():
            while True:
                await asyncio.sleep(0.001)
                ticks.append(time.monotonic())

        ticker = asyncio.create_task(tick())
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


def test_a_timeout_from_outside_does_not_fire_early():
    async def main():
        async with asyncio.timeout(30):
            with virtual_time() as clock:
                await asyncio.sleep(3600)
                return clock.seconds

    assert asyncio.run(main()) == 3600.0


def test_an_older_task_that_the_block_awaits_is_not_waited_for_in_real_time():
    async def main():
        task = asyncio.create_task(asyncio.sleep(3000, "done"))
        await asyncio.sleep(0)
        fresh = asyncio.create_task(asyncio.sleep(5000, "fresh"))
        with virtual_time():
            return await task, await fresh

    assert asyncio.run(main()) == ("done", "fresh")


def test_tasks_that_outlive_the_block_sleep_on_in_real_time():
    async def main():
        with virtual_time():
            short = asyncio.create_task(asyncio.sleep(2400.05, "short"))
            long = asyncio.create_task(asyncio.sleep(5000))
            await asyncio.sleep(2400)
        began = time.monotonic()
        assert await short == "short"
        assert time.monotonic() - began >= 0.04
        assert not long.done()
        long.cancel()

    asyncio.run(main())


def test_threads_that_still_sleep_wake_when_the_block_ends():
    async def main():
        with virtual_time():
            late = asyncio.ensure_future(asyncio.to_thread(time.sleep, 3600))
            await asyncio.sleep(60)
        await late

    asyncio.run(main())


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, asyncio.CancelledError])
def test_everything_is_put_back_after_an_error_and_an_interrupt(error):
    async def main():
        loop = asyncio.get_running_loop()
        with pytest.raises(error), virtual_time():
            await asyncio.sleep(60)
            raise error
        assert_untouched(loop)

    asyncio.run(main())


def test_errors_in_threads_keep_their_traceback():
    def work():
        raise ValueError("broken")

    async def main():
        with virtual_time():
            await asyncio.to_thread(work)

    with pytest.raises(ValueError, match="broken") as caught:
        asyncio.run(main())
    assert not [entry for entry in caught.traceback if "standins" in str(entry.path)]


def test_a_block_inside_another_joins_its_clock():
    async def main():
        with virtual_time() as outer:
            await asyncio.sleep(60)
            with virtual_time() as inner:
                assert inner is outer
                await asyncio.sleep(60)
            await asyncio.sleep(60)
            assert outer.seconds == 180.0

    asyncio.run(main())


def test_two_blocks_at_once_on_one_loop_have_clocks_of_their_own():
    async def block(seconds):
        with virtual_time() as clock:
            for _ in range(3):
                await asyncio.sleep(seconds)
            return clock.seconds

    async def main():
        results = await asyncio.gather(block(60), block(7))
        assert_untouched(asyncio.get_running_loop())
        return results

    assert asyncio.run(main()) == [180.0, 21.0]


def test_one_block_object_is_not_opened_twice():
    block = virtual_time()
    with block, pytest.raises(RuntimeError, match="open already"):
        block.__enter__()


def test_a_whole_asyncio_run_inside_a_block_is_virtual():
    async def main():
        await asyncio.gather(asyncio.sleep(600), asyncio.to_thread(time.sleep, 900))

    with virtual_time() as clock:
        asyncio.run(main())
        asyncio.run(asyncio.sleep(100))
        assert clock.seconds == 1000.0


def test_a_foreign_loop_is_refused_in_one_sentence():
    class ForeignLoop(asyncio.SelectorEventLoop):
        def time(self):
            return 0.0

    async def main():
        with virtual_time():
            pass

    loop = ForeignLoop()
    try:
        with pytest.raises(RuntimeError, match=r"can't carry the event loop .*ForeignLoop"):
            loop.run_until_complete(main())
    finally:
        loop.close()


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


def test_many_sleeps_end_in_their_order():
    async def main():
        order = []

        async def sleeper(n):
            await asyncio.sleep(n % 97)
            order.append(n % 97)

        with virtual_time() as clock:
            await asyncio.gather(*[sleeper(n) for n in range(2000)])
            assert clock.seconds == 96.0
        assert order == sorted(order)

    asyncio.run(main())


def test_sleeps_of_one_length_end_in_the_order_of_their_making():
    async def main():
        order = []

        async def sleeper(n):
            await asyncio.sleep(60)
            order.append(n)

        with virtual_time():
            await asyncio.gather(*[sleeper(n) for n in range(50)])
        assert order == list(range(50))

    asyncio.run(main())


def test_tasks_that_were_made_before_the_block_run_on_its_clock_when_it_runs_their_loop():
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        runner.run(asyncio.sleep(0))  # the runner keeps the context of this moment
        task = loop.create_task(asyncio.sleep(3, "done"))
        fired = []
        loop.call_later(5, lambda: fired.append(clock.seconds))
        with virtual_time() as clock:
            runner.run(asyncio.sleep(3))
            assert clock.seconds == 3.0
            assert loop.run_until_complete(task) == "done"
            runner.run(asyncio.sleep(10))
        assert fired == [pytest.approx(5, abs=0.5)]


def test_the_clock_is_exact_on_machines_that_have_been_up_for_long():
    async def main():
        with virtual_time() as clock:
            clock.monotonic_start += 10**9 * 10**7  # four months
            for _ in range(100):
                await asyncio.sleep(0.1)
            return clock.seconds

    assert asyncio.run(main()) == 10.0


def test_a_sleep_for_ever_lasts_for_ever():
    async def main():
        with virtual_time() as clock:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(60):
                    await asyncio.sleep(1e300)
            return clock.seconds

    assert asyncio.run(main()) == 60.0


def test_honest_programs_do_not_move_the_clock_by_reading_it():
    async def main():
        with virtual_time() as clock:
            for _ in range(20_000):
                async with asyncio.timeout(10):
                    pass
            await asyncio.gather(*[asyncio.sleep(60) for _ in range(20_000)])
            return clock.seconds

    assert asyncio.run(main()) == 60.0


def test_busy_waiting_for_another_task_ends(monkeypatch):
    monkeypatch.setattr("asyncteach.virtual_clock.loophook.PATIENT_ROUNDS", 1000)

    async def main():
        with virtual_time() as clock:
            task = asyncio.create_task(asyncio.sleep(5))
            while not task.done():
                await asyncio.sleep(0)
            return clock.seconds

    assert asyncio.run(main()) == 5.0


def test_a_busy_task_of_somebody_else_does_not_hold_the_clock():
    async def main():
        async def spin():
            while True:
                await asyncio.sleep(0)

        spinner = asyncio.create_task(spin())
        await asyncio.sleep(0)
        with virtual_time() as clock:
            await asyncio.sleep(60)
            assert clock.seconds == 60.0
        spinner.cancel()

    asyncio.run(main())


def test_a_thread_that_is_woken_is_not_overtaken_by_a_jump():
    async def main():
        woken = threading.Event()
        with virtual_time() as clock:

            def wait():
                woken.wait()
                time.sleep(1)
                return clock.seconds

            waiting = asyncio.create_task(asyncio.to_thread(wait))
            await asyncio.sleep(10)
            woken.set()
            await asyncio.sleep(60)
            return await waiting

    assert [asyncio.run(main()) for _ in range(20)] == [11.0] * 20


def test_work_without_calls_in_a_thread_is_work(monkeypatch):
    monkeypatch.setattr("asyncteach.virtual_clock.lookout.PATIENCE", 0.2)
    if not hasattr(time, "pthread_getcpuclockid"):
        pytest.skip("this system doesn't tell how much CPU time a thread has used")

    def work():
        end = time.thread_time() + 0.6
        n = 0
        while n % 1000 or time.thread_time() < end:
            n += 1
        return clock.seconds

    async def main():
        return await asyncio.gather(asyncio.to_thread(work), asyncio.sleep(600))

    with virtual_time() as clock:
        assert asyncio.run(main())[0] == 0.0


def test_blocks_in_many_threads_at_once_do_not_meet():
    async def main():
        with virtual_time() as clock:
            await asyncio.sleep(5)
            return clock.seconds

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(lambda: asyncio.run(main())) for _ in range(200)]
        assert {future.result() for future in futures} == {5.0}


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer signals")
def test_interrupts_at_any_moment_leave_nothing_behind():
    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for trial in range(100):
            with pytest.raises(KeyboardInterrupt), virtual_time():
                signal.setitimer(signal.ITIMER_REAL, 0.0005 + trial * 0.00001)
                while True:
                    time.sleep(1)
            assert_untouched()
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_real_time():
    with virtual_time():
        child = os.fork()
        if child == 0:
            began = ORIGINALS.monotonic()
            time.sleep(0.1)
            os._exit(ORIGINALS.monotonic() - began < 0.09)
        assert os.waitpid(child, 0)[1] == 0


def test_the_clock_is_free_of_cancelled_timers():
    async def main():
        with virtual_time() as clock:
            keep = asyncio.create_task(asyncio.sleep(60))
            await asyncio.sleep(0)
            loop = asyncio.get_running_loop()
            for _ in range(10_000):
                loop.call_later(3600, print).cancel()
            agenda = loophook._hooks[loop].agendas[id(clock)]
            assert len(agenda._timers) < 1000
            await keep

    asyncio.run(main())
    assert not loophook._hooks
