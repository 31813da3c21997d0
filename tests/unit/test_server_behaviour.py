"""What the slow server decides: answers, faults, its rate limit, its log, and the site."""

import math
import re

import pytest

from asyncteach import make_site, slow_server
from asyncteach.course.server.behaviour import Behaviour, RateLimit


def answers(path="/", times=1, now=0.0, **options):
    """Return the answers to that many requests for a path."""
    behaviour = Behaviour(**options)
    return [behaviour.choose_answer(path, now) for _ in range(times)]


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [("/", 200, "Grüße".encode()), ("/raw", 200, b"raw"), ("/no", 404, b"There is no page /no.\n")],
)
def test_pages_are_as_given_and_other_paths_are_not_found(path, status, body):
    (answer,) = answers(path, pages={"/": "Grüße", "/raw": b"raw"})
    assert (answer.status, answer.body) == (status, body)


@pytest.mark.parametrize(
    ("rate", "times", "waits"),
    [
        ((2, 10), [0.0, 6.0, 6.5, 9.5, 10.0, 10.5], [0, 0, 4, 1, 0, 6]),
        (2, [0.0, 0.5, 0.9, 1.0], [0, 0, 1, 0]),
    ],
)
def test_the_first_requests_are_answered_and_the_others_get_a_time_to_wait(rate, times, waits):
    limit = RateLimit(rate)
    assert [limit.seconds_to_wait(now) for now in times] == waits


def test_a_refused_request_is_answered_429_at_once():
    answer = answers(times=3, rate=(2, 10), latency=5)[-1]
    assert (answer.status, answer.retry_after, answer.latency) == (429, 10, 0)
    assert answer.body == b"Too many requests: try again in 10 s.\n"


@pytest.mark.parametrize(
    ("faulty", "faults"),
    [
        ("/a", 1), (["/a"], 1), ({"/a": 2}, 2), ({"/a": math.inf}, 4),
        (1, 4), (0, 0), ((), 0), (["/b"], 0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["drop", "hang", "fail"])
def test_the_first_requests_for_a_path_go_wrong_or_a_share(name, faulty, faults):
    found = answers("/a", 4, **{name: faulty})
    wrong = ("", 500) if name == "fail" else (name, 200)
    right = [("", 200)] * (4 - faults)
    assert [(one.fault, one.status) for one in found] == [wrong] * faults + right


def test_all_faults_of_a_path_come_one_after_the_other():
    found = answers("/a", 4, drop=["/a"], hang=["/a"], fail=["/a"])
    assert [one.fault or one.status for one in found] == ["drop", "hang", 500, 200]


def test_a_share_is_the_same_in_whatever_order_requests_come():
    paths = [f"/{n}" for n in range(400)]

    def met(order, seed):
        behaviour = Behaviour(fail=0.25, seed=seed)
        return {path for path in order if behaviour.choose_answer(path, 0).status == 500}

    assert met(paths, 1) == met(paths[::-1], 1) != met(paths, 2)
    assert 60 < len(met(paths, 1)) < 140


def test_jitter_depends_on_the_seed_and_never_shortens():
    def latencies(seed):
        return [one.latency for one in answers(times=50, latency=0.1, jitter=0.5, seed=seed)]

    assert latencies(1) == latencies(1) != latencies(2)
    assert all(0.1 <= one <= 0.6 for one in latencies(1))
    assert max(latencies(1)) - min(latencies(1)) > 0.25


@pytest.mark.parametrize("count", [1, 2, 7, 200, 1000])
def test_all_pages_of_a_site_can_be_reached(count):
    site = make_site(count, seed=count)
    found, todo = {"/"}, ["/"]
    for path in todo:
        links = set(re.findall(r'href="([^"]+)"', site[path])) - found
        found |= links
        todo += links
    assert found == set(site)
    assert len(site) == count


def test_a_site_is_the_same_for_the_same_seed_and_has_many_links():
    assert make_site(50, seed=1) == make_site(50, seed=1) != make_site(50, seed=2)
    site = make_site(200, seed=1)
    assert "".join(site.values()).count("href") > 2 * len(site)  # pages are found more than once


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"latency": "slow"}, TypeError, r"slow_server\(latency=...\) .* seconds but got 'slow'"),
        ({"latency": -1}, ValueError, "from 0 to 60, but got -1"),
        ({"latency": math.nan}, ValueError, "got nan"),
        ({"fail": 2}, ValueError, "from 0 to 1, but got 2: write fail=0.1 for a share of all"),
        ({"fail": {"/a": "often"}}, TypeError, "got 'often'"),
        ({"drop": ["news"]}, ValueError, "begin with a slash, as ./news., but got 'news'"),
        ({"drop": [1]}, TypeError, 'a slash, as "/news", but got 1'),
        ({"hang": b"/a"}, TypeError, "hang"),
        ({"rate": "10"}, TypeError, r"got '10': rate=\(10, 1.0\) answers 10 requests per second"),
        ({"rate": (10, 1, 1)}, TypeError, r"got \(10, 1, 1\): rate="),
        ({"rate": (0, 1)}, ValueError, "1 or more, but got 0"),
        ({"rate": (10, 0)}, ValueError, "from 0.01 to 60, but got 0"),
        ({"pages": "/"}, TypeError, "texts by path but got '/'"),
        ({"pages": ["/"]}, TypeError, r"pages=make_site\(200\)"),
        ({"pages": {"a": ""}}, ValueError, "begin with a slash"),
        ({"pages": {"/a": 1}}, TypeError, "texts by path but got 1"),
        ({"seed": 0.5}, TypeError, "seed"),
        ({"most": 0}, ValueError, "from 1 to 500, but got 0"),
    ],
)
def test_a_value_that_makes_no_sense_gets_a_sentence(options, error, words):
    with pytest.raises(error, match=words) as info:
        slow_server(**options)
    assert "\n" not in str(info.value)


@pytest.mark.parametrize(("count", "error"), [(0, ValueError), ("200", TypeError)])
def test_a_site_without_pages_is_refused(count, error):
    with pytest.raises(error, match=r"make_site\(count=...\) takes a whole number"):
        make_site(count)
