"""Recordings for other programs: the trace that Perfetto opens, and SVG."""

import json
import xml.etree.ElementTree as ET

import pytest
from traces import block, make, many, row, three

from asyncteach import LEISURE, chore, run_in_turn
from asyncteach.places import Place
from asyncteach.timeline.lanes import TIMES
from asyncteach.trace import Wait

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        "\"'&<>",
        "a\ud800b",
        "🍚 洗衣服",
        "two\nlines\x00\x1b\ufffe",
        "$\\frac{$ ]]>",
        "x" * 5000,
    ],
)


def hostile(name):
    place = Place(name, 3, name)
    return make(
        [row(name, coroutine=name, outcome=f"raised {name}", finished=1)],
        [(name, "running", 0, 0.5), (name, "waiting", 0.5, 1)],
        blocks=[block(0, 0, 0.5, place, name=name)],
        waits=[Wait(0, 0.5, 1, "sleep", name, (place,))],
        title=name,
    )


def parse(recording):
    return ET.fromstring(recording.to_svg())


def titles(root):
    return [title.text for title in root.iter(f"{SVG}title")]


def words(root):
    return ["".join(text.itertext()).strip() for text in root.iter(f"{SVG}text")]


def check_trace(trace):
    """Check what the trace event format asks of every event."""
    json.loads(json.dumps(trace)).keys()
    named = {event["tid"] for event in trace["traceEvents"] if event["name"] == "thread_name"}
    for event in trace["traceEvents"]:
        assert event["ph"] in "MXi"
        assert event["pid"] == 1
        assert event["name"].encode()
        if event["ph"] != "M":
            assert event["tid"] in named
            assert event["ts"] >= 0
        if event["ph"] == "X":
            assert event["dur"] >= 0
            assert event["name"] in ("running", "ready", "waiting")
            assert event["cname"]
        if event["ph"] == "i":
            assert event["s"] == "t"


def test_a_trace_has_a_track_for_the_loop_and_one_a_task_in_the_order_of_the_tree():
    rows = [row("main"), row("b"), row("a", parent=0), row("t", parent=2, kind="thread")]
    trace = make(rows, [("main", "running", 0, 1)]).to_chrome_trace()
    check_trace(trace)
    meta = [event for event in trace["traceEvents"] if event["ph"] == "M"]
    assert meta[0]["name"] == "process_name"
    assert meta[0]["args"] == {"name": "by hand"}
    names = {e["tid"]: e["args"]["name"] for e in meta if e["name"] == "thread_name"}
    order = {e["tid"]: e["args"]["sort_index"] for e in meta if e["name"] == "thread_sort_index"}
    assert [names[tid] for tid in sorted(order, key=order.__getitem__)] == [
        "loop", "main", "a", "t (thread)", "b"
    ]  # fmt: skip
    assert min(names) == next(tid for tid, name in names.items() if name == "loop")


def test_slices_are_in_microseconds_and_have_what_was_awaited_and_what_held_the_loop():
    trace = three(dropped=7).to_chrome_trace()
    check_trace(trace)
    assert trace["otherData"] == {"title": "by hand", "dropped steps": 7}
    own = [e for e in trace["traceEvents"] if e["ph"] == "X" and e["tid"] == 2]
    assert [(e["name"], e["ts"], e["dur"]) for e in own] == [
        ("running", 0, 2000),
        ("waiting", 2000, 98000),
        ("running", 100_000, 310_000),
    ]
    assert own[1]["args"] == {"awaits": "a sleep of 0.1 s", "at": "In [7], line 3"}
    assert len({e["cname"] for e in trace["traceEvents"] if e["ph"] == "X"}) == 3
    (instant,) = [e for e in trace["traceEvents"] if e["ph"] == "i"]
    assert (instant["name"], instant["tid"]) == ("held the loop at In [7], line 3", 2)
    assert instant["args"] == {"seconds": 0.31, "delayed": ["fetch-2", "fetch-3"]}


