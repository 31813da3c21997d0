"""Amounts as people read them: microseconds, kilobytes, ratios."""

from asyncteach.formatting import format_duration

_PER_SECOND = {"µs": 1e6, "ms": 1e3}


def say_amount(amount: float, unit: str) -> str:
    """Return an amount in the unit that suits it, to three digits.

    >>> say_amount(0.0412, "µs"), say_amount(83_000, "µs"), say_amount(8400, "kB")
    ('41.2 ns', '83 ms', '8.4 MB')
    >>> say_amount(1.0312, "times")
    '1.03 times'
    """
    if unit == "µs" and 0 < amount < 0.9995:
        return f"{amount * 1000:.3g} ns"
    if unit in _PER_SECOND:
        return format_duration(amount / _PER_SECOND[unit])
    if unit == "kB":
        return say_bytes(amount * 1000)
    return f"{say_digits(amount)} {unit}"


def say_digits(amount: float) -> str:
    """Return a number to three digits, never in powers of ten.

    >>> say_digits(1.0312), say_digits(12_345.6)
    ('1.03', '12,346')
    """
    return f"{amount:.3g}" if abs(amount) < 999.5 else f"{amount:,.0f}"


def say_bytes(amount: float) -> str:
    """Return so many bytes in few characters; a kB is 1,000 of them.

    >>> say_bytes(1434), say_bytes(16_000_000_000)
    ('1.43 kB', '16 GB')
    """
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if amount >= 0.9995 * size:
            return f"{say_digits(amount / size)} {unit}"
    return f"{amount:.0f} B"


def times(ratio: float) -> str:
    """Return a ratio in few digits, since no more of them would be the same next time.

    >>> times(2.179), times(11.4), times(12_345)
    ('2.2', '11', '12,000')
    """
    if ratio < 10:
        return f"{ratio:.1f}"
    return f"{float(f'{ratio:.2g}'):,.0f}"
