"""What code must have done: checks of behaviour, on a recording or on an answer that is run."""

import asyncio
import html
import inspect
from collections import abc
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Self, overload

from asyncteach.arguments import check_number, check_recording, check_text, show
from asyncteach.checks import failures
from asyncteach.checks.conditions import Conditions
from asyncteach.checks.results import Judgement, Mark, count_try
from asyncteach.checks.runner import Run, run_answer
from asyncteach.formatting import clip
from asyncteach.recording import Recording
from asyncteach.runners.awaitable import Awaitable

__all__ = ["Check", "check"]

_DEADLINE = 10.0


class Check(Conditions):
    """What a check has found: true if all its conditions hold, and it says so in sentences.

    `check()` makes it. Each condition is judged at once and gives back the same Check, so that
    one can follow the other; the first that fails is named, with a hint, and later ones are not
    looked at. From the second failing try on the hint says more. `hint=` and
    `stronger=` put your own words in place of the general ones.

    In a notebook it shows itself: its sentences, and if it has failed the timeline with the place
    marked. `passed` is True or False; `recording` is what was judged; of code that was run
    `value` is what it returned, `error` what it raised, and
    `stopped` tells if it had to be stopped.

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
        """Go on with what another check has found: if that has failed, this has too."""
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
            # Checks of one name may ask for different things at the same place: so the words count.
            self._take(f"{self._count} {condition} {stronger}", judge(), hint, stronger)
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
        """Return the sentences, and for what has failed in a recording its marked timeline."""
        text = str(self)
        # Of what hung in virtual time right away there is nothing to see.
        if not self.marks or not self._of.trace.duration > 0:
            return {"text/plain": text}, {}
        from asyncteach.checks.picture import draw_marked

        png, about = draw_marked(self._of, self.marks)._repr_png_()
        # A page shows the richest of them, so HTML holds both.
        page = (
            f'<div style="white-space: pre-wrap">{html.escape(text)}</div>'
            f'<img alt="{html.escape(about["alt"])}" width="{about["width"]}" '
            f'src="data:image/png;base64,{png}">'
        )
        return {"text/plain": text, "text/html": page, "image/png": png}, {"image/png": about}

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
        # Each kind of mistake has its own tries: a stronger hint makes no sense without the first.
        verdict._take(f"raised {found.hint}", found)
    return verdict


def _check_answer(answer: Any) -> None:
    """Raise TypeError for what can be neither judged nor run."""
    __tracebackhide__ = True
    if isinstance(answer, asyncio.Future):
        raise TypeError(
            f"check() runs an answer itself and got {show(answer)}, which is under way already: "
            "give it the coroutine function, as in `await check(main)`."
        )
    if inspect.isawaitable(answer):
        return
    if not callable(answer):
        fix = (
            "pass what `record()` or a runner has given, or a coroutine function as in "
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
            f"check() calls {name}() without arguments and it needs {' and '.join(needed)}: give "
            f"them in a function of its own, as in `await check(lambda: {name}(...))`."
        ) from None


def _name_of(answer: Any) -> str:
    """Return what to call an answer: by its function, or by its coroutine's."""
    name = getattr(answer, "__name__", "") or type(answer).__name__
    return "your code" if name == "<lambda>" else clip(name, 40)
