"""Prometheus metrics. With PROMETHEUS_MULTIPROC_DIR the response has the sums of all server processes."""

import hmac
import ipaddress
import os
from functools import cache

import structlog
from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client import REGISTRY as PROCESS_REGISTRY
from prometheus_client.multiprocess import MultiProcessCollector

from core.web.client_address import client_ip
from core.web.errors import ApiError, error_response

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

requests_total = Counter("http_requests_total", "Finished requests", ["method", "route", "status"])
request_seconds = Histogram("http_request_seconds", "Time to the response", ["route"], buckets=BUCKETS)
outbox_total = Counter("outbox_messages_total", "Outbox messages handled", ["kind", "outcome"])
jobs_total = Counter("jobs_total", "Runs of jobs that ended", ["kind", "outcome"])
job_seconds = Histogram(
    "job_run_seconds", "Length of one run of a job", ["kind"], buckets=(0.1, 1, 5, 15, 60, 300, 900)
)
cached_responses_total = Counter("cached_responses_total", "Lists looked up in the cache", ["outcome"])
logins_total = Counter("login_attempts_total", "Password checks", ["outcome"])

# For collectors of what the database knows, which are the same in all processes.
database_registry = CollectorRegistry()
log = structlog.get_logger(__name__)


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    # A client can invent methods; the set of labels must be bounded.
    total, lengths = series(method if method in METHODS else "other", route, status)
    total.inc()
    lengths.observe(seconds)


@cache
def series(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return requests_total.labels(method, route, str(status)), request_seconds.labels(route)


def metrics_view(request: HttpRequest) -> HttpResponse:
    if not may_read(request):
        return error_response(ApiError("FORBIDDEN"), request)
    registry = PROCESS_REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
    content = generate_latest(registry)
    try:
        content += generate_latest(database_registry)
    except DatabaseError as error:
        log.warning("metrics_without_database", error=type(error).__name__)
    return HttpResponse(content, content_type=CONTENT_TYPE_LATEST)


def may_read(request: HttpRequest) -> bool:
    """Return whether the request has METRICS_TOKEN or, if none is set, comes from this machine.

    With TRUSTED_PROXIES `client_ip` is never loopback, so the metrics then need a token.
    """
    if settings.METRICS_TOKEN:
        sent = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(sent.encode(), settings.METRICS_TOKEN.encode())
    address = client_ip(request)
    return address is not None and ipaddress.ip_address(address).is_loopback
