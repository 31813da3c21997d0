"""slow_server(): real HTTP, slow and rude on demand, and gone when its block has ended."""

import asyncio
import contextlib
import http.client
import math
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from urllib.parse import urlsplit

import httpx
import pytest

from asyncteach import make_site, record, record_threads, slow_server, virtual_time
from asyncteach.course.server.faults import Faults
from asyncteach.course.server.manners import Manners
from asyncteach.course.server.visits import OpenVisit, VisitBook


def get(url, timeout=10.0):
    """Return status and text of one request on a connection of its own."""
    with httpx.Client(trust_env=False, timeout=timeout) as client:
        answer = client.get(url)
    return answer.status_code, answer.text


async def get_all(url, paths, **options):
    """Return for each path the status, or the name of the error."""
    options = {"timeout": 10.0, "trust_env": False} | options

    async def fetch(client, path):
        try:
            return (await client.get(url + path)).status_code
        except httpx.HTTPError as error:
            return type(error).__name__

    async with httpx.AsyncClient(**options) as client:
        return await asyncio.gather(*(fetch(client, path) for path in paths))


def open_files():
    return sorted(os.listdir("/proc/self/fd")) if sys.platform == "linux" else []


@pytest.fixture(autouse=True)
def _nothing_is_left():
    httpx.Client(trust_env=False).close()  # what httpx loads once stays
    files, threads = open_files(), threading.active_count()
    yield
    assert open_files() == files
    assert threading.active_count() == threads


def test_any_path_has_a_page():
    with slow_server(latency=0) as url:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        assert get(url) == (200, "This is /\n")
        assert get(url + "/a%20b?x=1") == (200, "This is /a b\n")


def test_pages_are_as_given_and_all_other_paths_are_not_found():
    pages = {"/": "<p>Grüße</p>", "/hang": "no trick", "/raw": b"raw"}
    with slow_server(latency=0, pages=pages) as url, httpx.Client(trust_env=False) as client:
        first = client.get(url)
        assert first.text == "<p>Grüße</p>"
        assert first.headers["content-type"] == "text/html; charset=utf-8"
        assert client.get(url + "/hang").text == "no trick"
        assert client.get(url + "/raw").headers["content-type"] == "text/plain; charset=utf-8"
        assert client.get(url + "/none").status_code == 404
        assert client.get(url + "/status/503").status_code == 503


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
        for n in range(4):
            get(f"{url}/{n}")
    assert server.most_at_once == 1
    assert [visit.path for visit in server.log] == ["/0", "/1", "/2", "/3"]
    assert all(a.end <= b.start for a, b in zip(server.log, server.log[1:], strict=False))


def test_the_log_has_an_answer_when_the_client_has_it():
    server = slow_server(latency=0)
    with server as url:
        for n in range(1, 50):
            get(url)
            assert len(server.log) == n


def test_a_query_steers_its_request():
    server = slow_server(latency=0)
    with server as url:
        assert get(url + "/news?latency=0.2") == (200, "This is /news\n")
        assert get(url + "/news?status=418")[0] == 418
        assert get(url + "/news?drip=0.2") == (200, "This is /news\n")
        assert get(url + "/status/404")[0] == 404
        assert get(url + "/drip?seconds=0.1") == (200, "drip " * 20)
        for wrong in ("/news?latency=long", "/news?latency=-1", "/news?latency=nan", "/status/1"):
            assert get(url + wrong)[0] == 400
        assert "0.5" in get(url + "/news?latency=long")[1]
    times = [visit.end - visit.start for visit in server.log]
    assert times[0] >= 0.199
    assert times[2] >= 0.199


def test_a_slow_body_comes_in_pieces():
    with slow_server(latency=0, drip={"/slow": 0.3}) as url:
        with httpx.stream("GET", url + "/slow", trust_env=False) as answer:
            pieces = list(answer.iter_raw())
        assert len(pieces) > 3
        assert b"".join(pieces) == b"This is /slow\n"
        assert get(url + "/fast") == (200, "This is /fast\n")


def test_rate_limit_answers_429_and_says_how_long_to_wait():
    server = slow_server(latency=0, rate=(3, 30))
    with server as url, httpx.Client(trust_env=False) as client:
        answers = [client.get(url) for _ in range(5)]
        assert [one.status_code for one in answers] == [200, 200, 200, 429, 429]
        wait = answers[3].headers["retry-after"]
        assert 15 < int(wait) <= 30
        assert f"try again in {wait} s" in answers[3].text
    assert [visit.status for visit in server.log].count(429) == 2


