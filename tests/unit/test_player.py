"""replay(): moments and their sentences, the source next to them, and its static form."""

import asyncio
import base64
import json
import linecache
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from asyncteach import (
    CHORES,
    LEISURE,
    chore,
    leisure,
    record,
    replay,
    run_in_processes,
    run_in_threads,
    run_in_turn,
    run_together,
    virtual_time,
)
from asyncteach import widgets as parts
from asyncteach.moments import MOST
from asyncteach.player import Screen

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
EVENING = [
    chore("wash clothes", 30, start=2, finish=3),
    chore("cook rice", 40, start=1),
    leisure("jog", 30),
]


async def download(waits):
    for seconds in waits:
        await asyncio.sleep(seconds)


def save():
    time.sleep(4)


async def download_and_save():
    await download([2])
    save()


async def read_all():
    async with asyncio.TaskGroup() as group:
        group.create_task(download_and_save(), name="news")
        group.create_task(download([3, 1]), name="weather")
        group.create_task(download([4, 2]), name="sports")


def run(main):
    """Record an async function in virtual time."""

    async def recorded():
        with virtual_time(), record(title="This test") as recording:
            await main()
        return recording

    return asyncio.run(recorded())


@pytest.fixture(scope="module")
def broken():
    """A program with a blocking call in it."""
    return run(read_all)


def line_of(function, text):
    """Return the number of the line of this file with that text, behind the function's head."""
    lines = linecache.getlines(__file__)
    start = lines.index(f"{function}\n")
    return start + 1 + next(n for n, line in enumerate(lines[start:]) if text in line)


def test_the_sentences_name_what_runs_what_is_ready_and_what_waits(broken):
    """News holds the loop while weather and sports get ready, at lines of this file."""
    sleep = f"test_player.py:{line_of('async def download(waits):', 'await')}"
    block = f"test_player.py:{line_of('def save():', 'sleep')}"
    sentences = replay(broken).sentences
    at = sentences.index(f"At 2 s news starts running, at {block}.")
    assert sentences[at - 1 : at + 4] == [
        f"At 0 s sports runs for a moment, then waits for a sleep of 4 s, at {sleep}. "
        "Nothing needs the loop until 2 s.",
        f"At 2 s news starts running, at {block}.",
        f"At 3 s weather is ready to go on at {sleep}, and has to wait: news has the loop.",
        f"At 4 s sports is ready to go on at {sleep}, and has to wait: news has the loop.",
        "At 6 s news stops running and is done.",
    ]
    assert sentences[-1] == "At 8 s it is all over."


def test_a_story_is_about_your_hands_and_machines():
    player = replay(asyncio.run(run_together(EVENING, clock="virtual")))
    assert player.sentences == [
        "At 0 min wash clothes starts running; cook rice and jog are ready and have to wait.",
        "At 2 min wash clothes stops running; its machine works for 25 min.",
        "At 2 min cook rice starts running; jog is ready and has to wait.",
        "At 3 min cook rice stops running; its machine works for 39 min.",
        "At 3 min jog starts running (your hands are on it).",
        "At 27 min wash clothes is ready and has to wait: jog has your hands.",
        "At 33 min jog stops running and is done.",
        "At 33 min wash clothes starts running (your hands are on it).",
        "At 36 min wash clothes stops running and is done. Nothing needs you until 42 min.",
        "At 42 min cook rice runs for a moment and is done.",
        "At 42 min it is all over.",
    ]
    assert player.source(1) == ""


def test_threads_need_the_gil_and_processes_share_nothing():
    threads = replay(run_in_threads(EVENING, clock="virtual"))
    assert any("Nothing needs the GIL until" in text for text in threads.sentences)
    processes = replay(run_in_processes(LEISURE, clock="virtual"))
    assert not any("loop" in text or "you" in text for text in processes.sentences)


async def a_thread():
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(save), name="disk")
        group.create_task(download([2]), name="news")


