"""Runners: exact in virtual time, of the right shape in real time."""

import asyncio
import gc
import math
import sys
import threading
import time
import warnings
from itertools import pairwise

import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncteach import CHORES, LEISURE, chore, compare, leisure, run_in_turn, run_together
from asyncteach import virtual_time as virtual_time_block

FOUR = ["in turn", "together", "threads", "processes"]


def together(activities, **keywords):
    return asyncio.run(run_together(activities, **keywords))


def rows(recording):
    return [tuple(row) for row in recording.to_frame().itertuples(index=False)]


def test_the_story_in_virtual_time_is_exact():
    assert run_in_turn(CHORES, clock="virtual").minutes == 100.0
    assert together(CHORES, clock="virtual").minutes == 40.0
    assert run_in_turn(LEISURE, clock="virtual").minutes == 100.0
    assert together(LEISURE, clock="virtual").minutes == 100.0


def test_the_story_in_real_time_has_the_same_shape():
    minute = 0.002
    in_turn = run_in_turn(CHORES, minute=minute)
    chores = together(CHORES, minute=minute)
    leisure_time = together(LEISURE, minute=minute)
    assert chores.minutes < in_turn.minutes / 1.5
    assert leisure_time.minutes > 2 * max(a.minutes for a in LEISURE)
    # More than a hundred minutes pass where other programs want the processor too.
    assert leisure_time.attention == pytest.approx(100, rel=0.1)


def test_waiting_for_machines_overlaps():
    assert [row for row in rows(together(CHORES, clock="virtual")) if row[1] == "waiting"] == [
        ("cook rice", "waiting", 0, 40),
        ("wash clothes", "waiting", 0, 30),
        ("wash dishes", "waiting", 0, 30),
    ]


def test_attention_makes_the_others_ready_and_not_waiting():
    assert rows(together(LEISURE, clock="virtual")) == [
        ("watch tv", "running", 0, 30),
        ("jog", "ready", 0, 30),
        ("play video games", "ready", 0, 60),
        ("jog", "running", 30, 60),
        ("play video games", "running", 60, 100),
    ]


def test_nothing_is_ready_when_each_has_its_turn():
    frame = run_in_turn([*CHORES, *LEISURE], clock="virtual").to_frame()
    assert set(frame["state"]) == {"running", "waiting"}


def test_a_machine_that_is_done_while_you_are_busy_makes_its_task_ready_at_that_minute():
    recording = together(
        [chore("wash clothes", 30, start=2, finish=3), leisure("jog", 40)], clock="virtual"
    )
    assert rows(recording) == [
        ("wash clothes", "running", 0, 2),
        ("jog", "ready", 0, 2),
        ("wash clothes", "waiting", 2, 27),
        ("jog", "running", 2, 42),
        ("wash clothes", "ready", 27, 42),
        ("wash clothes", "running", 42, 45),
    ]


def test_the_totals_of_each_task_are_told():
    frame = together([chore("wash", 30, start=2, finish=3), leisure("jog", 40)], clock="virtual")
    assert frame.tasks().to_dict("records") == [
        {"task": "wash", "spawned": 0, "finished": 45, "running": 5, "ready": 15, "waiting": 25},
        {"task": "jog", "spawned": 0, "finished": 42, "running": 40, "ready": 2, "waiting": 0},
    ]


def test_activities_of_one_name_are_told_apart():
    recording = together([leisure("jog", 10), leisure("jog", 10)], clock="virtual")
    assert recording.names == ["jog", "jog (2)"]
    assert recording.minutes == 20


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.builds(
            lambda start, machine, finish: chore(
                "x", start + machine + finish, start=start, finish=finish
            ),
            *[st.integers(0, 50)] * 3,
        ),
        min_size=1,
        max_size=6,
    )
)
def test_whatever_the_activities_the_books_balance(activities):
    in_turn = run_in_turn(activities, clock="virtual")
    recording = together(activities, clock="virtual")
    attention = sum(a.attention for a in activities)
    assert in_turn.minutes == sum(a.minutes for a in activities)
    assert in_turn.attention == recording.attention == attention
    assert max(attention, *(a.minutes for a in activities)) <= recording.minutes <= in_turn.minutes
    tasks = recording.tasks()
    total = tasks["running"] + tasks["ready"] + tasks["waiting"]
    assert list(total) == list(tasks["finished"] - tasks["spawned"])
    running = sorted((r[2], r[3]) for r in rows(recording) if r[1] == "running")
    assert all(a[1] <= b[0] for a, b in pairwise(running))


