"""What to write instead of a line that holds the loop.

These tables only choose the advice; no finding depends on them.
"""

import ast

from asyncteach.findings.source import last_name, pauses, read_source
from asyncteach.formatting import called
from asyncteach.places import Place
from asyncteach.trace import Block

# `{}` stands for a call that hands the work to a thread.
_EITHER = "Hand it to a thread, so that the loop goes on meanwhile: {}."
_COMPUTING = (
    "It computed, and asyncio can't make computing faster. Hand it to a thread, so that the loop "
    "goes on: {}. To use several processors, hand it to a process pool: `loop.run_in_executor`."
)
_SLEEP = "Write `await asyncio.sleep(...)`: it gives the loop back while it sleeps."
_HTTP = "Use an async client such as httpx.AsyncClient, or hand it to a thread: {}."
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
    **dict.fromkeys(("requests.", "urllib.", "urllib3.", "http.client.", "httpx."), _HTTP),
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
