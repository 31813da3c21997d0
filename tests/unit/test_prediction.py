"""A learner's guess: its sentences, its picture, and the errors for wrong guesses."""

import asyncio
import time

import matplotlib as mpl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from traces import make, many, row

from asyncteach import (
    CHORES,
    LEISURE,
    Recording,
    chore,
    compare,
    leisure,
    predict,
    record,
    run_together,
    virtual_time,
)
from asyncteach.prediction.outlines import COLOR

EVENING = [
    chore("wash clothes", 30, start=2, finish=3),
    chore("cook rice", 40, start=1),
    leisure("jog", 30),
]


def together(activities):
    return asyncio.run(run_together(activities, clock="virtual"))


async def download(*waits):
    for seconds in waits:
        await asyncio.sleep(seconds)


async def save():
    await asyncio.sleep(2)
    time.sleep(4)


def blocked():
    """The news hold the loop from 2 to 6 s; the weather is done at 7 s, the sports at 8 s."""

    async def main():
        with virtual_time(), record() as recording:
            async with asyncio.TaskGroup() as group:
                group.create_task(save(), name="news")
                group.create_task(download(3, 1), name="weather")
                group.create_task(download(4, 2), name="sports")
        return recording

    return asyncio.run(main())


def outlines(picture, which=0):
    """Return (start, end, middle, right) of each outline."""
    found = []
    for patch in picture.axes[which].patches:
        if (patch.get_gid() or "").startswith("guess"):
            box = patch.get_path().get_extents(patch.get_patch_transform())
            right = patch.get_linestyle() == "solid"
            assert right == (patch.get_gid() == "guess, right")
            found.append((box.x0, box.x1, round((box.y0 + box.y1) / 2), right))
    return found


def labels(picture, which=0):
    return [text.get_text() for text in picture.axes[which].texts if text.get_gid() == "guess"]


def legend(picture):
    (one,) = picture.legends
    return [text.get_text() for text in one.get_texts() if text.get_text().strip()]


# What it says


@pytest.mark.parametrize(
    ("activities", "guess", "sentence"),
    [
        (CHORES, 40.3, "Right: you guessed 40.3 minutes, and it took 40 minutes."),
        (CHORES, 100, "Not quite: you guessed 100 minutes, and it took 40 minutes."),
        (
            CHORES,
            {"cook rice": 40, "wash clothes": 70},
            "1 of 2 right: cook rice. wash clothes: you guessed 70 minutes, it was 30 minutes.",
        ),
        (EVENING, {"cook rice": 42, "jog": 33}, "2 of 2 right: cook rice and jog."),
    ],
)
def test_a_sentence_says_what_was_right_and_what_was_missed(activities, guess, sentence):
    assert predict(activities, together=guess).compare(together(activities)).sentence == sentence


def test_several_ways_are_compared_with_a_comparison():
    comparison = compare(LEISURE, ways=["in turn", "together"], clock="virtual")
    outcome = predict(LEISURE, in_turn=100, together=40).compare(comparison)
    first, second = outcome.sentence.splitlines()
    assert first == "In turn: Right: you guessed 100 minutes, and it took 100 minutes."
    assert second == "Together: Not quite: you guessed 40 minutes, and it took 100 minutes."
    assert outlines(outcome.picture, 0) == [(0, 100, 1, True)]
    assert outlines(outcome.picture, 1) == [(0, 40, 1, False)]


@pytest.mark.parametrize(
    ("guess", "came", "right", "sentence"),
    [
        ("ab", "ab", "ab", "Right: you guessed a, b; it was a, b."),
        ("abcd", "acdb", "a", "Not quite: you guessed a, b, c, d; it was a, c, d, b."),
        ("ab", "abc", "ab", "Not quite: you guessed a, b; it was a, b, c."),
        ("ab", "", "", "Not quite: you guessed a, b; it was nothing."),
    ],
)
def test_an_order_is_compared_with_what_came(guess, came, right, sentence):
    outcome = predict(order=list(guess)).compare(list(came))
    assert (outcome.sentence, outcome.right) == (sentence, list(right))
    assert outcome.picture is None


def test_an_order_of_a_recording_is_that_of_its_ends():
    recording = blocked()
    assert not predict(order=["news", "weather", "sports"]).compare(recording).missed
    outcome = predict(order=["weather", "news", "sports"]).compare(recording)
    assert outcome.missed == ["weather", "news"]
    assert outcome.sentence.endswith("it was news, weather, sports.")


