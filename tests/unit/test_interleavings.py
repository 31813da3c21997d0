"""every_order(): all orders, each once, on a loop of its own and without a trace."""

import asyncio
import contextlib
import math
import sys
import threading

import pytest

from asyncteach import record, virtual_time
from asyncteach.interleavings import every_order


async def pause():
    await asyncio.sleep(0)


def withdrawals(lock_of=None, pause=pause):
    """Return a program in which two withdraw from the same account."""

    async def program():
        account = {"balance": 100}
        lock = lock_of() if lock_of else contextlib.nullcontext()

        async def withdraw(amount):
            async with lock:
                seen = account["balance"]
                await pause()
                account["balance"] = seen - amount

        async with asyncio.TaskGroup() as group:
            group.create_task(withdraw(30), name="Ada")
            group.create_task(withdraw(50), name="Bo")
        return account["balance"]

    return program


def steps(*counts, names="abc"):
    """Return a program of tasks that take so many turns each, and return whose they were."""

    async def program():
        seen = []

        async def take(name, turns):
            for turn in range(turns):
                if turn:
                    await asyncio.sleep(0)
                seen.append(name)

        async with asyncio.TaskGroup() as group:
            for name, turns in zip(names, counts, strict=False):
                group.create_task(take(name, turns), name=name)
        return "".join(seen)

    return program


@pytest.mark.parametrize("counts", [(1,), (1, 1), (2, 3), (3, 3), (1, 2, 3), (2, 2, 2)])
def test_every_order_comes_once(counts):
    orders = every_order(steps(*counts))
    expected = math.factorial(sum(counts)) // math.prod(math.factorial(n) for n in counts)
    assert len({order.steps for order in orders}) == len(orders) == expected
    assert all("".join(order.steps) == order.result for order in orders)


def test_two_locks_in_two_orders_get_stuck_and_it_says_who():
    async def program():
        left, right = asyncio.Lock(), asyncio.Lock()

        async def eat(first, second):
            async with first:
                await asyncio.sleep(0)
                async with second:
                    pass

        await asyncio.gather(
            asyncio.create_task(eat(left, right), name="Ada"),
            asyncio.create_task(eat(right, left), name="Bo"),
        )
        return "fed"

    counts = every_order(program).count_outcomes()
    assert set(counts) == {"'fed'", "stuck: Ada, Bo"}


def test_a_timeout_may_come_before_or_after():
    async def program():
        try:
            async with asyncio.timeout(5):
                await asyncio.sleep(1)
        except TimeoutError:
            return "too late"
        return "in time"

    assert every_order(program).count_outcomes() == {"'in time'": 1, "'too late'": 1}


def test_all_of_asyncios_tools_work():
    async def program():
        queue, event, barrier = asyncio.Queue(1), asyncio.Event(), asyncio.Barrier(2)
        limit, changed, seen = asyncio.Semaphore(1), asyncio.Condition(), []

        async def one():
            await queue.put(1)
            await event.wait()
            await barrier.wait()
            async with limit, changed:
                await changed.wait_for(lambda: seen)

        async def other():
            await queue.get()
            event.set()
            await barrier.wait()
            async with changed:
                seen.append(1)
                changed.notify_all()

        await asyncio.gather(one(), other())

    orders = every_order(program)
    assert set(orders.count_outcomes()) == {"None"}
    assert len(orders) > 1


def test_tasks_without_names_are_called_after_their_coroutines():
    async def program():
        async def fetch():
            pass

        await asyncio.gather(fetch(), fetch())

    assert [order.steps for order in every_order(program)] == [
        ("fetch-1", "fetch-2"),
        ("fetch-2", "fetch-1"),
    ]


def test_a_task_that_is_left_is_named_and_cancelled():
    ends = []

    async def program():
        async def stay():
            try:
                await asyncio.Event().wait()
            finally:
                ends.append("cancelled")

        program.task = asyncio.create_task(stay(), name="stay")
        await asyncio.sleep(1)

    orders = every_order(program)
    assert {order.left for order in orders} == {("stay",)}
    assert ends
    assert program.task.done()


