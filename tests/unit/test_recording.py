"""Recordings: frames, text, and what a notebook shows."""

import asyncio
import base64

import pandas
import pytest

from asyncteach import CHORES, LEISURE, Recording, chore, leisure, run_in_turn, run_together


def together(activities):
    return asyncio.run(run_together(activities, clock="virtual"))


def test_the_frame_has_a_row_a_slice_by_start():
    frame = together(CHORES).to_frame()
    assert list(frame.columns) == ["task", "state", "start", "end"]
    assert list(frame["start"]) == sorted(frame["start"])
    assert set(frame["state"]) <= {"running", "ready", "waiting"}


def test_the_text_form_is_a_timeline():
    assert str(together(LEISURE)).splitlines() == [
        "Leisure, together (asyncio.gather): 100.0 minutes",
        "you               " + "#" * 60,
        "watch tv          " + "#" * 18,
        "jog               " + "/" * 18 + "#" * 18,
        "play video games  " + "/" * 36 + "#" * 24,
        "                  # running, / ready, . waiting",
    ]


def test_the_text_form_aligns_wide_characters():
    lines = str(together([leisure("洗衣服", 10), leisure("abcdef", 10)])).splitlines()
    assert lines[2].startswith("洗衣服  ###")
    assert lines[3].startswith("abcdef  ///")


def test_the_text_form_of_many_tasks_says_what_it_leaves_out():
    text = str(together([chore(f"task {n}", 1) for n in range(200)]))
    assert "161 more tasks, in one lane: running 0 min, ready 0 min, waiting 161 min" in text
    assert len(text.splitlines()) < 50


def test_the_repr_is_short():
    assert repr(together(CHORES)) == (
        "<Recording of 3 tasks: Chores, together (asyncio.gather): 40.0 minutes>"
    )


def test_a_notebook_gets_a_picture_with_alt_text_and_the_text_form():
    recording = together(LEISURE)
    data, metadata = recording._repr_mimebundle_()
    assert set(data) == {"image/png", "text/plain"}
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert data["text/plain"] == str(recording)
    alt = metadata["image/png"]["alt"]
    assert "100.0 minutes" in alt
    assert "jog: ready 0.0 to 30.0, running 30.0 to 60.0" in alt


def test_an_activity_called_you_has_a_lane_of_its_own():
    recording = together([leisure("you", 10), leisure("you (2)", 10), leisure("you", 10)])
    assert [name for name, _ in recording.lanes()] == ["you", "you", "you (2)", "you (3)"]


def test_activities_without_length_give_an_empty_looking_but_sound_recording():
    recording = run_in_turn([chore("blink", 0)], clock="virtual")
    assert recording.minutes == 0
    assert "blink" in str(recording)
    assert "a moment" in recording.describe()
    assert recording._repr_mimebundle_()


def test_an_empty_recording_can_be_looked_at():
    recording = Recording("nothing", [])
    assert recording.minutes == recording.attention == 0
    assert recording.to_frame().empty
    assert recording.tasks().empty
    assert isinstance(recording.to_frame(), pandas.DataFrame)
    assert "nothing: 0.0 minutes" in str(recording)
    assert recording._repr_mimebundle_()


def test_a_recording_by_hand_may_be_in_seconds():
    recording = Recording("Breakfast", ["egg"], unit="seconds", head="loop")
    recording.add(0, "running", 0, 2)
    assert (recording.unit, recording.seconds) == ("seconds", 2)
    with pytest.raises(ValueError, match="'minutes' and 'seconds'"):
        Recording("Breakfast", ["egg"], unit="hours")
