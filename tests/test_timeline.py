"""Timelines: what is drawn where. Looks at artists, never at pixels."""

import asyncio
import io
import subprocess
import sys
import warnings
from itertools import pairwise

import matplotlib as mpl
import matplotlib.style
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure

from asyncteach import (
    CHORES,
    LEISURE,
    Recording,
    chore,
    compare,
    leisure,
    plot_timeline,
    run_together,
)
from asyncteach.timeline import COLORS, HATCHES, MEANINGS, draw_timelines


def together(activities):
    return asyncio.run(run_together(activities, clock="virtual"))


def draw(recording):
    return plot_timeline(recording, ax=Figure(layout="constrained").subplots())


def boxes(ax, state):
    (bars,) = [c for c in ax.collections if c.get_label() == state]
    assert isinstance(bars, PolyCollection)
    return [path.get_extents().bounds for path in bars.get_paths()]


def test_there_is_a_lane_for_you_and_one_a_task():
    ax = draw(together(LEISURE))
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["you", "watch tv", "jog", "play video games"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_slices_are_drawn_where_they_belong():
    ax = draw(together(LEISURE))
    ready = [(x, x + w, round(y + h / 2)) for x, y, w, h in boxes(ax, "ready")]
    assert ready == [(0, 30, 2), (0, 60, 3)]
    running = {(x, x + w, round(y + h / 2)) for x, y, w, h in boxes(ax, "running")}
    assert running == {
        (0, 30, 0), (30, 60, 0), (60, 100, 0), (0, 30, 1), (30, 60, 2), (60, 100, 3)
    }  # fmt: skip


def test_a_moment_of_attention_is_a_mark_of_fixed_width():
    ax = draw(together(CHORES))
    (marks,) = [c for c in ax.collections if isinstance(c, LineCollection)]
    assert sorted({segment[0][0] for segment in marks.get_segments()}) == [0, 30, 40]
    assert marks.get_linewidth()[0] >= 2


def test_states_differ_in_colour_hatching_and_label():
    assert len(set(COLORS.values())) == len(set(MEANINGS.values())) == 3
    assert [state for state, hatch in HATCHES.items() if hatch] == ["ready"]
    greys = sorted(sum(mpl.colors.to_rgb(color)) / 3 for color in COLORS.values())
    assert all(b - a > 0.1 for a, b in pairwise(greys))


def test_the_legend_explains_the_states_that_can_be_seen():
    (legend,) = draw_timelines([together(LEISURE)]).legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "running: your hands are on it",
        "ready: it needs you, you are busy",
    ]
    short = draw(together(LEISURE)).get_legend()
    assert [text.get_text() for text in short.get_texts()] == ["running", "ready"]


def test_a_state_too_short_to_be_seen_is_not_in_the_legend():
    recording = Recording("a chore in real time", ["cook rice"])
    recording.add(0, "waiting", 0, 40)
    recording.add(0, "ready", 40, 40.01)
    (legend,) = draw_timelines([recording]).legends
    assert [text.get_text() for text in legend.get_texts()] == ["waiting: the machine works"]


def test_the_total_is_marked():
    ax = draw(together(CHORES))
    (total,) = [text for text in ax.texts if text.get_gid() == "total"]
    assert total.get_text() == "40 min"
    assert list(ax.lines[0].get_xdata()) == [40, 40]


@pytest.mark.parametrize(
    "name",
    ["$\\frac{$", "$x^2$", "<script>", "洗衣服", "مرحبا", "🍚", "a\ud800b", "x" * 5000, "\x00\n\t"],
)
def test_any_name_can_be_drawn(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax = draw(together([chore(name, 10), leisure("jog", 10)]))
        ax.figure.savefig(io.BytesIO())
    assert len(ax.get_yticklabels()[1].get_text()) <= 40
    assert not any(label.get_parse_math() for label in ax.get_yticklabels())


@pytest.mark.parametrize("length", [1, 32])
@pytest.mark.parametrize("lanes", [1, 2, 50, 200, 1000])
def test_the_figure_fits_its_lanes_and_names(lanes, length):
    activities = [chore(f"{n:0{length}}", n % 9 + 1) for n in range(lanes)]
    figure = draw_timelines([together(activities)])
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    (ax,) = figure.axes
    extents = [label.get_window_extent(canvas.get_renderer()) for label in ax.get_yticklabels()]
    assert len(extents) == lanes + 1 or lanes > 200
    # The next name begins where the last one ends, a pixel of leading shared.
    assert all(a.y0 >= b.y1 - 1 for a, b in pairwise(extents))
    assert figure.get_figheight() < 40
    whole = figure.bbox
    for box in [figure.legends[0].get_window_extent(), *extents, ax.texts[0].get_window_extent()]:
        assert whole.x0 <= box.x0 <= box.x1 <= whole.x1
        assert whole.y0 <= box.y0 <= box.y1 <= whole.y1


def test_the_ink_follows_the_style():
    with mpl.style.context("dark_background"):
        ax = draw(together(CHORES))
        assert ax.texts[0].get_color() == "white"


def test_a_comparison_draws_all_ways_on_one_axis():
    figure = compare(CHORES, clock="virtual").figure
    assert [ax.get_title(loc="left") for ax in figure.axes] == [
        "Chores, one after another",
        "Chores, together (asyncio.gather)",
    ]
    assert len({ax.get_xlim() for ax in figure.axes}) == 1
    png, about = figure._repr_png_()
    assert png.startswith("iVBORw0KGgo")
    assert "100.0 minutes" in about["alt"]
    assert "40.0 minutes" in about["alt"]


@pytest.mark.parametrize(
    ("junk", "words"),
    [
        ("chores", "got a str: pass what"),
        (None, "got a NoneType: pass what"),
        (compare(CHORES, clock="virtual"), r'comparison.recordings\["together"\]'),
    ],
)
def test_what_is_no_recording_is_refused_in_one_sentence(junk, words):
    with pytest.raises(TypeError, match=words):
        plot_timeline(junk)


def test_a_forgotten_await_is_named():
    forgotten = run_together(CHORES)
    with pytest.raises(TypeError, match="await it first"):
        plot_timeline(forgotten)
    forgotten.close()


def test_an_array_of_axes_is_refused_in_one_sentence():
    with pytest.raises(TypeError, match="of several pick one"):
        plot_timeline(together(CHORES), ax=Figure().subplots(2))


def test_without_axes_it_makes_a_pyplot_figure_and_does_not_show_it():
    code = """
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
from asyncteach import CHORES, plot_timeline, run_in_turn
plt.show = lambda *args, **kwargs: 1 / 0
recording = run_in_turn(CHORES, clock="virtual")
recording._repr_mimebundle_()
assert plt.get_fignums() == []
assert plot_timeline(recording).figure.number in plt.get_fignums()
assert recording.plot().get_title(loc="left") == "Chores, one after another"
"""
    subprocess.run([sys.executable, "-c", code], check=True)