@pytest.mark.parametrize("order", [["a", "b"], ["b", "a"]])
def test_of_what_happens_at_the_same_moment_any_order_is_right(order):
    recording = together([chore("a", 30), chore("b", 30)])
    assert predict(order=order).compare(recording).missed == []


def test_a_measured_time_can_be_compared_too():
    assert predict(seconds=2).compare(2.04).sentence == (
        "Right: you guessed 2 s, and it took 2.04 s."
    )
    assert predict(seconds=2).compare(6.1).sentence == (
        "Not quite: you guessed 2 s, and it took 6.1 s."
    )
    assert predict(minutes=1).compare(60).right


@pytest.mark.parametrize(("keyword", "guess"), [("minutes", 0.1), ("seconds", 6), ("seconds", 6.0)])
def test_minutes_and_seconds_are_the_same_time(keyword, guess):
    recording = make(["a"], [("a", "waiting", 0, 6)])
    assert predict(**{keyword: guess}).compare(recording).right == ["the whole"]


def test_real_time_gets_more_room_than_virtual_time():
    virtual = make(["a"], [("a", "waiting", 0, 2.0)])
    real = make(["a"], [("a", "waiting", 0, 2.0312345)])
    assert predict(seconds=1.95).compare(virtual).missed
    assert predict(seconds=1.95).compare(real).right
    assert predict(seconds=1.95).compare(virtual, within=0.1).right


def test_what_never_ended_is_missed_and_said_so():
    rows = [row("a", outcome="still running"), row("b", finished=2.0)]
    recording = make(rows, [("a", "waiting", 0, 3), ("b", "waiting", 0, 2)])
    outcome = predict({"a": 2, "b": 2}).compare(recording)
    assert outcome.sentence == (
        "1 of 2 right: b. a: you guessed 2 s, it was still running at the end."
    )
    assert labels(outcome.picture) == ["missed: still running", "right"]


# No guess yet


@pytest.mark.parametrize(
    ("what", "keywords", "example"),
    [
        (CHORES, {"together": ...}, "as in together=12 (the numbers"),
        (CHORES, {"in_turn": {"cook rice": ...}}, 'as in "cook rice": 12 ('),
        (CHORES, {}, "as in together=12 ("),
        (CHORES, {"in_turn": ..., "threads": ...}, "as in in_turn=12, threads=19 (the numbers"),
        (None, {"seconds": ...}, "as in seconds=12 ("),
        (None, {"minutes": ...}, "as in minutes=12 ("),
        (None, {"order": ...}, 'as in order=["tea", "toast"] ('),
        (None, {"order": [..., ...]}, 'as in order=["tea", "toast"] (the names'),
        ({"news": ...}, {}, 'as in "news": 12 ('),
        (..., {}, "as in seconds=12 ("),
        (None, {}, "as in seconds=12 ("),
    ],
)
def test_without_a_guess_it_says_what_to_fill_in(what, keywords, example, capsys):
    guess = predict(what, **keywords)
    said = capsys.readouterr().out
    assert said.startswith("No guess yet: put yours in place of the dots")
    assert example in said
    assert not guess.given
    outcome = guess.compare(together(CHORES))
    assert outcome.sentence.startswith("No guess yet")
    assert (outcome.right, outcome.missed) == ([], [])
    assert outlines(outcome.picture) == labels(outcome.picture) == []


def test_a_part_of_a_guess_is_compared_and_the_rest_is_named(capsys):
    guess = predict(CHORES, together={"cook rice": 40, "wash clothes": ...})
    assert capsys.readouterr().out == (
        "Your guess, together: cook rice 40 minutes. Still open: wash clothes.\n"
    )
    assert guess.compare(together(CHORES)).sentence == (
        "1 of 1 right: cook rice. Still open: wash clothes."
    )


def test_no_guess_lets_any_comparison_go_on():
    comparison = compare(CHORES, ways=["in turn", "together"], clock="virtual")
    for happened in (comparison, together(CHORES), ["a"], 3.0):
        assert predict(...).compare(happened).sentence.startswith("No guess yet")


def test_a_guess_is_confirmed(capsys):
    predict(CHORES, in_turn=100, together={"cook rice": 25})
    predict({"news": 2}, order=["news", "weather"])
    assert capsys.readouterr().out.splitlines() == [
        "Your guess, in turn: 100 minutes; together: cook rice 25 minutes.",
        "Your guess: news 2, first news, then weather.",
    ]


