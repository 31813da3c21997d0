"""Activities are immutable plans, and wrong arguments are refused in one sentence."""

import asyncio
import dataclasses
import math

import pytest

from asyncteach import (
    CHORES,
    LEISURE,
    Activity,
    async_task,
    chore,
    leisure,
    sync_task,
    virtual_time,
)
from asyncteach.activities import MAX_MINUTES, Step, check_activities


def test_the_story_has_three_chores_and_three_pastimes():
    assert [(a.name, a.minutes, a.attention) for a in (*CHORES, *LEISURE)] == [
        ("cook rice", 40, 0),
        ("wash clothes", 30, 0),
        ("wash dishes", 30, 0),
        ("watch tv", 30, 30),
        ("jog", 30, 30),
        ("play video games", 40, 40),
    ]


def test_a_chore_is_attention_then_machine_then_attention():
    activity = chore("wash clothes", 30, start=2, finish=3)
    assert activity.steps == (Step(True, 2), Step(False, 25), Step(True, 3))
    assert (activity.minutes, activity.attention) == (30, 5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        activity.name = "burn clothes"
    assert chore("x", 0.3, start=0.1, finish=0.2).minutes == pytest.approx(0.3)


@pytest.mark.parametrize(
    "activity", [*CHORES, *LEISURE, chore("wash", 30, start=2, finish=3), chore("x", 1, finish=1)]
)
def test_the_repr_of_an_activity_makes_it_again(activity):
    assert eval(repr(activity), {"chore": chore, "leisure": leisure}) == activity


async def coroutine_function():
    pass


@pytest.mark.parametrize(
    ("call", "arguments", "words"),
    [
        *(
            (make, ("cook rice", minutes), "minutes of 'cook rice' takes")
            for make in (chore, leisure)
            for minutes in (-1, math.nan, MAX_MINUTES + 1, 10**400, "40", None, True)
        ),
        *((chore, (name, 40), "name of an activity takes a string") for name in ("  ", None, 7)),
        (sync_task, ("x", math.inf), "seconds of sync_task takes"),
        (sync_task, ("x", "2"), "seconds of sync_task takes"),
        (check_activities, ([],), "got an empty one"),
        (check_activities, (CHORES[0],), r"write \[activity\]"),
        *((check_activities, (junk,), "takes a list") for junk in ("rice", 7, None)),
        (check_activities, (coroutine_function,), "coroutine function"),
        (check_activities, ([*CHORES, "jog"],), "takes activities but got 'jog'"),
        (check_activities, ([CHORES, LEISURE],), r"CHORES \+ LEISURE"),
        (check_activities, ([chore],), "got chore .a function."),
    ],
)
def test_wrong_arguments_get_one_sentence(call, arguments, words):
    with pytest.raises((TypeError, ValueError), match=words) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)


def test_a_chore_that_needs_you_for_longer_than_it_takes_is_refused():
    with pytest.raises(ValueError, match="start=20 and finish=20 together are 40"):
        chore("rice", 30, start=20, finish=20)


@pytest.mark.parametrize("name", ["<b>x</b>", "$\\frac{$", "洗衣服", "a\ud800b", "x" * 5000])
def test_any_other_name_is_fine(name, capsys):
    assert chore(name, 1).name == name
    sync_task(name, 0)
    assert " took 0.0 seconds" in capsys.readouterr().out


def test_any_iterable_of_activities_will_do():
    assert check_activities(a for a in CHORES) == list(CHORES)
    assert isinstance(check_activities({CHORES[0]})[0], Activity)


def test_three_async_tasks_gathered_take_as_long_as_one(capsys):
    async def main():
        with virtual_time() as clock:
            elapsed = await asyncio.gather(*[async_task(name, 2) for name in "abc"])
            return elapsed, clock.seconds

    assert asyncio.run(main()) == ([2.0, 2.0, 2.0], 2.0)
    assert capsys.readouterr().out.splitlines() == [
        *[f"Doing async tasks: {name}" for name in "abc"],
        *[f"{name} took 2.0 seconds" for name in "abc"],
    ]


def test_three_sync_tasks_in_a_row_take_three_times_as_long(capsys):
    with virtual_time() as clock:
        assert [sync_task(name) for name in "abc"] == [2.0, 2.0, 2.0]
        assert clock.seconds == 6.0
    assert capsys.readouterr().out == "".join(
        f"Doing sync tasks: {name}\n{name} took 2.0 seconds\n" for name in "abc"
    )


def test_the_timed_helpers_wait_in_real_time_too():
    assert min(sync_task(seconds=0.02), asyncio.run(async_task(seconds=0.02))) >= 0.019
