"""Reports of defects by real processes, at an ingest of Sentry that the test serves."""

import secrets

import pytest
from django.conf import settings

from config.tests.observers import observing
from config.tests.processes import SmallProduct, call
from core.tests.waiting import wait_until

SECRET = secrets.token_hex(8)
SEND = """
from celery import current_app
current_app.send_task("test.defect", kwargs={{"password": "{secret}"}}, ignore_result=True)
"""


class DefectiveProduct(SmallProduct):
    worker_app = "config.tests.defective_work"


@pytest.fixture(scope="module")
def ingest():
    with observing() as server:
        yield server


@pytest.fixture(scope="module")
def product(tmp_path_factory, ingest):
    variables = {
        "DJANGO_SETTINGS_MODULE": "config.tests.defective",
        "SENTRY_DSN": f"http://key@127.0.0.1:{ingest.port}/7",
        "SENTRY_ENVIRONMENT": "staging",
    }
    with DefectiveProduct(tmp_path_factory.mktemp("defects"), **variables) as running:
        yield running


def fail(product, kind):
    """Send a request with the secret in body, query and headers to the view that fails."""
    return call(
        f"{product.url}/api/v1/fail/{kind}?token={SECRET}",
        "POST",
        {"password": SECRET},
        token=SECRET,
        Cookie=f"session={SECRET}",
        X_Other=SECRET,
    )


def events_of(ingest, tag, value):
    return [event for event in ingest.events if event["tags"].get(tag) == value]


def test_a_defect_of_a_view_is_reported_once_and_a_refusal_never(product, ingest):
    refused = [fail(product, "refusal"), fail(product, "lost"), call(f"{product.url}/api/v1/nothing")]
    assert [response.status for response in refused] == [409, 503, 404]
    response, last = fail(product, "defect"), fail(product, "defect")
    assert response.status == 500

    # Reports are sent in their order, so with the last one all are there.
    wait_until(lambda: events_of(ingest, "request_id", last.headers["X-Request-ID"]))
    [event] = events_of(ingest, "request_id", response.headers["X-Request-ID"])
    [exception] = event["exception"]["values"]
    assert exception["type"] == "ValueError"
    assert exception["value"].endswith(" of [email] at [address]")
    assert exception["stacktrace"]["frames"][-1]["function"] == "fail"
    assert (event["release"], event["environment"]) == (settings.VERSION, "staging")
    assert event["tags"]["program"] == "web"
    ids = [response.headers["X-Request-ID"] for response in refused]
    assert [event for id_ in ids for event in events_of(ingest, "request_id", id_)] == []


@pytest.mark.skipif(not settings.CELERY_BROKER_URL, reason="of a worker: make test-services")
def test_a_defect_of_a_task_is_reported_once(product, ingest):
    product.manage("shell", "--no-imports", "--command", SEND.format(secret=SECRET))

    wait_until(lambda: events_of(ingest, "program", "worker"))
    [event] = events_of(ingest, "program", "worker")
    [exception] = event["exception"]["values"]
    assert (exception["type"], exception["value"]) == ("KeyError", "'cannot use 32 of [email]'")


def test_reports_hold_no_secrets(product, ingest):
    last = fail(product, "defect").headers["X-Request-ID"]
    wait_until(lambda: events_of(ingest, "request_id", last))

    sent = b"".join(ingest.bodies)
    reports = [event["exception"]["values"][0] for event in ingest.events]
    frames = [frame for report in reports for frame in report["stacktrace"]["frames"]]
    assert [text for text in (SECRET, "Python-urllib") if text.encode() in sent] == []
    assert [frame for frame in frames if "vars" in frame] == []
    assert [event for event in ingest.events if {"request", "user", "extra"} & event.keys()] == []
    assert [event for event in ingest.events if event["breadcrumbs"]["values"]] == []
