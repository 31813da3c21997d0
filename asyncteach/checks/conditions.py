"""The conditions that a check can be asked for."""

from collections.abc import Callable
from typing import Any, Self

from asyncteach.checks import endings, misuse, results, timing, together
from asyncteach.checks.judgement import Judgement
from asyncteach.recording import Recording


class Conditions:
    """What can be asked of a recording, and of the value that came with it."""

    recording: Recording
    value: Any
    _ran: bool
    """Whether an answer was run: then there is a value."""

    def _judge(
        self, condition: str, judge: Callable[[], Judgement], hint: str, stronger: str
    ) -> Self:
        """Judge unless something has failed before."""
        raise NotImplementedError

    def took(
        self, *unknown: Any, minutes: float | None = None, seconds: float | None = None,
        at_most_minutes: float | None = None, at_most_seconds: float | None = None,
        within: float | None = None, hint: str = "", stronger: str = "",
    ) -> Self:  # fmt: skip
        """Judge how long it all took: so long, or at most so long. A story minute is 60 seconds.

        `within` is how far off it may be, as a share: 0.05, and in real time a quarter more.
        """
        __tracebackhide__ = True
        misuse.check_unit("took", unknown)
        asked = [
            (misuse.check_amount("took", name, amount), unit, exactly)
            for name, amount, unit, exactly in (
                ("minutes", minutes, "minutes", True),
                ("seconds", seconds, "seconds", True),
                ("at_most_minutes", at_most_minutes, "minutes", False),
                ("at_most_seconds", at_most_seconds, "seconds", False),
            )
            if amount is not None
        ]
        if within is not None:
            within = misuse.check_amount("took", "within", within)
        if len(asked) != 1:
            raise TypeError(
                f"took() needs one length of time and got {len(asked)}: write took(minutes=40), "
                "took(seconds=6), or took(at_most_seconds=6)."
            )
        amount, unit, exactly = asked[0]
        return self._judge(
            "took",
            lambda: timing.judge_length(
                self.recording, amount, unit, exactly=exactly, within=within
            ),
            hint,
            stronger,
        )

    def overlapped(self, *names: str, hint: str = "", stronger: str = "") -> Self:
        """Judge if all of these tasks were under way at the same moment; no names: all tasks.

        Of all tasks those count that have started no others.
        """
        __tracebackhide__ = True
        misuse.check_names("overlapped", names, 0)
        return self._judge(
            "overlapped", lambda: together.judge_overlap(self.recording, names), hint, stronger
        )

    def never_blocked(self, seconds: float = 0.05, *, hint: str = "", stronger: str = "") -> Self:
        """Judge if no step held the event loop for longer than so many seconds."""
        __tracebackhide__ = True
        misuse.check_amount("never_blocked", "seconds", seconds)
        misuse.check_seconds_of(self.recording, "never_blocked")
        if self.recording.trace.rows:  # of an answer that never was one nothing is known
            misuse.check_threshold(self.recording, seconds)
        return self._judge(
            "never_blocked", lambda: timing.judge_blocks(self.recording, seconds), hint, stronger
        )

    def at_most(self, count: int, name: str, *, hint: str = "", stronger: str = "") -> Self:
        """Judge if at no moment more than so many of that name were at work.

        The name is that of tasks, or of a coroutine function that runs inside of tasks, which is
        exact. Who waits for a semaphore, a lock or a queue isn't at work.
        """
        __tracebackhide__ = True
        misuse.check_count("at_most", count)
        misuse.check_names("at_most", (name,), 1)
        return self._judge(
            "at_most", lambda: together.judge_most(self.recording, count, name), hint, stronger
        )

    def at_least(self, count: int, name: str, *, hint: str = "", stronger: str = "") -> Self:
        """Judge if at some moment so many of that name were at work, as in `at_most`."""
        __tracebackhide__ = True
        misuse.check_count("at_least", count)
        misuse.check_names("at_least", (name,), 1)
        return self._judge(
            "at_least", lambda: together.judge_least(self.recording, count, name), hint, stronger
        )

    def cancelled(self, name: str, *, hint: str = "", stronger: str = "") -> Self:
        """Judge if the task, or all tasks, of that name were cancelled."""
        __tracebackhide__ = True
        return self._judge_outcome("cancelled", name, None, hint, stronger)

    def returned(self, name: str, *, hint: str = "", stronger: str = "") -> Self:
        """Judge if the task, or all tasks, of that name returned."""
        __tracebackhide__ = True
        return self._judge_outcome("returned", name, None, hint, stronger)

    def raised(
        self, name: str,
        error: type[BaseException] | tuple[type[BaseException], ...] | None = None,
        *, hint: str = "", stronger: str = "",
    ) -> Self:  # fmt: skip
        """Judge if the task, or all tasks, of that name raised: any error, or one of a kind."""
        __tracebackhide__ = True
        kinds = error if isinstance(error, tuple) else () if error is None else (error,)
        for kind in kinds:
            if not (isinstance(kind, type) and issubclass(kind, BaseException)):
                raise TypeError(
                    f"raised() takes a kind of exception after the name and got {kind!r}: write "
                    "the class itself, as in raised('fetch', ValueError)."
                )
        return self._judge_outcome("raised", name, error, hint, stronger)

    def _judge_outcome(self, wanted: str, name: str, error: Any, hint: str, stronger: str) -> Self:
        __tracebackhide__ = True
        misuse.check_names(wanted, (name,), 1)
        misuse.check_seconds_of(self.recording, wanted)
        return self._judge(
            wanted,
            lambda: endings.judge_outcome(self.recording, name, wanted, error),
            hint,
            stronger,
        )

    def order(self, *events: str, hint: str = "", stronger: str = "") -> Self:
        """Judge if tasks finished in that order; `start of a` and `end of a` are events too.

        What happened at the same time may come in any order.
        """
        __tracebackhide__ = True
        misuse.check_names("order", events, 2)
        return self._judge(
            "order", lambda: endings.judge_order(self.recording, events), hint, stronger
        )

    def nothing_left_running(self, *, hint: str = "", stronger: str = "") -> Self:
        """Judge if no task of the recording was still running at its end."""
        __tracebackhide__ = True
        misuse.check_seconds_of(self.recording, "nothing_left_running")
        return self._judge(
            "nothing_left_running",
            lambda: endings.judge_rest(self.recording),
            hint,
            stronger,
        )

    def result(self, *values: Any, hint: str = "", stronger: str = "") -> Self:
        """Judge what came back: `result(expected)`; of a recording `result(actual, expected)`."""
        __tracebackhide__ = True
        if len(values) == 1 and self._ran:
            values = (self.value, *values)
        if len(values) != 2:
            takes = "result(expected)" if self._ran else "result(actual, expected)"
            why = "" if self._ran else ": a recording doesn't know what your code has returned"
            raise TypeError(f"result() got {len(values)} values: write {takes}{why}.")
        return self._judge("result", lambda: results.judge_result(*values), hint, stronger)

    def that(
        self, condition: Any, sentence: str = "", *, hint: str = "", stronger: str = "",
        task: str | None = None, start: float | None = None, end: float | None = None,
    ) -> Self:  # fmt: skip
        """Judge anything else: `that(total == 3, "all three are counted")`.

        A function without arguments is called only if nothing has failed before; what it raises
        counts as no. `task`, `start` and `end` say where to look in the timeline.
        """
        __tracebackhide__ = True
        misuse.check_condition(condition, sentence)
        return self._judge(
            "that",
            lambda: together.judge_that(self.recording, condition, sentence, task, start, end),
            hint,
            stronger,
        )
