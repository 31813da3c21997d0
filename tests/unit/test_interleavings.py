"""every_order(): all orders, each once, on a loop of its own and without a trace."""

import asyncio
import contextvars
import math
import sys
import threading

import pytest

from asyncteach import interleavings, record, virtual_time
from asyncteach.interleavings import every_order


async def pause():
    await asyncio.sleep(0)


def withdrawals(lock_of=None, pause=pause):
    """Return a program in which two withdraw from the same account."""

    async def program():
        account = {"balance": 100}
        lock = lock_of() if lock_of else None

        async def withdraw(amount):
            seen = account["balance"]
            await pause()
            account["balance"] = seen - amount

        async def withdraw_locked(amount):
            async with lock:
                await withdraw(amount)

        one = withdraw_locked if lock else withdraw
        async with asyncio.TaskGroup() as group:
            group.create_task(one(30), name="Ada")
            group.create_task(one(50), name="Bo")
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

        await asyncio.gather(
            *(
                asyncio.create_task(take(name, n), name=name)
                for name, n in zip(names, counts, strict=False)
            )
        )
        return "".join(seen)

    return program


def test_two_tasks_of_two_turns_have_six_orders():
    orders = every_order(withdrawals())
    assert [(" ".join(order.steps), order.result) for order in orders] == [
        ("Ada Ada Bo Bo", 20),
        ("Ada Bo Ada Bo", 50),
        ("Ada Bo Bo Ada", 70),
        ("Bo Ada Ada Bo", 50),
        ("Bo Ada Bo Ada", 70),
        ("Bo Bo Ada Ada", 20),
    ]


def test_with_a_lock_they_are_right_in_every_order():
    assert every_order(withdrawals(asyncio.Lock)).count_outcomes() == {"20": 4}


def test_without_an_await_between_nothing_can_come_between():
    async def nothing():
        pass

    assert every_order(withdrawals(pause=nothing)).count_outcomes() == {"20": 2}


@pytest.mark.parametrize("seconds", [0, 1, 1000])
def test_a_sleep_takes_no_time_and_may_end_at_any_time(seconds):
    orders = every_order(withdrawals(pause=lambda: asyncio.sleep(seconds)))
    assert orders.count_outcomes() == {"50": 2, "70": 2, "20": 2}


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


def test_an_exception_belongs_to_its_order():
    async def program():
        seen = []

        async def one(name):
            await asyncio.sleep(0)
            seen.append(name)
            if seen == ["b", "a"]:
                raise ValueError("b was first")

        await asyncio.gather(one("a"), one("b"))

    orders = every_order(program)
    assert orders.count_outcomes() == {"None": 3, "ValueError('b was first')": 3}
    assert {type(order.error) for order in orders} == {type(None), ValueError}


def test_a_timeout_may_come_before_or_after():
    async def program():
        try:
            async with asyncio.timeout(5):
                await asyncio.sleep(1)
        except TimeoutError:
            return "too late"
        return "in time"

    assert every_order(program).count_outcomes() == {"'in time'": 1, "'too late'": 1}


@pytest.mark.parametrize("kind", ["queue", "event", "condition", "barrier", "semaphore"])
def test_all_of_asyncios_tools_work(kind):
    async def program():
        queue, event, condition = asyncio.Queue(1), asyncio.Event(), asyncio.Condition()
        barrier, semaphore, seen = asyncio.Barrier(2), asyncio.Semaphore(1), []

        async def one():
            match kind:
                case "queue":
                    await queue.put(1)
                case "event":
                    await event.wait()
                case "condition":
                    async with condition:
                        await condition.wait_for(lambda: seen)
                case "barrier":
                    await barrier.wait()
                case "semaphore":
                    async with semaphore:
                        await asyncio.sleep(1)

        async def other():
            match kind:
                case "queue":
                    await queue.get()
                case "event":
                    event.set()
                case "condition":
                    async with condition:
                        seen.append(1)
                        condition.notify_all()
                case "barrier":
                    await barrier.wait()
                case "semaphore":
                    async with semaphore:
                        await asyncio.sleep(1)

        async with asyncio.TaskGroup() as group:
            group.create_task(one())
            group.create_task(other())
        return "done"

    orders = every_order(program)
    assert set(orders.count_outcomes()) == {"'done'"}
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


def test_contexts_and_eager_arguments_of_tasks_pass_through():
    name = contextvars.ContextVar("name", default="outside")

    async def program():
        async def look():
            return name.get()

        context = contextvars.copy_context()
        context.run(name.set, "inside")
        task = asyncio.get_running_loop().create_task(look(), context=context)
        return await task, name.get(), asyncio.current_task().get_name()

    (order,) = every_order(program)
    assert order.result == ("inside", "outside", "main")


