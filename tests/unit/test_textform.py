"""Recordings in characters and in words."""

import pytest
from traces import LINE, block, make, many, row, three

from asyncteach import LEISURE, Recording, run_in_turn
from asyncteach.timeline.lanes import TIMES


def test_the_text_form_of_code_is_a_timeline_with_what_held_the_loop():
    assert str(three()).splitlines() == [
        "by hand: 440 ms",
        "loop     #             ##############################################",
        "fetch-1  #.............##########################################",
        "fetch-2  .........................../////////////////////////////##",
        "fetch-3  .........................................////////////////###",
        "         # running, / ready, . waiting",
        "fetch-1 held the loop for 310 ms at In [7], line 3: this delayed fetch-2 and fetch-3",
    ]


def test_tasks_are_indented_and_threads_and_outcomes_are_seen():
    outcomes = ["returned", "cancelled", "raised ValueError: no\nsuch page", "still running"]
    rows = [row(f"t{n}", outcome=outcome) for n, outcome in enumerate(outcomes)]
    rows.append(row("read", parent=3, kind="thread"))
    lines = str(make(rows, [("t0", "running", 0, 1)])).splitlines()
    assert lines[6] == "  -> read (thread)"
    assert lines[2].endswith("#")
    assert [line.split(maxsplit=1)[1] for line in lines[3:6]] == [
        "cancelled",
        "raised ValueError: no such page",
        "still running",
    ]
    assert len({line.index(line.split()[1]) for line in lines[3:6]}) == 1


def test_a_loop_that_mostly_rests_is_mostly_blank():
    slices = [("a", "running", n / 100, n / 100 + 0.001) for n in range(100)]
    loop = str(make(["a"], slices, idle=[(n / 100 + 0.001, n / 100 + 0.01) for n in range(99)]))
    assert loop.splitlines()[1].count("#") == 0


def test_many_tasks_are_one_line_with_what_they_did_in_all():
    recording = many(10_000, title="a crowd")
    for task in recording.trace.rows[100:110]:
        task.outcome = "raised ValueError: no"
    recording.trace.dropped = 4321
    text = str(recording)
    (lane,) = [line for line in text.splitlines() if f"{TIMES} 9,992 " in line]
    assert lane.endswith("7 raised")
    assert f"fetch {TIMES} 9,992, in one lane: running 41.6 min, ready 83.3 min" in text
    assert "4,321 steps beyond max_slices were counted but not kept" in text
    assert len(text.splitlines()) <= 50


@pytest.mark.parametrize("alike", [True, False])
def test_there_are_at_most_forty_lines_for_tasks(alike):
    rows = [row(f"x{n}y", coroutine="x" if alike else f"{n}x") for n in range(500)]
    assert len(str(make(rows, [("x1y", "running", 0, 1)])).splitlines()) <= 44


def test_of_many_blocks_and_many_delayed_tasks_the_first_few_are_named():
    rows = [row(f"t{n}") for n in range(30)]
    delayed = [(n, n / 100) for n in range(1, 30)]
    blocks = [block(0, n, n + 0.1, None, delayed, "t0") for n in range(9)]
    text = str(make(rows, [("t0", "running", 0, 9)], blocks=blocks))
    assert "t0 held the loop for 100 ms: this delayed t29, t28, t27, t26, t25 and 24 more\n" in text
    assert text.endswith("4 shorter ones held it too")


def test_alt_text_says_what_the_picture_shows():
    rows = [row("main"), row("b", parent=0, outcome="cancelled")]
    slices = [("main", "running", 0, 0.3), ("b", "waiting", 0, 0.2)]
    recording = make(rows, slices, blocks=[block(0, 0, 0.3, LINE, (), "main")], dropped=5)
    assert recording.describe() == (
        "Timeline. by hand: 300 ms. loop: busy for 300 ms; main: running 300 ms; "
        "b: waiting 200 ms, cancelled. main held the loop for 300 ms at In [7], line 3. "
        "5 steps beyond max_slices were counted but not kept."
    )
    assert len(many(10_000).describe()) < 3000


def test_what_was_recorded_of_code_is_told_by_its_lanes():
    lanes = dict(three().lanes())
    assert [name for name, _ in three().lanes()] == ["loop", "fetch-1", "fetch-2", "fetch-3"]
    assert [one.task for one in lanes["loop"]] == ["fetch-1", "fetch-1", "fetch-2", "fetch-3"]
    thread = make([row("t", kind="thread")], [("t", "running", 0, 1)])
    assert thread.lanes()[0] == ("loop", [])
    assert run_in_turn(LEISURE, clock="virtual").lanes()[0][0] == "you"


def test_nothing_at_all_is_said_too():
    text = str(make([], []))
    assert text.splitlines()[:2] == ["by hand: 0 ms", "loop"]
    assert make([], []).describe() == "Timeline. by hand: 0 ms. loop: busy for 0 ms."
    assert "nothing: 0.0 minutes" in Recording("nothing", []).describe()