def test_a_story_minute_is_sixty_seconds_of_a_trace():
    trace = run_in_turn([chore("rice", 40)], clock="virtual").to_chrome_trace()
    check_trace(trace)
    assert max(e["ts"] + e["dur"] for e in trace["traceEvents"] if e["ph"] == "X") == 2400e6
    names = [e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "thread_name"]
    assert names == ["you", "rice"]


@HOSTILE
def test_any_name_goes_into_a_trace_in_memory_or_in_a_file(name, tmp_path):
    trace = hostile(name).to_chrome_trace()
    check_trace(trace)
    path = tmp_path / "trace.json"
    assert hostile(name).to_chrome_trace(str(path)) == path
    assert json.loads(path.read_text("utf-8")) == trace


def test_nothing_at_all_can_be_exported():
    check_trace(make([], []).to_chrome_trace())
    assert parse(make([], [])).get("role") == "img"


def test_svg_stands_alone_and_has_its_words():
    text = three(dropped=1234).to_svg()
    root = ET.fromstring(text)
    assert root.get("role") == "img"
    assert root.get("aria-label") == "Timeline: by hand"
    assert root.find(f"{SVG}desc").text == three(dropped=1234).describe()
    assert {"fetch-1", "In [7], line 3", "440 ms"} <= set(words(root))
    assert "1,234 steps beyond max_slices were not kept." in words(root)
    assert not [e for e in root.iter() if e.tag in (f"{SVG}script", f"{SVG}image")]
    assert three().to_svg() == three().to_svg()


def test_the_mouse_on_a_bar_shows_what_it_is():
    shown = titles(parse(three()))
    assert "fetch-1: waiting 2 to 100 ms (98 ms), for a sleep of 0.1 s at In [7], line 3" in shown
    assert "fetch-2: ready 200 to 410 ms (210 ms)" in shown
    assert "fetch-1: running 100 to 410 ms (310 ms), held the loop at In [7], line 3" in shown
    story = titles(parse(run_in_turn(LEISURE, clock="virtual")))
    assert "jog: running 30 to 60 min (30 min)" in story
    waits = [Wait(0, 0, 1, "future", "", ())]
    nameless = make(["a"], [("a", "waiting", 0, 1), ("a", "waiting", 2, 3)], waits=waits)
    assert titles(parse(nameless)) == [
        "a: waiting 0 to 1 s (1 s), for future",
        "a: waiting 2 to 3 s (1 s)",
    ]


def test_the_mouse_on_a_mark_shows_the_moment_or_the_error():
    rows = [row("a", outcome="raised ValueError: <no>", finished=1), row("b", finished=1)]
    slices = [("a", "running", 0, 1), ("b", "waiting", 0, 1), ("b", "running", 1, 1)]
    shown = titles(parse(make(rows, slices)))
    assert "a: raised ValueError: <no>" in shown
    assert shown.count("b: running 1 to 1 s (0 ms)") == 2  # its bar, which is empty, and the mark


@pytest.mark.filterwarnings("ignore:Glyph")
@HOSTILE
def test_any_name_is_well_formed_svg(name, tmp_path):
    path = hostile(name).to_svg(tmp_path / "picture.svg")
    root = ET.parse(path).getroot()
    assert f"{SVG}script" not in {element.tag for element in root.iter()}
    assert len(root.get("aria-label")) < 200


@pytest.mark.parametrize(("tasks", "steps"), [(10_000, 1), (1, 20_000)])
def test_svg_stays_small_and_shows_what_is_folded(tasks, steps):
    text = many(tasks, steps).to_svg()
    assert len(text) < 2_000_000
    root = ET.fromstring(text)
    assert any("crowded lane" in word for word in words(root))
    if tasks > 60:
        assert f"fetch {TIMES} {tasks - 5:,}" in words(root)
        assert f"fetch {TIMES} 9,995: running 41.6 min in all" in titles(root)
