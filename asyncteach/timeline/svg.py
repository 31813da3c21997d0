"""The timeline as SVG: sharp at any size, and the mouse over a bar tells what it is."""

import os
from collections.abc import Iterator
from html import escape
from pathlib import Path

import numpy as np

from asyncteach.domains import STORY
from asyncteach.formatting import clip, format_duration, width
from asyncteach.timeline.chrome_trace import format_block, format_wait, wait_finder
from asyncteach.timeline.lanes import View, name_of, view_of
from asyncteach.timeline.layout import Sheet, crowded, footnotes, lay_sheet, shares_of
from asyncteach.timeline.text import describe
from asyncteach.trace import STATES, WAITING, Trace

_WIDTH = 900
_INCH = 72
_TOP = 44
_RIGHT = 84
# So many bars with words keep a file below two megabytes.
_BARS = 4500
_COLUMNS = 360
_MARKS = {
    "raised": "M-4-4L4 4M-4 4L4-4",
    "cancelled": "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0M-3-3L3 3",
}
_STYLE = """\
text{font:12px system-ui,sans-serif;fill:#1c2529}.card{fill:#fff}.title{font-weight:bold}
.note{font-size:11px}.in{fill:#fff;font-size:11px}.axis{stroke:#1c2529;fill:none}
.mark{fill:none;stroke:#1c2529;stroke-width:1.4}.block{fill:none;stroke:#1c2529;stroke-width:1.6}
.running{fill:#0b6e8f}.ready{fill:url(#ready)}.waiting{fill:#cfe3ea}
@media (prefers-color-scheme:dark){.card{fill:#161b1e}text{fill:#e8edef}.in{fill:#fff}
.axis,.block,.mark{stroke:#e8edef}.running{fill:#2a93b8}}"""
_HATCH = (
    '<pattern id="ready" width="6" height="6" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><rect width="6" height="6" fill="#e8a33d"/>'
    '<rect width="1.5" height="6" fill="#fff"/></pattern>'
)


def write_svg(trace: Trace, path: str | os.PathLike[str] | None) -> str | Path:
    """Return the picture as text, or write it to a file and return its path."""
    text = draw_svg(trace)
    if path is None:
        return text
    target = Path(path)
    target.write_text(text, encoding="utf-8")
    return target


def draw_svg(trace: Trace, wide: int = _WIDTH) -> str:
    """Return the picture, so many pixels wide, as text."""
    return "\n".join(_lines(trace, scale_of(trace, wide))) + "\n"


class Scale:
    """From the recording's time and lanes to pixels."""

    def __init__(self, view: View, sheet: Sheet, wide: int = _WIDTH) -> None:
        self.width, self.right = wide, wide - _RIGHT
        self.left = 16 + 6.6 * max(width(name) for name in sheet.names)
        self.per_unit = (self.right - self.left) / ((view.end - view.start) or 1.0)
        self.start, self.sheet, self.domain = view.start, sheet, view.trace.domain
        self.words = footnotes(view, _BARS)
        self.top, self.floor = float(_TOP), self.y(sheet.bottom)
        self.height = self.floor + 66 + 16 * len(self.words)

    def x(self, time: float) -> float:
        return self.left + (time - self.start) * self.per_unit

    def y(self, units: float) -> float:
        return _TOP + (units - self.sheet.top) * self.sheet.inches * _INCH

    def amount(self, amount: float) -> str:
        return f"{amount:.4g} min" if self.domain is STORY else format_duration(amount)

    def stretch(self, start: float, end: float) -> str:
        unit = self.domain.axis_unit(end)
        digits = 4 if self.domain is STORY else 6
        edges = [f"{edge * unit.per_second:.{digits}g}" for edge in (start, end)]
        return f"{edges[0]} to {edges[1]} {unit.short} ({self.amount(end - start)})"


def scale_of(trace: Trace, wide: int = _WIDTH) -> Scale:
    """Return where everything is in a recording's picture of that width."""
    view = view_of(trace)
    sheet = lay_sheet(view, page=(wide - _RIGHT) / _INCH)
    return Scale(view, sheet, wide)


