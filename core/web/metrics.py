"""Prometheus metrics. With PROMETHEUS_MULTIPROC_DIR the response has the sums of all server processes."""

import hmac
import ipaddress
import os
import platform
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import django
import structlog
from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client import REGISTRY as PROCESS_REGISTRY
from prometheus_client.core import InfoMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from core.web.client_address import client_ip
from core.web.errors import ApiError, error_response

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

requests_total = Counter("http_requests_total", "Finished requests", ["method", "route", "status"])
request_seconds = Histogram("http_request_seconds", "Time to the response", ["route"], buckets=BUCKETS)
statements_total = Counter("http_request_statements_total", "Statements of finished requests", ["route"])
outbox_total = Counter("outbox_messages_total", "Outbox messages handled", ["kind", "outcome"])
jobs_total = Counter("jobs_total", "Runs of jobs that ended", ["kind", "outcome"])
job_seconds = Histogram(
    "job_run_seconds", "Length of one run of a job", ["kind"], buckets=(0.1, 1, 5, 15, 60, 300, 900)
)
cached_responses_total = Counter("cached_responses_total", "Lists looked up in the cache", ["outcome"])
logins_total = Counter("login_attempts_total", "Password checks", ["outcome"])
sign_ins_total = Counter("provider_sign_ins_total", "Sign-ins with a provider", ["provider", "outcome"])

# Of the server of `manage.py serve`: each process writes its gauges once a second.
server_requests = Gauge(
    "server_requests", "Requests that run or wait for a thread", multiprocess_mode="livesum"
)
server_threads = Gauge("server_threads", "Requests that can run at once", multiprocess_mode="livesum")
refused_total = Counter("server_refused_requests_total", "Requests that no thread took", ["status"])
# Of the circuit breaker in front of Redis (core/db/redis_client.py).
circuit_opened_total = Counter("redis_circuit_opened_total", "Times that Redis was given up for some seconds")
circuit_open_until = Gauge(
    "redis_circuit_open_until_timestamp_seconds", "When Redis is tried again", multiprocess_mode="max"
)

# Of the replica of DATABASE_REPLICA_URL (core/db/replica_health.py).
replica_lag = Gauge(
    "database_replica_lag_seconds",
    "How far the replica is behind the primary",
    multiprocess_mode="livemostrecent",
)
replica_reads = Counter("database_replica_reads_total", "Lists and exports for the replica", ["outcome"])

outgoing_total = Counter("outgoing_requests_total", "Calls of other services", ["integration", "outcome"])
outgoing_seconds = Histogram(
    "outgoing_request_seconds",
    "Length of a call with its retries",
    ["integration"],
    buckets=(*BUCKETS, 30, 60),
)
webhooks_total = Counter("webhook_deliveries_total", "Attempts to deliver webhooks", ["outcome"])
webhooks_paused_total = Counter("webhooks_paused_total", "Webhooks that were paused for their failures")
limited_total = Counter("rate_limited_requests_total", "Requests beyond a rate limit", ["scope"])

# For collectors of what the database knows, which are the same in all processes.
database_registry = CollectorRegistry()
build_registry = CollectorRegistry()
log = structlog.get_logger(__name__)


class StatementCounter(threading.local):
    """The number of statements of the current request. Each is an addition, and a request is one step of the metric."""

    number = 0


executed = StatementCounter()


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    # A client can invent methods; the set of labels must be bounded.
    total, lengths, statements = series(method if method in METHODS else "other", route, status)
    total.inc()
    lengths.observe(seconds)
    statements.inc(executed.number)


@cache
def series(method: str, route: str, status: int) -> tuple[Counter, Histogram, Counter]:
    total = requests_total.labels(method, route, str(status))
    return total, request_seconds.labels(route), statements_total.labels(route)


class BuildCollector(Collector):
    """The versions, as labels. Not a gauge of prometheus_client: that would be one for each process."""

    def collect(self) -> Iterator[Any]:
        versions = {
            "version": settings.VERSION,
            "python": platform.python_version(),
            "django": django.get_version(),
        }
        yield InfoMetricFamily("build", "Versions", value=versions)


build_registry.register(BuildCollector())


def metrics_view(request: HttpRequest) -> HttpResponse:
    if not may_read(request):
        return error_response(ApiError("FORBIDDEN"), request)
    content = generate_latest(counters_of_processes()) + generate_latest(build_registry)
    try:
        content += generate_latest(database_registry)
    except DatabaseError as error:
        log.warning("metrics_without_database", error=type(error).__name__)
    return HttpResponse(content, content_type=CONTENT_TYPE_LATEST)


def counters_of_processes() -> CollectorRegistry:
    """Return the counters of all processes of this program."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not folder:
        return PROCESS_REGISTRY
    remove_gauges_of_the_dead(Path(folder))
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return registry


def remove_gauges_of_the_dead(folder: Path) -> None:
    """Remove the gauges of processes that have ended: they would count for ever. A killed process cannot do it."""
    for pid in {int(file.stem.rpartition("_")[2]) for file in folder.glob("gauge_live*.db")}:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            with suppress(FileNotFoundError):  # another process has removed them
                mark_process_dead(pid, str(folder))


def may_read(request: HttpRequest) -> bool:
    """Return whether the request has METRICS_TOKEN or, if none is set, comes from this machine.

    With TRUSTED_PROXIES `client_ip` is never loopback, so the metrics then need a token.
    """
    if settings.METRICS_TOKEN:
        return is_token(request.headers.get("Authorization", ""))
    address = client_ip(request)
    return address is not None and ipaddress.ip_address(address).is_loopback


def is_token(authorization: str) -> bool:
    """Return whether a value of `Authorization` has METRICS_TOKEN."""
    sent = authorization.removeprefix("Bearer ")
    return hmac.compare_digest(sent.encode(), settings.METRICS_TOKEN.encode())