def test_virtual_runs_can_be_gathered_and_keep_their_own_clocks():
    async def main():
        return await asyncio.gather(
            run_together(CHORES, clock="virtual"), run_together(LEISURE, clock="virtual")
        )

    assert [recording.minutes for recording in asyncio.run(main())] == [40, 100]


def test_a_real_run_inside_virtual_time_is_virtual_too():
    with virtual_time_block():
        assert together(CHORES).minutes == 40
        assert run_in_turn(LEISURE).minutes == 100


def test_run_together_can_be_a_task_like_any_coroutine():
    async def main():
        task = asyncio.create_task(run_together(CHORES, clock="virtual"))
        assert "run_together" in repr(task)
        return (await task).minutes

    assert asyncio.run(main()) == 40


def test_run_together_without_await_says_what_is_missing():
    forgotten = run_together(CHORES, clock="virtual")
    assert repr(forgotten) == (
        "<run_together(...) has not been awaited: write `await run_together(...)`>"
    )
    with pytest.raises(AttributeError, match=r"await run_together.*recording\.minutes"):
        _ = forgotten.minutes
    with pytest.warns(RuntimeWarning, match="'run_together' was never awaited"):
        del forgotten
        gc.collect()


@pytest.mark.parametrize("run", [run_in_turn, run_together, compare])
@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"clock": "sundial"}, 'clock="real" or clock="virtual"'),
        ({"minute": 0}, "too short"),
        ({"minute": -1}, "takes a number of seconds, from 0"),
        ({"minute": math.nan}, "nan"),
        ({"minute": "20 ms"}, "takes a number of seconds and got .20 ms."),
        ({"minute": 1e-12}, "too short"),
        ({"minute": 600}, "hours of real time"),
    ],
)
def test_bad_keywords_are_refused_at_once(run, keywords, words):
    with pytest.raises((TypeError, ValueError), match=words):
        run(CHORES, **keywords)


@pytest.mark.parametrize("run", [run_in_turn, run_together, compare])
def test_bad_activities_are_refused_at_once(run):
    with pytest.raises(ValueError, match="an empty one"):
        run([])


def test_a_year_of_work_is_refused_in_real_time_but_not_in_virtual_time():
    year = [leisure("travel", 525_600)]
    with pytest.raises(ValueError, match="hours of real time"):
        run_in_turn(year)
    assert run_in_turn(year, clock="virtual").minutes == 525_600


def test_a_cancelled_run_leaves_no_task_behind():
    async def main():
        run = asyncio.create_task(run_together(CHORES, minute=1))
        await asyncio.sleep(0.01)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_compare_gives_a_table_with_a_row_a_way():
    table = compare(CHORES, clock="virtual")
    assert isinstance(table, pandas.DataFrame)
    assert table.index.name == "way"
    assert list(table.columns) == ["minutes", "attention minutes", "speed-up", "limit"]
    longest = "the longest: cook rice"
    assert list(table.loc[FOUR].itertuples(name=None)) == [
        ("in turn", 100, 0, 1, "one thing after another"),
        ("together", 40, 0, 2.5, longest),
        ("threads", 40, 0, 2.5, longest),
        ("processes", 40, 0, 2.5, longest),
    ]
    assert list(table.index) == FOUR + ["interpreters"] * (sys.version_info >= (3, 14))
    assert list(table.recordings) == list(table.index)
    assert "100.0" in str(table)


def test_compare_takes_an_iterator_too():
    table = compare(iter(LEISURE), clock="virtual").loc[FOUR]
    assert list(table["minutes"]) == [100, 100, 100, 55]
    assert list(table["limit"]) == [
        "one thing after another",
        "your attention",
        "the GIL",
        "2 cores",
    ]


