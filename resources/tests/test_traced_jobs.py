"""The trace of a job, at a collector: its work in the worker belongs to the request that has enqueued it."""

import secrets

import pytest
from django.conf import settings

from config.tests.observers import observing
from config.tests.processes import SmallProduct, call
from core.tests.waiting import wait_until

PASSWORD = "Corr3ct-horse-battery"

pytestmark = pytest.mark.skipif(
    not settings.CELERY_BROKER_URL or not settings.DATABASES["default"]["ENGINE"].endswith("postgresql"),
    reason="of PostgreSQL, Redis and a worker: make test-services",
)


def test_the_work_of_a_job_is_in_the_trace_of_its_request(tmp_path):
    with observing() as collector:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        with SmallProduct(tmp_path, MEDIA_ROOT=str(tmp_path / "media"), **variables) as product:
            person = {"email": "ann@example.com", "password": PASSWORD, "name": "Ann"}
            registered = product.api("POST", "/auth/register", person).json()
            token, trace = registered["data"]["tokens"]["accessToken"], secrets.token_hex(16)
            url = f"{product.url}/api/v1/resources/export"
            enqueued = call(url, "POST", {"format": "json"}, token, traceparent=f"00-{trace}-{'1' * 16}-01")
            job = enqueued.json()["data"]["id"]

            def arrived():
                spans = [span for span in collector.spans if span.trace == trace]
                return {"job", "POST"} <= {span.name.split()[0] for span in spans} and spans

            spans = wait_until(arrived, explain=lambda: [span.name for span in collector.spans])
            status = product.api("GET", f"/jobs/{job}", token=token).json()["data"]["status"]

    [work] = [span for span in spans if span.name.startswith("job ")]
    [request] = [span for span in spans if span.attributes.get("http.route") == "api/v1/resources/export"]
    assert enqueued.status == 202
    assert status == "succeeded"
    assert (work.program, work.parent) == ("worker", request.key)
    assert work.attributes["request.id"] == enqueued.headers["X-Request-ID"]
    assert {span.scope for span in spans if span.parent == work.key} >= {"psycopg"}
