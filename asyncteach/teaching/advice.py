"""What to write instead of a line that holds the loop."""

import ast
from typing import NamedTuple

from asyncteach.places import Place
from asyncteach.teaching.source import read_source

_THREAD = "hand it to a thread: `await asyncio.to_thread(...)`"


class Cause(NamedTuple):
    """Why a line holds the loop, and what to write instead."""

    fix: str
    waits: bool = True
    """False: it may be computing, or only have seemed to on a machine that was busy elsewhere."""
    always: bool = True
    """True: it has no place in a coroutine, even where nobody had to wait for it."""


_SLEEP = Cause("Write `await asyncio.sleep(...)`: it hands the loop back while it sleeps.")
_HTTP = Cause(f"Use an async client such as httpx.AsyncClient, or {_THREAD}.")
_SOCKET = Cause(
    "Use an async client, or asyncio's streams (`await asyncio.open_connection(...)`), or "
    f"{_THREAD}."
)
_FILE = Cause(
    "Files can't be awaited: write `await asyncio.to_thread(...)` around the reading or writing, "
    "so that a thread does it.",
    always=False,
)
_PROCESS = Cause("Start the program with `await asyncio.create_subprocess_exec(...)` and await it.")
_INPUT = Cause("Ask in a thread: `await asyncio.to_thread(input, ...)`.")
_DATABASE = Cause(f"Use an async driver for the database, or {_THREAD}.", always=False)
_THREADS = Cause(
    "Await the thread's result instead of blocking for it: start the work with "
    "`await asyncio.to_thread(...)`."
)
_LOCK = Cause(
    "Between tasks use asyncio's own Lock, Event or Queue and `await` it: those of `threading` "
    "and `queue` stop the whole loop."
)
_IMPORT = Cause("Import at the top of the file, before the loop runs.", waits=False, always=False)
_COMPUTING = Cause(
    "If it computes, `await asyncio.to_thread(...)` keeps the loop answering, and a process pool "
    "(`loop.run_in_executor`) makes several of them faster too.",
    waits=False,
    always=False,
)

# What a line calls, by the beginning of its full name.
_CALLED = {
    "time.sleep": _SLEEP,
    "requests.": _HTTP,
    "urllib.": _HTTP,
    "urllib3.": _HTTP,
    "http.client.": _HTTP,
    "httpx.get": _HTTP,
    "httpx.post": _HTTP,
    "httpx.Client": _HTTP,
    "socket.": _SOCKET,
    "subprocess.": _PROCESS,
    "os.system": _PROCESS,
    "os.popen": _PROCESS,
    "input": _INPUT,
    "sqlite3.": _DATABASE,
    "psycopg.": _DATABASE,
    "psycopg2.": _DATABASE,
    "pymysql.": _DATABASE,
    "open": _FILE,
    "shutil.": _FILE,
}
# What a line calls on some object, by the end of its name.
_METHODS = {
    "read_text": _FILE,
    "write_text": _FILE,
    "read_bytes": _FILE,
    "write_bytes": _FILE,
    "readlines": _FILE,
    "writelines": _FILE,
    "read_csv": _FILE,
    "executemany": _DATABASE,
    "execute": _DATABASE,
    "fetchall": _DATABASE,
    "commit": _DATABASE,
    "recv": _SOCKET,
    "sendall": _SOCKET,
    "urlopen": _HTTP,
    "communicate": _PROCESS,
}
# The innermost function that was seen at work, a library's perhaps.
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
    "Condition.wait": _THREADS,  # asyncio's own hands the loop back
    "Future.result": _THREADS,
    "sqlite3.": _DATABASE,
    "importlib.": _IMPORT,
    "_find_and_load": _IMPORT,
}
_LOCKING = ("acquire", "wait", "get", "put")


def _begins(name: str, table: dict[str, Cause]) -> Cause | None:
    for start, cause in table.items():
        if name == start or name.startswith(start if start[-1] in "._" else f"{start}."):
            return cause
    return None


def cause_of(place: Place | None, doing: str) -> Cause:
    """Return why that line holds the loop, from its source and from what was seen at work."""
    seen = _begins(doing, _SEEN)
    source = read_source(place) if place else None
    if place is None or source is None:
        return seen or _COMPUTING
    if isinstance(source.statement(place), (ast.Import, ast.ImportFrom)):
        return _IMPORT
    names = source.calls(place)
    for name in names:
        if cause := _begins(name, _CALLED):
            return cause
    for name in names:
        method = name.rpartition(".")[2]
        if cause := _METHODS.get(method):
            return cause
        if seen is _THREADS and method in _LOCKING:
            return _LOCK
    return seen or _COMPUTING
