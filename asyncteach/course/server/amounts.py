"""The keywords of a server, each checked: one sentence says what it takes."""

import math
from collections.abc import Mapping
from typing import Any

MOST_SECONDS = 60
MOST_PAGES = 20_000
MOST_BYTES = 2**20
"""The longest page."""


def is_number(value: object) -> bool:
    """Tell if it's an int or a float and no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def read_seconds(name: str, value: Any, least: float = 0, most: float = MOST_SECONDS) -> float:
    """Return a length of time in seconds."""
    __tracebackhide__ = True
    takes = f"{name}= takes seconds from {least} to {most}, for example {name}=0.2"
    if not is_number(value):
        raise TypeError(f"{takes}, and got {value!r}.")
    if not least <= value <= most:
        raise ValueError(f"{takes}, and got {value!r}.")
    return float(value)


def read_count(name: str, value: Any, most: int) -> int:
    """Return a whole number from 1 on."""
    __tracebackhide__ = True
    takes = f"{name}= takes a whole number from 1 to {most}"
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{takes}, and got {value!r}.")
    if not 1 <= value <= most:
        raise ValueError(f"{takes}, and got {value!r}.")
    return value


def read_seed(value: Any) -> int:
    """Return where random numbers begin."""
    __tracebackhide__ = True
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"seed= takes a whole number, for example seed=1, and got {value!r}.")
    return value


def read_rate(value: Any) -> tuple[int, float] | None:
    """Return how many requests are answered in how many seconds, or None: all of them."""
    __tracebackhide__ = True
    if value is None:
        return None
    takes = (
        "rate= takes how many requests it answers in how many seconds, for example rate=(10, 1.0)"
    )
    pair = (value, 1.0) if is_number(value) else value
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise TypeError(f"{takes}, and got {value!r}.")
    number, seconds = pair
    if not is_number(number) or not is_number(seconds):
        raise TypeError(f"{takes}, and got {value!r}.")
    if number != number or number != math.floor(min(number, 1e9)) or number < 1:
        raise ValueError(f"{takes}, at least one and a whole number of them, and got {value!r}.")
    if not 0.01 <= seconds <= MOST_SECONDS:
        raise ValueError(f"{takes}, 0.01 to {MOST_SECONDS} seconds, and got {value!r}.")
    return int(number), float(seconds)


def read_drip(value: Any) -> float | dict[str, float]:
    """Return in how many seconds bodies come, all of them or by path."""
    __tracebackhide__ = True
    if value is None:
        return 0.0
    if isinstance(value, Mapping):
        return {read_path("drip", path): read_seconds("drip", s) for path, s in value.items()}
    return read_seconds("drip", value)


def read_path(name: str, path: Any) -> str:
    """Return the path of a page."""
    __tracebackhide__ = True
    if not isinstance(path, str):
        raise TypeError(f'{name}= takes paths such as "/news", and got {path!r}.')
    if not path.startswith("/"):
        raise ValueError(f'a path begins with a slash, so {name}= takes "/{path}", not {path!r}.')
    return path


def read_pages(pages: Any) -> dict[str, bytes] | None:
    """Return the pages as they are sent, or None: any path is one."""
    __tracebackhide__ = True
    if pages is None:
        return None
    if not isinstance(pages, Mapping):
        raise TypeError(
            'pages= takes a dictionary of paths and texts, for example {"/": "<p>Hello</p>"}, or '
            f"make_site(200), and got {pages!r:.60}."
        )
    if len(pages) > MOST_PAGES:
        raise ValueError(f"pages= takes {MOST_PAGES} pages at most, and got {len(pages)}.")
    known = {}
    for path, text in pages.items():
        read_path("pages", path)
        if not isinstance(text, str | bytes):
            raise TypeError(f"pages= takes a text for each path, and {path!r} has {text!r:.60}.")
        known[path] = text.encode() if isinstance(text, str) else text
        if len(known[path]) > MOST_BYTES:
            raise ValueError(f"pages= takes pages up to {MOST_BYTES} bytes, {path!r} is longer.")
    return known
