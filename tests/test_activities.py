"""Activities are immutable plans, and bad ones are refused in one sentence."""

import asyncio
import dataclasses
import math
import time

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
    assert [(a.name, a.minutes, a.attention) for a in CHORES] == [
        ("cook rice", 40, 0),
        ("wash clothes", 30, 0),
        ("wash dishes", 30, 0),
    ]
    assert [(a.name, a.minutes, a.attention) for a in LEISURE] == [
        ("watch tv", 30, 30),
        ("jog", 30, 30),
        ("play video games", 40, 40),
    ]


def test_a_chore_is_attention_then_machine_then_attention():
    activity = chore("wash clothes", 30, start=2, finish=3)
    assert activity.steps == (Step(True, 2), Step(False, 25), Step(True, 3))
    assert (activity.minutes, activity.attention) == (30, 5)


def test_activities_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        chore("cook rice", 40).name = "burn rice"


@pytest.mark.parametrize(
    "activity", [*CHORES, *LEISURE, chore("wash", 30, start=2, finish=3), chore("x", 1, finish=1)]
)
def test_the_repr_of_an_activity_makes_it_again(activity):
    assert eval(repr(activity), {"chore": chore, "leisure": leisure}) == activity


def test_all_of_a_chore_may_be_attention_in_spite_of_rounding():
    assert chore("x", 0.3, start=0.1, finish=0.2).minutes == pytest.approx(0.3)


@pytest.mark.parametrize("make", [chore, leisure])
@pytest.mark.parametrize(
    ("minutes", "error", "words"),
    [
        (-1, ValueError, "run backwards, so give a number of minutes such as 30"),
        (math.nan, ValueError, "nan"),
        (math.inf, ValueError, "give at most 525,600 minutes"),
        (-math.inf, ValueError, "run backwards, so give a number of minutes such as 30"),
        (MAX_MINUTES + 1, ValueError, "give at most 525,600 minutes"),
        (10**400, ValueError, "give at most 525,600 minutes"),
        ("40", TypeError, "must be a number of minutes such as 30"),
        (None, TypeError, "must be a number of minutes such as 30"),
        (True, TypeError, "must be a number of minutes such as 30"),
        (1j, TypeError, "must be a number of minutes such as 30"),
    ],
)
def test_minutes_that_are_no_length_of_time_are_refused(make, minutes, error, words):
    with pytest.raises(error, match=words) as caught:
        make("cook rice", minutes)
    assert "cook rice" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_more_attention_than_minutes_is_refused():
    with pytest.raises(ValueError, match="start=20 and finish=20 together are 40"):
        chore("cook rice", 30, start=20, finish=20)


@pytest.mark.parametrize("name", ["", "  ", None, 7, chore])
def test_a_name_is_a_text_with_something_in_it(name):
    with pytest.raises((TypeError, ValueError), match="name"):
        chore(name, 40)


@pytest.mark.parametrize("name", ["<b>x</b>", "$\\frac{$", "洗衣服", "a\ud800b", "x" * 5000])
def test_any_other_name_is_fine(name):
    assert chore(name, 1).name == name


async def coroutine_function():
    pass


@pytest.mark.parametrize(
    ("activities", "words"),
    [
        ([], "nothing to do"),
        (chore("cook rice", 40), "square brackets"),
        ("cook rice", "a list such as CHORES"),
        (7, "a list such as CHORES"),
        (None, "a list such as CHORES"),
        ([40], "40 is no activity"),
        ([CHORES, LEISURE], r"CHORES \+ LEISURE"),
        ([*CHORES, "jog"], "'jog' is no activity"),
        ([coroutine_function], "coroutine_function .a coroutine function.* is no activity"),
        ([chore], "chore .a function. is no activity"),
        (coroutine_function, "coroutine function"),
    ],
)
def test_what_is_no_list_of_activities_is_refused(activities, words):
    with pytest.raises((TypeError, ValueError), match=words) as caught:
        check_activities(activities)
    assert "\n" not in str(caught.value)


def test_a_coroutine_among_the_activities_is_named():
    coroutine = coroutine_function()
    with pytest.raises(TypeError, match=r"coroutine_function\(\) .a coroutine. is no activity"):
        check_activities([coroutine])
    coroutine.close()


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
    began = time.perf_counter()
    elapsed = [sync_task(seconds=0.02), asyncio.run(async_task(seconds=0.02))]
    assert min(elapsed) >= 0.019
    assert time.perf_counter() - began >= sum(elapsed)


@pytest.mark.parametrize("seconds", [-1, math.nan, math.inf, "2"])
def test_the_timed_helpers_refuse_what_is_no_length_of_time(seconds):
    with pytest.raises((TypeError, ValueError), match="seconds of sync_task"):
        sync_task("x", seconds)
    with pytest.raises((TypeError, ValueError), match="seconds of async_task"):
        asyncio.run(async_task("x", seconds))


def test_the_timed_helpers_print_any_name(capsys):
    sync_task("a\ud800b", 0)
    assert "a?b took" in capsys.readouterr().out