def test_retry_after_is_the_time_that_is_left_in_whole_seconds():
    manners = Manners(
        latency=0, jitter=0, fail=0, rate=(2, 10), drip=None, drop=(), hang=(), pages=None, seed=0
    )
    assert [manners.treat("/", now)[1].status for now in (0.0, 6.0)] == [200, 200]
    refused = [manners.treat("/", now)[1] for now in (6.5, 9.5)]
    assert [one.headers["Retry-After"] for one in refused] == ["4", "1"]
    assert manners.treat("/", 10.0)[1].status == 200
    assert manners.treat("/", 10.5)[1].headers["Retry-After"] == "6"


def test_drop_hang_and_fail_meet_the_first_visit_of_a_path():
    server = slow_server(latency=0, drop=["/a"], hang="/b", fail={"/c": 2, "/d": math.inf})
    with server as url:
        rounds = [asyncio.run(get_all(url, ["/a", "/b", "/c", "/d"], timeout=2)) for _ in "123"]
    assert rounds[0] == ["RemoteProtocolError", "ReadTimeout", 500, 500]
    assert rounds[1] == [200, 200, 500, 500]
    assert rounds[2] == [200, 200, 200, 500]
    first = {visit.path: visit.status for visit in server.log[:4]}
    assert first == {"/a": None, "/b": None, "/c": 500, "/d": 500}


def test_drop_and_hang_by_path():
    with slow_server(latency=0) as url:
        answers = asyncio.run(get_all(url, ["/drop", "/hang"], timeout=1))
    assert answers == ["RemoteProtocolError", "ReadTimeout"]


def test_all_faults_of_a_path_come_one_after_the_other():
    with slow_server(latency=0, drop=["/a"], fail=["/a"]) as url:
        answers = [asyncio.run(get_all(url, ["/a"]))[0] for _ in "123"]
    assert answers == ["RemoteProtocolError", 500, 200]


def test_a_share_is_the_same_in_whatever_order_visits_come():
    paths = [f"/{n}" for n in range(400)]

    def met(order, seed):
        faults = Faults("fail", 0.25, seed)
        return {path for path in order if faults.meet(path, 0)}

    assert met(paths, 1) == met(paths[::-1], 1)
    assert met(paths, 1) != met(paths, 2)
    assert 60 < len(met(paths, 1)) < 140
    assert len(met(paths, 1) ^ {p for p in paths if Faults("fail", 1, 1).meet(p, 0)}) > 200


def test_jitter_is_seeded_and_never_shortens():
    def latencies(seed):
        manners = Manners(
            latency=0.1, jitter=0.5, fail=0, rate=None, drip=None, drop=(), hang=(), pages=None,
            seed=seed,
        )  # fmt: skip
        return [manners.treat(f"/{n}", 0)[1].latency for n in range(50)]

    assert latencies(1) == latencies(1) != latencies(2)
    assert all(0.1 <= one <= 0.6 for one in latencies(1))
    assert max(latencies(1)) - min(latencies(1)) > 0.25


def test_beyond_the_most_connections_it_says_so_and_beyond_those_it_closes():
    with slow_server(latency=2, most=4) as url:
        limits = httpx.Limits(max_connections=None)
        answers = asyncio.run(get_all(url, [f"/{n}" for n in range(70)], limits=limits))
        assert answers.count(200) == 4
        assert 30 < answers.count(503) <= 50
        assert set(answers) - {200, 503} <= {"RemoteProtocolError", "ReadError", "ConnectError"}
        assert get(url)[0] == 200  # and there is room again


def test_who_comes_too_many_is_told_why():
    with slow_server(latency=0.2, most=1) as url:
        address = urlsplit(url)
        first = socket.create_connection((address.hostname, address.port))
        with first, httpx.Client(trust_env=False) as client:
            answer = client.get(url)
    assert answer.status_code == 503
    assert answer.headers["connection"] == "close"
    assert "Too many connections" in answer.text


