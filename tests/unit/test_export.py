"""Recordings for other programs: the trace that Perfetto opens, and SVG."""

import json
import xml.etree.ElementTree as ET
from collections import Counter

import pytest
from traces import LINE, block, make, many, row, three

from asyncteach import LEISURE, chore, run_in_turn
from asyncteach.places import Place
from asyncteach.timeline.lanes import TIMES
from asyncteach.trace import Wait

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    "<script>alert(1)</script>",
    "\"'&<>",
    "a\ud800b",
    "🍚 洗衣服",
    "two\nlines\x00\x1b\ufffe",
    "]]>",
    "x" * 5000,
]


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


def test_slices_are_in_microseconds_and_say_what_was_awaited():
    trace = three().to_chrome_trace()
    check_trace(trace)
    own = [e for e in trace["traceEvents"] if e["ph"] == "X" and e["tid"] == 2]
    assert [(e["name"], e["ts"], e["dur"]) for e in own] == [
        ("running", 0, 2000),
        ("waiting", 2000, 98000),
        ("running", 100_000, 310_000),
    ]
    assert own[1]["args"] == {"awaits": "a sleep of 0.1 s", "at": "In [7], line 3"}
    assert len({e["cname"] for e in trace["traceEvents"] if e["ph"] == "X"}) == 3


def test_what_held_the_loop_is_an_instant_of_its_task():
    (instant,) = [e for e in three().to_chrome_trace()["traceEvents"] if e["ph"] == "i"]
    assert (instant["name"], instant["tid"]) == ("held the loop at In [7], line 3", 2)
    assert instant["args"] == {"seconds": 0.31, "delayed": ["fetch-2", "fetch-3"]}


def test_a_trace_in_a_file_is_the_same_and_says_where_it_is(tmp_path):
    recording = three(dropped=7)
    path = recording.to_chrome_trace(tmp_path / "trace.json")
    assert path == tmp_path / "trace.json"
    assert json.loads(path.read_text("utf-8")) == recording.to_chrome_trace()
    assert recording.to_chrome_trace()["otherData"] == {"title": "by hand", "dropped steps": 7}


def test_a_story_minute_is_sixty_seconds_of_a_trace():
    trace = run_in_turn([chore("rice", 40)], clock="virtual").to_chrome_trace()
    check_trace(trace)
    assert max(e["ts"] + e["dur"] for e in trace["traceEvents"] if e["ph"] == "X") == 2400e6
    names = [e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "thread_name"]
    assert names == ["you", "rice"]


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_goes_into_a_trace(name, tmp_path):
    check_trace(hostile(name).to_chrome_trace())
    path = hostile(name).to_chrome_trace(tmp_path / "trace.json")
    assert "\\ud800" not in path.read_text("utf-8")


def test_a_trace_too_large_to_be_returned_is_written_as_it_comes(tmp_path, monkeypatch):
    monkeypatch.setattr("asyncteach.timeline.chrome_trace._MOST", 1000)
    with pytest.raises(ValueError, match=r'as in to_chrome_trace\("trace.json"\)'):
        many(1000).to_chrome_trace()
    path = many(1000).to_chrome_trace(str(tmp_path / "trace.json"))
    check_trace(json.loads(path.read_text("utf-8")))


def test_nothing_at_all_can_be_exported():
    check_trace(make([], []).to_chrome_trace())
    assert parse(make([], [])).get("role") == "img"


def test_svg_stands_alone_and_says_what_it_is():
    text = three().to_svg()
    root = ET.fromstring(text)
    assert root.get("role") == "img"
    assert root.get("aria-label") == "Timeline: by hand"
    assert root.find(f"{SVG}desc").text == three().describe()
    assert "<script" not in text
    assert text.count("http") == 1  # its own namespace
    assert "prefers-color-scheme" in text


def test_the_mouse_on_a_bar_tells_what_it_is():
    said = titles(parse(three()))
    assert "fetch-1: waiting 2 to 100 ms (98 ms), for a sleep of 0.1 s at In [7], line 3" in said
    assert "fetch-2: ready 200 to 410 ms (210 ms)" in said
    held = "held the loop at In [7], line 3"
    assert f"fetch-1: running 100 to 410 ms (310 ms), {held}" in said
    assert said.count(f"fetch-1: {held}, 100 to 410 ms (310 ms)") == 2


def test_bars_lie_where_they_belong():
    root = parse(make(["a"], [("a", "running", 0, 1), ("a", "waiting", 1, 4)]))
    (waiting,) = [r for r in root.iter(f"{SVG}rect") if r.get("class") == "waiting" and len(r)]
    running = [r for r in root.iter(f"{SVG}rect") if r.get("class") == "running" and len(r)]
    loop, own = sorted(running, key=lambda rect: float(rect.get("y")))
    assert float(waiting.get("width")) == pytest.approx(3 * float(own.get("width")), abs=0.1)
    assert waiting.get("y") == own.get("y") != loop.get("y")


def test_how_a_task_ended_is_marked_in_svg():
    rows = [row("a", outcome="raised ValueError: <no>", finished=1), row("b", finished=1)]
    root = parse(make(rows, [("a", "running", 0, 1), ("b", "waiting", 0, 1)]))
    (mark,) = [path for path in root.iter(f"{SVG}path") if path.get("class") == "mark"]
    assert titles(mark) == ["a: raised ValueError: <no>"]


def test_the_story_is_svg_in_minutes():
    root = parse(run_in_turn(LEISURE, clock="virtual"))
    assert "jog: running 30 to 60 min (30 min)" in titles(root)
    words = [text.text for text in root.iter(f"{SVG}text")]
    assert words[:3] == ["Leisure, one after another", "you", "watch tv"]
    assert "100 min" in words


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_is_well_formed_svg(name, tmp_path):
    path = hostile(name).to_svg(tmp_path / "picture.svg")
    root = ET.parse(path).getroot()
    tags = Counter(element.tag.removeprefix(SVG) for element in root.iter())
    assert set(tags) <= {
        "svg", "desc", "style", "defs", "pattern", "rect", "path", "text", "title"
    }  # fmt: skip
    assert len(root.get("aria-label")) < 200


@pytest.mark.parametrize(("tasks", "steps"), [(10_000, 1), (50, 400), (59, 60), (1, 20_000)])
def test_svg_stays_small_and_says_what_is_folded(tasks, steps):
    text = many(tasks, steps).to_svg()
    assert len(text) < 2_000_000
    root = ET.fromstring(text)
    words = [element.text for element in root.iter(f"{SVG}text")]
    if tasks > 60:
        assert f"fetch {TIMES} {tasks - 5:,}" in words
        assert any(title.startswith(f"fetch {TIMES}") for title in titles(root))
    if tasks > 60 or steps > 400:
        assert any("crowded lane" in word for word in words)


def test_dropped_steps_are_said_in_svg():
    assert "1,234 steps beyond max_slices were not kept." in three(dropped=1234).to_svg()


def test_a_wait_without_a_line_is_said_without_one():
    waits = [Wait(0, 0, 1, "future", "", ())]
    recording = make(["a"], [("a", "waiting", 0, 1), ("a", "waiting", 2, 3)], waits=waits)
    assert titles(parse(recording)) == [
        "a: waiting 0 to 1 s (1 s), for future",
        "a: waiting 2 to 3 s (1 s)",
    ]
    assert LINE.line == 3
