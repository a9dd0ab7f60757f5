"""An AMQP broker that is silent, gone, or forgotten by a firewall. TEST_AMQP_URL names a virtual host for it alone."""

import os
import time
from urllib.parse import urlsplit

import pytest

from config.tests.faults.network import Fault, Proxy
from config.tests.faults.stage import Traffic, staged, through
from config.tests.processes import call
from core.tests.waiting import wait_until

URL = os.environ.get("TEST_AMQP_URL", "")
FAULT_SECONDS = 25.0  # two heartbeats are missed
# The target is no delay at all; a test has to pass on a machine with other work going on.
RESPONSE_SECONDS = 2.0
CONSUMES_SECONDS = 30.0

pytestmark = pytest.mark.skipif(not URL, reason="TEST_AMQP_URL is not set")


@pytest.fixture(scope="module")
def broker():
    with Proxy(urlsplit(URL).port or 5672) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def stage(tmp_path_factory, broker):
    with staged(tmp_path_factory.mktemp("stage"), CELERY_BROKER_URL=through(URL, broker)) as running:
        yield running


@pytest.mark.parametrize(
    "fault", [Fault.SILENT, Fault.LOST, Fault.REFUSE], ids=lambda fault: fault.name.lower()
)
def test_the_broker_is(fault, stage, broker, figure):
    name = fault.name.lower()
    token = stage.user(f"before-{name}")
    wait_until(lambda: stage.mails(f"before-{name}@example.com"))
    with Traffic(stage, token) as traffic:
        began = time.monotonic()
        broker.set(fault)
        for number in range(5):
            stage.user(f"{name}{number}")
        traffic.ended.wait(FAULT_SECONDS)
        ready = call(f"{stage.url}/health/ready")
        broker.set(Fault.NONE)
        ended = time.monotonic()
        registered = time.monotonic()
        stage.user(f"after-{name}")
        registered = time.monotonic() - registered
        wait_until(
            lambda: all(stage.mails(f"{who}@example.com") for who in (f"after-{name}", f"{name}4")),
            90,
            explain=lambda: "".join(
                line for line in stage.log_path.open() if '"celery' in line or "wake_up" in line
            ),
        )
        consumed = time.monotonic() - ended

    statuses, checks = traffic.statuses(began), ready.json()["checks"]
    figure("responses", ", ".join(f"{status}: {number}" for status, number in sorted(statuses.items())))
    figure("slowest response", traffic.slowest(began), "s")
    figure("worker delivers after the end", consumed, "s")
    assert statuses.keys() <= {200, 201}
    assert traffic.slowest(began) < RESPONSE_SECONDS
    assert consumed < CONSUMES_SECONDS
    assert (ready.status, checks["broker"]["status"]) == (200, "failed")
    assert checks["broker"]["latencyMs"] < 3000