def test_what_is_too_long_is_refused():
    with slow_server(latency=0) as url, httpx.Client(trust_env=False) as client:
        assert client.post(url, content=b"x" * 60_000).status_code == 200
        assert client.post(url, content=b"x" * 70_000).status_code == 413
        assert client.get(url).status_code == 200
        with contextlib.suppress(httpx.HTTPError):
            assert client.post(url, content=b"x" * 2_000_000).status_code == 400
        with contextlib.suppress(httpx.HTTPError):
            assert client.get(url, headers={"x": "y" * 20_000}).status_code == 400
        assert client.get(url).status_code == 200


def test_nothing_takes_longer_than_the_patience():
    server = slow_server(latency=0, patience=0.2)
    with server as url:
        assert asyncio.run(get_all(url, ["/hang"])) == ["RemoteProtocolError"]
        address = urlsplit(url)
        with socket.create_connection((address.hostname, address.port), timeout=10) as silent:
            assert silent.recv(1) == b""
        with socket.create_connection((address.hostname, address.port), timeout=10) as slow:
            slow.sendall(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n12")
            assert slow.recv(1) == b""
    assert [visit.status for visit in server.log] == [None]


def test_other_methods_and_what_is_no_http():
    with slow_server(latency=0) as url:
        address = urlsplit(url)
        connection = http.client.HTTPConnection(address.hostname, address.port)
        for method in ("HEAD", "PUT", "DELETE"):
            connection.request(method, "/a")
            answer = connection.getresponse()
            assert (answer.status, bool(answer.read())) == (200, method != "HEAD")
        for status in (204, 304):
            connection.request("GET", f"/status/{status}")
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (status, b"")
        connection.close()
        with socket.create_connection((address.hostname, address.port), timeout=10) as stranger:
            stranger.sendall(b"good morning\r\n\r\n")
            assert stranger.recv(100).startswith(b"HTTP/1.1 400")
        assert get(url)[0] == 200


def test_a_client_that_leaves_is_in_the_log_without_an_answer():
    async def leave(url):
        async with httpx.AsyncClient(trust_env=False) as client:
            task = asyncio.create_task(client.get(url + "/long?latency=20"))
            while not server.most_at_once:
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    server = slow_server()
    with server as url:
        asyncio.run(leave(url))
    (visit,) = server.log
    assert (visit.path, visit.status) == ("/long", None)
    assert visit.end - visit.start < 10


def test_who_gives_up_and_asks_again_counts_once():
    gone = []
    book = VisitBook()
    first = OpenVisit("/a", 0.0, lambda: bool(gone))
    book.begin(first)
    gone.append(True)
    second = OpenVisit("/a", 1.0, lambda: False)
    book.begin(second)
    book.end(first, None, 1.5)  # its farewell comes late
    book.end(second, 200, 2.0)
    assert book.most_at_once == 1
    assert book.read() == [("/a", None, 0.0, 1.0), ("/a", 200, 1.0, 2.0)]


def test_ten_that_give_up_and_ask_again_are_never_more_than_ten():
    async def insist(client, url):
        for _ in range(4):
            with contextlib.suppress(httpx.ReadTimeout):
                await client.get(url + "/hang")

    async def main(url):
        async with httpx.AsyncClient(trust_env=False, timeout=httpx.Timeout(5, read=0.2)) as one:
            await asyncio.gather(*(insist(one, url) for _ in range(10)))

    server = slow_server(latency=0)
    with server as url:
        asyncio.run(main(url))
    assert 20 < len(server.log) <= 40
    assert 5 < server.most_at_once <= 10


def test_the_block_ends_at_once_with_requests_open():
    async def main():
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            server = slow_server(latency=50, drip=50)
            with server as url:
                paths = ("/a", "/hang", "/b?latency=0")
                tasks = [asyncio.create_task(client.get(url + path)) for path in paths]
                while server.most_at_once < 3:
                    await asyncio.sleep(0.01)
                before = time.perf_counter()
            after = time.perf_counter()
            answers = await asyncio.gather(*tasks, return_exceptions=True)
        return after - before, answers

    seconds, answers = asyncio.run(main())
    assert seconds < 5
    assert all(isinstance(answer, httpx.TransportError) for answer in answers)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_in_the_block_closes_it_and_comes_out_as_it_was(error):
    server = slow_server(latency=0)
    with pytest.raises(error, match="mine"), server as url:
        get(url)
        raise error("mine")
    with pytest.raises(httpx.ConnectError):
        get(url)
    assert "closed: 1 visits" in repr(server)


def test_a_server_can_be_opened_again_and_begins_anew():
    server = slow_server(latency=0, drop=["/a"])
    for _ in "12":
        with server as url:
            assert f"open at {url}" in repr(server)
            assert asyncio.run(get_all(url, ["/a"])) == ["RemoteProtocolError"]
            with pytest.raises(RuntimeError, match="open already"), server:
                pass
        assert len(server.log) == 1


def test_two_servers_and_other_threads():
    def work(answers):
        with slow_server(latency=0) as url:
            answers.append(get(url)[0])

    answers = []
    with slow_server(latency=0) as one, slow_server(latency=0) as two:
        threads = [threading.Thread(target=work, args=(answers,)) for _ in range(5)]
        for thread in threads:
            thread.start()
        assert one != two
        assert get(one)[0] == get(two)[0] == 200
        for thread in threads:
            thread.join()
    assert answers == [200] * 5


def test_a_server_that_nobody_closes_goes_with_its_last_name():
    server = slow_server(latency=0)
    url = server.__enter__()
    assert get(url)[0] == 200
    del server
    with pytest.raises(httpx.ConnectError):
        get(url)


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_may_leave_the_block():
    server = slow_server(latency=0)
    with server as url:
        child = os.fork()
        if not child:
            try:
                server.__exit__(None, None, None)
                os._exit(7)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert get(url)[0] == 200


def test_a_blocking_client_on_the_loop_is_answered():
    async def main(url):
        return get(url)

    with slow_server(latency=0.05) as url:
        assert asyncio.run(main(url))[0] == 200


def test_no_recording_shows_the_server():
    async def main():
        with record() as recording, slow_server(latency=0.05) as url:
            await get_all(url, ["/a", "/b"])
        return recording

    recording = asyncio.run(main())
    coroutines = set(recording.tasks()["coroutine"])
    assert "get_all.<locals>.fetch" in coroutines
    assert not coroutines & {"_Request._serve", "House._serve"}
    assert not any("_server_request_loop" in coroutine for coroutine in coroutines)

    with record_threads() as threads, slow_server(latency=0.05) as url:
        get(url)
    assert len(threads.names) == 1


def test_virtual_time_is_refused_in_a_sentence():
    server = slow_server()
    with virtual_time(), pytest.raises(RuntimeError, match=r"outside of virtual_time\(\)"), server:
        pass
    with server as url:
        assert get(url)[0] == 200


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"latency": "slow"}, TypeError, "latency= takes seconds .* got 'slow'"),
        ({"latency": True}, TypeError, "latency= takes seconds"),
        ({"latency": -1}, ValueError, "latency= takes seconds from 0 to 60"),
        ({"latency": math.nan}, ValueError, "got nan"),
        ({"latency": 1000}, ValueError, "from 0 to 60"),
        ({"jitter": None}, TypeError, "jitter= takes seconds"),
        ({"fail": 2}, ValueError, "fail= takes a share of all visits from 0 to 1"),
        ({"fail": None}, TypeError, "fail= takes a share"),
        ({"fail": {"/a": "often"}}, ValueError, "'often' as how many times"),
        ({"drop": ["news"]}, ValueError, 'a path begins with a slash, so drop= takes "/news"'),
        ({"drop": [1]}, TypeError, 'drop= takes paths such as "/news", and got 1'),
        ({"hang": b"/a"}, TypeError, "hang= takes a share"),
        ({"rate": "10"}, TypeError, r"rate= takes how many requests .* rate=\(10, 1.0\)"),
        ({"rate": (10, 1, 1)}, TypeError, "rate= takes how many"),
        ({"rate": (10, "s")}, TypeError, "rate= takes how many"),
        ({"rate": (0, 1)}, ValueError, "at least one"),
        ({"rate": 2.5}, ValueError, "a whole number of them"),
        ({"rate": math.inf}, ValueError, "a whole number of them"),
        ({"rate": math.nan}, ValueError, "a whole number of them"),
        ({"rate": (10, 0)}, ValueError, "0.01 to 60 seconds"),
        ({"drip": "1"}, TypeError, "drip= takes seconds"),
        ({"drip": {"/a": -1}}, ValueError, "drip= takes seconds"),
        ({"pages": ["/"]}, TypeError, r"pages= takes a dictionary .* make_site\(200\)"),
        ({"pages": {"a": ""}}, ValueError, "a path begins with a slash"),
        ({"pages": {"/a": 1}}, TypeError, "pages= takes a text for each path"),
        ({"pages": {"/a": "x" * 2_000_000}}, ValueError, "is longer"),
        ({"pages": {f"/{n}": "" for n in range(20_001)}}, ValueError, "20000 pages at most"),
        ({"seed": 0.5}, TypeError, "seed= takes a whole number"),
        ({"most": 0}, ValueError, "most= takes a whole number from 1 to 500"),
        ({"most": 1.5}, TypeError, "most= takes a whole number"),
        ({"patience": 0}, ValueError, "patience= takes seconds from 0.05 to 600"),
    ],
)
def test_values_that_make_no_sense_get_a_sentence(options, error, words):
    with pytest.raises(error, match=words) as info:
        slow_server(**options)
    assert "\n" not in str(info.value)


