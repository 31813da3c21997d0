"""Who held the loop: blocked-loop, await-without-yield and cpu-bound."""

import ast
from collections.abc import Iterator
from math import isnan

import numpy as np

from asyncteach.places import Place
from asyncteach.tapes.tape import RUNNING, Block, Tape
from asyncteach.teaching.advice import cause_of
from asyncteach.teaching.findings import Finding, at, finding, speak
from asyncteach.teaching.phrases import called, count, listing, span, spell
from asyncteach.teaching.source import may_compute, pauses, read_source

# Whom a block delayed by less than this, it did not harm.
_HARM = 0.02
# How much of its time a step must have had a processor to count as computing: on a busy machine
# it shares one.
_COMPUTED = 0.1


def find_blocks(tape: Tape, *, computing: bool) -> Iterator[Finding]:
    """Give a finding for each line, or each function that computes, that held the loop.

    computing: whether it has been said already that nearly all the time was computing.
    """
    groups: dict[tuple[object, ...], list[Block]] = {}
    believed = _has_computed(tape)
    for block in tape.blocks:
        # A kernel's own work, or what nobody has seen: there is no line to mend.
        place = block.place
        if place is None:
            continue
        cause = cause_of(block.place, block.doing)
        # A machine that was busy elsewhere stretches any step: only processor time proves work.
        if not cause.waits and (computing or not believed or block.busy < _COMPUTED):
            continue
        if not cause.always and not _harmed(tape, block):
            continue
        if not cause.waits and not may_compute(place):
            continue
        # Each look at a function that computes sees another line of it.
        where = (place.path, place.function, place.line if cause.waits else None)
        groups.setdefault(where, []).append(block)
    for blocks in groups.values():
        longest = max(blocks, key=lambda block: block.end - block.start)
        yield _without_yield(tape, longest, blocks) or _blocked(tape, longest, blocks)


def _waits(block: Block) -> bool:
    """Tell if what held the loop did nothing itself, by its line or by its processor time."""
    return cause_of(block.place, block.doing).waits or block.busy < _COMPUTED


def _harmed(tape: Tape, block: Block) -> bool:
    """Tell if anybody was kept from working who was there when the step began."""
    return any(
        seconds >= _HARM and tape.rows[task].spawned <= block.start
        for task, seconds in block.delayed
    )


def _has_computed(tape: Tape) -> bool:
    """Tell if there was as much processor time as the blocks that may have computed would need."""
    unsure = [b for b in tape.blocks if not cause_of(b.place, b.doing).waits]
    held = sum(block.end - block.start for block in unsure)
    return isnan(tape.cpu) or tape.cpu >= max(_COMPUTED * held, 0.6 * tape.threshold)


def _blocked(tape: Tape, longest: Block, blocks: list[Block]) -> Finding:
    seconds = sum(block.end - block.start for block in blocks)
    place = longest.place
    who = (called(place.function) if place else "") or "The code"
    held = f"{who} held the loop for {span(seconds)}{at(place)}"
    if len(blocks) > 1:
        held = f"{who} held the loop {spell(len(blocks))} times{at(place)}, {span(seconds)} in all"
    fix = cause_of(place, longest.doing).fix
    row = tape.rows[longest.task] if longest.task is not None else None
    message = f"{held}: {_victims(tape, blocks)}."
    return finding("blocked-loop", row, seconds, place, message, fix)


def _victims(tape: Tape, blocks: list[Block]) -> str:
    """Say who was ready meanwhile, the worst first."""
    delays: dict[int, float] = {}
    for block in blocks:
        for task, seconds in block.delayed:
            delays[task] = delays.get(task, 0.0) + seconds
    late = [(task, seconds) for task, seconds in delays.items() if seconds >= 0.001]
    worst = sorted(late, key=lambda pair: -pair[1])
    if not worst:
        return "nobody else could have worked meanwhile"
    task, seconds = worst[0]
    name = speak(tape.rows[task])
    if len(worst) == 1:
        return f"{name} waited {span(seconds)} for it"
    same = all(span(other) == span(seconds) for _, other in worst)
    if same:
        names = [speak(tape.rows[other]) for other, _ in worst]
        return f"{listing(names)} waited {span(seconds)} for it"
    names = [f"{speak(tape.rows[other])} {span(wait)}" for other, wait in worst]
    return f"{name} waited {span(seconds)} for it, {listing(names[1:], 3)}"


def _without_yield(tape: Tape, longest: Block, blocks: list[Block]) -> Finding | None:
    """Return the finding if a loop awaited, round after round, what never has to wait."""
    place = longest.awaits > 1 and _useless_await(longest)
    if not place:
        return None
    inner = longest.places[longest.places.index(place) + 1]
    callee = called(inner.function)
    seconds = sum(block.end - block.start for block in blocks)
    times = "" if len(blocks) == 1 else f", {count(len(blocks), 'time')}"
    message = (
        f"{called(place.function) or 'The cell'} awaits {callee} in a loop{at(place)}, but "
        f"{callee} never has to wait: `await` gives the loop back only when there is something "
        f"to wait for. So it held the loop for {span(seconds)}{times}: {_victims(tape, blocks)}."
    )
    fix = (
        "Put `await asyncio.sleep(0)` into the loop to let the others have a turn, or hand the "
        "work to a thread: `await asyncio.to_thread(...)`."
    )
    row = tape.rows[longest.task] if longest.task is not None else None
    return finding("await-without-yield", row, seconds, place, message, fix)


def _useless_await(block: Block) -> Place | None:
    """Return where a loop awaits a coroutine without a single await of its own."""
    for outer, inner in zip(block.places, block.places[1:], strict=False):
        source, inside = read_source(outer), read_source(inner)
        scope = inside.scope(inner) if inside else None
        if source and isinstance(scope, ast.AsyncFunctionDef) and not pauses(scope):
            awaited = source.awaited(outer, scope.name)
            if any(source.in_loop(node) for node in awaited):
                return outer
    return None


def find_computing(tape: Tape) -> Iterator[Finding]:
    """Give a finding if nearly all the time went into the tasks' own computing."""
    tasks = [index for index, row in enumerate(tape.rows) if row.kind == "task"]
    running = tape.slices.total(len(tape.rows), RUNNING)
    total = float(sum(running[index] for index in tasks))
    busy = [index for index in tasks if running[index] >= 0.1 * total]
    # Before the loop starts and after it has ended, nobody could wait.
    slices = tape.slices[np.isin(tape.slices.task, tasks)]
    lasted = float(slices.end.max() - slices.start.min()) if len(slices) else 0.0
    if lasted < 0.2 or total < 0.9 * lasted or len(busy) < 2:
        return
    # Waiting that holds the loop isn't computing; not a number, in virtual time, is no proof.
    waited = sum(b.end - b.start for b in tape.blocks if _waits(b))
    if waited > 0.1 * total or not tape.cpu >= _COMPUTED * total:
        return
    places = [block.place for block in tape.blocks if block.place]
    message = (
        f"{span(total)} of {span(lasted)} were your own work, shared by "
        f"{count(len(busy), 'task')}: asyncio can't help, since there was hardly any waiting that "
        f"could overlap."
    )
    fix = (
        "A process pool could: `await loop.run_in_executor(pool, function, ...)` with "
        "`concurrent.futures.ProcessPoolExecutor` puts the work on several processors."
    )
    first = tape.rows[busy[0]]
    yield finding("cpu-bound", first, total, places[0] if places else first.place, message, fix)
