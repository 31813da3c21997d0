"""Whatever a program does, its recording adds up: random trees of tasks on the virtual clock."""

import asyncio
import contextlib
import gc
import warnings

import pytest
import random_programs
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from lanes import check_invariants, nanoseconds

from asyncteach import record, virtual_time

# A program that is cut off may leave coroutines that it meant to start.
pytestmark = pytest.mark.filterwarnings("ignore:coroutine 'perform' was never awaited")

often = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
rarely = settings(often, max_examples=40)


def factory_of(eager):
    return asyncio.eager_task_factory if eager else None


eager_or_not = st.booleans() if hasattr(asyncio, "eager_task_factory") else st.just(False)


def run_recorded(program, *, inside=False, eager=False, debug=False):
    """Run a program and return its recording, whose block lies inside or around the loop."""
    kept = []

    @contextlib.contextmanager
    def around():
        with record() as recording:
            kept.append(recording)
            yield

    async def main(clock):
        asyncio.get_running_loop().set_task_factory(factory_of(eager))
        return await random_programs.main(
            program, clock, around if inside else contextlib.nullcontext
        )

    with virtual_time() as clock, contextlib.nullcontext() if inside else around():
        asyncio.run(main(clock), debug=debug)
    return kept[0]


@often
@given(random_programs.programs(), st.booleans(), eager_or_not)
def test_slices_tile_the_life_of_each_task_and_never_overlap_on_a_loop(program, inside, eager):
    recording = run_recorded(program, inside=inside, eager=eager)
    check_invariants(recording)
    event(f"{len(recording.names) // 3 * 3} tasks or a few more")


@rarely
@given(random_programs.programs())
def test_all_that_is_kept_of_a_task_fits_its_outcome(program):
    recording = run_recorded(program)
    table = recording.tasks()
    kinds = table["outcome"].str.partition(" ")[0]
    assert set(kinds) <= {"returned", "raised", "cancelled"}
    assert table["finished"].notna().all()
    # What ran, ran on one loop: the lanes together are never longer than the recording.
    assert nanoseconds(table["running"].sum()) <= nanoseconds(recording.seconds)


@rarely
@given(random_programs.programs(depth=2))
def test_a_recording_can_be_looked_at_while_it_goes_on(program):
    async def main(clock):
        with record() as recording:
            looks = []

            async def look():
                while True:
                    await asyncio.sleep(2.3)
                    check_invariants(recording)
                    looks.append(len(recording))

            looker = asyncio.create_task(look())
            await random_programs.main(program, clock, contextlib.nullcontext)
            looker.cancel()
            return looks

    with virtual_time() as clock:
        looks = asyncio.run(main(clock))
    assert looks == sorted(looks)


@rarely
@given(random_programs.programs(depth=2), st.integers(0, 40))
def test_every_task_is_closed_when_an_interrupt_ends_the_program(program, steps):
    async def interrupted(clock):
        async def interrupt():
            for _ in range(steps):
                await asyncio.sleep(0.1)
            raise KeyboardInterrupt

        bomb = asyncio.create_task(interrupt())
        await random_programs.main(program, clock, contextlib.nullcontext)
        await bomb

    with virtual_time() as clock, pytest.raises(KeyboardInterrupt), record() as recording:
        asyncio.run(interrupted(clock))
    check_invariants(recording)
    assert "still running" not in set(recording.tasks()["outcome"])


@rarely
@given(random_programs.programs(depth=2), st.sampled_from([0.3, 1.1, 2.6]))
def test_tasks_that_are_left_are_still_running_when_the_block_ends_before_them(program, seconds):
    async def main(clock):
        with record() as recording:
            task = asyncio.create_task(random_programs.main(program, clock, contextlib.nullcontext))
            await asyncio.wait([task], timeout=seconds)
        check_invariants(recording)
        before = recording.tasks()
        await asyncio.wait([task])
        assert recording.tasks().equals(before)
        check_invariants(recording)

    with virtual_time() as clock:
        asyncio.run(main(clock))


@rarely
@given(random_programs.programs(depth=2), st.integers(1, 30))
def test_what_does_not_fit_is_counted(program, most):
    async def main(clock, **options):
        with record(**options) as recording:
            await random_programs.main(program, clock, contextlib.nullcontext)
        return recording

    with virtual_time() as clock:
        whole = asyncio.run(main(clock))
    with virtual_time() as clock:
        part = asyncio.run(main(clock, max_slices=most))
    assert len(part) <= most
    assert len(part.names) <= len(whole.names)
    assert whole.dropped == 0
    assert (part.dropped > 0) == (len(whole) > most)


def test_a_task_that_is_garbage_collected_is_closed():
    async def lost():
        await asyncio.get_running_loop().create_future()

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        task = asyncio.create_task(lost())
        await asyncio.sleep(1)
        del task
        gc.collect()
        await asyncio.sleep(1)

    with virtual_time(), record() as recording, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asyncio.run(main())
    check_invariants(recording)
    row = recording.tasks().iloc[1]
    assert (row["outcome"], row["finished"]) == ("garbage-collected", 1.0)
