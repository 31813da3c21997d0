"""Runners and compare(): exact in virtual time."""

import asyncio
import gc
import math
import sys
import threading

import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncteach import (
    CHORES,
    LEISURE,
    chore,
    compare,
    leisure,
    run_in_interpreters,
    run_in_processes,
    run_in_threads,
    run_in_turn,
    run_together,
)
from asyncteach import virtual_time as virtual_time_block
from asyncteach.trace import READY, RUNNING, WAITING

NEW = sys.version_info >= (3, 14)
FOUR = ["in turn", "together", "threads", "processes"]
PLAIN = [run_in_turn, run_in_threads, run_in_processes, *[run_in_interpreters] * NEW]


def together(activities, **keywords):
    return asyncio.run(run_together(activities, clock="virtual", **keywords))


def rows(recording, state=None):
    found = [tuple(row) for row in recording.to_frame().itertuples(index=False)]
    return [row for row in found if state in (None, row[1])]


@pytest.mark.parametrize(
    ("run", "chores", "leisure_time"),
    [
        (run_in_turn, 100, 100),
        (together, 40, 100),
        (run_in_threads, 40, 100),
        (run_in_processes, 40, 55),
        *[(run_in_interpreters, 40, 55)] * NEW,
    ],
)
def test_the_story_is_exact(run, chores, leisure_time):
    keywords = {} if run is together else {"clock": "virtual"}
    assert run(CHORES, **keywords).minutes == chores
    recording = run(LEISURE, **keywords)
    assert (recording.minutes, recording.attention) == (leisure_time, 100)
    if run is not run_in_turn:
        assert rows(run(CHORES, **keywords), WAITING) == [
            ("cook rice", "waiting", 0, 40),
            ("wash clothes", "waiting", 0, 30),
            ("wash dishes", "waiting", 0, 30),
        ]


def test_attention_makes_the_others_ready_and_not_waiting():
    assert rows(together(LEISURE)) == [
        ("watch tv", "running", 0, 30),
        ("jog", "ready", 0, 30),
        ("play video games", "ready", 0, 60),
        ("jog", "running", 30, 60),
        ("play video games", "running", 60, 100),
    ]
    assert not rows(run_in_turn([*CHORES, *LEISURE], clock="virtual"), READY)


def test_a_machine_that_is_done_while_you_are_busy_makes_its_task_ready_at_that_minute():
    recording = together([chore("wash clothes", 30, start=2, finish=3), leisure("jog", 40)])
    assert rows(recording) == [
        ("wash clothes", "running", 0, 2),
        ("jog", "ready", 0, 2),
        ("wash clothes", "waiting", 2, 27),
        ("jog", "running", 2, 42),
        ("wash clothes", "ready", 27, 42),
        ("wash clothes", "running", 42, 45),
    ]
    columns = ["task", "spawned", "finished", "running", "ready", "waiting"]
    assert recording.tasks()[columns].to_numpy().tolist() == [
        ["wash clothes", 0, 45, 5, 15, 25],
        ["jog", 0, 42, 40, 2, 0],
    ]


def test_threads_take_turns_at_leisure():
    recording = run_in_threads([leisure("read", 1), leisure("write", 0.75)], clock="virtual")
    turns = [("read", "write")[n % 2] for n in range(7)]
    assert rows(recording, RUNNING) == [
        (turn, "running", n / 4, n / 4 + 0.25) for n, turn in enumerate(turns)
    ]
    assert recording.lanes()[0][0] == "the GIL"
    assert "the GIL" not in dict(run_in_processes(LEISURE, clock="virtual").lanes())


CHORE = st.tuples(*[st.integers(0, 30)] * 3).map(
    lambda parts: chore("x", sum(parts), start=parts[0], finish=parts[1])
)


@settings(max_examples=30, deadline=None)
@given(st.lists(CHORE, min_size=1, max_size=6))
def test_whatever_the_activities_the_books_balance(activities):
    """All get what they need, and no core rests while an activity is ready."""
    attention = sum(a.attention for a in activities)
    longest = max(a.minutes for a in activities)
    in_turn = run_in_turn(activities, clock="virtual")
    assert in_turn.minutes == sum(a.minutes for a in activities)
    assert in_turn.attention == attention
    for run, cores in ((together, 1), (run_in_threads, 1), (run_in_processes, 2)):
        keywords = {} if run is together else {"clock": "virtual"}
        recording = run(activities, **keywords)
        assert max(attention / cores, longest) <= recording.minutes <= in_turn.minutes
        tasks = recording.tasks()
        assert list(tasks["running"]) == [a.attention for a in activities]
        assert list(tasks["waiting"]) == [a.minutes - a.attention for a in activities]
        total = tasks["running"] + tasks["ready"] + tasks["waiting"]
        assert list(total) == list(tasks["finished"] - tasks["spawned"])
        slices = recording.to_frame().query("end > start")
        for at in {*slices.start}:
            now = slices[(slices.start <= at) & (at < slices.end)].state
            assert (now == RUNNING).sum() <= cores
            assert (now == RUNNING).sum() == cores or not (now == READY).any()


