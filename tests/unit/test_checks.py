"""Checks: each condition by right and by wrong programs, its sentences, hints and picture."""

import asyncio
import contextlib
import gc
import re
import threading
import time
from collections import Counter

import pytest

from asyncteach import (
    CHORES,
    Recording,
    check,
    record,
    record_threads,
    run_in_threads,
    run_in_turn,
    virtual_time,
)
from asyncteach.checks.marks import draw_marked
from asyncteach.checks.results import Mark


def judge(answer, *, virtual=True, **options):
    """Run an answer on a loop of its own and return its check."""

    async def run():
        before = asyncio.all_tasks()
        verdict = await check(answer, virtual=virtual, **options)
        assert asyncio.all_tasks() == before
        return verdict

    return asyncio.run(run())


def sentence_of(verdict):
    """Return the sentence of a check that has failed."""
    assert not verdict.passed
    return re.search(r"^Not yet: (.*)\.$", str(verdict), re.M)[1]


def hint(verdict):
    return re.search(r"^A hint: (.*)$", str(verdict), re.M)[1]


def marks_of(verdict):
    return verdict._failed.marks


def story(*slices):
    recording = Recording("By hand", ["a", "b"])
    for one in slices:
        recording.add(*one)
    return recording


async def page(seconds):
    await asyncio.sleep(seconds)
    return seconds


def start(seconds, name):
    return asyncio.create_task(page(seconds), name=name)


async def in_turn():
    for number in (1, 2, 3):
        await start(number, f"page-{number}")


async def together():
    return await asyncio.gather(*(start(n, f"page-{n}") for n in (1, 2, 3)))


async def blocking(seconds):
    await asyncio.sleep(0.5)
    time.sleep(seconds)


# What is right passes


def test_a_check_that_passed_is_text_alone():
    verdict = judge(together).took(seconds=3).took(minutes=0.05).took(at_most_seconds=5)
    assert str(verdict).splitlines() == [
        "Yes: it took 3 s.",
        "Yes: it took 0.1 minutes.",
        "Yes: it took 3 s.",
        "All right.",
    ]
    assert bool(verdict)
    assert verdict._repr_mimebundle_() == ({"text/plain": str(verdict)}, {})
    assert str(judge(together)) == "All right."
    assert str(check(story())).startswith("Nothing has been checked yet")


def test_virtual_time_has_to_be_right_within_a_twentieth_and_real_time_may_be_late():
    assert judge(together).took(seconds=3.1).passed
    assert not judge(together).took(seconds=2.8).passed
    assert judge(together).took(seconds=2.8, within=0.1).passed
    assert not judge(together).took(seconds=3.001, within=0).passed
    assert not judge(lambda: asyncio.sleep(0.1), virtual=False).took(seconds=0.2).passed
    # By hand, as a busy machine would have it.
    late = story((0, "waiting", 0, 48))
    assert check(late).took(minutes=40).passed
    assert not check(late).took(minutes=40, within=0.1).passed
    assert not check(story((0, "waiting", 0, 64))).took(minutes=40).passed


@pytest.mark.parametrize(("run", "minutes"), [(run_in_turn, 100), (run_in_threads, 40)])
def test_stories_are_judged_in_minutes(run, minutes):
    recording = run(CHORES, clock="virtual")
    assert check(recording).took(minutes=minutes).took(seconds=60 * minutes).passed
    assert not check(recording).took(minutes=minutes / 2).passed
    assert check(recording).overlapped().passed == (minutes == 40)
    with pytest.raises(ValueError, match="needs a recording of an event loop"):
        check(recording).never_blocked()
    with pytest.raises(TypeError, match=re.escape("result(actual, expected)")):
        check(recording).result(3)


async def with_group():
    async with asyncio.TaskGroup() as group:
        for number in (1, 2, 3):
            group.create_task(page(number), name=f"page-{number}")


async def without_names():
    await asyncio.gather(page(1), page(2), page(3))


@pytest.mark.parametrize("answer", [together, with_group, without_names])
def test_every_way_to_have_them_overlap_passes(answer):
    verdict = judge(answer).took(seconds=3).overlapped("page").overlapped()
    assert verdict.nothing_left_running().never_blocked().passed, verdict
    assert not judge(answer).at_most(2, "page").passed


