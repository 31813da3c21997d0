"""Programs at random, as data: what tasks do, for tests that run one program in several ways.

A program is a list of steps; `run` executes it on the running loop. Time is meant to be virtual,
so that one program always does the same.
"""

import asyncio
import contextlib
import contextvars
import functools
import random
import time
import traceback
from collections import Counter

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from asyncteach import record, virtual_time

LIMIT = 60
"""Seconds after which a program is cancelled: some wait for what never comes."""

place = contextvars.ContextVar("place", default="none")


def programs(*, depth: int = 3):
    """Return a strategy for programs."""
    seconds = st.sampled_from([0.25, 0.5, 1, 1.5, 2, 3])
    which = st.integers(0, 3)
    simple = st.one_of(
        st.tuples(st.just("sleep"), seconds),
        st.tuples(st.just("sleep"), seconds),
        st.just(("yield",)),
        st.tuples(st.just("block"), seconds),
        st.tuples(st.just("await"), which),
        st.tuples(st.just("cancel"), which),
        st.just(("set",)),
        st.just(("wait",)),
        st.just(("put",)),
        st.just(("get",)),
        st.tuples(st.just("soon"), seconds),
        st.tuples(st.just("later"), seconds),
        st.tuples(st.just("generate"), seconds),
        st.just(("raise",)),
    )
    if depth == 0:
        return st.lists(simple, max_size=4)
    inner = programs(depth=depth - 1)
    several = st.lists(inner, min_size=1, max_size=3)
    nested = st.one_of(
        st.tuples(st.just("spawn"), inner),
        st.tuples(st.just("spawn"), inner),
        st.tuples(st.just("make"), inner),
        st.tuples(st.just("lock"), inner),
        st.tuples(st.just("gather"), several),
        st.tuples(st.just("group"), several),
        st.tuples(st.just("timeout"), seconds, inner),
        st.tuples(st.just("wait_for"), seconds, inner),
        st.tuples(st.just("shield"), inner),
        st.tuples(st.just("guard"), inner),
        st.tuples(st.just("finally"), inner),
        st.tuples(st.just("forget"), inner),
    )
    return st.lists(st.one_of(simple, nested, nested), max_size=5)


class World:
    """What the tasks of one program share, and the log of what they did in which order."""

    def __init__(self, clock) -> None:
        self.clock = clock
        self.log: list[tuple] = []
        self.lock = asyncio.Lock()
        self.event = asyncio.Event()
        self.queue: asyncio.Queue = asyncio.Queue(1)
        self._counts: Counter[str] = Counter()
        self._first = int(asyncio.current_task().get_name().rpartition("-")[2])

    def lasts(self, seconds: float) -> float:
        """Return about that many seconds: no two timers are ever due at the same time."""
        # Of each task by itself: a TaskGroup cancels its tasks in any order.
        self._counts[place.get()] += 1
        own = random.Random(f"{place.get()} {self._counts[place.get()]}")
        return seconds + own.randrange(10**5) / 1e6

    def name_of(self, task: asyncio.Task) -> str:
        """Return the name of a task; those that asyncio gave are counted from here."""
        name = task.get_name()
        number = name.removeprefix("Task-")
        return name if number == name else f"Task +{int(number) - self._first}"

    def note(self, *what) -> None:
        self.log.append((round(self.clock.seconds * 1e9), place.get(), *what))

    def complain(self, _, context) -> None:
        # That of garbage comes when it is collected, at any time.
        if "handle" in context:
            self.note("complaint", context["message"].partition("(")[0])


async def perform(world: World, program: list, name: str) -> str:
    """Execute a program as one task, or as a part of one."""
    place.set(name)
    tasks: list[asyncio.Task] = []
    for index, step in enumerate(program):
        world.note(step[0], world.name_of(asyncio.current_task()))
        if step[0] in ("await", "cancel"):
            await deal_with(world, tasks[step[1] : step[1] + 1], step[0], f"{name}.{index}")
        elif len(step) == 1 or isinstance(step[-1], (int, float)):
            await do(world, f"{name}.{index}", *step)
        else:
            tasks += await nest(world, f"{name}.{index}", *step)
    world.note("end")
    return name


async def deal_with(world: World, tasks: list[asyncio.Task], kind: str, own: str) -> None:
    """Await or cancel a task, if there is one."""
    for task in tasks:
        if kind == "await":
            world.note("got", await task)
        else:
            world.note("cancel", task.cancel(f"by {own}"))


async def do(world: World, own: str, kind: str, seconds: float = 0) -> None:
    """Execute a step that holds no others."""
    loop = asyncio.get_running_loop()
    match kind:
        case "sleep":
            await asyncio.sleep(world.lasts(seconds))
        case "yield":
            await asyncio.sleep(0)
        case "block":
            time.sleep(world.lasts(seconds))
        case "set":
            world.event.set()
        case "wait":
            await world.event.wait()
            world.event.clear()
        case "put":
            await world.queue.put(own)
        case "get":
            world.note("got", await world.queue.get())
        case "soon":
            loop.call_soon(lambda: [world.note("soon", own), time.sleep(world.lasts(seconds))])
            loop.call_soon(int, "no number")
        case "later":
            loop.call_later(world.lasts(seconds), world.note, "later", own)
        case "generate":
            async for number in generate(world, own, seconds):
                world.note("number", number)
        case "raise":
            raise ValueError(own)