@pytest.mark.parametrize("name", ["http_proxy", "ALL_PROXY"])
def test_a_proxy_that_would_be_asked_instead_is_told_of(monkeypatch, name):
    for one in [one for one in os.environ if one.lower().endswith("_proxy")]:
        monkeypatch.delenv(one)
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.warns(RuntimeWarning, match=f"{name.upper()} is set.* NO_PROXY") as told:
        slow_server().__enter__()
    assert told[0].filename == __file__
    monkeypatch.setenv("NO_PROXY", "example.org, 127.0.0.1")
    with slow_server(latency=0) as url, httpx.Client() as client:
        assert client.get(url).status_code == 200


def test_a_rate_may_be_a_number_a_second():
    with slow_server(latency=0, rate=2) as url:
        # Sent at once, they may arrive in any order.
        assert sorted(asyncio.run(get_all(url, ["/a", "/b", "/c"]))) == [200, 200, 429]


@pytest.mark.parametrize("count", [1, 2, 7, 200, 1000])
def test_all_pages_of_a_site_can_be_reached(count):
    site = make_site(count, seed=count)
    found, todo = {"/"}, ["/"]
    while todo:
        for link in re.findall(r'href="([^"]+)"', site[todo.pop()]):
            if link not in found:
                found.add(link)
                todo.append(link)
    assert found == set(site)
    assert len(site) == count