def test_two_that_only_touch_or_have_not_begun_do_not_overlap():
    def overlap(*slices):
        return check(story(*slices)).overlapped("a", "b").passed

    assert overlap((0, "waiting", 0, 11), (1, "waiting", 10, 20))
    assert not overlap((0, "waiting", 0, 10), (1, "waiting", 10, 20))
    assert not overlap((0, "running", 0, 10), (1, "ready", 0, 10), (1, "running", 10, 20))


def test_a_name_stands_for_numbered_ones_for_twins_and_for_coroutine_functions():
    async def main():
        twins = [start(1, "twin"), start(2, "twin")]
        await asyncio.gather(*twins, start(3, "row 1"), start(3, "row_2"), start(3, "10"))

    # No task is called page, and all of them run it.
    names = {"twin": 2, "twin (2)": 1, "row": 2, "row 1": 1, "10": 1, "page": 5}
    for name, count in names.items():
        assert judge(main).at_most(count, name).returned(name).passed, name
        assert not judge(main).at_most(count - 1, name).passed, name


# How many at the same time


async def fetch():
    await asyncio.sleep(0.5)
    await asyncio.sleep(0.5)


async def with_ten(limited):
    await asyncio.gather(*(asyncio.create_task(limited(), name=f"fetch-{n}") for n in range(10)))


async def a_semaphore_inside():
    limit = asyncio.Semaphore(3)

    async def limited():
        async with limit:
            await fetch()

    await with_ten(limited)


async def workers_and_a_queue():
    queue = asyncio.Queue()
    for number in range(10):
        queue.put_nowait(number)

    async def work():
        while not queue.empty():
            await queue.get()
            await fetch()
            queue.task_done()

    await asyncio.gather(*(work() for _ in range(3)))


async def three_in_threads():
    def fetch():
        time.sleep(1)

    await asyncio.gather(*(asyncio.to_thread(fetch) for _ in range(3)))


@pytest.mark.parametrize("answer", [a_semaphore_inside, workers_and_a_queue, three_in_threads])
def test_every_way_to_have_three_at_the_same_time_passes(answer):
    assert judge(answer).at_most(3, "fetch").passed
    assert sentence_of(judge(answer).at_most(2, "fetch")).startswith(
        "three of fetch were under way"
    )


def test_a_limit_around_the_wrong_thing_is_none():
    async def main():
        limit = asyncio.Semaphore(3)

        async def limited():
            await fetch()
            async with limit:
                await asyncio.sleep(1)

        await with_ten(limited)

    assert sentence_of(judge(main).at_most(3, "fetch")) == (
        "ten of fetch were under way at the same time, at the very start, expected at most three"
    )


# How tasks ended


async def endings():
    async def fail():
        await asyncio.sleep(1)
        raise ConnectionResetError("gone")

    slow = start(100, "slow")
    bad = asyncio.create_task(fail(), name="bad")
    good = start(1, "good")
    await asyncio.wait([bad, good])
    slow.cancel()
    bad.exception()


def test_outcomes_and_their_order():
    verdict = judge(endings).cancelled("slow").returned("good").raised("bad")
    # It was cancelled and not awaited: that it ends is all that counts.
    verdict.raised("bad", OSError).nothing_left_running().order("good", "slow")
    assert str(verdict).splitlines() == [
        "Yes: slow was cancelled.",
        "Yes: good returned.",
        "Yes: bad raised.",
        "Yes: bad raised OSError.",
        "Yes: no task was left running.",
        "Yes: good and slow finished in this order.",
        "All right.",
    ]
    # Those that end at the same moment may come in any order.
    assert judge(endings).order("good", "bad").order("bad", "good").passed


def test_results_are_equal_as_python_says():
    import numpy
    import pandas

    frame = pandas.DataFrame({"a": [1]})
    for value in (1, "a", [1, 2], {"a": [1]}, {1, 2}, None, numpy.arange(3), frame):
        assert check(story()).result(value, value).passed
    assert check(story()).result(1.0, 1).passed
    assert not check(story()).result(numpy.arange(3), numpy.arange(4)).passed
    assert not check(story()).result(numpy.arange(3), numpy.zeros(3)).passed


# What is wrong is named


async def inside():
    await page(1)
    await page(2)


async def holding():
    await asyncio.gather(page(0.6), page(0.7), blocking(2))


async def swallowing():
    async def rude():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(100)

    task = asyncio.create_task(rude(), name="rude")
    await asyncio.sleep(1)
    task.cancel()
    await task


