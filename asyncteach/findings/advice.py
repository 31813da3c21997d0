"""What to write instead of a line that holds the loop, where the line is recognised.

Nothing is told or kept silent because of these tables: they only choose the advice.
"""

import ast

from asyncteach.findings.source import read_source
from asyncteach.formatting import called
from asyncteach.tapes.tape import Block

# `{}` stands for a call that hands the work to a thread.
_WAITING = "It waited and did not compute. Hand it to a thread, so that the loop goes on: {}."
_COMPUTING = (
    "It computed. A thread keeps the loop answering: {}. A process pool (`loop.run_in_executor`) "
    "makes several of them faster, too."
)
_EITHER = (
    "Hand it to a thread, so that the loop goes on: {}. If it computes, a process pool "
    "(`loop.run_in_executor`) makes several of them faster, too."
)
_SLEEP = "Write `await asyncio.sleep(...)`: it hands the loop back while it sleeps."
_HTTP = "Use an async client such as httpx.AsyncClient, or hand it to a thread: {}."
_SOCKET = (
    "Use an async client or asyncio's streams (`await asyncio.open_connection(...)`), or hand it "
    "to a thread: {}."
)
_FILE = "Files can't be awaited: let a thread read or write, with {}."
_PROCESS = "Start the program with `await asyncio.create_subprocess_exec(...)` and await it."
_INPUT = "Ask in a thread: `await asyncio.to_thread(input, ...)`."
_DATABASE = "Use an async driver for the database, or hand it to a thread: {}."
_THREADS = "Await the result instead of blocking until it is there: start the work with {}."
_LOCK = (
    "Between tasks use asyncio's own Lock, Event or Queue and `await` it: those of `threading` "
    "and `queue` stop the whole loop."
)
_IMPORT = "Import at the top of the file, before the loop runs."

# By the beginning of the full name of what the line calls.
_CALLED = {
    "time.sleep": _SLEEP,
    "requests.": _HTTP,
    "urllib.": _HTTP,
    "urllib3.": _HTTP,
    "http.client.": _HTTP,
    "httpx.get": _HTTP,
    "httpx.post": _HTTP,
    "httpx.Client": _HTTP,
    "select.": _SOCKET,
    "socket.": _SOCKET,
    "subprocess.": _PROCESS,
    "os.system": _PROCESS,
    "os.popen": _PROCESS,
    "os.wait": _PROCESS,
    "input": _INPUT,
    "sqlite3.": _DATABASE,
    "psycopg.": _DATABASE,
    "psycopg2.": _DATABASE,
    "pymysql.": _DATABASE,
    "open": _FILE,
    "shutil.": _FILE,
}
# By the last name of what the line calls.
_METHODS = {
    "read_text": _FILE,
    "write_text": _FILE,
    "read_bytes": _FILE,
    "write_bytes": _FILE,
    "readlines": _FILE,
    "writelines": _FILE,
    "executemany": _DATABASE,
    "execute": _DATABASE,
    "fetchall": _DATABASE,
    "commit": _DATABASE,
    "recv": _SOCKET,
    "sendall": _SOCKET,
    "urlopen": _HTTP,
    "communicate": _PROCESS,
}
# By the beginning of the innermost function that was seen on the stack, a library's perhaps.
_SEEN = {
    "socket.": _SOCKET,
    "ssl.": _SOCKET,
    "SocketIO.": _SOCKET,
    "SSLSocket.": _SOCKET,
    "HTTPConnection.": _HTTP,
    "HTTPResponse.": _HTTP,
    "subprocess.": _PROCESS,
    "Popen.": _PROCESS,
    "Thread.": _THREADS,
    "Condition.wait": _THREADS,  # that of threading: asyncio's own hands the loop back
    "Future.result": _THREADS,
    "sqlite3.": _DATABASE,
    "importlib.": _IMPORT,
    "_find_and_load": _IMPORT,
}
_LOCKING = ("acquire", "wait", "get", "put")


_COMPUTED = 0.5
"""The share of its time from which on a step with a processor counts as computing."""


def advise(block: Block) -> str:
    """Return what to do about a block: by what its line calls, or by what was measured of it."""
    advice = _recognise(block)
    if advice is None:
        advice = _EITHER
        if block.busy == block.busy:
            advice = _COMPUTING if block.busy >= _COMPUTED else _WAITING
    function, caller = _plain_function(block)
    if function is None:
        return advice.format("`await asyncio.to_thread(...)`")
    if "{}" not in advice and advice is not _IMPORT:
        advice = _EITHER.partition(" If")[0]  # no `await` can be written in a plain function
    if block.task is None:
        return advice.format(f"`loop.run_in_executor(None, {function})`")
    inside = f" in {caller}" if caller else ""
    return advice.format(f"`await asyncio.to_thread({function})`{inside}")


def _recognise(block: Block) -> str | None:
    """Return the advice for what the line calls, or for what was seen at work below it."""
    source = read_source(block.place) if block.place else None
    if block.place is None or source is None:
        return None
    if isinstance(source.statement(block.place), (ast.Import, ast.ImportFrom)):
        return _IMPORT
    names, seen = source.calls(block.place), _begins(block.doing, _SEEN)
    for name in names:
        if advice := _begins(name, _CALLED):
            return advice
    for name in names:
        method = name.rpartition(".")[2]
        if advice := _METHODS.get(method):
            return advice
        if seen is _THREADS and method in _LOCKING:
            return _LOCK
    return seen


def _begins(name: str, table: dict[str, str]) -> str | None:
    for start, advice in table.items():
        if name == start or name.startswith(start if start[-1] in "._" else f"{start}."):
            return advice
    return None


def _plain_function(block: Block) -> tuple[str | None, str]:
    """Return the plain function that was called where one can await, and by which coroutine.

    None: the line itself is in a coroutine, in a cell, or its source can't be read.
    """
    caller, found = "", None
    for place in block.places:
        source = read_source(place)
        scope = source.scope(place) if source else None
        if isinstance(scope, ast.FunctionDef) and not place.function.endswith(">"):
            if found is None:
                own = called(place.function).removesuffix("()")
                has_arguments = bool(scope.args.args or scope.args.vararg)
                found = f"{own}, ..." if has_arguments else own
        else:
            caller, found = called(place.function), None
    return found, caller
