"""explore(): what the sliders set, what it does to the timeline, and what limits it."""

import base64
import sys

import pytest

from asyncteach import explore
from asyncteach.explorer import Panel
from asyncteach.widgets import STATIC


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {},
            "6 chores of 30 minutes each: 45 minutes together, 180 minutes one after another. "
            "You are busy for 30 minutes. What limits it: your attention; chores are ready and "
            "you are busy with others.",
        ),
        ({"at_once": 2}, "limits it: at most 2 at once; with no limit it would be 45 minutes."),
        (
            {"start": 0, "finish": 0},
            "limits it: the length of a chore; more hands would not make it shorter.",
        ),
        ({"chores": 1}, "1 chore of 30 minutes takes 30 minutes."),
        # Where only you are slow, more at once would change nothing.
        ({"chores": 3, "start": 15, "machine": 0, "finish": 0, "at_once": 2}, ": your attention;"),
    ],
)
def test_the_sentence_says_what_limits_it(settings, words):
    assert words in explore(**settings).sentence


@pytest.mark.parametrize("at_once", range(1, 8))
def test_never_more_than_the_limit_are_under_way(at_once):
    """Chores that have begun and not ended are at no moment more than the limit."""
    recording = explore(chores=7, at_once=at_once).recording
    rows = recording.trace.rows
    for row in rows:
        under_way = [one for one in rows if one.spawned <= row.spawned < one.finished]
        assert len(under_way) <= at_once
    assert at_once > 1 or recording.minutes == 7 * 30


def test_a_change_is_seen_and_the_rest_stays():
    evening = explore(chores=3, start=1, finish=1, machine=8)
    first = evening.recording
    assert evening.recording is first
    evening.change(chores=5)
    assert [row.name for row in evening.recording.trace.rows] == [f"chore {n}" for n in range(1, 6)]
    assert evening.settings.machine == 8


def test_its_text_is_the_same_every_time():
    """A stored notebook's text is compared, and it has what a reader without sliders misses."""
    text = str(explore())
    assert text == str(explore())
    assert text.startswith("6 chores: 45.0 minutes\nyou ")
    assert text.endswith(
        "One change: at most 2 at once: 95 minutes.\n"
        "One change: 5 minutes of yours at each start: 58 minutes."
    )
    assert "no limit: 45 minutes" in str(explore(at_once=2))


@pytest.mark.parametrize("installed", [True, False])
def test_its_static_form_is_a_picture_with_words_and_a_text(installed, monkeypatch, capsys):
    """What a stored notebook shows where no kernel runs; no widget is in it."""
    if installed:
        monkeypatch.setenv(STATIC, "1")
    else:
        monkeypatch.setitem(sys.modules, "ipywidgets", None)
    data, about = explore()._repr_mimebundle_()
    assert set(data) == {"image/png", "text/plain"}
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert "One change: at most 2 at once" in about["image/png"]["alt"]
    hint = (
        "The sliders need ipywidgets: run `%pip install ipywidgets` in a cell, restart the kernel "
        "and reload the page.\n"
    )
    assert capsys.readouterr().out == ("" if installed else hint)


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"chores": 13}, ValueError, "chores takes a whole number, from 1 to 12, but got 13"),
        ({"chores": 2.5}, TypeError, "chores takes a whole number but got 2.5: "),
        ({"at_once": 0}, ValueError, "at_once takes a whole number, from 1 to 12, but got 0"),
        ({"start": "2"}, TypeError, "start takes a whole number but got '2': it is how long each"),
        ({"machine": True}, TypeError, "machine takes a whole number but got True"),
        ({"chore": 3}, TypeError, "explore() has no option 'chore': did you mean 'chores'?"),
    ],
)
def test_a_wrong_setting_gets_one_sentence(settings, kind, words):
    for use in (explore, explore().change):
        with pytest.raises(kind) as error:
            use(**settings)
        assert words in str(error.value)


def test_a_slider_changes_sentence_and_picture():
    """Both are those of the settings that the sliders show."""
    panel = Panel(pytest.importorskip("ipywidgets"), explore(chores=6, start=2, at_once=12))
    shown = {name: slider.slider.value for name, slider in panel.sliders.items()}
    assert shown == {"chores": 6, "start": 2, "machine": 25, "finish": 3, "at_once": 12}
    panel.sliders["chores"].slider.value = 3
    assert "3 chores of 30 minutes each" in panel.sentence.value
    assert 'alt="Timeline. 3 chores: ' in panel.picture.value
    panel.sliders["at_once"].field.value = 2
    assert panel.sliders["at_once"].slider.value == 2
    assert 'alt="Timeline. 3 chores, at most 2 at once: ' in panel.picture.value
    names = [slider.slider.description for slider in panel.sliders.values()]
    assert len(set(names)) == len(names)
    for slider in panel.sliders.values():
        assert slider.field.description == slider.slider.description
        assert slider.field.tooltip == slider.slider.tooltip != ""
