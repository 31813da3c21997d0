"""The checks of arguments: one sentence with the value and a fix."""

import math
from fractions import Fraction

import pytest

from asyncteach import arguments, compare, run_in_turn, run_together
from asyncteach.activities import CHORES


def _number(value):
    return arguments.check_number(value, "width", unit="inches", least=3, most=50)


def _positive(value):
    return arguments.check_number(value, "threshold", above=True)


def _whole(value):
    return arguments.check_whole(value, "most")


def _text(value):
    return arguments.check_text(value, "name", fix='write name="tea"')


def _list(value):
    return arguments.check_list(value, "order", fix='write order=["tea"]')


def _word(value):
    return arguments.check_word(value, "clock", ["real", "virtual"])


def _option(value):
    return arguments.check_options("plot", [value], ["start", "end"])


@pytest.mark.parametrize(
    ("check", "value", "words"),
    [
        *((_number, value, "number of inches") for value in (True, "4", None, 2j)),
        (_number, 2, "from 3 to 50, and got 2: write"),
        (_number, 51, "from 3 to 50"),
        *((_number, value, "finite number") for value in (math.nan, -math.inf, 10**400)),
        (_positive, 0, "more than 0, and got 0"),
        *((_whole, value, "whole number") for value in (True, "4", 2.0, math.nan)),
        (_whole, 0, "1 or more, and got 0"),
        (_text, 3, 'takes a text and got 3: write name="tea"'),
        (_text, " ", "isn't empty"),
        (_list, "tea", "takes a list and got 'tea'"),
        (_list, 3, "takes a list and got 3"),
        (_list, [], "got an empty one"),
        (_word, "vitrual", r"did you mean 'virtual'\?"),
        (_word, 3, "take one of 'real' and 'virtual'"),
        (_option, "stop", r"plot\(\) has no option 'stop': it takes 'start' and 'end'"),
    ],
)
def test_wrong_arguments_get_one_sentence_with_the_value(check, value, words):
    with pytest.raises((TypeError, ValueError), match=words) as error:
        check(value)
    assert "\n" not in str(error.value)
    assert str(error.value)[-1] in ".?"


def test_right_arguments_come_back():
    assert _number(Fraction(7, 2)) == 3.5
    assert _positive(0.1) == 0.1
    assert _whole(3) == 3
    assert _text("tea") == "tea"
    assert _list(("tea",)) == ["tea"]
    assert _word("real") == "real"


def test_a_forgotten_await_is_named():
    coroutine = run_together(CHORES, clock="virtual")
    for check in (_number, _whole, _text, _list):
        with pytest.raises(TypeError, match="await it first"):
            check(coroutine)
    with pytest.raises(TypeError, match=r"draws a Recording and got .*: await it first"):
        arguments.check_recording(coroutine, "plot_timeline")
    coroutine.close()


def test_something_else_than_a_recording_is_named():
    recording = run_in_turn(CHORES, clock="virtual")
    assert arguments.check_recording(recording, "replay") is recording
    comparison = compare(CHORES, ways=["in turn"], clock="virtual")
    for wrong, words in (
        (comparison, r'comparison\.recordings\["together"\]'),
        (3, "steps through a Recording and got an int: pass what"),
    ):
        with pytest.raises(TypeError, match=words):
            arguments.check_recording(wrong, "replay", "steps through")
