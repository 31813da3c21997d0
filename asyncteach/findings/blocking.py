"""What held the loop while a task was ready: a finding for each line, or function that computes.

The advice is chosen by tables of what lines call; no finding depends on them.
"""

import ast
from collections.abc import Iterator

from asyncteach.findings import Finding, finding, name_task
from asyncteach.findings.source import pauses, read_source
from asyncteach.formatting import at, called, count, format_duration, join_words, spell
from asyncteach.places import Place
from asyncteach.trace import Block, Trace

_MOST_CALLS = 4
# If nothing was sampled for more than this share of a block, its line is in doubt.
_UNSEEN = 0.7


def find_blocks(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each line, or each function that computes, that delayed tasks.

    Every block that delayed a task is in exactly one of them.
    """
    for group in group_blocks(trace):
        delays: dict[int, float] = {}
        elsewhere: dict[Place, float] = {}
        for block in group:
            for task, late in block.delayed:
                delays[task] = delays.get(task, 0.0) + late
            for place, share in block.also:
                elsewhere[place] = elsewhere.get(place, 0.0) + share * (block.end - block.start)
        if not delays:
            continue
        worst = sorted(delays.items(), key=lambda pair: -pair[1])
        late_tasks = [f"{name_task(trace.rows[t])} by {_rough(late)}" for t, late in worst]
        message = f"{describe_block(trace, group)}: this delayed {join_words(late_tasks)}."
        longest = group[0]
        function, caller, idle = read_chain(longest.places)
        if idle:
            message += f" Awaiting {idle} never gives the loop back: it has no `await` of its own."
        for place, amount in elsewhere.items():
            # Each sample of a function that computes finds another line of it.
            is_same = longest.busy >= COMPUTED and f"{called(place.function)} held" in message
            if not is_same and at(place) not in message:
                where = f"{called(place.function)}{at(place)}"
                message += f" For about {_rough(amount)} of that it was {where}."
        if longest.unseen > _UNSEEN * (longest.end - longest.start):
            message += (
                " The line was seen only at the end: either C code kept the GIL, here or earlier, "
                "or the computer gave this program no time."
            )
        delayed = [(trace.rows[t].label or trace.rows[t].name, late) for t, late in worst]
        row = None if longest.task is None else trace.rows[longest.task]
        seconds, fix = _total(group), _advise(longest, function, caller, is_idle=bool(idle))
        yield finding("blocked-loop", row, seconds, longest.place, message, fix, delayed)


def _rough(seconds: float) -> str:
    return format_duration(seconds, rough=True)


def _total(blocks: list[Block]) -> float:
    return sum(block.end - block.start for block in blocks)


def group_blocks(trace: Trace) -> list[list[Block]]:
    """Return the blocks of each line, or of each function that computes, the longest first."""
    groups: dict[object, list[Block]] = {}
    computing = {block.place for block in trace.blocks if block.busy >= COMPUTED}
    for block in sorted(trace.blocks, key=lambda block: block.start - block.end):
        where: tuple[object, ...] = (block.name, block.doing)
        if (place := block.place) is not None:
            where = (place.path, place.function, place not in computing and place.line)
        groups.setdefault(where, []).append(block)
    return list(groups.values())


def describe_block(trace: Trace, blocks: list[Block]) -> str:
    """Return what held the loop, for how long, at which line and by which chain of calls."""
    longest, place = blocks[0], blocks[0].place
    task = "" if longest.task is None else name_task(trace.rows[longest.task])
    who = (called(place.function) if place else "") or task or f"The callback {longest.name}"
    who = f"{who[0].upper()}{who[1:]}" if who.startswith(("this ", "a ")) else who
    total = _rough(_total(blocks))
    if len(blocks) == 1:
        held = f"{who} held the loop for {total}{at(place)}"
    else:
        times = "twice" if len(blocks) == 2 else f"{spell(len(blocks))} times"
        held = f"{who} held the loop {times}{at(place)}, for {total} in all"
    if place is None and longest.doing:
        held += f" inside {longest.doing}()"
    # A comprehension may be a call of its own, at the same line.
    names = [(called(one.function), at(one)) for one in reversed(longest.places)]
    for name, where in list(dict.fromkeys(names))[1 : _MOST_CALLS + 1]:
        held += f", called{f' by {name}' if name else ''}{where}"
    tasks = len({block.task for block in blocks})
    if tasks > 1:
        return f"{held}, in {count(tasks, 'task')}"
    if longest.task is None:
        return f"{held}, in a callback" if place else held
    # A task without a name of its own has the name of a coroutine in the chain.
    if who == task or f"{task}()" in held or trace.rows[longest.task].was_there:
        return held
    return f"{held}, in task {task}"


# `{}` stands for a call that hands the work to a thread.
_EITHER = "Hand it to a thread, so that the loop goes on meanwhile: {}."
_COMPUTING = (
    "It computed, and asyncio can't make computing faster. Hand it to a thread, so that the loop "
    "goes on: {}. To use several processors, hand it to a process pool: `loop.run_in_executor`."
)
# By what the line calls, or what was seen at work below it: the beginning or the end of its name.
_ADVICE = {
    "Write `await asyncio.sleep(...)`: it gives the loop back while it sleeps.": ("time.sleep",),
    "Use an async client such as httpx2.AsyncClient, or hand it to a thread: {}.": (
        *("requests.", "urllib.", "urllib3.", "http.client.", "httpx.", "httpx2."),
        *("HTTPConnection.", "HTTPResponse."),
    ),
    "Use `await asyncio.create_subprocess_exec(...)` and `await process.communicate()`.": (
        *("subprocess.", "Popen.", "os.system", "os.popen", "os.wait"),
    ),
    "Use an async driver for the database, or hand it to a thread: {}.": (
        *("sqlite3.", "psycopg.", "psycopg2.", "pymysql."),
        *(".execute", ".executemany", ".fetchall", ".commit"),
    ),
    "Files can't be awaited: let a thread read or write, with {}.": (
        *("open.", "shutil.", ".read_text", ".write_text", ".read_bytes", ".write_bytes"),
    ),
}
COMPUTED = 0.5
"""A step counts as computing if its thread had a processor for at least this share of the time."""


def _advise(block: Block, function: str, caller: str, *, is_idle: bool) -> str:
    """Return what to do about a block, by what its line calls or by what was measured."""
    source = read_source(block.place) if block.place else None
    names = source.calls(block.place) if source and block.place else []
    advice = next((found for name in (*names, block.doing) if (found := _look_up(name))), "")
    if not advice and block.busy >= COMPUTED:
        idle = " Or put `await asyncio.sleep(0)` between its steps." if is_idle else ""
        advice = _COMPUTING + idle
    if function and "{}" not in advice:
        advice = _EITHER  # no `await` can be written in a plain function
    call = f"`await asyncio.to_thread({function or '...'})`{caller if function else ''}"
    if block.task is None:
        call = f"`loop.run_in_executor(None, {function or '...'})`"
    return (advice or _EITHER).format(call)


def _look_up(name: str) -> str:
    for advice, parts in _ADVICE.items():
        ends = tuple(part for part in parts if part.startswith("."))
        starts = tuple(part for part in parts if part not in ends)
        if f"{name}.".startswith(starts) or name.endswith(ends):
            return advice
    return ""


def read_chain(places: tuple[Place, ...]) -> tuple[str, str, str]:
    """Return a plain function to hand over, the coroutine that calls it, and one without `await`.

    The first is empty if the line itself is in a coroutine or in a cell, or can't be read.
    """
    function = caller = idle = ""
    calls: list[ast.Call] = []
    for place in places:
        if place.function.endswith(("comp>", "<genexpr>")):
            continue
        source, inside = read_source(place), called(place.function)
        scope = source.scope(place) if source else None
        if isinstance(scope, ast.FunctionDef) or place.function.endswith("<lambda>"):
            function = function or _spell(calls, inside)
        else:
            function, caller = "", f" in {inside}" if inside else ""
            # Not the task's own coroutine or an `__aenter__()`: no line of the user's awaits it.
            is_idle = isinstance(scope, ast.AsyncFunctionDef) and not pauses(scope)
            is_other = inside != called(places[0].function) and not inside.endswith("__()")
            idle = inside if is_idle and is_other else ""
        statement = source.statement(place) if source else None
        calls = [n for n in ast.walk(statement) if isinstance(n, ast.Call)] if statement else []
    return function, caller, idle


def _spell(calls: list[ast.Call], inside: str) -> str:
    """Return what to hand over, as the caller spells it; dots if a library calls it."""
    name = inside.removesuffix("()").rpartition(".")[2]
    for call in calls:
        if ast.unparse(call.func).rpartition(".")[2] == name:
            text = ", ".join(map(ast.unparse, (call.func, *call.args, *call.keywords)))
            return text if len(text) <= 50 else f"{ast.unparse(call.func)}, ..."
    return "..." if calls or "." in inside or " " in inside else name