def test_compare_takes_the_ways_that_are_asked_for():
    table = compare(CHORES, ways=["together", "in turn", "together"], clock="virtual")
    assert list(table["minutes"]) == [40, 100]
    assert list(table["speed-up"]) == [1, 0.4]
    assert list(compare(CHORES, ways="threads", clock="virtual").index) == ["threads"]


@pytest.mark.parametrize(
    ("ways", "words"),
    [
        (["in turn", "on mars"], "'on mars' is no way to do activities: take some of 'in turn', "),
        ([], "ways is empty: leave it out for all of them, or take some of 'in turn', "),
        (3, "ways is 3, which is no list of ways: take some of 'in turn', "),
    ],
)
def test_ways_that_do_not_exist_are_refused(ways, words):
    with pytest.raises((ValueError, TypeError), match=words):
        compare(CHORES, ways=ways, clock="virtual")


def test_who_could_not_be_faster_is_told_from_what_happened():
    evening = [chore("cook rice", 40), leisure("jog", 30)]
    table = compare(evening, clock="virtual").loc[FOUR]
    assert list(table["limit"])[1:] == ["the longest: cook rice"] * 3
    assert (
        list(compare([leisure("jog", 30)], clock="virtual").loc[FOUR, "limit"])
        == ["the longest: jog"] * 4
    )


def test_compare_is_a_plain_call_where_a_loop_is_running():
    async def main():
        threads = threading.active_count()
        table = compare(CHORES, clock="virtual")
        assert threading.active_count() == threads
        return list(table.loc[FOUR, "minutes"])

    assert asyncio.run(main()) == [100, 40, 40, 40]


def test_an_interrupt_of_compare_leaves_no_thread_behind(monkeypatch):
    real_join = threading.Thread.join
    interrupts = [KeyboardInterrupt]

    def join(self, timeout=None):
        if interrupts and self.name == "asyncteach-compare":
            raise interrupts.pop()
        return real_join(self, timeout)

    monkeypatch.setattr(threading.Thread, "join", join)

    async def main():
        with pytest.raises(KeyboardInterrupt):
            compare([chore("wait", 100)], minute=0.001)
        assert "asyncteach-compare" not in [thread.name for thread in threading.enumerate()]

    asyncio.run(main())


def test_what_is_derived_from_a_comparison_is_an_ordinary_frame():
    table = compare(CHORES, clock="virtual")
    assert type(table[["minutes"]]) is pandas.DataFrame
    assert type(table[table["minutes"] > 50]) is pandas.DataFrame


def test_attention_is_cpu_work():
    before = time.thread_time()
    run_in_turn([leisure("think", 20)], minute=0.001)
    assert time.thread_time() - before >= 0.019


def test_no_warning_escapes_from_a_run():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        together(CHORES, minute=0.0005)
        gc.collect()


def test_at_most_so_many_at_once_are_under_way():
    """The others begin, in order, when one before them is done; the picture's title says so."""
    recording = asyncio.run(run_together(CHORES, clock="virtual", at_once=2))
    starts = {row.name: (row.spawned, row.finished) for row in recording.trace.rows}
    assert starts == {"cook rice": (0, 40), "wash clothes": (0, 30), "wash dishes": (30, 60)}
    assert recording.title.endswith(", at most 2 at once")


def test_a_limit_of_one_is_in_turn_and_a_wide_one_is_none():
    """As many as there are at once is as if there were no limit."""
    one = asyncio.run(run_together(CHORES, clock="virtual", at_once=1))
    many = asyncio.run(run_together(CHORES, clock="virtual", at_once=9))
    assert (one.minutes, many.minutes) == (100, 40)


@pytest.mark.parametrize(
    ("at_once", "kind", "words"),
    [
        (0, ValueError, "at least one has to be under way"),
        (-2, ValueError, "at_once can't be -2"),
        (2.5, TypeError, "at_once must be a whole number such as 2, not 2.5"),
        (True, TypeError, "at_once must be a whole number"),
    ],
)
def test_what_is_no_limit_is_told_in_one_sentence(at_once, kind, words):
    """It is told at the call, before anything is awaited."""
    with pytest.raises(kind) as error:
        run_together(CHORES, clock="virtual", at_once=at_once)
    assert words in str(error.value)
