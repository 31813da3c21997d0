"""Checks of what code did: on a recording, or on an answer that is run first."""

import asyncio
import html
import inspect
from collections import abc
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Self, overload

from asyncteach.arguments import Awaitable, check_number, check_recording, check_text, show
from asyncteach.checks import failures
from asyncteach.checks.conditions import Conditions
from asyncteach.checks.results import Judgement, Mark, count_try
from asyncteach.checks.runner import Run, run_answer
from asyncteach.formatting import clip
from asyncteach.recording import Recording

__all__ = ["Check", "check"]

_DEADLINE = 10.0


class Check(Conditions):
    """The result of a check: true if all conditions hold, with a sentence for each.

    `check()` makes it. Each condition is judged at once and returns the same Check, so you can
    chain them. The first condition that fails is shown with a hint, and later ones are skipped.
    If it fails again, the hint says more. `hint=` and `stronger=` replace the general hints with
    your own.

    In a notebook a Check shows its sentences, and if it has failed, the timeline with the place
    marked. `passed` is True or False, and `recording` is the recording that was judged. If code
    was run, `value` is what it returned, `error` is what it raised, and `stopped` is True if it
    had to be stopped.

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

    def also(self, other: "Check") -> Self:
        """Add the conditions of another check: if that one failed, this one fails too."""
        __tracebackhide__ = True
        if not isinstance(other, Check):
            fix = "await it first" if inspect.isawaitable(other) else "pass what check() gave"
            raise TypeError(f"also() takes another Check and got {show(other)}: {fix}.")
        if self._failed is None:
            self._passed += [one for one in other._passed if one not in self._passed]
            self._failed, self._hint, self._of = other._failed, other._hint, other._of
        return self

    def _judge(
        self, condition: str, judge: Callable[[], Judgement], hint: str, stronger: str
    ) -> Self:
        __tracebackhide__ = True
        for name, words in (("hint", hint), ("stronger", stronger)):
            check_text(words, f"{condition}({name}=...)", fix="write it in quotes", empty=True)
        if self._failed is None:
            self._count += 1
            # Several checks of one name may have this condition here: their hints differ.
            self._take(f"{self._count} {condition} {stronger}", judge(), hint, stronger)
        return self

    def _take(self, key: str, found: Judgement, hint: str = "", stronger: str = "") -> None:
        """Keep a judgement; if it failed, choose the hint for this try."""
        if found.passed:
            self._passed.append(found)
            return
        self._failed, self._of = found, self.recording
        first = hint or found.hint
        more = stronger or (found.stronger if not hint or found.stronger else hint)
        self._hint = first if count_try(self.name, self.recording.title, key) == 1 else more

    def add_hint(self, hint: str) -> None:
        """Show one more hint, if a condition has failed."""
        self._hint = f"{self._hint}\n{hint}"

    # How it is shown

    def __str__(self) -> str:
        lines = [f"Yes: {one.clause}." for one in self._passed]
        if self._failed is not None:
            lines.append(f"Not yet: {self._failed.clause}.")
            lines += [f"A hint: {self._hint}"] if self._hint else []
        elif lines or self._ran:
            lines.append("All right.")
        else:
            lines.append(
                "Nothing has been checked yet: add a condition, as in "
                "check(recording).took(minutes=40)."
            )
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The places in the recording that show what has failed."""
        return self._failed.marks if self._failed is not None else ()

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the sentences, and after a failure the timeline with the place marked."""
        text = str(self)
        # An answer that hung at once in virtual time has no timeline to draw.
        if not self.marks or not self._of.trace.duration > 0:
            return {"text/plain": text}, {}
        from asyncteach.checks.picture import draw_marked

        png, about = draw_marked(self._of, self.marks)._repr_png_()
        # A notebook shows only the richest format, so the HTML holds text and picture.
        page = (
            f'<div style="white-space: pre-wrap">{html.escape(text)}</div>'
            f'<img alt="{html.escape(about["alt"])}" width="{about["width"]}" '
            f'src="data:image/png;base64,{png}">'
        )
        return {"text/plain": text, "text/html": page, "image/png": png}, {"image/png": about}

    def __await__(self) -> Generator[Any, Any, Self]:
        """Return the Check itself, so that `await check(...)` works for every kind of answer."""
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
    """Check what code did, not how it is written: `check(recording).took(minutes=40)`.

    A Recording is judged at once. A coroutine, a coroutine function without arguments, or a
    function that returns an awaitable is first run and recorded on the running loop:
    `verdict = await check(main)`. With `virtual=True` it runs in `virtual_time()`. After
    `deadline` real seconds it is stopped, together with the tasks that it started. If it raises
    an exception, the check fails; `check()` itself raises nothing then.

    Returns a Check, or an awaitable that gives one. A Check has the conditions `took`,
    `overlapped`, `never_blocked`, `at_most`, `at_least`, `cancelled`, `returned`, `raised`,
    `order`, `nothing_left_running`, `result`, `that` and `also`. TypeError and ValueError are
    raised only for wrong arguments.

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
        return Check(Run(answer), name or answer.title, ran=False)
    title = name or _name_of(answer)
    if answer is None or answer is ...:
        verdict = Check(Run(Recording(title, [], unit="seconds", head="loop")), name, ran=True)
        verdict._take("nothing", failures.judge_nothing(answer))
        return verdict
    _check_answer(answer)
    call = f"check({_name_of(answer)})" if callable(answer) else "check(...)"
    return Awaitable(
        _check(answer, virtual=virtual, deadline=deadline, name=title), call, "verdict"
    )


async def _check(answer: Any, *, virtual: bool, deadline: float, name: str) -> Check:
    run = await run_answer(answer, virtual=bool(virtual), deadline=float(deadline), title=name)
    verdict = Check(run, name, ran=True)
    trace = run.recording.trace
    if run.stopped:
        found = failures.judge_stop(deadline, run, trace)
        verdict._take(f"stopped {found.hint}", found)
    elif run.missing:
        verdict._take("missing", failures.judge_no_coroutine(run.value, name))
    elif run.error is not None:
        found = failures.judge_error(run.error, trace)
        # Tries are counted for each kind of mistake: the stronger hint comes after the first one.
        verdict._take(f"raised {found.hint}", found)
    return verdict


def _check_answer(answer: Any) -> None:
    """Raise TypeError for an answer that can be neither judged nor run."""
    __tracebackhide__ = True
    if isinstance(answer, asyncio.Future):
        raise TypeError(
            f"check() runs an answer itself and got {show(answer)}, which is running already: "
            "give it the coroutine function, as in `await check(main)`."
        )
    if inspect.isawaitable(answer):
        return
    if not callable(answer):
        fix = (
            "pass a recording from `record()` or a runner, or a coroutine function, as in "
            "`await check(main)`"
        )
        check_recording(answer, "check", "judges", fix)
    try:
        signature = inspect.signature(answer)
    except (TypeError, ValueError):
        return  # a built-in without a signature
    try:
        signature.bind()
    except TypeError:
        name = _name_of(answer)
        needed = [
            one.name
            for one in signature.parameters.values()
            if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        ]
        raise TypeError(
            f"check() calls {name}() without arguments and it needs {' and '.join(needed)}: "
            f"pass them in a lambda, as in `await check(lambda: {name}(...))`."
        ) from None


def _name_of(answer: Any) -> str:
    """Return the name of an answer's function or coroutine."""
    name = getattr(answer, "__name__", "") or type(answer).__name__
    return "your code" if name == "<lambda>" else clip(name, 40)
