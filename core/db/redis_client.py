"""The connections to Redis, for Django's caches and the rate limits alike, with a circuit breaker.

The settings import this module, so it reads none.
"""

import time
from collections.abc import Callable
from typing import Any

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.web.resolver import resolver

log = structlog.get_logger(__name__)

BREAKER_SECONDS = 5.0
# Called with BREAKER_SECONDS when a circuit opens. The metrics are added here: they read the settings.
listeners: list[Callable[[float], None]] = []


class BoundedLookup:
    """A mixin for connections: the lookup of the host takes no longer than the time-out for connecting."""

    host: str
    is_connected: bool
    socket_connect_timeout: float | None

    def connect(self) -> None:
        if not self.is_connected:
            try:
                resolver.addresses_of(self.host, self.socket_connect_timeout)
            except TimeoutError as error:
                raise redis.TimeoutError(f"the lookup of the host {self.host!r} takes too long") from error
            except OSError as error:
                raise redis.ConnectionError(f"failed to resolve host {self.host!r}: {error}") from error
        super().connect()  # type: ignore[misc]


def bounded(connection_class: Any) -> Any:
    """Return this class of connections with a BoundedLookup, unless it is that of a socket in the file system."""
    if issubclass(connection_class, redis.UnixDomainSocketConnection):
        return connection_class
    return type(f"Bounded{connection_class.__name__}", (BoundedLookup, connection_class), {})


class BreakerPool(redis.ConnectionPool):
    """A pool that raises ConnectionError at once for some seconds after a connection has failed, so that a Redis that
    is away costs one request a time-out, and not each. `CACHES` names it (django-redis: CONNECTION_POOL_CLASS)."""

    def __init__(self, *args: Any, **options: Any) -> None:
        # One more try on a new connection, since Redis may have been restarted; none after a time-out.
        options.setdefault("retry", Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)))
        options.setdefault("max_connections", 2**31)  # threads are the limit: each uses one at a time
        options["connection_class"] = bounded(options.get("connection_class", redis.Connection))
        super().__init__(*args, **options)
        self.open_until = 0.0

    def get_connection(self, *args: Any, **options: Any) -> Any:
        if time.monotonic() < self.open_until:
            raise redis.ConnectionError("Redis has failed within the last seconds.")
        return super().get_connection(*args, **options)

    def release(self, connection: Any) -> None:
        """Open the circuit for a failed connection: the client disconnects it before it releases it."""
        if not connection.is_connected:
            self.refuse()
        super().release(connection)

    def refuse(self) -> None:
        """Open the circuit. Also called for a server that returns errors only, such as a read-only replica."""
        now = time.monotonic()
        if now >= self.open_until:
            self.open_until = now + BREAKER_SECONDS
            log.warning("redis_is_away", seconds=BREAKER_SECONDS)
            for listener in listeners:
                listener(BREAKER_SECONDS)


def caches_at(url: str, timeout: float) -> dict[str, Any]:
    """Return the `CACHES` setting for a Redis. All of them share one pool of connections in a process."""
    options = {
        "SOCKET_CONNECT_TIMEOUT": timeout,
        "SOCKET_TIMEOUT": timeout,
        "IGNORE_EXCEPTIONS": True,
        "CONNECTION_POOL_CLASS": "core.db.redis_client.BreakerPool",
    }
    default = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url, "OPTIONS": options}
    as_bytes = options | {"SERIALIZER": "core.api.cache.BytesSerializer"}
    return {"default": default, "responses": default | {"KEY_PREFIX": "response", "OPTIONS": as_bytes}}
