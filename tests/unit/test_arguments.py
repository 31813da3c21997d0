"""The checks of arguments: one sentence with the value and a fix."""

import math
from fractions import Fraction

import pytest

from asyncteach import arguments, compare, run_in_turn, run_together
from asyncteach.activities import CHORES

CHECKS = {
    "number": lambda value: arguments.check_number(value, "width", unit="in", least=3, most=50),
    "positive": lambda value: arguments.check_number(value, "threshold", above=True),
    "whole": lambda value: arguments.check_whole(value, "most"),
    "text": lambda value: arguments.check_text(value, "name", fix='write name="tea"'),
    "list": lambda value: arguments.check_list(value, "order", fix='write order=["tea"]'),
    "word": lambda value: arguments.check_word(value, "clock", ["real", "virtual"]),
    "option": lambda value: arguments.check_options("plot", [value], ["start", "end"]),
}


@pytest.mark.parametrize(
    ("check", "value", "words"),
    [
        *(("number", value, "number of in") for value in (True, "4", None, 2j)),
        ("number", 2, "from 3 to 50, but got 2: write"),
        ("number", 51, "from 3 to 50"),
        *(("number", value, "finite number") for value in (math.nan, -math.inf, 10**400)),
        ("positive", 0, "more than 0, but got 0"),
        *(("whole", value, "whole number") for value in (True, "4", 2.0, math.nan)),
        ("whole", 0, "1 or more, but got 0"),
        ("text", 3, 'takes a string but got 3: write name="tea"'),
        ("text", " ", "isn't blank"),
        ("list", "tea", "takes a list but got 'tea'"),
        ("list", 3, "takes a list but got 3"),
        ("list", [], "got an empty one"),
        ("word", "vitrual", r"did you mean 'virtual'\?"),
        ("word", 3, "choose from 'real' and 'virtual'"),
        ("option", "stop", r"plot\(\) has no option 'stop': it takes 'start' and 'end'"),
    ],
)
def test_wrong_arguments_get_one_sentence_with_the_value(check, value, words):
    with pytest.raises((TypeError, ValueError), match=words) as error:
        CHECKS[check](value)
    assert "\n" not in str(error.value)
    assert str(error.value)[-1] in ".?"


@pytest.mark.parametrize(
    ("check", "value"),
    [
        ("number", Fraction(7, 2)),
        ("positive", 0.1),
        ("whole", 3),
        ("text", "tea"),
        ("list", ["tea"]),
    ],
)
def test_right_arguments_come_back(check, value):
    assert CHECKS[check](value) == value


def test_a_forgotten_await_is_named():
    coroutine = run_together(CHORES, clock="virtual")
    for check in ("number", "whole", "text", "list"):
        with pytest.raises(TypeError, match="await it first"):
            CHECKS[check](coroutine)
    with pytest.raises(TypeError, match=r"draws a Recording but got .*: await it first"):
        arguments.check_recording(coroutine, "plot_timeline")
    coroutine.close()


def test_something_else_than_a_recording_is_named():
    recording = run_in_turn(CHORES, clock="virtual")
    assert arguments.check_recording(recording, "replay") is recording
    comparison = compare(CHORES, ways=["in turn"], clock="virtual")
    for wrong, words in (
        (comparison, r'comparison\.recordings\["together"\]'),
        (3, "steps through a Recording but got an int: pass the result"),
    ):
        with pytest.raises(TypeError, match=words):
            arguments.check_recording(wrong, "replay", "steps through")
