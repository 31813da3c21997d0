"""Activities done by threads, all of them in one interpreter or each in one of its own."""

import contextlib
import queue
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from asyncteach.activities import Activity
from asyncteach.runners.diary import Stretch, perform, perform_apart
from asyncteach.runners.helpers import Helpers
from asyncteach.runners.python import find_path

if TYPE_CHECKING:
    from asyncteach.story import Story

MOST_THREADS = 1000
"""More activities than that wait until a thread is free."""

Hand = Callable[[], AbstractContextManager[Callable[[Activity], list[Stretch]]]]
"""What a thread opens to get a function that does an activity."""


def do_in_threads(story: "Story", hand: Hand, most: int) -> list[list[Stretch]]:
    """Have each activity done by a thread of its own, at most so many, all from one moment on.

    Threads talk by queues and not by Events or Futures: an interrupt that lands inside one of
    those leaves it locked, and whoever needs it waits for ever.
    """
    gate: queue.SimpleQueue[None] = queue.SimpleQueue()
    told: queue.SimpleQueue[tuple[int | None, Any]] = queue.SimpleQueue()
    left = deque(enumerate(story.activities))

    def work() -> None:
        try:
            with hand() as do:
                told.put((None, None))
                gate.get()
                while not story.stopped:
                    index, activity = left.popleft()
                    told.put((index, do(activity)))
        except IndexError:
            pass  # there are no more
        except BaseException as error:
            told.put((None, error))

    count = min(len(story.activities), most)
    helpers = Helpers()
    stretches: list[list[Stretch]] = [[] for _ in story.activities]
    try:
        for _ in range(count):
            helpers.start(work)
        for _ in range(count):
            _listen(told)
        story.begin()
        for _ in range(count):
            gate.put(None)
        for _ in story.activities:
            index, own = _listen(told)
            stretches[index] = own
    except BaseException as error:
        story.give_up()
        for _ in range(count):
            gate.put(None)
        if "start new thread" in str(error):
            raise RuntimeError(
                f"this machine can't run {count} threads at once: give fewer activities, or "
                "use run_together, which needs one thread for all."
            ) from None
        raise
    finally:
        helpers.join()
    return stretches


def _listen(told: "queue.SimpleQueue[tuple[int | None, Any]]") -> tuple[Any, Any]:
    index, what = told.get()
    if isinstance(what, BaseException):
        raise what
    return index, what


def in_this_interpreter(story: "Story") -> Hand:
    """Return what gives each thread a function for the interpreter that they share."""

    def do(activity: Activity) -> list[Stretch]:
        return perform(activity.steps, story.minute, story.start, lambda: story.stopped)

    return lambda: contextlib.nullcontext(do)


def in_own_interpreters(story: "Story") -> Hand:
    """Return what gives each thread a function for an interpreter of its own, closed after it.

    Made in that thread: an interrupt can't get between an interpreter and who has to close it.
    """
    from concurrent import interpreters  # type: ignore[attr-defined]  # Python 3.14 brought it

    @contextlib.contextmanager
    def hand() -> Iterator[Callable[[Activity], list[Stretch]]]:
        interpreter: Any = interpreters.create()

        def do(activity: Activity) -> list[Stretch]:
            plan = tuple(map(tuple, activity.steps))  # what interpreters share is plain
            return list(
                interpreter.call(perform_apart, plan, story.minute, story.start, story.stop)
            )

        try:
            interpreter.prepare_main(path=tuple(find_path()))
            interpreter.exec(
                "import sys; sys.path += [one for one in path if one not in sys.path]; "
                "import asyncteach.runners.diary"
            )
            yield do
        finally:
            interpreter.close()

    return hand