async def generate(world: World, own: str, seconds: float):
    try:
        for number in range(3):
            await asyncio.sleep(world.lasts(seconds))
            yield number
    finally:
        await asyncio.sleep(world.lasts(seconds))
        world.note("generated", own)


async def nest(world: World, own: str, kind: str, *arguments) -> list[asyncio.Task]:
    """Execute a step that holds others; return the tasks that it has started."""
    program = arguments[-1]
    inner = functools.partial(perform, world, program, own)
    match kind:
        case "spawn":
            return [asyncio.create_task(inner(), name=own)]
        case "make":
            return [asyncio.Task(inner(), name=own)]
        case "forget":
            asyncio.ensure_future(inner()).set_name(own)
        case "shield":
            task = asyncio.create_task(inner(), name=own)
            await asyncio.shield(task)
            return [task]
        case "lock":
            async with world.lock:
                await inner()
        case "gather":
            parts = [perform(world, part, f"{own}.{n}") for n, part in enumerate(program)]
            world.note("got", await asyncio.gather(*parts))
        case "group":
            async with asyncio.TaskGroup() as group:
                for number, part in enumerate(program):
                    name = f"{own}.{number}"
                    group.create_task(perform(world, part, name), name=name)
        case "timeout":
            async with asyncio.timeout(world.lasts(arguments[0])):
                await inner()
        case "wait_for":
            await asyncio.wait_for(inner(), world.lasts(arguments[0]))
        case "guard":
            try:
                await inner()
            except (ValueError, TimeoutError, ExceptionGroup) as error:
                world.note("caught", *say(error))
        case "finally":
            try:
                await inner()
            except asyncio.CancelledError as error:
                world.note("cancelled", *error.args)
                await asyncio.sleep(world.lasts(0.5))
                raise
            finally:
                await asyncio.sleep(world.lasts(0.25))
                world.note("finally")
    return []


def say(error: BaseException) -> list:
    """Return an exception with all that belongs to it, and the lines it came from."""
    lines = [(frame.name, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    said: list = [type(error).__name__, str(error), lines]
    for name in ("__cause__", "__context__"):
        other = getattr(error, name)
        said.append(None if other is None else (type(other).__name__, str(other)))
    if isinstance(error, BaseExceptionGroup):
        said.append([say(one) for one in error.exceptions])
    return said


async def main(program: list, clock, around) -> list[tuple]:
    """Run a program with `around()` around it; return what has happened, in order."""
    world = World(clock)
    before = asyncio.all_tasks()
    asyncio.get_running_loop().set_exception_handler(world.complain)
    with around():
        task = asyncio.create_task(perform(world, program, "main"), name="main")
        await asyncio.wait([task], timeout=LIMIT)
        await end(world, task)
        for left in sorted(asyncio.all_tasks() - before, key=names_of):
            await end(world, left)
    return in_order(program, world.log)


def names_of(task: asyncio.Task) -> tuple[str, str]:
    """Return the names of a task and of the part of the program that it executes.

    Python 3.13.0 calls every eager task `None`, and all_tasks() is a set, in any order.
    """
    frame = getattr(task.get_coro(), "cr_frame", None)
    return task.get_name(), str(frame and frame.f_locals.get("name"))


async def end(world: World, task: asyncio.Task) -> None:
    """Cancel a task until it gives in, and note what became of it."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=world.lasts(10))
    if task.cancelled():
        world.note("cancelled", world.name_of(task))
    elif task.exception():
        world.note("raised", world.name_of(task), *say(task.exception()))
    else:
        world.note("returned", world.name_of(task), task.result())


def in_order(program: list, log: list[tuple]) -> list[tuple]:
    """Return the log; a TaskGroup keeps its tasks in a set, so they end in any order."""
    if "group" not in repr(program):
        return log
    return sorted(log, key=lambda entry: (entry[0], repr(entry)))


# Tests of them all

often = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
rarely = settings(often, max_examples=40)


eager_or_not = st.booleans() if hasattr(asyncio, "eager_task_factory") else st.just(False)


def run_recorded(program, *, inside=False, eager=False, **options):
    """Run a program and return its recording, whose block lies inside or around the loop."""
    kept = []

    @contextlib.contextmanager
    def around():
        with record(**options) as recording:
            kept.append(recording)
            yield

    async def within(clock):
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory if eager else None)
        return await main(program, clock, around if inside else contextlib.nullcontext)

    with virtual_time() as clock, contextlib.nullcontext() if inside else around():
        asyncio.run(within(clock))
    return kept[0]
