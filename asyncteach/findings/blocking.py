"""What held the loop: blocked-loop, or with its cause await-without-yield and cpu-bound."""

import ast
from collections.abc import Iterator

import numpy as np

from asyncteach.findings.advice import advise
from asyncteach.findings.finding import Finding, finding, speak
from asyncteach.findings.source import pauses, read_source
from asyncteach.formatting import at, called, count, listing, span, spell
from asyncteach.labels import clip
from asyncteach.places import Place
from asyncteach.tapes.tape import READY, RUNNING, Block, Tape

_COMPUTED = 0.5
# Of the processor time that computing would need, what a busy machine leaves to a program.
_SHARED = 0.2
_MOST_CALLS = 4


def find_blocks(tape: Tape) -> Iterator[Finding]:
    """Give a finding for each line, or each function that computes, that kept tasks waiting.

    Every block that delayed a task is in exactly one of them.
    """
    if computing := _find_computing(tape):
        yield computing
        return
    for group in _group(tape):
        if any(block.delayed for block in group):
            yield _without_yield(tape, group) or _blocked(tape, group)


def _group(tape: Tape) -> list[list[Block]]:
    groups: dict[tuple[object, ...], list[Block]] = {}
    for block in tape.blocks:
        groups.setdefault(_where(block), []).append(block)
    return list(groups.values())


def _where(block: Block) -> tuple[object, ...]:
    """Return what blocks of one finding share: a line, or a function that computes."""
    place = block.place
    if place is None:
        return (block.who, block.doing)
    # Each look at a function that computes sees another line of it.
    return (place.path, place.function, None if block.busy >= _COMPUTED else place.line)


def _longest(blocks: list[Block]) -> Block:
    return max(blocks, key=lambda block: block.end - block.start)


def _total(blocks: list[Block]) -> float:
    return sum(block.end - block.start for block in blocks)


def _blocked(tape: Tape, blocks: list[Block]) -> Finding:
    longest, seconds = _longest(blocks), _total(blocks)
    row = tape.rows[longest.task] if longest.task is not None else None
    delayed = _delays(tape, blocks)
    message = f"{say_block(tape, blocks)}: {_victims(delayed)}."
    if doubt := _doubt(longest):
        message += f" {doubt}"
    return finding("blocked-loop", row, seconds, longest.place, message, advise(longest), delayed)


def say_block(tape: Tape, blocks: list[Block]) -> str:
    """Say what held the loop, for how long, at which line and by which chain of calls."""
    longest, seconds = _longest(blocks), _total(blocks)
    place, row = longest.place, longest.task
    task = speak(tape.rows[row]) if row is not None else ""
    who = (called(place.function) if place else "") or task or f"The callback {longest.who}"
    times = "" if len(blocks) == 1 else f" {spell(len(blocks))} times"
    total = f" for {span(seconds)}" if len(blocks) == 1 else ""
    held = f"{who} held the loop{times}{total}{at(place)}"
    if len(blocks) > 1:
        held += f", {span(seconds)} in all"
    if place is None and longest.doing:
        held += f" inside {longest.doing}()"
    held += _callers(longest)
    tasks = {block.task for block in blocks}
    if row is None:
        held += ", in a callback" if place else ""
    elif len(tasks) > 1:
        held += f", in {count(len(tasks), 'task')}"
    elif who != task and not _is_named_after(task, longest):
        held += f", in task {task}"
    return held


def _callers(block: Block) -> str:
    """Return `, called by report() at api.py:22` for the user's calls, the nearest first."""
    words, last = [], block.place
    for place in reversed(block.places[:-1]):
        # A comprehension is a call of its own on older Pythons, at the same line.
        if last is None or (place.path, place.line) != (last.path, last.line):
            own = called(place.function)
            words.append(f", called{f' by {own}' if own else ''}{at(place)}")
        last = place
    return "".join(words[:_MOST_CALLS])


def _is_named_after(task: str, block: Block) -> bool:
    """Tell if the task has no name of its own but that of a coroutine in the chain."""
    return any(called(place.function) == f"{task}()" for place in block.places)


def _doubt(block: Block) -> str:
    """Say what can't be known, where no look at the step has succeeded."""
    if block.place is not None or block.doing:
        return ""
    return (
        "Which line it was has not been seen: either code in C kept the GIL, or the computer gave "
        "this program no time."
    )


def _delays(tape: Tape, blocks: list[Block]) -> list[tuple[str, float]]:
    """Return how long each task was ready during the blocks, the longest first."""
    delays: dict[int, float] = {}
    for block in blocks:
        for task, seconds in block.delayed:
            delays[task] = delays.get(task, 0.0) + seconds
    worst = sorted(delays.items(), key=lambda pair: -pair[1])
    return [(tape.rows[task].label or tape.rows[task].name, seconds) for task, seconds in worst]


