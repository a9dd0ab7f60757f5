"""The gauges of /metrics that are read from the database, and the counters of limits and builds."""

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from core.tests.factories import JobFactory, OutboxMessageFactory

pytestmark = pytest.mark.django_db


def samples(prefix):
    """Return {series: value} of those series."""
    text = Client().get("/metrics").content.decode()
    lines = re.findall(rf"^({prefix}\S*?(?:{{.*}})?) (\S+)$", text, re.MULTILINE)
    return {series: float(value) for series, value in lines}


def ago(**length):
    return timezone.now() - timedelta(**length)


def test_rows_are_counted_by_queue_and_status():
    OutboxMessageFactory.create_batch(2)
    OutboxMessageFactory(status="done", finished_at=ago(minutes=1))
    OutboxMessageFactory(status="failed", finished_at=ago(hours=23))
    OutboxMessageFactory(status="failed", finished_at=ago(hours=25))
    JobFactory()
    JobFactory(status="running", lease_until=timezone.now() + timedelta(minutes=1))
    JobFactory(status="succeeded", finished_at=ago(minutes=1))

    assert samples("queue_rows") == {
        'queue_rows{queue="outbox",status="pending"}': 2,
        'queue_rows{queue="outbox",status="failed"}': 1,
        'queue_rows{queue="jobs",status="queued"}': 1,
        'queue_rows{queue="jobs",status="running"}': 1,
    }


def test_the_wait_is_that_of_the_oldest_row_that_no_worker_has():
    OutboxMessageFactory(due_at=ago(seconds=100))
    OutboxMessageFactory(due_at=ago(seconds=40))
    OutboxMessageFactory(due_at=ago(seconds=900), status="done", finished_at=ago(minutes=1))
    OutboxMessageFactory(due_at=ago(seconds=900), lease_until=timezone.now() + timedelta(minutes=1))
    JobFactory(due_at=timezone.now() + timedelta(minutes=5))

    waits = {series: round(value, -1) for series, value in samples("queue_oldest_due_seconds").items()}
    assert waits == {
        'queue_oldest_due_seconds{queue="outbox"}': 100,
        'queue_oldest_due_seconds{queue="jobs"}': 0,
        'queue_oldest_due_seconds{queue="webhooks"}': 0,
    }


def test_a_lease_that_has_run_out_counts_as_waiting():
    JobFactory(status="running", due_at=ago(seconds=300), lease_until=ago(seconds=200))

    assert round(samples("queue_oldest_due")['queue_oldest_due_seconds{queue="jobs"}'], -1) == 300


def test_connections_are_those_of_the_server():
    gauges = samples("database_connections") | samples("database_max_connections")

    if connection.vendor != "postgresql":
        assert gauges == {}
        return
    most = gauges.pop("database_max_connections")
    assert gauges['database_connections{state="active"}'] >= 1
    assert most >= sum(gauges.values())


def test_requests_beyond_a_limit_are_counted_by_scope(rates, owner):
    rates(user=1)
    series = 'rate_limited_requests_total{scope="user"}'
    before = samples("rate_limited_requests_total").get(series, 0)
    statuses = [owner.get("/api/v1/users/me").status_code for _ in range(3)]

    assert statuses == [200, 429, 429]
    assert samples("rate_limited_requests_total")[series] == before + 2


def test_the_version_is_a_label():
    [(series, value)] = samples("build_info").items()

    assert f'version="{settings.VERSION}"' in series
    assert value == 1