def test_it_runs_inside_a_running_loop_that_sees_nothing_of_it():
    async def main():
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        hooks, threads = sys.get_asyncgen_hooks(), threading.enumerate()
        with virtual_time() as clock, record() as recording:
            counts = every_order(withdrawals(pause=lambda: asyncio.sleep(100))).count_outcomes()
        assert (clock.seconds, len(recording.tasks())) == (0, 1)
        assert asyncio.get_running_loop() is loop
        assert asyncio.current_task() is task
        assert sys.get_asyncgen_hooks() == hooks
        assert asyncio.all_tasks() == {task}
        assert threading.enumerate() == threads
        return counts

    assert asyncio.run(main()) == {"50": 2, "70": 2, "20": 2}


def test_an_interrupt_passes_and_leaves_no_loop_behind():
    async def program():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        every_order(program)
    assert asyncio._get_running_loop() is None


def test_two_tasks_of_two_turns_have_six_orders_and_a_table():
    orders = every_order(withdrawals())
    assert [(" ".join(order.steps), order.result) for order in orders] == [
        ("Ada Ada Bo Bo", 20),
        ("Ada Bo Ada Bo", 50),
        ("Ada Bo Bo Ada", 70),
        ("Bo Ada Ada Bo", 50),
        ("Bo Ada Bo Ada", 70),
        ("Bo Bo Ada Ada", 20),
    ]
    assert repr(orders).splitlines()[0] == "Ada, Ada, Bo, Bo  20"
    assert repr(orders).splitlines()[-1] == "6 orders: 20 in 2, 50 in 2, 70 in 2"
    assert repr(orders[0]) == "Ada, Ada, Bo, Bo: 20"
    frame = orders.to_frame()
    assert list(frame.columns) == ["order", "result"]
    assert frame.loc[1].tolist() == ["Ada, Ada, Bo, Bo", "20"]
    assert len(orders[:2]) == 2
    assert "... and 40 more" in repr(every_order(steps(4, 4)))


async def nothing():
    pass


async def fails_if_b_is_first():
    seen = []

    async def one(name):
        await asyncio.sleep(0)
        seen.append(name)
        if seen == ["b", "a"]:
            raise ValueError("b was first")

    await asyncio.gather(one("a"), one("b"))


async def needs_a_thread():
    await asyncio.to_thread(print)


@pytest.mark.parametrize(
    ("program", "outcomes"),
    [
        (withdrawals(asyncio.Lock), {"20": 4}),
        (withdrawals(pause=nothing), {"20": 2}),
        (withdrawals(pause=lambda: asyncio.sleep(1000)), {"50": 2, "70": 2, "20": 2}),
        (needs_a_thread, {"at their own pace": 1}),
        (fails_if_b_is_first, {"None": 3, "ValueError('b was first')": 3}),
    ],
)
def test_locks_help_sleeps_take_no_time_and_an_exception_belongs_to_its_order(program, outcomes):
    counts = every_order(program).count_outcomes()
    assert list(counts.values()) == list(outcomes.values())
    assert all(words in outcome for words, outcome in zip(outcomes, counts, strict=True))


async def wants_a_number(number):
    return number


async def looks_for_ever():
    while True:
        await asyncio.sleep(0)


async def looks_again_and_again():
    done = []

    async def look():
        while not done:
            await asyncio.sleep(1)

    async def work():
        await asyncio.sleep(1)
        done.append(1)

    await asyncio.gather(look(), work())


async def remembers(runs=[]):  # noqa: B006
    runs.append(1)
    await asyncio.gather(*(pause() for _ in range(len(runs) + 1)))


@pytest.mark.parametrize(
    ("program", "options", "error", "words"),
    [
        (lambda: 3, {}, TypeError, "is there an `async` in front of its `def`?"),
        ("main", {}, TypeError, "takes an async function but got str"),
        (pause(), {}, TypeError, "got coroutine: write every_order(main), without brackets"),
        (wants_a_number, {}, TypeError, "without arguments, but it takes some"),
        (pause, {"most": 0}, ValueError, "leave it out for 1,000"),
        (pause, {"most": 1.5}, TypeError, "leave it out for 1,000"),
        (steps(3, 3), {"most": 10}, RuntimeError, "more than 10 orders: let fewer tasks take part"),
        (looks_for_ever, {}, RuntimeError, "more than 500 turns: does the program end"),
        (looks_again_and_again, {"most": 10_000}, RuntimeError, "let it wait for an event"),
        (remembers, {}, RuntimeError, "behaved differently"),
    ],
)
def test_what_cant_run_in_every_order_is_refused(program, options, error, words):
    with pytest.raises(error) as caught:
        every_order(program, **options)
    assert words in str(caught.value)
