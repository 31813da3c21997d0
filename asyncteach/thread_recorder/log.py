"""What is noted of one thread: when it left off, when it went on, and what it did between."""

from array import array
from itertools import count
from types import CodeType, ModuleType
from typing import Any

try:
    import resource
except ImportError:  # Windows has none
    resource = None  # type: ignore[assignment]

COLUMNS = 7
"""Numbers a gap: since, until, busy, rests, due, call, line."""
UNKNOWN = -1
NO_CALL = -1
ENTRY = -2
"""The call of a `with` block: up to Python 3.13 nobody tells of that call into C."""
SLEEP = 0
"""The call of `time.sleep`, which has a stand-in that tells when it is due."""

_THREAD = getattr(resource, "RUSAGE_THREAD", None)
# Modules whose functions never wait: a thread that is late out of one had to wait for the GIL.
_QUICK = {"builtins", "math", "cmath", "itertools", "operator", "_operator", "_functools"}
_SLOW = {"input", "print", "open", "exec", "eval", "__import__", "breakpoint"}


class Log:
    """One thread: who it is, and its gaps as flat numbers, times in nanoseconds."""

    def __init__(self, name: str, function: str, parent: "Log | None", spawned: int) -> None:
        self.name, self.function, self.parent, self.spawned = name, function, parent, spawned
        self.began = self.ended = UNKNOWN
        self.outcome = "still running"
        self.gaps = array("q")
        self.stamps = 0
        self.cut = UNKNOWN
        """When its first gap began that could not be kept."""
        self.due = UNKNOWN
        """When the sleep ends that it is in."""


class Shelf:
    """What the logs of all threads share: so many gaps are kept, the others counted."""

    def __init__(self, most: int) -> None:
        self.dropped = 0
        self.calls = {"time.sleep": SLEEP}
        self._numbers = count(1)
        self.lines: dict[tuple[CodeType, int], int] = {}
        self._left = iter(range(most))

    def keep(self, log: Log, gap: tuple[int, ...]) -> None:
        """Add a gap to a log, if there is room for it."""
        if next(self._left, None) is None:
            self.dropped += 1
            log.cut = gap[0] if log.cut == UNKNOWN else log.cut
        else:
            log.gaps.extend(gap)  # at once, since an interrupt may come between two

    def number_call(self, function: Any) -> int:
        """Return the number by which a gap refers to a function in C; `NO_CALL` for quick ones."""
        if not may_wait(function):
            return NO_CALL
        return self.calls.setdefault(name_call(function), next(self._numbers))

    def number_line(self, line: tuple[CodeType, int] | None) -> int:
        """Return the number by which a gap refers to a line."""
        return UNKNOWN if line is None else self.lines.setdefault(line, next(self._numbers))


def count_rests() -> int:
    """Return how often this thread has left the processor by itself; -1 where nobody knows."""
    return resource.getrusage(_THREAD).ru_nvcsw if _THREAD is not None else UNKNOWN


def may_wait(function: Any) -> bool:
    """Tell if a function in C may wait for something: `len` and `list.append` never do.

    >>> import threading, time
    >>> [may_wait(one) for one in (len, [].append, print, time.sleep, threading.Lock().acquire)]
    [False, False, True, True, True]
    """
    owner = getattr(function, "__self__", None)
    if isinstance(owner, ModuleType):
        return owner.__name__ not in _QUICK or function.__name__ in _SLOW
    return type(owner).__module__ != "builtins"


def name_call(function: Any) -> str:
    """Return what one calls a function in C: `time.sleep`, `lock.acquire`."""
    owner = getattr(function, "__self__", None)
    of = owner.__name__.lstrip("_") if isinstance(owner, ModuleType) else type(owner).__name__
    return f"{of}.{getattr(function, '__name__', 'call')}"
