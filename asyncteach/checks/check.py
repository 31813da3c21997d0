"""Checks of what code did: on a recording, or on an answer that is run first."""

import asyncio
import html
import inspect
from collections import abc
from collections.abc import Callable, Coroutine
from typing import Any, Self, overload

from asyncteach.arguments import (
    Awaitable,
    check_number,
    check_recording,
    check_text,
    check_whole,
    show,
)
from asyncteach.checks import conditions
from asyncteach.checks.failures import judge_failure
from asyncteach.checks.results import Judgement, judge_result
from asyncteach.checks.runner import run_answer
from asyncteach.checks.timeout import Ending
from asyncteach.formatting import clip
from asyncteach.recording import Recording

__all__ = ["Check", "check"]


class Check:
    """The result of a check: true if all conditions hold, with a sentence for each.

    `check()` makes it. Each condition is judged at once and returns the same Check, so you can
    chain them. The first condition that fails is shown with a hint, and later ones are skipped.
    `hint=` replaces the general hint with your own.

    In a notebook a Check shows its sentences, and if it has failed, the timeline with the place
    marked. `passed` is True or False, and `recording` is the recording that was judged. If code
    was run, `value` is what it returned, `error` is what it raised, and `stopped` is True if it
    had to be stopped.

    >>> from asyncteach import CHORES, check, run_in_turn
    >>> print(check(run_in_turn(CHORES, clock="virtual")).took(minutes=100))
    Yes: it took 100.0 minutes.
    All right.
    """

    def __init__(self, recording: Recording, name: str, ending: Ending | None = None) -> None:
        self.recording = recording
        self.name = name
        self._ran = ending is not None
        ending = ending or Ending()
        self.value, self.error, self.stopped = ending.value, ending.error, ending.stopped
        self._passed: list[Judgement] = []
        self._failed: Judgement | None = None
        self._hint = ""
        self._of = recording  # where the marks of the failed condition are

    @property
    def passed(self) -> bool:
        """True as long as no condition has failed."""
        return self._failed is None

    def __bool__(self) -> bool:
        return self.passed

    # Conditions

    def took(
        self, *unknown: Any, minutes: float | None = None, seconds: float | None = None,
        at_most_minutes: float | None = None, at_most_seconds: float | None = None,
        within: float | None = None, hint: str = "",
    ) -> Self:  # fmt: skip
        """Judge how long it all took: exactly, or at most. A story minute is 60 seconds.

        `within` is how far off it may be, as a share: by default 0.05; a real clock may be up to
        a quarter late.
        """
        __tracebackhide__ = True
        lengths = {
            "minutes": minutes, "seconds": seconds,
            "at_most_minutes": at_most_minutes, "at_most_seconds": at_most_seconds,
        }  # fmt: skip
        given = [(name, amount) for name, amount in lengths.items() if amount is not None]
        if unknown or len(given) != 1:
            raise TypeError(
                f"took() needs one length of time with its unit but got {len(given)}: write "
                "took(minutes=40), took(seconds=6), or took(at_most_seconds=6)."
            )
        name, amount = given[0]
        check_number(amount, f"took({name}=...)", fix=f"write {name}=40, for example")
        if within is not None:
            check_number(within, "took(within=...)", fix="write within=0.1, for example")
        found = conditions.judge_length(self.recording, name, amount, within)
        return self._add(found, hint)

    def overlapped(self, *names: str, hint: str = "") -> Self:
        """Judge whether all these tasks were under way at the same moment.

        Without names it judges all tasks that started no others.
        """
        __tracebackhide__ = True
        _check_names("overlapped", names)
        return self._add(conditions.judge_overlap(self.recording.trace, names), hint)

    def never_blocked(self, seconds: float = 0.05, *, hint: str = "") -> Self:
        """Judge whether no step held the event loop for longer than `seconds`."""
        __tracebackhide__ = True
        check_number(seconds, "never_blocked()", unit="seconds", fix="write a number such as 0.1")
        trace = self.recording.trace
        # The recording of an answer that was stopped before its first step is empty.
        if trace.head != "loop" or (trace.rows and seconds < trace.threshold):
            raise ValueError(
                f"never_blocked({seconds:g}) needs a recording of an event loop, with steps as "
                f"short as that: use record(threshold={seconds:g})."
            )
        return self._add(conditions.judge_blocks(trace, seconds), hint)

    def at_most(self, count: int, name: str, *, hint: str = "") -> Self:
        """Judge whether at most `count` tasks, or calls, of that name were at work at once.

        The name is the name of tasks, or of a coroutine function that tasks call, which is more
        exact. A task that waits for a lock, semaphore, queue, condition, event or barrier isn't at
        work.
        """
        __tracebackhide__ = True
        fix = "write the number first, then the name, as in at_most(3, 'fetch')"
        check_whole(count, "at_most()", least=0, fix=fix)
        check_text(name, "at_most()", fix=fix)
        return self._add(conditions.judge_most(self.recording.trace, count, name), hint)

    def cancelled(self, name: str, *, hint: str = "") -> Self:
        """Judge whether the task, or all tasks, of that name were cancelled."""
        __tracebackhide__ = True
        return self._add_outcome("cancelled", name, None, hint)

    def returned(self, name: str, *, hint: str = "") -> Self:
        """Judge whether the task, or all tasks, of that name returned."""
        __tracebackhide__ = True
        return self._add_outcome("returned", name, None, hint)

    def raised(
        self, name: str, error: type[BaseException] | None = None, *,
        hint: str = "",
    ) -> Self:  # fmt: skip
        """Judge whether the task, or all tasks, of that name raised an exception or an `error`."""
        __tracebackhide__ = True
        if not (error is None or (isinstance(error, type) and issubclass(error, BaseException))):
            raise TypeError(
                f"raised() takes an exception class after the name but got {error!r}: write the "
                "class itself, as in raised('fetch', ValueError)."
            )
        return self._add_outcome("raised", name, error, hint)

    def _add_outcome(
        self, wanted: str, name: str, error: type[BaseException] | None, hint: str
    ) -> Self:
        __tracebackhide__ = True
        _check_names(wanted, (name,))
        found = conditions.judge_outcome(self.recording.trace, name, wanted, error)
        return self._add(found, hint)

    def order(self, *names: str, hint: str = "") -> Self:
        """Judge whether tasks finished in this order; those that end together may come in any."""
        __tracebackhide__ = True
        _check_names("order", names)
        if len(names) < 2:
            raise ValueError("order() takes two names or more: write order('a', 'b').")
        return self._add(conditions.judge_order(self.recording.trace, names), hint)

    def nothing_left_running(self, *, hint: str = "") -> Self:
        """Judge whether no task of the recording was still running at its end."""
        __tracebackhide__ = True
        return self._add(conditions.judge_rest(self.recording.trace), hint)

    def result(self, *values: Any, hint: str = "") -> Self:
        """Judge the result: `result(expected)`, or for a recording `result(actual, expected)`."""
        __tracebackhide__ = True
        values = (self.value, *values) if len(values) == 1 and self._ran else values
        if len(values) != 2:
            takes = "expected" if self._ran else "actual, expected"
            raise TypeError(f"result() got {len(values)} values: write result({takes}).")
        return self._add(judge_result(*values), hint)

    def that(
        self, condition: Any, sentence: str = "", *, hint: str = "",
        task: str | None = None, start: float | None = None, end: float | None = None,
    ) -> Self:  # fmt: skip
        """Judge anything else: `that(total == 3, "all three are counted")`.

        `task`, `start` and `end` set what to mark in the timeline.
        """
        __tracebackhide__ = True
        if callable(condition) or inspect.isawaitable(condition):
            raise TypeError(
                f"that() takes a condition but got {show(condition)}, which is always true: call "
                "or await it first, and pass the result."
            )
        fix = "write a condition and then a sentence, as in that(total == 3, 'all are counted')"
        check_text(sentence, "that()", fix=fix)
        found = conditions.judge_that(
            self.recording.trace, bool(condition), sentence, task, start, end
        )
        return self._add(found, hint)

    def also(self, other: "Check") -> Self:
        """Add the conditions of another check: if that one failed, this one fails too."""
        __tracebackhide__ = True
        if not isinstance(other, Check):
            fix = "pass the result of `await check(main)` or `check(recording)`"
            raise TypeError(f"also() takes another Check but got {show(other)}: {fix}.")
        if self._failed is None:
            self._passed += [one for one in other._passed if one not in self._passed]
            self._failed, self._hint, self._of = other._failed, other._hint, other._of
        return self

    def _add(self, found: Judgement, hint: str = "") -> Self:
        """Keep a judgement, unless an earlier one has failed."""
        __tracebackhide__ = True
        check_text(hint, "hint=...", fix="write it in quotes", empty=True)
        if self._failed is None and found.passed:
            self._passed.append(found)
        elif self._failed is None:
            self._failed, self._hint = found, hint or found.hint
        return self

    def add_hint(self, hint: str) -> None:
        """Show one more hint, if a condition has failed."""
        self._hint = f"{self._hint}\n{hint}"

    # How it is shown

    def __repr__(self) -> str:
        lines = [f"Yes: {one.clause}." for one in self._passed]
        if self._failed is not None:
            lines.append(f"Not yet: {self._failed.clause}.")
            lines += [f"A hint: {self._hint}"] if self._hint else []
        elif lines or self._ran:
            lines.append("All right.")
        else:
            lines.append("Nothing has been checked yet: add a condition, such as took(minutes=40).")
        return "\n".join(lines)

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the sentences, and after a failure the timeline with the place marked."""
        text, marks = str(self), self._failed.marks if self._failed else ()
        # An answer that hung at once in virtual time has no timeline to draw.
        if not marks or not self._of.trace.duration > 0:
            return {"text/plain": text}, {}
        from asyncteach.checks.marks import draw_marked  # Matplotlib takes a while to load

        png, about = draw_marked(self._of, marks)._repr_png_()
        # A notebook shows only the richest format, so the HTML holds text and picture.
        page = (
            f'<div style="white-space: pre-wrap">{html.escape(text)}</div>'
            f'<img alt="{html.escape(about["alt"])}" width="{about["width"]}" '
            f'src="data:image/png;base64,{png}">'
        )
        return {"text/plain": text, "text/html": page, "image/png": png}, {"image/png": about}


def _check_names(function: str, names: tuple[Any, ...]) -> None:
    __tracebackhide__ = True
    fix = f"write the names of tasks in quotes, as in {function}('a', 'b')"
    for name in names:
        check_text(name, f"{function}()", fix=fix)


@overload
def check(
    answer: Recording, *, virtual: bool = ..., deadline: float = ..., name: str = ...
) -> Check: ...
@overload
def check(
    answer: Callable[[], Any] | abc.Awaitable[Any], *, virtual: bool = ...,
    deadline: float = ..., name: str = ...,
) -> Coroutine[Any, Any, Check]: ...  # fmt: skip
def check(answer: Any, *, virtual: bool = False, deadline: float = 10.0, name: str = "") -> Any:
    """Check what code did, not how it is written: `check(recording).took(minutes=40)`.

    A Recording is judged at once. A coroutine, a coroutine function without arguments, or a
    function that returns an awaitable is first run and recorded on the running loop:
    `verdict = await check(main)`. With `virtual=True` it runs in `virtual_time()`. After
    `deadline` real seconds it is stopped, together with the tasks that it started. If it raises
    an exception, the check fails, but `check()` itself raises nothing.

    Returns a Check, or an awaitable that returns one. A Check has the conditions `took`,
    `overlapped`, `never_blocked`, `at_most`, `cancelled`, `returned`, `raised`, `order`,
    `nothing_left_running`, `result`, `that` and `also`. TypeError and ValueError are raised only
    for wrong arguments.

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
    check_number(deadline, "check(deadline=...)", above=True, fix="leave it out for 10 seconds")
    check_text(name, "check(name=...)", fix="write it in quotes", empty=True)
    if isinstance(answer, Recording):
        return Check(answer, name or answer.title)
    own = getattr(answer, "__name__", "") or type(answer).__name__
    own = "your code" if own == "<lambda>" else clip(own, 40)
    _check_answer(answer, own)
    call = f"check({own})" if callable(answer) else "check(...)"
    return Awaitable(_run_and_check(answer, virtual, deadline, name or own), call, "verdict")


async def _run_and_check(answer: Any, virtual: bool, deadline: float, name: str) -> Check:
    recording, ending = await run_answer(answer, virtual=virtual, deadline=deadline, title=name)
    verdict = Check(recording, name, ending)
    if found := judge_failure(ending, name, deadline, recording.trace):
        verdict._add(found)
    return verdict


def _check_answer(answer: Any, name: str) -> None:
    """Raise TypeError for an answer that can be neither judged nor run."""
    __tracebackhide__ = True
    if isinstance(answer, asyncio.Future):
        raise TypeError(
            f"check() runs an answer itself but got {show(answer)}, which is already running: "
            "pass the coroutine function, as in `await check(main)`."
        )
    if inspect.isawaitable(answer):
        return
    if not callable(answer):
        fix = "pass a recording, or a coroutine function, as in `await check(main)`"
        check_recording(answer, "check", "judges", fix)
    try:
        inspect.signature(answer).bind()
    except ValueError:  # a built-in without a signature
        pass
    except TypeError as error:
        raise TypeError(
            f"check() can't call {name}() without arguments ({error}): pass them in a lambda, as "
            f"in `await check(lambda: {name}(...))`."
        ) from None
