"""Traces of real processes, at a collector: one for a request, its statements, commands, tasks and emails."""

import json
import secrets

import pytest
from django.conf import settings

from config.tests.observers import observing
from config.tests.processes import SmallProduct, call
from core.tests.waiting import wait_until

PASSWORD = "Corr3ct-horse-battery"
SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5  # kinds of spans in OTLP

pytestmark = pytest.mark.skipif(
    not settings.CELERY_BROKER_URL or not settings.DATABASES["default"]["ENGINE"].endswith("postgresql"),
    reason="of PostgreSQL, Redis and a worker: make test-services",
)


@pytest.fixture(scope="module")
def collector():
    with observing() as server:
        yield server


@pytest.fixture(scope="module")
def product(tmp_path_factory, collector):
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_HEADERS": "x-key=secret",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_TRACES_SAMPLER": "",  # set to nothing is not set
    }
    with SmallProduct(tmp_path_factory.mktemp("traces"), **variables) as running:
        yield running


def register(product, trace):
    """Register a person in a request that belongs to this trace. Return their address and the response."""
    address = f"{secrets.token_hex(4)}@example.com"
    person = {"email": address, "password": PASSWORD, "name": "Secret Name"}
    headers = {"traceparent": f"00-{trace}-{'1' * 16}-01", "baggage": "secret=of-the-client"}
    return address, product.api("POST", "/auth/register?", person, **headers)


def spans_of(collector, trace, *names):
    """Return the spans of this trace by name, as soon as one of each name is there."""

    def arrived():
        spans = [span for span in collector.spans if span.trace == trace]
        return set(names) <= {span.name for span in spans} and spans

    return wait_until(arrived, explain=lambda: [span.name for span in collector.spans if span.trace == trace])


def test_one_trace_from_the_request_to_the_email(product, collector):
    trace = secrets.token_hex(16)
    _address, response = register(product, trace)
    product.sink.next_email()

    names = ("apply_async/core.drain_outbox", "run/core.drain_outbox", "outboxmessage accounts.email_proof")
    spans = spans_of(collector, trace, *names)
    by_key = {span.key: span for span in spans}
    [request] = [span for span in spans if span.kind == SERVER]
    assert response.status == 201
    assert request.parent == "1" * 16
    assert request.attributes["http.route"] == "api/v1/auth/register"
    assert request.attributes["request.id"] == response.headers["X-Request-ID"]
    assert {(span.scope, span.program) for span in spans} >= {
        ("django", "web"),
        ("psycopg", "web"),
        ("redis", "web"),
        ("celery", "web"),
        ("celery", "worker"),
        ("core", "worker"),
        ("psycopg", "worker"),
    }
    [message] = [span for span in spans if span.name == names[2]]
    assert message.parent in by_key
    assert by_key[message.parent].kind == SERVER
    assert all(span.parent in by_key for span in spans if span is not request)


def test_log_lines_of_web_and_worker_have_the_trace(product, collector):
    trace = secrets.token_hex(16)
    register(product, trace)
    product.sink.next_email()

    def lines():
        found = [json.loads(line) for line in product.log_path.read_text().splitlines() if trace in line]
        return {line["message"]: line for line in found}

    found = wait_until(lambda: {"request", "registered", "mail_sent"} <= lines().keys() and lines())
    assert {line["traceId"] for line in found.values()} == {trace}


def test_spans_hold_no_values(product, collector):
    trace = secrets.token_hex(16)
    address, response = register(product, trace)
    token = response.json()["data"]["tokens"]["accessToken"]
    call(
        f"{product.url}/api/v1/users/me?secret=of-the-query",
        token=token,
        traceparent=f"00-{trace}-{'1' * 16}-01",
    )
    product.sink.next_email()
    spans_of(collector, trace, "outboxmessage accounts.email_proof", "GET api/v1/users/me")

    sent = b"".join(collector.bodies)
    secrets_of_it = (
        address,
        PASSWORD,
        "Secret Name",
        token,
        "of-the-query",
        "of-the-client",
        "Python-urllib",
    )
    assert [secret for secret in secrets_of_it if secret.encode() in sent] == []
    assert collector.headers[0]["x-key"] == "secret"


def test_health_checks_and_metrics_are_not_traced(product, collector):
    for path in ("/health", "/health/ready", "/metrics"):
        assert call(product.url + path).status == 200
    trace = secrets.token_hex(16)
    register(product, trace)
    spans_of(collector, trace, "outboxmessage accounts.email_proof")
    wait_until(lambda: "beat" in {span.program for span in collector.spans})

    roots = {span.name for span in collector.spans if not span.parent}
    assert [name for name in roots if "health" in name or "metrics" in name] == []
    assert {span.kind for span in collector.spans if not span.parent} <= {PRODUCER, CONSUMER, SERVER}
