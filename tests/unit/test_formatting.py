"""How durations, lists, functions and names are written."""

import pytest

from asyncteach.formatting import called, clip, format_duration, join_words, tell_apart, width


@pytest.mark.parametrize(
    ("seconds", "exact", "rough"),
    [
        (0, "0 ms", "under 1 ms"),
        (3.4e-7, "0.34 µs", "under 1 ms"),
        (0.00099951, "1 ms", "1 ms"),
        (0.0994, "99.4 ms", "99 ms"),
        (0.0996, "99.6 ms", "0.1 s"),
        (0.9996, "1 s", "1 s"),
        (9.96, "9.96 s", "10 s"),
        (3600, "60 min", "3,600 s"),
        (86_400_000, "1,440,000 min", "86,400,000 s"),
        (float("nan"), "an unknown time", "an unknown time"),
    ],
)
def test_durations_have_the_digits_that_matter(seconds, exact, rough):
    assert format_duration(seconds) == exact
    assert format_duration(seconds, rough=True) == rough


@pytest.mark.parametrize(
    ("words", "joined"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), ([*"abcdefg"], "a, b, c and 4 more")],
)
def test_lists_read_as_in_a_sentence(words, joined):
    assert join_words(words) == joined


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("Shop.sell", "Shop.sell()"),
        ("main.<locals>.fetch", "fetch()"),
        ("main.<locals>.<listcomp>", "main()"),
        ("<module>", ""),
        ("<lambda>", "a lambda"),
        ("main.<locals>.<lambda>", "a lambda in main()"),
    ],
)
def test_functions_are_called_as_in_a_sentence(function, words):
    assert called(function) == words


@pytest.mark.parametrize(
    ("name", "clipped"),
    [
        ("x" * 5000, "x" * 8 + "…xxx"),
        ("two\nlines\tand  spaces", "two line…ces"),
        ("洗" * 10, "洗" * 4 + "…洗"),
        ("a\ud800b", "a?b"),
        ("a\x1b[31mb", "a?[31mb"),
    ],
)
def test_names_are_clipped_to_one_printable_line(name, clipped):
    assert clip(name, 12) == clipped
    assert width(clipped) <= 12


def test_names_are_told_apart_even_from_numbered_ones():
    assert tell_apart(["a", "a", "a (2)", "a"]) == ["a", "a (3)", "a (2)", "a (4)"]
