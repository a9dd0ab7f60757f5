"""The end of traces and reports: the last ones are sent, and no collector or ingest delays a request or the end."""

import secrets
import time

import pytest
from django.conf import settings

from config.tests.observers import observing
from config.tests.processes import SmallProduct, call
from core.tests.waiting import wait_until

PERSON = {"password": "Corr3ct-horse-battery", "name": "Ann"}


class DefectiveProduct(SmallProduct):
    worker_app = "config.tests.defective_work"


def stop(product):
    """Stop all processes, and return the seconds that it took."""
    began = time.monotonic()
    for process in product.processes:
        process.terminate()
    assert [process.wait(40) for process in product.processes] == [0] * len(product.processes)
    return time.monotonic() - began


def test_the_last_spans_are_sent_at_the_end(tmp_path):
    trace = secrets.token_hex(16)
    with observing() as collector:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "600000"}
        with SmallProduct(tmp_path, OTEL_SERVICE_NAME="another", **variables) as product:
            person = PERSON | {"email": "ann@example.com"}
            product.api("POST", "/auth/register", person, traceparent=f"00-{trace}-{'1' * 16}-01")
            product.sink.next_email()
            stop(product)

        spans = [span for span in collector.spans if span.trace == trace]
    assert {span.program for span in spans} == ({"web", "worker"} if settings.CELERY_BROKER_URL else {"web"})
    assert {span.service for span in spans} == {"another"}
    assert "outboxmessage accounts.email_proof" in {span.name for span in spans}


@pytest.mark.parametrize("silent", [True, False], ids=["silent", "gone"])
def test_no_observer_delays_a_request_or_the_end(tmp_path, silent):
    with observing(silent=True) as observer:
        port = observer.port if silent else 9  # where nothing listens
        variables = {
            "DJANGO_SETTINGS_MODULE": "config.tests.defective",
            "SENTRY_DSN": f"http://key@127.0.0.1:{port}/7",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
        with DefectiveProduct(tmp_path, **variables) as product:
            call(f"{product.url}/api/v1/fail/defect", "POST")
            if silent:
                wait_until(lambda: len(observer.bodies) >= 2)  # both have sent, and wait for the response
            began = time.monotonic()
            kinds = ["defect", "lost"] * 10
            statuses = {call(f"{product.url}/api/v1/fail/{kind}", "POST").status for kind in kinds}
            assert time.monotonic() - began < 15
            assert statuses == {500, 503}
            assert stop(product) < 30
