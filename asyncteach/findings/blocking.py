"""What held the loop while a task was ready: a finding for each line, or function that computes.

What to write instead is chosen by tables of what lines call; no finding depends on them.
"""

import ast
from collections.abc import Iterator

from asyncteach.findings import Finding, finding, name_task
from asyncteach.findings.source import last_name, pauses, read_source
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
            (name_task(trace.rows[task]), format_duration(seconds, rough=True))
            for task, seconds in worst
        ]
        message = f"{describe_block(trace, group)}: {_describe_delays(names)}."
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
        where: tuple[object, ...] = (block.name, block.doing)
        if (place := block.place) is not None:
            where = (place.path, place.function, place not in computing and place.line)
        groups.setdefault(where, []).append(block)
    return list(groups.values())


def _longest(blocks: list[Block]) -> Block:
    return max(blocks, key=lambda block: block.end - block.start)


def _total(blocks: list[Block]) -> float:
    return sum(block.end - block.start for block in blocks)


def describe_block(trace: Trace, blocks: list[Block]) -> str:
    """Return what held the loop, for how long, at which line and by which chain of calls."""
    longest, place = _longest(blocks), _longest(blocks).place
    task = "" if longest.task is None else name_task(trace.rows[longest.task])
    who = (called(place.function) if place else "") or task or f"The callback {longest.name}"
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


def _describe_delays(names: list[tuple[str, str]]) -> str:
    """Return which tasks were delayed by how long."""
    delays = join_words([f"{name} by {seconds}" for name, seconds in names])
    return f"this delayed {delays}{' tasks' if delays.endswith(' more') else ''}"


# `{}` stands for a call that hands the work to a thread.
_EITHER = "Hand it to a thread, so that the loop goes on meanwhile: {}."
_COMPUTING = (
    "It computed, and asyncio can't make computing faster. Hand it to a thread, so that the loop "
    "goes on: {}. To use several processors, hand it to a process pool: `loop.run_in_executor`."
)
_SLEEP = "Write `await asyncio.sleep(...)`: it gives the loop back while it sleeps."
_HTTP = "Use an async client such as httpx2.AsyncClient, or hand it to a thread: {}."
_SOCKET = (
    "Use asyncio's streams (`await asyncio.open_connection(...)`), or hand it to a thread: {}."
)
_FILE = "Files can't be awaited: let a thread read or write, with {}."
_PROCESS = "Use `await asyncio.create_subprocess_exec(...)` and `await process.communicate()`."
_DATABASE = "Use an async driver for the database, or hand it to a thread: {}."
_THREADS = (
    "It waited for another thread. Between tasks use asyncio's own Lock, Event or Queue; what a "
    "thread has to do, start with {}, and await that."
)
_IMPORT = "Import at the top of the file, before the loop runs."

# By the beginning of the full name of what the line calls, or of what was seen at work below it.
_CALLS = {
    "time.sleep": _SLEEP,
    **dict.fromkeys(
        ("requests.", "urllib.", "urllib3.", "http.client.", "httpx.", "httpx2."), _HTTP
    ),
    **dict.fromkeys(("HTTPConnection.", "HTTPResponse."), _HTTP),
    **dict.fromkeys(("select.", "socket.", "ssl.", "SocketIO.", "SSLSocket."), _SOCKET),
    **dict.fromkeys(
        ("subprocess.", "Popen.", "os.system", "os.popen", "os.wait", "os.waitpid"), _PROCESS
    ),
    **dict.fromkeys(("sqlite3.", "psycopg.", "psycopg2.", "pymysql."), _DATABASE),
    **dict.fromkeys(("open", "shutil."), _FILE),
    # That of threading: asyncio's own hands the loop back.
    **dict.fromkeys(("Thread.", "Condition.wait", "Future.result"), _THREADS),
    **dict.fromkeys(("importlib.", "_find_and_load"), _IMPORT),
}
# By the last name of what the line calls on some object.
_METHODS = {
    **dict.fromkeys(("read_text", "write_text", "read_bytes", "write_bytes", "readlines"), _FILE),
    **dict.fromkeys(("execute", "executemany", "fetchall", "commit"), _DATABASE),
    **dict.fromkeys(("recv", "sendall"), _SOCKET),
}
COMPUTED = 0.5
"""A step counts as computing if its thread had a processor for at least this share of the time."""


def advise(block: Block) -> str:
    """Return what to do about a block: by what its line calls, or by what was measured of it."""
    advice = _recognise(block)
    function, caller, idle = read_chain(block.places)
    if advice is None and block.busy >= COMPUTED:
        advice = _COMPUTING + (
            " Or put `await asyncio.sleep(0)` between its steps." if idle else ""
        )
    if function and (advice is None or ("{}" not in advice and advice is not _IMPORT)):
        advice = _EITHER  # no `await` can be written in a plain function
    call = f"`await asyncio.to_thread({function or '...'})`{caller and function and caller}"
    if block.task is None:
        call = f"`loop.run_in_executor(None, {function or '...'})`"
    return (advice or _EITHER).format(call)


def _recognise(block: Block) -> str | None:
    """Return the advice for what the line calls, or for what was seen at work below it."""
    source = read_source(block.place) if block.place else None
    if block.place is None or source is None:
        return None
    read = [(read_source(place), place) for place in block.places]
    lines = [one.statement(place) for one, place in read if one]
    if any(isinstance(line, (ast.Import, ast.ImportFrom)) for line in lines):
        return _IMPORT
    names, seen = source.calls(block.place), _look_up(block.doing)
    found = [_look_up(name) or _METHODS.get(name.rpartition(".")[2]) for name in names]
    return next(filter(None, found), seen)


def _look_up(name: str) -> str | None:
    for start, advice in _CALLS.items():
        if name == start or name.startswith(start if start[-1] in "._" else f"{start}."):
            return advice
    return None


def read_chain(places: tuple[Place, ...]) -> tuple[str, str, str]:
    """Return a plain function to hand over, the coroutine that calls it, and one without `await`.

    The first is empty where the line itself is in a coroutine, in a cell, or can't be read.
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
            # What awaits it is in the user's hands, too. A library enters an `async with`.
            is_idle = isinstance(scope, ast.AsyncFunctionDef) and not pauses(scope)
            is_other = inside != called(places[0].function) and not inside.endswith("__()")
            idle = inside if is_idle and is_other else ""
        statement = source.statement(place) if source else None
        calls = [n for n in ast.walk(statement) if isinstance(n, ast.Call)] if statement else []
    return function, caller, idle


def _spell(calls: list[ast.Call], inside: str) -> str:
    """Return what to hand over, as the caller spells it; dots where a library calls it."""
    name = inside.removesuffix("()").rpartition(".")[2]
    for call in calls:
        text = ", ".join(map(ast.unparse, (call.func, *call.args, *call.keywords)))
        if last_name(call.func) == name:
            return text if len(text) <= 50 else f"{ast.unparse(call.func)}, ..."
    return "..." if calls or "." in inside or " " in inside else name
