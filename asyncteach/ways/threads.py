"""Activities done by threads, all of them in one interpreter or each in one of its own."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from asyncteach.activities import Activity
from asyncteach.ways.diary import Stretch, perform, perform_apart
from asyncteach.ways.python import find_path

if TYPE_CHECKING:
    from asyncteach.story import Story

MOST_THREADS = 1000
"""More activities than that wait until a thread is free."""

Performance = Callable[[Activity], list[Stretch]]


def do_in_threads(story: "Story", performances: Sequence[Performance]) -> list[list[Stretch]]:
    """Have each activity done by a thread of its own, all from one moment on."""
    gate = threading.Event()

    def do(activity: Activity, performance: Performance) -> list[Stretch]:
        gate.wait()
        return [] if story.stopped else performance(activity)

    most = min(len(story.activities), MOST_THREADS)
    with ThreadPoolExecutor(most, thread_name_prefix="asyncteach") as pool:
        try:
            pairs = zip(story.activities, performances, strict=True)
            jobs = [pool.submit(do, activity, performance) for activity, performance in pairs]
            story.begin()
            gate.set()
            return [job.result() for job in jobs]
        except BaseException as error:  # an interrupt: don't leave the threads behind
            story.give_up()
            gate.set()
            if "start new thread" in str(error):
                raise RuntimeError(
                    f"this machine can't run {most} threads at once: give fewer activities, or "
                    "use run_together, which needs one thread for all."
                ) from None
            raise


def perform_here(story: "Story") -> list[Performance]:
    """Return for each activity what does it in the interpreter that all threads share."""

    def do(activity: Activity) -> list[Stretch]:
        return perform(activity.steps, story.minute, story.start, lambda: story.stopped)

    return [do] * len(story.activities)


@contextlib.contextmanager
def perform_in_interpreters(story: "Story") -> Iterator[list[Performance]]:
    """Give for each activity what does it in an interpreter of its own, closed after the block."""
    from concurrent import interpreters  # type: ignore[attr-defined]  # Python 3.14 brought it

    made: list[Any] = []

    def make_performance(interpreter: Any) -> Performance:
        def do(activity: Activity) -> list[Stretch]:
            plan = tuple(map(tuple, activity.steps))  # what interpreters share is plain
            return list(
                interpreter.call(perform_apart, plan, story.minute, story.start, story.stop)
            )

        return do

    try:
        for _ in story.activities:
            interpreter = interpreters.create()
            made.append(interpreter)
            interpreter.prepare_main(path=tuple(find_path()))
            interpreter.exec(
                "import sys; sys.path += [one for one in path if one not in sys.path]; "
                "import asyncteach.ways.diary"
            )
        yield [make_performance(interpreter) for interpreter in made]
    finally:
        for interpreter in made:
            interpreter.close()
