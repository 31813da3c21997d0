"""A recording as text, for terminals and for readers who can't see a picture."""

from collections import Counter

import numpy as np

from asyncteach.domains import STORY
from asyncteach.formatting import clip, format_duration, join_words, pad, width
from asyncteach.timeline.lanes import Lane, View, longest_blocks, view_of
from asyncteach.timeline.layout import moments_of, shares_of
from asyncteach.trace import READY, RUNNING, STATES, WAITING, Block, Slices, Trace

_COLUMNS = 60
_LANES = 40
_MARKS = {RUNNING: "#", READY: "/", WAITING: "."}
_CHARACTERS = np.array([*_MARKS.values(), " "])
# A lane with more moments than this is drawn by what filled its time.
_MOMENTS = 20
_DESCRIBED = _TURNS = 12
_FEW = 5


def heading(trace: Trace) -> str:
    """Return the title and how long it took, as one line."""
    return f"{clip(trace.title, 60)}: {trace.domain.format(trace.duration)}"


def draw(trace: Trace) -> str:
    """Return the timeline as text: a line for you or the loop, and one for each task."""
    view = view_of(trace, most=_LANES)
    names = [_label(lane) for lane in view.lanes]
    margin = max(width(name) for name in names) + 2
    lines = [heading(trace)]
    for name, lane, marks in zip(names, view.lanes, _draw_lanes(view), strict=True):
        lines.append(f"{pad(name, margin)}{marks}  {_ending(trace, lane)}".rstrip())
    legend = ", ".join(f"{_MARKS[state]} {state}" for state in STATES)
    lines.append(f"{pad('', margin)}{legend}")
    folds = [
        f"{clip(lane.name, 40)}, in one lane: {', '.join(_format_sums(trace, sums))} in all"
        for lane, sums in zip(view.lanes, view.totals().tolist(), strict=True)
        if lane.folded
    ]
    return "\n".join([*lines, *folds[:_FEW], *_notes(trace)])


def describe(trace: Trace) -> str:
    """Return what the timeline shows as a sentence or two."""
    is_story, words = trace.domain is STORY, f"Timeline. {heading(trace)}"
    if is_story and trace.head == "you":
        words += f", you are busy for {trace.attention:.1f} of them"
    elif is_story:
        words += f", running for {trace.attention:.1f} in all"
    view, lanes = view_of(trace, most=_DESCRIBED), []
    for number, (lane, sums) in enumerate(zip(view.lanes, view.totals().tolist(), strict=True)):
        parts = [part for n, part in enumerate(_format_sums(trace, sums)) if sums[n]]
        if lane.kind == "loop":
            parts = [f"busy for {format_duration(sums[0])}"]
        elif is_story and not lane.folded:
            parts = _format_story(view.slices[view.lane == number])
        if not is_story or lane.kind != "you":
            told = ", ".join(filter(None, [*parts, _ending(trace, lane)])) or "a moment"
            lanes.append(f"{_label(lane).strip()}: {told}")
    return ". ".join([words, "; ".join(lanes), *_notes(trace)]) + "."


def _format_sums(trace: Trace, sums: list[float]) -> list[str]:
    format_amount = trace.domain.format_total
    return [f"{state} {format_amount(sums[n])}" for n, state in enumerate(STATES)]


def _format_story(slices: Slices) -> list[str]:
    """Return a task's slices in words, or its totals if it took many turns."""
    slices = slices[slices.end > slices.start]
    if len(slices) > _TURNS:
        sums = [(state, float(slices.of(state).seconds().sum())) for state in STATES]
        parts = [f"{state} {total:.1f}" for state, total in sums if total]
        return [f"{len(slices.of(RUNNING))} turns, in all {parts[0]}", *parts[1:]]
    return [f"{STATES[state]} {a:.1f} to {b:.1f}" for _, state, a, b in slices.rows()]


def _draw_lanes(view: View) -> list[str]:
    """Draw lanes as text: each character shows the state that fills most of its time."""
    shares, _ = shares_of(view, np.arange(len(view.lanes)), _COLUMNS)
    # A state that fills less than a fiftieth of a character's time isn't shown. A loop that rests
    # more than it runs is at rest, which has no slices.
    least = np.array([0.5 if one.kind == "loop" else 0.02 for one in view.lanes])[:, None]
    rest = np.where(shares.max(axis=0) > least, -1.0, np.inf)
    states = np.concatenate([shares, rest[None]]).argmax(axis=0)
    # A moment fills nothing, but it was there.
    span = view.end - view.start
    moments = moments_of(view, np.array(span / _COLUMNS), _COLUMNS, _MOMENTS)
    at = (moments.start - view.start) * _COLUMNS / (span or 1.0) + 1e-9
    columns = np.minimum(at.astype(int), _COLUMNS - 1)
    states[view.lane_of[moments.task], columns] = STATES.index(RUNNING)
    return ["".join(line) for line in _CHARACTERS[states].tolist()]


def _label(lane: Lane) -> str:
    indent = "  " * min(lane.depth, 8)
    if lane.kind in ("thread", "process"):
        return f"{indent}-> {clip(lane.name, 20)} ({lane.kind})"
    return indent + clip(lane.name, 24)


def _ending(trace: Trace, lane: Lane) -> str:
    """Return how a lane's tasks ended, unless they returned."""
    if lane.kind in ("you", "loop"):
        return ""
    rows = [trace.rows[row] for row in lane.rows]
    # The task that opened the recording always goes on after it.
    ends = [row.outcome for row in rows if row.outcome != "returned" and not row.was_there]
    if not lane.folded:
        return clip(ends[0], 50) if ends else ""
    kinds = Counter("raised" if end.startswith("raised") else end for end in ends)
    return ", ".join(f"{number:,} {clip(kind, 30)}" for kind, number in kinds.most_common(3))


def _notes(trace: Trace) -> list[str]:
    """Return the longest blocks with the tasks that they delayed, and what wasn't kept."""
    longest = longest_blocks(trace)
    lines = [_format_block(trace, block) for block in longest[:_FEW]]
    if len(longest) > _FEW:
        lines.append(f"{len(longest) - _FEW:,} shorter ones held it too")
    if trace.dropped:
        lines.append(f"{trace.dropped:,} steps beyond max_slices were counted but not kept")
    return lines


def _format_block(trace: Trace, block: Block) -> str:
    name = block.name if block.task is None else trace.rows[block.task].label
    length = format_duration(block.end - block.start)
    where = f" at {clip(block.place, 60)}" if block.place else ""
    worst_first = sorted(block.delayed, key=lambda pair: -pair[1])
    names = [clip(trace.rows[task].label, 30) for task, _ in worst_first[: _FEW + 1]]
    names += [""] * (len(worst_first) - len(names))  # of a thousand only the first few are named
    delayed = f": this delayed {join_words(names, _FEW + 1)}" if names else ""
    return f"{clip(name, 40)} held the loop for {length}{where}{delayed}"
