"""Timelines: what is drawn where. Looks at artists, never at pixels."""

import asyncio
from itertools import pairwise

import matplotlib as mpl
import matplotlib.pyplot as plt
import matplotlib.style
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from traces import block, make, many, row, three

from asyncteach import (
    CHORES,
    LEISURE,
    chore,
    compare,
    plot_timeline,
    run_in_threads,
    run_together,
)
from asyncteach.domains import STORY
from asyncteach.places import Place
from asyncteach.timeline.artists import COLORS, HATCHES
from asyncteach.timeline.figure import draw_timelines
from asyncteach.timeline.lanes import TIMES, view_of
from asyncteach.timeline.layout import crowded, shares_of


def together(activities):
    return asyncio.run(run_together(activities, clock="virtual"))


def draw(recording, **options):
    return plot_timeline(recording, ax=Figure(layout="constrained").subplots(), **options)


def labels(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def extents(figure, texts):
    """Draw a figure; return where its words are, and those of the given texts."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return [text.get_window_extent(canvas.get_renderer()) for text in texts]


def check_apart(boxes, figure):
    """Check that no words meet, and that none leaves the figure."""
    boxes = [box for box in boxes if box.width > 1]
    assert not [(a, b) for n, a in enumerate(boxes) for b in boxes[:n] if a.overlaps(b)]
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)


def boxes(ax, state):
    (bars,) = [c for c in ax.collections if c.get_label() == state]
    assert isinstance(bars, PolyCollection)
    return [path.get_extents().bounds for path in bars.get_paths()]


def test_slices_are_drawn_where_they_belong():
    ax = draw(together(LEISURE))
    assert labels(ax) == ["you", "watch tv", "jog", "play video games"]
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
    assert len(set(COLORS.values())) == len(set(STORY.meaning({"you"}).values())) == 3
    assert [state for state, hatch in HATCHES.items() if hatch] == ["ready"]
    greys = sorted(sum(mpl.colors.to_rgb(color)) / 3 for color in COLORS.values())
    assert all(b - a > 0.1 for a, b in pairwise(greys))


@pytest.mark.parametrize(("lanes", "length"), [(1, 1), (50, 32), (200, 1), (1000, 1)])
def test_the_figure_fits_its_lanes_and_names(lanes, length):
    activities = [chore(f"{n:0{length}}", n % 9 + 1) for n in range(lanes)]
    figure = draw_timelines([together(activities)])
    (ax,) = figure.axes
    names = extents(figure, ax.get_yticklabels())
    assert len(names) == lanes + 1 or lanes > 200
    # The next name begins where the last one ends, a pixel of leading shared.
    assert all(a.y0 >= b.y1 - 1 for a, b in pairwise(names))
    assert figure.get_figheight() < 40
    whole = figure.bbox
    for box in [*names, *extents(figure, [figure.legends[0], ax.texts[0]])]:
        assert whole.x0 <= box.x0 <= box.x1 <= whole.x1
        assert whole.y0 <= box.y0 <= box.y1 <= whole.y1


def test_a_comparison_draws_all_ways_on_one_axis():
    ways = ["in turn", "together", "threads", "processes"]
    figure = compare(CHORES, ways=ways, clock="virtual").figure
    assert figure.axes[3].get_title(loc="left") == "Chores, in 3 processes"
    assert len({ax.get_xlim() for ax in figure.axes}) == 1
    png, about = figure._repr_png_()
    assert png.startswith("iVBORw0KGgo")
    assert "100.0 minutes" in about["alt"]
    assert "40.0 minutes" in about["alt"]


def with_gid(artists, gid):
    return [one for one in artists if one.get_gid() == gid]


def test_the_loop_runs_wherever_it_is_not_idle_or_where_its_tasks_run():
    ax = draw(three())
    loop = [(x, round(x + w, 6)) for x, y, w, h in boxes(ax, "running") if round(y + h / 2) == 0]
    assert loop == [(0, 0.01), (0.1, 0.44)]


def test_there_is_a_lane_for_each_loop_and_tasks_stand_below_their_parents():
    rows = [row("main"), row("b", loop=1), row("a", parent=0), row("t", parent=2, kind="thread")]
    slices = [("main", "running", 0, 1), ("b", "running", 2, 3), ("t", "running", 5, 6)]
    recording = make(rows, slices)
    recording.trace.loops[:] = ["loop 1", "loop 2"]
    ax = draw(recording)
    assert labels(ax) == ["loop 1", "loop 2", "main", "  a", "    ⇢ t (thread)", "b"]
    running = {(x, round(y + h / 2)): h for x, y, w, h in boxes(ax, "running")}
    assert set(running) == {(0, 0), (2, 1), (0, 2), (5, 4), (2, 5)}
    assert running[5, 4] < running[0, 2] == pytest.approx(0.62)


def test_what_held_the_loop_is_outlined_with_its_line():
    ax = draw(three())
    assert labels(ax) == ["loop", "fetch-1", "fetch-2", "fetch-3"]
    (outlines,) = with_gid(ax.collections, "blocks")
    bounds = [path.get_extents().bounds for path in outlines.get_paths()]
    assert [(x, round(x + w, 6), round(y + h / 2)) for x, y, w, h in bounds] == [
        (0.1, 0.41, 0), (0.1, 0.41, 1)
    ]  # fmt: skip
    (note,) = with_gid(ax.texts, "block")
    assert note.get_text() == "In [7], line 3"
    assert note.get_position() == (pytest.approx(0.255), 1)


@pytest.mark.parametrize(("lanes", "count"), [(1, 60), (12, 7), (50, 2)])
def test_no_words_meet(count, lanes):
    names = [f"task {n}" for n in range(lanes)]
    slices = [(name, "running", n, n + 0.2) for n, name in enumerate(names)]
    slices.append((names[0], "waiting", 0, 100))
    blocks = [block(n % lanes, n * 99 / count, n * 99 / count + 1 + n % 3) for n in range(count)]
    recording = make([row(name, coroutine="") for name in names], slices, blocks=blocks)
    figure = draw_timelines([recording])
    (ax,) = figure.axes
    assert len(with_gid(ax.collections, "blocks")[0].get_paths()) == 2 * count
    texts = [*ax.texts, ax.title, ax._left_title, *ax.get_yticklabels()]
    extents(figure, texts)  # the ticks are there once it is drawn
    texts += [tick.label1 for tick in ax.xaxis.get_major_ticks() if tick.get_loc() <= 113]
    check_apart(extents(figure, [*texts, *figure.legends, ax.xaxis.label]), figure)


def test_how_a_task_ended_is_marked_by_shape():
    rows = [
        row("a", finished=1, outcome="raised ValueError: no"),
        row("b", finished=2, outcome="cancelled"),
        row("c", finished=3),
    ]
    slices = [("a", "running", 0, 1), ("b", "waiting", 0, 2), ("c", "waiting", 0, 3)]
    ax = draw(make(rows, slices))
    (raised,), (cancelled,) = with_gid(ax.lines, "raised"), with_gid(ax.lines, "cancelled")
    assert (list(raised.get_xdata()), list(raised.get_ydata())) == ([1], [1])
    assert (list(cancelled.get_xdata()), list(cancelled.get_ydata())) == ([2], [2])
    assert raised.get_marker() != cancelled.get_marker()
    shown = [text.get_text() for text in ax.get_legend().get_texts()]
    assert shown == ["running", "waiting", "raised", "cancelled"]


def test_many_tasks_that_are_alike_share_a_lane_that_keeps_their_time():
    ax = draw(many(1000))
    assert labels(ax) == [
        "loop",
        "main",
        *[f"  fetch-{n}" for n in range(1, 6)],
        f"  fetch {TIMES} 995",
    ]
    assert "crowded lane" in ax.get_xlabel()
    assert crowded(view_of(many(3, steps=2000).trace)).tolist() == [True, False, True, True, True]
    view = view_of(many(1000).trace)
    shares, edges = shares_of(view, np.array([len(view.lanes) - 1]), 720)
    seconds = shares.sum(axis=(1, 2)) * (edges[1] - edges[0]) * 995
    assert seconds == pytest.approx([995 * 0.25, np.arange(5, 1000).sum() / 1000, 995 * 0.75])
    for state in ("running", "ready", "waiting"):
        (filled,) = with_gid(ax.collections, f"shares of {state}")
        assert bool(filled.get_hatch()) == (state == "ready")


def test_moments_are_seen_however_many_there_are():
    recording = make(["a"], [("a", "running", n % 10, n % 10) for n in range(9000)])
    (marks,) = [c for c in draw(recording).collections if isinstance(c, LineCollection)]
    assert sorted((x, round(y)) for ((x, y), _) in marks.get_segments()) == [
        (second, lane) for second in range(10) for lane in (0, 1)
    ]


@pytest.mark.parametrize("make_lanes", [many, lambda n: unlike(n), lambda n: chain(n)])
def test_however_many_tasks_the_lanes_stay_few(make_lanes):
    view = view_of(make_lanes(5000).trace)
    assert len(view.lanes) <= 61
    assert sorted(row for lane in view.lanes for row in lane.rows) == list(
        range(len(view.trace.rows) + 1)
    )


def unlike(count):
    """Tasks of which no two are alike."""
    names = [f"{'x' * (n % 7)}{n} a" for n in range(count)]
    return make([row(name, coroutine=name) for name in names], [(names[0], "running", 0, 1)])


def chain(count):
    """Tasks each of which was spawned by the one before, of two coroutines in turn."""
    rows = [row(f"{n}", parent=n - 1 if n else None, coroutine="ab"[n % 2]) for n in range(count)]
    return make(rows, [("0", "running", 0, 1)])


def test_what_blocks_and_what_fails_first_is_not_folded():
    rows = [row(f"fetch-{n}") for n in range(100)]
    rows[50].outcome = "raised ValueError: no"
    recording = make(rows, [("fetch-70", "running", 0, 1)], blocks=[block(70, 0, 1)])
    names = [lane.name for lane in view_of(recording.trace).lanes]
    assert names[-3:] == [f"fetch {TIMES} 93", "fetch-50", "fetch-70"]


def test_a_part_is_drawn_from_start_to_end():
    ax = draw(three(), start=0.15, end=0.25)
    assert ax.get_xlim() == (0.15, 0.25)
    assert ax.get_title(loc="left") == "by hand (part: 150 ms to 250 ms)"
    assert [(x, round(x + w, 6)) for x, _, w, _ in boxes(ax, "ready")] == [(0.2, 0.25)]
    assert not with_gid(ax.texts, "total")
    story = draw(together(LEISURE), start=50)
    assert story.get_xlim() == (50, 100)
    assert story.get_title(loc="left").endswith("(part: 50 min to 100 min)")


def test_some_tasks_can_be_chosen_by_name():
    ax = draw(many(1000), tasks=["fetch-700", "fetch-20"])
    assert labels(ax) == ["loop", "fetch-20", "fetch-700"]
    assert "2 of 1,001 tasks are shown" in ax.get_xlabel()
    assert labels(draw(many(1000), start=1.9975)) == ["loop", "fetch-999", "fetch-1000"]
    assert labels(draw(many(10), tasks="main")) == ["loop", "main"]
    assert labels(draw(together(LEISURE), tasks=["jog"])) == ["you", "jog"]


@pytest.mark.parametrize(
    ("seconds", "unit", "total"),
    [
        (0.0002, "microseconds", "200 µs"),
        (0.31, "milliseconds", "310 ms"),
        (12.0, "seconds", "12 s"),
        (3600.0, "minutes", "60 min"),
    ],
)
def test_the_axis_has_a_unit_that_suits_it(seconds, unit, total):
    ax = draw(make(["a"], [("a", "running", 0, seconds)]))
    assert ax.get_xlabel() == unit
    (text,) = with_gid(ax.texts, "total")
    assert text.get_text() == total
    ax.figure.draw_without_rendering()
    ticks = [text.get_text() for text in ax.get_xticklabels()]
    assert all(len(tick) <= 5 for tick in ticks)


@pytest.mark.parametrize(("length", "width"), [(0.02, 9), (0.3, 4), (0.3, 14)])
def test_no_words_meet_in_a_short_recording_beside_a_long_one(length, width):
    place = Place("/home/me/$x$/lesson.py", 3, "f")
    blocks = [block(0, n * length / 5, n * length / 5 + 0.01, place) for n in range(5)]
    short = make(["a"], [("a", "running", 0, length)], blocks=blocks, title="a title " * 20)
    short.trace.dropped = 1234567
    figure = draw_timelines([make(["a"], [("a", "running", 0, 1)]), short], width=width)
    assert figure.get_figwidth() == width
    assert len({ax.get_xlim() for ax in figure.axes}) == 1
    above, below = figure.axes
    assert above.get_xlabel() == ""
    assert below.get_xlabel().split()[:4] == ["seconds", "1,234,567", "steps", "beyond"]
    notes = with_gid(below.texts, "block")
    assert {note.get_text() for note in notes} == {"lesson.py:3"}
    assert not any(note.get_parse_math() for note in notes)
    check_apart(extents(figure, below.texts), figure)
    words = [*figure.legends, *below.get_yticklabels(), below._left_title, below.xaxis.label]
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in extents(figure, words))


def test_a_picture_brings_its_words_along_once_pyplot_is_there(monkeypatch):
    """IPython has a way of its own for figures then, one that knows of no alt text."""
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *args, **more: shown.append((args, more)))
    picture = draw_timelines([together(CHORES)])
    picture._ipython_display_()
    ((bundle,), more) = shown[0]
    assert sorted(bundle) == ["image/png", "text/plain"]
    assert more["metadata"]["image/png"]["alt"] == picture.alt


THREADED = run_in_threads(LEISURE, clock="virtual")


BARELY_READY = make(["rice"], [("rice", "waiting", 0, 40), ("rice", "ready", 40, 40.01)])


@pytest.mark.parametrize(
    ("recordings", "words"),
    [
        ([together(LEISURE)], ["running: your hands are on it", "ready: it needs you, you are"]),
        ([THREADED, together(LEISURE)], ["running: hands are on it", "ready: it needs hands,"]),
        ([THREADED], ["running: it has the GIL", "ready: it wants the GIL"]),
        ([BARELY_READY], ["waiting: it awaits something"]),
    ],
)
def test_the_legend_explains_the_states_that_can_be_seen(recordings, words):
    (legend,) = draw_timelines(recordings).legends
    shown = [text.get_text() for text in legend.get_texts()]
    assert all(text.startswith(start) for text, start in zip(shown, words, strict=True))


def test_without_axes_it_makes_a_pyplot_figure_and_does_not_show_it(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: pytest.fail("it was shown"))
    before = plt.get_fignums()
    draw_timelines([together(CHORES)])._repr_png_()
    assert plt.get_fignums() == before
    ax = plot_timeline(together(CHORES))
    assert plt.get_fignums() == [*before, ax.figure.number]
    assert "asyncio.gather" in ax.get_title(loc="left")
    plt.close(ax.figure)


def test_the_ink_follows_the_style():
    with mpl.style.context("dark_background"):
        ax = draw(three())
        (outlines,) = with_gid(ax.collections, "blocks")
        assert mpl.colors.to_hex(outlines.get_edgecolor()[0]) == "#ffffff"
        assert with_gid(ax.texts, "total")[0].get_color() == "white"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: plot_timeline(None), "got a NoneType: pass the result"),
        (lambda: plot_timeline(compare(CHORES, clock="virtual")), r'recordings\["together"\]'),
        (lambda: plot_timeline(three(), ax=Figure().subplots(2)), "pick one of several"),
        (lambda: draw_timelines([]), "got an empty list"),
        (lambda: draw_timelines([together(LEISURE), three()]), "'Leisure.*' is in minutes .* 'by"),
        (lambda: draw_timelines([three()], width=0), "width takes .* inches"),
        (lambda: draw(three(), start=0.3, end=0.2), "must come before end=0.2: choose"),
        (lambda: draw(three(), start=-1), "start takes .*, 0 or more, but got -1"),
        (lambda: draw(three(), start=7), "must come before the recording's end at 0.44"),
        (lambda: draw(three(), end="now"), "end takes .* but got 'now'"),
        (lambda: draw(three(), tasks=["x"]), "called 'x': `recording.names` has 'fetch-1', 'fet"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_sentence(call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call()
