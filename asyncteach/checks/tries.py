"""How often a condition has failed in this process: from the second time on hints say more."""

from collections import Counter

_failed: Counter[tuple[str, ...]] = Counter()


def count_try(*key: str) -> int:
    """Count one more failing try and return how many there have been with it."""
    _failed[key] += 1
    return _failed[key]


def forget_tries() -> None:
    """Begin anew, as a fresh process would."""
    _failed.clear()