def test_a_site_is_the_same_for_the_same_seed_and_no_chain():
    assert make_site(50, seed=1) == make_site(50, seed=1) != make_site(50, seed=2)
    depths, todo, site = {"/": 0}, ["/"], make_site(200, seed=1)
    for path in todo:
        for link in re.findall(r'href="([^"]+)"', site[path]):
            if link not in depths:
                depths[link] = depths[path] + 1
                todo.append(link)
    assert 3 < max(depths.values()) < 20
    links = [link for page in site.values() for link in re.findall(r'href="([^"]+)"', page)]
    assert len(links) > 2 * len(site)  # most pages are found more than once


@pytest.mark.parametrize(
    ("count", "error"), [(0, ValueError), (-5, ValueError), ("200", TypeError), (True, TypeError)]
)
def test_a_site_without_pages_is_refused(count, error):
    with pytest.raises(error, match="count= takes a whole number from 1"):
        make_site(count)


def run_script(text, *, interrupt=False):
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(text)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        if interrupt:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGINT)
        return (*process.communicate(timeout=60), process.returncode)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_an_interrupt_closes_it_and_the_script_goes_on():
    out, err, code = run_script(
        """
        import os, signal, threading, time
        signal.signal(signal.SIGINT, signal.default_int_handler)
        from asyncteach import slow_server
        server = slow_server(latency=20)
        files = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
        try:
            with server as url:
                import urllib.request
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
    out, err, code = run_script(
        """
        from asyncteach import slow_server
        server = slow_server()
        url = server.__enter__()
        print("open")
        """
    )
    assert (out, err, code) == ("open\n", "", 0)


def test_without_tornado_a_sentence_says_what_to_install():
    out, err, code = run_script(
        """
        import sys
        sys.modules["tornado"] = None
        from asyncteach import make_site, slow_server
        print(len(make_site(3)))
        try:
            slow_server()
        except ImportError as error:
            print(error)
        """
    )
    assert (out.splitlines()[0], err, code) == ("3", "", 0)
    assert "pip install tornado" in out


def test_the_package_is_light_without_it():
    out, _, _ = run_script(
        "import sys, asyncteach; print('tornado' in sys.modules, 'httpx' in sys.modules)"
    )
    assert out == "False False\n"
