"""What held the loop while a task was ready: a finding for each line, or function that computes."""

from collections.abc import Iterator

from asyncteach.findings import Finding, finding, speak
from asyncteach.findings.advice import COMPUTED, advise, read_chain
from asyncteach.formatting import at, called, count, format_duration, join_words, spell
from asyncteach.places import Place
from asyncteach.trace import Block, Trace

_MOST_CALLS = 4
# If no look succeeded for more than this share of a block, its line is in doubt.
_UNSEEN = 0.7


def find_blocks(trace: Trace) -> Iterator[Finding]:
    """Give a finding for each line, or each function that computes, that kept tasks waiting.

    Every block that delayed a task is in exactly one of them.
    """
    for group in group_blocks(trace):
        if not any(block.delayed for block in group):
            continue
        delays: dict[int, float] = {}
        for block in group:
            for task, seconds in block.delayed:
                delays[task] = delays.get(task, 0.0) + seconds
        worst = sorted(delays.items(), key=lambda pair: -pair[1])
        names = [
            (speak(trace.rows[task]), format_duration(seconds, rough=True))
            for task, seconds in worst
        ]
        message = f"{say_block(trace, group)}: {_victims(names)}."
        longest = _longest(group)
        if idle := read_chain(longest.places)[2]:
            message += f" Awaiting {idle} never gives the loop back: it has no `await` of its own."
        elsewhere: dict[Place, float] = {}
        for block in group:
            for other, share in block.also:
                elsewhere[other] = elsewhere.get(other, 0.0) + share * (block.end - block.start)
        for other, amount in elsewhere.items():
            where = f"{called(other.function)}{at(other)}"
            # Each look at a function that computes sees another line of it.
            is_same = longest.busy >= COMPUTED and where.partition(" ")[0] in message
            if not is_same and at(other) not in message:
                message += (
                    f" For about {format_duration(amount, rough=True)} of that it was {where}."
                )
        if longest.unseen > _UNSEEN * (longest.end - longest.start):
            message += (
                " The line was seen only at the end: either C code kept the GIL, here or earlier, "
                "or the computer gave this program no time."
            )
        delayed = [(trace.rows[t].label or trace.rows[t].name, seconds) for t, seconds in worst]
        row = None if longest.task is None else trace.rows[longest.task]
        seconds, fix = _total(group), advise(longest)
        yield finding("blocked-loop", row, seconds, longest.place, message, fix, delayed)


def group_blocks(trace: Trace) -> list[list[Block]]:
    """Return the blocks of each line, or of each function that computes, seen at many lines."""
    groups: dict[object, list[Block]] = {}
    computing = {block.place for block in trace.blocks if block.busy >= COMPUTED}
    for block in trace.blocks:
        where: tuple[object, ...] = (block.who, block.doing)
        if (place := block.place) is not None:
            where = (place.path, place.function, place not in computing and place.line)
        groups.setdefault(where, []).append(block)
    return list(groups.values())


def _longest(blocks: list[Block]) -> Block:
    return max(blocks, key=lambda block: block.end - block.start)


def _total(blocks: list[Block]) -> float:
    return sum(block.end - block.start for block in blocks)


def say_block(trace: Trace, blocks: list[Block]) -> str:
    """Say what held the loop, for how long, at which line and by which chain of calls."""
    longest, place = _longest(blocks), _longest(blocks).place
    task = "" if longest.task is None else speak(trace.rows[longest.task])
    who = (called(place.function) if place else "") or task or f"The callback {longest.who}"
    who = f"{who[0].upper()}{who[1:]}" if who.startswith(("this ", "a ")) else who
    total = format_duration(_total(blocks), rough=True)
    if len(blocks) == 1:
        held = f"{who} held the loop for {total}{at(place)}"
    else:
        times = "twice" if len(blocks) == 2 else f"{spell(len(blocks))} times"
        held = f"{who} held the loop {times}{at(place)}, for {total} in all"
    if place is None and longest.doing:
        held += f" inside {longest.doing}()"
    held += "".join(_callers(longest)[:_MOST_CALLS])
    tasks = len({block.task for block in blocks})
    if tasks > 1:
        return f"{held}, in {count(tasks, 'task')}"
    if longest.task is None:
        return f"{held}, in a callback" if place else held
    # A task without a name of its own is called like a coroutine of the chain.
    if who == task or f"{task}()" in held or trace.rows[longest.task].was_there:
        return held
    return f"{held}, in task {task}"


def _callers(block: Block) -> list[str]:
    """Return `, called by report() at api.py:22` for each of the user's calls, nearest first."""
    words, last = [], block.place
    for place in reversed(block.places[:-1]):
        # A comprehension is a call of its own on older Pythons, at the same line.
        if last is None or (place.path, place.line) != (last.path, last.line):
            own = called(place.function)
            words.append(f", called{f' by {own}' if own else ''}{at(place)}")
        last = place
    return words


def _victims(names: list[tuple[str, str]]) -> str:
    """Say which tasks waited for how long."""
    first, seconds = names[0]
    if all(other == seconds for _, other in names):
        return f"{join_words([name for name, _ in names])} waited {seconds} for it"
    others = [f"{name} {long}" for name, long in names[1:]]
    said = join_words([f"{first} waited {seconds} for it", *others])
    return f"{said} tasks" if said.endswith(" more") else said
