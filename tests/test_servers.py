"""Servers and clients of real libraries under record(), checked against the server's own log."""

import asyncio
import contextlib
import gc
import json
import re
import sys
import threading
import time
from collections import Counter, defaultdict
from subprocess import PIPE, Popen

import httpx2
import pytest

from asyncteach import record, slow_server

# Here and not in the tests: to import them on the loop would be a block, and a true one.
aiohttp, web = map(pytest.importorskip, ("aiohttp", "aiohttp.web"))
fastapi, uvicorn, resource = map(pytest.importorskip, ("fastapi", "uvicorn", "resource"))

MANY = 300
# A process that no recording sees: a client for each list of paths, all connected at once.
CLIENTS = """
import http.client, json, sys, threading
from concurrent.futures import ThreadPoolExecutor
port, lists = json.loads(sys.stdin.readline())
everyone = threading.Barrier(len(lists))
def visit(paths):
    client, found = http.client.HTTPConnection("127.0.0.1", port, timeout=60), []
    client.connect()
    everyone.wait()
    for path in paths:
        client.request("GET", path)
        found.append([path, client.getresponse().read().decode()])
    return found
with ThreadPoolExecutor(len(lists)) as pool:
    print(json.dumps(sum(pool.map(visit, lists), [])))
"""
# The slow page by one client and with pauses: no handler waits for many blocks in its life.
SLOW = ["/report", *["/good"] * 4] * 6


@pytest.fixture(autouse=True)
def _room():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= hard < 1000:  # without a limit it is -1
        pytest.skip("a process may not open 1,000 files here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1000), hard))
    gc.freeze()  # else a look through all that pytest holds could be a block of its own
    yield
    gc.unfreeze()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def watch(coroutine):
    """Record it, with a task beside it that is delayed by whatever holds the loop."""

    async def tick():
        while True:
            await asyncio.sleep(0.01)

    async def main():
        with record(threshold=0.05) as recording:
            ticking = asyncio.create_task(tick(), name="tick")
            answer = await asyncio.create_task(coroutine, name="watched")
            ticking.cancel()
            await asyncio.wait([ticking])
        return recording, answer

    return asyncio.run(main())


def slow_query():
    time.sleep(0.1)


async def load(what):  # a row of plain sleeps would be pauses on purpose
    await asyncio.sleep(0.02)
    return what


def make_handlers(log, answer):
    """Return the handlers by path; `answer` makes of a text what the library wants to have."""

    async def report(request=None):
        start = time.perf_counter()
        slow_query()
        log["/report"].append(time.perf_counter() - start)
        return answer("report")

    async def four(request=None):
        start = time.perf_counter()
        user = await load("user")
        cart = await load("cart")
        stock = await load("stock")
        news = await load("news")
        log["/four"].append(time.perf_counter() - start)
        return answer(f"{user} {cart} {stock} {news}")

    async def good(request=None):
        start = time.perf_counter()
        user, cart = await asyncio.gather(load("user"), load("cart"))
        page = await load(f"{user} {cart}")
        log["/good"].append(time.perf_counter() - start)
        return answer(page)

    def threaded():
        start = time.perf_counter()
        time.sleep(0.1)
        log["/threaded"].append(time.perf_counter() - start)
        return answer(threading.current_thread().name)

    return {f"/{handler.__name__}": handler for handler in (report, four, good, threaded)}


@contextlib.asynccontextmanager
async def aiohttp_site(log):
    handlers = make_handlers(log, lambda text: web.Response(text=text))
    app = web.Application()
    app.add_routes([web.get(path, handlers[path]) for path in ("/report", "/four", "/good")])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=2 * MANY).start()
    yield runner.addresses[0][1], handlers
    await runner.cleanup()


@contextlib.asynccontextmanager
async def fastapi_site(log):
    handlers = make_handlers(log, fastapi.responses.PlainTextResponse)
    app = fastapi.FastAPI()
    for path, handler in handlers.items():
        app.get(path)(handler)
    options = {"lifespan": "off", "ws": "none", "log_config": None, "log_level": "error"}
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", 0, **options))
    server.capture_signals = contextlib.nullcontext  # SIGINT would be its own in the main thread
    serving = asyncio.create_task(server.serve(), name="uvicorn")
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1], handlers
    server.should_exit = True
    await serving


def serve(site, *lists):
    """Record a server and a client for each list of paths; return also its log and so on."""
    log = defaultdict(list)  # by path, how long each handler took

    async def welcome():
        async with site(log) as (port, handlers):
            print(json.dumps([port, lists]), file=clients.stdin, flush=True)
            while clients.poll() is None:
                await asyncio.sleep(0.02)
        return handlers

    with Popen([sys.executable, "-Ic", CLIENTS], stdin=PIPE, stdout=PIPE, text=True) as clients:
        recording, handlers = watch(welcome())
        answers = json.loads(clients.stdout.read())
    asked = Counter(path for paths in lists for path in paths)
    assert {path: len(log[path]) for path in log} == asked == Counter(path for path, _ in answers)
    return recording, log, handlers, answers


