"""A recording in characters and in words, for terminals and for those who can't see a picture."""

from collections import Counter

import numpy as np

from asyncteach.domains import STORY
from asyncteach.formatting import clip, format_duration, pad, width
from asyncteach.timeline.lanes import LOOPS, Lane, View, name_of, view_of
from asyncteach.timeline.layout import few_moments, shares_of
from asyncteach.trace import READY, RUNNING, STATES, WAITING, Block, Trace

_COLUMNS = 60
_LANES = 40
_MARKS = {RUNNING: "#", READY: "/", WAITING: "."}
_CHARACTERS = np.array([*_MARKS.values(), " "])
# A lane with more moments than that is drawn by what filled its time.
_MOMENTS = 20
_TURNS = 12
_FEW = 5


def heading(trace: Trace) -> str:
    """Return the title and how long it took, as one line."""
    return f"{clip(trace.title, 60)}: {trace.domain.format(trace.duration)}"


def draw(trace: Trace) -> str:
    """Return the timeline in characters: a line for you or the loop, a line a task."""
    view = view_of(trace, most=_LANES - min(len(trace.loops), LOOPS + 1))
    names = [_label(lane) for lane in view.lanes]
    margin = max(width(name) for name in names) + 2
    lines = [heading(trace)]
    endings = [_ending(trace, lane) for lane in view.lanes]
    room = _COLUMNS if any(endings) else 0
    for name, marks, ending in zip(names, _draw_lanes(view), endings, strict=True):
        lines.append((pad(name, margin) + marks.ljust(room) + ending).rstrip())
    legend = ", ".join(f"{_MARKS[state]} {state}" for state in STATES)
    lines.append(f"{pad('', margin)}{legend}")
    return "\n".join(
        [*lines, *_format_folds(view), *_format_blocks(trace), *_format_dropped(trace)]
    )


def describe(trace: Trace) -> str:
    """Return what the timeline shows as a sentence or two."""
    if trace.domain is STORY:
        return _describe_story(trace)
    view = view_of(trace, most=12)
    totals = view.totals()
    lanes = []
    for lane, sums in zip(view.lanes, totals, strict=True):
        parts = [
            f"{state} {format_duration(amount)}"
            for state, amount in zip(STATES, sums.tolist(), strict=True)
            if amount > 0
        ]
        if lane.kind == "loop":
            lanes.append(f"{clip(lane.name, 40)}: busy for {format_duration(float(sums[0]))}")
        else:
            ending = _ending(trace, lane).strip()
            parts += [ending] if ending else []
            lanes.append(f"{_label(lane).strip()}: {', '.join(parts) or 'a moment'}")
    words = [f"Timeline. {heading(trace)}", "; ".join(lanes)]
    return ". ".join([*words, *_format_blocks(trace), *_format_dropped(trace)]) + "."


def _describe_story(trace: Trace) -> str:
    slices = trace.slices[trace.slices.task < 12]
    lanes = []
    for index, row in enumerate(trace.rows[:12]):
        own = slices[(slices.task == index) & (slices.end > slices.start)]
        columns = (own.state.tolist(), own.start.tolist(), own.end.tolist())
        parts = [f"{STATES[s]} {a:.1f} to {b:.1f}" for s, a, b in zip(*columns, strict=True)]
        if len(own) > _TURNS:
            sums = [(state, float(own.of(state).seconds().sum())) for state in STATES]
            parts = [f"{state} {total:.1f}" for state, total in sums if total]
            parts[0] = f"{len(own.of(RUNNING))} turns, in all {parts[0]}"
        lanes.append(f"{clip(row.name, 40)}: {', '.join(parts) or 'a moment'}")
    if len(trace.rows) > 12:
        lanes.append(f"and {len(trace.rows) - 12} more tasks")
    if trace.head == "you":
        busy = f"you are busy for {trace.attention:.1f} of them"
    else:
        busy = f"running for {trace.attention:.1f} in all"
    return f"Timeline. {heading(trace)}, {busy}. {'; '.join(lanes)}."


