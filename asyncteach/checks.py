"""What code must have done: checks of behaviour, on a recording or on an answer that is run."""

import inspect
from collections import abc
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Self, overload

from asyncteach.checking import accidents, endings, misuse, results, timing, together
from asyncteach.checking.display import show_mimebundle
from asyncteach.checking.judgement import Judgement, Mark, no, yes
from asyncteach.checking.running import Run, run_answer
from asyncteach.checking.tries import count_try
from asyncteach.recording import Recording
from asyncteach.ways.awaitable import Awaitable

__all__ = ["Check", "check"]

_DEADLINE = 10.0


class Check:
    """What a check has found: true if all its conditions hold, and it says so in sentences.

    `check()` makes it. Each condition is judged at once and gives back the same Check, so that
    one can follow the other; the first that fails is the one that is told, with a hint, and later
    ones are not looked at. From the second failing try on the hint says more. `hint=` and
    `stronger=` put your own words in place of the general ones.

    In a notebook it shows itself: its sentences, and if it has failed the timeline with the place
    marked. `passed` is True or False; `recording` is what was judged; of code that was run
    `value` is what it returned, `error` what it raised, and `stopped` tells if it had to be.

    >>> from asyncteach import CHORES, check, run_in_turn
    >>> print(check(run_in_turn(CHORES, clock="virtual")).took(minutes=100))
    Yes: it took 100.0 minutes.
    All right.
    """

    def __init__(self, run: Run, name: str, *, ran: bool) -> None:
        self.recording = run.recording
        self.value = run.value
        self.error = run.error
        self.stopped = run.stopped
        self.name = name
        self._ran = ran
        self._passed: list[Judgement] = []
        self._failed: Judgement | None = None
        self._hint = ""
        self._of = run.recording
        self._count = 0

    @property
    def passed(self) -> bool:
        """True as long as no condition has failed."""
        return self._failed is None

    def __bool__(self) -> bool:
        return self.passed

    # Conditions

    def took(
        self, *, minutes: float | None = None, seconds: float | None = None,
        at_most_minutes: float | None = None, at_most_seconds: float | None = None,
        within: float | None = None, hint: str = "", stronger: str = "",
    ) -> Self:  # fmt: skip
        """Judge how long it all took: so long, or at most so long. A story minute is 60 seconds.

        `within` is how far off it may be, as a share: 0.05, and in real time a quarter more.
        """
        __tracebackhide__ = True
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
        self, condition: Any, sentence: str, *, hint: str = "", stronger: str = "",
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
            lambda: _judge_that(self.recording, condition, sentence, task, start, end),
            hint,
            stronger,
        )

    def also(self, other: "Check") -> Self:
        """Go on with what another check has found: if that has failed, this has too."""
        __tracebackhide__ = True
        if not isinstance(other, Check):
            fix = "await it first" if inspect.isawaitable(other) else "pass what check() gave"
            raise TypeError(f"also() takes another Check and got {other!r}: {fix}.")
        if self._failed is None:
            self._passed += [one for one in other._passed if one not in self._passed]
            self._failed, self._hint, self._of = other._failed, other._hint, other._of
        return self

    def _judge(
        self, condition: str, judge: Callable[[], Judgement], hint: str, stronger: str
    ) -> Self:
        __tracebackhide__ = True
        for name, words in (("hint", hint), ("stronger", stronger)):
            if not isinstance(words, str):
                raise TypeError(f"{name}= takes a sentence and got {words!r}: write it in quotes.")
        if self._failed is None:
            self._count += 1
            self._take(f"{self._count} {condition}", judge(), hint, stronger)
        return self

    def _take(self, key: str, found: Judgement, hint: str = "", stronger: str = "") -> None:
        """Keep what was found; of a failure choose the hint for this try."""
        if found.passed:
            self._passed.append(found)
            return
        self._failed, self._of = found, self.recording
        first = hint or found.hint
        more = stronger or (found.stronger if not hint or found.stronger else hint)
        self._hint = first if count_try(self.name, self.recording.title, key) == 1 else more

    # What is seen of it

    def __str__(self) -> str:
        lines = [f"Yes: {one.clause}." for one in self._passed]
        if self._failed is not None:
            lines.append(f"Not yet: {self._failed.clause}.")
            lines += [f"A hint: {self._hint}"] if self._hint else []
        elif lines or self._ran:
            lines.append("All right.")
        else:
            lines.append(
                "Nothing has been asked yet: write a condition, as in "
                "check(recording).took(minutes=40)."
            )
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Where in the recording that can be seen which has failed."""
        return self._failed.marks if self._failed is not None else ()

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return show_mimebundle(str(self), self._of, self._failed)

    def __await__(self) -> Generator[Any, Any, Self]:
        """Give itself: `await check(...)` is right whatever stands for the answer."""
        return self
        yield


@overload
def check(
    answer: Recording, *, virtual: bool = ..., deadline: float = ..., name: str = ...
) -> Check: ...
@overload
def check(
    answer: Callable[[], Any] | abc.Awaitable[Any],
    *,
    virtual: bool = ...,
    deadline: float = ...,
    name: str = ...,
) -> Coroutine[Any, Any, Check]: ...
def check(
    answer: Any, *, virtual: bool = False, deadline: float = _DEADLINE, name: str = ""
) -> Any:
    """Look at what code did, not at how it is written: `check(recording).took(minutes=40)`.

    A Recording, in minutes of the story or in seconds, is judged at once. A coroutine function
    without arguments, a coroutine, or a function that gives something to await is run first, on
    the running loop and recorded: `verdict = await check(main)`. With `virtual=True` it runs in
    `virtual_time()`. After `deadline` real seconds it is stopped, whatever it does, and what it
    has left running is stopped too. What it raises is a failed check, never an exception here.

    Returns a Check, or what gives one when it is awaited. It knows the conditions: `took`,
    `overlapped`, `never_blocked`, `at_most`, `at_least`, `cancelled`, `returned`, `raised`,
    `order`, `nothing_left_running`, `result`, `that` and `also`. Raises TypeError or ValueError
    only if it is asked for something that makes no sense.

    >>> import asyncio
    >>> async def main():
    ...     await asyncio.gather(asyncio.sleep(2), asyncio.sleep(3))
    ...     return "done"
    >>> verdict = asyncio.run(check(main, virtual=True))
    >>> verdict.took(seconds=3).result("done")
    Yes: it took 3 s.
    Yes: the result is 'done'.
    All right.
    >>> verdict.passed
    True
    """
    __tracebackhide__ = True
    misuse.check_answer_kind(answer)
    misuse.check_amount("check", "deadline", deadline, zero=False)
    if not isinstance(name, str):
        raise TypeError(f"check(name=...) takes a name in quotes and got {name!r}.")
    if isinstance(answer, Recording):
        return Check(Run(answer), name or answer.title, ran=False)
    title = name or misuse.name_of(answer)
    if answer is None or answer is ...:
        verdict = Check(Run(Recording(title, [], unit="seconds", head="loop")), name, ran=True)
        verdict._take("nothing", accidents.judge_nothing(answer))
        return verdict
    call = f"check({misuse.name_of(answer)})" if callable(answer) else "check(...)"
    return Awaitable(
        _check(answer, virtual=virtual, deadline=deadline, name=title), call, "verdict"
    )


async def _check(answer: Any, *, virtual: bool, deadline: float, name: str) -> Check:
    run = await run_answer(answer, virtual=bool(virtual), deadline=float(deadline), title=name)
    verdict = Check(run, name, ran=True)
    tape = run.recording.tape
    if run.stopped:
        verdict._take("stopped", accidents.judge_stop(deadline, run, tape))
    elif run.missing:
        verdict._take("missing", accidents.judge_no_coroutine(run.value, name))
    elif run.error is not None:
        found = accidents.judge_error(run.error, tape)
        verdict._take(f"raised {type(run.error).__name__}", found)
    return verdict


def _judge_that(
    recording: Recording, condition: Any, sentence: str, task: str | None,
    start: float | None, end: float | None,
) -> Judgement:  # fmt: skip
    clause = sentence.strip().rstrip(".")
    why = ""
    if callable(condition):
        try:
            condition = condition()
        except Exception as error:
            condition, why = False, f" ({type(error).__name__})"
    if condition:
        return yes(clause)
    marks = together.find_mark(recording, task, start, end)
    return no(f"it isn't so that {clause}{why}", "", "", *marks)