async def a_failure_and_a_cancellation():
    async def fail():
        await asyncio.sleep(1)
        raise ValueError("no such page")

    failing = asyncio.create_task(fail(), name="a")
    slow = asyncio.create_task(asyncio.sleep(9), name="b")
    await asyncio.wait([failing])
    slow.cancel()
    await asyncio.gather(failing, slow, return_exceptions=True)


async def two_blocks():
    async def blocked(seconds):
        await asyncio.sleep(1)
        time.sleep(seconds)

    async with asyncio.TaskGroup() as group:
        group.create_task(blocked(3), name="news")
        group.create_task(blocked(2), name="weather")


@pytest.mark.parametrize(
    ("program", "there", "not_there"),
    [
        (a_thread, "save (in a thread) starts running", "has to wait"),
        (a_failure_and_a_cancellation, "a runs for a moment: it raised ValueError: no such page",
         "b runs for a moment and is done"),
        (a_failure_and_a_cancellation, "At 1 s b runs for a moment and is cancelled", "raised Ca"),
        (two_blocks, "; weather is ready and has to wait.", "news is ready and has to wait."),
    ],
)  # fmt: skip
def test_threads_errors_cancellations_and_delays_are_in_the_sentences(program, there, not_there):
    sentences = " ".join(replay(run(program)).sentences)
    assert there in sentences
    assert not_there not in sentences


def test_the_situation_adds_up(broken):
    """At each moment every task that has begun and not ended is in exactly one state."""
    script = replay(broken).script
    times = [moment.at for moment in script.moments]
    assert times == sorted(times)
    rows = broken.trace.rows
    for moment in script.moments:
        now = script.situation(moment.since)
        seen = [row for own in now.values() for row in own]
        assert len(seen) == len(set(seen))
        assert len(now["running"]) <= 1
        alive = {n for n, row in enumerate(rows) if row.spawned < moment.since < row.finished}
        assert alive <= set(seen)


def test_the_source_has_the_current_line_marked_and_its_caller(broken):
    player = replay(broken)
    at = next(n for n, text in enumerate(player.sentences, 1) if "news starts running" in text)
    signs = {line[0]: line[1:].strip(" 0123456789") for line in player.source(at).splitlines()}
    assert (signs["►"], signs["▻"]) == ("time.sleep(4)", "save()")
    with pytest.raises(IndexError, match="there is no moment 0: choose one from 1 to 14"):
        player.source(0)


def test_a_source_that_is_gone_is_left_out():
    """Code whose text can't be read has sentences all the same."""
    names = {}
    text = "import asyncio\nasync def main():\n    await asyncio.sleep(1)\n"
    exec(compile(text, "gone.py", "exec"), names)
    player = replay(run(names["main"]))
    assert any("gone.py:3" in text for text in player.sentences)
    assert all(player.source(number) == "" for number in range(1, len(player) + 1))


def test_a_long_recording_is_cut_and_an_empty_one_is_over():
    """Of more steps than a person clicks through the first are shown."""
    player = replay(run(lambda: download([0.001] * (MOST + 500))))
    assert MOST <= len(player) + 2 <= 2 * MOST
    assert player.script.cut > 0
    assert "more moments" in str(player)
    assert len(str(player).splitlines()) < 50
    with record() as recording:
        pass
    assert replay(recording).sentences[-1].endswith("it is all over.")


def test_its_static_form_is_a_picture_with_words_and_a_text(broken, monkeypatch):
    """What a stored notebook shows where no kernel runs; no widget is in it."""
    monkeypatch.setenv(parts.STATIC, "1")
    player = replay(broken)
    data, about = player._repr_mimebundle_()
    assert set(data) == {"image/png", "text/plain"}
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert data["text/plain"] == str(player)
    alt = about["image/png"]["alt"]
    assert "news held the loop for 4 s" in alt
    assert player.sentences[5] in alt


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_no_stored_notebook_holds_a_widget(path):
    """Without its kernel a widget shows an error: store outputs with ASYNCTEACH_STATIC=1."""
    book = json.loads(path.read_text(encoding="utf-8"))
    outputs = [output for cell in book["cells"] for output in cell.get("outputs", ())]
    assert [output for output in outputs if parts.VIEW in output.get("data", {})] == []
    assert "widgets" not in book["metadata"]