def test_it_runs_inside_a_running_loop_and_leaves_that_as_it_was():
    async def main():
        loop, task, hooks = asyncio.get_running_loop(), asyncio.current_task(), None
        hooks = sys.get_asyncgen_hooks()
        threads = threading.enumerate()
        counts = every_order(withdrawals()).count_outcomes()
        assert asyncio.get_running_loop() is loop
        assert asyncio.current_task() is task
        assert sys.get_asyncgen_hooks() == hooks
        assert asyncio.all_tasks() == {task}
        assert threading.enumerate() == threads
        async with asyncio.timeout(5):
            await asyncio.sleep(0)
        return counts

    assert asyncio.run(main()) == {"50": 2, "70": 2, "20": 2}


def test_a_recording_and_virtual_time_around_it_see_nothing_of_it():
    async def main():
        with virtual_time() as clock, record() as recording:
            every_order(withdrawals(pause=lambda: asyncio.sleep(100)))
        return clock.seconds, list(recording.tasks()["task"])

    seconds, tasks = asyncio.run(main())
    assert seconds == 0
    assert len(tasks) == 1


def test_an_interrupt_passes_and_leaves_no_loop_behind():
    async def program():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        every_order(program)
    assert asyncio._get_running_loop() is None


def test_it_shows_itself_as_a_table():
    orders = every_order(withdrawals())
    assert repr(orders).splitlines()[0] == "Ada, Ada, Bo, Bo  20"
    assert repr(orders).splitlines()[-1] == "6 orders: 20 in 2, 50 in 2, 70 in 2"
    assert repr(orders[0]) == "Ada, Ada, Bo, Bo: 20"
    frame = orders.to_frame()
    assert list(frame.columns) == ["order", "result"]
    assert frame.loc[1].tolist() == ["Ada, Ada, Bo, Bo", "20"]
    assert len(orders[:2]) == 2


def test_many_orders_are_shown_in_part():
    assert "... and 40 more" in repr(every_order(steps(4, 4)))


@pytest.mark.parametrize(
    ("program", "error", "words"),
    [
        (lambda: 3, TypeError, "is there an `async` in front of its `def`?"),
        ("main", TypeError, "takes an async function and got str"),
    ],
)
def test_what_is_no_program_is_told(program, error, words):
    with pytest.raises(error, match="every_order") as caught:
        every_order(program)
    assert words in str(caught.value)


def test_a_coroutine_instead_of_its_function_is_told():
    with pytest.raises(TypeError, match="without brackets"):
        every_order(pause())


@pytest.mark.parametrize(("most", "error"), [(0, ValueError), (1.5, TypeError), (True, TypeError)])
def test_an_amount_that_makes_no_sense_is_told(most, error):
    with pytest.raises(error, match="leave it out for 1,000"):
        every_order(pause, most=most)


def test_too_many_orders_are_told():
    with pytest.raises(RuntimeError, match="more than 10 orders: let fewer tasks take part"):
        every_order(steps(3, 3), most=10)
    assert len(every_order(steps(3, 3), most=20)) == 20


def test_a_program_that_never_ends_is_told(monkeypatch):
    monkeypatch.setattr(interleavings, "MOST_TURNS", 100)

    async def program():
        while True:
            await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="more than 100 turns"):
        every_order(program)


def test_a_task_that_looks_again_and_again_is_told():
    async def program():
        done = []

        async def look():
            while not done:
                await asyncio.sleep(1)

        async def work():
            await asyncio.sleep(1)
            done.append(1)

        await asyncio.gather(look(), work())

    with pytest.raises(RuntimeError, match=r"200 turns.*let it wait for an event"):
        every_order(program, most=10_000)


def test_a_program_that_remembers_or_draws_lots_is_told():
    runs = []

    async def program():
        runs.append(1)
        await asyncio.gather(*(pause() for _ in range(len(runs) + 1)))

    with pytest.raises(RuntimeError, match="did something else"):
        every_order(program)


def test_a_thread_is_refused_in_the_programs_own_order():
    async def program():
        await asyncio.to_thread(print)

    (order,) = every_order(program)
    assert isinstance(order.error, RuntimeError)
    assert "at a pace of their own" in str(order.error)


def test_a_program_that_wants_arguments_is_told():
    async def main(number):
        return number

    with pytest.raises(TypeError, match="without arguments, and it takes some"):
        every_order(main)
