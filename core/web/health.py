"""Liveness, which checks nothing else, and readiness, which checks every service that a request may need."""

import time
from collections.abc import Callable, Collection
from functools import cache
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import redis
from amqp import AMQPError
from celery import current_app
from django.conf import settings
from django.core.checks import run_checks
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from kombu.exceptions import KombuError

from core.web.resolver import resolver
from core.web.sentinels import client_of, hosts_of
from core.web.stopping import is_stopping

TIMEOUT_SECONDS = 1
BROKER_TIMEOUTS = {"socket_timeout", "socket_connect_timeout", "read_timeout", "write_timeout"}


def live(_request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok", "version": settings.VERSION})


def ready(_request: HttpRequest) -> JsonResponse:
    """Return 503 if the readiness is `unavailable` or `stopping`, else 200."""
    body = readiness()
    if body["status"] in {"unavailable", "stopping"}:
        return JsonResponse(body, status=503, headers={"Retry-After": "5"})
    return JsonResponse(body)


def readiness() -> dict[str, Any]:
    """Return the result of every check. The status is `unavailable` if the database is unreachable, takes no writes or
    has pending migrations, and `stopping`, whatever the checks, if this server is about to stop.

    Without Redis or the broker requests are still served (limits count locally, jobs wait in the outbox): `degraded`.
    """
    checks: dict[str, Any] = {}
    for name, check in CHECKS.items():
        # No second wait for a database that does not respond.
        is_in_vain = name == "migrations" and checks["database"]["status"] == "failed"
        checks[name] = {"status": "failed", "latencyMs": 0.0} if is_in_vain else measured(check)
    failed = {name for name, check in checks.items() if check["status"] != "ok"}
    if is_stopping():
        return {"status": "stopping", "checks": checks}
    if failed & {"database", "migrations"}:
        return {"status": "unavailable", "checks": checks}
    return {"status": "degraded" if failed else "ok", "checks": checks}


def measured(check: Callable[[], str]) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        status = check()
    except redis.ReadOnlyError:  # a replica; it responds, but neither counts nor queues
        status = "read-only"
    except (DatabaseError, redis.RedisError, OSError, KombuError, AMQPError):
        status = "failed"
    return {"status": status, "latencyMs": round((time.perf_counter() - started) * 1000, 1)}


def check_database() -> str:
    """Return `read-only` for a standby too: a load balancer must not choose a machine that cannot write."""
    is_postgresql = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only" if is_postgresql else "SELECT 1")
        (value,) = cursor.fetchone()
    return "read-only" if value == "on" else "ok"


@cache
def probe() -> redis.Redis:
    return client_of(settings.REDIS_URL, TIMEOUT_SECONDS)


def look_up(host: str | None) -> None:
    """Raise an OSError if the name of a host has no address, or none in time."""
    if host:
        resolver.addresses_of(host, TIMEOUT_SECONDS)


def look_up_any(hosts: Collection[str | None]) -> None:
    """Raise an OSError if none of the names has an address, or the lookup of one takes too long: the clients look up
    each until a server responds. The name of a Sentinel that is down may be gone."""
    failures: list[OSError] = []
    for host in hosts:
        try:
            look_up(host)
        except TimeoutError:
            raise
        except OSError as error:
            failures.append(error)
    if failures and len(failures) == len(hosts):
        raise failures[0]


def check_cache() -> str:
    if not settings.REDIS_URL:
        return "ok"  # in-process
    look_up_any([*hosts_of(settings.REDIS_URL)])
    probe().set("health", 1, ex=60)
    return "ok"


def broker_hosts(urls: str) -> list[str | None]:
    """Return the names of the hosts in URLs as kombu takes them; None for a socket in the file system."""
    return [urlsplit(url).hostname for url in urls.split(";")]


def check_broker() -> str:
    if not settings.CELERY_BROKER_URL:
        return "ok"  # in-process
    # Kombu's own timeouts (2 s between two attempts, 5 s for a response) are longer than those of any probe.
    known = settings.CELERY_BROKER_TRANSPORT_OPTIONS.keys() & BROKER_TIMEOUTS
    timeouts = dict.fromkeys(known, TIMEOUT_SECONDS)
    with current_app.connection_for_write(
        connect_timeout=TIMEOUT_SECONDS, transport_options=timeouts
    ) as broker:
        look_up_any(broker_hosts(settings.CELERY_BROKER_URL))
        broker.ensure_connection(max_retries=1, timeout=TIMEOUT_SECONDS, interval_start=0, interval_step=0)
        # Changes nothing where a worker has declared it, but is a write.
        current_app.amqp.queues["celery"].bind(broker.default_channel).declare()
    return "ok"


# Set once all migrations are applied: no code of this version reverts them, and the check is slow.
migrated = Event()


def check_migrations() -> str:
    if not migrated.is_set():
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if plan or run_checks(tags=["migrations"], databases=[connection.alias]):
            return "pending"
        migrated.set()
    return "ok"


CHECKS: dict[str, Callable[[], str]] = {
    "database": check_database,
    "cache": check_cache,
    "broker": check_broker,
    "migrations": check_migrations,
}