def _draw_lanes(view: View) -> list[str]:
    """Draw lanes in characters: each stands for the state that fills most of its time."""
    every = np.arange(len(view.lanes))
    shares, _ = shares_of(view, every, _COLUMNS)
    # What fills no fiftieth of a character's time is not there. A loop that rests more than it
    # runs is at rest, which has no slices.
    least = np.array([0.5 if one.kind == "loop" else 0.02 for one in view.lanes])[:, None]
    rest = np.where(shares.max(axis=0) > least, -1.0, np.inf)
    states = np.concatenate([shares, rest[None]]).argmax(axis=0)
    # A moment fills nothing, but it was there.
    start, lane = few_moments(view, every >= 0, _COLUMNS, _MOMENTS)
    at = (start - view.start) * _COLUMNS / ((view.end - view.start) or 1.0) + 1e-9
    states[lane, np.minimum(at.astype(int), _COLUMNS - 1)] = STATES.index(RUNNING)
    return ["".join(line) for line in _CHARACTERS[states].tolist()]


def _label(lane: Lane) -> str:
    if lane.kind in ("thread", "process"):
        name = f"-> {clip(lane.name, 20)} ({lane.kind})"
    else:
        name = clip(lane.name, 24)
    return "  " * min(lane.depth, 8) + name


def _ending(trace: Trace, lane: Lane) -> str:
    """Return how a lane's tasks ended, unless they returned."""
    if lane.kind in ("you", "loop"):
        return ""
    if not lane.folded:
        row = trace.rows[lane.rows[0]]
        # The task that opened the recording always goes on after it.
        is_plain = row.outcome == "returned" or row.was_there
        return "" if is_plain else f"  {clip(row.outcome, 50)}"
    first = Counter(trace.rows[row].outcome.partition(" ")[0] for row in lane.rows)
    counted = [
        f"{first[word]:,} {word.replace('still', 'still running')}"
        for word in ("raised", "cancelled", "still")
        if first[word]
    ]
    return f"  {', '.join(counted)}" if counted else ""


def _format_folds(view: View) -> list[str]:
    """Return a line for each of the first lanes of many tasks: what they did in all."""
    lines = []
    for lane, sums in zip(view.lanes, view.totals().tolist(), strict=True):
        if lane.folded and lane.kind != "loop":
            times = zip(STATES, sums, strict=True)
            words = ", ".join(
                f"{state} {view.trace.domain.format_total(amount)}" for state, amount in times
            )
            lines.append(f"{clip(lane.name, 40)}, in one lane: {words} in all")
    if len(lines) > _FEW:
        lines[_FEW:] = [f"{len(lines) - _FEW:,} more lanes stand for many tasks each"]
    return lines


def _format_blocks(trace: Trace) -> list[str]:
    """Return a line for each of the longest blocks: what held the loop, and what it delayed."""
    longest = sorted(trace.blocks, key=lambda block: block.start - block.end)
    lines = [_format_block(trace, block) for block in longest[:_FEW]]
    if len(longest) > _FEW:
        lines.append(f"{len(longest) - _FEW:,} shorter ones held it too")
    return lines


def _format_block(trace: Trace, block: Block) -> str:
    who = block.name if block.task is None else name_of(trace.rows[block.task])
    where = f" at {clip(block.place, 60)}" if block.place else ""
    length = format_duration(block.end - block.start)
    line = f"{clip(who or 'something', 40)} held the loop for {length}{where}"
    # Those that were delayed longest come first.
    late = [task for task, _ in sorted(block.delayed, key=lambda pair: -pair[1])]
    names = [clip(name_of(trace.rows[task]), 30) for task in late[:_FEW]]
    if names:
        more = f" and {len(late) - _FEW:,} more" if len(late) > _FEW else ""
        line += f": {', '.join(names)}{more} waited"
    return line


def _format_dropped(trace: Trace) -> list[str]:
    if not trace.dropped:
        return []
    return [f"{trace.dropped:,} steps beyond max_slices were counted and not kept"]
