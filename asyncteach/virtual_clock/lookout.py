"""Which threads keep a virtual clock from jumping although they do nothing."""

import sys
import threading
import time
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from types import FrameType

PATIENCE = 10.0
"""Real seconds that a thread may stay in one place, using no CPU, before it is let go."""

SHORT_PATIENCE = 0.02
"""Real seconds for a thread that, by the place it is in, waits for another one."""

real_monotonic = time.monotonic
"""The clock of the machine, under whatever `time.monotonic` is replaced by."""

# In these files a thread of a pool waits in C code for its next job.
_POOL_FILES = ("concurrent/futures/thread.py", "multiprocessing/pool.py")


@dataclass(eq=False, slots=True)
class Look:
    """Where a busy thread was last seen, since when it has not moved, and if it is let go."""

    place: tuple[int, int] = (0, 0)
    since: float = 0.0
    cpu: float = 0.0
    let_go: bool = False


def find_waiting(
    busy: dict[int, Look], resting: Collection[int], quiet_since: float
) -> frozenset[int]:
    """Return those of the busy threads that wait for others, or seem stuck for good.

    `quiet_since` is the real time of the last thing that happened on the clock. Threads that are
    gone are taken out of `busy`.
    """
    frames = sys._current_frames()
    waiting = set()
    for ident, look in list(busy.items()):
        frame = frames.get(ident)
        if frame is None:  # it ended and could not say so
            del busy[ident]
            continue
        waits = look.let_go or _waits(frame, busy.keys() | set(resting), quiet_since)
        if waits or _is_stuck(ident, frame, look, quiet_since):
            waiting.add(ident)
    return frozenset(waiting)


def _waits(frame: FrameType, on_the_clock: Collection[int], quiet_since: float) -> bool:
    """Tell if the thread waits for a lock of `threading` that nobody has released yet."""
    code, names = frame.f_code, frame.f_locals
    if not code.co_filename.endswith("threading.py"):
        return False
    if code.co_name == "wait" and "waiter" in names:  # Condition: Event, Queue, Future and others
        # Threads that are not on the clock, such as a kernel's, get a while to answer.
        quiet = real_monotonic() - quiet_since
        return bool(names["waiter"].locked()) and quiet >= SHORT_PATIENCE
    if code.co_name == "_wait_for_tstate_lock":  # Thread.join() up to Python 3.12
        lock = names.get("lock")  # not there yet in the frame's first moment
        alive = lock is not None and lock.locked()
    elif code.co_name == "join":
        alive = names["self"].is_alive()
    else:
        return False
    # What a thread does that is not on the clock is real work, and so is waiting for it.
    return bool(alive) and names["self"].ident in on_the_clock


def _is_stuck(ident: int, frame: FrameType, look: Look, quiet_since: float) -> bool:
    now, cpu = real_monotonic(), _cpu_time(ident)
    place = (id(frame), frame.f_lasti)
    if place != look.place or cpu - look.cpu > 0.001:
        look.place, look.since, look.cpu = place, now, cpu
        return False
    still = now - max(look.since, quiet_since)
    if frame.f_code.co_filename.replace("\\", "/").endswith(_POOL_FILES):
        return still >= SHORT_PATIENCE
    if still < PATIENCE:
        return False
    look.let_go = True
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    warnings.warn(
        f"virtual time goes on without the thread {names.get(ident, ident)!r}: it has been at "
        f"line {frame.f_lineno} of {frame.f_code.co_name}() for {PATIENCE:g} real seconds.",
        RuntimeWarning,
        stacklevel=2,
    )
    return True


def _cpu_time(ident: int) -> float:
    """Return the CPU seconds of a living thread, 0 where the system doesn't tell."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return 0.0
    try:
        return time.clock_gettime(time.pthread_getcpuclockid(ident))
    except OSError:
        return 0.0
