"""Limits while Redis is away: each process counts for itself, and no request waits for what does not answer."""

import socket
import threading
import time

import pytest
from django.core.cache import caches

from core.db import redis_client
from core.db.counters import check, count_in_redis
from core.tests.links import use_redis
from core.tests.parallel import together

pytestmark = pytest.mark.django_db

REFUSED = "redis://127.0.0.1:1/0"


@pytest.fixture
def without_redis(settings):
    settings.REDIS_URL = ""


@pytest.fixture
def refused_redis(settings):
    use_redis(settings, REFUSED)


def allowed(scope, identity="someone", most=100):
    return sum(check(scope, identity).allowed for _ in range(most))


def test_without_redis_the_limit_is_kept_in_the_process(rates, refused_redis):
    rates(user=10)

    assert allowed("user") == 10
    assert allowed("user", "another") == 10


def test_without_redis_doors_are_stricter(rates, refused_redis):
    rates(auth=10, anon=10)

    assert (allowed("auth"), allowed("anon")) == (5, 10)


def test_where_no_redis_is_meant_to_be_doors_are_as_configured(rates, without_redis):
    rates(auth=10)

    assert allowed("auth") == 10


@pytest.mark.parametrize(("processes", "share"), [(1, 10), (3, 4), (20, 1)])
def test_each_of_several_processes_lets_its_share_through(rates, settings, without_redis, processes, share):
    rates(user=10)
    settings.WEB_CONCURRENCY = processes

    assert allowed("user") == share


def test_requests_are_answered_while_redis_is_away(rates, refused_redis, owner):
    rates(user=3)
    answers = [owner.get("/api/v1/jobs") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]


@pytest.fixture
def black_hole():
    """Something that takes connections and never answers, as a stopped Redis does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)

        def connections():
            taken = 0
            while True:
                try:
                    server.accept()[0].close()
                except BlockingIOError:
                    return taken
                taken += 1

        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0", connections


def test_a_silent_redis_is_tried_once_and_then_left_alone(settings, black_hole):
    url, connections = black_hole
    use_redis(settings, url)
    started = time.monotonic()
    counts = {count_in_redis("limit:test:a", 60) for _ in range(1000)}

    assert counts == {None}
    assert connections() == 1
    assert time.monotonic() - started < 1


def test_the_cache_and_the_limits_share_the_breaker(settings, black_hole):
    url, connections = black_hole
    use_redis(settings, url)
    count_in_redis("limit:test:a", 60)

    assert caches["default"].get("a") is None
    assert caches["responses"].get("a") is None
    assert connections() == 1


def test_after_its_time_the_breaker_tries_again(settings, black_hole, monkeypatch):
    monkeypatch.setattr(redis_client, "BREAKER_SECONDS", 0)
    url, connections = black_hole
    use_redis(settings, url, timeout=0.01)
    for _ in range(3):
        count_in_redis("limit:test:a", 60)

    assert connections() == 3


def test_an_outage_is_one_line_in_the_log_and_not_one_per_request(settings, black_hole, caplog):
    use_redis(settings, black_hole[0], timeout=0.01)
    caplog.set_level("WARNING")
    for _ in range(100):
        count_in_redis("limit:test:a", 60)

    assert len(caplog.records) <= 1


def test_threads_that_wait_for_redis_do_not_wait_for_each_other(settings, black_hole):
    use_redis(settings, black_hole[0], timeout=0.2)
    started = time.monotonic()
    together(*[lambda: count_in_redis("limit:test:a", 60)] * 10)

    assert time.monotonic() - started < 1.5
    assert threading.active_count() < 50