def _lines(trace: Trace, scale: Scale) -> Iterator[str]:
    sheet, view, floor = scale.sheet, scale.sheet.view, scale.floor
    words, wide, height = scale.words, scale.width, scale.height
    title = clip(trace.title, wide // 11)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{height:.0f}" '
        f'viewBox="0 0 {wide} {height:.0f}" role="img" aria-label="Timeline: {_safe(title)}">'
    )
    yield f"<desc>{_safe(describe(trace))}</desc>"
    yield f"<style>{_STYLE}</style><defs>{_HATCH}</defs>"
    yield f'<rect class="card" width="{wide}" height="{height:.0f}" rx="6"/>'
    yield _text(scale.left, 24, title, "title")
    for name, middle in zip(sheet.names, sheet.middles, strict=True):
        indent = 6.6 * (len(name) - len(name.lstrip(" ")))
        yield _text(8 + indent, scale.y(middle) + 4, name.strip())
    many = crowded(view, _BARS)
    yield from _shares(view, scale, np.flatnonzero(many))
    yield from _bars(view, scale, many)
    yield from _blocks(view, scale)
    yield from _outcomes(view, scale)
    yield from _axis(view, scale, floor)
    for number, footnote in enumerate(words):
        yield _text(scale.left, floor + 40 + 16 * number, footnote, "note")
    yield from _legend(scale.left, height - 14, bool(sheet.outlines()))
    yield "</svg>"


def _bars(view: View, scale: Scale, many: np.ndarray) -> Iterator[str]:
    find, rows = wait_finder(view.trace), view.trace.rows
    exact = view.slices[~many[view.lane]]
    held = {(block.task, block.start): block for block in view.trace.blocks}
    order = np.argsort(-exact.state, kind="stable")  # what is short and solid lies on top
    columns = (exact.task, exact.state, exact.start, exact.end)
    for task, state, start, end in zip(*(c[order].tolist() for c in columns), strict=True):
        lane = int(view.lane_of[task])
        name = name_of(rows[task]) if task < len(rows) else view.lanes[lane].name
        words = f"{clip(name, 60)}: {STATES[state]} {scale.stretch(start, end)}"
        if STATES[state] == WAITING and (wait := find(task, start, end)):
            words += f", for {format_wait(wait)}"
        if block := held.get((task, start)):
            words += f", {format_block(block)}"
        top, bottom = map(scale.y, scale.sheet.bar(lane))
        # A moment is there to be seen, and for the mouse to find.
        wide = max(1.5 if state == 0 else 0.2, (end - start) * scale.per_unit)
        yield (
            f'<rect class="{STATES[state]}" x="{scale.x(start):.2f}" y="{top:.1f}" '
            f'width="{wide:.2f}" height="{bottom - top:.1f}"><title>{_safe(words)}</title></rect>'
        )


def _shares(view: View, scale: Scale, lanes: np.ndarray) -> Iterator[str]:
    """Fill crowded lanes: a colour is as high as its share of the tasks and of the time."""
    if not len(lanes):
        return
    shares, edges = shares_of(view, lanes, _COLUMNS)
    step = (edges[1] - edges[0]) * scale.per_unit
    totals = view.totals()
    for state in reversed(range(len(STATES))):
        for lane, heights in zip(lanes, shares[: state + 1].sum(axis=0), strict=True):
            if not totals[lane, state]:
                continue
            top, bottom = map(scale.y, scale.sheet.bar(int(lane)))
            tops = np.round(bottom - np.minimum(heights, 1) * (bottom - top), 1).tolist()
            curve = "".join(f"V{y:g}h{step:.3f}" for y in tops)
            words = (
                f"{clip(view.lanes[lane].name, 60)}: {STATES[state]} "
                f"{scale.amount(float(totals[lane, state]))} in all"
            )
            yield (
                f'<path class="{STATES[state]}" d="M{scale.left:.1f} {bottom:.1f}{curve}'
                f'V{bottom:.1f}z"><title>{_safe(words)}</title></path>'
            )