async def leaving():
    kept.append(start(100, "lost"))
    await start(1, "page")


async def losing():
    async def forever():
        await asyncio.get_running_loop().create_future()

    asyncio.create_task(forever())
    await asyncio.sleep(1)
    gc.collect()
    await asyncio.sleep(1)


kept = []
MISSING = "no task is called 'x', only 'page-1', 'page-2' and 'page-3'"
LINE = r"test_checks\.py:\d+"


@pytest.mark.parametrize(
    ("answer", "condition", "sentence"),
    [
        (in_turn, "took(seconds=3)", "it took 6 s, expected 3 s"),
        (together, "took(seconds=6)", "it took only 3 s, expected 6 s"),
        (in_turn, "overlapped()", "page-2 began only when page-1 was done, after 1 s"),
        (inside, "overlapped()", "there are no two tasks that could overlap"),
        (inside, "cancelled('x')", "no task is called 'x', and no other task was started"),
        (together, "overlapped('x')", MISSING),
        (together, "at_most(3, 'x')", MISSING),
        (
            holding,
            "never_blocked(2.5).never_blocked()",
            rf"blocking\(\) held the loop for 2 s at {LINE}, "
            r"and page and page \(2\) were delayed by it",
        ),
        (endings, "cancelled('good')", "good returned, expected it to be cancelled"),
        (endings, "returned('slow')", "slow was cancelled, expected it to return"),
        (endings, "raised('good')", "good returned, expected it to raise an exception"),
        (endings, "raised('bad', KeyError)", "bad raised .*: gone, expected it to raise KeyError"),
        (swallowing, "cancelled('rude')", "rude returned, expected it to be cancelled"),
        (leaving, "nothing_left_running()", f"lost at {LINE} was left running at the end"),
        (leaving, "order('page', 'lost')", "lost was still running at the end"),
        (losing, "nothing_left_running()", f"forever at {LINE} was lost before the end"),
        (
            together,
            "order('page-2', 'page-1')",
            "page-1 was done after 1 s, and page-2 only after 2 s, expected the other way round",
        ),
        (together, "that([], 'they came.', hint='Look.')", "it isn't true that they came"),
        (lambda: 3, "took(seconds=3)", "your code returned 3, which can't be awaited"),
    ],
)
def test_what_is_wrong_is_named_and_marked(answer, condition, sentence):
    verdict = eval(f"judge(answer).{condition}")
    assert re.fullmatch(sentence, sentence_of(verdict))
    assert hint(verdict)
    nowhere = "no task|there are no|it isn't true|your code"
    assert bool(marks_of(verdict)) != bool(re.match(nowhere, sentence))
    # Later conditions are skipped.
    assert sentence_of(verdict.took(seconds=0)) == sentence_of(verdict)
    assert kept == [] or kept.pop().cancelled()


def test_real_time_is_judged_too_and_what_a_thread_does_holds_nothing():
    async def nap():
        time.sleep(0.3)

    async def main():
        await asyncio.gather(page(0.01), nap())

    async def in_a_thread():
        await asyncio.gather(page(1), asyncio.to_thread(time.sleep, 2))

    assert "nap() held the loop" in sentence_of(judge(main, virtual=False).never_blocked())
    assert judge(in_a_thread).never_blocked().took(seconds=2).passed


async def stream():
    yield 1


@pytest.mark.parametrize(
    ("value", "sentence", "words"),
    [
        (lambda: None, "the result is None, expected [1, 2]", "return"),
        (lambda: (1, 2), "the result is (1, 2), expected [1, 2]", "Follow"),
        (lambda: [2, 1], "the result is [2, 1], expected [1, 2]: the same items in", "order"),
        (lambda: page(1), "a coroutine of page() that has not run", "await"),
        (lambda: start(1, "page"), "a task, not its result", "await"),
        (lambda: [page(1)], "a list with a coroutine of page() that has not run in it", "await"),
        (stream, "an async generator that was never looped over", "await"),
    ],
)
@pytest.mark.filterwarnings("ignore:coroutine")
def test_a_wrong_result_is_described(value, sentence, words):
    async def main():
        return value()

    verdict = judge(main).result([1, 2])
    assert sentence in sentence_of(verdict)
    assert words in hint(verdict)
    del verdict
    gc.collect()  # what was never awaited warns here and not in another test


