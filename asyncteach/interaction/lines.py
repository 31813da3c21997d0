"""The source beside a timeline: the lines around one, which is marked by a sign and in bold."""

import linecache
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from asyncteach.formatting import printable
from asyncteach.places import Place

HERE, CALLER = "\N{BLACK RIGHT-POINTING POINTER}", "\N{WHITE RIGHT-POINTING POINTER}"
"""The signs before the line that it is at, and before the lines from which that was called."""

_MOST = 15
_COLUMNS = 90


class Line(NamedTuple):
    """A line of source: its number, its text, and the sign before it."""

    number: int
    text: str
    sign: str = " "


class Library:
    """The user's files and cells as they were when they were first looked at."""

    def __init__(self) -> None:
        self._files: dict[str, list[str]] = {}

    def around(self, places: Sequence[Place]) -> list[Line]:
        """Return the lines around the last of the places; none where they can't be read."""
        if not places:
            return []
        here = places[-1]
        text = self._read(here.path or here.file)
        if not 1 <= here.line <= len(text):
            return []
        first = max(1, min(here.line - _MOST // 2, len(text) - _MOST + 1))
        signs = {place.line: CALLER for place in places if place.file == here.file}
        signs[here.line] = HERE
        return [
            Line(number, _shorten(text[number - 1]), signs.get(number, " "))
            for number in range(first, min(first + _MOST, len(text) + 1))
        ]

    def _read(self, path: str) -> list[str]:
        if path not in self._files:
            self._files[path] = [line.rstrip("\r\n") for line in linecache.getlines(path)]
        return self._files[path]


def _shorten(text: str) -> str:
    text = "".join(c if c.isprintable() else " " for c in printable(text.expandtabs(4)))
    return text if len(text) <= _COLUMNS else text[: _COLUMNS - 1] + "…"


def write_text(lines: Sequence[Line]) -> str:
    """Return the lines as text."""
    room = len(str(lines[-1].number)) if lines else 0
    return "\n".join(f"{one.sign} {one.number:>{room}}  {one.text}".rstrip() for one in lines)


def write_html(lines: Sequence[Line]) -> str:
    """Return the lines as HTML; where it is now is said to those who don't see it, too."""
    parts = []
    for text, one in zip(write_text(lines).split("\n"), lines, strict=True):
        current = ' aria-current="true"' if one.sign == HERE else ""
        tag = "strong" if one.sign == HERE else "span"
        parts.append(f"<{tag}{current}>{escape(text)}</{tag}>")
    style = "margin:0;padding:2px 8px;overflow-x:auto;white-space:pre;line-height:1.4"
    return f'<pre style="{style}">' + "\n".join(parts) + "</pre>"
