"""How often a condition has failed in this process: from the second time on hints say more."""

from collections import Counter
from contextvars import ContextVar

exercise_name: ContextVar[str] = ContextVar("asyncteach_exercise", default="")
"""Which exercise is being judged: its checks count their tries under its name."""

_failed: Counter[tuple[str, ...]] = Counter()


def count_try(*key: str) -> int:
    """Count one more failing try and return how many there have been with it."""
    key = (exercise_name.get(), *key)
    _failed[key] += 1
    return _failed[key]


def forget_tries() -> None:
    """Begin anew, as a fresh process would."""
    _failed.clear()