def _victims(delayed: list[tuple[str, float]]) -> str:
    name, seconds = delayed[0]
    if all(span(other) == span(seconds) for _, other in delayed):
        names = [_short(other) for other, _ in delayed]
        return f"{listing(names)} waited {span(seconds)} for it"
    names = [f"{_short(other)} {span(wait)}" for other, wait in delayed[1:]]
    return f"{_short(name)} waited {span(seconds)} for it, {listing(names, 3)}"


def _short(label: str) -> str:
    return clip(label, 40)


def _without_yield(tape: Tape, blocks: list[Block]) -> Finding | None:
    """Return the finding if what was awaited computed, and has nothing to wait for."""
    longest = _longest(blocks)
    place = longest.awaits > 1 and _useless_await(longest)
    if not place:
        return None
    inner = longest.places[longest.places.index(place) + 1]
    callee = called(inner.function)
    seconds, delayed = _total(blocks), _delays(tape, blocks)
    times = "" if len(blocks) == 1 else f", {count(len(blocks), 'time')}"
    message = (
        f"{called(place.function) or 'The cell'} awaits {callee}{at(place)}, but "
        f"{callee} has nothing to wait for: `await` gives the loop back only when there is "
        f"something to wait for. So it held the loop for {span(seconds)}{times}: "
        f"{_victims(delayed)}."
    )
    fix = (
        "Put `await asyncio.sleep(0)` into the loop to let the others have a turn, or hand the "
        "work to a thread: `await asyncio.to_thread(...)`."
    )
    row = tape.rows[longest.task] if longest.task is not None else None
    return finding("await-without-yield", row, seconds, place, message, fix, delayed)


def _useless_await(block: Block) -> Place | None:
    """Return where a coroutine was awaited that computes and has no await of its own."""
    for outer, inner in zip(block.places, block.places[1:], strict=False):
        inside = read_source(inner)
        scope = inside.scope(inner) if inside else None
        if isinstance(scope, ast.AsyncFunctionDef) and not pauses(scope):
            return outer if block.busy >= _COMPUTED else None
    return None


def _find_computing(tape: Tape) -> Finding | None:
    """Return the finding if nearly all the time went into the computing of several tasks."""
    blocks = tape.blocks
    tasks = [index for index, row in enumerate(tape.rows) if row.kind == "task"]
    running = tape.slices.total(len(tape.rows), RUNNING)
    total = float(sum(running[index] for index in tasks))
    busy = [index for index in tasks if running[index] >= 0.1 * total]
    # Before the loop starts and after it has ended, no task could wait.
    slices = tape.slices[np.isin(tape.slices.task, tasks)]
    lasted = float(slices.end.max() - slices.start.min()) if len(slices) else 0.0
    if lasted < 0.2 or total < 0.9 * lasted or len(busy) < 2:
        return None
    # Waiting that holds the loop isn't computing; in virtual time there is no processor time.
    waited = _total([block for block in blocks if not block.busy >= _SHARED])
    if waited > 0.1 * total or not tape.cpu >= _SHARED * total:
        return None
    delayed = _delays(tape, blocks)
    message = (
        f"{span(total)} of {span(lasted)} went into computing, shared by {count(len(busy), 'task')}: "
        f"asyncio can't help, since there was hardly any waiting that could overlap."
    )
    if delayed:
        message += f" Meanwhile {_victims(delayed).replace('for it', 'for the loop')}."
    fix = (
        "A process pool could: `await loop.run_in_executor(pool, function, ...)` with "
        "`concurrent.futures.ProcessPoolExecutor` puts the work on several processors."
    )
    row = tape.rows[busy[0]]
    place = (_longest(blocks).place if blocks else None) or row.place
    return finding("cpu-bound", row, total, place, message, fix, delayed)


# What is no finding


def say_held(tape: Tape) -> list[str]:
    """Say what held the loop though no task was ready, and for how long the computer was busy."""
    sentences = []
    for group in [] if _find_computing(tape) else _group(tape):
        if not any(block.delayed for block in group):
            sentences.append(f"{say_block(tape, group)}, while no other task was ready.")
    if tape.stalls:
        lost = max(stall.lost for stall in tape.stalls)
        times = "" if len(tape.stalls) == 1 else f", the longest of {len(tape.stalls)} times"
        sentences.append(f"The computer gave this program no time for {span(lost)}{times}.")
    if not tape.blocks and not tape.stalls and (late := find_late(tape)):
        row, seconds = late
        sentences.append(
            f"{speak(tape.rows[row])} was ready for {span(seconds)} before its turn came, though "
            f"no single step was longer than {span(tape.threshold)}: many short ones came first."
        )
    return sentences


def find_late(tape: Tape) -> tuple[int, float] | None:
    """Return the task that was ready for longest, and how long, if that was over the threshold."""
    ready = tape.slices.of(READY)
    tasks = np.array([row.kind == "task" for row in tape.rows] or [False])
    ready = ready[tasks[ready.task]]
    if not len(ready):
        return None
    worst = int(ready.seconds().argmax())
    seconds = float(ready.seconds()[worst])
    return (int(ready.task[worst]), seconds) if seconds > tape.threshold else None