# What it draws


def test_each_guess_is_an_outline_in_its_tasks_lane():
    guess = predict(EVENING, together={"wash clothes": 30, "cook rice": 42, "jog": 30})
    picture = guess.compare(together(EVENING)).picture
    assert outlines(picture) == [(0, 30, 1, False), (0, 42, 2, True), (0, 30, 3, False)]
    assert labels(picture) == ["6 minutes too early", "right", "3 minutes too early"]


def test_a_guessed_total_is_an_outline_around_all_lanes():
    picture = predict(CHORES, together=60).compare(together(CHORES)).picture
    (ax,) = picture.axes
    ((start, end, _, right),) = outlines(picture)
    assert (start, end, right) == (0, 60, False)
    assert labels(picture) == ["your guess: 60 minutes, 20 minutes too late"]
    assert ax.get_xlim()[1] > 60


def test_a_guess_far_too_long_goes_out_of_the_picture():
    picture = predict(CHORES, together=100_000).compare(together(CHORES)).picture
    assert outlines(picture)[0][1] == 100_000
    assert picture.axes[0].get_xlim()[1] < 200


def test_right_and_missed_differ_by_line_and_word_not_by_colour():
    guess = predict(CHORES, together={"cook rice": 40, "wash clothes": 20})
    picture = guess.compare(together(CHORES)).picture
    guesses = [text for text in legend(picture) if text.startswith("your guess")]
    assert guesses == ["your guess, right", "your guess, missed"]
    patches = [one for one in picture.axes[0].patches if one.get_gid()]
    assert {mpl.colors.to_hex(one.get_edgecolor()) for one in patches} == {COLOR}
    assert len({str(one.get_linestyle()) for one in patches}) == 2


def test_the_picture_is_described_in_words():
    recording = together(EVENING)
    guess = predict(EVENING, together={"wash clothes": 30, "cook rice": 42})
    alt = guess.compare(recording).picture.alt
    assert alt == (
        f"{recording.describe()} Your guess, as outlines: wash clothes 30 minutes, 6 minutes "
        "too early; cook rice 42 minutes, right."
    )


@pytest.mark.parametrize("guess", [{"fetch-1": 1, "fetch-19999": 1}, {"main": 2}])
def test_of_many_tasks_those_with_a_lane_are_outlined(guess):
    picture = predict(guess).compare(many(20_000)).picture
    assert len(outlines(picture)) == 1


@pytest.mark.parametrize(("total", "tasks"), [(0, 1), (1e-9, 2), (40, 300), (500_000, 2)])
def test_words_stay_inside_the_picture(total, tasks):
    activities = [chore(f"tea {n}", 30) for n in range(tasks)]
    guess = predict(activities, together={"tea 0": total}, minutes=total)
    picture = guess.compare(together(activities)).picture
    canvas = FigureCanvasAgg(picture)
    canvas.draw()
    for text in picture.axes[0].texts:
        box = text.get_window_extent(canvas.get_renderer())
        assert picture.bbox.x0 <= box.x0 <= box.x1 <= picture.bbox.x1
        assert picture.bbox.y0 <= box.y0 <= box.y1 <= picture.bbox.y1


def test_the_recording_is_left_as_it_was():
    recording = together(CHORES)
    before = (str(recording), recording.to_frame().to_csv())
    outcome = predict(CHORES, together={"cook rice": 3}, order=["cook rice"]).compare(recording)
    assert outcome.picture is not None
    assert (str(recording), recording.to_frame().to_csv()) == before


def test_a_recording_of_nothing_can_be_compared():
    outcome = predict(minutes=3).compare(Recording("nothing", []))
    assert outcome.missed == ["the whole"]
    assert outcome.picture.alt


def test_it_shows_itself_in_a_notebook(monkeypatch, capsys):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *args, **more: shown.append((args, more)))
    guess = predict(CHORES, together=40)
    outcome = guess.compare(together(CHORES))
    capsys.readouterr()
    outcome._ipython_display_()
    assert capsys.readouterr().out == f"{outcome.sentence}\n"
    (((bundle,), more),) = shown
    assert bundle["image/png"]
    assert bundle["text/plain"] == str(together(CHORES))
    assert "Your guess, as outlines" in more["metadata"]["image/png"]["alt"]
    predict(order=["a"]).compare(["a"])._ipython_display_()
    assert len(shown) == 1