def test_a_real_run_inside_virtual_time_is_virtual_too():
    with virtual_time_block() as clock:
        assert asyncio.run(run_together(CHORES)).minutes == 40
        assert run_in_turn(LEISURE).minutes == 100
        before = clock.seconds
        assert run_in_threads(CHORES).minutes == pytest.approx(40)
        assert clock.seconds - before == pytest.approx(40 * 0.02)
        assert run_in_processes(LEISURE).minutes == pytest.approx(55)


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


@pytest.mark.parametrize("run", [*PLAIN, run_together, compare])
@pytest.mark.parametrize(
    ("activities", "keywords", "words"),
    [
        (CHORES, {"clock": "sundial"}, "clock doesn't know 'sundial': choose from 'real' and"),
        (CHORES, {"minute": -1}, "minute takes a number of seconds, from 1e-06 to 60"),
        (CHORES, {"minute": math.nan}, "minute takes a finite number"),
        (CHORES, {"minute": "20 ms"}, "minute takes a number"),
        (CHORES, {"minute": 600}, 'leave it at 0.02, or pass clock="virtual"'),
        ([], {}, "an empty one"),
        ("chores", {}, "activities takes a list"),
    ],
)
def test_wrong_arguments_are_refused_at_once(run, activities, keywords, words):
    with pytest.raises((TypeError, ValueError), match=words):
        run(activities, **keywords)


@pytest.mark.skipif(NEW, reason="this Python has interpreters")
def test_a_python_without_interpreters_says_so():
    with pytest.raises(RuntimeError, match=r"needs Python 3.14 or later, and this is 3\.1\d: use "):
        run_in_interpreters(CHORES)


def test_at_most_so_many_at_once_are_under_way():
    with pytest.raises(ValueError, match="at_once takes a whole number, 1 or more, but got 0"):
        together(CHORES, at_once=0)
    recording = together(CHORES, at_once=2)
    starts = {row.name: (row.spawned, row.finished) for row in recording.trace.rows}
    assert starts == {"cook rice": (0, 40), "wash clothes": (0, 30), "wash dishes": (30, 60)}
    assert recording.title.endswith(", at most 2 at once")
    assert [together(CHORES, at_once=limit).minutes for limit in (1, 9)] == [100, 40]


def test_a_cancelled_run_leaves_no_task_behind():
    async def main():
        run = asyncio.create_task(run_together(CHORES, minute=1))
        await asyncio.sleep(0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


@pytest.mark.parametrize(
    ("activities", "minutes", "limits"),
    [
        (CHORES, [100, 40, 40, 40], ["the longest: cook rice"] * 3),
        (iter(LEISURE), [100, 100, 100, 55], ["your attention", "the GIL", "2 cores"]),
        (CHORES[:1] + LEISURE[1:2], [70, 40, 40, 40], ["the longest: cook rice"] * 3),
    ],
)
def test_compare_gives_a_table_with_a_row_a_way(activities, minutes, limits):
    table = compare(activities, clock="virtual")
    assert isinstance(table, pandas.DataFrame)
    assert table.index.name == "way"
    assert list(table.columns) == ["minutes", "attention minutes", "speed-up", "limit"]
    assert list(table.index) == list(table.recordings) == FOUR + ["interpreters"] * NEW
    assert list(table.loc[FOUR, "minutes"]) == minutes
    assert list(table.loc[FOUR, "speed-up"]) == [minutes[0] / one for one in minutes]
    assert list(table.loc[FOUR, "limit"]) == ["one thing after another", *limits]
    assert type(table[["minutes"]]) is type(table[table["minutes"] > 50]) is pandas.DataFrame
    assert f"{minutes[0]}.0" in str(table)


def test_compare_takes_the_ways_that_are_asked_for():
    table = compare(CHORES, ways=["together", "in turn", "together"], clock="virtual")
    assert list(table["minutes"]) == [40, 100]
    assert list(table["speed-up"]) == [1, 0.4]
    assert list(compare(CHORES, ways="threads", clock="virtual").index) == ["threads"]
    assert set(compare([leisure("jog", 30)], clock="virtual")["limit"]) == {"the longest: jog"}


@pytest.mark.parametrize(
    ("ways", "words"),
    [(["on mars"], "ways doesn't know 'on mars': choose from 'in turn', "), ([], "an empty one")],
)
def test_ways_that_do_not_exist_are_refused(ways, words):
    with pytest.raises(ValueError, match=words):
        compare(CHORES, ways=ways, clock="virtual")


@pytest.mark.parametrize("run", [compare, run_in_threads, run_in_processes])
def test_it_is_a_plain_call_where_a_loop_is_running(run):
    async def main():
        threads = threading.active_count()
        result = run(CHORES, clock="virtual")
        assert threading.active_count() == threads
        return result

    found = asyncio.run(main())
    assert (found["minutes"].min() if run is compare else found.minutes) == 40
