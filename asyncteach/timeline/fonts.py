"""Fonts for names in any script: what the machine has, and a box for what it has not."""

import functools
from collections.abc import Iterable

import matplotlib as mpl
from matplotlib import font_manager

_BOX = "\N{WHITE SQUARE}"

# Families that cover what DejaVu Sans, Matplotlib's own font, does not: on Linux, macOS, Windows.
_WIDE_FAMILIES = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans CJK KR",
    "Source Han Sans",
    "WenQuanYi Zen Hei",
    "IPAexGothic",
    "Hiragino Sans",
    "PingFang SC",
    "Apple SD Gothic Neo",
    "Arial Unicode MS",
    "Yu Gothic",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Nirmala UI",
    "Segoe UI Symbol",
)


def families(texts: Iterable[str]) -> list[str]:
    """Return the font families that draw the texts together, the usual ones first."""
    characters = {ord(c) for text in texts for c in text if ord(c) > 127}
    usual = list(mpl.rcParams["font.family"])
    missing = characters - _covered("DejaVu Sans") if characters else set()
    more = []
    for family in _installed() if missing else ():
        if missing & _covered(family):
            more.append(family)
            missing -= _covered(family)
    return [*usual, "DejaVu Sans", *more] if characters else usual


def drawable(text: str) -> str:
    """Return the text with a box for every character that no font here can draw."""
    if text.isascii():
        return text
    known = _covered("DejaVu Sans").union(*map(_covered, _installed()))
    return "".join(c if ord(c) in known or c.isascii() else _BOX for c in text)


@functools.cache
def _installed() -> tuple[str, ...]:
    names = {font.name for font in font_manager.fontManager.ttflist}
    return tuple(family for family in _WIDE_FAMILIES if family in names)


@functools.cache
def _covered(family: str) -> frozenset[int]:
    font = font_manager.get_font(font_manager.findfont(family))
    return frozenset(font.get_charmap())
