"""The conditions of a check."""

import inspect
from collections.abc import Callable
from typing import Any, Self

from asyncteach.arguments import check_number, check_text, check_whole, show
from asyncteach.checks import concurrency, outcomes, results
from asyncteach.checks.results import Judgement
from asyncteach.domains import STORY
from asyncteach.formatting import clip
from asyncteach.recording import Recording


class Conditions:
    """Conditions on a recording, and on the value that the code returned."""

    recording: Recording
    value: Any
    _ran: bool
    """True if an answer was run: then there is a value."""

    def _judge(
        self, condition: str, judge: Callable[[], Judgement], hint: str, stronger: str
    ) -> Self:
        """Judge a condition unless an earlier one has failed."""
        raise NotImplementedError

    def took(
        self, *unknown: Any, minutes: float | None = None, seconds: float | None = None,
        at_most_minutes: float | None = None, at_most_seconds: float | None = None,
        within: float | None = None, hint: str = "", stronger: str = "",
    ) -> Self:  # fmt: skip
        """Judge how long it all took: exactly, or at most. A story minute is 60 seconds.

        `within` is how far off it may be, as a share: by default 0.05; a real clock may be up to
        a quarter late.
        """
        __tracebackhide__ = True
        if unknown:
            one = clip(repr(unknown[0]), 20)
            raise TypeError(
                f"took({one}) lacks a unit: write took(minutes={one}) or took(seconds={one})."
            )
        lengths = {
            "minutes": minutes, "seconds": seconds,
            "at_most_minutes": at_most_minutes, "at_most_seconds": at_most_seconds,
        }  # fmt: skip
        asked = [
            (check_number(amount, f"took({name}=...)", fix=f"write it as in {name}=40"), name)
            for name, amount in lengths.items()
            if amount is not None
        ]
        if within is not None:
            within = check_number(within, "took(within=...)", fix="write it as in within=0.1")
        if len(asked) != 1:
            raise TypeError(
                f"took() needs one length of time and got {len(asked)}: write took(minutes=40), "
                "took(seconds=6), or took(at_most_seconds=6)."
            )
        amount, name = asked[0]
        unit, exactly = name.removeprefix("at_most_"), not name.startswith("at_most_")
        return self._judge(
            "took",
            lambda: outcomes.judge_length(
                self.recording, amount, unit, exactly=exactly, within=within
            ),
            hint,
            stronger,
        )

    def overlapped(self, *names: str, hint: str = "", stronger: str = "") -> Self:
        """Judge if all these tasks were under way at the same moment; without names, all tasks.

        All tasks are here the tasks that have started no others.
        """
        __tracebackhide__ = True
        _check_names("overlapped", names)
        return self._judge(
            "overlapped", lambda: concurrency.judge_overlap(self.recording, names), hint, stronger
        )

    def never_blocked(self, seconds: float = 0.05, *, hint: str = "", stronger: str = "") -> Self:
        """Judge if no step held the event loop for longer than `seconds`."""
        __tracebackhide__ = True
        check_number(seconds, "never_blocked()", unit="seconds", fix="write it as in 0.1")
        self._check_code("never_blocked")
        trace = self.recording.trace
        # A missing answer has no steps.
        if trace.rows and seconds < trace.threshold and not concurrency.is_virtual(trace):
            raise ValueError(
                f"never_blocked({seconds:g}) asks about steps shorter than {trace.threshold:g} s, "
                f"which the recording doesn't keep: write {trace.threshold:g} or more, or "
                f"record(threshold={seconds:g})."
            )
        return self._judge(
            "never_blocked", lambda: outcomes.judge_blocks(trace, seconds), hint, stronger
        )

    def at_most(self, count: int, name: str, *, hint: str = "", stronger: str = "") -> Self:
        """Judge if never more than `count` tasks, or calls, of that name were at work at once.

        The name is the name of tasks, or of a coroutine function that tasks call, which is more
        exact. A task that waits for a semaphore, a lock or a queue isn't at work.
        """
        __tracebackhide__ = True
        _check_count("at_most", count, name)
        return self._judge(
            "at_most", lambda: concurrency.judge_most(self.recording, count, name), hint, stronger
        )

    def at_least(self, count: int, name: str, *, hint: str = "", stronger: str = "") -> Self:
        """Judge if at some moment at least `count` of that name were at work, as in `at_most`."""
        __tracebackhide__ = True
        _check_count("at_least", count, name)
        return self._judge(
            "at_least", lambda: concurrency.judge_least(self.recording, count, name), hint, stronger
        )

    def cancelled(self, name: str, *, hint: str = "", stronger: str = "") -> Self:
        """Judge if the task, or all tasks, of that name were cancelled."""
        __tracebackhide__ = True
        return self._judge_outcome("cancelled", name, (), hint, stronger)

    def returned(self, name: str, *, hint: str = "", stronger: str = "") -> Self:
        """Judge if the task, or all tasks, of that name returned."""
        __tracebackhide__ = True
        return self._judge_outcome("returned", name, (), hint, stronger)

    def raised(
        self, name: str,
        error: type[BaseException] | tuple[type[BaseException], ...] | None = None,
        *, hint: str = "", stronger: str = "",
    ) -> Self:  # fmt: skip
        """Judge if the task, or all tasks, of that name raised an exception, or one of a type."""
        __tracebackhide__ = True
        kinds = error if isinstance(error, tuple) else () if error is None else (error,)
        for kind in kinds:
            if not (isinstance(kind, type) and issubclass(kind, BaseException)):
                raise TypeError(
                    f"raised() takes an exception class after the name and got {kind!r}: write "
                    "the class itself, as in raised('fetch', ValueError)."
                )
        return self._judge_outcome("raised", name, kinds, hint, stronger)

    def _judge_outcome(
        self, wanted: str, name: str, kinds: tuple[type, ...], hint: str, stronger: str
    ) -> Self:
        __tracebackhide__ = True
        _check_names(wanted, (name,))
        self._check_code(wanted)
        trace = self.recording.trace
        return self._judge(
            wanted, lambda: outcomes.judge_outcome(trace, name, wanted, kinds), hint, stronger
        )

    def order(self, *events: str, hint: str = "", stronger: str = "") -> Self:
        """Judge if tasks finished in this order; `start of a` and `end of a` are events too.

        Events at the same time may come in any order.
        """
        __tracebackhide__ = True
        _check_names("order", events)
        if len(events) < 2:
            raise ValueError(
                f"order() needs at least 2 names and got {len(events)}: write order('a', 'b')."
            )
        return self._judge(
            "order", lambda: outcomes.judge_order(self.recording.trace, events), hint, stronger
        )

    def nothing_left_running(self, *, hint: str = "", stronger: str = "") -> Self:
        """Judge if no task of the recording was still running at its end."""
        __tracebackhide__ = True
        self._check_code("nothing_left_running")
        return self._judge(
            "nothing_left_running",
            lambda: outcomes.judge_rest(self.recording.trace),
            hint,
            stronger,
        )

    def result(self, *values: Any, hint: str = "", stronger: str = "") -> Self:
        """Judge the result: `result(expected)`, or for a recording `result(actual, expected)`."""
        __tracebackhide__ = True
        if len(values) == 1 and self._ran:
            values = (self.value, *values)
        if len(values) != 2:
            takes = "result(expected)" if self._ran else "result(actual, expected)"
            why = "" if self._ran else ": a recording doesn't keep what your code returned"
            raise TypeError(f"result() got {len(values)} values: write {takes}{why}.")
        return self._judge("result", lambda: results.judge_result(*values), hint, stronger)

    def that(
        self, condition: Any, sentence: str = "", *, hint: str = "", stronger: str = "",
        task: str | None = None, start: float | None = None, end: float | None = None,
    ) -> Self:  # fmt: skip
        """Judge anything else: `that(total == 3, "all three are counted")`.

        A function without arguments is called only if no condition has failed before; if it
        raises, the condition fails. `task`, `start` and `end` say what to mark in the timeline.
        """
        __tracebackhide__ = True
        if inspect.isawaitable(condition) or inspect.iscoroutinefunction(condition):
            raise TypeError(
                f"that() takes a condition and got {show(condition)}, which is always true: "
                "await it first, and pass the result."
            )
        example = "that(total == 3, 'all three are counted')"
        check_text(
            sentence,
            "that() after its condition",
            fix=f"write a condition and then a sentence that states it, as in {example}",
        )
        return self._judge(
            "that",
            lambda: outcomes.judge_that(
                self.recording.trace, condition, sentence, task, start, end
            ),
            hint,
            stronger,
        )

    def _check_code(self, function: str) -> None:
        """Raise ValueError for a story: it has no event loop."""
        __tracebackhide__ = True
        if self.recording.trace.domain is STORY:
            raise ValueError(
                f"{function}() is about code on an event loop and "
                f"{clip(self.recording.title, 40)!r} is a story in minutes: use it on a "
                "recording made by record()."
            )


def _check_names(function: str, names: tuple[Any, ...]) -> None:
    __tracebackhide__ = True
    fix = f"write the names of tasks in quotes, as in {function}('a', 'b')"
    for name in names:
        check_text(name, f"{function}()", fix=fix)


def _check_count(function: str, count: Any, name: Any) -> None:
    __tracebackhide__ = True
    fix = f"write the number first, then the name, as in {function}(3, 'fetch')"
    check_whole(count, f"{function}()", least=0, fix=fix)
    check_text(name, f"{function}()", fix=fix)