def test_one_check_goes_on_with_another_one():
    right, wrong = judge(together).took(seconds=3), judge(in_turn).took(seconds=3)
    assert right.also(judge(together).overlapped("page")).passed
    assert not right.also(wrong).passed
    assert sentence_of(right) == sentence_of(wrong)
    assert "page-1" in right._repr_mimebundle_()[1]["image/png"]["alt"]


# Hints


def test_a_hint_of_ones_own_takes_the_place_of_the_general_one():
    assert "could have run at the same time?" in hint(judge(in_turn).took(seconds=3))
    assert hint(judge(in_turn).took(seconds=3, hint="One.")) == "One."
    verdict = judge(in_turn).took(seconds=3, hint="One.")
    verdict.add_hint("Two.")
    assert str(verdict).endswith("A hint: One.\nTwo.")


ERRORS = {
    "text = page(1); text + 1": "text is a coroutine of page() that has not run. Is there an",
    "await time.sleep(1)": "What comes after that `await`?",
    "import concurrent.futures as pools; await pools.Future()": "What comes after that `await`?",
    "await asyncio.gather(time.sleep(1))": "In that line asyncio needs",
    "asyncio.create_task(page)": "In that line asyncio needs",
    "await asyncio.to_thread(time.sleep(1))": "does it call the function itself",
    "from multiprocessing import reduction as r; r.ForkingPickler.dumps(lambda: 0)": "pickled",
    "asyncio.run(page(1))": "A loop is already running",
    "undefined": "spelled",
    "await page(1, 2)": "Go to that line",
    "with asyncio.Lock(): pass": "`async with`",
    "await asyncio.wait_for(page(2), 1)": "where the limit was set",
    "task = start(5, 'task'); task.cancel(); await task": "What this line awaits was cancelled",
}


@pytest.mark.parametrize("line", ERRORS)
@pytest.mark.filterwarnings("ignore:coroutine")
def test_common_errors_have_hints_of_their_own(line):
    names = dict(globals())
    exec(f"async def answer():\n    {line}", names)
    assert ERRORS[line] in hint(judge(names["answer"]))
    gc.collect()  # what was never awaited warns here and not in another test


def test_an_error_is_shown_with_the_users_line():
    async def fail():
        await page(1)
        raise ValueError("no such page")

    async def group():
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail(), name="fail")
            tasks.create_task(page(9), name="page")

    line = fail.__code__.co_firstlineno + 2
    sentence = f"your code raised ValueError: no such page at test_checks.py:{line}"
    verdict = judge(fail)
    assert sentence_of(verdict) == sentence
    assert isinstance(verdict.error, ValueError)
    verdict = judge(group)
    assert sentence_of(verdict) == f"{sentence} (in an ExceptionGroup, as a TaskGroup raises it)"
    (mark,) = marks_of(verdict)
    assert verdict.recording.names[mark.rows[0]] == "fail"


# What is seen


def test_the_page_holds_the_sentences_escaped_and_the_picture_with_its_words():
    async def main():
        await start(1, "<b>")

    data, about = judge(main).cancelled("<b>")._repr_mimebundle_()
    assert "&lt;b&gt; returned, expected it to be cancelled" in data["text/html"]
    assert "<b>" not in data["text/html"]
    assert f'src="data:image/png;base64,{data["image/png"]}"' in data["text/html"]
    assert about["image/png"]["alt"].endswith("Marked: <b> from 0 ms to 1 s: not cancelled.")


def test_the_mark_is_an_outline_around_the_place_and_a_label_with_words():
    verdict = judge(in_turn).overlapped("page")
    picture = draw_marked(verdict.recording, marks_of(verdict))
    (ax,) = picture.axes
    names = [label.get_text().strip() for label in ax.get_yticklabels()]
    outlines = [one for one in ax.patches if one.get_gid() == "mark"]
    places = {"page-1": (0, 1), "page-2": (1, 3)}
    for outline, (name, ends) in zip(outlines, places.items(), strict=True):
        lane = ax.get_yticks()[names.index(name)]
        box = outline.get_bbox()
        assert min(box.y0, box.y1) < lane < max(box.y0, box.y1)
        assert (box.x0, box.x1) == pytest.approx(ends, abs=0.1)
    (label,) = [text for text in ax.texts if text.get_gid() == "mark label"]
    assert label.get_text() == "begins after 1 s"


