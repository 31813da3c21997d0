"""What to write instead of a line that holds the loop.

These tables only choose the advice; no finding depends on them.
"""

import ast

from asyncteach.findings.source import pauses, read_source
from asyncteach.formatting import called
from asyncteach.places import Place
from asyncteach.tapes.tape import Block

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
_INPUT = "Ask in a thread: `await asyncio.to_thread(input, ...)`."
_DATABASE = "Use an async driver for the database, or hand it to a thread: {}."
_THREADS = "Await the result instead of blocking until it is there: start the work with {}."
_LOCK = (
    "Between tasks use asyncio's own Lock, Event or Queue and `await` it: those of `threading` "
    "and `queue` stop the whole loop."
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
    "input": _INPUT,
}
# By the last name of what the line calls on some object.
_METHODS = {
    **dict.fromkeys(("read_text", "write_text", "read_bytes", "write_bytes", "readlines"), _FILE),
    **dict.fromkeys(("execute", "executemany", "fetchall", "commit"), _DATABASE),
    **dict.fromkeys(("recv", "sendall"), _SOCKET),
    **dict.fromkeys(("acquire", "wait", "get", "put"), None),
    "urlopen": _HTTP,
    "communicate": _PROCESS,
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
    if isinstance(source.statement(block.place), (ast.Import, ast.ImportFrom)):
        return _IMPORT
    names, seen = source.calls(block.place), _look_up(block.doing)
    for name in names:
        if advice := _look_up(name):
            return advice
    for method in (name.rpartition(".")[2] for name in names):
        if method in _METHODS and (_METHODS[method] or seen is _THREADS):
            return _METHODS[method] or _LOCK
    return seen


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
    for place in places:
        source = read_source(place)
        scope = source.scope(place) if source else None
        if isinstance(scope, ast.FunctionDef) and not place.function.endswith(">"):
            own = called(place.function).removesuffix("()")
            has_arguments = bool(scope.args.args or scope.args.vararg)
            function = function or (f"{own}, ..." if has_arguments else own)
        else:
            inside = called(place.function)
            function, caller = "", f" in {inside}" if inside else ""
            # What awaits it is in the user's hands, too.
            is_idle = isinstance(scope, ast.AsyncFunctionDef) and not pauses(scope)
            idle = inside if is_idle and inside != called(places[0].function) else ""
    return function, caller, idle
