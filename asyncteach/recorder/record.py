"""record(): watch any asyncio code run, and get a Recording of it."""

import asyncio
import contextlib
import math
from contextvars import Token
from types import TracebackType
from typing import Any

from asyncteach.recorder import stage as stages
from asyncteach.recorder.axis import Axis
from asyncteach.recorder.build_trace import develop
from asyncteach.recorder.scope import RawEvent, Session, current_session, open_session
from asyncteach.recorder.tap import check_loop
from asyncteach.recorder.witness import say_error
from asyncteach.recording import Recording
from asyncteach.virtual_clock.clock import running_clock

MAX_SLICES = 2_000_000
"""Steps that a recording keeps, unless told otherwise: 64 MB."""


class record:
    """See what every task does: `with record() as recording:` around any asyncio code.

    It works in a script, around `asyncio.run(main())` or inside a coroutine, and in a notebook's
    cell with top-level `await`; `async with record()` does the same. It sees the task that opens
    it and all tasks spawned from it, by libraries too, and the work that they hand to threads and
    processes; not the notebook's own tasks, nor those of other cells.

    The Recording is in seconds since the block began: `print(recording.explain())` says what
    happened, `recording.plot()` draws it, `tasks()`, `to_frame()` and `blocked()` give the
    numbers. A task is *running* while it has the loop, *ready* when it could go on but the loop
    was busy (a timer's task from when it was due, even if the loop was blocked then, or another
    thread had the GIL; for a socket that answered during a block that can't be known, it counts
    from the end of the block), and *waiting* else. A job of a process pool is ready until one of
    the pool's workers is free. Inside or around `virtual_time()` the times are virtual.

    `threshold`: a step that holds the loop for longer than so many seconds is reported with the
    line that held it. `max_slices`: how many steps (32 bytes each) and how many tasks are kept;
    those beyond are counted, in `recording.dropped`. `title`: what the pictures are called.

    Recordings may be nested: the outer one sees what the inner one sees. Two at the same time in
    different tasks each see their own. If the recorder itself fails, it warns once, stops, and
    your code goes on. Raises TypeError or ValueError for amounts that make no sense, RuntimeError
    on a loop that can't be watched, such as uvloop's.

    >>> import asyncio
    >>> async def main():
    ...     await asyncio.gather(asyncio.sleep(0.02), asyncio.sleep(0.01))
    >>> with record() as recording:
    ...     asyncio.run(main())
    >>> list(recording.tasks()["outcome"])
    ['returned', 'returned', 'returned']
    """

    def __init__(
        self,
        *others: object,
        threshold: float = 0.05,
        max_slices: int = MAX_SLICES,
        title: str = "Recording",
    ) -> None:
        if others:
            raise TypeError(
                f"record() takes its options by name: write record(title={others[0]!r})."
                if isinstance(others[0], str)
                else "record() takes only options by name, as in record(threshold=0.1): write "
                "`with record() as recording:` around your code."
            )
        self._threshold = _check(threshold, "threshold", 0.05)
        self._most = int(_check(max_slices, "max_slices", MAX_SLICES))
        self._title = str(title)
        self._session: Session | None = None
        self._known: list[Session] = []
        self._token: Token[Session | None] | None = None

    def __enter__(self) -> Recording:
        if self._session is not None:
            raise RuntimeError("this block is open already: write `with record():` anew.")
        loop = asyncio._get_running_loop()
        problem = None if loop is None else check_loop(loop)
        if problem:
            raise RuntimeError(problem)
        outer = open_session()
        axis = stages.stage.axis_of(loop, outer) or Axis(running_clock())
        session = self._session = Session(outer, axis, self._threshold, self._most)
        self._known = known = [session]
        try:
            self._token = current_session.set(session)
            stages.stage.open(session)
            return Recording.from_source(self._title, lambda: (develop(known[0]), known[0].closed))
        except BaseException:  # an interrupt may come at any line
            self.__exit__(None, None, None)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        interrupt: KeyboardInterrupt | None = None
        while self._session is not None:
            try:
                self._close(self._session, error, traceback)
            except KeyboardInterrupt as one:  # first everything is put back
                interrupt = one
        if interrupt is not None:
            raise interrupt

    def _close(
        self, session: Session, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the recording; after an interrupt once more, from the beginning."""
        if error is not None and not session.closed:
            line = _last_line(traceback)
            session.note(RawEvent("raised", None, session.axis.now(), line, say_error(error)))
        stages.stage.close(session)
        if self._known[0] is session:
            self._known[0] = session.detach()
        if self._token is not None:
            # Left in another context, or under another recording that was opened after it and goes
            # on, it stays there: a closed session is none.
            with contextlib.suppress(ValueError, RuntimeError):
                if current_session.get() is session:
                    current_session.reset(self._token)
            self._token = None
        self._session = None

    def __del__(self) -> None:
        # Of a block that was never left: a generator that nobody has run to its end.
        if getattr(self, "_session", None) is not None:
            self.__exit__(None, None, None)

    async def __aenter__(self) -> Recording:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)


def _last_line(traceback: TracebackType | None) -> Any:
    """Return the innermost of the user's lines in a traceback."""
    from asyncteach.places import is_users

    found = None
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if is_users(code.co_filename):
            found = (code, traceback.tb_lineno)
        traceback = traceback.tb_next
    return found


def _check(amount: Any, name: str, usual: float) -> float:
    __tracebackhide__ = True
    if isinstance(amount, bool) or not isinstance(amount, (int, float)):
        raise TypeError(
            f"record({name}=...) takes a number and got {type(amount).__name__}: "
            f"leave it out for {usual:,}."
        )
    if not math.isfinite(amount) or amount <= 0:
        raise ValueError(
            f"record({name}={amount}) makes no sense, it must be more than 0: "
            f"leave it out for {usual:,}."
        )
    return amount
