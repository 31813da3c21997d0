"""slow_server(): real HTTP, slow and unreliable on demand, and gone when its block has ended."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time

import httpx2
import pytest

from asyncteach import record, record_threads, slow_server, virtual_time


def get(url):
    """Return status and text of one request on a connection of its own."""
    with httpx2.Client(trust_env=False, timeout=10) as client:
        answer = client.get(url)
    return answer.status_code, answer.text


async def get_all(url, paths, **options):
    """Return for each path the status, or the name of the error."""
    options = {"timeout": 10.0, "trust_env": False} | options

    async def fetch(client, path):
        try:
            return (await client.get(url + path)).status_code
        except httpx2.HTTPError as error:
            return type(error).__name__

    async with httpx2.AsyncClient(**options) as client:
        return await asyncio.gather(*(fetch(client, path) for path in paths))


def open_files():
    return sorted(os.listdir("/proc/self/fd")) if sys.platform == "linux" else []


@pytest.fixture(autouse=True)
def _nothing_is_left():
    httpx2.Client(trust_env=False).close()  # what httpx2 loads once stays
    files, threads = open_files(), threading.active_count()
    yield
    assert open_files() == files
    assert threading.active_count() == threads


def test_any_path_has_a_page():
    with slow_server(latency=0) as url, slow_server(latency=0) as other:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        assert url != other
        assert get(url + "/a%20b?x=1") == (200, "This is /a b\n")


def test_pages_have_the_type_of_their_text():
    pages = {"/": "<p>Grüße</p>", "/raw": b"raw"}
    with slow_server(latency=0, pages=pages) as url:
        first, raw = (httpx2.get(url + path, trust_env=False) for path in pages)
    assert (first.text, raw.content) == ("<p>Grüße</p>", b"raw")
    assert first.headers["content-type"].startswith("text/html")
    assert raw.headers["content-type"].startswith("text/plain")


def test_latency_is_per_request_and_many_are_answered_at_once():
    server = slow_server(latency=0.8)
    with server as url:
        asyncio.run(get_all(url, [f"/{n}" for n in range(10)]))
    assert all(visit.end - visit.start >= 0.799 for visit in server.log)
    assert server.most_at_once == 10
    whole = max(visit.end for visit in server.log) - min(visit.start for visit in server.log)
    assert whole < 10 * 0.8 / 2


def test_one_after_another_is_never_two_at_once():
    server = slow_server(latency=0.01)
    with server as url:
        for n in range(20):
            get(f"{url}/{n}")
            assert len(server.log) == n + 1  # a client that has the answer finds it in the log
    assert server.most_at_once == 1
    assert [visit.path for visit in server.log] == [f"/{n}" for n in range(20)]


def test_faults_and_limits_reach_the_client():
    server = slow_server(latency=0, drop=["/a"], hang="/b", fail={"/c": 2}, rate=(7, 30))
    with server as url:
        rounds = [asyncio.run(get_all(url, ["/a", "/b", "/c"], timeout=2)) for _ in "12"]
        refused = httpx2.get(url, trust_env=False), httpx2.get(url, trust_env=False)
    assert rounds == [["RemoteProtocolError", "ReadTimeout", 500], [200, 200, 500]]
    assert [one.status_code for one in refused] == [200, 429]
    assert 0 < int(refused[1].headers["retry-after"]) <= 30
    statuses = {(visit.path, visit.status) for visit in server.log[:3]}
    assert statuses == {("/a", None), ("/b", None), ("/c", 500)}


def test_more_requests_than_the_most_are_refused():
    with slow_server(latency=2, most=4) as url:
        limits = httpx2.Limits(max_connections=None)
        answers = asyncio.run(get_all(url, [f"/{n}" for n in range(70)], limits=limits))
        assert (answers.count(200), answers.count(503)) == (4, 66)
        assert get(url)[0] == 200  # and there is room again


def test_a_client_that_leaves_is_in_the_log_without_an_answer():
    async def leave(url):
        async with httpx2.AsyncClient(trust_env=False) as client:
            task = asyncio.create_task(client.get(url + "/long"))
            while not server.most_at_once:
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    server = slow_server(latency=20)
    with server as url:
        asyncio.run(leave(url))
    (visit,) = server.log
    assert (visit.path, visit.status) == ("/long", None)
    assert visit.end - visit.start < 10


def test_ten_that_give_up_and_ask_again_are_never_more_than_ten():
    async def insist(client, url):
        for _ in range(4):
            with contextlib.suppress(httpx2.ReadTimeout):
                await client.get(url)

    async def main(url):
        async with httpx2.AsyncClient(trust_env=False, timeout=httpx2.Timeout(5, read=0.2)) as one:
            await asyncio.gather(*(insist(one, url) for _ in range(10)))

    server = slow_server(latency=0, hang=1.0)
    with server as url:
        asyncio.run(main(url))
    assert 20 < len(server.log) <= 40
    assert 5 < server.most_at_once <= 10


def test_the_block_ends_at_once_with_requests_open():
    async def main():
        async with httpx2.AsyncClient(trust_env=False, timeout=60) as client:
            server = slow_server(latency=50, hang=["/hang"])
            with server as url:
                tasks = [asyncio.create_task(client.get(url + path)) for path in ("/a", "/hang")]
                while server.most_at_once < 2:
                    await asyncio.sleep(0.01)
                before = time.perf_counter()
            after = time.perf_counter()
            answers = await asyncio.gather(*tasks, return_exceptions=True)
        return after - before, answers, [visit.status for visit in server.log]

    seconds, answers, statuses = asyncio.run(main())
    assert seconds < 5
    assert all(isinstance(answer, httpx2.TransportError) for answer in answers)
    assert statuses == [None, None]


def test_a_server_can_be_opened_again_and_begins_anew():
    server = slow_server(latency=0, drop=["/a"])
    for _ in "12":
        with server as url:
            assert asyncio.run(get_all(url, ["/a"])) == ["RemoteProtocolError"]
            with pytest.raises(RuntimeError, match="already open"), server:
                pass
        assert len(server.log) == 1
        with pytest.raises(httpx2.ConnectError):
            get(url)


def test_no_recording_shows_the_server():
    async def main():
        with record() as recording, slow_server(latency=0.05) as url:
            await get_all(url, ["/a", "/b"])
        return recording

    coroutines = set(asyncio.run(main()).tasks()["coroutine"])
    assert "get_all.<locals>.fetch" in coroutines
    assert not [one for one in coroutines if one.startswith(("_Handler", "slow_server", "HTTP"))]

    with record_threads() as threads, slow_server(latency=0.05) as url:
        get(url)
    assert len(threads.names) == 1


def test_virtual_time_is_refused_in_a_sentence():
    with virtual_time(), pytest.raises(RuntimeError, match=r"outside of virtual_time\(\)"):
        slow_server().__enter__()


def test_a_proxy_that_clients_would_ask_instead_gets_a_warning(monkeypatch):
    for one in [one for one in os.environ if one.lower().endswith("_proxy")]:
        monkeypatch.delenv(one)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.warns(RuntimeWarning, match="a proxy is set.* NO_PROXY") as warned, slow_server():
        pass
    assert warned[0].filename == __file__
    monkeypatch.setenv("NO_PROXY", "example.org, 127.0.0.1")
    with slow_server(latency=0) as url, httpx2.Client() as client:
        assert client.get(url).status_code == 200


def run_script(text, *, interrupt=False):
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(text)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        if interrupt:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGINT)
        return (*process.communicate(timeout=60), process.returncode)


def test_an_interrupt_closes_it_and_the_script_goes_on():
    out, err, code = run_script(
        """
        import signal, threading, time, urllib.request
        signal.signal(signal.SIGINT, signal.default_int_handler)
        from asyncteach import slow_server
        server = slow_server(latency=20)
        try:
            with server as url:
                visitor = threading.Thread(target=lambda: urllib.request.urlopen(url), daemon=True)
                threading.excepthook = lambda args: None
                visitor.start()
                while not server.most_at_once:
                    time.sleep(0.01)
                print("ready", flush=True)
                time.sleep(30)
        except KeyboardInterrupt:
            visitor.join(10)
            print(repr(server.log[0].status), threading.active_count())
        """,
        interrupt=True,
    )
    assert (out, err, code) == ("None 1\n", "", 0)


def test_a_script_may_end_inside_the_block():
    code = "from asyncteach import slow_server; url = slow_server().__enter__(); print('open')"
    assert run_script(code) == ("open\n", "", 0)


def test_without_tornado_a_sentence_says_what_to_install():
    out, err, code = run_script(
        """
        import sys
        sys.modules["tornado"] = None
        from asyncteach import make_site
        try:
            from asyncteach import slow_server
        except ImportError as error:
            print(len(make_site(3)), error)
        """
    )
    assert (out[:2], err, code) == ("3 ", "", 0)
    assert "pip install tornado" in out
