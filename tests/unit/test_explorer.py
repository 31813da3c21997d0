"""explore(): what the sliders set, what it does to the timeline, and what limits it."""

import base64
import sys

import pytest

from asyncteach import explore
from asyncteach.widgets import STATIC


def test_the_sentence_says_what_limits_it():
    """Your attention, the length of a chore, or the limit: each in its turn."""
    evening = explore()
    assert evening.sentence == (
        "6 chores of 30 minutes each: 45 minutes together, 180 minutes one after another. You are "
        "busy for 30 minutes. What limits it: your attention; chores are ready and you are busy "
        "with others."
    )
    assert evening.change(at_once=2).sentence.endswith(
        "What limits it: at most 2 at once; with no limit it would be 45 minutes."
    )
    assert evening.change(at_once=6, start=0, finish=0).sentence.endswith(
        "What limits it: the length of a chore; more hands would not make it shorter."
    )
    assert explore(chores=1).sentence.startswith("1 chore of 30 minutes takes 30 minutes.")


def test_a_limit_that_costs_nothing_is_not_blamed():
    """Where only you are slow, more at once would change nothing."""
    sentence = explore(chores=3, start=15, machine=0, finish=0, at_once=2).sentence
    assert "What limits it: your attention" in sentence


@pytest.mark.parametrize("at_once", range(1, 8))
def test_never_more_than_the_limit_are_under_way(at_once):
    """Chores that have begun and not ended are at no moment more than the limit."""
    recording = explore(chores=7, at_once=at_once).recording
    rows = recording.trace.rows
    for row in rows:
        under_way = [one for one in rows if one.spawned <= row.spawned < one.finished]
        assert len(under_way) <= at_once


def test_one_at_once_is_one_after_another():
    """With a limit of one it takes as long as it does in turn."""
    assert explore(chores=4, at_once=1).recording.minutes == 4 * 30


def test_a_change_is_seen_and_the_rest_stays():
    """What isn't named stays as it was set before."""
    evening = explore(chores=3, start=1, finish=1, machine=8)
    first = evening.recording
    assert evening.recording is first
    evening.change(chores=5)
    assert [row.name for row in evening.recording.trace.rows] == [f"chore {n}" for n in range(1, 6)]
    assert evening.settings.machine == 8


def test_its_text_is_the_same_every_time():
    """A stored notebook's text is compared, and it tells what a reader without sliders misses."""
    text = str(explore())
    assert text == str(explore())
    assert text.startswith("6 chores: 45.0 minutes\nyou ")
    assert text.endswith(
        "One change: at most 2 at once: 95 minutes.\n"
        "One change: 5 minutes of yours at each start: 58 minutes."
    )
    assert "no limit: 45 minutes" in str(explore(at_once=2))


def test_its_static_form_is_a_picture_with_words_and_a_text(monkeypatch):
    """What a stored notebook shows where no kernel runs; no widget is in it."""
    monkeypatch.setenv(STATIC, "1")
    data, about = explore()._repr_mimebundle_()
    assert set(data) == {"image/png", "text/plain"}
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert "One change: at most 2 at once" in about["image/png"]["alt"]


def test_without_ipywidgets_a_sentence_says_what_to_install(monkeypatch, capsys):
    """The picture and the text are there all the same."""
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    data, _ = explore()._repr_mimebundle_()
    assert set(data) == {"image/png", "text/plain"}
    assert capsys.readouterr().out.startswith("The sliders need ipywidgets: run `%pip install")


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"chores": 13}, ValueError, "chores takes a whole number, from 1 to 12, and got 13"),
        ({"chores": 2.5}, TypeError, "chores takes a whole number and got 2.5: "),
        ({"at_once": 0}, ValueError, "at_once takes a whole number, from 1 to 12, and got 0"),
        ({"start": "2"}, TypeError, "start takes a whole number and got '2': it is how long each"),
        ({"finish": 16}, ValueError, "finish takes a whole number, from 0 to 15, and got 16"),
        ({"machine": True}, TypeError, "machine takes a whole number and got True"),
        ({"chore": 3}, TypeError, "explore() has no option 'chore': did you mean 'chores'?"),
    ],
)
def test_a_wrong_setting_gets_one_sentence(settings, kind, words):
    """The error names the setting and what it can be."""
    with pytest.raises(kind) as error:
        explore(**settings)
    assert words in str(error.value)
    with pytest.raises(kind):
        explore().change(**settings)


class TestPanel:
    """The widgets, as the kernel has them."""

    @pytest.fixture
    def panel(self):
        """The widgets of one view."""
        widgets = pytest.importorskip("ipywidgets")
        from asyncteach.explorer import Panel

        return Panel(widgets, explore(chores=6, start=2, at_once=12))

    def test_a_slider_changes_sentence_and_picture(self, panel):
        """Both are those of the settings that the sliders show."""
        panel.sliders["chores"].slider.value = 3
        assert "3 chores of 30 minutes each" in panel.sentence.value
        assert 'alt="Timeline. 3 chores: ' in panel.picture.value
        panel.sliders["at_once"].field.value = 2
        assert panel.sliders["at_once"].slider.value == 2
        assert 'alt="Timeline. 3 chores, at most 2 at once: ' in panel.picture.value

    def test_the_sliders_begin_where_the_explorer_is(self, panel):
        """Settings that were given are what the sliders show."""
        shown = {name: slider.slider.value for name, slider in panel.sliders.items()}
        assert shown == {"chores": 6, "start": 2, "machine": 25, "finish": 3, "at_once": 12}

    def test_every_control_has_a_name_and_a_tooltip(self, panel):
        """Sliders and fields say what they are, and no two the same."""
        names = [slider.slider.description for slider in panel.sliders.values()]
        assert len(set(names)) == len(names)
        for slider in panel.sliders.values():
            assert slider.field.description == slider.slider.description
            assert slider.field.tooltip
            assert slider.slider.tooltip
