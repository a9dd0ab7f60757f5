import re
import time

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core.db.redis_client import BREAKER_SECONDS, BreakerPool
from core.outbox import services as outbox
from core.tests.answers import code
from core.tests.factories import OutboxMessageFactory
from core.tests.interpreter import django_python
from core.web.metrics import METHODS

pytestmark = [pytest.mark.django_db, pytest.mark.urls("core.tests.urls")]


def sample(name, **labels):
    """The value of one series, 0 while it does not exist."""
    text = Client().get("/metrics").content.decode()
    wanted = ",".join(f'{key}="{value}"' for key, value in labels.items())
    found = re.search(rf"^{name}\{{{re.escape(wanted)}\}} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0


def test_they_are_prometheus_text():
    answer = Client().get("/metrics")

    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=")
    assert b"# TYPE http_requests_total counter" in answer.content


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_without_a_token_this_machine_may_read(address):
    assert Client().get("/metrics", REMOTE_ADDR=address).status_code == 200


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", "2001:db8::1", "", "unix"])
def test_without_a_token_nobody_else_may(address):
    assert code(Client().get("/metrics", REMOTE_ADDR=address)) == (403, "FORBIDDEN")


def test_who_comes_through_a_proxy_is_not_this_machine(settings):
    settings.TRUSTED_PROXIES = 1

    assert Client().get("/metrics", HTTP_X_FORWARDED_FOR="192.0.2.1").status_code == 403


def test_an_invented_forwarded_address_does_not_help():
    answer = Client().get("/metrics", REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR="127.0.0.1")

    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer s3cret-tøken", 200),
        ("Bearer wrong", 403),
        ("Bearer ", 403),
        ("", 403),
        ("Basic s3cret-tøken", 403),
    ],
)
@pytest.mark.parametrize("address", ["127.0.0.1", "192.0.2.1"])
def test_with_a_token_the_token_alone_decides(settings, header, status, address):
    settings.METRICS_TOKEN = "s3cret-tøken"

    assert Client().get("/metrics", HTTP_AUTHORIZATION=header, REMOTE_ADDR=address).status_code == status


def test_every_request_is_counted_by_route_and_status(owner):
    labels = {"method": "GET", "route": "api/v1/jobs/<uuid:pk>", "status": "404"}
    before = sample("http_requests_total", **labels)
    owner.get("/api/v1/jobs/01890000-0000-7000-8000-000000000000")
    owner.get("/api/v1/jobs/01890000-0000-7000-8000-000000000001")

    assert sample("http_requests_total", **labels) == before + 2


def test_invented_methods_and_paths_make_no_new_series():
    before = Client().get("/metrics").content.count(b"http_requests_total{")
    for n in range(5):
        Client().generic(f"INVENTED{n}", f"/nope/{n}")
        Client().get(f"/nope/{n}")
    text = Client().get("/metrics").content.decode()

    assert text.count("http_requests_total{") <= before + 3
    assert set(re.findall(r'http_requests_total\{method="(\w+)"', text)) <= METHODS | {"other"}


def test_time_is_measured():
    before = sample("http_request_seconds_count", route="health")
    Client().get("/health")

    assert sample("http_request_seconds_count", route="health") == before + 1


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(None, "done"), (OSError("busy"), "retried"), (outbox.PermanentError("no"), "failed")],
)
def test_the_outbox_is_counted_by_kind_and_outcome(monkeypatch, error, outcome):
    def handle(_message):
        if error:
            raise error

    monkeypatch.setitem(outbox.handlers, "test.counted", handle)
    labels = {"kind": "test.counted", "outcome": outcome}
    before = sample("outbox_messages_total", **labels)
    OutboxMessageFactory(kind="test.counted")
    outbox.drain()

    assert sample("outbox_messages_total", **labels) == before + 1


def test_log_ins_are_counted(anonymous):
    before = sample("login_attempts_total", outcome="failure")
    anonymous.post("/api/v1/auth/login", {"email": "nobody@example.com", "password": "x"})

    assert sample("login_attempts_total", outcome="failure") == before + 1


SEVERAL = """
import os
from core.web.metrics import observe_request
if os.fork() == 0:
    observe_request("GET", "health", 200, 0.1)
    os._exit(0)
os.wait()
observe_request("GET", "health", 200, 0.1)
print(Client().get("/metrics").content.decode())
"""


def test_several_processes_are_one_answer(tmp_path):
    done = django_python(SEVERAL, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))

    assert 'http_requests_total{method="GET",route="health",status="200"} 2.0' in done.stdout, done.stderr


GONE = """
import os
from core.web.metrics import server_threads
if os.fork() == 0:
    server_threads.set(3)
    os._exit(0)
os.wait()
server_threads.set(5)
print(Client().get("/metrics").content.decode())
"""


def test_the_gauges_of_a_process_that_has_ended_do_not_count(tmp_path):
    done = django_python(GONE, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))

    assert "\nserver_threads 5.0" in done.stdout, done.stderr


def test_statements_are_counted_by_route(owner):
    labels = {"route": "api/v1/jobs/<uuid:pk>"}
    before = sample("http_request_statements_total", **labels)
    with CaptureQueriesContext(connection) as queries:
        owner.get("/api/v1/jobs/01890000-0000-7000-8000-000000000000")
        number = len(queries)  # the next request empties the list

    assert number > 0
    assert sample("http_request_statements_total", **labels) == before + number


def test_an_open_circuit_is_counted_and_has_an_end():
    def values():
        text = Client().get("/metrics").content.decode()
        return [
            float(value)
            for value in re.findall(r"^redis_circuit_\w+_(?:total|seconds) (\S+)$", text, re.MULTILINE)
        ]

    pool = BreakerPool()
    before = values()[0]
    for _ in range(3):  # it is open after the first
        pool.refuse()

    opened, until = values()
    assert opened == before + 1
    assert time.time() < until <= time.time() + BREAKER_SECONDS
