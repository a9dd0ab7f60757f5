"""A Redis that is demoted, killed, silent or gone, as cache, counter of the limits and broker at once."""

import signal
import threading
import time
from contextlib import contextmanager

import pytest
import redis
from django.conf import settings

from config.tests.faults.network import Fault
from config.tests.faults.stage import Traffic
from config.tests.processes import call
from core.tests.ports import free_port
from core.tests.waiting import wait_until

FAULT_SECONDS = 8.0
# Time-outs of Redis are 0.1 s; a test has to pass on a machine with other work going on.
RESPONSE_SECONDS = 3.0
CONSUMES_SECONDS = 30.0
SLOW_P95_SECONDS = 0.3


@pytest.fixture(scope="module")
def token(stage):
    return stage.user("ann")


@pytest.fixture(scope="module")
def limited(stage):
    """The URL of a server with a limit that a test can reach."""
    url = stage.another_server(THROTTLE_USER="5/min")
    stage.wait_until_ready(url)
    return url


@pytest.fixture
def traffic(stage, token):
    with Traffic(stage, token) as running:
        running.wait_for()
        yield running


@contextmanager
def demoted(stage):
    """Make the server a replica of nothing, as a failover does with the old primary."""
    with redis.Redis.from_url(stage.redis.url) as client:
        client.replicaof("127.0.0.1", free_port())
        try:
            yield
        finally:
            client.replicaof("NO", "ONE")


@contextmanager
def failing(stage, fault):
    stage.to_redis.set(fault)
    try:
        yield
    finally:
        stage.to_redis.set(Fault.NONE)


@contextmanager
def stopped(stage):
    stage.redis.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        stage.redis.send_signal(signal.SIGCONT)


@contextmanager
def killed(stage):
    stage.redis.send_signal(signal.SIGKILL)
    stage.redis.process.wait()
    try:
        yield
    finally:
        stage.redis.start()


@contextmanager
def configured(stage, name, value, default):
    """Change a setting of the server, and let its clients connect again."""
    with redis.Redis.from_url(stage.redis.url) as client:
        client.config_set(name, value)
        client.client_kill_filter(_type="normal", skipme=True)
        try:
            yield
        finally:
            client.config_set(name, default)


@contextmanager
def emptied(stage):
    """Empty the server again and again: with limits, cached lists and wake-ups of the worker."""
    ended = threading.Event()

    def empty():
        with redis.Redis.from_url(stage.redis.url) as client:
            while not ended.wait(0.1):
                client.flushall()

    thread = threading.Thread(target=empty)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


FAULTS = {
    "demoted": demoted,
    "full": lambda stage: configured(stage, "maxmemory", "1", "0"),
    "closed by another password": lambda stage: configured(stage, "requirepass", "other", ""),
    "killed": killed,
    "stopped": stopped,
    "silent": lambda stage: failing(stage, Fault.SILENT),
    "lost": lambda stage: failing(stage, Fault.LOST),
    "refusing": lambda stage: failing(stage, Fault.REFUSE),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_redis_is(fault, stage, traffic, limited, figure):
    name = fault.partition(" ")[0]
    token = stage.user(f"before-{name}")
    wait_until(lambda: stage.mails(f"before-{name}@example.com"))
    began = time.monotonic()
    with FAULTS[fault](stage):
        traffic.ended.wait(FAULT_SECONDS / 2)
        ready = call(f"{stage.url}/health/ready")
        limits = [call(f"{limited}/api/v1/resources", token=token).status for _ in range(8)]
        stage.user(f"meanwhile-{name}")
        traffic.ended.wait(FAULT_SECONDS / 2)
    ended = time.monotonic()
    stage.user(f"after-{name}")
    wait_until(
        lambda: stage.mails(f"after-{name}@example.com") and stage.mails(f"meanwhile-{name}@example.com"),
        CONSUMES_SECONDS,
    )
    consumed = time.monotonic() - ended
    traffic.wait_for(since=ended)

    statuses, checks = traffic.statuses(began), ready.json()["checks"]
    figure("responses", ", ".join(f"{status}: {number}" for status, number in sorted(statuses.items())))
    figure("slowest response", traffic.slowest(began), "s")
    figure("slowest liveness", traffic.slowest_probe(began), "s")
    figure("worker delivers after the end", consumed, "s")
    figure("readiness", f"cache {checks['cache']['status']}, broker {checks['broker']['status']}")
    assert statuses.keys() <= {200, 201}
    assert traffic.slowest(began) < RESPONSE_SECONDS
    assert limits == [200] * 5 + [429] * 3
    assert (ready.status, ready.json()["status"]) == (200, "degraded")
    expected = "read-only" if fault == "demoted" else "failed"
    assert {checks["cache"]["status"], checks["broker"]["status"]} == {expected}


def test_an_emptied_redis_loses_no_session_and_no_email(stage, traffic, token):
    """Limits begin again; nothing else was only there."""
    began = time.monotonic()
    with emptied(stage):
        traffic.wait_for(count=100)
        stage.user("emptied")
        wait_until(lambda: stage.mails("emptied@example.com"), CONSUMES_SECONDS)
        assert stage.api("GET", "/users/me", token=token).status == 200

    assert traffic.statuses(began).keys() <= {200, 201}


def test_a_slow_redis(stage, traffic, figure):
    """Each message takes 200 ms, which is longer than the time-out, so Redis is left alone."""
    stage.to_redis.delay = 0.2
    began = time.monotonic()
    traffic.ended.wait(FAULT_SECONDS / 2)
    stage.to_redis.delay = 0.0
    times = sorted(one.seconds for one in traffic.outcomes if one.began >= began)
    median, p95 = (times[int(len(times) * share)] for share in (0.5, 0.95))

    figure("requests", len(times))
    figure("median, p95", f"{median:.3f}, {p95:.3f} s")
    assert traffic.statuses(began).keys() <= {200, 201}
    assert median < settings.REDIS_TIMEOUT  # most requests do not wait for it at all
    assert p95 < SLOW_P95_SECONDS
    assert traffic.slowest(began) < RESPONSE_SECONDS
