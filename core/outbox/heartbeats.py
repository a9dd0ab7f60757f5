"""Heartbeats of worker and beat: a row for each program and host, which `manage.py heartbeat`, doctor and metrics read.

A worker writes its row while it consumes messages, beat while it looks at its schedule. Without a broker each web
process follows the schedule, and writes the row of beat.
"""

import time
from collections.abc import Iterator
from datetime import timedelta
from socket import gethostname
from typing import Any

import structlog
from django.db import DatabaseError, connections
from django.db.models import Max
from django.db.models.functions import Now
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from core.db.retention import purges_expired
from core.outbox.models import Heartbeat
from core.web.metrics import database_registry
from core.web.request_context import REQUEST_LIMITS, time_limits

log = structlog.get_logger(__name__)

INTERVAL_SECONDS = 10.0
LATE = timedelta(seconds=60)  # then a program is reported
RETENTION = timedelta(days=1)


class Heart:
    """The heartbeat of this program, written at most once in INTERVAL_SECONDS."""

    def __init__(self, program: Heartbeat.Program) -> None:
        self.program, self.next_beat = program, 0.0

    def beat(self) -> None:
        """Write the row. A database that takes no write is logged; the wait for it is that of a request."""
        if time.monotonic() < self.next_beat:
            return
        self.next_beat = time.monotonic() + INTERVAL_SECONDS
        # A worker forks its other processes from this one: they must inherit neither limits nor connection.
        limits = time_limits.set(REQUEST_LIMITS)
        try:
            Heartbeat.objects.bulk_create(
                [Heartbeat(program=self.program, host=gethostname(), beat_at=Now())],
                update_conflicts=True,
                unique_fields=["program", "host"],
                update_fields=["beat_at"],
            )
        except DatabaseError as error:
            log.warning("heartbeat_not_written", program=self.program, error=type(error).__name__)
        finally:
            time_limits.reset(limits)
            connections.close_all()


def ages(host: str = "") -> dict[str, timedelta]:
    """Return how long ago each program has written its last heartbeat, on this host or on any."""
    rows = Heartbeat.objects.filter(host=host) if host else Heartbeat.objects.all()
    return dict(rows.values_list("program").annotate(age=Now() - Max("beat_at")))


class HeartbeatCollector(Collector):
    """The ages for Prometheus, read from the database at each request."""

    def collect(self) -> Iterator[Any]:
        gauge = GaugeMetricFamily(
            "heartbeat_age_seconds", "Time since the last heartbeat of any such program", labels=["program"]
        )
        for program, age in ages().items():
            gauge.add_metric([program], age.total_seconds())
        yield gauge


database_registry.register(HeartbeatCollector())


@purges_expired("heartbeats")
def expired_heartbeats() -> Any:
    return Heartbeat.objects.filter(beat_at__lt=Now() - RETENTION)
