"""What to write instead of a line that holds the loop."""

import ast
from typing import NamedTuple

from asyncteach.places import Place
from asyncteach.source import line_of, read_source

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
_SOCKET = Cause(f"Use asyncio's streams (`await asyncio.open_connection(...)`), or {_THREAD}.")
_FILE = Cause("Files can't be awaited: write `await asyncio.to_thread(...)` around the reading "
              "or writing, so that a thread does it.", always=False)  # fmt: skip
_PROCESS = Cause("Start the program with `await asyncio.create_subprocess_exec(...)` and await it.")
_INPUT = Cause("Ask in a thread: `await asyncio.to_thread(input, ...)`.")
_DATABASE = Cause(f"Use an async driver for the database, or {_THREAD}.", always=False)
_THREADS = Cause("Await the thread's result instead of blocking for it: start the work with "
                 "`await asyncio.to_thread(...)`.")  # fmt: skip
_LOCK = Cause("Between tasks use asyncio's own Lock, Event or Queue and `await` it: those of "
              "`threading` and `queue` stop the whole loop.")  # fmt: skip
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
    "psycopg": _DATABASE,
    "pymysql.": _DATABASE,
    "open": _FILE,
    "shutil.": _FILE,
    "json.dump": _COMPUTING,
    "json.load": _COMPUTING,
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
    "SSLSocket.": _SOCKET,
    "HTTPConnection": _HTTP,
    "HTTPResponse": _HTTP,
    "subprocess.": _PROCESS,
    "Popen.": _PROCESS,
    "Thread.join": _THREADS,
    "threading.Thread.join": _THREADS,
    "Future.result": _THREADS,
    "sqlite3.": _DATABASE,
    "importlib": _IMPORT,
    "_find_and_load": _IMPORT,
}


def _begins(name: str, table: dict[str, Cause]) -> Cause | None:
    for start, cause in table.items():
        if name == start or (start[-1] in "._" and name.startswith(start)):
            return cause
        if name.startswith(f"{start}."):
            return cause
    return None


def cause_of(place: Place | None, doing: str) -> Cause:
    """Return why that line holds the loop, from its source and from what was seen at work."""
    source = read_source(place) if place else None
    if place is not None and source is not None:
        if isinstance(source.statement(place), (ast.Import, ast.ImportFrom)):
            return _IMPORT
        for name in source.calls(place):
            if cause := _begins(name, _CALLED) or _METHODS.get(name.rpartition(".")[2]):
                return cause
            method = name.rpartition(".")[2]
            if (method, "Thread" in doing) == ("join", True) or method == doing[-6:] == "result":
                return _THREADS
            if method in ("acquire", "wait", "get", "put") and doing.startswith(
                ("threading.", "queue.", "Condition.", "Event.", "Queue.")
            ):
                return _LOCK
        text = line_of(place)
        if ".read(" in text or ".write(" in text or text.startswith(("with open(", "for line in")):
            return _begins(doing, _SEEN) or (_FILE if "open(" in text else _COMPUTING)
    return _begins(doing, _SEEN) or _COMPUTING