def test_many_lanes_have_one_outline_and_are_named_in_part():
    async def crowd():
        await asyncio.gather(*(start(1, f"fetch-{n}") for n in range(20)))

    verdict = judge(crowd).at_most(3, "fetch")
    picture = draw_marked(verdict.recording, marks_of(verdict))
    assert len([one for one in picture.axes[0].patches if one.get_gid() == "mark"]) == 1
    assert "fetch-6 and 13 more from 0 ms to 1 s: 20 at once." in picture.alt


@pytest.mark.parametrize("at", [0, 50, 100])
@pytest.mark.parametrize("rows", [(), (1,)])
def test_labels_stay_on_the_picture(at, rows):
    async def main():
        await asyncio.gather(start(at, "a"), start(100, "b"))

    mark = Mark(at, at, "a label of forty letters, which is much", rows)
    picture = draw_marked(judge(main).recording, [mark])
    picture.draw_without_rendering()
    (label,) = [text for text in picture.axes[0].texts if text.get_gid() == "mark label"]
    box = label.get_window_extent()
    assert picture.bbox.x0 <= box.x0 < box.x1 <= picture.bbox.x1


# An answer that is run


def test_functions_coroutines_and_what_gives_an_awaitable_are_run():
    verdict = judge(together)
    assert (verdict.value, verdict.error, verdict.stopped) == ([1, 2, 3], None, False)
    assert verdict.recording.names == ["together", "page-1", "page-2", "page-3"]
    assert "together" in str(verdict.recording)
    assert judge(lambda: together()).result([1, 2, 3]).passed
    assert judge(lambda: asyncio.gather(page(1), page(2))).result([1, 2]).took(seconds=2).passed
    assert judge(together, name="mine").recording.title == "mine"

    async def run():
        return await check(page(2), virtual=True)

    assert asyncio.run(run()).result(2).took(seconds=2).passed


async def hang():
    await asyncio.Event().wait()


async def spin():
    await page(0.01)
    while True:
        pass


@pytest.mark.parametrize(("answer", "virtual"), [(hang, True), (hang, False), (spin, False)])
def test_an_answer_that_never_ends_is_stopped_and_its_line_is_named(answer, virtual):
    verdict = judge(answer, deadline=0.3, virtual=virtual)
    assert verdict.stopped
    sentence = f"still going after 0.3 seconds, so it was stopped; it was at {LINE}"
    assert re.fullmatch(sentence, sentence_of(verdict))
    assert str(verdict.took(seconds=0).result(3)) == str(verdict)
    (mark,) = marks_of(verdict)
    assert mark.end - mark.start >= 0.5 * verdict.recording.seconds
    # In virtual time no time has passed, so there is no picture.
    assert ("image/png" in verdict._repr_mimebundle_()[0]) == (not virtual)


def test_sleep_is_virtual_by_a_name_of_its_own():
    names = {}
    exec("from time import sleep\nasync def nap(): sleep(100)", names)
    assert judge(names["nap"]).took(seconds=100).passed
    assert names["sleep"] is time.sleep


def test_nothing_is_left_of_a_run():
    before = (threading.active_count(), time.sleep, asyncio.sleep)

    async def run():
        names = set(vars(asyncio.get_running_loop()))
        for answer in (together, endings, lambda: 3):
            await check(answer, virtual=True)
        assert set(vars(asyncio.get_running_loop())) == names

    asyncio.run(run())
    assert (threading.active_count(), time.sleep, asyncio.sleep) == before


def test_a_check_inside_a_recording_and_one_inside_a_check():
    async def main():
        with record() as outer:
            verdict = await check(together, virtual=True)
        return outer, verdict

    outer, verdict = asyncio.run(main())
    assert verdict.took(seconds=3).passed
    assert {"page-1", "page-2", "page-3"} <= set(outer.names)

    async def leave_one():
        kept.append(asyncio.ensure_future(asyncio.sleep(1)))

    async def inner():
        """The test of an exercise may call check() itself."""
        left = (await check(leave_one, virtual=True)).nothing_left_running()
        return left.passed, (await check(together, virtual=True)).took(seconds=3).passed

    kept = []
    assert judge(inner).result((False, True)).took(seconds=3).passed


