"""Whatever a program does, its recording adds up: random trees of tasks on the virtual clock."""

import asyncio
import contextlib

import pytest
import random_programs
from hypothesis import event, given
from hypothesis import strategies as st
from lanes import check_invariants
from random_programs import eager_or_not, often, rarely, run_recorded

from asyncteach import record, virtual_time

# A program that is cut off may leave coroutines that it meant to start.
pytestmark = pytest.mark.filterwarnings("ignore:coroutine 'perform' was never awaited")


@often
@given(random_programs.programs(), st.booleans(), eager_or_not)
def test_slices_tile_the_life_of_each_task_and_never_overlap_on_a_loop(program, inside, eager):
    recording = run_recorded(program, inside=inside, eager=eager)
    check_invariants(recording)
    event(f"{len(recording.names) // 3 * 3} tasks or a few more")


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