@pytest.mark.parametrize(
    ("thing", "options", "words"),
    [
        (CHORES, {}, r"steps through a Recording but got a tuple: pass the result of `with record"),
        (run_in_turn, {}, r"steps through a Recording but got a function.* pass the result of"),
        (SimpleNamespace(recordings={}), {}, r'comparison.recordings\["together"\]'),
        (run_in_turn(CHORES, clock="virtual"), {"start": 1}, "has no option 'start': it steps"),
    ],
)
def test_a_wrong_argument_gets_one_sentence(thing, options, words):
    with pytest.raises(TypeError, match=words):
        replay(thing, **options)


def test_a_view_is_published_before_the_picture(broken, monkeypatch):
    """Only one of the two is seen: a style decides by whether the widget is alive."""
    pytest.importorskip("ipywidgets")
    shell = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell
    published = []
    publisher = SimpleNamespace(display_pub=SimpleNamespace(publish=published.append))
    monkeypatch.setattr(shell, "initialized", lambda: True)
    monkeypatch.setattr(shell, "instance", lambda: publisher)
    data, _ = replay(broken)._repr_mimebundle_()
    assert set(data) == {"image/png", "text/plain"}
    assert [set(one) for one in published] == [{"text/html"}, {parts.VIEW}]
    assert "asyncteach-view" in published[0]["text/html"]


@pytest.fixture
def screen(broken):
    """The widgets of one view, as the kernel has them."""
    return Screen(pytest.importorskip("ipywidgets"), replay(broken))


def test_the_buttons_step_and_stop_at_the_ends(screen):
    slider = screen.slider.slider
    assert screen.back.disabled
    screen.next.click()
    assert (slider.value, screen.back.disabled) == (2, False)
    screen.back.click()
    screen.back.click()
    assert slider.value == 1
    slider.value = 14
    screen.next.click()
    assert slider.value == 14
    assert screen.next.disabled
    screen.play.value = True  # Play at the end begins at the beginning
    assert (slider.value, screen.motor.playing, screen.play.description) == (1, True, "Pause")
    screen.next.click()
    assert (screen.play.value, screen.play.description) == (False, "Play")


def test_every_step_changes_sentence_playhead_states_and_source(screen, broken):
    """What is shown belongs to the moment that the slider shows."""
    veils = set()
    for number, sentence in enumerate(replay(broken).sentences, 1):
        screen.slider.slider.value = number
        assert f"Moment {number} of 14." in screen.sentence.value
        assert sentence in screen.sentence.value
        veils.add(screen.playhead.value)
    assert len(veils) == len({moment.at for moment in replay(broken).script.moments})
    screen.slider.slider.value = 5
    assert '<strong aria-current="true">►' in screen.source.value
    assert "time.sleep(4)" in screen.source.value
    assert "<strong>running</strong>: news" in screen.states.value


def test_controls_have_names_and_pictures_words(screen):
    """What lies over the picture isn't there for a screen reader."""
    slider = screen.slider
    for control in (screen.back, screen.play, screen.next, slider.slider, slider.field):
        assert control.description
        assert control.tooltip
    assert 'alt="Timeline. This test: 8 s.' in screen.picture.value
    assert 'alt="" aria-hidden="true"' in screen.playhead.value


def test_names_are_no_markup():
    """A task may have any name."""

    async def main():
        await asyncio.create_task(asyncio.sleep(1), name="<img src=x onerror=alert(1)>")

    screen = Screen(pytest.importorskip("ipywidgets"), replay(run(main)))
    for number in range(1, len(screen._player) + 1):
        screen.slider.slider.value = number
        assert "<img" not in screen.sentence.value + screen.states.value + screen.source.value