def _blocks(view: View, scale: Scale) -> Iterator[str]:
    for lane, block in scale.sheet.outlines():
        start, end = max(block.start, view.start), min(block.end, view.end)
        top, bottom = map(scale.y, scale.sheet.bar(lane))
        words = f"{clip(block.name, 60)}: {format_block(block)}, {scale.stretch(start, end)}"
        yield (
            f'<rect class="block" pointer-events="all" x="{scale.x(start):.2f}" y="{top:.1f}" '
            f'width="{max(1.0, (end - start) * scale.per_unit):.2f}" '
            f'height="{bottom - top:.1f}"><title>{_safe(words)}</title></rect>'
        )
    for note in scale.sheet.notes:
        inside = note.lane is not None
        y = scale.sheet.middles[note.lane] if note.lane is not None else scale.sheet.top
        kind = 'class="in" pointer-events="none"' if inside else 'class="note"'
        yield (
            f'<text {kind} text-anchor="middle" x="{scale.x(note.x):.1f}" '
            f'y="{scale.y(y) + (4 if inside else 8):.1f}">{_safe(note.text)}</text>'
        )


def _outcomes(view: View, scale: Scale) -> Iterator[str]:
    rows = view.trace.rows
    for lane, middle in zip(view.lanes, scale.sheet.middles, strict=True):
        if lane.folded or lane.rows[0] >= len(rows):
            continue
        row = rows[lane.rows[0]]
        kind = row.outcome.partition(" ")[0]
        if kind in _MARKS and row.finished <= view.end:
            x, y = scale.x(row.finished) + 9, scale.y(middle)
            words = f"{clip(name_of(row), 60)}: {clip(row.outcome, 200)}"
            yield (
                f'<path class="mark" transform="translate({x:.1f} {y:.1f})" d="{_MARKS[kind]}">'
                f"<title>{_safe(words)}</title></path>"
            )


def _axis(view: View, scale: Scale, floor: float) -> Iterator[str]:
    unit = scale.domain.axis_unit(view.end - view.start)
    right = scale.right
    yield f'<path class="axis" d="M{scale.left:.1f} {floor:.1f}H{right}"/>'
    for tick in _ticks(view.start * unit.per_second, view.end * unit.per_second):
        x = scale.x(tick / unit.per_second)
        yield f'<path class="axis" d="M{x:.1f} {floor:.1f}v4"/>'
        yield (f'<text text-anchor="middle" x="{x:.1f}" y="{floor + 18:.1f}">{tick:.6g}</text>')
    yield _text(right + 16, floor + 18, unit.name if len(unit.name) < 9 else unit.short)
    x = scale.x(view.end)
    yield (f'<path class="axis" stroke-dasharray="1 3" d="M{x:.1f} {_TOP - 8}V{floor:.1f}"/>')
    yield _text(x + 8, scale.y(0) + 4, scale.amount(view.end), "title")


def _ticks(low: float, high: float) -> list[float]:
    """Return some round numbers between two."""
    if not high > low:
        return [low]
    power = 10.0 ** np.floor(np.log10((high - low) / 5))
    step = next(power * n for n in (1, 2, 5, 10) if (high - low) / (power * n) <= 8)
    first, last = np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9)
    return [float(n * step) + 0.0 for n in np.arange(first, last + 1)]


def _legend(x: float, y: float, held: bool) -> Iterator[str]:
    for kind, word in [*zip(STATES, STATES, strict=True), *[("block", "held the loop")] * held]:
        yield f'<rect class="{kind}" x="{x:.1f}" y="{y - 10:.1f}" width="24" height="11"/>'
        yield _text(x + 30, y, word)
        x += 52 + 6.6 * len(word)


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text{style} x="{x:.1f}" y="{y:.1f}">{_safe(text)}</text>'


def _safe(text: str) -> str:
    """Return text that is safe in XML: no name is markup, and none holds what XML forbids."""
    return escape(clip(text, 4000), quote=True)