@pytest.mark.parametrize("fails", [False, True])
def test_what_an_answer_has_left_running_does_nothing_more(fails):
    done = []

    async def late():
        await asyncio.sleep(1)
        done.append("late")

    async def forget():
        asyncio.create_task(late())
        if fails:
            raise ValueError

    for _ in range(20):
        assert not judge(forget).nothing_left_running().passed
    assert not done


def count_own_objects():
    """Return how many objects of asyncteach's own classes there are, and how many tasks."""
    gc.collect()
    kinds = map(type, gc.get_objects())
    own = (kind for kind in kinds if str(kind.__module__).startswith(("asyncteach.", "_asyncio")))
    return Counter(kind.__qualname__ for kind in own if kind is not asyncio.Future)


@pytest.mark.parametrize("virtual", [True, False])
def test_nothing_of_it_stays_alive(virtual):
    """However often it is run, with right and wrong answers, on a notebook's one loop."""

    async def right():
        await asyncio.gather(asyncio.sleep(0.001), asyncio.to_thread(int))

    async def wrong():
        asyncio.create_task(asyncio.sleep(9))
        raise ValueError

    async def run(times):
        for answer in (right, wrong) * times:
            str((await check(answer, virtual=virtual)).took(seconds=5))
        return count_own_objects()

    async def run_and_count():
        return await run(1), await run(5)

    before, after = asyncio.run(run_and_count())
    assert after - before == Counter()


# A recording of one's own


def test_a_recording_in_real_time_in_virtual_time_and_one_that_is_still_open():
    async def main():
        with record() as real:
            await asyncio.gather(start(0.01, "a"), start(0.02, "b"))
        with virtual_time(), record() as virtual:
            await asyncio.gather(start(1, "a"), start(2, "b"))
            assert check(virtual).took(seconds=2).nothing_left_running().passed
        return real, virtual

    for recording in asyncio.run(main()):
        verdict = check(recording).overlapped("a", "b").order("a", "b").returned("a")
        assert verdict.nothing_left_running().passed, verdict
        assert not check(recording).at_most(1, "page").passed


def test_threads_that_were_recorded_can_be_judged():
    with record_threads() as recording:
        threads = [threading.Thread(target=time.sleep, args=(0.05,), name=n) for n in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert check(recording).overlapped("a", "b").took(seconds=0.05, within=20).passed


# Wrong use


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("took()", "needs one length of time with its unit but got 0"),
        ("took(40)", "write took(minutes=40)"),
        ("took(seconds='3')", "takes a number but got '3'"),
        ("took(minutes=float('nan'))", "finite number but got nan"),
        ("overlapped(['a', 'b'])", "the names of tasks in quotes"),
        ("never_blocked('long')", "takes a number"),
        ("never_blocked(0.01)", "record(threshold=0.01)"),
        ("at_most('fetch', 3)", "the number first, then the name"),
        ("cancelled(3)", "in quotes"),
        ("raised('a', ValueError('x'))", "write the class itself"),
        ("order('a')", "takes two names or more"),
        ("result()", "got 0 values: write result(expected)"),
        ("that(True)", "a condition and then a sentence"),
        ("that(page, 'it is so')", "which is always true"),
        ("that(lambda: 3, 'it is so')", "which is always true"),
        ("also(3)", "takes another Check but got 3"),
        ("took(seconds=3, hint=3)", "write it in quotes"),
    ],
)
def test_a_condition_that_makes_no_sense_coaches(condition, words):
    with pytest.raises((TypeError, ValueError), match=re.escape(words)) as caught:
        eval(f"judge(together).{condition}")
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("answer", "options", "words"),
    [
        (3, {}, "got an int"),
        (None, {}, "got a NoneType: pass a recording, or a coroutine function"),
        (record(), {}, "write `with record() as recording:`"),
        (page, {}, "without arguments (missing a required argument: 'seconds')"),
        (together, {"deadline": 0}, "more than 0"),
        (together, {"name": 3}, "in quotes"),
    ],
)
def test_a_check_that_makes_no_sense_coaches(answer, options, words):
    with pytest.raises((TypeError, ValueError), match=re.escape(words)):
        check(answer, **options)


def test_a_task_that_is_running_already_and_a_forgotten_await_coach():
    async def main():
        task = start(0, "a")
        with pytest.raises(TypeError, match="already running"):
            check(task)
        await task

    asyncio.run(main())
    pending = check(together)
    with pytest.raises(AttributeError, match=re.escape("verdict = await check(together)")):
        _ = pending.took
    pending.close()