def about(recording, function):
    """Return the findings that name a function or are at one of its lines."""
    own = [(__file__, line) for *_, line in function.__code__.co_lines()]
    name = f"{function.__name__}()"
    return [f for f in recording.findings if (f.file, f.line) in own or name in f.message]


def check_sentences(recording, log, handlers, *, is_aiohttp=False):
    """Compare what is said with what the server itself knows."""
    here, query = "test_servers.py", slow_query.__code__.co_firstlineno + 1
    report, four = (handlers[path].__code__.co_firstlineno + 2 for path in ("/report", "/four"))
    assert about(recording, handlers["/good"]) == []
    # On a busy machine any line of a library may hold the loop while the system does other work.
    own = sorted(one.kind for one in recording.findings if one.file == __file__)
    assert own == ["blocked-loop", "one-after-another"], recording.explain()
    assert "never held" not in recording.explain()

    (block,), held = about(recording, slow_query), log["/report"]
    assert (block.kind, block.file, block.line) == ("blocked-loop", __file__, query)
    assert f"slow_query() held the loop six times at {here}:{query}" in block.message
    assert f"called by report() at {here}:{report}" in block.message
    assert 0.7 < block.seconds / sum(held) < 1.3
    assert 0.3 < dict(block.delayed)["tick"] / sum(held) < 1.1  # it ticks every 10 ms
    table = recording.blocked()
    table = table[(table["file"] == __file__) & (table["line"] == query)]
    assert (len(table), set(table["function"])) == (len(held), {"slow_query"})
    for labels, delays in zip(table["delayed"], table["delays"], strict=True):
        assert 0 < dict(zip(labels, delays, strict=True))["tick"] < 1.1 * max(held)

    (row,), lasted = about(recording, handlers["/four"]), log["/four"]
    # From Python 3.12 on aiohttp starts its tasks eagerly and without its loop's create_task():
    # they are seen from their first wake-up on, after the first of the four.
    first, number = (
        (four + 1, "three") if is_aiohttp and sys.version_info >= (3, 12) else (four, "four")
    )
    assert (row.kind, row.file, row.line) == ("one-after-another", __file__, first)
    where = f"four() at {here}:{first} (to line {four + 3})"
    assert row.message.startswith(f"These {number} awaits in {where} ran one after another")
    assert f" {len(lasted)} times" in row.message
    amount, unit = re.search(r"([\d.]+) (ms|s) on average", row.message).groups()
    average = float(amount) / {"ms": 1000, "s": 1}[unit]
    assert 0.4 < average / (sum(lasted) / len(lasted)) < 1.2  # the log has blocks in it as well


def test_sentences_about_an_aiohttp_server_agree_with_its_own_log():
    paths = ["/four", "/good"] * 97
    recording, log, handlers, _ = serve(aiohttp_site, SLOW, *(paths[n::7] for n in range(7)))
    check_sentences(recording, log, handlers, is_aiohttp=True)


def test_sentences_about_fastapi_agree_with_its_own_log():
    asyncio.run(pytest.importorskip("anyio").to_thread.run_sync(int))  # the first imports a lot
    paths = ["/threaded", *["/four", "/good"] * 8] * 12
    recording, log, handlers, answers = serve(fastapi_site, SLOW, *(paths[n::7] for n in range(7)))
    assert {text for path, text in answers if path == "/threaded"} == {"AnyIO worker thread"}
    assert about(recording, handlers["/threaded"]) == []
    check_sentences(recording, log, handlers)


def crowds(recording):
    return [finding for finding in recording.findings if finding.kind == "unbounded"]


def test_three_hundred_visitors_at_once_are_not_unbounded():
    assert crowds(serve(aiohttp_site, *[["/good"]] * MANY)[0]) == []


async def ask_with_aiohttp(url):
    async def fetch():
        async with session.get(url) as answer:
            return await answer.text()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=5)) as session:
        return await asyncio.gather(*(fetch() for _ in range(MANY)))


async def ask_with_httpx(url):
    async def fetch():
        return (await client.get(url)).text

    options = {"limits": httpx2.Limits(max_connections=5), "trust_env": False, "timeout": 60}
    async with httpx2.AsyncClient(**options) as client:
        return await asyncio.gather(*(fetch() for _ in range(MANY)))


@pytest.mark.parametrize("ask", [ask_with_aiohttp, ask_with_httpx])
def test_three_hundred_tasks_behind_a_pool_of_five_are_not_unbounded(ask):
    server = slow_server(latency=0.002, pages={"/": "ok"})
    with server as url:
        recording, texts = watch(ask(url))
    assert texts == ["ok"] * MANY
    assert server.most_at_once <= 5
    assert crowds(recording) == []