def test_in_a_terminal_it_is_text():
    text = str(predict(CHORES, together=40).compare(together(CHORES)))
    assert text.startswith("Chores, together (asyncio.gather): 40.0 minutes\n")
    assert text.endswith("\nRight: you guessed 40 minutes, and it took 40 minutes.")


# What is no guess

RICE = "cook rice"


@pytest.mark.parametrize(
    ("what", "keywords", "words"),
    [
        (CHORES, {"together": {"cook rise": 3}}, "among the activities: did you mean 'cook rice'?"),
        (CHORES, {"together": {"sing": 3}}, "no task 'sing' among the activities: there are 'cook"),
        (CHORES, {"togehter": 3}, "predict() has no option 'togehter': did you mean 'together'?"),
        (CHORES, {"sideways": 3}, "has no option 'sideways': it takes 'in_turn', 'together', "),
        (CHORES, {"together": -1}, "from 0 to 525,600, but got -1: write a number such as 25"),
        (CHORES, {"together": "40"}, "together takes a number of minutes but got '40'"),
        (CHORES, {"together": {RICE: "40"}}, "the guess for 'cook rice' takes a number"),
        (CHORES, {"together": {RICE: (40, 1)}}, "the guess for 'cook rice' takes a number"),
        (CHORES, {"together": [40, 30, 30]}, "write a dict with a number for each task"),
        (CHORES, {"together": {}}, "The dict is empty: name at least one task"),
        (CHORES, {"together": {3: 4}}, 'got 3: write together={"cook rice": 25}.'),
        (CHORES, {"together": True}, "takes a number of minutes but got True"),
        (CHORES, {"together": float("nan")}, "takes a finite number of minutes but got nan"),
        (6, {}, "predict(6) lacks a unit: write predict(minutes=6) or predict(seconds=6)."),
        (["news", "weather"], {}, "got a list of names: for an order write predict(order=[...])"),
        (CHORES[0], {"together": 40}, "got one activity: write [activity]."),
        (None, {"seconds": 1, "minutes": 2}, "minutes= or seconds=, not both"),
        (
            None,
            {"order": "news"},
            "order takes a list but got 'news': name the events in their order",
        ),
        (
            None,
            {"order": []},
            "order takes a list but got an empty one: name the events in their order",
        ),
        (None, {"order": [3]}, "got 3: put names in quotes"),
    ],
)
def test_what_is_no_guess_gets_one_sentence_with_a_fix(what, keywords, words, capsys):
    with pytest.raises((TypeError, ValueError)) as error:
        predict(what, **keywords)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert capsys.readouterr().out == ""


def _run():
    coroutine = run_together(CHORES)
    coroutine.close()
    return coroutine


@pytest.mark.parametrize(
    ("guess", "happened", "words"),
    [
        ({"seconds": 3}, lambda: None, "can't be compared with None: pass a recording"),
        ({"seconds": 3}, lambda: "fast", "can't be compared with 'fast': pass a recording"),
        ({"seconds": 3}, lambda: ["a"], "You guessed times, but this is a list of events"),
        ({"order": ["a"]}, lambda: 3.0, "no total to compare with 3 seconds"),
        ({"seconds": 3}, _run, "This hasn't run yet: await it first"),
        ({"what": {"newz": 3}}, blocked, "'newz' in this recording: did you mean 'news'?"),
        (
            {"what": CHORES, "in_turn": 3, "together": 4},
            lambda: together(CHORES),
            "You guessed in turn and together, but this is one recording",
        ),
        (
            {"what": CHORES, "threads": 3},
            lambda: compare(CHORES, ways=["together"], clock="virtual"),
            "Your guess is for 'threads', but what happened has 'together'",
        ),
        (
            {"seconds": 3},
            lambda: compare(CHORES, ways=["together"], clock="virtual"),
            "Your guess is for no way, but what happened has 'together'",
        ),
    ],
)
def test_what_a_guess_cannot_be_compared_with(guess, happened, words):
    prediction = predict(**guess)
    with pytest.raises((TypeError, ValueError)) as error:
        prediction.compare(happened())
    assert words in str(error.value)


@pytest.mark.parametrize("within", ["0.1", -1, True, float("nan")])
def test_within_is_a_part_of_the_whole(within):
    with pytest.raises((TypeError, ValueError), match="write a share of the whole, such as"):
        predict(seconds=3).compare(3.0, within=within)
